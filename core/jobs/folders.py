"""The queue on disk, which is the same for every backend: folders written, listed, put back, moved.

A job is a run or profile folder with a `job.json`, which names the backend that it was given to.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

from core.errors import JobError, RunFolderDamaged, UnknownName
from core.files import draft_beside, file_errors, is_folder_entry, is_there, read_whole, write_text
from core.jobs.backend import backend_class
from core.jobs.records import JobRecord, JobState, JobStatus, change_job, read_job
from core.jobs.state import PAUSED, Summary, derive_state, is_paused, is_untouched, queued_status, summary_of
from core.paths import AtlasPaths, RunPaths
from core.spec.base import canonical
from core.spec.execution import ExecutionOptions
from core.spec.plain import is_folder
from core.spec.profile import ProfileSpec, raw_id_of
from core.spec.run import RunSpec
from core.spec.versions import CODE_VERSION

_TICK_NS = 2_000_000_000
_ORDER = (
    JobState.RUNNING,
    JobState.QUEUED,
    JobState.LOST,
    JobState.DAMAGED,
    JobState.FAILED,
    JobState.CANCELLED,
    JobState.DONE,
)


class Submission(NamedTuple):
    """How jobs were submitted."""

    backend: str
    """Who executes them."""
    study: str | None
    """Name of the set."""
    execution: ExecutionOptions
    """Device, token budget and precision."""
    launched_by: str | None
    """Who asked for them, where users sign in."""


def enqueue(
    specs: Sequence[RunSpec | ProfileSpec], *, paths: AtlasPaths, how: Submission, again: bool
) -> list[JobStatus]:
    """What `Backend.submit` promises."""
    asked = [_asked(spec) for spec in specs]
    wanted = {each.job_id: each for each in asked}
    known = {job_id: derive_state(run) for job_id in wanted if (run := paths.job(job_id)).root.exists()}
    for status in known.values():
        _refuse_damaged(status)
    last = _last_position(paths)
    records = {job_id: _new_record(job_id, how, position=last + place) for place, job_id in enumerate(wanted, start=1)}
    fresh = {i: queued_status(wanted[i].summary, records[i]) for i in wanted if i not in known}
    _write_folders([(wanted[i].text, records[i]) for i in fresh], paths=paths)
    for job_id, status in known.items():
        if again and status.state is JobState.DONE:
            _put_aside(paths.job(job_id))
        elif status.state not in {JobState.FAILED, JobState.CANCELLED}:
            continue
        _requeue(paths.job(job_id), records[job_id])
    return [fresh.get(each.job_id) or derive_state(paths.job(each.job_id)) for each in asked]


class _Asked(NamedTuple):
    """What is kept of a spec until its folder is written, as there may be thousands."""

    job_id: str
    text: str
    """Its JSON."""
    summary: Summary


def _asked(spec: RunSpec | ProfileSpec) -> _Asked:
    raw = spec.model_dump(mode="json")
    text = canonical(raw)
    return _Asked(raw_id_of(raw), text, summary_of(raw))


def jobs_of(backend: str, *, paths: AtlasPaths) -> list[JobStatus]:
    """What `Backend.jobs` promises; a folder that cannot be read is among the jobs of this machine."""
    return in_order(status for status in statuses(paths) if status.backend == backend)


def in_order(jobs: Iterable[JobStatus]) -> list[JobStatus]:
    """Running jobs first, then the queue in its order, then lost, damaged, failed, cancelled and done ones."""
    return sorted(jobs, key=lambda status: (_ORDER.index(status.state), *queue_key(status)))


def queue_key(status: JobStatus) -> tuple[float, str, str]:
    """Sort key of the queue: position, then time of submission.

    Args:
        status: A run.
    """
    return (status.position or 0.0, status.submitted_at or "", status.run_id)


def job_folders(paths: AtlasPaths) -> Iterator[RunPaths]:
    """Every run and profile folder, unsorted; drafts, whose names begin with a dot, are none."""
    return (make(entry.name) for make, entry in _entries(paths))


def open_jobs(paths: AtlasPaths) -> Iterator[RunPaths]:
    """Folders of the jobs that were submitted and have no end marker; the thousands that are done cost a look each."""
    marker = paths.run("any").finished.name
    for make, entry in _entries(paths):
        if not os.path.exists(f"{entry.path}/{marker}") and is_open(run := make(entry.name)):  # noqa: PTH110  # dear
            yield run


_KEPT: dict[str, tuple[int, JobStatus]] = {}
"""Folder → the time of its last change when it was read, and what was read of one that is done or untouched."""


def statuses(paths: AtlasPaths) -> Iterator[JobStatus]:
    """The jobs of all backends, unsorted; one look at each folder."""
    for make, entry in _entries(paths):
        try:
            changed = entry.stat().st_ctime_ns
        except OSError:  # it was deleted since it was listed
            continue
        before = _KEPT.get(entry.path)
        if before is not None and before[0] == changed:
            yield before[1] if before[1].state is JobState.DONE else _waiting(make(entry.name), before[1])
            continue
        status = derive_state(run := make(entry.name))
        if status.state is JobState.DONE or _stays(run, status, changed=changed):
            _KEPT[entry.path] = (changed, status)
        if status.state is not JobState.DAMAGED or is_there(run.root):
            yield status


def _stays(run: RunPaths, status: JobStatus, *, changed: int) -> bool:
    """Whether what was read of a job holds until its folder changes, but for what its engine holds it back for."""
    is_settled = time.time_ns() - changed > _TICK_NS  # else it may change again at what counts as the same time
    return status.state is JobState.QUEUED and is_settled and is_untouched(run) and _waiting(run, status) == status


def _waiting(run: RunPaths, status: JobStatus) -> JobStatus:
    return status._replace(message=backend_class(status.backend).awaits(run))


def _entries(paths: AtlasPaths) -> Iterator[tuple[Callable[[str], RunPaths], os.DirEntry[str]]]:
    for root, make in ((paths.runs, paths.run), (paths.profiles, paths.profile)):
        # One that cannot be listed, a loop of links or another user's, is named by the index.
        with contextlib.suppress(OSError), os.scandir(root) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and is_folder_entry(entry):
                    yield make, entry


def mark_cancelled(job_id: str, *, paths: AtlasPaths) -> RunPaths:
    """Take a job out of the queue, and ask the process that may execute it to stop; its folder.

    Raises:
        UnknownName: There is no such job.
        JobError: It has ended already.
    """
    status = known_job(job_id, paths=paths)
    if status.state not in {JobState.QUEUED, JobState.RUNNING, JobState.LOST, JobState.CANCELLED}:
        raise JobError(f"Run {job_id} is {status.state}: only a queued or running one can be cancelled.")
    run = paths.job(job_id)
    write_text(run.cancel, "")  # of a paused one, too, which then is cancelled for good
    return run


def mark_paused(job_id: str, *, paths: AtlasPaths) -> JobStatus:
    """Note in the marker of a job that was cancelled a moment ago that it keeps its place."""
    run = paths.job(job_id)
    write_text(run.cancel, PAUSED)
    return derive_state(run)


def put_back(job_id: str, *, paths: AtlasPaths, backend: str, execution: ExecutionOptions) -> JobStatus:
    """What `Backend.retry` promises."""
    status = known_job(job_id, paths=paths)
    _refuse_damaged(status)
    if status.state not in {JobState.FAILED, JobState.CANCELLED, JobState.LOST}:
        raise JobError(f"Run {job_id} is {status.state}: only a failed, cancelled or lost one can be retried.")
    run = paths.job(job_id)
    before = read_job(run.job)
    options = (before.execution if before else ExecutionOptions()).changed_by(execution)
    keeps_place = before is not None and is_paused(run)
    position = before.position if before and keeps_place else _last_position(paths) + 1
    how = Submission(backend, status.study, options, before.launched_by if before else None)
    _requeue(run, _new_record(job_id, how, position=position))
    return derive_state(run)


def move(job_ids: Sequence[str], *, place: int | Literal["first", "last"], paths: AtlasPaths) -> list[JobStatus]:
    """What `Backend.move` promises; places are counted over the jobs of all backends."""
    moved = [known_job(job_id, paths=paths) for job_id in dict.fromkeys(job_ids)]
    for status in moved:
        if status.state is not JobState.QUEUED:
            raise JobError(f"Run {status.run_id} is {status.state}: only a queued one can be moved.")
    if isinstance(place, int) and place < 0:
        raise JobError(f"Place {place}: expected 0 for the head of the queue, or a larger number.")
    ids, everything = {status.run_id for status in moved}, in_order(map(derive_state, job_folders(paths)))
    queue = [s for s in everything if s.state is JobState.QUEUED and s.run_id not in ids]
    at = {"first": 0, "last": len(queue)}[place] if isinstance(place, str) else min(place, len(queue))
    before = queue[at - 1].position if at > 0 else None
    after = queue[at].position if at < len(queue) else None
    positions = _between(before, after, n=len(moved))
    if all(low < high for low, high in pairwise([before, *positions, after]) if low is not None and high is not None):
        for status, position in zip(moved, positions, strict=True):
            _place(status.run_id, position=position, paths=paths)
    else:  # they have come too close for a number between them
        _renumber([*queue[:at], *moved, *queue[at:]], paths=paths)
    return [derive_state(paths.job(status.run_id)) for status in moved]


def remove(job_id: str, *, paths: AtlasPaths) -> None:
    """Take a job's folder away, at once for whoever lists folders.

    Raises:
        NotWritable: It cannot be removed.
    """
    root = paths.job(job_id).root
    away = draft_beside(root)  # its name begins with a dot, which no list shows
    with file_errors(root), contextlib.suppress(FileNotFoundError):  # somebody else was quicker
        root.rename(away)
        shutil.rmtree(away)


def is_open(run: RunPaths) -> bool:
    """Whether a run was submitted and has no end marker; cheap, without a look at its process."""
    return not any(map(is_there, (run.finished, run.failed, run.cancel))) and is_there(run.job)


def known_job(job_id: str, *, paths: AtlasPaths) -> JobStatus:
    """What a job is doing.

    Raises:
        UnknownName: There is no folder of that id.
    """
    if "/" in job_id or job_id.startswith(".") or not job_id or not is_folder(paths.job(job_id).root):
        raise UnknownName("run", job_id, known=(run.run_id for run in job_folders(paths)))
    return derive_state(paths.job(job_id))


def _refuse_damaged(status: JobStatus) -> None:
    if status.state is JobState.DAMAGED:
        raise JobError(f"The folder of run {status.run_id} is damaged: {status.message} Then submit the run again.")


def _last_position(paths: AtlasPaths) -> float:
    positions = [s.position for s in map(derive_state, open_jobs(paths)) if s.position is not None]
    return max(positions, default=0.0)


def _new_record(job_id: str, how: Submission, *, position: float) -> JobRecord:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return JobRecord(
        run_id=job_id, study=how.study, position=position, submitted_at=now, backend=how.backend,
        launched_by=how.launched_by, **how.execution.model_dump(),
    )  # fmt: skip


def _write_folders(jobs: list[tuple[str, JobRecord]], *, paths: AtlasPaths) -> None:
    # All drafts are complete before the first is renamed: a full disk leaves no part of a study behind.
    drafts: list[tuple[Path, Path]] = []
    with file_errors(paths.runs):
        try:
            for text, record in jobs:
                root = paths.job(record.run_id).root
                draft = RunPaths(draft_beside(root))
                drafts.append((draft.root, root))
                draft.root.mkdir(parents=True, exist_ok=True)
                draft.spec.write_bytes(text.encode())
                draft.job.write_bytes(record.model_dump_json().encode())
            drafts.reverse()
            while drafts:
                _rename_new(*drafts[-1])
                drafts.pop()
        finally:
            for draft_root, _ in drafts:
                shutil.rmtree(draft_root, ignore_errors=True)


def _rename_new(draft: Path, root: Path) -> None:
    try:
        draft.rename(root)
    except OSError:
        # Somebody submitted the same run a moment ago: theirs is the same spec, so theirs stays.
        if not root.is_dir():
            raise
        shutil.rmtree(draft, ignore_errors=True)


def is_of_earlier_code(run: RunPaths) -> bool:
    """Whether a finished job was made by code that gave other results than today's.

    Raises:
        JobError: Its marker cannot be read.
    """
    try:
        return bool(json.loads(read_whole(run.finished)).get("code") != CODE_VERSION)
    except (OSError, ValueError, AttributeError, RecursionError, RunFolderDamaged) as error:
        raise JobError(f"{run.finished} cannot be read: {error}. Remove it, and the run is queued again.") from error


def _put_aside(run: RunPaths) -> None:
    """Move all that a finished job left into a folder of its own, so that nothing of it mixes with what comes."""
    with file_errors(run.cancel):
        run.cancel.touch()  # until the job is queued again it reads as done or cancelled, and nobody starts it
        before = run.earlier / str(1 + sum(1 for _ in run.earlier.glob("*")))
        before.mkdir(parents=True)
        kept = {run.spec, run.job, run.cancel, run.earlier}
        for entry in sorted(run.root.iterdir(), key=lambda e: e != run.finished):  # the marker goes first
            if entry not in kept:
                entry.rename(before / entry.name)


def _requeue(run: RunPaths, record: JobRecord) -> None:
    write_text(run.job, record.model_dump_json())
    with file_errors(run.root):
        run.process.unlink(missing_ok=True)
        run.failed.unlink(missing_ok=True)
        # Last: until then the run reads as cancelled, and no dispatcher starts it half reset.
        run.cancel.unlink(missing_ok=True)


def _between(before: float | None, after: float | None, *, n: int) -> list[float]:
    """So many positions in order between two."""
    if before is None:
        return [(after if after is not None else float(n)) - n + i for i in range(n)]
    step = (after - before) / (n + 1) if after is not None else 1.0
    return [before + step * (i + 1) for i in range(n)]


def _renumber(queue: list[JobStatus], *, paths: AtlasPaths) -> None:
    for place, status in enumerate(queue, start=1):
        _place(status.run_id, position=float(place), paths=paths)


def _place(run_id: str, *, position: float, paths: AtlasPaths) -> None:
    if change_job(paths.job(run_id), lambda _: {"position": position}) is None:
        raise JobError(f"Run {run_id} left the queue while it was being moved. Reload the list of runs.")
