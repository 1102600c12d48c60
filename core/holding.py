"""Who executes a job: the process that holds its lock file, which the system gives back when the process ends.

Two processes never execute one job, whatever clocks and records say: `held` lets one in. And a job whose lock is held
is alive, whatever they say. Machines that share a home over a network may not see each other's locks: there a process
is judged by its heartbeat, on the clock of the file system that they share.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from core.errors import JobError, RunFolderDamaged
from core.files import draft_beside, opened, read_whole
from core.paths import RunPaths
from core.processes import ProcessRecord, is_alive, read_process, record_of

ELSEWHERE_S = 45.0
"""Seconds without a heartbeat after which a process of another machine counts as gone: it beats every five.

So no list says for a minute that a job runs whose machine has died, with room for who looks and who hands on.
"""

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
        raise _busy(run, holder)
    try:
        before = read_process(run.process)
        if before is not None and not before.is_here and lives(run, before):
            raise _busy(run, before)  # its lock is not seen from here
        os.truncate(lock, 0)
        os.pwrite(lock, mine.model_dump_json().encode(), 0)
        yield mine
    finally:
        os.close(lock)


@contextlib.contextmanager
def kept_idle(run: RunPaths, *, patience_s: float = 3.0) -> Iterator[None]:
    """Keep a job from being executed for the moment in which its record is read and written anew.

    Args:
        patience_s: Seconds that it is tried.

    Raises:
        Busy: Another process executes the job, or changes its record and does not end.
    """
    lock = _locked(run.hold, patience_s=patience_s)
    if lock is None:
        raise _busy(run, read_process(run.hold))
    try:
        yield
    finally:
        os.close(lock)


def _busy(run: RunPaths, holder: ProcessRecord | None) -> Busy:
    where = f" of {holder.host}" if holder and not holder.is_here else ""
    who = f"process {holder.pid}{where}" if holder else "another process"
    return Busy(f"{run.root.name} is executed by {who}: it is not started twice.")


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
        RunFolderDamaged: The record names no process.
    """
    holder = None
    if is_held(run):
        with contextlib.suppress(RunFolderDamaged):  # it is just being written
            holder = read_process(run.hold)
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
        file: `heartbeat`, of a job on this machine.
    """
    try:
        return max(0.0, time.monotonic() - float(read_whole(file)))
    except (OSError, ValueError, RunFolderDamaged):
        return None


def since_beat_elsewhere(run: RunPaths) -> float | None:
    """The same of a job on another machine, by the clock of the file system that both share.

    A process that was started a moment ago has written its record and no heartbeat yet: then the record counts.
    """
    for file in (run.heartbeat, run.process):
        with contextlib.suppress(OSError, RunFolderDamaged):
            # Opened, because a network file system looks at the server's copy then and not at what it remembers.
            with opened(file) as stream:
                changed = os.fstat(stream.fileno()).st_mtime
            return max(0.0, time.time() + _ahead_s(run.root.parent, int(time.monotonic() // 60)) - changed)
    return None


def lives(run: RunPaths, process: ProcessRecord) -> bool:
    """Whether the process that a job names is alive: here the system says so, elsewhere the heartbeat.

    Args:
        process: Of the job's `process.json`.
    """
    if process.is_here:
        return is_alive(process)
    age_s = since_beat_elsewhere(run)
    return age_s is not None and age_s < ELSEWHERE_S


@lru_cache(maxsize=64)
def _ahead_s(folder: Path, minute: int) -> float:
    """Seconds by which the clock of a folder's file system is ahead of this machine's; asked once a minute."""
    del minute
    probe = draft_beside(folder / "clock")
    try:
        probe.touch()
        found = probe.stat().st_mtime - time.time()
        probe.unlink()
    except OSError:  # this user may not write there
        return 0.0
    return found
