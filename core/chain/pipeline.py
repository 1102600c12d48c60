"""The recipe of a run: plan, intermediate stage, target stage, evaluation, predictions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from core.encoder.device import peak_memory_mb
from core.encoder.frozen import freeze
from core.encoder.identity import identity_of
from core.encoder.judging import taught
from core.encoder.loading import load_encoder
from core.errors import ModelError
from core.evaluation.earlier import scored_before
from core.evaluation.zero_shot import PREDICTION_SCHEMA, Candidate, EvaluationJob, evaluate
from core.events import (
    Flagged,
    PlannedStage,
    RunPlanned,
    StageFinished,
    StageStarted,
)
from core.files import written_beside
from core.models.folders import check_model_folder, fingerprint
from core.models.packed import make_folder
from core.spec.base import digest
from core.spec.model import ModelSpec
from core.spec.task import Role
from core.spec.versions import CODE_VERSION
from core.tasks import in_task_reason
from core.training.context import RunContext
from core.training.plan import Training, plan
from core.training.reuse import train_or_reuse
from core.training.stages import StageFolder
from core.types.table import learning_of, task_type


def execute(context: RunContext, *, only_intermediate: bool = False) -> None:
    """Run one chain to the end and write its predictions; finished stages and scored languages are not done again.

    Args:
        only_intermediate: Stop after the intermediate stage: it is there then for whoever shares it.

    Raises:
        AtlasError: Data, model or device are not what the run needs.
    """
    _same_model(context.spec.model)
    missing = context.loader.look_up()
    trainings = plan(context)
    _announce(context, trainings)
    parent: StageFolder | None = None
    for training in trainings:
        if training.job.kind == "intermediate" or not only_intermediate:
            parent = train_or_reuse(context, training, parent=parent)
    if only_intermediate:
        return
    parts = _evaluate(context, trainings, final=parent, missing=missing)
    _write_predictions(context, parts)


def _same_model(model: ModelSpec) -> None:
    """Make a packed model's folder; refuse one whose bytes are not those that the run was asked for with."""
    make_folder(model)
    if model.fingerprint is None or not Path(model.path).is_dir():
        return
    check_model_folder(Path(model.path))
    found = fingerprint(Path(model.path))
    if found != model.fingerprint:
        raise ModelError(
            f"Model folder {model.path} has changed since the run was asked for: its fingerprint is {found}, the run's "
            f"is {model.fingerprint}. Put the old folder back and retry, or start the run anew for the new one."
        )


def _announce(context: RunContext, trainings: tuple[Training, ...]) -> None:
    stages = [
        PlannedStage(
            key=t.job.key,
            kind=t.job.kind,
            name=t.job.name,
            parent=t.identity.parent,
            is_done=StageFolder(context.paths.stage(t.job.key)).is_finished,
            code=t.identity.code,
        )
        for t in trainings
    ]
    parent = trainings[-1].job.key if trainings else None
    key = _evaluation_key(context, parent)
    last = PlannedStage(
        key=key, kind="evaluation", name=context.spec.target, parent=parent, is_done=False,
        code=CODE_VERSION["evaluation"],
    )  # fmt: skip
    context.emit(RunPlanned(stages=(*stages, last)))
    reason = in_task_reason(context.spec.task(context.spec.target), intermediate=context.spec.intermediate)
    if reason:
        context.emit(Flagged(flag="in_task", message=reason))


def _evaluate(
    context: RunContext,
    trainings: tuple[Training, ...],
    *,
    final: StageFolder | None,
    missing: Mapping[str, str],
) -> list[Path]:
    spec, started = context.spec, time.monotonic()
    task = spec.task(spec.target)
    has_head = task_type(task.type).is_trained
    labels = trainings[-1].data[0].train.labels if has_head else ()
    key = _evaluation_key(context, trainings[-1].job.key if trainings else None)
    earlier = scored_before(context.paths.run(spec.run_id).events, key=key)
    context.emit(
        StageStarted(
            key=key,
            kind="evaluation",
            name=task.name,
            task_type=task.type,
            total_steps=len(task.languages),
            resumed_at=len({lang for lang, _ in earlier}),
        )
    )
    last_folder = final.last_encoder if final and has_head else None
    selected = _candidate(context, final, labels=labels, weights=final.encoder if final else None)
    last = _candidate(context, final, labels=labels, weights=last_folder) if last_folder else None
    protocol = spec.stage_protocol(Role.TARGET, task.name)
    known = {final.encoder: selected, last_folder: last} if final else {}
    every = final.checkpoints() if final and has_head and protocol.score_checkpoints else ()
    job = EvaluationJob(
        key=key,
        earlier=earlier,
        task=task,
        selected=selected,
        last=last,
        checkpoints=tuple(known.get(w) or _candidate(context, final, labels=labels, weights=w) for w in every),
        last_is_selected=has_head and last_folder is None,
        missing=missing,
        load=partial(context.loader.scored, labels=labels),
        rules=taught(trainings[-1].data[0].train) if has_head else {},
        most_dev=protocol.max_dev_examples,
        max_length=spec.protocol.max_length,
        layer=_first_set(spec.protocol.retrieval_layer, spec.model.retrieval_layer),
        pooling=spec.protocol.retrieval_pooling or spec.model.retrieval_pooling,
        prefix=spec.model.retrieval_prefix,
    )
    parts = evaluate(context, job)
    context.emit(
        StageFinished(
            key=key,
            kind="evaluation",
            name=task.name,
            seconds=time.monotonic() - started,
            peak_memory_mb=peak_memory_mb(context.device),
        )
    )
    return parts


def _first_set(*values: int | None) -> int | None:
    return next((v for v in values if v is not None), None)


def _candidate(
    context: RunContext, final: StageFolder | None, *, labels: tuple[str, ...], weights: Path | None
) -> Candidate:
    model: ModelSpec = context.spec.model
    encoder = load_encoder(model, weights=weights)
    context.place(encoder)
    task = context.spec.task(context.spec.target)
    if final is None or not task_type(task.type).is_trained:
        return Candidate(encoder, head=None)
    protocol = context.spec.stage_protocol(Role.TARGET, task.name)
    freeze(encoder, protocol, where=f"Model '{model.path}'", kept_in=context.paths.states)
    head = learning_of(task.type).head(encoder, len(labels), None)
    head.load_state_dict(final.heads(weights)[task.name])
    return Candidate(encoder, head=head.to(context.device))


def _evaluation_key(context: RunContext, parent: str | None) -> str:
    spec = context.spec
    parts = (
        parent or identity_of(spec.model),
        spec.task(spec.target).digest(),
        spec.protocol.digest(),
        spec.model.digest(),
        spec.data_source.digest(),
        str(CODE_VERSION["evaluation"]),
        *([] if context.precision == "fp32" else [context.precision]),
    )
    return digest(" ".join(parts))


def _write_predictions(context: RunContext, parts: list[Path]) -> None:
    table = pa.concat_tables([pq.read_table(part) for part in parts]).cast(PREDICTION_SCHEMA)
    with written_beside(context.paths.run(context.spec.run_id).predictions) as draft:
        pq.write_table(table, draft, compression="zstd")
