"""A stage of the plan: taken as it is where it is finished, trained where it is not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from core.encoder.device import arithmetic
from core.encoder.fitting import dropout_gap
from core.encoder.frozen import freeze
from core.encoder.judging import Judgement
from core.encoder.loading import load_encoder
from core.encoder.mlm import load_for_mlm
from core.events import Flagged, StageFinished, StageJudged, StageReused
from core.spec.run import Placebo
from core.training import objectives
from core.training.checkpoints import Checkpoints, anew_if_damaged
from core.training.context import RunContext
from core.training.gradients import StageJob
from core.training.loop import Checkpoint, StageResult, train_stage
from core.training.plan import Training
from core.training.stages import StageFolder, StageWriter, only_one


def train_or_reuse(context: RunContext, training: Training, *, parent: StageFolder | None) -> StageFolder:
    """The finished stage: taken as it is, or trained; a damaged one is trained again.

    Args:
        context: Of the run whose plan holds the training.
        training: What the stage is.
        parent: Whose encoder is carried over; None: the pretrained one.

    Raises:
        AtlasError: The model cannot be loaded, or the device is too small.
    """
    job = training.job
    folder = StageFolder(context.paths.stage(job.key))
    with only_one(job.key, paths=context.paths):
        if folder.is_finished:
            damage = folder.damage()
            if damage is None:
                _flag_other_arithmetic(context, folder)
                context.emit(StageReused(key=job.key, kind=job.kind, name=job.name))
                _tell_judged(context, job, folder.judged())
                return folder
            message = f"The finished stage '{job.name}' ({job.key}) was damaged: {damage}. It is trained again."
            context.emit(Flagged(flag="stage_damaged", message=message))
        train = partial(_train, context, training, parent=parent)
        files = Checkpoints(context.checkpoints, key=job.key)
        result = anew_if_damaged(files, train, what=job.title, emit=context.emit)
    _tell_judged(context, job, result.judged)
    context.emit(
        StageFinished(
            key=job.key,
            kind=job.kind,
            name=job.name,
            seconds=result.seconds,
            best_step=result.best_step,
            peak_memory_mb=result.peak_memory_mb,
        )
    )
    return folder


def _flag_other_arithmetic(context: RunContext, folder: StageFolder) -> None:
    """Say where a stage was trained on another processor or with another number of threads than the run has."""
    before, now = folder.marker().get("arithmetic"), arithmetic(context.device)
    if before is None or before == now:
        return
    differences = ", ".join(
        f"{name.replace('_', ' ')} {before.get(name, 'none')}, here {now.get(name, 'none')}"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    )
    message = (
        f"The stage '{folder.marker()['name']}' was trained elsewhere ({differences}): trained here its weights would "
        "differ in their last digits, and scores by a few examples."
    )
    context.emit(Flagged(flag="other_arithmetic", message=message))


def _tell_judged(context: RunContext, job: StageJob, judged: Sequence[Judgement]) -> None:
    """Report whether each task was learned, for a stage that was reused as for one that was trained."""
    for found in judged:
        context.emit(StageJudged.model_validate(found._asdict() | {"key": job.key}))


def _train(context: RunContext, training: Training, *, parent: StageFolder | None) -> StageResult:
    job, model = training.job, context.spec.model
    weights = parent.encoder if parent else None
    protocol, limit = job.protocol, context.spec.protocol.max_length
    started, where = time.monotonic(), f"Model '{model.path}'"
    if training.placebo is Placebo.MLM:
        encoder, head = load_for_mlm(model, weights=weights, dropout=protocol.dropout, seed=job.draws.number("head"))
        context.place(encoder)
        head.to(context.device)
        freeze(encoder, protocol, where=where, kept_in=None)  # other pieces are masked in every step
        goals = objectives.masked(training.data, encoder=encoder, head=head, protocol=protocol, max_length=limit)
    else:
        encoder = load_encoder(model, weights=weights, dropout=protocol.dropout)
        context.place(encoder)
        freeze(encoder, protocol, where=where, kept_in=context.paths.states)
        goals = objectives.supervised(
            training.data, encoder=encoder, protocol=protocol, draws=job.draws, max_length=limit
        )
    if protocol.dropout is not None and (gap := dropout_gap(encoder)):
        context.emit(Flagged(flag="dropout_partial", message=gap))
    writer = StageWriter(context.paths.stage(job.key))
    heads = {goal.name: goal.head for goal in goals}

    def keep(which: Checkpoint) -> None:
        if which == "selected" or job.kind == "target":
            writer.keep(which, encoder=encoder, heads=heads)

    result = train_stage(context, job, encoder=encoder, objectives=goals, keep=keep)
    facts = {
        "key": job.key,
        "kind": job.kind,
        "name": job.name,
        "best_step": result.best_step,
        "steps": result.steps,
        "seconds": time.monotonic() - started,
        "arithmetic": arithmetic(context.device),
        "identity": training.identity.model_dump(mode="json"),
        "judged": [found._asdict() for found in result.judged],
    }
    writer.finish(facts)
    return result
