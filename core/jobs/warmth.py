"""Workers that are warm before the click: spare processes that have loaded their modules and wait for a job.

A process executes one job, so nothing of one job leaks into the next; the dispatcher replaces a spare some seconds
after it was used. Without one a job starts as it would anyway, some seconds later.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from core.paths import AtlasPaths
from core.processes import Spare, free_memory_mb
from core.variables import WARM, switch

WISH_S = 600.0
"""Seconds after the last wish for a warm worker until its memory is given back."""
LEAST_FREE_MB = 2000.0
"""Free memory below which none is started; one holds about 600 MB."""
N_SPARE = 2
"""Most that are kept: as many as the usual launch has jobs, a run and its baseline."""
_AGAIN_S = 60.0
"""Seconds until the next one is started where one ended by itself."""
_AFTER_USE_S = 4.0
"""Seconds until the next one is started where one was used: loading takes a core that the job needs at its start."""


def may_be_warm(environ: Mapping[str, str]) -> bool:
    """Whether a warm worker is allowed.

    Args:
        environ: Environment to read.

    Raises:
        SpecError: It says neither yes nor no.
    """
    return switch(WARM, environ, usual=True)


class Warmth:
    """Keeps the spares of a dispatcher: started, used, given back."""

    def __init__(self, paths: AtlasPaths, *, worker: str) -> None:
        """Start nothing yet.

        Args:
            worker: Module that executes jobs.
        """
        self._paths, self._worker = paths, worker
        self._spares: list[Spare] = []
        self._not_before = 0.0

    def is_wished(self) -> bool:
        """Whether somebody asked for a warm worker a short while ago."""
        try:
            # A wish from the future is of before the clock was set back: at worst a job starts some seconds later.
            return may_be_warm(os.environ) and 0 <= time.time() - self._paths.warm_wish.stat().st_mtime < WISH_S
        except OSError:  # nobody did, or something else lies there
            return False

    def tend(self, *, is_needed: bool, most: int = 1) -> None:
        """Start a spare where one is missing and the machine has room, end all where none is needed.

        Args:
            is_needed: Whether somebody wishes for one or a job waits.
            most: Spares to keep.
        """
        if not is_needed or not may_be_warm(os.environ):
            return self.end()
        for gone in [spare for spare in self._spares if not spare.is_alive]:
            gone.end()
            self._spares.remove(gone)
            self._not_before = time.monotonic() + _AGAIN_S
        is_missing = len(self._spares) < most and time.monotonic() >= self._not_before
        if is_missing and free_memory_mb() >= LEAST_FREE_MB:
            environ = {"ATLAS_HOME": str(self._paths.home)}
            self._spares.append(Spare(self._worker, log=self._paths.dispatcher_log, environ=environ))
        return None

    def use(self, *words: str, log: Path, environ: Mapping[str, str], record: Path) -> subprocess.Popen[bytes] | None:
        """What `Spare.use` does; None where there is no spare."""
        if not self._spares:
            return None
        self._not_before = time.monotonic() + _AFTER_USE_S
        return self._spares.pop(0).use(*words, log=log, environ=environ, record=record)

    def end(self) -> None:
        """Give the memory back."""
        for spare in self._spares:
            spare.end()
        self._spares.clear()
