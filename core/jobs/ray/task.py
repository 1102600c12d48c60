"""One task of Ray, on the node that Ray gave it: it starts the worker of its job and stays beside it.

Ray starts a task again, on another node, where its node or process dies. What it finds then is in the job's folder: it
waits until nobody executes the job any more, and the worker goes on from its last checkpoint. A start that kept no new
state counts as a try of the job, whatever ended it, and a job is tried three times: so what brings down one node after
the other ends some day, and a run that sees many nodes come and go does not.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from core.errors import AtlasError, DiskFull
from core.files import is_there, opened_log
from core.holding import is_held
from core.jobs import attempt
from core.jobs.graph import Node
from core.jobs.records import JobRecord, read_job
from core.paths import REPO, AtlasPaths, RunPaths
from core.processes import GRACE_S
from core.spec.cluster import OnNode
from core.spec.execution import AUTO

_LOOK_S = 1.0
_DISK_WAIT_S = 30.0


class Order(NamedTuple):
    """What is the same for all tasks of a home."""

    home: str
    """The Atlas home, at the same path on every node."""
    on_node: OnNode
    """How a worker is started."""
    threads: str
    """Of a job."""
    worker: str
    """Module that executes it."""


def execute(node: Node, *, order: Order, has_gpu: bool, after: object = None) -> str:
    """Do a task, and say what became of it; how a job ended is in its folder, so nothing is raised on its account.

    Args:
        node: The job, or the stage of several.
        order: Where and how.
        has_gpu: Whether Ray gave it a GPU, or a share of one.
        after: Of the task that it waited for; Ray waits for it because it is handed over.
    """
    del after
    paths, reason = AtlasPaths(Path(order.home)), "Its node or its process died."
    while (run := attempt.first_open(node.jobs, paths=paths)) is not None:
        try:
            if attempt.is_executed(run):  # by who was started for it before: Ray lost its node, and yet it may live
                time.sleep(_LOOK_S)
                continue
            job = _counted(run)
            if job is None:
                return "its record is gone"
            if job.attempts >= job.attempts_allowed:
                attempt.give_up(run, reason=reason, starts=job.attempts)
                return reason
            code = _executed(run, job, node=node, order=order, has_gpu=has_gpu)
        except DiskFull:  # whoever frees space lets it go on
            time.sleep(_DISK_WAIT_S)
        except (AtlasError, OSError) as error:  # a folder that cannot be read or written: lists of jobs say so
            return f"{run.run_id}: {error}"
        else:
            if code == 0 or any(map(is_there, (run.finished, run.failed))):
                return "done"
            reason = attempt.how_it_ended(code)
            if not is_held(run):
                run.process.unlink(missing_ok=True)  # so that it reads as queued and not as lost
    return "ended before"


def _counted(run: RunPaths) -> JobRecord | None:
    """The job, its tries forgotten where the last one came further: its record was written just before that began."""
    job = read_job(run.job)
    if job is not None and job.attempts and attempt.has_kept_state(run, since=run.job.stat().st_mtime):
        return job.model_copy(update={"attempts": 0})
    return job


def _executed(run: RunPaths, job: JobRecord, *, node: Node, order: Order, has_gpu: bool) -> int:
    """Exit code of a worker, which is ended with this task where Ray stops that."""
    device = attempt.device_here(job, os.environ) if has_gpu or job.device != AUTO else "cpu"
    on_node, is_stage = order.on_node, node.stage is not None
    words = attempt.worker_words(run, worker=order.worker, device=device, is_stage=is_stage)
    command = [*on_node.container, on_node.python or sys.executable, *words]
    if on_node.setup:
        command = ["bash", "-c", "\n".join([*on_node.setup, f"exec {shlex.join(command)}"])]
    environ = attempt.with_threads(os.environ, given=order.threads) | {"ATLAS_HOME": order.home}
    # Counted before the start: of a node that dies nobody hears why.
    job = attempt.note(run, job, attempts=job.attempts + 1, slot=device, note=None)
    with opened_log(run.log) as log:
        child = subprocess.Popen(command, cwd=REPO, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        code = child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(timeout=GRACE_S)
            child.kill()
    if (is_stage and code == 0) or code == os.EX_TEMPFAIL:
        # The stage is there, and the job itself was not tried; or another process executes it.
        attempt.note(run, job, attempts=job.attempts - 1)
    return code
