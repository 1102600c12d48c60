"""The queue as a user sees it: the jobs of every backend, each changed by the one that has it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from core.errors import AtlasError, JobError, SpecError, UnknownName
from core.jobs.backend import BACKENDS, Backend, backend_class, backend_file, backend_named, chosen_backend
from core.jobs.folders import in_order, known_job, mark_paused, remove, statuses
from core.jobs.records import LOCAL, JobState, JobStatus
from core.jobs.state import derive_state, is_paused
from core.paths import AtlasPaths
from core.spec.execution import USUAL, ExecutionOptions
from core.variables import is_read_only, refuse_read_only

PLACES = tuple(BACKENDS)
"""Names of all backends."""

_MOST_NAMED = 3
_OPEN = frozenset({JobState.QUEUED, JobState.RUNNING, JobState.LOST})


def places() -> list[str]:
    """Names of the backends, that of new jobs first.

    Raises:
        UnknownName: `ATLAS_BACKEND` names none.
    """
    usual = backend_named(None)
    backend_class(usual)
    return [usual, *(name for name in PLACES if name != usual)]


def skipped_backend_file(paths: AtlasPaths) -> str | None:
    """Why `backend.yaml` cannot be used; None where it can, or where there is none.

    Args:
        paths: The Atlas home.
    """
    try:
        backend_file(paths)
    except SpecError as error:
        return str(error)
    return None


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


def open_of(study: str, *, paths: AtlasPaths) -> list[str]:
    """Ids of the runs and profiles of a study that have not ended.

    Raises:
        UnknownName: No job was submitted with that name.
    """
    return [job.run_id for job in _of_study(study, paths=paths) if job.state in _OPEN]


def queued_of(study: str, *, paths: AtlasPaths) -> list[str]:
    """Ids of the runs and profiles of a study that wait, in order of the queue.

    Raises:
        UnknownName: No job was submitted with that name.
    """
    return [job.run_id for job in in_order(_of_study(study, paths=paths)) if job.state is JobState.QUEUED]


def paused_of(study: str, *, paths: AtlasPaths) -> list[str]:
    """Ids of the runs and profiles of a study that are paused.

    Raises:
        UnknownName: No job was submitted with that name.
    """
    jobs = _of_study(study, paths=paths)
    return [job.run_id for job in jobs if job.state is JobState.CANCELLED and is_paused(paths.job(job.run_id))]


def pause(job_ids: Iterable[str], *, paths: AtlasPaths) -> list[JobStatus]:
    """Stop runs or profiles, or hold them back, until they are resumed: checkpoints and places in the queue are kept.

    Raises:
        UnknownName: There is no such run.
        JobError: It neither waits nor runs; of several, all others are paused.
        NotWritable: Nothing may be changed here.
    """

    def one(job_id: str) -> JobStatus:
        status = known_job(job_id, paths=paths)
        if status.state not in _OPEN:
            raise JobError(f"Run {job_id} is {status.state}: only a queued or running one can be paused.")
        backend_class(status.backend)(paths).cancel(job_id)
        return mark_paused(job_id, paths=paths)

    return _each(one, job_ids, paths=paths)


def resume(job_ids: Iterable[str], *, paths: AtlasPaths) -> list[JobStatus]:
    """Put paused runs or profiles back in their places; they go on from their last checkpoints.

    Raises:
        UnknownName: There is no such run.
        JobError: It is not paused; of several, all others are resumed.
        NotWritable: Nothing may be changed here.
    """

    def one(job_id: str) -> JobStatus:
        status = known_job(job_id, paths=paths)
        if status.state is not JobState.CANCELLED or not is_paused(paths.job(job_id)):
            raise JobError(f"Run {job_id} is {status.state} and not paused: `retry` queues a cancelled one again.")
        return backend_class(status.backend)(paths).retry(job_id, execution=USUAL)

    return _each(one, job_ids, paths=paths)


def cancel(job_ids: Iterable[str], *, paths: AtlasPaths) -> list[JobStatus]:
    """Stop runs or profiles with their whole process trees, or take them out of the queue; finished stages stay.

    Raises:
        UnknownName: There is no such run.
        JobError: It has ended already; of several, all others are stopped.
        NotWritable: Nothing may be changed here.
    """
    return _each(lambda job_id: _backend_of(job_id, paths=paths).cancel(job_id), job_ids, paths=paths)


def retry(job_ids: Iterable[str], *, paths: AtlasPaths, execution: ExecutionOptions = USUAL) -> list[JobStatus]:
    """Queue failed, cancelled or lost runs or profiles again, last, with the backend that had them.

    Args:
        execution: Options that were named take the place of those they had.

    Raises:
        UnknownName: There is no such run.
        JobError: It is done, queued, running or damaged; of several, all others are queued.
        NotWritable: Nothing may be changed here.
    """

    def one(job_id: str) -> JobStatus:
        return _backend_of(job_id, paths=paths).retry(job_id, execution=execution)

    return _each(one, job_ids, paths=paths)


def move(job_ids: Sequence[str], *, place: int | Literal["first", "last"], paths: AtlasPaths) -> list[JobStatus]:
    """Give queued runs or profiles another place, one behind the other in their order.

    Args:
        place: Of the first of them: 0 for the head of the queue; a number past the end is the end.

    Raises:
        UnknownName: There is no such run.
        JobError: One is not queued, an engine decides over its order, or the place is negative; nothing is moved.
        NotWritable: Nothing may be changed here.
    """
    refuse_read_only()
    groups, found = defaultdict[str, list[str]](list), list[JobStatus]()
    for job_id in job_ids:
        groups[known_job(job_id, paths=paths).backend].append(job_id)
    for name, ids in sorted(groups.items(), key=lambda group: group[0] == LOCAL):  # an engine refuses before any moves
        found += backend_class(name)(paths).move(ids, place=place)
    wake(paths)
    return found


def delete(job_ids: Iterable[str], *, paths: AtlasPaths) -> None:
    """Remove runs or profiles that have ended, with their scores, predictions and logs; shared stages stay.

    Raises:
        UnknownName: There is no such run.
        JobError: One of them is running or queued; nothing is removed then.
        NotWritable: Nothing may be changed here.
    """
    refuse_read_only()
    jobs = [known_job(job_id, paths=paths) for job_id in job_ids]
    for job in jobs:
        if job.state in _OPEN:
            raise JobError(f"Run {job.run_id} is {job.state}: cancel it before it is deleted.")
    for job in jobs:
        remove(job.run_id, paths=paths)


def wake(paths: AtlasPaths) -> None:
    """See to it that every backend works off its queue; nothing where nothing may be written.

    Raises:
        SpecError: The environment says where jobs run in a way that cannot be.
        DiskFull: No space is left for what starts the jobs.
    """
    for name in () if is_read_only() else BACKENDS:
        backend_class(name)(paths).wake()


def warm(paths: AtlasPaths) -> None:
    """Tell the backend of new jobs that one may come soon; a job starts without that, too, some seconds later.

    Raises:
        SpecError: `ATLAS_BACKEND` names none.
        DiskFull: No space is left for what prepares it.
    """
    if not is_read_only():
        chosen_backend(None, paths=paths).warm()


def _each(act: Callable[[str], JobStatus], job_ids: Iterable[str], *, paths: AtlasPaths) -> list[JobStatus]:
    """Change every job that can be; the others are named afterwards: one of several may have ended meanwhile."""
    refuse_read_only()
    ids, found, refused = list(dict.fromkeys(job_ids)), list[JobStatus](), list[AtlasError]()
    for job_id in ids:
        try:
            found.append(act(job_id))
        except AtlasError as error:
            refused.append(error)
    wake(paths)
    found = [looked_at(status.run_id, paths=paths) for status in found]  # an engine may have refused them meanwhile
    if refused and len(ids) == 1:
        raise refused[0]
    if refused:
        texts = list(dict.fromkeys(map(str, refused)))
        more = f" And {len(texts) - _MOST_NAMED:,} more." if len(texts) > _MOST_NAMED else ""
        said = " ".join(texts[:_MOST_NAMED])
        raise JobError(f"{len(found):,} of {len(ids):,} were changed, the others could not be. {said}{more}")
    return found


def _of_study(study: str, *, paths: AtlasPaths) -> list[JobStatus]:
    jobs = list(statuses(paths))
    known = {job.study for job in jobs if job.study is not None}
    if study not in known:
        raise UnknownName("study", study, known=known)
    return [job for job in jobs if job.study == study]


def _everything(paths: AtlasPaths) -> list[JobStatus]:
    return in_order(statuses(paths))


def _backend_of(job_id: str, *, paths: AtlasPaths) -> Backend:
    return backend_class(known_job(job_id, paths=paths).backend)(paths)
