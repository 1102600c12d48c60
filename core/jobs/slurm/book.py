"""What Slurm was told of an Atlas home and has not done yet, beside what Slurm says of it now."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from core.errors import AtlasError, RunFolderDamaged, as_damage
from core.files import read_whole
from core.jobs.slurm import engine
from core.jobs.slurm.arrays import LiveStage, Submission, Task
from core.jobs.slurm.engine import SlurmSays
from core.paths import AtlasPaths

FRESH_S = 5.0
"""Seconds for which an answer of `squeue` is used: sites dislike it asked more often."""


class Known(NamedTuple):
    """A task that Slurm was told of."""

    token: str
    """Name of its array."""
    task: Task
    """What it does."""
    says: SlurmSays | None
    """What Slurm says of it; None: it has forgotten it."""

    @property
    def is_live(self) -> bool:
        """Whether Slurm runs it, or will."""
        return self.says is not None and self.says.is_live


class Book:
    """All tasks of a home at one moment."""

    def __init__(self, paths: AtlasPaths, says: Iterable[SlurmSays]) -> None:
        """Read what is on disk.

        Args:
            says: All that `squeue` knows.
        """
        now = {(said.token, said.number): said for said in says}
        self.tasks = [
            Known(file.stem, task, now.get((file.stem, task.index)))
            for file in submissions(paths)
            for task in _read(file, file.stat().st_mtime_ns).tasks
        ]

    def by_job(self) -> dict[str, list[Known]]:
        """Live tasks that a job is named by, its own and those of stages that it shares."""
        found: dict[str, list[Known]] = defaultdict(list)
        for known in self.tasks:
            for job in known.task.jobs if known.is_live else ():
                found[job].append(known)
        return found

    def live_stages(self) -> dict[str, LiveStage]:
        """Shared stages that are being trained, or will be."""
        return {
            known.task.stage: LiveStage(known.says.array, known.task.index)
            for known in self.tasks
            if known.task.stage and known.says and known.is_live
        }


def submissions(paths: AtlasPaths) -> list[Path]:
    """Files of the arrays that were not forgotten yet, in the order in which they were submitted."""
    return [file for _, file in sorted((file.stat().st_mtime_ns, file) for file in paths.slurm.glob("*.json"))]


@lru_cache(maxsize=1000)
def _read(file: Path, changed_ns: int) -> Submission:
    del changed_ns
    try:
        with as_damage(file.name):
            return Submission.model_validate_json(read_whole(file))
    except (RunFolderDamaged, FileNotFoundError):
        return Submission(tasks=())  # its jobs read as vanished, and are handed over again


class Look(NamedTuple):
    """What a list of jobs is told of Slurm, for some seconds."""

    at: float
    """Moment, of the monotonic clock."""
    is_known: bool
    """Whether Slurm answered."""
    live: dict[str, list[Known]]
    """Live tasks by job."""


_LOOKS: dict[Path, Look] = {}


def look(paths: AtlasPaths) -> Look:
    """What Slurm said within the last seconds; it is asked where nobody has asked since."""
    before = _LOOKS.get(paths.home)
    if before is not None and time.monotonic() - before.at < FRESH_S:
        return before
    try:
        live, is_known = (Book(paths, engine.queue()).by_job(), True) if engine.is_here() else ({}, False)
    except (AtlasError, OSError):
        live, is_known = {}, False
    _LOOKS[paths.home] = found = Look(time.monotonic(), is_known, live)
    return found


def forget_look(paths: AtlasPaths) -> None:
    """Have Slurm asked at the next look: something was changed."""
    _LOOKS.pop(paths.home, None)


def own_task(known: Sequence[Known]) -> Iterator[SlurmSays]:
    """What Slurm says of a job's own task, and not of a stage that it shares.

    Args:
        known: Of one job.
    """
    return (one.says for one in known if one.says is not None and one.task.stage is None)
