"""Where jobs run: what a backend can do, and the table of those there are.

To add one: a module with a class of these verbs, the script by which it starts a worker, and a line in `BACKENDS`.
`core.jobs.folders` does what is the same for all, since a job is a folder everywhere: a backend writes, lists and
requeues with it, and adds how a process is started, found and stopped.
"""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import ClassVar, Literal, Protocol, cast

from core.errors import UnknownName
from core.jobs.records import LOCAL, JobStatus
from core.paths import AtlasPaths, RunPaths
from core.spec.cluster import BackendFile
from core.spec.execution import USUAL, ExecutionOptions
from core.spec.profile import ProfileSpec
from core.spec.run import RunSpec
from core.spec.yaml import read_spec_file

BACKEND = "ATLAS_BACKEND"
"""Environment variable: where jobs run unless `--backend` says so."""

BACKENDS: dict[str, str] = {
    LOCAL: "core.jobs.local:LocalBackend",
    "slurm": "core.jobs.slurm.backend:SlurmBackend",
    "ray": "core.jobs.ray.backend:RayBackend",
}
"""Class of each backend by name; named and not imported, so that nobody loads a cluster's library who asks for none."""


class Backend(Protocol):
    """The jobs of one Atlas home that run in one kind of place; made anew for every question, so it keeps no state."""

    name: ClassVar[str]
    """Its name in `BACKENDS`, which the `job.json` of its jobs holds."""

    def __init__(self, paths: AtlasPaths) -> None:
        """Look after a home; nothing is read or started yet."""

    def check(self) -> None:
        """Refuse what would keep `submit` from taking any job: settings, `backend.yaml`, an engine that is not here.

        Raises:
            SpecError: With what to do about it.
        """

    def submit(
        self,
        specs: Sequence[RunSpec | ProfileSpec],
        *,
        study: str | None = None,
        execution: ExecutionOptions = USUAL,
        again: bool = False,
        launched_by: str | None = None,
    ) -> list[JobStatus]:
        """Put runs or profiles into the queue, all or none; one status each, in their order. Nothing is started.

        A job that is queued or running stays as it is; one that failed or was cancelled is queued again, and goes on
        from its last checkpoint.

        Args:
            study: Name of the set, shown in lists.
            execution: Device, token budget and precision.
            again: Whether a job that is done is queued again and gives everything anew, with what it had put aside;
                otherwise it stays as it is.
            launched_by: Who asked for it, where users sign in.

        Raises:
            SpecError: The environment says where jobs run in a way that cannot be.
            JobError: A folder of that id is damaged.
            DiskFull: No space is left; nothing was queued.
        """

    def jobs(self) -> list[JobStatus]:
        """Its runs and profiles: running, queued in order of the queue, lost, damaged, failed, cancelled, done."""

    def cancel(self, job_id: str) -> JobStatus:
        """Stop a job and its whole process tree, or take it out of the queue; finished stages stay.

        Raises:
            UnknownName: There is no such job.
            JobError: It has ended already.
        """

    def retry(self, job_id: str, *, execution: ExecutionOptions = USUAL) -> JobStatus:
        """Queue a failed, cancelled or lost job again, last; it goes on from its last checkpoint.

        Args:
            execution: Options that were named take the place of those it had.

        Raises:
            UnknownName: There is no such job.
            JobError: It is done, queued, running or damaged.
        """

    def move(self, job_ids: Sequence[str], *, place: int | Literal["first", "last"]) -> list[JobStatus]:
        """Give queued jobs another place, one behind the other in their order; all or none.

        Args:
            place: Of the first of them: 0 for the head of the queue; a number past the end is the end.

        Raises:
            UnknownName: There is no such job.
            JobError: One is not queued, or the place is negative.
        """

    def wake(self) -> bool:
        """See to it that queued jobs are started, cheaply and in silence where none is its own; whether it had to.

        Raises:
            SpecError: The environment says where jobs run in a way that cannot be.
            DiskFull: No space is left for what starts them.
        """

    def warm(self) -> None:
        """See to it that the next job starts at once, where that takes preparation; cheap, and never needed.

        Raises:
            DiskFull: No space is left for what prepares it.
        """

    @staticmethod
    def is_alive(run: RunPaths) -> bool:
        """Whether a process executes the job: the one that `process.json` names, or whoever holds it."""

    @staticmethod
    def awaits(run: RunPaths) -> str | None:
        """What the engine says of a job that it will start, or start again, by itself; None: it knows of none.

        Where there is such an answer, a job whose process is gone is queued and not lost.
        """
        return None


def backend_class(name: str) -> type[Backend]:
    """The class of a backend.

    Raises:
        UnknownName: There is none of that name.
    """
    if name not in BACKENDS:
        raise UnknownName("job backend", name, known=BACKENDS)
    return _class_at(BACKENDS[name])


@lru_cache(maxsize=16)
def _class_at(address: str) -> type[Backend]:
    return cast("type[Backend]", pkgutil.resolve_name(address))


def chosen_backend(name: str | None, *, paths: AtlasPaths, environ: Mapping[str, str] | None = None) -> Backend:
    """The backend of new jobs: the one that is named, else that of `ATLAS_BACKEND`, else this machine.

    Args:
        environ: Environment to read; the process's own if None.

    Raises:
        UnknownName: There is none of that name.
    """
    return backend_class(backend_named(name, environ=environ))(paths)


def backend_named(name: str | None, *, environ: Mapping[str, str] | None = None) -> str:
    """Name of the backend of new jobs, as `chosen_backend` takes it."""
    said = (os.environ if environ is None else environ).get(BACKEND)
    if not name and said and said not in BACKENDS:
        raise UnknownName(f"job backend ({BACKEND})", said, known=BACKENDS)
    return name or said or LOCAL


def backend_file(paths: AtlasPaths) -> BackendFile:
    """What jobs ask of an engine, as the user of a home wrote it; nothing where there is no file.

    Raises:
        SpecError: The file has a problem.
    """
    if not paths.backend_file.exists():
        return BackendFile()
    return read_spec_file(paths.backend_file, kind=BackendFile, example="docs/scale.md")
