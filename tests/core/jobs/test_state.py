"""States derived from a folder: which marker speaks first, and when a running job carries a warning."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import psutil
import pytest

from core.jobs.records import JobState, has_progressed
from core.jobs.state import QUIET_S, derive_state
from core.paths import AtlasPaths, RunPaths
from tests.makers.folders import run_spec


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    """A submitted run."""
    spec = run_spec("mnli", seed=7)
    run = AtlasPaths(home=tmp_path).run(spec.run_id)
    run.root.mkdir(parents=True)
    run.spec.write_text(spec.canonical_json())
    job = {"run_id": spec.run_id, "position": 1.0, "submitted_at": "2026-01-01T00:00:00.000Z", "attempts": 2}
    run.job.write_text(json.dumps(job | {"note": "waits"}))
    return run


def alive(run: RunPaths, *, is_gone: bool = False) -> None:
    """This process as the job's, or one that had its number before."""
    me = psutil.Process()
    run.process.write_text(json.dumps({"pid": me.pid, "started": me.create_time() - 3600 * is_gone}))


def beat(run: RunPaths, *, seconds_ago: float) -> None:
    run.heartbeat.write_text(f"{time.monotonic() - seconds_ago}")


def test_a_running_job_carries_a_warning_after_two_minutes_without_a_heartbeat(run: RunPaths) -> None:
    alive(run)
    assert derive_state(run).message is None, "it has not come to its first heartbeat"
    beat(run, seconds_ago=QUIET_S - 30)
    healthy = derive_state(run)
    assert (healthy.state, healthy.message) == (JobState.RUNNING, None)
    assert healthy.heartbeat_age_s == pytest.approx(QUIET_S - 30, abs=5)
    beat(run, seconds_ago=QUIET_S + 30)
    silent = derive_state(run)
    assert silent.state is JobState.RUNNING
    assert (silent.message or "").startswith("No heartbeat for 15")
    assert f"process {os.getpid()} exists" in (silent.message or "")


def test_a_job_that_does_not_run_has_no_heartbeat(run: RunPaths) -> None:
    beat(run, seconds_ago=QUIET_S + 30)
    found = derive_state(run)
    assert (found.state, found.heartbeat_age_s, found.message) == (JobState.QUEUED, None, "waits")


@pytest.mark.parametrize(
    ("there", "state"),
    [
        ("finished cancel failed gone", JobState.DONE),
        ("finished alive", JobState.DONE),
        ("cancel failed alive", JobState.RUNNING),
        ("cancel failed gone", JobState.CANCELLED),
        ("failed gone", JobState.FAILED),
        ("failed", JobState.FAILED),
        ("gone", JobState.LOST),
        ("", JobState.QUEUED),
    ],
)
def test_which_marker_speaks_first(run: RunPaths, there: str, state: JobState) -> None:
    words = there.split()
    for marker in (run.finished, run.cancel, run.failed):
        if marker.stem in words:
            marker.write_text('{"message": "no memory"}')
    if {"alive", "gone"} & set(words):
        alive(run, is_gone="gone" in words)
    found = derive_state(run)
    assert found.state is state
    assert (found.pid is not None) == (state is JobState.RUNNING)
    assert (found.message == "no memory") == (state is JobState.FAILED)


def test_what_a_list_shows_of_a_run(run: RunPaths) -> None:
    found = derive_state(run)
    assert (found.model, found.intermediate, found.target, found.seed) == ("tiny", "mnli", "xnli", 7)
    assert (found.protocol, found.data_source, found.kind) == ("quick", "sample", "run")
    assert (found.attempts, found.position, found.submitted_at) == (2, 1.0, "2026-01-01T00:00:00.000Z")


def test_a_folder_that_was_copied_under_another_name_is_damaged_and_not_done(run: RunPaths) -> None:
    run.finished.write_text("{}")
    assert derive_state(run).state is JobState.DONE
    copied = RunPaths(run.root.with_name("0123456789ab"))
    shutil.copytree(run.root, copied.root)
    found = derive_state(copied)
    assert found.state is JobState.DAMAGED and f"is of {run.run_id}: the folder was copied" in str(found.message)


def test_an_attempt_that_came_on_is_told_by_its_own_facts_alone(run: RunPaths) -> None:
    """Starts are counted anew then: three restarts of the machine within a week of training are no broken job."""
    assert not has_progressed(run)
    os.utime(run.job, (1, 1))
    started, scored = '{"event":{"type":"run_started"}}\n', '{"event":{"type":"language_scored"}}\n'
    for facts, expected in ((started, False), (started + scored, True), (started + scored + started, False)):
        run.events.write_text(facts)
        assert has_progressed(run) == expected
    run.events.write_text(started + '{"event":{"type":"flagged","message":"\\"type\\":\\"language_scored\\""}}\n')
    assert not has_progressed(run)
    run.events.write_text(started + scored)
    os.utime(run.events, (1, 1))
    os.utime(run.job, (2, 2))
    assert not has_progressed(run), "it was started again, and ended before its first fact"
