"""From a training of the plan to its finished stage: taken as it is where it is there, trained where it is not."""

from __future__ import annotations

import time
from dataclasses import dataclass

from core.encoder.loading import load_encoder
from core.encoder.mlm import load_for_mlm
from core.events import Flagged, StageFinished, StageReused
from core.paths import AtlasPaths
from core.spec.run import Placebo, RunSpec
from core.training import objectives
from core.training.loop import StageResult, Workshop, train_stage
from core.training.plan import Loader, Training
from core.training.probes import Bench
from core.training.stages import StageFolder, StageWriter, only_one


@dataclass(frozen=True)
class OpenRun:
    """A run and what it needs from the world."""

    spec: RunSpec
    """The chain."""
    paths: AtlasPaths
    """The Atlas home."""
    shop: Workshop
    """Device, events, checkpoints."""
    loader: Loader
    """Reads its data and reports them."""


def open_run(spec: RunSpec, *, paths: AtlasPaths, workshop: Workshop) -> OpenRun:
    """A run that can be planned and trained; nothing is read yet.

    Args:
        spec: The chain.
        workshop: Device, events, checkpoints.
    """
    return OpenRun(spec, paths, workshop, Loader(Bench(spec, paths, workshop)))


def reach(run: OpenRun, training: Training, *, parent: StageFolder | None) -> StageFolder:
    """The finished stage: taken as it is, or trained; a damaged one is trained again.

    Args:
        run: Whose plan holds the training.
        training: What the stage is.
        parent: Whose encoder is carried over; None: the pretrained one.

    Raises:
        AtlasError: The model cannot be loaded, or the device is too small.
    """
    job = training.job
    folder = StageFolder(run.paths.stage(job.key))
    with only_one(job.key, paths=run.paths):
        if folder.is_finished:
            damage = folder.damage()
            if damage is None:
                run.shop.emit(StageReused(key=job.key, kind=job.kind, name=job.name))
                return folder
            message = f"The finished stage '{job.name}' ({job.key}) was damaged: {damage}. It is trained again."
            run.shop.emit(Flagged(flag="stage_damaged", message=message))
        result = _train(run, training, parent=parent)
    run.shop.emit(
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


def _train(run: OpenRun, training: Training, *, parent: StageFolder | None) -> StageResult:
    job, model = training.job, run.spec.model
    weights = parent.encoder if parent else None
    protocol, limit = job.protocol, run.spec.protocol.max_length
    started = time.monotonic()
    if training.placebo is Placebo.MLM:
        encoder, head = load_for_mlm(model, weights=weights, dropout=protocol.dropout)
        encoder.model.to(run.shop.device)
        head.to(run.shop.device)
        goals = objectives.masked(training.data, encoder=encoder, head=head, protocol=protocol, max_length=limit)
    else:
        encoder = load_encoder(model, weights=weights, dropout=protocol.dropout)
        encoder.model.to(run.shop.device)
        goals = objectives.supervised(
            training.data, encoder=encoder, protocol=protocol, seed=job.seed, max_length=limit
        )
    writer = StageWriter(run.paths.stage(job.key))
    heads = {goal.name: goal.head for goal in goals}

    def keep(which: str) -> None:
        if which == "selected" or job.kind == "target":
            writer.keep("selected" if which == "selected" else "last", encoder=encoder, heads=heads)

    result = train_stage(job, encoder=encoder, objectives=goals, workshop=run.shop, keep=keep)
    facts = {
        "key": job.key,
        "kind": job.kind,
        "name": job.name,
        "best_step": result.best_step,
        "steps": result.steps,
        "seconds": time.monotonic() - started,
        "identity": training.identity.model_dump(mode="json"),
    }
    writer.finish(facts)
    return result
