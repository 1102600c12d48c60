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
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from core.errors import AtlasError
from core.files import is_there, read_whole, write_text
from core.holding import is_held
from core.jobs.dispatch import THREADS, WORKER
from core.jobs.folders import is_open
from core.jobs.records import JobRecord, read_job, write_failure
from core.jobs.slots import AUTO, visible_slots
from core.jobs.slurm.arrays import Submission, Task
from core.jobs.slurm.engine import AGAIN
from core.paths import REPO, AtlasPaths, RunPaths

_RESTARTS = "SLURM_RESTART_COUNT"
_THREADS_GIVEN = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")
_MOST_STAGE_STARTS = 3


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
    run = next((run for job in task.jobs if is_open(run := paths.job(job))), None)
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
        slot = visible_slots(os.environ)[0] if job.device == AUTO else job.device
        device = "cpu" if slot.startswith("cpu") else slot
        if self._task.stage is None and not self._restarts:
            # Counted before the start, so that a worker that cannot even import is not started for ever.
            job = self._note(job, attempts=job.attempts + 1, slot=device, note=None)
        only = ["--only-intermediate"] if self._task.stage else []
        words = [sys.executable, "-m", self._worker, str(self._run.root), "--device", device, "--granted", *only]
        with self._run.log.open("ab") as log:
            self._child = subprocess.Popen(
                words, cwd=REPO, env=_environment(os.environ), stdin=subprocess.DEVNULL, stdout=log, stderr=log
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
        if self._stopped_by == signal.SIGTERM or (self._stopped_by and self._has_progressed()):
            self._note(job, note=f"{reason} It goes on from its last checkpoint when its turn comes again.")
            return AGAIN
        if job.attempts >= job.attempts_allowed:
            tries = f"The job was started {job.attempts} times and is not restarted: fix the cause, then retry it."
            write_failure(self._run.failed, error="JobLost", message=f"{reason} {tries}")
            return 0
        again = f"{reason} Back in Slurm's queue, start {job.attempts + 1} of {job.attempts_allowed}."
        self._note(job, attempts=job.attempts + 1, note=again)
        return AGAIN

    def _has_progressed(self) -> bool:
        """Whether a state was kept since the start: what never comes so far within its time limit ends some day."""
        files = self._run.checkpoints.rglob("*") if self._run.checkpoints.is_dir() else ()
        return any(file.stat().st_mtime >= self._began - 1 for file in files)

    def _note(self, job: JobRecord, **changed: object) -> JobRecord:
        record = job.model_copy(update=changed)
        write_text(self._run.job, record.model_dump_json())
        return record


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    given = next((environ[name] for name in _THREADS_GIVEN if environ.get(name, "").isdecimal()), None)
    return dict(environ) | ({THREADS: given} if given and THREADS not in environ else {})


def _reason(code: int, *, stopped_by: int | None) -> str:
    if stopped_by == signal.SIGTERM:
        return "Slurm stopped it."
    if stopped_by:
        return "Its time limit in Slurm was reached."
    if code < 0:
        hint = ", as happens when memory runs out" if code == -signal.SIGKILL else ""
        return f"Its process was ended by {signal.Signals(-code).name}{hint}; see worker.log."
    return f"Its process ended with exit code {code} and wrote no end marker; see worker.log."


if __name__ == "__main__":
    try:
        sys.exit(main())
    except AtlasError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
