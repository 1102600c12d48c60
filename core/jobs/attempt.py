"""One start of a job's worker, for the dispatcher and the tasks of engines: what it is told, and how it ended."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress

from core.files import write_text
from core.holding import is_held, lives
from core.jobs.folders import is_open
from core.jobs.records import JobRecord, write_failure
from core.jobs.slots import device_of, visible_slots
from core.paths import AtlasPaths, RunPaths
from core.processes import read_process
from core.spec.execution import AUTO, n_devices
from core.variables import THREADS


def first_open(jobs: Iterable[str], *, paths: AtlasPaths) -> RunPaths | None:
    """The first job that has not ended; None: all were cancelled or are done.

    Args:
        jobs: Their ids.
    """
    return next((run for job in jobs if is_open(run := paths.job(job))), None)


def is_executed(run: RunPaths) -> bool:
    """Whether a process executes a job, perhaps one that was started for it before and whose node its engine lost."""
    process = read_process(run.process)
    return is_held(run) or (process is not None and lives(run, process))


def device_here(job: JobRecord, environ: Mapping[str, str]) -> str:
    """Where a job computes on this machine: what it asked for, else the first device that the engine lets it see.

    Args:
        job: What it asked for.
        environ: Environment in which the engine starts it.
    """
    if not job.device.startswith(AUTO):
        return "cpu" if job.device.startswith("cpu") else job.device
    devices = list(dict.fromkeys(map(device_of, visible_slots(environ))))
    return "cpu" if devices[0].startswith("cpu") else ",".join(devices[: n_devices(job.device)])


def worker_words(run: RunPaths, *, worker: str, device: str, is_stage: bool) -> list[str]:
    """What Python is told.

    Args:
        worker: Module that executes a job.
        device: From `device_here`.
        is_stage: Whether it trains the intermediate stage alone, which others wait for.
    """
    only = ["--only-intermediate"] if is_stage else []
    return ["-m", worker, str(run.root), "--device", device, "--granted", *only]


def with_threads(environ: Mapping[str, str], *, given: str | None) -> dict[str, str]:
    """The environment of a worker, whose threads are as many as its processors unless somebody said otherwise.

    Args:
        given: Processors that the engine gave it; None: it did not say.
    """
    return dict(environ) | ({THREADS: given} if given and THREADS not in environ else {})


def how_it_ended(code: int | None, *, pid: int | None = None) -> str:
    """Why a worker left no end marker, for the user.

    Args:
        code: Exit code; less than zero: the signal that ended it; None: nobody saw it end.
        pid: Of the worker, where it is of this machine.
    """
    who = f"Its process {pid}" if pid is not None else "Its process"
    if code is None:
        return f"{who} ended unexpectedly (killed, or the machine was restarted)."
    if code < 0:
        hint = ", as the kernel does when memory runs out" if code == -signal.SIGKILL else ""
        return f"{who} was ended by {signal.Signals(-code).name}{hint}; see worker.log."
    return f"{who} ended with exit code {code} and wrote no end marker; see worker.log."


def has_kept_state(run: RunPaths, *, since: float) -> bool:
    """Whether a state was kept since a moment: what never comes so far within its time ends some day.

    Args:
        since: Seconds since 1970, by the clock of the home's file system.
    """
    for file in run.checkpoints.rglob("*") if run.checkpoints.is_dir() else ():
        with suppress(FileNotFoundError):  # it was replaced by a later one
            if file.stat().st_mtime >= since:
                return True
    return False


def note(run: RunPaths, job: JobRecord, **changed: object) -> JobRecord:
    """Write down what became of a start.

    Args:
        job: As it was.

    Raises:
        DiskFull: No space is left.
    """
    record = job.model_copy(update=changed)
    write_text(run.job, record.model_dump_json())
    return record


def give_up(run: RunPaths, *, reason: str, starts: int) -> None:
    """Have a job fail that was started often enough.

    Args:
        reason: How its last start ended.
        starts: How many there were.

    Raises:
        DiskFull: No space is left.
    """
    tries = f"The job was started {starts} times and is not restarted: fix the cause, then retry it."
    write_failure(run.failed, error="JobLost", message=f"{reason} {tries}")
