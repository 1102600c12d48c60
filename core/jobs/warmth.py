"""A worker that is warm before the click: one spare process that has loaded its modules and waits for a job.

A process executes one job, so nothing of one job leaks into the next; the dispatcher replaces the spare once it is
used. Without one a job starts as it would anyway, some seconds later.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from core.paths import AtlasPaths
from core.processes import Spare, free_memory_mb

WARM = "ATLAS_WARM"
"""Environment variable: 0 for no warm worker."""
WISH_S = 600.0
"""Seconds after the last wish for a warm worker until its memory is given back."""
LEAST_FREE_MB = 2000.0
"""Free memory below which none is started; one holds about 600 MB."""
_AGAIN_S = 60.0
"""Seconds until the next one is started where one ended by itself."""


def may_be_warm(environ: Mapping[str, str]) -> bool:
    """Whether a warm worker is allowed.

    Args:
        environ: Environment to read.
    """
    return environ.get(WARM, "1").strip() != "0"


class Warmth:
    """Keeps the spare of a dispatcher: started, used, given back."""

    def __init__(self, paths: AtlasPaths, *, worker: str) -> None:
        """Start nothing yet.

        Args:
            worker: Module that executes jobs.
        """
        self._paths, self._worker = paths, worker
        self._spare: Spare | None = None
        self._not_before = 0.0

    def is_wished(self) -> bool:
        """Whether somebody asked for a warm worker a short while ago."""
        try:
            return may_be_warm(os.environ) and time.time() - self._paths.warm_wish.stat().st_mtime < WISH_S
        except FileNotFoundError:
            return False

    def tend(self, *, is_needed: bool) -> None:
        """Start the spare where one is needed and the machine has room, end it where none is.

        Args:
            is_needed: Whether somebody wishes for it or a job waits.
        """
        if not is_needed or not may_be_warm(os.environ):
            return self.end()
        if self._spare and not self._spare.is_alive:
            self.end()
            self._not_before = time.monotonic() + _AGAIN_S
        if self._spare is None and time.monotonic() >= self._not_before and free_memory_mb() >= LEAST_FREE_MB:
            environ = {"ATLAS_HOME": str(self._paths.home)}
            self._spare = Spare(self._worker, log=self._paths.dispatcher_log, environ=environ)
        return None

    def use(self, *words: str, log: Path, environ: Mapping[str, str], record: Path) -> subprocess.Popen[bytes] | None:
        """What `Spare.use` does; None where there is no spare."""
        spare, self._spare = self._spare, None
        return spare.use(*words, log=log, environ=environ, record=record) if spare else None

    def end(self) -> None:
        """Give the memory back."""
        if self._spare:
            self._spare.end()
        self._spare = None
