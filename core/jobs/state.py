"""What a run is doing, derived from its folder: the table in docs/architecture.md, line by line."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from core.errors import RunFolderDamaged, as_damage
from core.files import is_there, read_whole
from core.holding import executing, since_beat, since_beat_elsewhere
from core.jobs.backend import backend_class
from core.jobs.records import LOCAL, JobRecord, JobState, JobStatus, failure_text, read_job
from core.paths import FitPaths, ProfilePaths, RunPaths
from core.processes import ProcessRecord
from core.spec.execution import USUAL
from core.spec.run import IntermediateSpec

QUIET_S = 120.0
"""Seconds without a heartbeat after which a running job carries a warning."""

_NO_SUMMARY = (None, None, None, None, None, None)
_NO_PROTOCOL = "none"
_MARKERS: dict[type[RunPaths], frozenset[str]] = {
    kind: frozenset(file.name for file in (any_.finished, any_.process, any_.hold, any_.cancel, any_.failed))
    for kind in (RunPaths, ProfilePaths, FitPaths)
    for any_ in (kind(Path()),)
}
"""Names in a job's folder that only who has touched it leaves there."""

PAUSED = "paused"
"""In the marker of a cancelled job that was paused."""
_PAUSED_WORDS = "Paused: resume it, and it goes on from its last checkpoint, in its old place in the queue."


class Summary(NamedTuple):
    """What a list of runs shows of a spec."""

    model: str
    """Model."""
    intermediate: str
    """Intermediate, `none` for a baseline."""
    target: str
    """Target."""
    seed: int
    """Seed."""
    protocol: str
    """Protocol."""
    data_source: str
    """sample, mirror or hub."""
    kind: str = "run"
    """`run`, or what a profile measures."""
    parameters_m: float | None = None
    """Parameters of the model, in millions; None: not known."""


class Stand(NamedTuple):
    """What a job is doing."""

    state: JobState
    """Queued where no process has begun."""
    process: ProcessRecord | None = None
    """Who executes it, or did so until it was lost."""
    message: str | None = None
    """Why it failed, or what it waits for."""
    is_paused: bool = False
    """Whether it was paused, and so is cancelled."""


def derive_state(run: RunPaths) -> JobStatus:
    """State of one run; a folder that cannot be read is `damaged` with its reason, never an error."""
    try:
        with as_damage(run.run_id):
            summary = _summary_of(run.spec)
            job = read_job(run.job)
            if job and job.run_id != run.run_id:
                raise RunFolderDamaged(f"{run.job} is of {job.run_id}: the folder was copied or renamed. Remove it.")
            backend = job.backend if job else LOCAL
            stand = stand_of(run, backend=backend)
            message = _remark(run, job, stand)
            process = stand.process if stand.state is JobState.RUNNING else None
            age = _age_s(run, process) if stand.state is JobState.RUNNING else None
    except RunFolderDamaged as error:
        kind = "profile" if isinstance(run, ProfilePaths) else "run"
        return JobStatus(run.run_id, JobState.DAMAGED, None, None, None, None, 0, str(error), *_NO_SUMMARY, kind=kind)
    if age is not None and age > QUIET_S:
        message = f"No heartbeat for {age:.0f} s, though its process {process.pid if process else ''} exists."
    return JobStatus(
        run.run_id,
        stand.state,
        job.study if job else None,
        job.position if job else None,
        process.pid if process else None,
        age,
        job.attempts if job else 0,
        message,
        *summary[:6],
        submitted_at=job.submitted_at if job else None,
        kind=summary.kind,
        backend=backend,
        parameters_m=summary.parameters_m,
        device=job.device if job else USUAL.device,
        launched_by=job.launched_by if job else None,
        host=process.host if process else None,
        is_paused=stand.is_paused,
    )


def _age_s(run: RunPaths, process: ProcessRecord | None) -> float | None:
    is_here = process is None or process.is_here
    return since_beat(run.heartbeat) if is_here else since_beat_elsewhere(run)


def _remark(run: RunPaths, job: JobRecord | None, stand: Stand) -> str | None:
    if stand.state is JobState.LOST:
        pid = stand.process.pid if stand.process else ""
        return f"Its process {pid} ended unexpectedly; the job is queued again automatically."
    if stand.state is JobState.RUNNING and is_there(run.cancel):
        return "It was asked to stop, and does so within seconds."  # its process is on another machine
    if stand.state is not JobState.QUEUED:
        return stand.message
    if job is None:
        raise RunFolderDamaged(
            f"{run.root} has a spec but was never submitted: there is no {run.job.name}. Submit it again, or remove it."
        )
    if not os.access(run.root, os.W_OK):
        return (
            f"It waits and is not started: this user cannot write {run.root}. Its owner can start it; or make the "
            "folder writable. Other jobs go on."
        )
    return job.note or stand.message


def stand_of(run: RunPaths, *, backend: str = LOCAL) -> Stand:  # noqa: PLR0911  # one line per state
    """What a job is doing, from its markers and its process alone.

    Args:
        backend: Who executes it.
    """
    if is_untouched(run):  # as thousands in a queue are, so nothing else is looked for
        return Stand(JobState.QUEUED, message=backend_class(backend).awaits(run))
    if run.finished.exists():
        return Stand(JobState.DONE)
    process = executing(run)
    if backend_class(backend).is_alive(run):
        return Stand(JobState.RUNNING, process)
    # The worker may have ended between the first look and this one: its marker was written before it died.
    if run.finished.exists():
        return Stand(JobState.DONE)
    if run.cancel.exists():
        paused = is_paused(run)
        return Stand(JobState.CANCELLED, message=_PAUSED_WORDS if paused else None, is_paused=paused)
    failure = failure_text(run.failed)
    if failure is not None:
        return Stand(JobState.FAILED, message=failure)
    awaited = backend_class(backend).awaits(run)
    return Stand(JobState.LOST if process and awaited is None else JobState.QUEUED, process, awaited)


def is_untouched(run: RunPaths) -> bool:
    """Whether a job waits since it was submitted: nobody has begun, cancelled or ended it."""
    return _MARKERS[type(run)].isdisjoint(_names_in(run))


def is_paused(run: RunPaths) -> bool:
    """Whether a cancelled job was paused, and so keeps its place in the queue."""
    try:
        return read_whole(run.cancel, most_bytes=2**10) == PAUSED.encode()
    except (FileNotFoundError, RunFolderDamaged):
        return False


def _names_in(run: RunPaths) -> list[str]:
    try:
        return os.listdir(run.root)  # noqa: PTH208  names alone, of thousands of folders
    except FileNotFoundError:
        return []


def queued_status(summary: Summary, job: JobRecord) -> JobStatus:
    """State of a job whose folder is being written: what `derive_state` would say of it.

    Args:
        summary: Of its spec.
        job: Its place in the queue.
    """
    return JobStatus(
        job.run_id, JobState.QUEUED, job.study, job.position, None, None, job.attempts, job.note,
        *summary[:6], submitted_at=job.submitted_at, kind=summary.kind, backend=job.backend,
        parameters_m=summary.parameters_m, device=job.device, launched_by=job.launched_by,
    )  # fmt: skip


def _summary_of(path: Path) -> Summary:
    try:
        mtime_ns = path.stat().st_mtime_ns
    except FileNotFoundError:
        raise RunFolderDamaged(
            f"{path.parent} holds no {path.name}. Remove the folder; the run cannot be recovered."
        ) from None
    return _read_summary(path, mtime_ns)


@lru_cache(maxsize=100_000)
def _read_summary(path: Path, mtime_ns: int) -> Summary:
    # Plain JSON and not `RunSpec`: a list of ten thousand runs needs six fields of each, the store checks the rest.
    del mtime_ns
    try:
        return summary_of(orjson.loads(read_whole(path)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunFolderDamaged(f"{path} is not the spec of a run: {type(error).__name__}: {error}") from error


def summary_of(spec: dict[str, Any]) -> Summary:
    """What a list shows of a spec.

    Args:
        spec: A run's or a profile's, as plain JSON values.
    """
    if "kind" in spec:
        return _summary_of_profile(spec)
    raw = spec["intermediate"]
    return Summary(
        model=str(spec["model"]["name"]),
        intermediate=IntermediateSpec.model_validate(raw).name if raw is not None else "none",
        target=str(spec["target"]),
        seed=int(spec["seed"]),
        protocol=str(spec["protocol"]["name"]),
        data_source=str(spec["data_source"]["kind"]),
        parameters_m=spec["model"].get("parameters_m"),
    )


def _summary_of_profile(spec: dict[str, Any]) -> Summary:
    return Summary(
        model=str(spec["model"]["name"]),
        intermediate=", ".join(spec["intermediates"]),
        target=", ".join(spec["targets"]),
        seed=int(spec["seed"]),
        protocol=str(spec["protocol"]["name"]) if spec["protocol"] else _NO_PROTOCOL,
        data_source=str(spec["data_source"]["kind"]),
        kind=str(spec["kind"]),
        parameters_m=spec["model"].get("parameters_m"),
    )
