"""Slurm's own commands: what `sbatch` is told, what `squeue` says. Nothing here knows of runs."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from core.errors import JobError, SpecError
from core.paths import REPO, AtlasPaths
from core.spec.cluster import SlurmOptions

AGAIN = 75
"""Exit code of a task that is to be put back into Slurm's queue."""
TASK = "core.jobs.slurm.task"
"""Module that a task of an array executes."""

_NAME = "atlas-"
_WAIT_S = 60.0
_MOST_WORDS = 500
_FORMAT = "%F|%K|%T|%r|%j|%i|%M"

WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"})
"""States of a task that Slurm will start, or start again."""
RUNNING = frozenset(
    {"RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}
)
"""States of a task that has a node."""


HELD = frozenset({"launch failed requeued held", "JobHoldMaxRequeue"})
"""Why Slurm itself holds a task until somebody releases it: a node could not start it, or it was put back too often."""


class SlurmSays(NamedTuple):
    """What Slurm says of one task of an array."""

    array: str
    """Slurm's number of the array."""
    number: int
    """Of the task in it."""
    state: str
    """In Slurm's words."""
    reason: str
    """Why it waits, or ended so."""
    token: str
    """Our name of the array."""
    task: str
    """What `scancel` calls the task."""
    runs_s: float = 0.0
    """Seconds since Slurm started it, or started it again."""

    @property
    def is_live(self) -> bool:
        """Whether Slurm runs it, or will."""
        return self.state in WAITING or self.state in RUNNING


def is_here() -> bool:
    """Whether this machine can talk to Slurm."""
    return shutil.which("sbatch") is not None and shutil.which("squeue") is not None


def queue() -> list[SlurmSays]:
    """Every task of ours, of any Atlas home: those that wait or run, and those that ended some minutes ago.

    Raises:
        JobError: Slurm does not answer.
    """
    said = _answer(["squeue", "--noheader", "--array", "--states=all", f"--format={_FORMAT}"])
    found = []
    for line in said.splitlines():
        array, index, state, reason, name, task, runs = (line.split("|", 6) + [""] * 7)[:7]
        if name.startswith(_NAME) and index.isdecimal():
            token = name.removeprefix(_NAME)
            found.append(SlurmSays(array, int(index), state, reason.replace("_", " "), token, task, _seconds(runs)))
    return found


def _seconds(text: str) -> float:
    """A time as `squeue` has it: `2:01`, `1-04:00:00`."""
    days, _, clock = text.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdecimal() for part in (*parts, days or "0")):
        return 0.0
    return int(days or 0) * 86_400.0 + sum(int(part) * 60.0**place for place, part in enumerate(reversed(parts)))


def submit(options: SlurmOptions, *, paths: AtlasPaths, token: str, numbers: str, after: str | None, batch: str) -> str:
    """Hand an array to Slurm; its number.

    Args:
        options: What each task asks for.
        token: Name of the file that says what its tasks are.
        numbers: Of the tasks, as `--array` takes them.
        batch: What each task executes: `script`.
        after: Number of the array whose tasks come before those of the same numbers.

    Raises:
        JobError: Slurm refuses it, or does not answer.
    """
    throttle = f"%{options.at_once}" if options.at_once else ""
    words = [
        *("sbatch", "--parsable", f"--job-name={_NAME}{token}", f"--array={numbers}{throttle}"),
        *("--nodes=1", "--ntasks=1", "--requeue", "--open-mode=append", f"--signal=B:USR1@{options.signal_s}"),
        *(f"--chdir={REPO}", f"--output={paths.slurm_logs}/{token}_%a.log"),
        *([f"--dependency=aftercorr:{after}"] if after else []),
        *(f"--{name}={value}" for name, value in _asked(options).items() if value is not None),
        *options.options,
    ]
    return _answer(words, script=batch).strip().split(";")[0]


def _asked(options: SlurmOptions) -> dict[str, object]:
    return {
        "partition": options.partition,
        "account": options.account,
        "qos": options.qos,
        "gres": options.gres,
        "cpus-per-task": options.cpus,
        "mem": options.memory,
        "time": options.time,
    }


def script(options: SlurmOptions, *, paths: AtlasPaths, token: str, words: Sequence[str] = ()) -> str:
    """The batch script of an array.

    Slurm's signal before the time limit stops the job, which then asks to be put back; a job that Slurm itself
    stops (preempted, cancelled) is left to it.

    Args:
        options: Lines before the job, container and Python.
        token: As for `submit`.
        words: Further words of the task's command line.
    """
    python = options.python or sys.executable
    file = str(paths.slurm / f"{token}.json")
    task = shlex.join([*options.container, python, "-m", TASK, *words, file])
    return "\n".join(
        [
            "#!/bin/bash",
            f"export ATLAS_HOME={shlex.quote(str(paths.home))}",
            *options.setup,
            "stopped=",
            "trap 'stopped=1; kill -TERM $job' TERM",
            "trap 'kill -USR1 $job' USR1",
            f'{task} "$SLURM_ARRAY_TASK_ID" & job=$!',
            "wait $job; code=$?",
            "while kill -0 $job 2>/dev/null; do wait $job; code=$?; done",
            f'[ $code = {AGAIN} ] && [ -z "$stopped" ] && scontrol requeue "$SLURM_JOB_ID" && sleep 300',
            "exit 0",
            "",
        ]
    )


def cancel(tasks: Sequence[str]) -> None:
    """Have Slurm stop tasks, or forget them.

    Args:
        tasks: As `SlurmSays.task`.

    Raises:
        JobError: Slurm does not answer.
    """
    for start in range(0, len(tasks), _MOST_WORDS):
        _answer(["scancel", "--quiet", *tasks[start : start + _MOST_WORDS]])


class Order(Enum):
    """What Slurm can be told of one task: words of `scontrol`, in which `{}` is the task."""

    START_AGAIN = ("requeue", "{}")
    """Though it believes it to be running."""
    FREE = ("release", "{}")
    """It was held, and is considered again."""
    WAIT_FOR_NONE = ("update", "JobId={}", "Dependency=")
    """What it waited for has ended badly."""


def tell(order: Order, tasks: Iterable[str]) -> None:
    """Give Slurm an order for each of some tasks.

    Args:
        order: The same for all.
        tasks: As `SlurmSays.task`.

    Raises:
        JobError: Slurm does not answer.
    """
    for task in tasks:
        _answer(["scontrol", *(word.format(task) for word in order.value)])


def _answer(words: list[str], *, script: str | None = None) -> str:
    try:
        done = subprocess.run(
            words,
            input=script,
            capture_output=True,
            text=True,
            timeout=_WAIT_S,
            check=False,
            stdin=None if script else subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        raise SpecError(
            f"There is no command {words[0]} on this machine: submit from one where Slurm is installed."
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise JobError(f"Slurm does not answer: {error}") from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        name = Path(words[0]).name
        raise JobError(said if said.startswith(f"{name}: ") else f"{name}: {said or f'exit code {done.returncode}'}")
    return done.stdout
