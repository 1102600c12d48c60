"""Detached processes: how one is started, at once or beforehand, whether it lives, how its whole tree is stopped.

A process is looked for on its own machine alone: of another one `core.holding` judges by its heartbeat. No clock
decides whether one lives here: it is known by the boot of the machine and the ticks from there to its start.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import RunFolderDamaged
from core.files import opened_log, read_whole, write_text
from core.paths import REPO

GRACE_S = 5.0
"""Time a process has to end after SIGTERM before it is killed."""

_SAME_START_S = 2.0
"""Slack of two start times where there are no ticks: the boot time that both are counted from moves with the clock."""

_PROC = Path("/proc")


class ProcessRecord(BaseModel):
    """The process that executes a run: `process.json`; the worker may say more."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    pid: int = Field(ge=1)
    """Process id, which is also the id of its process group when the dispatcher started it."""
    started: float
    """Its start time in seconds since 1970, as psutil's `create_time` says: for where there are no ticks."""
    boot: str | None = None
    """Id of the boot that it was started in, as Linux gives it; None elsewhere, and in earlier versions."""
    ticks: int | None = None
    """Ticks of the kernel's clock from that boot to its start."""
    host: str | None = None
    """Name of its machine; None in earlier versions, which knew of one machine."""

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, a process of this machine."""
        return self.host is None or self.host == this_host()


@lru_cache(maxsize=1)
def this_host() -> str:
    """Name of this machine in records; several may share an Atlas home."""
    return socket.gethostname()


def read_process(path: Path) -> ProcessRecord | None:
    """The process of a run, or None where there is no file.

    Args:
        path: `process.json`.

    Raises:
        RunFolderDamaged: The file names no process.
    """
    try:
        raw = read_whole(path)
    except FileNotFoundError:
        return None
    try:
        return ProcessRecord.model_validate_json(raw)
    except ValidationError as error:
        raise RunFolderDamaged(f"{path}: {_first_problem(error)}") from error


def start_detached(
    module: str, *words: str, log: Path, environ: Mapping[str, str], record: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start `python -m module words…` in a session of its own: it outlives whoever starts it.

    Args:
        words: Its command line.
        log: Takes what it prints, after what is there; its folder must exist.
        environ: Variables that differ from this process's.
        record: Where it is written down, unless it has done so itself by then: `process.json`.
    """
    process = _started(module, *words, log=log, environ=environ, stdin=subprocess.DEVNULL)
    if record:
        _note(process, record)
    return process


class Spare:
    """A process that has loaded its modules and waits for the words of its command line: it executes one job and ends.

    It ends at once where whoever started it is gone.
    """

    def __init__(self, module: str, *, log: Path, environ: Mapping[str, str]) -> None:
        """Start `python -m module --wait`, which loads what it needs and calls `awaited_words`.

        Args:
            log: Takes what it prints until it has a job.
            environ: Variables that differ from this process's.
        """
        self._process = _started(module, "--wait", log=log, environ=environ, stdin=subprocess.PIPE)

    @property
    def is_alive(self) -> bool:
        """Whether it can still be used."""
        return self._process.poll() is None

    def use(self, *words: str, log: Path, environ: Mapping[str, str], record: Path) -> subprocess.Popen[bytes] | None:
        """Let it go on as `python -m module words…`; None where it is gone.

        Args:
            words: Its command line.
            log: Takes what it prints from now on.
            environ: Variables to set; those that a module reads when it is loaded had to be there before.
            record: Where it is written down: `process.json`.
        """
        said = {"words": words, "log": str(log), "environ": dict(environ)}
        try:
            if not self.is_alive or self._process.stdin is None:
                return None
            self._process.stdin.write(json.dumps(said).encode() + b"\n")
        except OSError:  # it has just ended
            return None
        finally:
            self.end()
        _note(self._process, record)
        return self._process

    def end(self) -> None:
        """Say no more: without a job it ends, and its memory is given back."""
        if self._process.stdin:
            self._process.stdin.close()


def awaited_words(module: str) -> list[str] | None:
    """In a spare process: wait for `Spare.use` and do as it says; the command line, or None where nobody will say more.

    Where a source file has changed since it was loaded, the process begins anew with today's code.

    Args:
        module: This program's.
    """
    loaded = _sources()
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        return None
    said = json.loads(line)
    os.environ.update(said["environ"])
    with opened_log(Path(said["log"])) as log, Path(os.devnull).open("rb") as nothing:
        for stream, number in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(stream.fileno(), number)
    words: list[str] = said["words"]
    if _sources(loaded) != loaded:
        os.execv(sys.executable, [sys.executable, "-m", module, *words])  # noqa: S606  the same program
    return words


def leave(status: int) -> NoReturn:
    """End this process as `sys.exit` does, but without Python's last look for cycles among all that is loaded.

    With torch and transformers that look takes seconds.

    Args:
        status: Exit status.
    """
    gc.freeze()
    sys.exit(status)


def _sources(files: Iterable[str] = ()) -> dict[str, int]:
    """When each source file of ours was written: those named, else those that are loaded; 0 for one that is gone."""
    loaded = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    named = list(files) or [file for file in loaded if file and file.startswith(str(REPO / "core"))]
    return {file: Path(file).stat().st_mtime_ns if Path(file).exists() else 0 for file in named}


def free_memory_mb() -> float:
    """Memory that processes can have without others being swapped out, in MB."""
    return psutil.virtual_memory().available / 2**20


@lru_cache(maxsize=1)
def total_memory_mb() -> float:
    """Memory of the machine, in MB."""
    return psutil.virtual_memory().total / 2**20


def held_memory_mb() -> float:
    """Resident memory of this process, in MB."""
    return float(psutil.Process().memory_info().rss / 2**20)


def _started(module: str, *words: str, log: Path, environ: Mapping[str, str], stdin: int) -> subprocess.Popen[bytes]:
    with opened_log(log) as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            cwd=REPO,
            env=os.environ | environ,
            bufsize=0,
            stdin=stdin,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    # Reaps it when it ends before this process does, so that it does not stay as a zombie.
    threading.Thread(target=process.wait, name=f"{module}-reaper", daemon=True).start()
    return process


def _note(process: subprocess.Popen[bytes], record: Path) -> None:
    found = record_of(process.pid)
    if found and not record.exists():
        write_text(record, found.model_dump_json())


def find(record: ProcessRecord) -> psutil.Process | None:
    """The living process of a record, or None: one of another machine, with its pid, or a zombie does not count."""
    if not record.is_here:
        return None
    try:
        process = psutil.Process(record.pid)
        return process if _is_same(record, process) and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def is_alive(record: ProcessRecord) -> bool:
    """Whether the process of a record still runs on this machine."""
    return find(record) is not None


def _is_same(record: ProcessRecord, process: psutil.Process) -> bool:
    if record.boot is not None and record.ticks is not None and (boot := _boot()) is not None:
        return record.boot == boot and record.ticks == _ticks(process.pid)
    return abs(process.create_time() - record.started) <= _SAME_START_S


@lru_cache(maxsize=1)
def _boot() -> str | None:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def _ticks(pid: int) -> int | None:
    try:
        # The name of the program comes second, in brackets, and may hold any of them.
        rest = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(rest[19])


def stop_tree(record: ProcessRecord, *, grace_s: float = GRACE_S) -> bool:
    """Stop a process with all its descendants and the rest of its process group.

    Args:
        grace_s: Seconds between SIGTERM and SIGKILL.

    Returns:
        Whether there was anything to stop; there never is where it is another machine's.
    """
    members = _members(record)
    _signal(members, signal.SIGTERM)
    _, alive = psutil.wait_procs(members, timeout=grace_s)
    # What was born meanwhile is in the group still, even where its parent is gone.
    rest = list({process.pid: process for process in (*alive, *_group(record))}.values())
    _signal(rest, signal.SIGKILL)
    psutil.wait_procs(rest, timeout=grace_s)
    return bool(members)


def _members(record: ProcessRecord) -> list[psutil.Process]:
    process = find(record)
    if process is None:
        return _group(record)
    try:
        tree = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        tree = [process]
    return list({member.pid: member for member in (*tree, *_group(record))}.values())


def _group(record: ProcessRecord) -> list[psutil.Process]:
    """Living members of the group that the job leads; none where its pid belongs to somebody else by now."""
    is_of_this_boot = record.boot is None or record.boot == _boot()
    if record.pid == os.getpgrp() or not record.is_here or not is_of_this_boot or not _is_same_or_gone(record):
        return []
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == record.pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _is_same_or_gone(record: ProcessRecord) -> bool:
    try:
        return _is_same(record, psutil.Process(record.pid))
    except psutil.NoSuchProcess:
        return True


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def record_of(pid: int) -> ProcessRecord | None:
    """A process as a record, or None where it is gone already.

    Args:
        pid: Of a child, or of this process.
    """
    try:
        started = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None
    ticks = _ticks(pid)
    boot = _boot() if ticks is not None else None
    return ProcessRecord(pid=pid, started=started, boot=boot, ticks=ticks, host=this_host())


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else problem["msg"]
