"""Jobs on a cluster with Slurm, which decides when and where each runs; we say what waits for what.

`submit` hands them over as job arrays (`arrays`), each task of which is `task` on a node. What is asked of Slurm is
`sbatch`, `squeue`, `scancel` and `scontrol`, no database of its own. `wake` compares what Slurm was told (`book`) with
what it says now: it hands over what was refused, has cancelled jobs stopped, and puts back what vanished.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Literal

from filelock import FileLock, Timeout

from core.errors import AtlasError, JobError, RunFolderDamaged, SpecError, as_damage
from core.files import file_errors, is_there, read_whole, write_text
from core.holding import ELSEWHERE_S, executing, is_held, lives, since_beat_elsewhere
from core.jobs import attempt, folders
from core.jobs.backend import Backend, backend_file
from core.jobs.folders import is_open
from core.jobs.graph import trainings_of
from core.jobs.records import JobStatus, read_job, write_failure
from core.jobs.slurm import engine
from core.jobs.slurm.arrays import Submission, Task, arrays, ranges
from core.jobs.slurm.book import FRESH_S, Book, Known, forget_look, look, own_task, submissions
from core.jobs.slurm.engine import Order, SlurmSays
from core.jobs.state import derive_state
from core.paths import AtlasPaths, RunPaths
from core.processes import read_process
from core.spec.execution import USUAL, ExecutionOptions
from core.spec.profile import ProfileSpec
from core.spec.run import RunSpec

_LOCK_WAIT_S = 120.0
_CANCELLED = "cancelled"
"""Name of an empty note: somebody cancelled jobs."""
_NOT_ITS_FAULT = frozenset({"PREEMPTED", "NODE_FAIL", "BOOT_FAIL"})
"""Ends that do not count as tries of the job."""
_SILENT_S = 120.0
"""Without a heartbeat, after which a task that Slurm believes to be running is started again."""
_CHECKED: dict[str, float] = {}
"""Home → moment of the last comparison, of the monotonic clock."""


class SlurmBackend(Backend):
    """The jobs of a home that Slurm executes; what it was told lies in `<home>/slurm`."""

    name: ClassVar[str] = "slurm"

    def __init__(self, paths: AtlasPaths, *, words: Sequence[str] = ()) -> None:
        """Look after a home.

        Args:
            words: Further words of the command line of each task.
        """
        self._paths, self._words = paths, tuple(words)

    def check(self) -> None:
        """Slurm's commands are called from here, with what `backend.yaml` says.

        Raises:
            SpecError: That file has a problem, or this machine has no Slurm.
        """
        backend_file(self._paths)
        if not engine.is_here():
            raise SpecError("There is no sbatch on this machine: submit from one where Slurm is installed.")

    def submit(
        self,
        specs: Sequence[RunSpec | ProfileSpec],
        *,
        study: str | None = None,
        execution: ExecutionOptions = USUAL,
        again: bool = False,
        launched_by: str | None = None,
    ) -> list[JobStatus]:
        """Write the folders, and hand the jobs to Slurm: one call per array, whatever the number of jobs.

        Raises:
            SpecError: `backend.yaml` has a problem, or this machine has no Slurm.
            JobError: A folder is damaged; or Slurm refuses the jobs, which stay queued then.
        """
        self.check()
        found = folders.enqueue(
            specs, paths=self._paths, how=folders.Submission(self.name, study, execution, launched_by), again=again
        )
        self._hand_over([status.run_id for status in found])
        return found

    def jobs(self) -> list[JobStatus]:
        """The jobs that were given to Slurm."""
        return folders.jobs_of(self.name, paths=self._paths)

    def cancel(self, job_id: str) -> JobStatus:
        """Leave the marker; `wake` has Slurm stop all that have one, in one call."""
        run = folders.mark_cancelled(job_id, paths=self._paths)
        with file_errors(self._paths.slurm):
            self._paths.slurm_wanted.mkdir(parents=True, exist_ok=True)
            (self._paths.slurm_wanted / _CANCELLED).touch()  # so that the next to look does not wait
        return derive_state(run)

    def retry(self, job_id: str, *, execution: ExecutionOptions = USUAL) -> JobStatus:
        """Note that it is wanted; `wake` hands over all that are, in one array of a kind."""
        found = folders.put_back(job_id, paths=self._paths, backend=self.name, execution=execution)
        self._want([job_id])
        return found

    def move(self, job_ids: Sequence[str], *, place: int | Literal["first", "last"]) -> list[JobStatus]:
        """Refused: the order is Slurm's.

        Raises:
            JobError: Always, with the command that Slurm has for it.
        """
        del place
        job_id = job_ids[0]
        tasks = [said.task for said in own_task(look(self._paths).live.get(job_id, []))]
        command = f"scontrol update JobId={tasks[0] if tasks else 'ID'} Nice=100"
        raise JobError(f"Run {job_id} is in Slurm's queue, whose order Slurm decides; to let others by: {command}")

    def wake(self) -> bool:
        """Compare what Slurm was told with what it says, every few seconds at most; whether jobs were handed over."""
        is_new = self._paths.slurm_wanted.is_dir() and any(self._paths.slurm_wanted.iterdir())
        if not is_new and not submissions(self._paths):
            return False
        since_s = time.monotonic() - _CHECKED.get(str(self._paths.home), -FRESH_S)
        # What was refused is asked again as seldom as all else: a site dislikes a page that calls sbatch each second.
        is_urgent = is_new and not is_there(self._paths.slurm_trouble)
        if not engine.is_here() or (since_s < FRESH_S and not is_urgent):
            return False
        try:
            with FileLock(self._paths.slurm_lock, timeout=0):
                return self._compare()
        except Timeout:
            return False
        except AtlasError as error:  # Slurm is away or refuses, or the disk is full: lists of jobs show it beside each
            self._note_trouble(error)
            return False

    @staticmethod
    def is_alive(run: RunPaths) -> bool:
        """Whether a process holds the job, or Slurm runs a task for it and a process was started."""
        if is_held(run):
            return True
        process = read_process(run.process)
        if process is None:
            return False
        seen = look(AtlasPaths(run.root.parent.parent))
        says = [one.says for one in seen.live.get(run.run_id, []) if one.says is not None]
        # Slurm may take an hour to find that a node has lost a job: whoever has not beaten for `ELSEWHERE_S` is gone.
        return lives(run, process) and (not seen.is_known or any(said.state in engine.RUNNING for said in says))

    @staticmethod
    def awaits(run: RunPaths) -> str | None:
        """State and reason of its task in Slurm."""
        paths = AtlasPaths(run.root.parent.parent)
        seen = look(paths)
        for said in own_task(seen.live.get(run.run_id, [])):
            reason = "" if said.reason in {"", "None"} else f" ({said.reason})"
            return f"Slurm {said.task}: {said.state.lower()}{reason}{_silence(said)}"
        if is_there(paths.slurm_trouble):
            with suppress(OSError, RunFolderDamaged):
                return f"Not handed to Slurm yet: {read_whole(paths.slurm_trouble).decode(errors='replace')}"
        return None if seen.is_known else "Slurm cannot be asked from this machine, or does not answer."

    def _note_trouble(self, error: AtlasError) -> None:
        with suppress(AtlasError):
            write_text(self._paths.slurm_trouble, " ".join(str(error).split()))  # one line, as lists show it

    def _want(self, job_ids: Sequence[str]) -> None:
        with file_errors(self._paths.slurm):
            for folder in (self._paths.slurm_wanted, self._paths.slurm_logs):
                folder.mkdir(parents=True, exist_ok=True)
        write_text(self._paths.slurm_wanted / secrets.token_hex(4), json.dumps(list(job_ids)))

    def _hand_over(self, job_ids: Sequence[str]) -> None:
        self._want(job_ids)
        try:
            with FileLock(self._paths.slurm_lock, timeout=_LOCK_WAIT_S):
                self._compare()
        except Timeout:
            pass  # whoever has it takes these along, or the next to look does
        except JobError as error:
            self._note_trouble(error)
            raise JobError(
                f"Slurm did not take the jobs: {str(error).rstrip('.')}. They stay queued and are handed over as soon "
                f"as it does; what they ask for is in {self._paths.backend_file}."
            ) from error

    def _compare(self) -> bool:
        _CHECKED[str(self._paths.home)] = time.monotonic()
        book = Book(self._paths, engine.queue())
        live = book.by_job()
        self._stop_cancelled(book)
        live_says = [k.says for k in book.tasks if k.says and k.is_live]
        never = [said.task for said in live_says if said.reason == "DependencyNeverSatisfied"]
        engine.tell(Order.WAIT_FOR_NONE, never)
        self._free_held(book)
        engine.tell(Order.START_AGAIN, [k.says.task for k in book.tasks if k.says and self._is_lost(k)])
        notes = sorted(self._paths.slurm_wanted.glob("*"))
        wanted = [job for note in notes for job in _ids(note)]
        wanted += self._vanished(book, but_not={*live, *wanted})
        has_own = {job for job, tasks in live.items() if any(True for _ in own_task(tasks))}
        fresh = [i for i in dict.fromkeys(wanted) if i not in has_own and is_open(self._paths.job(i))]
        self._send(fresh, book)
        for note in notes:
            note.unlink(missing_ok=True)
        self._paths.slurm_trouble.unlink(missing_ok=True)
        self._forget_ended(book)
        return bool(fresh)

    def _send(self, job_ids: Sequence[str], book: Book) -> None:
        if not job_ids:
            return
        options = backend_file(self._paths).slurm
        needs = {job_id: trainings_of(job_id, paths=self._paths) for job_id in job_ids}
        numbers: list[str] = []
        for array in arrays(needs, live=book.live_stages(), size=options.array_size):
            token = secrets.token_hex(4)
            file = self._paths.slurm / f"{token}.json"
            # Before Slurm knows of it, because its tasks read it: a file of which Slurm knows nothing is forgotten.
            write_text(file, Submission(tasks=array.tasks).model_dump_json())
            after = numbers[array.waits_for] if isinstance(array.waits_for, int) else array.waits_for
            try:
                indices = ranges(task.index for task in array.tasks)
                batch = engine.script(options, paths=self._paths, token=token, words=self._words)
                number = engine.submit(
                    options, paths=self._paths, token=token, numbers=indices, after=after, batch=batch
                )
            except AtlasError:
                file.unlink(missing_ok=True)
                with suppress(JobError):  # why the jobs were refused is what is told, and not this
                    engine.cancel(numbers)  # all or none: what was taken of these jobs is handed over with the rest
                raise
            numbers.append(number)
        forget_look(self._paths)

    def _free_held(self, book: Book) -> None:
        """Have Slurm try again what it holds because a node could not start it; that counts as a start of the job."""
        for known in book.tasks:
            if known.says is None or known.says.reason not in engine.HELD:
                continue
            run = attempt.first_open(known.task.jobs, paths=self._paths)
            job = read_job(run.job) if run else None
            if run is None or job is None:
                if known.task.stage is None:
                    engine.cancel([known.says.task])  # its job was done by another task meanwhile
                continue
            reason = f"Slurm could not start it ({known.says.reason})."
            if job.attempts < job.attempts_allowed:
                attempt.note(run, job, attempts=job.attempts + 1, note=f"{reason} Slurm was asked to try again.")
                engine.tell(Order.FREE, [known.says.task])
            else:
                attempt.give_up(run, reason=reason, starts=job.attempts)
                if known.task.stage is None:  # a stage has another run to carry it
                    engine.cancel([known.says.task])

    def _is_lost(self, known: Known) -> bool:
        """Whether a task that Slurm believes to be running began in this start, and has been silent for minutes.

        A node that died and came back within seconds of the start of a job is not asked for it again for an hour.
        """
        if known.says is None or known.says.state != "RUNNING":
            return False
        run = attempt.first_open(known.task.jobs, paths=self._paths)
        age_s = None if run is None or is_held(run) else since_beat_elsewhere(run)
        return age_s is not None and _SILENT_S < age_s < known.says.runs_s

    def _stop_cancelled(self, book: Book) -> None:
        """Have Slurm stop jobs that were cancelled, and stages that no open job needs any more."""

        def is_wanted(task: Task) -> bool:
            if task.stage is None:
                return not is_there(self._paths.job(task.jobs[0]).cancel)
            return any(is_open(self._paths.job(job)) for job in task.jobs)

        unwanted = [k.says.task for k in book.tasks if k.says and k.is_live and not is_wanted(k.task)]
        if unwanted:
            engine.cancel(unwanted)
            forget_look(self._paths)

    def _vanished(self, book: Book, *, but_not: set[str]) -> list[str]:
        """Jobs that Slurm has no task for any more and that have not ended: what it says of the last one counts."""
        found = []
        last = {known.task.jobs[0]: known for known in book.tasks if known.task.stage is None}
        for job_id, known in last.items():
            run = self._paths.job(job_id)
            if job_id in but_not or not is_open(run) or is_held(run):
                continue
            state = known.says.state if known.says else "gone"
            with suppress(RunFolderDamaged):  # lists of jobs say what is wrong with it
                if state == "CANCELLED":
                    run.cancel.touch()  # by scancel, and not by us
                elif self._put_back(run, state=state, token=known.token):
                    found.append(job_id)
        return found

    def _put_back(self, run: RunPaths, *, state: str, token: str) -> bool:
        """Whether a job that vanished is handed over again; else it failed."""
        job, process = read_job(run.job), executing(run)
        if job is None:
            return False
        # The task counts its starts. One that never came so far is counted here; one that was not its fault does not
        # count, as where Slurm puts a job of a dead node back by itself.
        came = process is not None
        attempts = max(job.attempts - came, 0) if state in _NOT_ITS_FAULT else job.attempts + (not came)
        reason = f"Its task in Slurm ended without a result ({state.lower()})."
        if attempts >= job.attempts_allowed and state not in _NOT_ITS_FAULT:
            log = f"see {run.log.name} and {self._paths.slurm_logs}/{token}_*.log"
            tries = f"It was tried {attempts} times and is not tried again: {log}, fix the cause, then retry it."
            write_failure(run.failed, error="JobLost", message=f"{reason} {tries}")
            return False
        changed = {"attempts": attempts, "note": f"{reason} It was handed to Slurm again."}
        write_text(run.job, job.model_copy(update=changed).model_dump_json())
        run.process.unlink(missing_ok=True)
        return True

    def _forget_ended(self, book: Book) -> None:
        """Remove the file of each array of which Slurm has no task left."""
        live = {known.token for known in book.tasks if known.is_live}
        ended = {known.token for known in book.tasks} - live
        for token in ended:
            (self._paths.slurm / f"{token}.json").unlink(missing_ok=True)


def _silence(said: SlurmSays) -> str:
    """What is said of a task that has a node, though no process of its job is known."""
    if said.state not in engine.RUNNING:
        return ""
    return ", its process starts" if said.runs_s < ELSEWHERE_S else ", but nobody has begun, or is heard of any more"


def _ids(note: Path) -> list[str]:
    try:
        with as_damage(note.name):
            return [str(job_id) for job_id in json.loads(read_whole(note) or b"[]")]
    except (RunFolderDamaged, FileNotFoundError):
        return []
