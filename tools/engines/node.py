"""A machine that is none: a process with a name, numbers of processes and an end of its own, where this user may."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import psutil

_APART = ("unshare", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child")
_NAMED = ("sh", "-c", 'hostname "$0" && exec "$@"')


@cache
def may_be_apart() -> bool:
    """Whether this user may start processes under another machine's name; needs root and Linux."""
    try:
        words = [*_APART, *_NAMED, "elsewhere", "true"]
        return subprocess.run(words, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def start(
    words: Sequence[str], *, name: str, log: Path, environ: Mapping[str, str], is_apart: bool
) -> subprocess.Popen[bytes]:
    """A process, and with it a machine.

    Args:
        words: What it executes.
        name: Of the machine.
        log: Takes what it says, after what is there.
        environ: Its environment.
        is_apart: Whether it is a machine of its own, whose processes are seen by nobody else's numbers.
    """
    prefix = [*_APART, *_NAMED, name] if is_apart else []
    with log.open("ab") as stream:
        return subprocess.Popen(
            [*prefix, *words],
            env=dict(os.environ | dict(environ)), stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
            start_new_session=True,
        )  # fmt: skip


def cut(process: subprocess.Popen[bytes]) -> None:
    """End it and all that it started at once, as where the power goes.

    Args:
        process: From `start`.
    """
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        below = []
    # The first of a machine apart takes all others with it, those too that nobody is the parent of any more.
    process.kill()
    for each in below:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(below, timeout=10)
    process.wait()
