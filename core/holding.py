"""Who executes a job: the process that holds its lock file, which the system gives back when the process ends.

Two processes never execute one job, whatever clocks and records say: `held` lets one in. And a job whose lock is held
is alive, whatever they say.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from core.errors import JobError, RunFolderDamaged
from core.files import read_whole
from core.paths import RunPaths
from core.processes import ProcessRecord, read_process, record_of

_AGAIN_S = 0.02


class Busy(JobError):
    """Another process executes the job."""


@contextlib.contextmanager
def held(run: RunPaths, *, patience_s: float = 3.0) -> Iterator[ProcessRecord]:
    """Hold a job as long as the block lasts: no other process can meanwhile, whatever clocks and records say.

    Args:
        patience_s: Seconds that it is tried: whoever looks whether it is held has it for an instant.

    Raises:
        Busy: Another process holds it.
    """
    lock, mine = _locked(run.hold, patience_s=patience_s), record_of(os.getpid())
    if lock is None or mine is None:
        holder = read_process(run.hold)
        who = f"process {holder.pid}" if holder else "another process"
        raise Busy(f"{run.root.name} is executed by {who}: it is not started twice.")
    try:
        os.truncate(lock, 0)
        os.pwrite(lock, mine.model_dump_json().encode(), 0)
        yield mine
    finally:
        os.close(lock)


def _locked(file: Path, *, patience_s: float) -> int | None:
    """A descriptor of the file with its lock, which goes with the process; None where another has it."""
    deadline = time.monotonic() + patience_s
    while True:
        lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock), file.stat()):
                return lock
        except FileNotFoundError:
            pass  # moved away while it was opened
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(lock)
                return None
        os.close(lock)
        time.sleep(_AGAIN_S)


def is_held(run: RunPaths) -> bool:
    """Whether a living process holds a job."""
    try:
        lock = os.open(run.hold, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def executing(run: RunPaths) -> ProcessRecord | None:
    """The process that executes a job, or did so last: who holds it, else the one of `process.json`.

    Raises:
        RunFolderDamaged: A record names no process.
    """
    holder = read_process(run.hold) if is_held(run) else None
    return holder or read_process(run.process)


def beat(file: Path) -> None:
    """Say that a job is alive, on the machine's clock that nobody sets.

    Args:
        file: `heartbeat`; overwritten in place, which a full disk allows.
    """
    with open(os.open(file, os.O_WRONLY | os.O_CREAT, 0o666), "wb") as stream:  # noqa: PTH123  a descriptor
        stream.write(f"{time.monotonic():020.3f}".encode())


def since_beat(file: Path) -> float | None:
    """Seconds since a job said that it is alive, time that the machine slept not counted; None where it has not yet.

    Args:
        file: `heartbeat`.
    """
    try:
        return max(0.0, time.monotonic() - float(read_whole(file)))
    except (OSError, ValueError, RunFolderDamaged):
        return None
