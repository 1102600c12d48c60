"""Two dispatchers on one home at the same moment, on one machine and on two: no job may be started twice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import NamedTuple

from core.jobs.backend import backend_class
from core.jobs.records import LOCAL
from core.paths import REPO, AtlasPaths
from tools.faults.home import runs_of
from tools.faults.kills import OPTIONS
from tools.faults.worker import STEP_S

_ELSEWHERE = ("unshare", "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh")
"""A process of another machine, by its name; needs root."""
_LONGEST_S = 300.0
"""After which a dispatcher that has not ended is killed; what it had left undone counts as not done."""


class Raced(NamedTuple):
    """What came of many starts of two dispatchers."""

    tries: int
    """Homes, each with two queued runs."""
    two_machines: int
    """Those where the dispatchers were of two machines."""
    runs: int
    """Queued in all."""
    starts: int
    """Of workers that came to execute one."""
    done: int
    """Runs that have ended well."""
    twice: int
    """Runs that were started more than once."""
    seconds: float
    """Of the campaign."""


def two_dispatchers(home: Path, *, n: int, rng: Random) -> Raced:
    """Queue two runs and start two dispatchers for them within a moment, again and again.

    Args:
        home: An empty folder.
        n: Tries; every second one is of two machines where this user may name one.
        rng: Decides who is first, and by how much.
    """
    may_name = subprocess.run([*_ELSEWHERE, "true"], check=False, capture_output=True).returncode == 0
    began, machines, counts = time.monotonic(), 0, dict.fromkeys(("runs", "starts", "done", "twice"), 0)
    for number in range(n):
        paths = AtlasPaths(home=home / str(number))
        specs = runs_of(paths, seeds=1)
        backend_class(LOCAL)(paths).submit(specs)
        elsewhere = _ELSEWHERE if may_name and number % 2 else ()
        machines += bool(elsewhere)
        _race(paths, first=rng.random() < 0.5, elsewhere=elsewhere, apart_s=rng.uniform(0.0, 0.1))
        for spec in specs:
            run = paths.run(spec.run_id)
            said = run.events.read_text(encoding="utf-8") if run.events.exists() else ""
            starts = said.count('"type":"run_started"')
            counts["runs"] += 1
            counts["starts"] += starts
            counts["done"] += run.finished.exists()
            counts["twice"] += starts > 1
    return Raced(tries=n, two_machines=machines, **counts, seconds=time.monotonic() - began)


def _race(paths: AtlasPaths, *, first: bool, elsewhere: tuple[str, ...], apart_s: float) -> None:
    words = (sys.executable, "-m", "core.jobs.dispatch", *OPTIONS)
    environ = os.environ | {"ATLAS_HOME": str(paths.home), "ATLAS_CPU_SLOTS": "2", STEP_S: "0.001"}
    order = (words, (*elsewhere, *words)) if first else ((*elsewhere, *words), words)
    processes = []
    for each in order:
        processes.append(subprocess.Popen(each, cwd=REPO, env=environ, stderr=subprocess.DEVNULL))
        time.sleep(apart_s)
    for process in processes:
        try:
            process.wait(timeout=_LONGEST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
