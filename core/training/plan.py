"""What a stage is trained on: English splits, sampled as the protocol says, and the plan of a run's stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.data.datasets import TEST_SEED, load_split, subsample
from core.data.records import DataOrigin, Split, SplitRole, fingerprint, text_of
from core.encoder.identity import identity_of
from core.errors import SpecError
from core.events import DataLoaded, Flagged
from core.spec.protocol import StageProtocol
from core.spec.run import Placebo, RunSpec
from core.spec.task import Role, TaskSpec, TaskType
from core.training.loop import EnglishData, StageJob
from core.training.objectives import shuffled
from core.training.probes import Bench
from core.training.stages import CODE_VERSION, StageIdentity
from core.training.thirds import POOL, chosen_third


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


class Loader:
    """Loads splits for a run and reports each: the one place of the chain that knows where data come from."""

    def __init__(self, bench: Bench) -> None:
        """Nothing is read yet.

        Args:
            bench: The run, the Atlas home, where `DataLoaded` and `Flagged` go, and where thirds are measured.
        """
        self._spec, self._paths, self._emit = bench.spec, bench.paths, bench.shop.emit
        self._bench = bench
        self._seen: set[int] = set()

    def english(self, task: TaskSpec, *, role: Role, protocol: StageProtocol) -> EnglishData:
        """English training and development data of a task.

        Args:
            task: What is trained on.
            role: Intermediate or target: only an intermediate can be a slice of the sample tasks.
            protocol: Sizes of the samples.
        """
        intermediate = self._spec.intermediate if role is Role.INTERMEDIATE else None
        origin = self._origin(role)
        train = load_split(task, role="train", lang="en", origin=origin)
        if protocol.train_share < 1:
            train = subsample(train, n=max(1, round(protocol.train_share * len(train.examples))), seed=self._spec.seed)
        dev = load_split(task, role="dev", lang="en", origin=origin)
        dev = _first(dev._replace(labels=train.labels), n=protocol.max_dev_examples)
        size = protocol.max_train_examples
        if intermediate is not None and intermediate.third is not None:
            pool = subsample(train, n=size and POOL * size, seed=self._spec.seed)
            data = EnglishData(train=pool, dev=dev)
            train = chosen_third(self._bench, data, protocol=protocol, third=intermediate.third)
        train = self._report(subsample(train, n=size, seed=self._spec.seed))
        self._report(dev)
        self._seen.update(hash(text_of(e)) for e in train.examples)
        return EnglishData(train=train, dev=dev)

    def held_out(self, *, like: EnglishData, n: int) -> Split:
        """English development examples of the intermediate: those that select its model, and more where there are more.

        Args:
            like: Its training data, which name the labels.
            n: At most so many, from the first on.
        """
        split = load_split(like.train.task, role="dev", lang="en", origin=self._origin(Role.INTERMEDIATE))
        split = _first(split._replace(labels=like.train.labels), n=n)
        intermediate = self._spec.intermediate
        is_shuffled = intermediate is not None and intermediate.placebo is Placebo.SHUFFLED
        return self._report(shuffled(split, seed=self._spec.seed) if is_shuffled else split)

    def _origin(self, role: Role) -> DataOrigin:
        intermediate = self._spec.intermediate if role is Role.INTERMEDIATE else None
        return DataOrigin(
            source=self._spec.data_source,
            paths=self._paths,
            domain=intermediate.domain if intermediate else None,
            difficulty=intermediate.difficulty if intermediate else None,
            tasks=self._spec.tasks,
        )

    def scored(self, role: SplitRole, lang: str, *, labels: tuple[str, ...]) -> Split:
        """A split of the target that is scored (or, for mining, one that the threshold is chosen on).

        Args:
            role: `test`, or `dev` for mining.
            labels: Of the training split; empty for retrieval.
        """
        task = self._spec.task(self._spec.target)
        split = load_split(task, role=role, lang=lang, origin=self._origin(Role.TARGET))
        if role == "test":
            split = subsample(split, n=self._spec.protocol.max_test_examples, seed=TEST_SEED)
        split = self._report(split._replace(labels=labels or split.labels))
        known = sum(hash(text_of(e)) in self._seen for e in split.examples)
        if known:
            message = f"{known} of {len(split.examples)} {task.name} {role} texts ({lang}) occur in the training data."
            self._emit(Flagged(flag="overlap", message=message))
        return split

    def parallel(self, lang: str) -> Split:
        """All sentence pairs of a retrieval target in a language: for what is compared and not scored."""
        return load_split(self._spec.task(self._spec.target), role="test", lang=lang, origin=self._origin(Role.TARGET))

    def _report(self, split: Split) -> Split:
        self._emit(
            DataLoaded(
                task=split.task.name,
                role=split.role,
                lang=split.lang,
                split=split.split,
                n=len(split.examples),
                n_available=split.n_available,
                fingerprint=split.fingerprint,
                revision=split.revision,
            )
        )
        for flag in split.flags:
            self._emit(Flagged(flag=flag.flag, message=flag.message))
        return split


def plan(spec: RunSpec, *, loader: Loader) -> tuple[Training, ...]:
    """The trainings of a run, in order: intermediate and target, each where there is one.

    Args:
        loader: Reads the English data, whose fingerprints are part of the keys.
    """
    trainings: list[Training] = []
    if spec.intermediate is not None:
        trainings.append(plan_intermediate(spec, loader=loader))
    target = spec.task(spec.target)
    if target.type is not TaskType.RETRIEVAL:
        parent = trainings[0].job.key if trainings else None
        trainings.append(_training(spec, Role.TARGET, [target], parent=parent, loader=loader))
    return tuple(trainings)


def plan_intermediate(spec: RunSpec, *, loader: Loader) -> Training:
    """The training of a run's intermediate stage.

    Args:
        loader: Reads the English data.

    Raises:
        SpecError: The run has no intermediate.
    """
    if spec.intermediate is None:
        raise SpecError(f"Run {spec.run_id} has no intermediate stage; expected one.")
    tasks = [spec.task(name) for name in spec.intermediate.tasks]
    return _training(spec, Role.INTERMEDIATE, tasks, parent=None, loader=loader)


def _training(spec: RunSpec, role: Role, tasks: Sequence[TaskSpec], *, parent: str | None, loader: Loader) -> Training:
    is_first = role is Role.INTERMEDIATE and spec.intermediate is not None
    name = spec.intermediate.name if is_first and spec.intermediate else tasks[0].name
    placebo = spec.intermediate.placebo if is_first and spec.intermediate else None
    protocol = spec.stage_protocol(role, tasks[0].name)
    data = tuple(loader.english(t, role=role, protocol=spec.stage_protocol(role, t.name)) for t in tasks)
    if placebo is Placebo.SHUFFLED:
        data = tuple(
            EnglishData(train=shuffled(d.train, seed=spec.seed), dev=shuffled(d.dev, seed=spec.seed)) for d in data
        )
    kind: Literal["intermediate", "target"] = "intermediate" if role is Role.INTERMEDIATE else "target"
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
    )
    job = StageJob(key=identity.digest(), kind=kind, name=name, protocol=protocol, seed=spec.seed)
    return Training(job=job, identity=identity, data=data, placebo=placebo)


def _first(split: Split, *, n: int | None) -> Split:
    if n is None or n >= len(split.examples):
        return split
    examples = split.examples[:n]
    return split._replace(examples=examples, fingerprint=fingerprint(examples))
