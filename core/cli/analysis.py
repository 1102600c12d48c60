"""Commands that answer: analyse, predict, claims, next. `core.cli.main` registers them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from core.cli.console import note, records, show
from core.cli.options import AsJson, Difficulty, Langs, Models, Protocol, Similarity, Source, Targets
from core.errors import DataError, UnknownName
from core.paths import AtlasPaths
from core.queries.evidence import Anchor, Choice, Evidence, choose_setting, evidence
from core.queries.filters import Filter
from core.store.connection import Store
from core.store.reading import open_for_reading
from core.tasks import load_tasks

Families = Annotated[list[str] | None, typer.Option("--family", help="Only these language families.")]
Scripts = Annotated[list[str] | None, typer.Option("--script", help="Only these scripts, such as Cyrl.")]
Collection = Annotated[str | None, typer.Option(help="measured or yours; the one with most intermediates otherwise.")]
InTask = Annotated[bool, typer.Option("--with-in-task", help="Count intermediates that train the target's own task.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the program.

    Args:
        app: The program's.
    """
    for name, function in (("analyse", analyse_), ("predict", predict), ("claims", claims), ("next", next_)):
        app.command(name)(function)


def analyse_(  # noqa: PLR0913, PLR0917  # one parameter per option
    model: Models = None,
    target: Targets = None,
    lang: Langs = None,
    family: Families = None,
    script: Scripts = None,
    collection: Collection = None,
    protocol: Protocol = None,
    data_source: Source = None,
    difficulty: Difficulty = "headroom",
    similarity: Similarity = "centroid_cosine",
    anchor: Annotated[str, typer.Option(help="Nearness to the target's test or train text.")] = "test",
    with_in_task: InTask = False,
    by: Annotated[str | None, typer.Option(help="Again within each: target, family or script.")] = None,
    cells: Annotated[bool, typer.Option("--cells", help="Test every cell on its examples, too.")] = False,
    every_measure: Annotated[
        bool, typer.Option("--every-measure", help="Fit every measure of difficulty and similarity, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say how much difficulty and similarity explain, with intervals, and what is missing."""
    # scipy's fitting takes half a second to load, which other commands need not wait for.
    import pandas as pd  # noqa: PLC0415

    from core.analysis.answer import answer  # noqa: PLC0415
    from core.analysis.cell_tests import cell_tests  # noqa: PLC0415
    from core.analysis.model import additive_null, analyse, by_group  # noqa: PLC0415
    from core.analysis.sensitivity import measured_cells, sensitivity  # noqa: PLC0415

    wanted = _filter(model, target, lang, collection=collection, protocol=protocol, data_source=data_source)
    choice = Choice(
        wanted=wanted, difficulty=difficulty, similarity=similarity, anchor=_anchor(anchor), with_in_task=with_in_task,
        families=tuple(family or ()), scripts=tuple(script or ()),
    )  # fmt: skip
    if by not in {None, "target", "family", "script"}:
        raise UnknownName("grouping", str(by), known=("target", "family", "script"))
    paths = AtlasPaths.from_environment()
    with open_for_reading(paths) as store, store.cursor() as cur:
        found = _evidence(store, choice)
        rows = found.frame[found.frame["gain"].notna()] if cells else found.frame.iloc[:0]
        tests = cell_tests(cur, rows)
        measured = measured_cells(cur, found) if every_measure else None
    extra = [by_group(found, kind=by)] if by else []
    extra += [tests.assign(kind="cell")] if cells else []
    curves = [sensitivity(measured)] if measured is not None else []
    extra += curves
    analysis = analyse(found)
    null = additive_null(analysis)
    figures = pd.concat([f for f in (analysis.figures, null) if not f.empty]) if analysis.fit else analysis.figures
    said = answer(found, analysis, null=null, every=curves[0] if curves else None)
    if as_json:
        texts = [("headline", said.headline), *((f"detail {i}", text) for i, text in enumerate(said.details, 1))]
        flat = [{"kind": "answer", "name": name, "label": text, "note": said.weight} for name, text in texts]
        flat += [*records(figures), *({"kind": "missing"} | row for row in records(found.missing))]
        show([*flat, *(row for frame in extra for row in records(frame))], as_json=True, empty="")
        return
    for text in (said.headline, *said.details):
        typer.echo(f"{text}\n")
    main = ("kind", "name", "estimate", "ci_low", "ci_high", "p_value", "n", "n_unit", "unit")
    show(records(figures), as_json=False, empty="No model.", columns=main)
    for frame in extra:
        whose = ("group", "difficulty_measure", "similarity_measure", "kind", "name", "intermediate", "lang")
        columns = (*whose, "gain", "estimate", "ci_low", "ci_high", "q_value")
        there = tuple(c for c in (*columns, "n", "note") if c in frame)
        show(records(frame), as_json=False, empty="Nothing more.", columns=there)


def predict(  # noqa: PLR0913, PLR0917  # one parameter per option
    model: Models = None,
    target: Targets = None,
    lang: Langs = None,
    collection: Collection = None,
    protocol: Protocol = None,
    data_source: Source = None,
    difficulty: Difficulty = "headroom",
    as_json: AsJson = False,
) -> None:
    """Say how well each selector would have chosen the intermediate, and how right those were that launches froze."""
    from core.analysis.predictions import judge_selectors, selectors  # noqa: PLC0415  # loads scipy
    from core.analysis.rankings import frozen_rankings  # noqa: PLC0415

    wanted = _filter(model, target, lang, collection=collection, protocol=protocol, data_source=data_source)
    with open_for_reading(AtlasPaths.from_environment()) as store, store.cursor() as cur:
        frozen = records(frozen_rankings(cur, wanted))
        try:
            found = _evidence(store, Choice(wanted=wanted, difficulty=difficulty))
            judged = records(judge_selectors(selectors(cur, found)))
        except DataError as error:
            if not frozen:
                raise
            note(str(error))
            judged = []
    if as_json:
        rows = [{"kind": "held out"} | row for row in judged] + [{"kind": "frozen"} | row for row in frozen]
        show(rows, as_json=True, empty="")
        return
    over = ("ndcg_over_random", "ndcg_over_random_low", "ndcg_over_random_high")
    quality = ("ndcg", "ndcg_random", *over, "regret_at_1", "regret_at_1_random", "kendall_tau")
    columns = ("selector", "direction", "pairs", "targets", *quality, "ndcg_mnli", "regret_at_1_mnli", "note")
    show(judged, as_json=False, empty="No selector.", columns=columns)
    if judged:
        note("Each selector is judged on the pairs that it knows; random (any, with equal chance) and mnli (always "
             "MNLI) beside it are judged on exactly those.")  # fmt: skip
    if frozen:
        note("Frozen before the runs were made:")
        of = ("study", "frozen_at", "model", "target", "selector", "state", "choice", "best", "ended", "targets")
        show(frozen, as_json=False, empty="", columns=(*of, *quality, "note"))


def claims(
    claim: Annotated[list[str] | None, typer.Option("--id", help="Only these claims: S1, P3 …")] = None,
    model: Models = None,
    collection: Collection = None,
    protocol: Protocol = None,
    as_json: AsJson = False,
) -> None:
    """Test the published claims: supported, contradicted, mixed, or not testable and what to run."""
    from core.claims.judging import judge_claims  # noqa: PLC0415  # loads scipy
    from core.claims.registry import CLAIMS  # noqa: PLC0415

    for name in claim or ():
        if name not in CLAIMS:
            raise UnknownName("claim", name, known=CLAIMS)
    wanted = _filter(model, None, None, collection=collection, protocol=protocol, data_source=None)
    with open_for_reading(AtlasPaths.from_environment()) as store, store.cursor() as cur:
        rows = judge_claims(cur, wanted, ids=tuple(claim or ()))
    columns = ("id", "verdict", "estimate", "ci_low", "ci_high", "n", "n_unit", "unit", "claim")
    found = records(rows)
    short = found if as_json else [row | {"claim": f"{row['claim'][:60]}…"} for row in found]
    show(short, as_json=as_json, empty="No claim.", columns=columns)
    if not as_json and any(row["needs"] for row in found):
        note("Not testable yet? `python -m core claims --json` has the command of each under 'needs'.")


def next_(  # noqa: PLR0913, PLR0917  # one parameter per option
    model: Models = None,
    target: Targets = None,
    collection: Collection = None,
    protocol: Protocol = None,
    data_source: Source = None,
    seeds: Annotated[int, typer.Option(help="Seeds of each new pair.")] = 3,
    limit: Annotated[int, typer.Option(help="Most proposals.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Propose what to run next: the missing pairs that would narrow the answer most."""
    from core.analysis.model import analyse  # noqa: PLC0415  # loads scipy
    from core.analysis.next_cells import Plan, propose  # noqa: PLC0415

    wanted = _filter(model, target, None, collection=collection, protocol=protocol, data_source=data_source)
    paths = AtlasPaths.from_environment()
    plan = Plan(load_tasks(paths), seeds=seeds, limit=limit)
    with open_for_reading(paths) as store, store.cursor() as cur:
        found = _evidence(store, Choice(wanted=wanted))
        rows = propose(cur, found, analyse(found), plan=plan)
    columns = ("kind", "intermediate", "target", "runs", "difficulty_narrower", "similarity_narrower", "command")
    show(records(rows), as_json=as_json, empty="Nothing is missing that the profiles know of.", columns=columns)


def _evidence(store: Store, choice: Choice) -> Evidence:
    with store.cursor() as cur:
        found = evidence(cur, choose_setting(cur, choice.wanted), choice=choice)
    if found.frame.empty:
        raise DataError("No row is left: the languages, families or scripts asked for were not scored. Ask for fewer.")
    note(f"{found.setting.label}: {found.units.intermediates} intermediate conditions.")
    return found


def _anchor(text: str) -> Anchor:
    if text == "test":
        return "test"
    if text == "train":
        return "train"
    raise UnknownName("anchor", text, known=("test", "train"))


def _filter(
    model: list[str] | None, target: list[str] | None, lang: list[str] | None, **one: str | None
) -> Filter:  # the rest are single names
    whole = Filter(model=tuple(model or ()), target=tuple(target or ()), langs=tuple(lang or ()))
    return replace(whole, **one)  # type: ignore[arg-type]  # fields that hold one name
