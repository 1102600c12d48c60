"""Auxiliary training runs, whose weights nobody needs again: kept are the model's log-probabilities and predictions.

An auxiliary run has the protocol, seed and code of an ordinary stage, so it is trained as that stage would be; its key
is the digest of everything that decides the results. They lie in `<home>/cache/probes/<key>.parquet`, without a
sentence of the data but for extracted answers, and are never computed again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.encoder.features import featurise
from core.encoder.frozen import freeze, with_states
from core.encoder.identity import identity_of
from core.encoder.loading import load_encoder
from core.encoder.log_probabilities import gold_log_probabilities
from core.encoder.predicting import label_scores, predict
from core.encoder.scoring import score
from core.errors import RunFolderDamaged, as_damage
from core.events import Flagged, StageFinished, StageReused
from core.examples import Split
from core.files import written_beside
from core.heads.layers import Head, SummaryHead, TokenHead
from core.heads.states import Encoder
from core.measures.difficulty.log_probabilities import LogProbabilities
from core.spec.base import digest
from core.spec.protocol import StageProtocol
from core.spec.task import Metric
from core.spec.versions import CODE_VERSION
from core.training import objectives
from core.training.checkpoints import Checkpoints, anew_if_damaged
from core.training.context import RunContext
from core.training.gradients import StageJob
from core.training.loader import EnglishData
from core.training.loop import Checkpoint, train_stage
from core.training.seeds import Draws
from core.training.stages import StageFolder, StageIdentity, only_one
from core.types.base import Prediction
from core.types.pieces import Array
from core.types.table import learning_of

AUXILIARY_VERSION = 2
"""Raised when the same auxiliary run would give other results."""

ScoredBy = Literal["model", "uniform", "nobody"]
"""Whose probability of the gold labels: the trained model's, the uniform code's, or none. Part of the keys."""

_SCHEMA = pa.schema(
    [
        ("part", pa.string()),
        ("index", pa.int32()),
        ("nats", pa.float64()),
        ("decisions", pa.float64()),
        ("prediction", pa.string()),
        ("contribution", pa.float64()),
    ]
)


class ScoredPart(NamedTuple):
    """Examples that the trained model scores."""

    name: str
    """Such as `dev`."""
    split: Split
    """English, with gold labels."""
    scored_by: ScoredBy = "model"
    """Whose probability of the gold labels is wanted."""
    predictions: bool = False
    """Whether predictions and the headline score are wanted."""


@dataclass(frozen=True)
class AuxiliaryRun:
    """One training and what its model scores."""

    name: str
    """For events: `mnli, 250 of 2000 examples`."""
    data: EnglishData
    """What it is trained and selected on."""
    protocol: StageProtocol
    """Hyper-parameters."""
    parts: tuple[ScoredPart, ...]
    """What its model scores."""


class AuxiliaryResult(NamedTuple):
    """What a model gave for one part; None where it was not wanted."""

    log_probabilities: LogProbabilities | None
    """Of the gold labels."""
    predictions: list[Prediction] | None
    """One per example."""
    contributions: Array | None
    """(n_examples,) of each example to the headline score; None also where that has none per example."""
    score: float | None
    """Headline metric."""


def run_auxiliary(context: RunContext, run: AuxiliaryRun) -> dict[str, AuxiliaryResult]:
    """Train and score every part, or read what was scored before.

    Args:
        context: Model, seed, device.
        run: What to train and score.

    Raises:
        AtlasError: The model cannot be loaded, or the device is too small.
    """
    draws = Draws(context.spec.seed, "intermediate", (run.data.train.task.name,))
    job = StageJob(_key(context, run), "intermediate", run.name, run.protocol, draws)

    def results() -> dict[str, AuxiliaryResult]:
        files = Checkpoints(context.checkpoints, key=job.key)
        train = partial(_train, context, run, job=job)
        found = anew_if_damaged(files, train, what=job.title, emit=context.emit)
        context.emit(
            StageFinished(
                key=job.key,
                kind=job.kind,
                name=job.name,
                seconds=found.seconds,
                best_step=found.best_step,
                peak_memory_mb=found.peak_memory_mb,
            )
        )
        return found.results

    return _once(context, job.key, name=run.name, parts=run.parts, compute=results)


def score_with_stage(
    context: RunContext, folder: StageFolder, *, key: str, parts: tuple[ScoredPart, ...]
) -> dict[str, AuxiliaryResult]:
    """Score parts with the model of a finished stage on one task, or read what was scored before.

    Args:
        context: Model and device.
        folder: The stage.
        key: Its content address.
        parts: What is scored, all of the task that the stage was trained on.
    """

    def results() -> dict[str, AuxiliaryResult]:
        split = parts[0].split
        encoder = load_encoder(context.spec.model, weights=folder.encoder)
        context.place(encoder)
        head = learning_of(split.task.type).head(encoder, len(split.labels), None)
        head.load_state_dict(folder.heads()[split.task.name])
        return _score_parts(context, parts, encoder=encoder, head=head.to(context.device), without_input=False)

    own = digest(" ".join(["stage", key, *_wanted(parts), str(AUXILIARY_VERSION)]))
    return _once(context, own, name=parts[0].split.task.name, parts=parts, compute=results)


def _key(context: RunContext, run: AuxiliaryRun) -> str:
    train, dev = run.data.train, run.data.dev
    identity = StageIdentity(
        kind="intermediate",
        code=CODE_VERSION["intermediate"],
        model=identity_of(context.spec.model),
        parent=None,
        tasks=(train.task.digest(),),
        data=(train.fingerprint, dev.fingerprint),
        labels=(train.labels,),
        protocol=run.protocol,
        max_length=context.spec.protocol.max_length,
        seed=context.spec.seed,
        placebo=None,
        precision=context.precision,
    )
    blank = "without input" if run.data.without_input else "with input"
    return digest(" ".join(["probe", identity.digest(), blank, *_wanted(run.parts), str(AUXILIARY_VERSION)]))


def _wanted(parts: tuple[ScoredPart, ...]) -> list[str]:
    return [f"{p.name} {p.split.fingerprint} {p.scored_by} {p.predictions}" for p in parts]


class _Trained(NamedTuple):
    results: dict[str, AuxiliaryResult]
    seconds: float
    best_step: int
    peak_memory_mb: float


def _train(context: RunContext, run: AuxiliaryRun, *, job: StageJob) -> _Trained:
    encoder = load_encoder(context.spec.model, dropout=run.protocol.dropout)
    context.place(encoder)
    freeze(encoder, run.protocol, where=f"Model '{context.spec.model.path}'", kept_in=context.paths.states)
    limit = context.spec.protocol.max_length
    goals = objectives.supervised([run.data], encoder=encoder, protocol=run.protocol, draws=job.draws, max_length=limit)
    head, found = goals[0].head, dict[str, AuxiliaryResult]()
    assert isinstance(head, SummaryHead | TokenHead)  # supervised objectives hold heads of tasks

    def keep(which: Checkpoint) -> None:
        # Scored before the checkpoint is cleared: a kill in between costs the scoring, not the training.
        if which == "selected":
            blank = run.data.without_input
            found.update(_score_parts(context, run.parts, encoder=encoder, head=head, without_input=blank))

    result = train_stage(context, job, encoder=encoder, objectives=goals, keep=keep)
    return _Trained(found, result.seconds, result.best_step, result.peak_memory_mb)


def _score_parts(
    context: RunContext, parts: tuple[ScoredPart, ...], *, encoder: Encoder, head: Head, without_input: bool
) -> dict[str, AuxiliaryResult]:
    return {
        part.name: _score_part(part, context=context, encoder=encoder, head=head, without_input=without_input)
        for part in parts
    }


def _score_part(
    part: ScoredPart, *, context: RunContext, encoder: Encoder, head: Head, without_input: bool
) -> AuxiliaryResult:
    split, learning = part.split, learning_of(part.split.task.type)
    features = featurise(split, encoder=encoder, max_length=context.spec.protocol.max_length)
    if without_input:
        features = learning.blanked(features, encoder)
    if part.scored_by == "model" or part.predictions:
        features = with_states(features, encoder=encoder, passes=part.predictions + (part.scored_by == "model"))
    log_probabilities = None
    if part.scored_by == "uniform":
        log_probabilities = learning.uniform(features, len(split.labels))
    elif part.scored_by == "model":
        log_probabilities = gold_log_probabilities(encoder, head, features=features, kind=split.task.type)
    if not part.predictions:
        return AuxiliaryResult(log_probabilities, None, None, None)
    predictions = predict(encoder, head, features=features, split=split)
    headline = split.task.headline
    logits = label_scores(encoder, head, features=features, split=split) if headline is Metric.MRP else None
    found = score(split, predictions, label_scores=logits, only=headline)[headline]
    return AuxiliaryResult(log_probabilities, predictions, found.each, found.score)


# ------------------------------------------------------------------------------------------------------- the cache


def _once(
    context: RunContext,
    key: str,
    *,
    name: str,
    parts: tuple[ScoredPart, ...],
    compute: Callable[[], dict[str, AuxiliaryResult]],
) -> dict[str, AuxiliaryResult]:
    file = context.paths.auxiliary_result(key)
    with only_one(key, paths=context.paths):
        if file.is_file():
            try:
                with as_damage(file.name):
                    found = _read(file, parts=parts)
                context.emit(StageReused(key=key, kind="intermediate", name=name))
                return found
            except RunFolderDamaged as error:
                message = f"The results of the auxiliary run '{name}' ({key}) were damaged: {error}. It is run again."
                context.emit(Flagged(flag="stage_damaged", message=message))
        found = compute()
        _write(file, found)
    return found


def _write(file: Path, results: dict[str, AuxiliaryResult]) -> None:
    tables = []
    for name, result in results.items():
        lists = [result.predictions, None if result.log_probabilities is None else result.log_probabilities.nats]
        n = next(len(values) for values in lists if values is not None)
        nothing = [None] * n
        columns = {
            "part": [name] * n,
            "index": np.arange(n, dtype=np.int32),
            "nats": nothing if result.log_probabilities is None else result.log_probabilities.nats,
            "decisions": nothing if result.log_probabilities is None else result.log_probabilities.decisions,
            "prediction": nothing
            if result.predictions is None
            else [json.dumps(p, ensure_ascii=False) for p in result.predictions],
            "contribution": nothing if result.contributions is None else result.contributions,
        }
        tables.append(pa.table(columns, schema=_SCHEMA))
    scores = json.dumps({name: result.score for name, result in results.items()}).encode()
    with written_beside(file) as draft:
        pq.write_table(pa.concat_tables(tables).replace_schema_metadata({b"scores": scores}), draft, compression="zstd")


def _read(file: Path, *, parts: tuple[ScoredPart, ...]) -> dict[str, AuxiliaryResult]:
    table = pq.read_table(file)
    scores = json.loads((table.schema.metadata or {})[b"scores"])
    names = np.asarray(table.column("part").to_pylist())
    found = {}
    for part in parts:
        rows = table.filter(pa.array(names == part.name))
        if rows.num_rows != len(part.split.examples):
            raise ValueError(f"{rows.num_rows} rows of '{part.name}', expected {len(part.split.examples)}")
        log_probabilities = (
            LogProbabilities(_numbers(rows, "nats"), _numbers(rows, "decisions"))
            if part.scored_by != "nobody"
            else None
        )
        texts = rows.column("prediction").to_pylist() if part.predictions else []
        predictions = [tuple(p) if isinstance(p, list) else p for p in map(json.loads, texts)]
        has_each = part.predictions and rows.column("contribution").null_count == 0
        found[part.name] = AuxiliaryResult(
            log_probabilities,
            predictions if part.predictions else None,
            _numbers(rows, "contribution") if has_each else None,
            scores[part.name],
        )
    return found


def _numbers(table: pa.Table, column: str) -> Array:
    values: Array = table.column(column).to_numpy()
    return values
