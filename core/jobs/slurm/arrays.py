"""The stage graph of some jobs as job arrays: what several share is a task of its own, and they wait for it.

Slurm lets task i of an array wait for task i of another (`aftercorr`). So a task has the number of what it waits for,
and two that wait for the same one are in different arrays: 45 intermediate stages of seven targets each are an array of
45 tasks and seven more that depend on it, whatever the number of runs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from core.spec.base import Spec
from core.spec.sharing import SharedTraining


class Task(Spec):
    """One task of an array: a job, or a stage that several jobs share."""

    index: int
    """Its number in the array."""
    jobs: tuple[str, ...]
    """The job; or those that share the stage, of which the first that is open trains it in its folder."""
    stage: str | None = None
    """What is trained, as in `SharedTraining.what`; None: the task is a job."""


class Submission(Spec):
    """What one `sbatch` was told: `<home>/slurm/<token>.json`, read by its tasks."""

    tasks: tuple[Task, ...]
    """In order of their numbers."""


class LiveStage(NamedTuple):
    """A task that Slurm has and that trains a shared stage."""

    array: str
    """Slurm's number of its array."""
    number: int
    """Its own in the array."""


class Array(NamedTuple):
    """One job array that is to be submitted."""

    tasks: tuple[Task, ...]
    """In order of their numbers."""
    waits_for: int | str | None
    """Place in the list of the array whose tasks of the same numbers come before, or Slurm's number of one."""


Address = tuple[str | None, tuple[int, ...], int]
"""Slurm's number of the array that a tree hangs from, the place below its root, and the number of its tasks."""


class _Node(NamedTuple):
    jobs: tuple[str, ...]
    stage: str | None
    parent: Address | None


def arrays(needs: Mapping[str, Sequence[SharedTraining]], *, live: Mapping[str, LiveStage], size: int) -> list[Array]:
    """Arrays in the order in which they must be submitted: what is waited for comes first.

    Args:
        needs: What each job trains that others may train, too, by its id.
        live: Stages that are being trained, or will be, by `SharedTraining.what`.
        size: Most tasks of an array.
    """
    placed = _Placed(live)
    sharing: dict[str, list[str]] = defaultdict(list)
    for job, trainings in needs.items():
        sharing[trainings[-1].what if trainings else ""].append(job)
    alone = [*sharing.pop("", [])]
    folds = Counter(needs[jobs[0]][0].what for jobs in sharing.values() if len(needs[jobs[0]]) > 1)
    for stage, jobs in sharing.items():
        trainings = needs[jobs[0]]
        fold = trainings[0].what if len(trainings) > 1 else None
        parent = placed.where(stage) or (placed.where(fold) if fold else None)
        is_shared = len(jobs) > 1 or (fold is not None and folds[fold] > 1 and parent is None)
        if is_shared and placed.where(stage) is None:
            parent = placed.put(tuple(jobs), stage=stage, parent=parent)
            if fold and placed.where(fold) is None:
                placed.known[fold] = parent  # the first of a task's thirds trains the folds of all
        if parent is None:
            alone += jobs
        for job in jobs if parent is not None else ():
            placed.put((job,), stage=None, parent=parent)
    for job in alone:
        placed.put((job,), stage=None, parent=None)
    return placed.arrays(size)


class _Placed:
    def __init__(self, live: Mapping[str, LiveStage]) -> None:
        self.known: dict[str, Address] = {what: (found.array, (), found.number) for what, found in live.items()}
        self._nodes: dict[Address, _Node] = {}
        self._n_below: Counter[Address | None] = Counter()

    def where(self, stage: str) -> Address | None:
        return self.known.get(stage)

    def put(self, jobs: tuple[str, ...], *, stage: str | None, parent: Address | None) -> Address:
        place = self._n_below[parent]
        self._n_below[parent] += 1
        address: Address = (None, (), place) if parent is None else (parent[0], (*parent[1], place), parent[2])
        self._nodes[address] = _Node(jobs, stage, parent)
        if stage:
            self.known[stage] = address
        return address

    def arrays(self, size: int) -> list[Array]:
        grouped: dict[tuple[str | None, tuple[int, ...], int], list[Task]] = defaultdict(list)
        for (array, path, index), node in sorted(self._nodes.items(), key=lambda item: (len(item[0][1]), item[0][2])):
            part, number = (0, index) if array else divmod(index, size)
            grouped[array, path, part].append(Task(index=number, jobs=node.jobs, stage=node.stage))
        places = {key: place for place, key in enumerate(grouped)}
        return [
            # A root waits for nothing, and what hangs from an array of before for that one.
            Array(tuple(tasks), places.get((array, path[:-1], part), array) if path else None)
            for (array, path, part), tasks in grouped.items()
        ]


def ranges(numbers: Iterable[int]) -> str:
    """Numbers as `sbatch --array` takes them: `0-9,12`.

    Args:
        numbers: In order.
    """
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
