"""Watch runs from a terminal: one line when something happened, at most every few seconds for each run."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from core.actions.queue import wake
from core.cli.console import note
from core.errors import RunFolderDamaged, as_damage
from core.files import opened
from core.jobs.records import JobState
from core.jobs.state import derive_state
from core.paths import AtlasPaths
from core.spec.profile import ProfileSpec, job_id_of
from core.spec.run import RunSpec

_ENDED = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.DAMAGED})
_POLL_S = 1.0
_QUIET_S = 5.0
_TAIL_BYTES = 16_384


def follow(specs: Sequence[RunSpec | ProfileSpec], *, paths: AtlasPaths) -> list[str]:
    """Ids of the runs or profiles that did not end well, once all have ended.

    Args:
        specs: What was submitted.
        paths: Where they live.
    """
    pending = {job_id_of(spec): spec for spec in specs}
    spoken: dict[str, tuple[float, str]] = {}
    bad: list[str] = []
    while pending:
        for run_id, spec in list(pending.items()):
            status = derive_state(paths.job(run_id))
            if status.state in _ENDED:
                del pending[run_id]
                _say_end(spec, state=status.state, message=status.message, left=len(pending))
                bad += [] if status.state is JobState.DONE else [run_id]
            elif status.state is JobState.RUNNING:
                _say_progress(spec, paths=paths, spoken=spoken)
        if pending:
            wake(paths)
            time.sleep(_POLL_S)
    return bad


def said_last(events: Path) -> str | None:
    """The last fact of an event file in a few words; None if there is none worth a line, or the file holds no fact.

    Args:
        events: `events.jsonl` of a run, which a job may be appending to.
    """
    try:
        with as_damage(events.name):
            event = latest_event(events)
            return describe(event) if event else None
    except RunFolderDamaged:  # the list of runs says what is wrong
        return None


def latest_event(events: Path) -> dict[str, Any] | None:
    """The fact in the last complete line of an event file; None if there is none.

    Args:
        events: `events.jsonl` of a run, which a job may be appending to.
    """
    try:
        with opened(events) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            lines = file.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return None
    if not lines or not lines[-1].startswith(b"{"):
        return None
    event: dict[str, Any] = orjson.loads(lines[-1])["event"]
    return event


def describe(event: dict[str, Any]) -> str | None:  # noqa: PLR0911  # one line per fact
    """A fact in a few words; None for one that is not worth a line.

    Args:
        event: The fact as JSON.
    """
    match event["type"]:
        case "stage_started" if event["kind"] == "evaluation":
            done = f", {event['resumed_at']} of them scored before" if event["resumed_at"] else ""
            return f"evaluation {event['name']}: {event['total_steps']} languages{done}"
        case "stage_started":
            resumed = f", going on at step {event['resumed_at']}" if event["resumed_at"] else ""
            return f"{event['kind']} {event['name']}: {event['total_steps']} steps{resumed}"
        case "stage_reused":
            return f"{event['kind']} {event['name']}: reused"
        case "step_logged":
            return f"step {event['step']}, loss {event['loss']:.3f}, {event['examples_per_s']:.0f} examples/s"
        case "dev_scored":
            return f"step {event['step']}, English dev {event['metric']} {event['score']:.3f}"
        case "profile_advanced":
            return f"{event['phase']}: {event['done']} of {event['total']}, {event['computed']} computed now"
        case "language_scored":
            return f"{event['lang']} {event['metric']} {event['score']:.3f} on {event['n']}"
        case _:
            return None


def _say_progress(spec: RunSpec | ProfileSpec, *, paths: AtlasPaths, spoken: dict[str, tuple[float, str]]) -> None:
    text = said_last(paths.job(job_id_of(spec)).events)
    said_at, said = spoken.get(job_id_of(spec), (0.0, ""))
    if text and text != said and time.monotonic() - said_at > _QUIET_S:
        spoken[job_id_of(spec)] = (time.monotonic(), text)
        note(f"{_label(spec)}: {text}")


def _say_end(spec: RunSpec | ProfileSpec, *, state: JobState, message: str | None, left: int) -> None:
    reason = f": {message}" if message else ""
    note(f"{_label(spec)}: {state}{reason} ({left} left)")


def _label(spec: RunSpec | ProfileSpec) -> str:
    if isinstance(spec, ProfileSpec):
        return f"{spec.profile_id} {spec.kind} profile, {spec.model.name}, seed {spec.seed}"
    return f"{spec.run_id} {spec.intermediate_name} → {spec.target}, seed {spec.seed}"
