"""One task of a job array, on its node: `python -m core.jobs.slurm.task LIST NUMBER`. Nobody imports it.

It starts the worker of its job and stays beside it. It ends with exit code 75 where Slurm should start it again: the
batch script stopped it before the time limit, or its worker was killed and may be tried again. How a job ended is in
its folder, so everything else is exit code 0, which lets go on what waits for it.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from core.errors import AtlasError
from core.files import is_there, opened_log, read_whole
from core.holding import is_held
from core.jobs import attempt
from core.jobs.dispatch import WORKER
from core.jobs.records import JobRecord, read_job
from core.jobs.slurm.arrays import Submission, Task
from core.jobs.slurm.engine import AGAIN
from core.paths import REPO, AtlasPaths, RunPaths

_RESTARTS = "SLURM_RESTART_COUNT"
_THREADS_GIVEN = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")
_MOST_STAGE_STARTS = 3
_LOOK_S = 1.0


def main(words: list[str] | None = None) -> int:
    """Execute the task; 75 where it is to be started again.

    Args:
        words: Command line; the process's own if None.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("list", type=Path, help="what sbatch was told")
    parser.add_argument("number", type=int, help="of the task in its array")
    parser.add_argument("--worker-module", default=WORKER)
    options = parser.parse_args(words)
    paths = AtlasPaths.from_environment()
    submission = Submission.model_validate_json(read_whole(options.list))
    task = next(task for task in submission.tasks if task.index == options.number)
    while (run := attempt.first_open(task.jobs, paths=paths)) is not None and attempt.is_executed(run):
        time.sleep(_LOOK_S)  # by who was started for it before: its node is lost to Slurm, and yet it may live
    # Cancelled or done meanwhile; or the stage of jobs that have all ended.
    return 0 if run is None else _Attempt(run, task, worker=options.worker_module).execute()


class _Attempt:
    """One start of a job's worker."""

    def __init__(self, run: RunPaths, task: Task, *, worker: str) -> None:
        self._run, self._task, self._worker = run, task, worker
        self._restarts = int(os.environ.get(_RESTARTS) or 0)
        self._began = time.time()
        self._stopped_by: int | None = None
        self._child: subprocess.Popen[bytes] | None = None
        signal.signal(signal.SIGTERM, self._stop)  # from Slurm: preempted, put back, cancelled
        signal.signal(signal.SIGUSR1, self._stop)  # from the batch script: the time limit comes near

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._stopped_by = number
        if self._child:
            self._child.terminate()

    def execute(self) -> int:
        """The exit code of the task."""
        job = read_job(self._run.job)
        if job is None:
            return 0
        device, is_stage = attempt.device_here(job, os.environ), self._task.stage is not None
        if not is_stage and not self._restarts:
            # Counted before the start, so that a worker that cannot even import is not started for ever.
            job = attempt.note(self._run, job, attempts=job.attempts + 1, slot=device, note=None)
        words = attempt.worker_words(self._run, worker=self._worker, device=device, is_stage=is_stage)
        given = next((os.environ[name] for name in _THREADS_GIVEN if os.environ.get(name, "").isdecimal()), None)
        environ = attempt.with_threads(os.environ, given=given)
        with opened_log(self._run.log) as log:
            self._child = subprocess.Popen(
                [sys.executable, *words], cwd=REPO, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        if self._stopped_by:  # it came while the worker was being started
            self._child.terminate()
        code = self._child.wait()
        has_ended = any(map(is_there, (self._run.finished, self._run.failed)))
        if has_ended or code in {0, os.EX_TEMPFAIL}:  # the latter: another process executes the job
            return 0
        if not is_held(self._run):
            self._run.process.unlink(missing_ok=True)  # so that it reads as queued and not as lost
        return self._after(code, job)

    def _after(self, code: int, job: JobRecord) -> int:
        """What to do where the worker left no marker."""
        reason = _reason(code, stopped_by=self._stopped_by)
        sys.stderr.write(f"{self._run.run_id}: {reason}\n")
        if self._task.stage is not None:
            # A carrier that was cancelled leaves the stage to the next; one that keeps dying leaves it to the jobs.
            return 0 if self._restarts >= _MOST_STAGE_STARTS and not self._stopped_by else AGAIN
        if is_there(self._run.cancel):
            return 0
        has_progressed = attempt.has_kept_state(self._run, since=self._began - 1)
        if self._stopped_by == signal.SIGTERM or (self._stopped_by and has_progressed):
            goes_on = f"{reason} It goes on from its last checkpoint when its turn comes again."
            attempt.note(self._run, job, note=goes_on)
            return AGAIN
        if job.attempts >= job.attempts_allowed:
            attempt.give_up(self._run, reason=reason, starts=job.attempts)
            return 0
        again = f"{reason} Back in Slurm's queue, start {job.attempts + 1} of {job.attempts_allowed}."
        attempt.note(self._run, job, attempts=job.attempts + 1, note=again)
        return AGAIN


def _reason(code: int, *, stopped_by: int | None) -> str:
    if stopped_by == signal.SIGTERM:
        return "Slurm stopped it."
    if stopped_by:
        return "Its time limit in Slurm was reached."
    return attempt.how_it_ended(code)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except AtlasError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
