"""Launching: build what was asked for, write down what the selectors say of it, queue it, wake the backend."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import NamedTuple

import duckdb

from core.actions.queue import wake
from core.data.there import refuse_without_data
from core.errors import AtlasError
from core.jobs.backend import chosen_backend
from core.jobs.folders import is_of_earlier_code
from core.jobs.records import JobState, JobStatus
from core.paths import AtlasPaths
from core.spec.execution import USUAL, ExecutionOptions
from core.spec.profile import ProfileKind, ProfileSpec
from core.spec.run import RunSpec, StudySpec
from core.store.rankings import save_ranking
from core.studies import StudyRequest, build_study
from core.variables import refuse_read_only

OpenCursor = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]
"""Opens a cursor of a store that holds everything that is on disk now."""

RANKED = (
    "The selectors' ranking of these intermediates was saved before the runs. "
    "To compare it with the gains once the runs have ended: "
    "python -m core predict"
)
"""What a user is told of a ranking that was frozen."""


class Where(NamedTuple):
    """Which backend executes a launch, and how."""

    backend: str | None = None
    """Name in `BACKENDS`; None: what `ATLAS_BACKEND` says, else this machine."""
    execution: ExecutionOptions = USUAL
    """Device, token budget and precision."""
    launched_by: str | None = None
    """Who asks for it, where users sign in; kept with each job."""


ANYWHERE = Where()
"""Where a launch goes unless somebody says so."""


class Launched(NamedTuple):
    """What a launch started."""

    specs: tuple[RunSpec | ProfileSpec, ...]
    """What was submitted."""
    jobs: tuple[JobStatus, ...]
    """The state of each, in the same order."""
    ranked: str | None = None
    """That a ranking was frozen, for the user; None: there is none."""
    trouble: str | None = None
    """Why there is none although there should be, for the user; the jobs start all the same."""
    outdated: str | None = None
    """That some are done, by code that gave other results, and how to run them again; None: there is no such job."""

    @property
    def summary(self) -> str:
        """How many of the jobs are at work or waiting, for the user."""
        what = "profiles" if any(isinstance(spec, ProfileSpec) for spec in self.specs) else "runs"
        n_open = sum(job.state in {JobState.QUEUED, JobState.RUNNING} for job in self.jobs)
        return f"{n_open} of {len(self.jobs)} {what} are queued or running."

    @property
    def messages(self) -> tuple[str, ...]:
        """Everything that a user is told."""
        return tuple(text for text in (self.summary, self.outdated, self.ranked, self.trouble) if text)


def launch(
    wanted: StudyRequest | StudySpec,
    *,
    paths: AtlasPaths,
    cursor: OpenCursor,
    where: Where = ANYWHERE,
    leave_out: Collection[str] = (),
    again: bool = False,
) -> Launched:
    """Start the runs of a study; what the selectors say of its intermediates is frozen before, where there are several.

    Args:
        wanted: As it was typed, or built already.
        cursor: Called where there is something to rank.
        leave_out: Ids of runs that are not started, such as those another machine has finished.
        again: Whether runs that are done are run again; what they had is put aside.

    Raises:
        SpecError: The request has a problem, data of a task are not there, or there is no such backend.
        JobError: A run folder is damaged.
        NotWritable: Nothing may be started here.
        DiskFull: No space is left for the jobs.
    """
    refuse_read_only()
    study = build_study(wanted, paths=paths) if isinstance(wanted, StudyRequest) else wanted
    refuse_without_data(study, paths=paths)
    specs = tuple(run for run in study.runs() if run.run_id not in leave_out)
    backend = chosen_backend(where.backend, paths=paths)
    ranked, trouble = _freeze(study, paths=paths, cursor=cursor) if specs else _NOTHING
    jobs = backend.submit(specs, study=study.name, execution=where.execution, again=again,
                          launched_by=where.launched_by)  # fmt: skip
    wake(paths)
    return Launched(specs, tuple(jobs), ranked, trouble, _outdated(jobs, paths=paths))


def launch_profiles(
    specs: Sequence[ProfileSpec],
    *,
    paths: AtlasPaths,
    where: Where = ANYWHERE,
    study: str | None = None,
    again: bool = False,
) -> Launched:
    """Start profiles, all or none.

    Args:
        study: Name of the set, shown in lists.
        again: Whether profiles that are done are measured again; what they had is put aside.

    Raises:
        SpecError: There is no such backend.
        JobError: A profile's folder is damaged.
        NotWritable: Nothing may be started here.
        DiskFull: No space is left for the jobs.
    """
    refuse_read_only()
    backend = chosen_backend(where.backend, paths=paths)
    jobs = backend.submit(specs, study=study, execution=where.execution, again=again,
                          launched_by=where.launched_by)  # fmt: skip
    wake(paths)
    return Launched(tuple(specs), tuple(jobs), outdated=_outdated(jobs, paths=paths))


def _outdated(jobs: Sequence[JobStatus], *, paths: AtlasPaths) -> str | None:
    # Domain profiles embed texts and train nothing.
    done = [job for job in jobs if job.state is JobState.DONE and job.kind != ProfileKind.DOMAIN]
    n = sum(is_of_earlier_code(paths.job(job.run_id)) for job in done)
    if not n:
        return None
    verbs = ("was", "stays as it is", "makes it") if n == 1 else ("were", "stay as they are", "makes them")
    return (
        f"{n} of {len(jobs)} {verbs[0]} finished by an earlier version that gave other results, and {verbs[1]}. "
        f"The same command with --again {verbs[2]} anew."
    )


class _Frozen(NamedTuple):
    ranked: str | None = None
    trouble: str | None = None


_NOTHING = _Frozen()


def _freeze(study: StudySpec, *, paths: AtlasPaths, cursor: OpenCursor) -> _Frozen:
    if len({i for i in study.intermediates if i is not None}) < 2:
        return _NOTHING
    from core.analysis.rankings import rank_launch  # noqa: PLC0415  # loads scipy

    try:
        with cursor() as cur:
            ranking = rank_launch(cur, study, now=datetime.now(UTC))
        if ranking is None:
            return _NOTHING
        save_ranking(ranking, paths=paths)
    except AtlasError as error:
        return _Frozen(trouble=f"The runs start, but the selectors' ranking of them could not be saved: {error}")
    return _Frozen(ranked=RANKED)
