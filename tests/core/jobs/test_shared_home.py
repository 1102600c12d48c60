"""A home that several machines share: what another one executes is judged by its heartbeat, and started once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from core import holding
from core.holding import ELSEWHERE_S, Busy, beat, held
from core.jobs.dispatch import Dispatcher
from core.jobs.local import LocalBackend
from core.jobs.records import JobState, read_job
from core.jobs.state import derive_state
from core.paths import REPO, AtlasPaths, RunPaths
from core.processes import ProcessRecord, find, read_process, record_of, stop_tree, this_host
from tests.core.jobs.fakeworker import read
from tests.makers.folders import run_spec

OTHER = "node-17.cluster"


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AtlasPaths:
    monkeypatch.setenv("ATLAS_HOME", str(tmp_path))
    return AtlasPaths(home=tmp_path)


@pytest.fixture
def run(paths: AtlasPaths) -> RunPaths:
    """A run that another machine executes; its process has a number that is somebody else's here."""
    spec = run_spec("mnli", seed=7)
    LocalBackend(paths).submit([spec])
    run = paths.run(spec.run_id)
    run.process.write_text(ProcessRecord(pid=os.getpid(), started=1.0, host=OTHER).model_dump_json())
    return run


def silent(run: RunPaths, *, seconds: float) -> None:
    """Nothing was written by the other machine for so long."""
    for file in (run.heartbeat, run.process):
        file.touch()
        os.utime(file, (time.time() - seconds, time.time() - seconds))


def dispatcher(paths: AtlasPaths) -> Dispatcher:
    return Dispatcher(paths, worker="tests.core.jobs.fakeworker", slots=("cpu",))


def test_a_job_that_beats_elsewhere_runs_and_is_started_nowhere_else(paths: AtlasPaths, run: RunPaths) -> None:
    beat(run.heartbeat)
    found = derive_state(run)
    assert (found.state, found.host, found.message) == (JobState.RUNNING, OTHER, None)
    assert found.heartbeat_age_s == pytest.approx(0, abs=5)
    here = dispatcher(paths)
    assert here.step() and here.has_work()
    assert read(paths.home / "starts.txt") == [] and run.process.exists()
    with pytest.raises(Busy, match=f"executed by process {os.getpid()} of {OTHER}: it is not started twice"), held(run):
        pass


def test_one_that_has_just_been_started_elsewhere_has_not_beaten_yet(run: RunPaths) -> None:
    assert not run.heartbeat.exists()
    assert derive_state(run).state is JobState.RUNNING


def test_one_that_fell_silent_elsewhere_is_lost_within_a_minute_and_goes_on_here(
    paths: AtlasPaths, run: RunPaths
) -> None:
    silent(run, seconds=ELSEWHERE_S - 5)
    run.cancel.touch()
    stopping = derive_state(run)
    assert stopping.state is JobState.RUNNING and "asked to stop" in (stopping.message or "")
    run.cancel.unlink()
    running = derive_state(run)
    assert running.state is JobState.RUNNING and running.message is None
    silent(run, seconds=ELSEWHERE_S + 5)
    assert ELSEWHERE_S <= 60 and derive_state(run).state is JobState.LOST
    here = dispatcher(paths)
    here.step()
    end = time.monotonic() + 20
    while derive_state(run).state is not JobState.DONE:
        assert time.monotonic() < end, run.log.read_text()
        time.sleep(0.05)
    assert len(read(paths.home / "starts.txt")) == 1
    process, job = read_process(run.process), read_job(run.job)
    assert process is not None and process.host == this_host()
    assert job is not None and "ended unexpectedly" in (job.note or "ended unexpectedly")


def test_the_clock_of_the_shared_file_system_counts_and_not_that_of_this_machine(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat(run.heartbeat)
    clock = time.time
    for hours in (-5, 5):
        holding._ahead_s.cache_clear()
        monkeypatch.setattr(time, "time", lambda hours=hours: clock() + 3600 * hours)
        assert derive_state(run).state is JobState.RUNNING
    holding._ahead_s.cache_clear()


def test_a_slot_here_is_free_while_the_same_one_elsewhere_is_taken(paths: AtlasPaths, run: RunPaths) -> None:
    beat(run.heartbeat)
    job = read_job(run.job)
    assert job is not None
    run.job.write_text(job.model_copy(update={"slot": "cpu"}).model_dump_json())
    LocalBackend(paths).submit([run_spec(seed=8)])
    dispatcher(paths).step()
    end = time.monotonic() + 20
    while not read(paths.home / "starts.txt"):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert derive_state(run).state is JobState.RUNNING


def test_the_process_of_another_machine_is_neither_found_nor_stopped_here() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True) as stranger:
        own = record_of(stranger.pid)
        assert own is not None and own.host == this_host() and find(own) is not None
        other = own.model_copy(update={"host": OTHER})
        assert find(other) is None and not stop_tree(other, grace_s=0.1)
        assert stranger.poll() is None
        assert find(own.model_copy(update={"host": None})) is not None, "as earlier versions wrote it"
        stranger.kill()


_HEEDS = """
import sys, time
from pathlib import Path
from core.chain import worker
from core.paths import RunPaths
worker.HEARTBEAT_S = 0.05
worker._attempt = lambda run, **_: time.sleep(60)
sys.exit(worker._execute(RunPaths(Path(sys.argv[1])), asked=worker._Asked("cpu", "granted" in sys.argv)))
"""


def test_a_worker_heeds_the_marker_of_whoever_cancelled_it_from_another_machine(run: RunPaths) -> None:
    words = [sys.executable, "-c", _HEEDS, str(run.root)]
    with subprocess.Popen(words, cwd=REPO) as worker:
        end = time.monotonic() + 20
        while not run.heartbeat.exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        time.sleep(0.2)
        assert worker.poll() is None, "nobody has cancelled it"
        run.cancel.touch()
        assert worker.wait(timeout=20) == 128 + 15
    assert '"run_cancelled"' in run.events.read_text()


def test_a_worker_that_an_engine_started_ends_with_the_task_that_started_it(run: RunPaths) -> None:
    starts = "import subprocess, sys; subprocess.call(sys.argv[1:])"
    words = [sys.executable, "-c", starts, sys.executable, "-c", _HEEDS, str(run.root), "granted"]
    with subprocess.Popen(words, cwd=REPO) as task:
        end = time.monotonic() + 20
        while not run.heartbeat.exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        (worker,) = psutil.Process(task.pid).children()
        record = record_of(worker.pid)
        assert record is not None
        time.sleep(0.2)
        assert find(record) is not None
        task.kill()
    while find(record) is not None:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert not run.events.read_text(), "nobody cancelled it: it is put back"
