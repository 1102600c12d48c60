"""Jobs on this machine: submit, list, cancel, retry, reorder.

A job is a run or profile folder with a `job.json`. Nothing here runs one: a detached dispatcher (`core.jobs.dispatch`)
starts the first of the queue on each free slot, and `ensure_dispatcher` sees to it that there is one.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import ValidationError

from core.errors import JobError, UnknownName
from core.files import disk_full_as_error, write_text
from core.jobs.records import JobRecord, JobState, JobStatus, read_job
from core.jobs.state import derive_state
from core.paths import AtlasPaths, RunPaths
from core.processes import read_process, start_detached, stop_tree
from core.spec.profile import ProfileSpec, job_id_of
from core.spec.run import RunSpec

_ORDER = (
    JobState.RUNNING,
    JobState.QUEUED,
    JobState.LOST,
    JobState.DAMAGED,
    JobState.FAILED,
    JobState.CANCELLED,
    JobState.DONE,
)


def submit(
    runs: Sequence[RunSpec | ProfileSpec], *, paths: AtlasPaths, study: str | None = None, device: str = "auto"
) -> list[JobStatus]:
    """Put runs or profiles into the queue, all or none; one status each, in their order.

    A run that is done, queued or running stays as it is; one that failed or was cancelled is queued again.

    Args:
        runs: What to run; the same run twice counts once.
        study: Name of the set, shown in lists.
        device: `auto`, `cpu` or `cuda:N`.

    Raises:
        JobError: The device is none, or a folder of that id is damaged.
        DiskFull: No space is left; nothing was queued.
    """
    wanted = {job_id_of(spec): spec for spec in runs}
    known = {run_id: derive_state(paths.job(run_id)) for run_id in wanted if paths.job(run_id).root.exists()}
    for status in known.values():
        _refuse_damaged(status)
    last = _last_position(paths)
    records = {
        run_id: _new_record(run_id, study=study, device=device, position=last + place)
        for place, run_id in enumerate(wanted, start=1)
    }
    _write_folders([(wanted[i], records[i]) for i in wanted if i not in known], paths=paths)
    for run_id, status in known.items():
        if status.state in {JobState.FAILED, JobState.CANCELLED}:
            _requeue(paths.job(run_id), records[run_id])
    return [derive_state(paths.job(job_id_of(spec))) for spec in runs]


def list_jobs(paths: AtlasPaths) -> list[JobStatus]:
    """All runs: running, queued in order of the queue, then lost, damaged, failed, cancelled and done ones."""
    return _in_order(run_folders(paths))


def list_profiles(paths: AtlasPaths) -> list[JobStatus]:
    """All profiles, in the same order; they share the queue with the runs."""
    return _in_order(profile_folders(paths))


def _in_order(folders: Iterable[RunPaths]) -> list[JobStatus]:
    return sorted(map(derive_state, folders), key=lambda s: (_ORDER.index(s.state), *queue_key(s)))


def queue_key(status: JobStatus) -> tuple[float, str, str]:
    """Sort key of the queue: position, then time of submission.

    Args:
        status: A run.
    """
    return (status.position or 0.0, status.submitted_at or "", status.run_id)


def run_folders(paths: AtlasPaths) -> Iterator[RunPaths]:
    """Every run folder, unsorted; drafts, whose names begin with a dot, are none."""
    return (paths.run(name) for name in _folders(paths.runs))


def profile_folders(paths: AtlasPaths) -> Iterator[RunPaths]:
    """Every profile folder, unsorted."""
    return (paths.profile(name) for name in _folders(paths.profiles))


def job_folders(paths: AtlasPaths) -> Iterator[RunPaths]:
    """Every run and profile folder: what the queue is made of."""
    return itertools.chain(run_folders(paths), profile_folders(paths))


def _folders(root: Path) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError), os.scandir(root) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.is_dir():
                yield entry.name


def cancel(run_id: str, *, paths: AtlasPaths) -> JobStatus:
    """Stop a run and its whole process tree, or take it out of the queue; finished stages stay.

    Raises:
        UnknownName: There is no such run.
        JobError: It has ended already.
    """
    status = _known(run_id, paths=paths)
    if status.state not in {JobState.QUEUED, JobState.RUNNING, JobState.LOST, JobState.CANCELLED}:
        raise JobError(f"Run {run_id} is {status.state}: only a queued or running one can be cancelled.")
    run = paths.job(run_id)
    with disk_full_as_error(run.cancel):
        run.cancel.touch()
    process = read_process(run.process)
    if process is not None:
        stop_tree(process)
    return derive_state(run)


def retry(run_id: str, *, paths: AtlasPaths) -> JobStatus:
    """Queue a failed, cancelled or lost run again, last; it goes on from its last checkpoint.

    Raises:
        UnknownName: There is no such run.
        JobError: It is done, queued, running or damaged.
    """
    status = _known(run_id, paths=paths)
    _refuse_damaged(status)
    if status.state not in {JobState.FAILED, JobState.CANCELLED, JobState.LOST}:
        raise JobError(f"Run {run_id} is {status.state}: only a failed, cancelled or lost one can be retried.")
    run = paths.job(run_id)
    before = read_job(run.job)
    fresh = _new_record(run_id, study=status.study, device=before.device if before else "auto", position=0.0)
    _requeue(run, fresh.model_copy(update={"position": _last_position(paths) + 1}))
    return derive_state(run)


def reorder(run_id: str, *, place: int | Literal["first", "last"], paths: AtlasPaths) -> JobStatus:
    """Give a queued run another place.

    Args:
        place: 0 for the head of the queue; a number past the end is the end.

    Raises:
        UnknownName: There is no such run.
        JobError: It is not queued, or the place is negative.
    """
    status = _known(run_id, paths=paths)
    if status.state is not JobState.QUEUED:
        raise JobError(f"Run {run_id} is {status.state}: only a queued one has a place to change.")
    if isinstance(place, int) and place < 0:
        raise JobError(f"Place {place}: expected 0 for the head of the queue, or a larger number.")
    queue = [s for s in _in_order(job_folders(paths)) if s.state is JobState.QUEUED and s.run_id != run_id]
    at = {"first": 0, "last": len(queue)}[place] if isinstance(place, str) else min(place, len(queue))
    before = queue[at - 1].position if at > 0 else None
    after = queue[at].position if at < len(queue) else None
    if before is not None and after is not None and not before < (before + after) / 2 < after:
        _renumber([*queue[:at], status, *queue[at:]], paths=paths)
    else:
        _move(run_id, position=_between(before, after), paths=paths)
    return derive_state(paths.job(run_id))


def ensure_dispatcher(paths: AtlasPaths, *, options: Sequence[str] = ()) -> bool:
    """Start the dispatcher, detached, where there is work and none runs; whether one was started.

    Args:
        options: Further words of its command line.

    Raises:
        DiskFull: No space is left for its log.
    """
    if not any(is_open(run) for run in job_folders(paths)):
        return False
    with disk_full_as_error(paths.slots):
        paths.slots.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(paths.dispatcher_lock, timeout=0):
                pass
        except Timeout:
            return False
        start_detached(
            "core.jobs.dispatch", *options, log=paths.dispatcher_log, environ={"ATLAS_HOME": str(paths.home)}
        )
    return True


def is_open(run: RunPaths) -> bool:
    """Whether a run was submitted and has no end marker; cheap, without a look at its process."""
    return not (run.finished.exists() or run.failed.exists() or run.cancel.exists()) and run.job.exists()


def _known(run_id: str, *, paths: AtlasPaths) -> JobStatus:
    if "/" in run_id or run_id.startswith(".") or not run_id or not paths.job(run_id).root.is_dir():
        raise UnknownName("run", run_id, known=(run.run_id for run in job_folders(paths)))
    return derive_state(paths.job(run_id))


def _refuse_damaged(status: JobStatus) -> None:
    if status.state is JobState.DAMAGED:
        raise JobError(f"The folder of run {status.run_id} is damaged: {status.message} Then submit the run again.")


def _last_position(paths: AtlasPaths) -> float:
    positions = [s.position for s in map(derive_state, filter(is_open, job_folders(paths))) if s.position is not None]
    return max(positions, default=0.0)


def _new_record(run_id: str, *, study: str | None, device: str, position: float) -> JobRecord:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    try:
        return JobRecord(run_id=run_id, study=study, device=device, position=position, submitted_at=now)
    except ValidationError as error:
        raise JobError(f"Device '{device}': expected auto, cpu, or cuda: and a number, such as cuda:0.") from error


def _write_folders(jobs: list[tuple[RunSpec | ProfileSpec, JobRecord]], *, paths: AtlasPaths) -> None:
    # All drafts are complete before the first is renamed: a full disk leaves no part of a study behind.
    drafts: list[tuple[Path, Path]] = []
    with disk_full_as_error(paths.runs):
        try:
            for spec, record in jobs:
                root = paths.job(record.run_id).root
                draft = RunPaths(root.with_name(f".{record.run_id}.{os.getpid()}.tmp"))
                drafts.append((draft.root, root))
                draft.root.mkdir(parents=True, exist_ok=True)
                draft.spec.write_text(spec.canonical_json(), encoding="utf-8")
                draft.job.write_text(record.model_dump_json(), encoding="utf-8")
            for draft_root, root in drafts:
                _rename_new(draft_root, root)
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


def _requeue(run: RunPaths, record: JobRecord) -> None:
    write_text(run.job, record.model_dump_json())
    run.process.unlink(missing_ok=True)
    run.failed.unlink(missing_ok=True)
    # Last: until then the run reads as cancelled, and no dispatcher starts it half reset.
    run.cancel.unlink(missing_ok=True)


def _between(before: float | None, after: float | None) -> float:
    if before is None:
        return after - 1 if after is not None else 0.0
    return (before + after) / 2 if after is not None else before + 1


def _renumber(queue: list[JobStatus], *, paths: AtlasPaths) -> None:
    for place, status in enumerate(queue, start=1):
        _move(status.run_id, position=float(place), paths=paths)


def _move(run_id: str, *, position: float, paths: AtlasPaths) -> None:
    run = paths.job(run_id)
    record = read_job(run.job)
    if record is None:
        raise JobError(f"Run {run_id} left the queue while it was moved. Look at the list again.")
    write_text(run.job, record.model_copy(update={"position": position}).model_dump_json())
