"""A job backend in one module: one job at a time, "run" by a set of ids instead of processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from core.files import write_text
from core.jobs import folders
from core.jobs.backend import Backend
from core.jobs.records import JobState, JobStatus
from core.jobs.state import derive_state
from core.paths import AtlasPaths, RunPaths
from core.processes import ProcessRecord
from core.spec.execution import USUAL, ExecutionOptions
from core.spec.profile import ProfileSpec
from core.spec.run import RunSpec


class ToyBackend(Backend):
    """Jobs that live in a set; `end` is what a worker would do last."""

    name: ClassVar[str] = "toy"
    alive: ClassVar[set[str]] = set()

    def __init__(self, paths: AtlasPaths) -> None:
        self._paths = paths

    def submit(
        self,
        specs: Sequence[RunSpec | ProfileSpec],
        *,
        study: str | None = None,
        execution: ExecutionOptions = USUAL,
        again: bool = False,
        launched_by: str | None = None,
    ) -> list[JobStatus]:
        return folders.enqueue(
            specs, paths=self._paths, how=folders.Submission(self.name, study, execution, launched_by), again=again
        )

    def jobs(self) -> list[JobStatus]:
        return folders.jobs_of(self.name, paths=self._paths)

    def cancel(self, job_id: str) -> JobStatus:
        run = folders.mark_cancelled(job_id, paths=self._paths)
        self.alive.discard(job_id)
        return derive_state(run)

    def retry(self, job_id: str, *, execution: ExecutionOptions = USUAL) -> JobStatus:
        return folders.put_back(job_id, paths=self._paths, backend=self.name, execution=execution)

    def move(self, job_ids: Sequence[str], *, place: int | Literal["first", "last"]) -> list[JobStatus]:
        return folders.move(job_ids, place=place, paths=self._paths)

    def wake(self) -> bool:
        jobs = self.jobs()
        queue = [job for job in jobs if job.state is JobState.QUEUED]
        if not queue or any(job.state is JobState.RUNNING for job in jobs):
            return False
        run = self._paths.job(queue[0].run_id)
        # A pid of another machine: here no process has it.
        write_text(run.process, ProcessRecord(pid=2**22 + 1, started=0.0).model_dump_json())
        self.alive.add(run.run_id)
        return True

    @staticmethod
    def is_alive(run: RunPaths) -> bool:
        return run.run_id in ToyBackend.alive

    def end(self, job_id: str) -> None:
        self._paths.job(job_id).finished.write_text("{}")
        self.alive.discard(job_id)
