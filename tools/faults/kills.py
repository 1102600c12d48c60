"""Kills and file faults over local jobs: nothing finished is lost, nothing is done twice, every score is its seed's."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import NamedTuple

import psutil
from filelock import FileLock, Timeout

from core.errors import AtlasError, RunFolderDamaged
from core.holding import Busy, executing, held, is_held
from core.jobs.local import LocalBackend
from core.jobs.records import JobState
from core.jobs.state import derive_state
from core.paths import AtlasPaths
from core.processes import is_alive
from core.store.connection import Store
from core.store.ingest import ingest
from tools.faults.garbage import garbled
from tools.faults.home import runs_of
from tools.faults.worker import checkpoint, score_of, told_beside

OPTIONS = ("--worker-module", "tools.faults.worker", "--poll-s", "0.05", "--idle-s", "2")
"""Of a dispatcher whose jobs are stand-ins."""


class Killed(NamedTuple):
    """What came of a campaign of kills."""

    faults: int
    """Kills and damaged files together."""
    workers: int
    """Workers that were killed."""
    dispatchers: int
    """Dispatchers that were killed."""
    files: int
    """Files that were damaged while their job waited or ran."""
    runs: int
    """Runs that were asked for."""
    done: int
    """Runs that have ended well."""
    twice: int
    """Runs whose end was reached more than once."""
    wrong: int
    """Runs whose score is not their seed's."""
    second_workers: int
    """Tries to execute a run that somebody executes, which got in."""
    tries: int
    """Such tries."""
    seconds: float
    """Of the campaign."""


def campaign(paths: AtlasPaths, *, faults: int, seeds: int, rng: Random, most_s: float) -> Killed:
    """Run jobs and hurt them until so many faults were made, then let them end.

    Args:
        paths: An empty home.
        faults: Kills and damaged files.
        seeds: Pairs of runs.
        rng: Decides who and what.
        most_s: Seconds after which what is not done counts as lost.
    """
    specs = {spec.run_id: spec for spec in runs_of(paths, seeds=seeds)}
    backend, began, counts = LocalBackend(paths, options=OPTIONS), time.monotonic(), Counter[str]()
    backend.submit(list(specs.values()))
    before: set[str] = set()
    while time.monotonic() - began < most_s:
        states = {run_id: derive_state(paths.run(run_id)) for run_id in specs}
        done = {run_id for run_id, status in states.items() if status.state is JobState.DONE}
        if before - done:
            counts["lost"] += len(before - done)
        before = done
        if len(done) == len(specs):
            break
        for run_id, status in states.items():
            if status.state in {JobState.FAILED, JobState.CANCELLED, JobState.DAMAGED}:
                with contextlib.suppress(AtlasError):
                    _mend(paths, run_id, specs[run_id].canonical_json())
                    backend.retry(run_id)
        backend.wake()
        if sum(counts[kind] for kind in ("workers", "dispatchers", "files")) < faults:
            _hurt(paths, [r for r, s in states.items() if s.state is not JobState.DONE], counts=counts, rng=rng)
        time.sleep(rng.uniform(0.0, 0.2))
    ends = Counter(line.split()[1] for line in _lines(told_beside(paths.home)))
    return Killed(
        faults=sum(counts[kind] for kind in ("workers", "dispatchers", "files")),
        workers=counts["workers"],
        dispatchers=counts["dispatchers"],
        files=counts["files"],
        runs=len(specs),
        done=len(before),
        twice=sum(n > 1 for n in ends.values()),
        wrong=_wrong(paths, {run_id: score_of(specs[run_id].seed) for run_id in before}),
        second_workers=counts["second"],
        tries=counts["tries"],
        seconds=time.monotonic() - began,
    )


def _hurt(paths: AtlasPaths, open_runs: list[str], *, counts: Counter[str], rng: Random) -> None:
    if not open_runs:
        return
    run = paths.run(rng.choice(open_runs))
    what = rng.random()
    if what < 0.15:
        counts["dispatchers"] += _kill_dispatcher(paths)
    elif what < 0.7:
        running = [r for r in open_runs if is_held(paths.run(r))]
        with contextlib.suppress(ProcessLookupError, RunFolderDamaged):
            record = executing(paths.run(rng.choice(running))) if running else None
            if record:
                os.kill(record.pid, signal.SIGKILL)
                counts["workers"] += 1
    elif what < 0.85:
        file = rng.choice((run.process, run.heartbeat, run.hold, checkpoint(run, f"t-{run.run_id}")))
        if file.exists():
            with contextlib.suppress(OSError):
                file.write_bytes(garbled(file.read_bytes(), rng))
                counts["files"] += 1
    elif is_held(run):
        with contextlib.suppress(Busy, OSError, RunFolderDamaged):
            record = executing(run)
            counts["tries"] += record is not None
            with held(run, patience_s=0.0):
                counts["second"] += record is not None and is_alive(record)


def _kill_dispatcher(paths: AtlasPaths) -> int:
    """Kill the one that works off the queue; one that is just being started would never come to it."""
    try:
        with FileLock(paths.dispatcher_lock, timeout=0):
            return 0
    except Timeout:
        pass
    for process in psutil.process_iter(["cmdline", "environ"]):
        words, said = process.info["cmdline"] or [], process.info["environ"] or {}
        if "core.jobs.dispatch" in words and said.get("ATLAS_HOME") == str(paths.home):
            with contextlib.suppress(psutil.Error):
                process.kill()
                return 1
    return 0


def _mend(paths: AtlasPaths, run_id: str, spec: str) -> None:
    """What a user does who reads the reason: take away what cannot be read."""
    run = paths.run(run_id)
    if derive_state(run).state is JobState.DAMAGED:
        run.spec.write_text(spec, encoding="utf-8")
        for file in (run.process, run.heartbeat):
            file.unlink(missing_ok=True)


def _wrong(paths: AtlasPaths, scores: dict[str, float]) -> int:
    with Store.open(":memory:") as store:
        ingest(store, paths)
        with store.cursor() as cur:
            found = dict(cur.execute("SELECT run_id, score FROM scores").fetchall())
    return sum(found.get(run_id) != score for run_id, score in scores.items())


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []
