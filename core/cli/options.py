"""Options that several commands share, each declared once.

A command that takes a filter has one parameter for it and a decorator: `filtered` types `wanted` (a `Filter`) as the
options of `_rows`; `answering` types `options` (a `AnalysisOptions`) as these and the options of `_analysis_options`.
`executing` types `execution` (an `ExecutionOptions`) as the options of `_execution`; `launching` types `where` (a
`Where`) as these and the backend.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, TypeVar

import typer

from core.actions.launch import Where
from core.actions.queue import PLACES
from core.cli.selectors import FAMILIES, SCRIPTS, check_names, checked
from core.errors import UnknownName
from core.queries.evidence import AnalysisOptions, Anchor
from core.queries.filters import Filter
from core.queries.scales import UNITS, Scale
from core.spec.execution import ExecutionOptions, execution_options

AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON list of flat objects and nothing else.")]
"""List of flat objects instead of a table."""
Again = Annotated[
    bool, typer.Option("--again", help="Make what is done already anew; what it had is put aside in its folder.")
]
"""Finished jobs once more."""
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Say what would be trained, how long it takes and what it needs; start nothing."),
]
"""The plan instead of the launch."""
Similarity = Annotated[str, typer.Option(help="Measure of similarity; see docs/measures.md.")]
"""Measure of similarity."""
Mirror = Annotated[str | None, typer.Option(help="Folder in the hub's layout.")]
"""Folder of the mirror."""

T = TypeVar("T")

_USUAL = AnalysisOptions()


def filtered(function: Callable[..., None]) -> Callable[..., None]:
    """The command with the options that say which rows it is about, in the place of its parameter `wanted`."""
    return _spread_out(function, parameter="wanted", make=_rows)


def answering(function: Callable[..., None]) -> Callable[..., None]:
    """The command with the options that say which rows and measures it is about, in the place of `options`."""
    return _spread_out(
        function, parameter="options", make=_spread_out(_analysis_options, parameter="wanted", make=_rows)
    )


def executing(function: Callable[..., None]) -> Callable[..., None]:
    """The command with the options that say how jobs are executed, in the place of its parameter `execution`."""
    return _spread_out(function, parameter="execution", make=_execution)


def launching(function: Callable[..., None]) -> Callable[..., None]:
    """The command with the options that say where and how jobs are executed, in the place of `where`."""
    return _spread_out(function, parameter="where", make=_spread_out(_where, parameter="execution", make=_execution))


def _execution(
    *,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda:0, mps …; auto:2 for two GPUs; auto unless said.")
    ] = None,
    batch_tokens: Annotated[
        int | None, typer.Option(help="Most tokens at once in training; fewer need less memory, same results.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="auto, bf16, fp16 or fp32; auto unless said.")] = None,
    gradient_checkpointing: Annotated[
        bool | None, typer.Option(help="Compute activations again for the backward pass: less memory, same results.")
    ] = None,
) -> ExecutionOptions:
    return execution_options(
        device=device,
        batch_tokens=batch_tokens,
        precision=precision,
        gradient_checkpointing=gradient_checkpointing,
    )


def _where(
    *,
    execution: ExecutionOptions,
    backend: Annotated[
        str | None,
        typer.Option(help=f"Where jobs run: {', '.join(PLACES)}; this machine unless ATLAS_BACKEND says so."),
    ] = None,
) -> Where:
    return Where(backend, execution)


def _rows(
    *,
    model: Annotated[list[str] | None, typer.Option(help="Only these models.")] = None,
    target: Annotated[list[str] | None, typer.Option(help="Only these targets.")] = None,
    lang: Annotated[list[str] | None, typer.Option(help="Only these languages.")] = None,
    collection: Annotated[
        str | None, typer.Option(help="measured or yours; the one with most intermediates where one must be chosen.")
    ] = None,
    protocol: Annotated[str | None, typer.Option(help="Only this protocol.")] = None,
    data_source: Annotated[str | None, typer.Option(help="sample, mirror or hub.")] = None,
) -> Filter:
    return checked(Filter(
        collection=collection, model=tuple(model or ()), target=tuple(target or ()), langs=tuple(lang or ()),
        protocol=protocol, data_source=data_source,
    ))  # fmt: skip


def _analysis_options(  # noqa: PLR0913  # one parameter per option
    *,
    wanted: Filter,
    family: Annotated[list[str] | None, typer.Option(help="Only these language families.")] = None,
    script: Annotated[list[str] | None, typer.Option(help="Only these scripts, such as Cyrl.")] = None,
    difficulty: Annotated[str, typer.Option(help="Measure of difficulty; see docs/measures.md.")] = _USUAL.difficulty,
    similarity: Similarity = _USUAL.similarity,
    anchor: Annotated[str, typer.Option(help="Similarity to the target's test or train text.")] = _USUAL.anchor,
    scale: Annotated[str, typer.Option(help="Unit of averages over targets: headroom or noise.")] = _USUAL.scale,
    with_in_task: Annotated[
        bool, typer.Option("--with-in-task", help="Include intermediates that train on the target's own task.")
    ] = False,
    with_excluded: Annotated[
        bool,
        typer.Option(
            "--with-excluded", help="Include gains that do not count, such as those of an intermediate not learned."
        ),
    ] = False,
) -> AnalysisOptions:
    return AnalysisOptions(
        wanted=wanted, difficulty=difficulty, similarity=similarity, anchor=_anchor(anchor), with_in_task=with_in_task,
        with_excluded=with_excluded, families=check_names("language family", family or (), known=FAMILIES),
        scripts=check_names("script", script or (), known=SCRIPTS), scale=_scale(scale),
    )  # fmt: skip


def _anchor(text: str) -> Anchor:
    if text == "test":
        return "test"
    if text == "train":
        return "train"
    raise UnknownName("anchor", text, known=("test", "train"))


def _scale(text: str) -> Scale:
    if text in UNITS:
        return text
    raise UnknownName("scale", text, known=UNITS)


def _spread_out(function: Callable[..., T], *, parameter: str, make: Callable[..., object]) -> Callable[..., T]:
    """The function with the parameters of `make` in the place of one, which gets what `make` returns."""
    outer = inspect.signature(function, eval_str=True)
    inner = inspect.signature(make, eval_str=True).parameters

    @functools.wraps(function)
    def _typed(**values: object) -> T:
        made = make(**{name: values.pop(name) for name in inner})
        return function(**values, **{parameter: made})

    parameters = [
        p.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, one in outer.parameters.items()
        for p in (inner.values() if name == parameter else (one,))
    ]
    _typed.__signature__ = outer.replace(parameters=parameters)  # type: ignore[attr-defined]  # what typer reads
    _typed.__annotations__ = {p.name: p.annotation for p in parameters}
    return _typed
