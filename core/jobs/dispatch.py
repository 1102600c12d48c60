"""The dispatcher: `python -m core.jobs.dispatch`, one small process per Atlas home, without torch.

It starts the first queued job on each free slot (one per visible GPU, or two on the CPU; `ATLAS_GPU_SLOTS` and
`ATLAS_CPU_SLOTS` say others) that needs no stage which another job is training (`sharing`), puts back a job whose
process vanished, and ends when there is nothing left to do. While a job waits, or the Launch page was looked at a
short while ago, it keeps workers warm (`warmth`). It may be killed at any time: the next one adopts what still runs.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from filelock import FileLock, Timeout

from core.errors import AtlasError, DiskFull, NotWritable, RunFolderDamaged, SpecError, as_damage
from core.files import is_there, read_whole, write_text
from core.holding import executing
from core.jobs.attempt import give_up, how_it_ended
from core.jobs.folders import is_open, job_folders, queue_key
from core.jobs.prune import make_room
from core.jobs.records import LOCAL, JobState, JobStatus, change_job, has_progressed, is_of, read_job, write_failure
from core.jobs.sharing import Trainings
from core.jobs.slots import HIDING, device_of, fits_beside, free_for, is_here, slots_for, visible_slots
from core.jobs.state import derive_state
from core.jobs.telling import ALERT, Teller
from core.jobs.warmth import N_SPARE, Warmth
from core.paths import AtlasPaths, RunPaths
from core.processes import read_process, start_detached, stop_tree, this_host
from core.spec.execution import n_devices
from core.spec.plain import shortened
from core.variables import OF_JOBS, THREADS, WARM

WORKER = "core.chain.worker"
"""Module that executes a run or profile; named and never imported, because it loads torch."""

SETTINGS = (
    *(name for name in OF_JOBS if name != WARM),  # a warm worker is the dispatcher's own matter
    *(ALERT, *HIDING, "OMP_NUM_THREADS", "MKL_NUM_THREADS"),
)
"""Environment variables that a dispatcher without running jobs takes on from whoever rings."""

_LOG = logging.getLogger(__name__)
_LOCK_WAIT_S = 2.0
_CANCEL_PATIENCE_S = 10.0
_DISK_WAIT_S = 30.0
_EXIT_WAIT_S = 0.5
_BELL_S = 0.03
"""Seconds between two looks at the bell: one `stat` each."""


class Timing(NamedTuple):
    """How often the dispatcher looks, and how long it stays without work."""

    poll_s: float = 0.5
    """Seconds between two looks at the queue, unless somebody rings."""
    idle_s: float = 10.0
    """Seconds without a queued or running job after which it ends."""


def main(words: list[str] | None = None) -> None:
    """Look after the queue of the Atlas home until it is empty.

    Args:
        words: Command line; the process's own if None.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker-module", default=WORKER)
    parser.add_argument("--poll-s", type=float, default=Timing().poll_s)
    parser.add_argument("--idle-s", type=float, default=Timing().idle_s)
    options = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    paths = AtlasPaths.from_environment()
    serve(paths, worker=options.worker_module, timing=Timing(options.poll_s, options.idle_s))


def serve(paths: AtlasPaths, *, worker: str, timing: Timing) -> None:
    """Look after the queue; returns when it is empty, or at once where another dispatcher does so.

    Args:
        worker: Module to start for each run.
        timing: How often to look.
    """
    paths.slots.mkdir(parents=True, exist_ok=True)
    # Waits a little: `LocalBackend.wake` holds the lock for an instant when it looks whether it is free.
    lock = FileLock(paths.dispatcher_lock, timeout=_LOCK_WAIT_S)
    dispatcher = Dispatcher(paths, worker=worker, slots=visible_slots(os.environ))
    try:
        while True:
            with lock:
                paths.dispatcher_starting.unlink(missing_ok=True)  # from now on the lock says that there is one
                dispatcher.work(timing)
            # Whoever submitted while the lock was held was told that a dispatcher exists: look once more without it.
            if not dispatcher.has_work():
                return
    except Timeout:
        return
    finally:
        dispatcher.teller.look(os.environ)
        dispatcher.warmth.end()


def ring(paths: AtlasPaths, environ: Mapping[str, str]) -> None:
    """Have the dispatcher look at the queue now.

    Args:
        environ: Environment of who rings.

    Raises:
        DiskFull: No space is left.
    """
    write_text(paths.bell, json.dumps({name: environ[name] for name in SETTINGS if name in environ}))


def _of_environment(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{shortened(value)} is no setting of an environment")
    return value


class _Aside(NamedTuple):
    changed_ns: int
    """Time of the folder's last change when it was set aside: another one, and it is tried again."""
    until: float = math.inf
    """Moment from which it is tried again all the same."""


class Dispatcher:
    """Starts and watches jobs; what it knows is read from the run folders, save the exit codes of its children."""

    def __init__(self, paths: AtlasPaths, *, worker: str, slots: tuple[str, ...]) -> None:
        """Start nothing yet.

        Args:
            worker: Module to start for each run.
            slots: Places for one job at a time, as `visible_slots` names them.
        """
        self._paths, self._worker, self._slots = paths, worker, slots
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._finished: set[str] = set()
        self._aside: dict[str, _Aside] = {}
        self._cancelled: dict[str, float] = {}
        self._rung = self._heard = self._bell()
        self._trainings, self.teller = Trainings(paths), Teller(paths)
        self.warmth = Warmth(paths, worker=worker)

    def work(self, timing: Timing) -> None:
        """Look after the queue until it has been empty for a while.

        Args:
            timing: How often to look.
        """
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < timing.idle_s:
            if self.step() or self.warmth.is_wished():
                idle_since = time.monotonic()
            self._rest(timing.poll_s)

    def _rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self._bell() == self._heard:
            time.sleep(min(_BELL_S, left))
        self._heard = self._bell()  # settings wait until no job runs; the queue is looked at once for each ring

    def _bell(self) -> int:
        try:
            return self._paths.bell.stat().st_mtime_ns
        except OSError:  # nobody has rung, or something else lies there
            return 0

    def _take_on_settings(self) -> None:
        """Those of who rang last, as if they had started this dispatcher."""
        rung, self._rung = self._rung, self._bell()
        if rung == self._rung:
            return
        try:
            with as_damage(self._paths.bell.name):
                found = {**json.loads(read_whole(self._paths.bell, most_bytes=2**20))}
                said = {name: _of_environment(found[name]) for name in SETTINGS if name in found}
        except RunFolderDamaged as error:
            _LOG.warning("%s The settings stay as they are.", error)
            return
        if said == {name: os.environ[name] for name in SETTINGS if name in os.environ}:
            return
        for name in SETTINGS:
            os.environ.pop(name, None)
        os.environ.update(said)
        try:
            self._slots = visible_slots(os.environ)
        except SpecError as error:
            _LOG.warning("%s The slots stay as they are.", error)
        self.warmth.end()

    def has_work(self) -> bool:
        """Whether a job is queued, running or lost."""
        return any(s.state in {JobState.QUEUED, JobState.RUNNING, JobState.LOST} for s in self._open_jobs())

    def step(self) -> bool:
        """Reap, put back lost jobs, fill free slots; whether anything is queued or running."""
        exits = self._reap()
        jobs = self._open_jobs()
        lost = [s for s in jobs if s.state is JobState.LOST]
        for status in lost:
            with self._apart(run := self._paths.job(status.run_id)):
                self._put_back(run, exit_code=exits.get(status.run_id, self._exit_of(status.run_id)))
        jobs = self._open_jobs() if lost else jobs
        self.teller.tend(os.environ, n_open=len(jobs))
        running = [s for s in jobs if s.state is JobState.RUNNING]
        if not running:
            self._take_on_settings()
        for status in running:
            with self._apart(run := self._paths.job(status.run_id)):
                self._stop_if_cancelled(run)
        queue = sorted((s for s in jobs if s.state is JobState.QUEUED), key=queue_key)
        n_waiting = len(queue) - self._fill(queue, running=running)
        is_needed = n_waiting > 0 or self.warmth.is_wished()
        self.warmth.tend(is_needed=is_needed, most=min(N_SPARE, len(self._slots)))
        return bool(running or queue)

    @contextmanager
    def _apart(self, run: RunPaths) -> Iterator[None]:
        """What goes wrong with one job is its own failure, and where even that cannot be written down it is let be."""
        try:
            yield
        except DiskFull as error:
            _LOG.warning("%s has to wait: %s", run.run_id, error)
            self._aside[run.run_id] = _Aside(_changed_ns(run), time.monotonic() + _DISK_WAIT_S)
        except (AtlasError, OSError) as error:
            with suppress(NotWritable, DiskFull):
                _fail(run, f"It could not be started: {error}")
            # The list of runs says what is wrong with the folder.
            self._aside[run.run_id] = _Aside(_changed_ns(run))
            _LOG.warning("%s is set aside: %s", run.run_id, error)

    def _open_jobs(self) -> list[JobStatus]:
        found = []
        for run in job_folders(self._paths):
            # A finished run never opens again, so thousands of them cost one set lookup each.
            if run.run_id in self._finished or self._is_aside(run):
                continue
            if is_there(run.finished):
                self._finished.add(run.run_id)
            # A cancelled or failed run whose process still lives keeps its slot until it is gone.
            elif (is_open(run) or is_there(run.process)) and is_of(LOCAL, run):
                found.append(derive_state(run))
        return found

    def _is_aside(self, run: RunPaths) -> bool:
        seen = self._aside.get(run.run_id)
        if seen is None:
            return False
        if seen.changed_ns == _changed_ns(run) and time.monotonic() < seen.until:
            return True
        del self._aside[run.run_id]
        return False

    def _reap(self) -> dict[str, int]:
        exits = {run_id: code for run_id, child in self._children.items() if (code := child.poll()) is not None}
        for run_id in exits:
            del self._children[run_id]
        return exits

    def _exit_of(self, run_id: str) -> int | None:
        """Exit code of a child that let go of its job a moment ago; None: it is no child, or has not ended."""
        child = self._children.get(run_id)
        if child is None:
            return None
        with suppress(subprocess.TimeoutExpired):
            code = child.wait(timeout=_EXIT_WAIT_S)
            del self._children[run_id]
            return code
        return None

    def _slot_of(self, status: JobStatus) -> str:
        job = None
        with suppress(RunFolderDamaged):  # it was whole a moment ago
            job = read_job(self._paths.job(status.run_id).job)
        # Started by hand, without the queue: it is assumed to be where a job would go first.
        return job.slot if job and job.slot else self._slots[0]

    def _stop_if_cancelled(self, run: RunPaths) -> None:
        if not is_there(run.cancel):
            self._cancelled.pop(run.run_id, None)
            return
        since = self._cancelled.setdefault(run.run_id, time.monotonic())
        waited_s = time.monotonic() - since
        process = executing(run)
        # Whoever cancelled stops the tree; this is for a job that was being started at that very moment.
        if process and waited_s >= _CANCEL_PATIENCE_S:
            _LOG.info("%s was cancelled %.0f s ago and is still running: stopping it", run.run_id, waited_s)
            stop_tree(process)

    def _fill(self, queue: list[JobStatus], *, running: list[JobStatus]) -> int:
        """Start what there is room for; how many left the queue."""
        here = [status for status in running if status.host in {None, this_host()}]  # a home may have several machines
        n_left, taken = 0, {slot for status in here for slot in self._slot_of(status).split(",")}
        in_progress, at_work = self._trainings.in_progress(running), [status.parameters_m for status in here]
        for status in queue:
            run = self._paths.job(status.run_id)
            if not is_here(status.device, self._slots):
                with self._apart(run):
                    machine = f"this machine has {', '.join(dict.fromkeys(map(device_of, self._slots)))}"
                    _fail(run, f"The job requests {status.device}, but {machine}. Submit it with --device auto.")
                n_left += 1
                continue
            options = slots_for(self._slots, device=status.device, parameters_m=status.parameters_m, environ=os.environ)
            free = free_for(options, taken, device=status.device)
            # A job that needs what another is training lets others by. Where there are none its slot stays free: all
            # that it could do meanwhile is to hold memory, and whoever is submitted next finds the slot.
            if not free and n_devices(status.device) > 1:
                break  # were others let by, it would wait until all of its GPUs are idle at once
            if not free or (training := self._trainings.next_of(status)) in in_progress:
                continue
            if not fits_beside(at_work, parameters_m=status.parameters_m, slot=free[0], environ=os.environ):
                break  # in its turn: were smaller jobs let by, a large one would wait for the last of them
            with self._apart(run):
                if not self._start(run, slots=free, n_slots=len(options)):
                    continue
                taken |= set(free)
                at_work.append(status.parameters_m)
                in_progress |= {training} if training else set()
            n_left += 1
        return n_left

    def _start(self, run: RunPaths, *, slots: Sequence[str], n_slots: int) -> bool:
        """Whether it was started; not, where it was removed, or began elsewhere, a moment ago."""
        try:
            for each in make_room(self._paths, os.environ):
                _LOG.info("removed %s, because little of the disk is free", each.what)
        except SpecError as error:  # the environment's, and no job's fault
            _LOG.warning("nothing is removed: %s", error)
        # Counted before the start, so that a worker that cannot even import is not started for ever.
        record = change_job(run, lambda job: {"attempts": job.attempts + 1, "slot": ",".join(slots), "note": None})
        if record is None:
            return False
        environ = {"ATLAS_HOME": str(self._paths.home)}
        if slots[0].startswith("cpu:") and THREADS not in os.environ:
            environ[THREADS] = str(max(1, (os.cpu_count() or 1) // n_slots))
        words = (str(run.root), "--device", ",".join(map(device_of, slots)))
        # The worker writes its record anew as soon as it is up; until then this one keeps others from starting it, too.
        child = self.warmth.use(*words, log=run.log, environ=environ, record=run.process) or start_detached(
            self._worker, *words, log=run.log, environ=environ, record=run.process
        )
        self._children[run.run_id] = child
        _LOG.info("%s started on %s, attempt %d, pid %d", run.run_id, words[-1], record.attempts, child.pid)
        return True

    def _put_back(self, run: RunPaths, *, exit_code: int | None) -> None:
        process, job = read_process(run.process), read_job(run.job)
        reason = how_it_ended(exit_code, pid=process.pid if process else None)
        if process:
            stop_tree(process)
        if job and has_progressed(run):  # what keeps ending gets nowhere; a long run may see many restarts
            job = job.model_copy(update={"attempts": 0})
        if job is None:
            _fail(run, f"{reason} The job was never submitted, so it is not restarted.")
        elif job.attempts >= job.attempts_allowed:
            _LOG.warning("%s is given up: %s", run.run_id, reason)
            give_up(run, reason=reason, starts=job.attempts)
        else:
            note = f"{reason} Put back into the queue, start {job.attempts + 1} of {job.attempts_allowed}."
            write_text(run.job, job.model_copy(update={"note": note}).model_dump_json())
            run.process.unlink(missing_ok=True)
            _LOG.info("%s: %s", run.run_id, note)


def _changed_ns(run: RunPaths) -> int:
    try:
        return run.root.stat().st_ctime_ns
    except OSError:
        return 0


def _fail(run: RunPaths, message: str) -> None:
    write_failure(run.failed, error="JobLost", message=message)
    _LOG.warning("%s failed: %s", run.run_id, message)


if __name__ == "__main__":
    try:
        main()
    except AtlasError as error:
        sys.exit(str(error))
