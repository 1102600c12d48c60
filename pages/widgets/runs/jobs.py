"""All runs as the page Runs sees them: many folders are listed beside the page, open runs are looked at each time."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from threading import Lock, Thread
from typing import NamedTuple

import streamlit as st

from core.actions.queue import as_listed, list_runs, looked_at
from core.jobs.records import JobState, JobStatus
from core.paths import AtlasPaths
from pages.widgets.shared import REST, SLOW_S, paths


class Jobs(NamedTuple):
    """Runs, and what is asked of all of them at once."""

    listed: list[JobStatus]
    """Runs whose folder can be read, in the order of `list_runs`."""
    by_id: dict[str, JobStatus]
    """The same by their ids."""
    counts: Counter[str]
    """How many are in each state, paused ones apart."""
    open: list[JobStatus]
    """Those that can still change by themselves."""
    n_damaged: int
    """Folders that cannot be read."""


def jobs_now() -> Jobs:
    """Every run and its state now."""
    return _listing(str(paths().home)).now()


def list_again() -> None:
    """After an action on this page: the next list is made anew, however long that takes."""
    _listing.clear()


class Listing:
    """Lists of one home's runs, each made once."""

    def __init__(self, where: AtlasPaths) -> None:
        """List nothing yet.

        Args:
            where: The home.
        """
        self._where, self._lock = where, Lock()
        self._took_s = self._again_at = 0.0
        self._seen: int | None = None
        self._all: Jobs | None = None

    def now(self) -> Jobs:
        """The runs; where a list takes long and no folder was added, the last one, its open runs looked at again."""
        known = self._all
        if known is None or self._took_s < SLOW_S or self._added() != self._seen:
            with self._lock:
                return self._list()
        if time.monotonic() >= self._again_at and not self._lock.locked():
            Thread(target=self._beside, daemon=True).start()
        fresh = {job.run_id: looked_at(job.run_id, paths=self._where) for job in known.open}
        if all(_same(fresh[job.run_id], job) for job in known.open):
            return known
        found = _of(as_listed(fresh.get(job.run_id, job) for job in known.listed))
        if self._all is known:  # else a list was made beside, and holds what was added meanwhile
            self._all = found
        return found

    def _beside(self) -> None:
        with self._lock:
            self._list()

    def _list(self) -> Jobs:
        began, seen = time.monotonic(), self._added()
        found = _of(list_runs(self._where))
        self._took_s = time.monotonic() - began
        self._again_at = time.monotonic() + REST * self._took_s
        self._all, self._seen = found, seen
        return found

    def _added(self) -> int | None:
        """The time of the folder of runs, which moves when one is added."""
        try:
            return self._where.runs.stat().st_mtime_ns
        except OSError:  # none yet, or something else in its place, which is named
            return None


def _is_open(job: JobStatus) -> bool:
    return job.state in {JobState.RUNNING, JobState.QUEUED, JobState.LOST}


def _same(one: JobStatus, other: JobStatus) -> bool:
    return one._replace(heartbeat_age_s=None) == other._replace(heartbeat_age_s=None)


def _of(jobs: list[JobStatus]) -> Jobs:
    whole = [job for job in jobs if job.state is not JobState.DAMAGED]
    return Jobs(
        listed=whole,
        by_id={job.run_id: job for job in whole},
        counts=Counter(job.shown for job in whole),
        open=[job for job in whole if _is_open(job)],
        n_damaged=len(jobs) - len(whole),
    )


@st.cache_resource(show_spinner="Listing the runs …")
def _listing(home: str) -> Listing:
    return Listing(AtlasPaths(home=Path(home)))
