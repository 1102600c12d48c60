"""Jobs on this machine, as detached processes.

Nothing here runs one: a detached dispatcher (`core.jobs.dispatch`) starts the first of the queue on each free slot.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar, Literal

from filelock import FileLock, Timeout

from core.errors import RunFolderDamaged
from core.files import file_errors
from core.holding import executing, is_held, lives
from core.jobs import folders
from core.jobs.backend import Backend
from core.jobs.dispatch import ring
from core.jobs.records import LOCAL, JobStatus, is_of
from core.jobs.state import derive_state
from core.jobs.warmth import may_be_warm
from core.paths import AtlasPaths, RunPaths
from core.processes import is_alive, read_process, start_detached, stop_tree
from core.spec.execution import USUAL, ExecutionOptions
from core.spec.profile import ProfileSpec
from core.spec.run import RunSpec
from core.variables import check_for_jobs


class LocalBackend(Backend):
    """The queue of this machine; what it knows is in the job folders."""

    name: ClassVar[str] = LOCAL

    def __init__(self, paths: AtlasPaths, *, options: Sequence[str] = ()) -> None:
        """Look after a home.

        Args:
            options: Further words of the dispatcher's command line.
        """
        self._paths, self._options = paths, tuple(options)

    def check(self) -> None:
        """A number of slots that is none would keep jobs waiting."""
        check_for_jobs(os.environ)

    def submit(
        self,
        specs: Sequence[RunSpec | ProfileSpec],
        *,
        study: str | None = None,
        execution: ExecutionOptions = USUAL,
        again: bool = False,
        launched_by: str | None = None,
    ) -> list[JobStatus]:
        """Write the folders in which the dispatcher looks for work."""
        self.check()
        return folders.enqueue(
            specs, paths=self._paths, how=folders.Submission(self.name, study, execution, launched_by), again=again
        )

    def jobs(self) -> list[JobStatus]:
        """The jobs of this machine, and every folder that cannot be read."""
        return folders.jobs_of(self.name, paths=self._paths)

    def cancel(self, job_id: str) -> JobStatus:
        """Leave the marker, then stop the process with all its descendants; one of another machine heeds the marker."""
        run = folders.mark_cancelled(job_id, paths=self._paths)
        process = executing(run)
        if process is not None:
            stop_tree(process)
        return derive_state(run)

    def retry(self, job_id: str, *, execution: ExecutionOptions = USUAL) -> JobStatus:
        """Queue it again, last."""
        return folders.put_back(job_id, paths=self._paths, backend=self.name, execution=execution)

    def move(self, job_ids: Sequence[str], *, place: int | Literal["first", "last"]) -> list[JobStatus]:
        """Give them another place in the queue."""
        return folders.move(job_ids, place=place, paths=self._paths)

    def wake(self) -> bool:
        """Start the dispatcher, detached, where there is work and none runs; one that runs looks at once."""
        open_jobs = (run for run in folders.open_jobs(self._paths) if os.access(run.root, os.W_OK))
        if not any(is_of(self.name, run) for run in open_jobs):
            return False
        check_for_jobs(os.environ)
        with file_errors(self._paths.slots):
            if self._start_dispatcher():
                return True
            ring(self._paths, os.environ)
        return False

    def warm(self) -> None:
        """Have the dispatcher keep workers that have loaded their modules, for ten minutes."""
        if may_be_warm(os.environ):
            with file_errors(self._paths.slots):
                self._paths.slots.mkdir(parents=True, exist_ok=True)
                self._paths.warm_wish.touch()
                self._start_dispatcher()

    def _start_dispatcher(self) -> bool:
        """Whether none was running or about to."""
        self._paths.slots.mkdir(parents=True, exist_ok=True)
        record = self._paths.dispatcher_starting
        try:
            with FileLock(self._paths.dispatcher_lock, timeout=0):
                pass
        except Timeout:
            return False
        with suppress(RunFolderDamaged):
            if (begun := read_process(record)) is not None and is_alive(begun):
                return False
        record.unlink(missing_ok=True)
        log, environ = self._paths.dispatcher_log, {"ATLAS_HOME": str(self._paths.home)}
        start_detached("core.jobs.dispatch", *self._options, log=log, environ=environ, record=record)
        return True

    @staticmethod
    def is_alive(run: RunPaths) -> bool:
        """Whether a process holds the job, or the one that was started for it has not come to that."""
        if is_held(run):
            return True
        process = read_process(run.process)
        return process is not None and lives(run, process)
