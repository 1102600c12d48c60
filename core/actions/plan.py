"""What a launch would cost and what the queue still costs, on the slots of this machine; nothing is started."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import duckdb

from core.actions.launch import ANYWHERE, Where
from core.errors import SpecError
from core.jobs.backend import backend_class, backend_named, chosen_backend
from core.jobs.records import LOCAL, JobState
from core.jobs.slots import UNKNOWN_PARAMETERS_M, is_here, slots_for, visible_slots
from core.paths import AtlasPaths
from core.queries.runs.estimate import StudyEstimate, estimate
from core.queries.runs.estimate import time_left as left_of
from core.queries.runs.pace import Machine, Span
from core.spec.execution import AUTO, n_devices
from core.spec.run import StudySpec
from core.studies import StudyRequest, build_study
from core.variables import CPU_SLOTS, THREADS, check_for_jobs, number


class Plan(NamedTuple):
    """What a launch would start, and where."""

    cost: StudyEstimate
    """Runs, trainings, time and disk."""
    machine: Machine
    """The slots that its jobs would take."""
    backend: str = LOCAL
    """Where they would run."""
    lacks: str | None = None
    """The device that they ask for and that this machine lacks."""

    @property
    def time(self) -> Span:
        """Seconds until the last run has ended."""
        return Span(self.cost.seconds_low, self.cost.seconds_high)

    @property
    def where(self) -> str:
        """The slots, for the user."""
        if self.backend != LOCAL:
            slots = ", ".join(self.machine.slots)
            return f"The time is that on this machine ({slots}); jobs run where {self.backend} has room."
        if self.lacks is not None:
            return f"They would fail here: this machine has no {self.lacks}."
        return slots_in_words(self.machine)


def plan(
    wanted: StudyRequest | StudySpec,
    *,
    paths: AtlasPaths,
    cur: duckdb.DuckDBPyConnection,
    where: Where = ANYWHERE,
    again: bool = False,
) -> Plan:
    """What a launch with the same arguments would start.

    Args:
        wanted: As it was typed, or built already.
        cur: On a store that holds everything that is on disk now.
        again: Whether runs that are done are run again.

    Raises:
        SpecError: The request has a problem, the number of slots is none, or its backend takes no jobs.
    """
    check_settings(where.backend)
    chosen_backend(where.backend, paths=paths).check()
    study = build_study(wanted, paths=paths) if isinstance(wanted, StudyRequest) else wanted
    largest = max(UNKNOWN_PARAMETERS_M if m.parameters_m is None else m.parameters_m for m in study.models)
    device = where.execution.device
    machine = this_machine(device, parameters_m=largest)
    # A stage is written beside its place and renamed: what is there is whole.
    cost = estimate(cur, study, machine=machine, exists=lambda key: paths.stage(key).is_dir(), again=again)
    return Plan(cost, machine, backend_named(where.backend), None if is_here(device, _slots()) else device)


def check_settings(backend: str | None = None) -> None:
    """Refuse what the environment says wrongly of jobs and where they run, before one is asked for.

    Args:
        backend: That was chosen; None: the usual one.

    Raises:
        SpecError: A variable holds something else than it may; `UnknownName` where there is no such backend.
    """
    check_for_jobs(os.environ)
    backend_class(backend_named(backend))


def why_none_there(backend: str | None, *, paths: AtlasPaths) -> str | None:
    """Why no job can be submitted to a backend from here, such as a fault of `backend.yaml`; None where it can.

    Args:
        backend: That was chosen; None: the usual one.
    """
    try:
        chosen_backend(backend, paths=paths).check()
    except SpecError as error:
        return str(error)
    return None


def slots_in_words(machine: Machine) -> str:
    """How many jobs run at a time, and where, for the user."""
    slots, threads = machine.slots, machine.threads
    each = f", {threads} thread{'s' * (threads > 1)} each" if machine.kind == "cpu" else ""
    return f"{len(slots)} run{'s' * (len(slots) > 1)} at a time: {', '.join(slots)}{each}."


def time_left(cur: duckdb.DuckDBPyConnection, jobs: Sequence[tuple[str, JobState]]) -> dict[str, Span]:
    """Seconds from now until each open run has ended, from its own progress and the slots of this machine.

    Args:
        cur: On a store that holds what the jobs wrote.
        jobs: Runs and their states, in order of the queue; those that have ended are passed over.
    """
    in_order = (JobState.RUNNING, JobState.LOST, JobState.QUEUED)
    ids = [run_id for wanted in in_order for run_id, state in jobs if state is wanted]
    return left_of(cur, ids, machine=this_machine()) if ids else {}


def this_machine(device: str = AUTO, *, parameters_m: float = 0.0) -> Machine:
    """The slots that jobs for a device take.

    Args:
        device: `auto` for all of them.
        parameters_m: Of their largest model, in millions; as many slots as fit into the memory count.

    Raises:
        SpecError: The number of CPU slots that the environment asks for is none.
    """
    slots = slots_for(_slots(), device=device, parameters_m=parameters_m, environ=os.environ)[:: n_devices(device)]
    shared = max(1, (os.cpu_count() or 1) // len(slots))
    return Machine(slots, int(number(THREADS, os.environ, usual=shared)))


def set_cpu_slots(n: int) -> None:
    """Have so many jobs share the CPU, for every launch of this process from now on; as `ATLAS_CPU_SLOTS` does.

    Args:
        n: Jobs at a time.
    """
    os.environ[CPU_SLOTS] = str(n)
    _slots.cache_clear()


@lru_cache(maxsize=1)
def _slots() -> tuple[str, ...]:
    # Asks nvidia-smi or torch, which takes seconds; devices do not come and go.
    return visible_slots(os.environ)
