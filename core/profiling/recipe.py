"""The recipe of a profile: texts, vectors, pairs, map; or the trainings that the other kinds need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.encoder.sentences import SentenceEncoder
from core.errors import DataError, HubUnreachable, ModelError, SpecError
from core.events import DataLoaded, Flagged, PointSkipped, ProfileAdvanced
from core.examples import Split
from core.files import written_beside
from core.measures.inference.intervals import Floats
from core.measures.similarity.positions import FEWEST, FEWEST_FOR_UMAP, has_umap, principal_positions, umap_positions
from core.models.folders import check_model_folder, fingerprint
from core.models.packed import make_folder
from core.profiling.difficulty import measure_difficulty
from core.profiling.encoder_change import measure_encoder_change
from core.profiling.pairs import Located, PairMeasurer, Progress, Row, Settings, language_means
from core.profiling.selectors import OriginalEncoder, measure_selectors, training_text
from core.profiling.texts import PointText, points_of, read_point
from core.spec.profile import ProfileKind, ProfileSpec
from core.spec.run import IntermediateSpec, RunSpec
from core.spec.task import closure
from core.training.context import ProfileContext, RunContext

_TEXT, _REAL, _WHOLE, _FLAG = pa.string(), pa.float64(), pa.int32(), pa.bool_()
_CI = {"value": _REAL, "ci_low": _REAL, "ci_high": _REAL}
SCHEMAS: dict[str, pa.Schema] = {
    "profile_texts": pa.schema(
        {name: _TEXT for name in ("profile_id", "point", "task", "role", "lang", "split")}
        | {"n": _WHOLE, "n_available": _WHOLE, "fingerprint": _TEXT}
    ),
    "similarities": pa.schema(
        {name: _TEXT for name in ("profile_id", "a", "b", "measure")}
        | {"centred": _FLAG, **_CI, "n_a": _WHOLE, "n_b": _WHOLE, "resamples": _WHOLE}
    ),
    "positions": pa.schema(
        {name: _TEXT for name in ("profile_id", "point", "method")} | {"centred": _FLAG, "x": _REAL, "y": _REAL}
    ),
    "difficulties": pa.schema(
        {name: _TEXT for name in ("profile_id", "intermediate", "measure")} | {**_CI, "n": _WHOLE, "resamples": _WHOLE}
    ),
    "encoder_changes": pa.schema(
        {name: _TEXT for name in ("profile_id", "intermediate", "lang")}
        | {"layer": _WHOLE, "measure": _TEXT, **_CI, "n": _WHOLE}
    ),
    "selector_scores": pa.schema(
        {name: _TEXT for name in ("profile_id", "intermediate", "target", "selector")} | {**_CI, "n": _WHOLE}
    ),
}
"""Columns of the files of a profile folder: those of the tables of the same names."""


def execute_profile(context: ProfileContext) -> int:
    """Measure what a profile asks for and write its tables; number of rows.

    Raises:
        AtlasError: Data, model or device are not what the profile needs.
    """
    spec = context.spec
    _same_model(spec)
    tables = {
        ProfileKind.DOMAIN: _domain,
        ProfileKind.DIFFICULTY: _difficulty,
        ProfileKind.ENCODER: _encoder,
        ProfileKind.SELECTORS: _selectors,
    }[spec.kind](context)
    for name, rows in tables.items():
        keyed = [{"profile_id": spec.profile_id} | row for row in rows]
        _write(pa.Table.from_pylist(keyed, schema=SCHEMAS[name]), context.paths.profile(spec.profile_id).table(name))
    return sum(map(len, tables.values()))


def _same_model(spec: ProfileSpec) -> None:
    """Make a packed model's folder; refuse one whose bytes are not those that the profile was asked for with."""
    make_folder(spec.model)
    folder = Path(spec.model.path)
    if spec.model.fingerprint is None or not folder.is_dir():
        return
    check_model_folder(folder)
    found = fingerprint(folder)
    if found != spec.model.fingerprint:
        raise ModelError(
            f"Model folder {folder} has changed since the profile was asked for: its fingerprint is {found}, the "
            f"profile's is {spec.model.fingerprint}. Put the old folder back and retry, or ask for the profile again."
        )


# -------------------------------------------------------------------------------------------------------- domain


def _domain(context: ProfileContext) -> dict[str, list[Row]]:
    texts = _read_texts(context)
    located = _embed(context, texts)
    settings = Settings(seed=context.spec.seed, resamples=context.spec.resamples, cache=context.paths.similarities)
    means = language_means(located.values())
    _say_uncentred(context, located, means=means)
    measurer = PairMeasurer(located, means=means, settings=settings)
    return {
        "profile_texts": [_text_row(text) for text in texts],
        "similarities": measurer.measure(report=lambda progress: _advance(context, "pairs", progress)),
        "positions": _positions(context, located, means=means),
    }


def _read_texts(context: ProfileContext) -> list[PointText]:
    found: list[PointText] = []
    points = points_of(context.spec)
    for place, point in enumerate(points, start=1):
        try:
            text = read_point(point, context.spec, paths=context.paths)
        except HubUnreachable:
            raise
        except DataError as error:
            context.emit(PointSkipped(point=point.name, reason=str(error)))
            continue
        found.append(text)
        context.emit(
            DataLoaded(
                task=point.name,
                role="test" if point.role == "test" else "train",
                lang=point.lang,
                split=text.split,
                n=len(text.texts),
                n_available=text.n_available,
                fingerprint=text.fingerprint,
                revision=None,
            )
        )
        _advance(context, "texts", Progress(place, len(points), place))
    if not found:
        raise DataError(f"None of the {len(points)} texts of this profile is there; see the facts in events.jsonl.")
    return found


def _embed(context: ProfileContext, texts: Sequence[PointText]) -> dict[str, Located]:
    encoder = SentenceEncoder(context.spec.model, device=context.device)
    located, computed = {}, 0
    for place, text in enumerate(texts, start=1):
        vectors = encoder.embed(text.texts, fingerprint=text.fingerprint, cache=context.paths.embeddings)
        computed += not vectors.was_ready
        located[text.point.name] = Located(text, vectors)
        _advance(context, "embeddings", Progress(place, len(texts), computed))
    return located


def _say_uncentred(context: ProfileContext, located: dict[str, Located], *, means: dict[str, Floats]) -> None:
    alone = sorted({each.point.lang for each in located.values()} - set(means))
    if alone:
        message = (
            f"{', '.join(alone)}: one task alone has texts in this language, so its mean cannot be told from the "
            "task's; pairs are measured without removing it."
        )
        context.emit(Flagged(flag="not_centred", message=message))


def _advance(context: ProfileContext, phase: str, progress: Progress) -> None:
    context.emit(ProfileAdvanced.model_validate({"phase": phase, **progress._asdict()}))


def _text_row(text: PointText) -> Row:
    point = text.point
    return {
        "point": point.name,
        "task": point.task,
        "role": point.role,
        "lang": point.lang,
        "split": text.split,
        "n": len(text.texts),
        "n_available": text.n_available,
        "fingerprint": text.fingerprint,
    }


def _positions(context: ProfileContext, located: dict[str, Located], *, means: dict[str, Floats]) -> list[Row]:
    rows: list[Row] = []
    for centred in (False, True):
        placed = [each for each in located.values() if not centred or each.point.lang in means]
        reference = _reference(context, placed)
        if sum(reference) < FEWEST:
            continue
        centres = [
            each.vectors.rows.mean(axis=0, dtype=float) - (means[each.point.lang] if centred else 0.0)
            for each in placed
        ]
        maps = {"pca": principal_positions(np.array(centres), reference=reference)}
        if has_umap() and sum(reference) >= FEWEST_FOR_UMAP:
            maps["umap"] = umap_positions(np.array(centres), reference=reference, seed=context.spec.seed)
        rows += [
            {"point": each.point.name, "method": method, "centred": centred, "x": float(x), "y": float(y)}
            for method, coordinates in maps.items()
            for each, (x, y) in zip(placed, coordinates, strict=True)
        ]
    return rows


def _reference(context: ProfileContext, placed: Sequence[Located]) -> list[bool]:
    """Which points fix the axes: whole English texts of tasks that ship with the program; else all English ones."""
    english = [each.point.lang == "en" for each in placed]
    bundled = {task.name for task in context.spec.tasks if not task.is_user_task}
    whole = [
        is_english and set(each.point.task.split("+")) <= bundled and "@" not in each.point.name
        for each, is_english in zip(placed, english, strict=True)
    ]
    if sum(whole) >= FEWEST:
        return whole
    return english if sum(english) >= FEWEST else [True] * len(placed)


# ----------------------------------------------------------------------------- difficulty, encoder, selectors


def _difficulty(context: ProfileContext) -> dict[str, list[Row]]:
    def measure(run: RunContext) -> list[Row]:
        return [row._asdict() for row in measure_difficulty(run, n=context.spec.n, resamples=context.spec.resamples)]

    return {"difficulties": _each_intermediate(context, measure, keys=("intermediate", "measure"))}


def _encoder(context: ProfileContext) -> dict[str, list[Row]]:
    target = context.spec.targets[0]

    def measure(run: RunContext) -> list[Row]:
        langs = context.spec.scored_languages(target)
        return [row._asdict() for row in measure_encoder_change(run, langs=langs, resamples=context.spec.resamples)]

    keys = ("intermediate", "lang", "layer", "measure")
    return {"encoder_changes": _each_intermediate(context, measure, keys=keys, target=target)}


def _selectors(context: ProfileContext) -> dict[str, list[Row]]:
    texts = _training_texts(context)
    target = next(iter(texts))
    first = _chain(context.spec, context.spec.intermediate_specs[0], target=target)
    original = OriginalEncoder(context.of_run(first), n=context.spec.n)

    def measure(run: RunContext) -> list[Row]:
        found = measure_selectors(run, targets=texts, original=original, resamples=context.spec.resamples)
        return [row._asdict() for row in found]

    keys = ("intermediate", "target", "selector")
    return {"selector_scores": _each_intermediate(context, measure, keys=keys, target=target)}


def _training_texts(context: ProfileContext) -> dict[str, Split]:
    """English training examples of every target that has any; the others are reported with their reason."""
    found: dict[str, Split] = {}
    for target in context.spec.targets:
        spec = _chain(context.spec, context.spec.intermediate_specs[0], target=target)
        try:
            found[target] = training_text(context.of_run(spec), n=context.spec.n)
        except HubUnreachable:
            raise
        except (DataError, SpecError) as error:
            context.emit(PointSkipped(point=target, reason=str(error)))
    if not found:
        raise DataError(
            f"None of {', '.join(context.spec.targets)} has English training examples; see what was skipped."
        )
    return found


def _each_intermediate(
    context: ProfileContext,
    measure: Callable[[RunContext], list[Row]],
    *,
    keys: tuple[str, ...],
    target: str | None = None,
) -> list[Row]:
    """Rows of all intermediates, each key once; one that cannot be measured is reported with its reason."""
    rows: dict[tuple[object, ...], Row] = {}
    intermediates = context.spec.intermediate_specs
    for place, intermediate in enumerate(intermediates, start=1):
        spec = _chain(context.spec, intermediate, target=target or intermediate.tasks[0])
        try:
            found = measure(context.of_run(spec))
        except HubUnreachable:
            raise
        except (DataError, SpecError) as error:
            context.emit(PointSkipped(point=intermediate.name, reason=str(error)))
            continue
        for row in found:
            rows.setdefault(tuple(row[key] for key in keys), row)
        _advance(context, "intermediates", Progress(place, len(intermediates), place))
    if not rows:
        raise DataError(f"None of {', '.join(context.spec.intermediates)} could be measured; see what was skipped.")
    return list(rows.values())


def _chain(spec: ProfileSpec, intermediate: IntermediateSpec, *, target: str) -> RunSpec:
    """The run whose intermediate stage is looked at: an ordinary one, so that its stages are shared with runs."""
    if spec.protocol is None:
        raise SpecError(f"A {spec.kind} profile trains, so it needs a protocol. Name one, such as quick.")
    return RunSpec(
        model=spec.model,
        intermediate=intermediate,
        target=target,
        seed=spec.seed,
        protocol=spec.protocol,
        data_source=spec.data_source,
        tasks=closure((target, *intermediate.needs), tasks=spec.tasks),
    )


def _write(table: pa.Table, target: Path) -> None:
    with written_beside(target) as draft:
        pq.write_table(table, draft, compression="zstd")
