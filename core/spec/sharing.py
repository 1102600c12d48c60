"""Which trainings jobs have in common, known from their specs alone: without data, and without torch.

The key of a stage is the digest of its data, too, which nobody has before they are read. So this is coarser: two
trainings with one key are one here, and two that are one here have nearly always one key.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from core.spec.base import canonical, digest
from core.spec.profile import ProfileKind
from core.spec.run import IntermediateSpec, RunSpec


class SharedTraining(NamedTuple):
    """A training that is done once for all who need it."""

    stage: str
    """Name of its stage in events: an intermediate's text form; of the folds of a third, the task itself."""
    what: str
    """Equal for trainings that are one."""


class TrainedHow(NamedTuple):
    """What decides beside the intermediate whether two trainings of one are the same."""

    model: str
    """Name of the model."""
    weights: str | None
    """Fingerprint or revision of its weights."""
    seed: int
    """Of the run."""
    protocol: str
    """Digest of the protocol."""
    data_source: str
    """sample, mirror or hub."""


def training_of(intermediate: str, *, how: TrainedHow) -> str:
    """What is equal for trainings that are one.

    Args:
        intermediate: Its text form.
    """
    return f"{intermediate} by {how.model} {how.weights}, seed {how.seed}, {how.protocol} on {how.data_source}"


def trained_by(run: RunSpec) -> tuple[SharedTraining, ...]:
    """What a run trains that others may train as well, in order; nothing for a baseline."""
    if run.intermediate is None:
        return ()
    weights, source = run.model.fingerprint or run.model.revision, run.data_source.kind
    how = TrainedHow(run.model.name, weights, run.seed, run.protocol.digest(), source)
    return _shared(run.intermediate, how=how)


def trained_by_job(raw: dict[str, Any]) -> tuple[SharedTraining, ...]:
    """The same of a job's `spec.json`, a run's or a profile's, without checking the rest of it.

    Args:
        raw: Plain JSON values.
    """
    kind = raw.get("kind", "run")
    if kind not in {"run", ProfileKind.ENCODER, ProfileKind.SELECTORS}:
        return ()  # a difficulty profile trains stages of its own
    between = [raw["intermediate"]] if kind == "run" else raw["intermediates"]
    model, protocol = raw["model"], digest(canonical(raw["protocol"]))
    weights, source = model.get("fingerprint") or model.get("revision"), raw["data_source"]["kind"]
    how = TrainedHow(model["name"], weights, raw["seed"], protocol, source)
    read = IntermediateSpec.model_validate if kind == "run" else IntermediateSpec.parse
    return tuple(training for one in between if one for training in _shared(read(one), how=how))


def _shared(intermediate: IntermediateSpec, *, how: TrainedHow) -> tuple[SharedTraining, ...]:
    name, folds = intermediate.name, list[SharedTraining]()
    if intermediate.is_third:
        # Two folds are trained and scored to find the thirds, once for all of them, any target's, and their placebos.
        whole = intermediate.model_copy(update={"third": None, "nearness": None, "to": None, "placebo": None}).name
        folds = [SharedTraining(whole, training_of(f"{whole}, fold {n}", how=how)) for n in (1, 2)]
    return (*folds, SharedTraining(name, training_of(name, how=how)))
