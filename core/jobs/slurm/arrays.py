"""The stage graph of some jobs as job arrays.

Slurm lets task i of an array wait for task i of another (`aftercorr`). So a task has the number of what it waits for,
and two that wait for the same one are in different arrays: 45 intermediate stages of seven targets each are an array of
45 tasks and seven more that depend on it, whatever the number of runs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from core.jobs.graph import Node, stage_graph
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


def arrays(needs: Mapping[str, Sequence[SharedTraining]], *, live: Mapping[str, LiveStage], size: int) -> list[Array]:
    """Arrays in the order in which they must be submitted: what is waited for comes first.

    Args:
        needs: What each job trains that others may train, too, by its id.
        live: Stages that are being trained, or will be, by `SharedTraining.what`.
        size: Most tasks of an array.
    """
    nodes = stage_graph(needs, live=live)
    placed = sorted(zip(_addresses(nodes, live=live), nodes, strict=True), key=lambda p: (len(p[0][1]), p[0][2]))
    grouped: dict[tuple[str | None, tuple[int, ...], int], list[Task]] = defaultdict(list)
    for (array, path, index), node in placed:
        part, number = (0, index) if array else divmod(index, size)
        grouped[array, path, part].append(Task(index=number, jobs=node.jobs, stage=node.stage))
    places = {key: place for place, key in enumerate(grouped)}
    return [
        # A root waits for nothing, and what hangs from an array of before for that one.
        Array(tuple(tasks), places.get((array, path[:-1], part), array) if path else None)
        for (array, path, part), tasks in grouped.items()
    ]


def _addresses(nodes: Sequence[Node], *, live: Mapping[str, LiveStage]) -> list[Address]:
    found: list[Address] = []
    n_below: Counter[Address | None] = Counter()
    for node in nodes:
        above: Address | None = None
        if isinstance(node.after, int):
            above = found[node.after]
        elif node.after is not None:
            above = (live[node.after].array, (), live[node.after].number)
        place = n_below[above]
        n_below[above] += 1
        found.append((None, (), place) if above is None else (above[0], (*above[1], place), above[2]))
    return found


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
