"""The stage graph of some jobs: what several share is a stage of its own, and they wait for it.

An engine that executes jobs is told this graph, each in the way that it has for it, and decides the rest.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from core.errors import RunFolderDamaged, as_damage
from core.files import read_whole
from core.paths import AtlasPaths
from core.spec.sharing import SharedTraining, trained_by_job


class Node(NamedTuple):
    """What an engine executes at one go: a job, or a stage that several jobs share."""

    jobs: tuple[str, ...]
    """The job; or those that share the stage, of which the first that is open trains it in its folder."""
    stage: str | None = None
    """What is trained, as in `SharedTraining.what`; None: it is a job."""
    after: int | str | None = None
    """Place in the list of what it waits for, or a stage that is being trained already; None: it waits for nothing."""


def stage_graph(needs: Mapping[str, Sequence[SharedTraining]], *, live: Collection[str]) -> list[Node]:
    """Stages and jobs in an order in which what is waited for comes first.

    Args:
        needs: What each job trains that others may train, too, by its id.
        live: Stages that are being trained, or will be, as `SharedTraining.what`.
    """
    known: dict[str, int | str] = {what: what for what in live}
    nodes: list[Node] = []

    def put(jobs: tuple[str, ...], *, stage: str | None = None, after: int | str | None = None) -> int:
        nodes.append(Node(jobs, stage, after))
        return len(nodes) - 1

    sharing: dict[str, list[str]] = defaultdict(list)
    for job, trainings in needs.items():
        sharing[trainings[-1].what if trainings else ""].append(job)
    alone = [*sharing.pop("", [])]
    folds = Counter(needs[jobs[0]][0].what for jobs in sharing.values() if len(needs[jobs[0]]) > 1)
    for stage, jobs in sharing.items():
        trainings = needs[jobs[0]]
        fold = trainings[0].what if len(trainings) > 1 else ""
        after = known.get(stage, known.get(fold))
        is_shared = len(jobs) > 1 or (folds[fold] > 1 and after is None)
        if is_shared and stage not in known:
            known[stage] = after = put(tuple(jobs), stage=stage, after=after)
            if fold:
                known.setdefault(fold, after)  # the first of a task's thirds trains the folds of all
        if after is None:
            alone += jobs
        for job in jobs if after is not None else ():
            put((job,), after=after)
    for job in alone:
        put((job,))
    return nodes


def trainings_of(job_id: str, *, paths: AtlasPaths) -> tuple[SharedTraining, ...]:
    """What a run trains that others may train, too; nothing for a profile, which looks at several and locks each."""
    try:
        with as_damage(job_id):
            raw = json.loads(read_whole(paths.job(job_id).spec))
            return trained_by_job(raw) if "kind" not in raw else ()
    except (RunFolderDamaged, FileNotFoundError):
        return ()  # its worker says what is wrong
