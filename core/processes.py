"""Processes of jobs: whether one lives, and how its whole tree is stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

import psutil

from core.jobs.records import ProcessRecord

GRACE_S = 5.0
"""Time a process has to end after SIGTERM before it is killed."""

_SAME_START_S = 2.0
"""Slack of two start times: the kernel's boot time, which both are counted from, moves with the clock."""


def find(record: ProcessRecord) -> psutil.Process | None:
    """The living process of a record, or None: another process with its pid, or a zombie, does not count.

    Args:
        record: Pid and start time.
    """
    try:
        process = psutil.Process(record.pid)
        if abs(process.create_time() - record.started) > _SAME_START_S or process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.NoSuchProcess:
        return None
    return process


def is_alive(record: ProcessRecord) -> bool:
    """Whether the process of a record still runs.

    Args:
        record: Pid and start time.
    """
    return find(record) is not None


def stop_tree(record: ProcessRecord, *, grace_s: float = GRACE_S) -> bool:
    """Stop a process with all its descendants and the rest of its process group.

    Args:
        record: Pid and start time.
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
