"""One process executes a job, and is known to be alive, whatever clocks and records say."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core import holding, processes
from core.holding import Busy, beat, held, is_held, since_beat
from core.jobs.records import JobState
from core.jobs.state import derive_state
from core.paths import REPO, AtlasPaths, RunPaths
from core.processes import ProcessRecord, find, is_alive, record_of, stop_tree
from tests.makers.folders import run_spec

_HOLD = """
import sys, time
from pathlib import Path
from core.holding import Busy, held
from core.files import write_text
from core.paths import RunPaths
run = RunPaths(Path(sys.argv[1]))
try:
    with held(run) as mine:
        write_text(run.process, mine.model_dump_json())
        print("holds", flush=True)
        time.sleep(float(sys.argv[2]))
except Busy as error:
    print(error, flush=True)
    sys.exit(75)
"""


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    """A submitted run."""
    spec = run_spec("mnli", seed=7)
    run = AtlasPaths(home=tmp_path).run(spec.run_id)
    run.root.mkdir(parents=True)
    run.spec.write_text(spec.canonical_json())
    run.job.write_text(f'{{"run_id": "{spec.run_id}", "position": 1.0, "submitted_at": "2026-01-01T00:00:00.000Z"}}')
    return run


@contextlib.contextmanager
def holder(run: RunPaths, *, seconds: float = 60) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the run."""
    words = [sys.executable, "-c", _HOLD, str(run.root), str(seconds)]
    with subprocess.Popen(words, cwd=REPO, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "holds\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_hundred_jumps_of_the_clock_and_a_sleep_neither_lose_a_job_nor_let_a_second_one_in(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step of 5 s under a living job made it "lost", and a second process was started beside it."""
    rng = random.Random(7)
    usual, clock = psutil.Process.create_time, time.time
    with holder(run) as process:
        for _ in range(100):
            jump = rng.choice([-1, 1]) * 10 ** rng.uniform(0.5, 8)
            monkeypatch.setattr(time, "time", lambda jump=jump: clock() + jump)
            monkeypatch.setattr(psutil.Process, "create_time", lambda self, jump=jump: usual(self) + jump)
            found = derive_state(run)
            assert (found.state, found.pid) == (JobState.RUNNING, process.pid)
            with pytest.raises(Busy, match=f"executed by process {process.pid}"), held(run, patience_s=0):
                pass
        monkeypatch.undo()
        process.send_signal(signal.SIGSTOP)
        assert derive_state(run).state is JobState.RUNNING
        process.send_signal(signal.SIGCONT)
        assert derive_state(run).state is JobState.RUNNING
    assert derive_state(run).state is JobState.LOST, "the system gave the lock back"


@pytest.mark.parametrize("record", ["gone", "a stranger's", "garbage", "none"])
def test_whoever_holds_a_job_is_alive_whatever_its_record_says(run: RunPaths, record: str) -> None:
    with holder(run) as process:
        match record:
            case "gone":
                run.process.write_text(ProcessRecord(pid=2**22 + 1, started=0.0).model_dump_json())
            case "a stranger's":
                run.process.write_text(f'{{"pid": {os.getpid()}, "started": 1.0}}')
            case "garbage":
                run.process.write_text("{")
            case _:
                run.process.unlink()
        found = derive_state(run)
        assert (found.state, found.pid) == (JobState.RUNNING, process.pid)


@pytest.mark.parametrize("content", ["", "{"])
def test_a_lock_that_is_just_being_written_is_no_damage(run: RunPaths, content: str) -> None:
    """It is emptied, then written: who looked between the two said "damaged" of a job that had just begun."""
    with holder(run) as process:
        run.hold.write_text(content)
        found = derive_state(run)
        assert (found.state, found.pid) == (JobState.RUNNING, process.pid)


def test_of_many_that_start_at_once_one_gets_in(run: RunPaths) -> None:
    with holder(run, seconds=6):
        pass
    words = [sys.executable, "-c", _HOLD, str(run.root), "8"]
    several = [subprocess.Popen(words, cwd=REPO, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate()[0] for process in several]
    assert sorted(process.returncode for process in several) == [0, 75, 75, 75], said


def test_looking_keeps_nobody_out(run: RunPaths) -> None:
    """Who looks has the lock for an instant, together with others who look; who wants it waits for that."""
    run.hold.touch()
    lock = os.open(run.hold, os.O_RDONLY)
    holding.fcntl.flock(lock, holding.fcntl.LOCK_SH)
    assert not is_held(run)
    os.close(lock)
    with held(run):
        assert is_held(run)
    assert not is_held(run)


def test_a_stranger_with_the_number_of_a_job_is_no_job_and_is_not_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that had started within two seconds of it was taken for it, and cancelling the job ended the stranger."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True) as stranger:
        own = record_of(stranger.pid)
        assert own is not None and own.ticks is not None and is_alive(own)
        for other in (own.model_copy(update={"ticks": own.ticks + 1}), own.model_copy(update={"boot": "another"})):
            assert find(other) is None
            assert not stop_tree(other, grace_s=0.1)
            assert stranger.poll() is None
        monkeypatch.setattr(processes, "_boot", lambda: None)  # a system without ticks
        assert find(own.model_copy(update={"ticks": 1})) is not None
        stranger.kill()


def test_a_heartbeat_is_counted_on_the_clock_that_nobody_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, now = tmp_path / "heartbeat", time.monotonic()
    assert since_beat(file) is None
    beat(file)
    monkeypatch.setattr(time, "monotonic", lambda: now + 90)
    assert since_beat(file) == pytest.approx(90, abs=1)
    file.write_bytes(b"\xff")
    assert since_beat(file) is None
