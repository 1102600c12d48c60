"""What the job wing writes beside a run's spec, and what it says about a run.

`JobRecord` is a file of a run folder (`core.processes.ProcessRecord` another); `JobState` and `JobStatus` are derived
and never stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, ValidationError

from core.errors import RunFolderDamaged
from core.files import disk_full_as_error, read_whole, write_text
from core.holding import Busy, kept_idle
from core.paths import RunPaths
from core.spec.base import first_problem
from core.spec.execution import USUAL, ExecutionOptions

LOCAL = "local"
"""The backend of this machine, and of every job that names none."""

_MOST_FACTS = 2**29


class JobRecord(ExecutionOptions):
    """Place of a run in the queue, and how it is executed: `job.json`."""

    run_id: str
    """Digest of the spec, the folder's name."""
    study: str | None = None
    """Name of the study it was submitted with."""
    position: float
    """Place in the queue: smaller is earlier."""
    submitted_at: str
    """UTC, ISO 8601 with milliseconds and `Z`."""
    attempts_allowed: int = Field(default=3, ge=1)
    """Starts of a job whose process keeps ending unexpectedly before it counts as failed."""
    attempts: int = Field(default=0, ge=0)
    """Starts since it was submitted or retried."""
    slot: str | None = None
    """Device it was last started on; None: never started."""
    note: str | None = None
    """Why it is in the queue again; None: it was put there by the user."""
    backend: str = Field(default=LOCAL, exclude_if=lambda name: name == LOCAL)
    """Who executes it, by its name in `BACKENDS`; not written down where it is this machine."""
    launched_by: str | None = Field(default=None, exclude_if=lambda name: name is None)
    """Who submitted it, as the sign-in of an open server knows them; None: nobody had to say."""

    @property
    def execution(self) -> ExecutionOptions:
        """The options alone."""
        return ExecutionOptions.model_validate({name: getattr(self, name) for name in ExecutionOptions.model_fields})


class JobState(StrEnum):
    """What a run is doing; docs/architecture.md has the table that decides."""

    QUEUED = "queued"
    """Waits for a slot."""
    RUNNING = "running"
    """Its process is alive."""
    DONE = "done"
    """The run folder is complete."""
    FAILED = "failed"
    """The last attempt ended with an error."""
    CANCELLED = "cancelled"
    """Somebody stopped it."""
    LOST = "lost"
    """Its process ended unexpectedly; the dispatcher queues it again."""
    DAMAGED = "damaged"
    """The folder cannot be read."""


class JobStatus(NamedTuple):
    """One run as pages and commands show it."""

    run_id: str
    """The folder's name."""
    state: JobState
    """What it is doing."""
    study: str | None
    """Study it was submitted with."""
    position: float | None
    """Place in the queue; None without a `job.json`."""
    pid: int | None
    """Process id while it runs."""
    heartbeat_age_s: float | None
    """Seconds since the last heartbeat while it runs."""
    attempts: int
    """Starts since it was submitted or retried."""
    message: str | None
    """Error, reason or remark, for the user."""
    model: str | None
    """Model; None in a damaged folder, like all that follow."""
    intermediate: str | None
    """Intermediate, `none` for a baseline."""
    target: str | None
    """Target."""
    seed: int | None
    """Seed."""
    protocol: str | None
    """Protocol."""
    data_source: str | None
    """sample, mirror or hub."""
    submitted_at: str | None = None
    """When it was submitted, UTC."""
    kind: str = "run"
    """`run`, or what a profile measures: `domain`, `difficulty`, `encoder`, `selectors`; a damaged one: `profile`."""
    backend: str = LOCAL
    """Who executes it."""
    parameters_m: float | None = None
    """Parameters of the model, in millions; None: not known."""
    device: str = USUAL.device
    """Where it may run, as in `ExecutionOptions`."""
    launched_by: str | None = None
    """Who submitted it, where users sign in."""
    host: str | None = None
    """Name of the machine that it runs on; None: it does not run, or an earlier version started it."""
    is_paused: bool = False
    """Whether a cancelled job keeps its place in the queue until it is resumed."""

    @property
    def shown(self) -> str:
        """The state for people: a paused job is cancelled for the queue and paused for them."""
        return "paused" if self.is_paused else str(self.state)


def read_job(path: Path) -> JobRecord | None:
    """The place of a run in the queue, or None where there is no file.

    Args:
        path: `job.json`.

    Raises:
        RunFolderDamaged: The file is not a `JobRecord`.
    """
    raw = _bytes(path)
    if raw is None:
        return None
    try:
        return JobRecord.model_validate_json(raw)
    except ValidationError as error:
        raise RunFolderDamaged(f"{path}: {first_problem(error)}") from error


def change_job(run: RunPaths, change: Callable[[JobRecord], Mapping[str, object]]) -> JobRecord | None:
    """Write the record of a job anew while nobody else does and nobody executes it.

    Args:
        change: From the record as it is now to the fields that change.

    Returns:
        The new record; None where the job is executed, or was removed.

    Raises:
        RunFolderDamaged: The record cannot be read.
        DiskFull: No space is left.
    """
    with suppress(Busy, FileNotFoundError), disk_full_as_error(run.hold), kept_idle(run):
        job = read_job(run.job)
        if job is not None:
            job = job.model_copy(update=change(job))
            write_text(run.job, job.model_dump_json())
        return job
    return None


def is_of(backend: str, run: RunPaths) -> bool:
    """Whether a job was given to a backend; one whose record cannot be read is this machine's.

    Args:
        backend: Its name.
    """
    try:
        record = json.loads(_bytes(run.job) or b"{}")
    except (RunFolderDamaged, ValueError, RecursionError):
        record = {}
    return (record.get("backend", LOCAL) if isinstance(record, dict) else LOCAL) == backend


def has_progressed(run: RunPaths) -> bool:
    """Whether the last start of a job finished a stage or scored a language, as its facts say.

    One that ended before its first fact has not, whatever the start before it did: `job.json` is written before each.

    Raises:
        RunFolderDamaged: They cannot be read.
    """
    try:
        if run.events.stat().st_mtime_ns < run.job.stat().st_mtime_ns:
            return False
        facts = read_whole(run.events, most_bytes=_MOST_FACTS)
    except FileNotFoundError:
        return False
    last = facts.rpartition(b'"type":"run_started"')[2]
    return any(b'"type":"%s"' % kind in last for kind in (b"stage_finished", b"language_scored"))


def failure_text(path: Path) -> str | None:
    """Text of a failure marker, or None where there is none.

    Args:
        path: `failed.json`; a marker that is not JSON still counts as one.
    """
    raw = _bytes(path)
    if raw is None:
        return None
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        return "It failed; the reason could not be read back, see worker.log."
    message = content.get("message") if isinstance(content, dict) else None
    return str(message) if message else "It failed without a message, see worker.log."


def write_failure(path: Path, *, error: str, message: str) -> None:
    """Write a failure marker.

    Args:
        path: `failed.json`.
        error: Name of its class.
        message: Why, for the user.

    Raises:
        DiskFull: No space is left.
    """
    write_text(path, json.dumps({"error": error, "message": message}, ensure_ascii=False))


def _bytes(path: Path) -> bytes | None:
    try:
        return read_whole(path)
    except FileNotFoundError:
        return None
