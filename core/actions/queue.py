"""The queue as a user sees it: the jobs of every backend, each changed by the one that has it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from core.jobs.backend import BACKENDS, Backend, backend_class, chosen_backend
from core.jobs.folders import in_order, known_job
from core.jobs.records import JobStatus
from core.jobs.state import derive_state
from core.paths import AtlasPaths
from core.spec.execution import USUAL, ExecutionOptions


def list_runs(paths: AtlasPaths) -> list[JobStatus]:
    """All runs: running, queued in order of the queue, then lost, damaged, failed, cancelled and done ones."""
    return [status for status in _everything(paths) if status.kind == "run"]


def list_profiles(paths: AtlasPaths) -> list[JobStatus]:
    """All profiles, in the same order; they share the queue with the runs."""
    return [status for status in _everything(paths) if status.kind != "run"]


def as_listed(jobs: Iterable[JobStatus]) -> list[JobStatus]:
    """Runs in the order of `list_runs`.

    Args:
        jobs: Some of them, perhaps looked at again since they were listed.
    """
    return in_order(jobs)


def looked_at(job_id: str, *, paths: AtlasPaths) -> JobStatus:
    """What one run or profile is doing now."""
    return derive_state(paths.job(job_id))


def cancel(job_ids: Iterable[str], *, paths: AtlasPaths) -> list[JobStatus]:
    """Stop runs or profiles with their whole process trees, or take them out of the queue; finished stages stay.

    Raises:
        UnknownName: There is no such run.
        JobError: It has ended already.
    """
    found = [_backend_of(job_id, paths=paths).cancel(job_id) for job_id in job_ids]
    wake(paths)
    return found


def retry(job_ids: Iterable[str], *, paths: AtlasPaths, execution: ExecutionOptions = USUAL) -> list[JobStatus]:
    """Queue failed, cancelled or lost runs or profiles again, last, with the backend that had them.

    Args:
        execution: Options that were named take the place of those they had.

    Raises:
        UnknownName: There is no such run.
        JobError: It is done, queued, running or damaged.
    """
    found = [_backend_of(job_id, paths=paths).retry(job_id, execution=execution) for job_id in job_ids]
    wake(paths)
    return found


def move(job_id: str, *, place: int | Literal["first", "last"], paths: AtlasPaths) -> JobStatus:
    """Give a queued run or profile another place.

    Args:
        place: 0 for the head of the queue; a number past the end is the end.

    Raises:
        UnknownName: There is no such run.
        JobError: It is not queued, or the place is negative.
    """
    found = _backend_of(job_id, paths=paths).move(job_id, place=place)
    wake(paths)
    return found


def wake(paths: AtlasPaths) -> None:
    """See to it that every backend works off its queue.

    Raises:
        SpecError: The environment says where jobs run in a way that cannot be.
        DiskFull: No space is left for what starts the jobs.
    """
    for name in BACKENDS:
        backend_class(name)(paths).wake()


def warm(paths: AtlasPaths) -> None:
    """Tell the backend of new jobs that one may come soon; a job starts without that, too, some seconds later.

    Raises:
        SpecError: `ATLAS_BACKEND` names none.
        DiskFull: No space is left for what prepares it.
    """
    chosen_backend(None, paths=paths).warm()


def _everything(paths: AtlasPaths) -> list[JobStatus]:
    return in_order(status for name in BACKENDS for status in backend_class(name)(paths).jobs())


def _backend_of(job_id: str, *, paths: AtlasPaths) -> Backend:
    return backend_class(known_job(job_id, paths=paths).backend)(paths)
