"""Detached processes: how one is started, whether it lives, and how its whole tree is stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import RunFolderDamaged
from core.files import write_text
from core.paths import REPO

GRACE_S = 5.0
"""Time a process has to end after SIGTERM before it is killed."""

_SAME_START_S = 2.0
"""Slack of two start times: the kernel's boot time, which both are counted from, moves with the clock."""


class ProcessRecord(BaseModel):
    """The process that executes a run: `process.json`; the worker may say more."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    pid: int = Field(ge=1)
    """Process id, which is also the id of its process group when the dispatcher started it."""
    started: float
    """Its start time in seconds since 1970, as psutil's `create_time` says."""


def read_process(path: Path) -> ProcessRecord | None:
    """The process of a run, or None where there is no file.

    Args:
        path: `process.json`.

    Raises:
        RunFolderDamaged: The file names no process.
    """
    try:
        raw = path.read_bytes()
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
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            cwd=REPO,
            env=os.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    # Reaps it when it ends before this process does, so that it does not stay as a zombie.
    threading.Thread(target=process.wait, name=f"{module}-reaper", daemon=True).start()
    found = record_of(process) if record else None
    if record and found and not record.exists():
        write_text(record, found.model_dump_json())
    return process


def find(record: ProcessRecord) -> psutil.Process | None:
    """The living process of a record, or None: another process with its pid, or a zombie, does not count."""
    try:
        process = psutil.Process(record.pid)
        if abs(process.create_time() - record.started) > _SAME_START_S or process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.NoSuchProcess:
        return None
    return process


def is_alive(record: ProcessRecord) -> bool:
    """Whether the process of a record still runs."""
    return find(record) is not None


def stop_tree(record: ProcessRecord, *, grace_s: float = GRACE_S) -> bool:
    """Stop a process with all its descendants and the rest of its process group.

    Args:
        grace_s: Seconds between SIGTERM and SIGKILL.

    Returns:
        Whether there was anything to stop.
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
    if record.pid == os.getpgrp() or (psutil.pid_exists(record.pid) and not _is_same_or_zombie(record)):
        return []
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == record.pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _is_same_or_zombie(record: ProcessRecord) -> bool:
    try:
        return abs(psutil.Process(record.pid).create_time() - record.started) <= _SAME_START_S
    except psutil.NoSuchProcess:
        return True


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def record_of(process: subprocess.Popen[bytes]) -> ProcessRecord | None:
    """Pid and start time of a child, or None where it is gone already.

    Args:
        process: Just started.
    """
    try:
        return ProcessRecord(pid=process.pid, started=psutil.Process(process.pid).create_time())
    except psutil.NoSuchProcess:
        return None


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else problem["msg"]
