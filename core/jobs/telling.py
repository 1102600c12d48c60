"""Has `python -m core runs` look at what needs somebody when jobs have ended, where `ATLAS_ALERT` names who is told."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Mapping

from core.paths import REPO, AtlasPaths

ALERT = "ATLAS_ALERT"
"""Environment variable: who is told, an address (`https://…`) or a command."""

COMMAND = ("-m", "core", "runs")
"""Words for Python; named and never imported, because it reads the index of all runs."""

_REST_S = 30.0
_LOG = logging.getLogger(__name__)


class Teller:
    """Starts one look at a time, each a process of its own, so that a queue never waits for it."""

    def __init__(self, paths: AtlasPaths) -> None:
        """Nothing was told yet.

        Args:
            paths: The Atlas home.
        """
        self._paths, self._n_open, self._is_due = paths, 0, False
        self._child: subprocess.Popen[bytes] | None = None
        self._again_at = 0.0

    def tend(self, environ: Mapping[str, str], *, n_open: int) -> None:
        """Have it looked where jobs have ended since the last look, twice a minute at most.

        Args:
            environ: Where the variable is looked up, and the look's own.
            n_open: Jobs that wait or run now.
        """
        self._is_due |= n_open < self._n_open
        self._n_open = n_open
        is_looking = self._child is not None and self._child.poll() is None
        if not is_looking and time.monotonic() >= self._again_at:
            self.look(environ)

    def look(self, environ: Mapping[str, str]) -> None:
        """Have it looked now, where that is due.

        Args:
            environ: Where the variable is looked up, and the look's own.
        """
        if not self._is_due or not environ.get(ALERT):
            return
        self._is_due, self._again_at = False, time.monotonic() + _REST_S
        words, nothing = [sys.executable, *COMMAND], subprocess.DEVNULL
        env = {**environ, "ATLAS_HOME": str(self._paths.home)}
        try:
            self._child = subprocess.Popen(
                words, cwd=REPO, env=env, stdin=nothing, stdout=nothing, start_new_session=True
            )
        except OSError as error:
            _LOG.warning("nobody was told: %s", error)
