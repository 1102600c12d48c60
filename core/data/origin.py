"""Where a task's examples come from."""

from __future__ import annotations

from dataclasses import dataclass

from core.paths import AtlasPaths
from core.spec.run import DataSource
from core.spec.task import TaskSpec


@dataclass(frozen=True)
class DataOrigin:
    """Where examples come from: everything a loader needs beside the task."""

    source: DataSource
    """Sample, mirror or hub."""
    paths: AtlasPaths
    """Cache and licensed local data."""
    domain: str | None = None
    """Domain of the sample tasks; None: all of them."""
    difficulty: str | None = None
    """Difficulty of the sample tasks; None: the mixture."""
    tasks: tuple[TaskSpec, ...] = ()
    """Definitions of the parts of joined tasks (ANLI+)."""
