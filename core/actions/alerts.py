"""What needs somebody: trainings that diverged or learned nothing, jobs that vanished, a disk that fills up.

The list is made anew each time. `ATLAS_ALERT` names what is told of it, once for each: an address, which gets JSON, or
a command, which gets the text as its last word. Whoever looks tells: an open page, or `python -m core runs`, which the
dispatcher calls when jobs have ended.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import urllib.request
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from http.client import HTTPException
from threading import Thread
from typing import NamedTuple

import duckdb
from filelock import FileLock, Timeout

from core.errors import JobError, RunFolderDamaged, SpecError, as_damage
from core.files import file_errors, read_whole, write_text
from core.jobs.prune import wanted_free
from core.jobs.records import JobState, JobStatus
from core.jobs.telling import ALERT
from core.paths import AtlasPaths
from core.queries.runs.listing import unwell
from core.spec.plain import shortened
from core.variables import KEEP_FREE, is_read_only

KINDS = ("diverged", "constant predictions", "at chance", "lost", "disk low")
"""What there can be."""

MOST_SHOWN = 20
"""That are shown or told one by one; of more their number."""
_WAIT_S = 10.0


class Alert(NamedTuple):
    """One thing that needs somebody."""

    kind: str
    """One of `KINDS`."""
    run_id: str | None
    """Of the run; None: it is of none."""
    text: str
    """One line."""

    @property
    def key(self) -> str:
        """By which it is known that it was told."""
        return f"{self.kind} {self.run_id or ''}".strip()


def of_store(cur: duckdb.DuckDBPyConnection) -> tuple[Alert, ...]:
    """What the facts of runs say: those that diverged, give one answer or learned nothing."""
    return tuple(Alert(*row) for row in unwell(cur).itertuples(index=False, name=None))


def alerts(
    stored: Iterable[Alert], jobs: Iterable[JobStatus], *, paths: AtlasPaths, environ: Mapping[str, str]
) -> list[Alert]:
    """Everything that needs somebody now, by kind.

    Args:
        stored: As `of_store` returns them.
        jobs: The jobs as they are now; those that have ended may be left out.
        paths: The Atlas home.
        environ: Where `ATLAS_KEEP_FREE_GB` is looked up.
    """
    lost = (job for job in jobs if job.state is JobState.LOST)
    found = [*stored, *(Alert("lost", job.run_id, job.message or "Its process is gone.") for job in lost)]
    found += _disk(paths, environ)
    return sorted(found, key=lambda alert: (KINDS.index(alert.kind), alert.run_id or ""))


def in_short(found: Sequence[Alert]) -> str:
    """How many there are of each kind: "2 diverged, 1 lost".

    Args:
        found: As `alerts` returns them.
    """
    counts = {kind: sum(alert.kind == kind for alert in found) for kind in KINDS}
    return ", ".join(f"{n} {kind}" if kind != KINDS[-1] else kind for kind, n in counts.items() if n)


def tell(found: Sequence[Alert], *, paths: AtlasPaths, environ: Mapping[str, str]) -> int:
    """Tell `ATLAS_ALERT` what it has not been told; how many that were, 0 where nobody is named.

    Args:
        found: Everything there is now; what has gone is told again when it comes back.
        paths: The Atlas home, which remembers.
        environ: Where the variable is looked up.

    Raises:
        JobError: Who is named cannot be told; it is tried again with the next look.
        NotWritable: It cannot be remembered.
        DiskFull: There is no room to remember it.
    """
    who = environ.get(ALERT, "").strip()
    if not who or is_read_only():
        return 0
    told = paths.cache / "alerts.json"
    with file_errors(told):
        told.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(f"{told}.lock", timeout=0):
            before = _told(paths)
            new = [alert for alert in found if alert.key not in before]
            if new:
                _send(who, new)
            now = {alert.key for alert in found}
            if now != before:
                write_text(told, json.dumps(sorted(now)))
            return len(new)
    except Timeout:  # another process is at it
        return 0


def _told(paths: AtlasPaths) -> Collection[str]:
    try:
        with as_damage("alerts.json"):
            return {str(key) for key in json.loads(read_whole(paths.cache / "alerts.json"))}
    except RunFolderDamaged:  # none yet
        return set()


def _send(who: str, new: Sequence[Alert]) -> None:
    lines = [f"{alert.kind}{f', run {alert.run_id}' if alert.run_id else ''}: {alert.text}" for alert in new]
    rest = len(lines) - MOST_SHOWN
    text = "\n".join([*lines[:MOST_SHOWN], *([f"and {rest} more"] if rest > 0 else [])])
    try:
        if _is_address(who):
            body = json.dumps({"text": text, "alerts": [alert._asdict() for alert in new[:MOST_SHOWN]]}).encode()
            asked = urllib.request.Request(who, data=body, headers={"Content-Type": "application/json"})  # noqa: S310
            _post(asked)
        else:
            nothing = subprocess.DEVNULL
            subprocess.run([*shlex.split(who), text], timeout=_WAIT_S, check=True, stdin=nothing, stdout=nothing)
    except (OSError, ValueError, HTTPException, subprocess.SubprocessError) as error:
        said = f"{ALERT} names {_in_short(who)}, which cannot be told ({_why(error)})."
        raise JobError(f"{said} It must be an address that takes JSON, or a command.") from error


def _post(asked: urllib.request.Request) -> None:
    """Ask beside, for `_WAIT_S` in all: a timeout of a socket begins anew with each byte that a server lets drip."""
    answer = Future[None]()

    def post() -> None:
        try:
            urllib.request.urlopen(asked, timeout=_WAIT_S).close()  # noqa: S310  # one of the two
        except Exception as error:  # noqa: BLE001  # raised where the answer is waited for
            answer.set_exception(error)
        else:
            answer.set_result(None)

    Thread(target=post, daemon=True).start()
    answer.result(timeout=_WAIT_S)


def _in_short(who: str) -> str:
    """What is told, as a page may show it: addresses and words of a command can hold a secret."""
    if not _is_address(who):
        return f"the command {shortened(next(iter(who.split()), ''))}"
    return f"an address of {shortened(who.split('/')[2].rpartition('@')[2])}"


def _why(error: Exception) -> str:
    """Why, without what was sent or where to."""
    if isinstance(error, subprocess.CalledProcessError):
        return f"it ended with {error.returncode}"
    if isinstance(error, (subprocess.TimeoutExpired, TimeoutError)):
        return f"it did not end within {_WAIT_S:.0f} s"
    if isinstance(error, (HTTPException, UnicodeError)):
        return "it is no address"
    return str(error.strerror or error) if isinstance(error, OSError) else str(error)


def _is_address(who: str) -> bool:
    return who.lower().startswith(("https://", "http://"))


def _disk(paths: AtlasPaths, environ: Mapping[str, str]) -> list[Alert]:
    place = paths.home
    while not place.exists():
        place = place.parent
    try:
        wanted = wanted_free(environ)
    except SpecError as error:
        return [Alert("disk low", None, str(error))]
    free = shutil.disk_usage(place).free
    if free >= wanted:
        return []
    said = f"{free / 1e9:,.1f} GB of {os.fspath(place)} are free, fewer than {wanted / 1e9:,.0f} ({KEEP_FREE})."
    return [Alert("disk low", None, f"{said} `python -m core prune` says which weights nobody will read.")]
