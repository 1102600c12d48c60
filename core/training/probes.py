"""Small trainings whose weights nobody needs again: what is kept is what the model says of some examples.

A probe has the protocol, seed and code of an ordinary stage, so it is trained as that stage would be; its key is the
digest of everything that decides the answers. The answers lie in `<home>/cache/probes/<key>.parquet`, without a
sentence of the data but for extracted answers, and are never computed again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.encoder.features import featurise
from core.encoder.identity import identity_of
from core.encoder.likelihood import gold_nats
from core.encoder.loading import load_encoder
from core.encoder.predicting import label_scores, predict
from core.encoder.scoring import score
from core.events import Flagged, StageFinished, StageReused
from core.examples import Split
from core.files import written_beside
from core.heads.layers import Head, SummaryHead, TokenHead
from core.heads.states import Encoder
from core.spec.base import digest
from core.spec.protocol import StageProtocol
from core.spec.task import Metric
from core.training import objectives
from core.training.context import RunContext
from core.training.loader import EnglishData
from core.training.loop import StageJob, train_stage
from core.training.stages import CODE_VERSION, StageFolder, StageIdentity, only_one
from core.types.base import Likelihoods, Prediction
from core.types.pieces import Array
from core.types.table import learning_of

PROBE_VERSION = 1
"""Raised when the same probe would give other answers."""

SaidBy = Literal["model", "uniform", "nobody"]
"""Whose probability of the gold labels: the trained model's, the uniform code's, or none."""

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


class Part(NamedTuple):
    """Examples that the trained model is asked about."""

    name: str
    """Such as `dev`."""
    split: Split
    """English, with gold labels."""
    said_by: SaidBy = "model"
    """Whose probability of the gold labels is wanted."""
    predictions: bool = False
    """Whether predictions and the headline score are wanted."""


@dataclass(frozen=True)
class Probe:
    """One small training and what is asked of it."""

    name: str
    """For events: `mnli, 250 of 2000 examples`."""
    data: EnglishData
    """What it is trained and selected on."""
    protocol: StageProtocol
    """Hyper-parameters."""
    parts: tuple[Part, ...]
    """What is asked."""


class Answers(NamedTuple):
    """What a model said of one part; None where it was not asked."""

    said: Likelihoods | None
    """Of the gold labels."""
    predictions: list[Prediction] | None
    """One per example."""
    contributions: Array | None
    """(n_examples,) of each example to the headline score; None also where that has none per example."""
    score: float | None
    """Headline metric."""


def ask(context: RunContext, probe: Probe) -> dict[str, Answers]:
    """Train a probe and ask it, or read what it said before.

    Args:
        context: Model, seed, device.
        probe: What to train and ask.

    Raises:
        AtlasError: The model cannot be loaded, or the device is too small.
    """
    job = StageJob(_key(context, probe), "intermediate", probe.name, probe.protocol, context.spec.seed)

    def answers() -> dict[str, Answers]:
        found = _train(context, probe, job=job)
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
        return found.answers

    return _once(context, job.key, name=probe.name, parts=probe.parts, compute=answers)


def ask_stage(context: RunContext, folder: StageFolder, *, key: str, parts: tuple[Part, ...]) -> dict[str, Answers]:
    """Ask the model of a finished stage on one task, or read what it said before.

    Args:
        context: Model and device.
        folder: The stage.
        key: Its content address.
        parts: What is asked, all of the task that the stage was trained on.
    """

    def answers() -> dict[str, Answers]:
        split = parts[0].split
        encoder = load_encoder(context.spec.model, weights=folder.encoder)
        encoder.model.to(context.device)
        head = learning_of(split.task.type).head(encoder, len(split.labels), None)
        head.load_state_dict(folder.heads()[split.task.name])
        return _answers(context, parts, encoder=encoder, head=head.to(context.device), without_input=False)

    own = digest(" ".join(["stage", key, *_asked(parts), str(PROBE_VERSION)]))
    return _once(context, own, name=parts[0].split.task.name, parts=parts, compute=answers)


def _key(context: RunContext, probe: Probe) -> str:
    train, dev = probe.data.train, probe.data.dev
    identity = StageIdentity(
        kind="intermediate",
        code=CODE_VERSION["intermediate"],
        model=identity_of(context.spec.model),
        parent=None,
        tasks=(train.task.digest(),),
        data=(train.fingerprint, dev.fingerprint),
        labels=(train.labels,),
        protocol=probe.protocol,
        max_length=context.spec.protocol.max_length,
        seed=context.spec.seed,
        placebo=None,
    )
    blank = "without input" if probe.data.without_input else "with input"
    return digest(" ".join(["probe", identity.digest(), blank, *_asked(probe.parts), str(PROBE_VERSION)]))


def _asked(parts: tuple[Part, ...]) -> list[str]:
    return [f"{p.name} {p.split.fingerprint} {p.said_by} {p.predictions}" for p in parts]


class _Trained(NamedTuple):
    answers: dict[str, Answers]
    seconds: float
    best_step: int
    peak_memory_mb: float


def _train(context: RunContext, probe: Probe, *, job: StageJob) -> _Trained:
    encoder = load_encoder(context.spec.model, dropout=probe.protocol.dropout)
    encoder.model.to(context.device)
    limit = context.spec.protocol.max_length
    goals = objectives.supervised(
        [probe.data], encoder=encoder, protocol=probe.protocol, seed=job.seed, max_length=limit
    )
    head, found = goals[0].head, dict[str, Answers]()
    assert isinstance(head, SummaryHead | TokenHead)  # supervised objectives hold heads of tasks

    def keep(which: str) -> None:
        # Asked before the checkpoint is cleared: a kill in between costs the questions, not the training.
        if which == "selected":
            blank = probe.data.without_input
            found.update(_answers(context, probe.parts, encoder=encoder, head=head, without_input=blank))

    result = train_stage(context, job, encoder=encoder, objectives=goals, keep=keep)
    return _Trained(found, result.seconds, result.best_step, result.peak_memory_mb)


def _answers(
    context: RunContext, parts: tuple[Part, ...], *, encoder: Encoder, head: Head, without_input: bool
) -> dict[str, Answers]:
    return {
        part.name: _answer(part, context=context, encoder=encoder, head=head, without_input=without_input)
        for part in parts
    }


def _answer(part: Part, *, context: RunContext, encoder: Encoder, head: Head, without_input: bool) -> Answers:
    split, learning = part.split, learning_of(part.split.task.type)
    features = featurise(split, encoder=encoder, max_length=context.spec.protocol.max_length)
    if without_input:
        features = learning.blanked(features, encoder)
    said = None
    if part.said_by == "uniform":
        said = learning.uniform(features, len(split.labels))
    elif part.said_by == "model":
        said = gold_nats(encoder, head, features=features, kind=split.task.type)
    if not part.predictions:
        return Answers(said, None, None, None)
    predictions = predict(encoder, head, features=features, split=split)
    headline = split.task.headline
    logits = label_scores(encoder, head, features=features, split=split) if headline is Metric.MRP else None
    found = score(split, predictions, label_scores=logits, only=headline)[headline]
    return Answers(said, predictions, found.each, found.score)


# ------------------------------------------------------------------------------------------------------- the cache


def _once(
    context: RunContext, key: str, *, name: str, parts: tuple[Part, ...], compute: Callable[[], dict[str, Answers]]
) -> dict[str, Answers]:
    file = context.paths.probe(key)
    with only_one(key, paths=context.paths):
        if file.is_file():
            try:
                found = _read(file, parts=parts)
                context.emit(StageReused(key=key, kind="intermediate", name=name))
                return found
            except (pa.ArrowInvalid, OSError, KeyError, ValueError) as error:
                message = f"What the probe '{name}' said ({key}) was damaged: {error}. It is asked again."
                context.emit(Flagged(flag="stage_damaged", message=message))
        found = compute()
        _write(file, found)
    return found


def _write(file: Path, answers: dict[str, Answers]) -> None:
    tables = []
    for name, answer in answers.items():
        lists = [answer.predictions, None if answer.said is None else answer.said.nats]
        n = next(len(values) for values in lists if values is not None)
        nothing = [None] * n
        columns = {
            "part": [name] * n,
            "index": np.arange(n, dtype=np.int32),
            "nats": nothing if answer.said is None else answer.said.nats,
            "decisions": nothing if answer.said is None else answer.said.decisions,
            "prediction": nothing
            if answer.predictions is None
            else [json.dumps(p, ensure_ascii=False) for p in answer.predictions],
            "contribution": nothing if answer.contributions is None else answer.contributions,
        }
        tables.append(pa.table(columns, schema=_SCHEMA))
    scores = json.dumps({name: answer.score for name, answer in answers.items()}).encode()
    with written_beside(file) as draft:
        pq.write_table(pa.concat_tables(tables).replace_schema_metadata({b"scores": scores}), draft, compression="zstd")


def _read(file: Path, *, parts: tuple[Part, ...]) -> dict[str, Answers]:
    table = pq.read_table(file)
    scores = json.loads((table.schema.metadata or {})[b"scores"])
    names = np.asarray(table.column("part").to_pylist())
    found = {}
    for part in parts:
        rows = table.filter(pa.array(names == part.name))
        if rows.num_rows != len(part.split.examples):
            raise ValueError(f"{rows.num_rows} rows of '{part.name}', expected {len(part.split.examples)}")
        said = Likelihoods(_numbers(rows, "nats"), _numbers(rows, "decisions")) if part.said_by != "nobody" else None
        texts = rows.column("prediction").to_pylist() if part.predictions else []
        predictions = [tuple(p) if isinstance(p, list) else p for p in map(json.loads, texts)]
        has_each = part.predictions and rows.column("contribution").null_count == 0
        found[part.name] = Answers(
            said,
            predictions if part.predictions else None,
            _numbers(rows, "contribution") if has_each else None,
            scores[part.name],
        )
    return found


def _numbers(table: pa.Table, column: str) -> Array:
    values: Array = table.column(column).to_numpy()
    return values
