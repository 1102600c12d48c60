"""The plan of a run's stages: the data of each, and with them its key.

Planning trains where an intermediate is a third of a task (`mnli@hardest`, `mnli@near:udpos`): which examples are in
the third is known from models trained on its folds (`subsets/`), and is part of the key of the stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from core.data.datasets import subsample
from core.encoder.identity import identity_of
from core.errors import SpecError
from core.spec.match import POOL
from core.spec.run import Placebo
from core.spec.task import Role, TaskSpec
from core.spec.versions import CODE_VERSION
from core.training.context import RunContext
from core.training.gradients import StageJob
from core.training.loader import EnglishData
from core.training.mixture import shuffled
from core.training.seeds import Draws
from core.training.stages import StageIdentity
from core.training.subsets.thirds import chosen_third
from core.types.table import task_type


@dataclass(frozen=True)
class Training:
    """One training of the plan."""

    job: StageJob
    """What to do; its key is the digest of `identity`."""
    identity: StageIdentity
    """What decides the outcome."""
    data: tuple[EnglishData, ...]
    """English training and development data, one per task."""
    placebo: Placebo | None
    """What is done instead of the task."""


def plan(context: RunContext) -> tuple[Training, ...]:
    """The trainings of a run, in order: intermediate and target, each where there is one."""
    spec, trainings = context.spec, list[Training]()
    if spec.intermediate is not None:
        trainings.append(plan_intermediate(context))
    target = spec.task(spec.target)
    if task_type(target.type).is_trained:
        parent = trainings[0].job.key if trainings else None
        trainings.append(_training(context, Role.TARGET, [target], parent=parent))
    return tuple(trainings)


def plan_intermediate(context: RunContext) -> Training:
    """The training of a run's intermediate stage; a third of a task is chosen here, by models trained for that.

    Raises:
        SpecError: The run has no intermediate, or its task has no thirds.
        DataError: The data are not there, or too few for thirds.
    """
    spec = context.spec
    if spec.intermediate is None:
        raise SpecError(f"Run {spec.run_id} has no intermediate stage; expected one.")
    tasks = [spec.task(name) for name in spec.intermediate.tasks]
    return _training(context, Role.INTERMEDIATE, tasks, parent=None)


def stage_data(context: RunContext, task: TaskSpec, *, role: Role) -> EnglishData:
    """What a stage is trained and selected on: English data of a task, sampled as the protocol says, and reported.

    Args:
        context: Of the run.
        task: What is trained on; a third of it where the run's intermediate says so.
        role: Intermediate or target.

    Raises:
        SpecError: The task has no thirds.
        DataError: The data are not there, or too few for thirds.
    """
    spec, protocol = context.spec, context.spec.stage_protocol(role, task.name)
    draws = Draws(spec.seed, _kind(role), (task.name,))
    data = context.loader.whole(task, role=role, protocol=protocol, draws=draws)
    wanted = spec.intermediate if role is Role.INTERMEDIATE else None
    if wanted is not None and wanted.is_third:
        size = protocol.max_train_examples
        pool = replace(data, train=subsample(data.train, n=size and POOL * size, seed=draws.number("pool")))
        data = replace(pool, train=chosen_third(context, pool, protocol=protocol, wanted=wanted))
    return context.loader.sampled(data, protocol=protocol, draws=draws)


def _kind(role: Role) -> Literal["intermediate", "target"]:
    return "intermediate" if role is Role.INTERMEDIATE else "target"


def _training(context: RunContext, role: Role, tasks: Sequence[TaskSpec], *, parent: str | None) -> Training:
    spec = context.spec
    is_first = role is Role.INTERMEDIATE and spec.intermediate is not None
    name = spec.intermediate.name if is_first and spec.intermediate else tasks[0].name
    placebo = spec.intermediate.placebo if is_first and spec.intermediate else None
    protocol = spec.stage_protocol(role, tasks[0].name)
    data = tuple(stage_data(context, task, role=role) for task in tasks)
    kind = _kind(role)
    draws = Draws(spec.seed, kind, tuple(task.name for task in tasks))
    if placebo is Placebo.SHUFFLED:
        data = tuple(EnglishData(train=shuffled(d.train, draws=draws), dev=shuffled(d.dev, draws=draws)) for d in data)
    identity = StageIdentity(
        kind=kind,
        code=CODE_VERSION[kind],
        model=identity_of(spec.model),
        parent=parent,
        tasks=tuple(t.digest() for t in tasks),
        data=tuple(s.fingerprint for d in data for s in (d.train, d.dev)),
        labels=tuple(d.train.labels for d in data),
        protocol=protocol,
        max_length=spec.protocol.max_length,
        seed=spec.seed,
        placebo=placebo,
        precision=context.precision,
    )
    job = StageJob(key=identity.digest(), kind=kind, name=name, protocol=protocol, draws=draws)
    return Training(job=job, identity=identity, data=data, placebo=placebo)
