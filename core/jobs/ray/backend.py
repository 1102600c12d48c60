"""Jobs on a Ray cluster, which decides where each runs; we say what waits for what.

A job is a process, as it is on this machine; what differs is who starts it. `driver` is one process for a home that
hands jobs to Ray as tasks, each of which is `task` on a node. It is started by whoever looks at jobs on a machine of
the cluster while some are open, and ends when none is.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Sequence
from typing import ClassVar, Literal

from core.errors import JobError, SpecError
from core.files import file_errors
from core.jobs.backend import backend_file
from core.jobs.folders import open_jobs
from core.jobs.local import LocalBackend
from core.jobs.ray.says import says
from core.jobs.records import JobStatus, is_of
from core.paths import AtlasPaths, RunPaths
from core.processes import start_detached
from core.spec.execution import USUAL, ExecutionOptions
from core.spec.profile import ProfileSpec
from core.spec.run import RunSpec

PACKAGE = "ray==2.60.0"
"""What pip is told; all machines of a cluster have one version."""
DRIVER = "core.jobs.ray.driver"
"""Module that hands jobs over; named and never imported, because it loads Ray."""

_AGAIN_S = 15.0


class RayBackend(LocalBackend):
    """The jobs of a home that Ray executes; what it was told is known to the driver alone, and can be told again."""

    name: ClassVar[str] = "ray"

    def check(self) -> None:
        """Ray is loaded here by the driver alone, with what `backend.yaml` says.

        Raises:
            SpecError: That file has a problem, or this machine has no Ray.
        """
        super().check()
        backend_file(self._paths)
        if not _is_installed():
            raise SpecError(f"Ray is not installed here: pip install {PACKAGE}, or the version that the cluster has.")

    def submit(
        self,
        specs: Sequence[RunSpec | ProfileSpec],
        *,
        study: str | None = None,
        execution: ExecutionOptions = USUAL,
        again: bool = False,
        launched_by: str | None = None,
    ) -> list[JobStatus]:
        """Write the folders in which the driver looks for work.

        Raises:
            SpecError: `backend.yaml` has a problem, or this machine has no Ray.
        """
        found = super().submit(specs, study=study, execution=execution, again=again, launched_by=launched_by)
        self._ring()
        return found

    def cancel(self, job_id: str) -> JobStatus:
        """Leave the marker and stop the process that may be here; of what waits the driver tells Ray."""
        found = super().cancel(job_id)
        self._ring()
        return found

    def retry(self, job_id: str, *, execution: ExecutionOptions = USUAL) -> JobStatus:
        """Hand it to Ray again."""
        found = super().retry(job_id, execution=execution)
        self._ring()
        return found

    def move(self, job_ids: Sequence[str], *, place: int | Literal["first", "last"]) -> list[JobStatus]:
        """Refused: the order is Ray's.

        Raises:
            JobError: Always, with what lets others by.
        """
        del place
        raise JobError(
            f"Run {job_ids[0]} is in Ray's queue, whose order Ray decides. To let others by: "
            f"python -m core cancel {job_ids[0]}, and retry it later."
        )

    def wake(self) -> bool:
        """Start the driver, detached, where there is work and none runs; whether it had to."""
        driver = self._paths.ray_driver
        if not driver.root.is_dir() or not any(is_of(self.name, run) for run in open_jobs(self._paths)):
            return False
        if not _is_installed() or self._has_just_failed() or LocalBackend.is_alive(driver):
            return False
        with file_errors(driver.root):
            for file in (driver.process, driver.heartbeat, driver.failed):  # of one that is gone
                file.unlink(missing_ok=True)
            environ = {"ATLAS_HOME": str(self._paths.home)}
            start_detached(DRIVER, *self._options, log=driver.log, environ=environ, record=driver.process)
        return True

    def warm(self) -> None:
        """Nothing: Ray starts processes on its nodes."""

    @staticmethod
    def awaits(run: RunPaths) -> str | None:
        """What Ray holds it back for, or why it does not know of it."""
        said = says(AtlasPaths(run.root.parent.parent))
        return said if isinstance(said, str) else said.of(run.run_id)

    def _ring(self) -> None:
        root = self._paths.ray_driver.root
        with file_errors(root):
            root.mkdir(parents=True, exist_ok=True)
            root.parent.touch()  # the time of the folder above it is the bell

    def _has_just_failed(self) -> bool:
        """Whether the cluster did not answer a moment ago: it is not asked by every look at a list."""
        try:
            return abs(time.time() - self._paths.ray_driver.failed.stat().st_mtime) < _AGAIN_S
        except FileNotFoundError:
            return False


def _is_installed() -> bool:
    return importlib.util.find_spec("ray") is not None
