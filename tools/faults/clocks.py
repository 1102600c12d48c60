"""Tries to execute a run that somebody executes, while clocks jump and records lie: none may get in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple
from unittest.mock import patch

import psutil

from core.errors import RunFolderDamaged
from core.holding import Busy, held
from core.jobs.records import JobState
from core.jobs.state import derive_state
from core.paths import REPO, AtlasPaths, RunPaths
from core.processes import ProcessRecord
from tools.faults.home import runs_of

EVERY = 50
"""So many tries to one that is a process of its own, as the dispatcher starts it."""

_HOLD = """
import sys, time
from pathlib import Path
from core.files import write_text
from core.holding import held
from core.paths import RunPaths
run = RunPaths(Path(sys.argv[1]))
with held(run) as mine:
    write_text(run.process, mine.model_dump_json())
    print("holds", flush=True)
    time.sleep(3600)
"""


class Tried(NamedTuple):
    """What came of many tries."""

    tries: int
    """Tries to execute the run a second time."""
    processes: int
    """Those that were processes of their own."""
    got_in: int
    """Tries after which two executed it."""
    not_running: int
    """Looks at the run that did not say "running"."""
    free_after: bool
    """Whether it could be executed once the first process was killed."""


def second_workers(home: Path, *, n: int, rng: Random) -> Tried:
    """Try to get in beside a living worker, again and again.

    Before each try the clock and the start times of processes jump by 3 seconds to 3 years, forward or back; every
    fifth time the worker sleeps, every seventh its record names a stranger, is garbage or is gone.

    Args:
        home: An empty folder.
        n: Tries.
        rng: Decides what jumps where.
    """
    (spec, *_) = runs_of(AtlasPaths(home=home), seeds=1)
    run = AtlasPaths(home=home).run(spec.run_id)
    run.root.mkdir(parents=True)
    run.spec.write_text(spec.canonical_json(), encoding="utf-8")
    job = '{"run_id": "%s", "position": 1.0, "submitted_at": "2026-01-01T00:00:00.000Z"}'
    run.job.write_text(job % spec.run_id, encoding="utf-8")
    processes = got_in = not_running = 0
    with _worker(run) as worker:
        record = run.process.read_bytes()
        for number in range(n):
            os.kill(worker.pid, signal.SIGSTOP if number % 5 == 0 else signal.SIGCONT)
            if number % 7 == 0:
                _lie(run, rng)
            with _jumped(rng):
                not_running += derive_state(run).state is not JobState.RUNNING
                got_in += _gets_in(run)
            if number % EVERY == 0:
                words = [sys.executable, "-m", "tools.faults.worker", str(run.root)]
                processes += 1
                got_in += subprocess.run(words, cwd=REPO, check=False, stderr=subprocess.DEVNULL).returncode == 0
            run.process.write_bytes(record)
    return Tried(n + processes, processes, got_in, not_running, free_after=_gets_in(run))


@contextmanager
def _worker(run: RunPaths) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-c", _HOLD, str(run.root)]
    with subprocess.Popen(words, cwd=REPO, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def _jumped(rng: Random) -> Iterator[None]:
    by = rng.choice((-1, 1)) * 10 ** rng.uniform(0.5, 8)
    clock, start = time.time, psutil.Process.create_time
    with (
        patch.object(time, "time", lambda: clock() + by),
        patch.object(psutil.Process, "create_time", lambda process: start(process) + by),
    ):
        yield


def _lie(run: RunPaths, rng: Random) -> None:
    stranger = ProcessRecord(pid=os.getpid(), started=1.0).model_dump_json()
    said = rng.choice((stranger, "{", "", None))
    if said is None:
        run.process.unlink()
    else:
        run.process.write_text(said, encoding="utf-8")


def _gets_in(run: RunPaths) -> bool:
    try:
        with held(run, patience_s=0.0):
            return True
    except (Busy, RunFolderDamaged):
        return False
