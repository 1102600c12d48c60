"""The dispatcher with a worker that needs no torch: real processes, killed for real."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core.errors import JobError
from core.jobs import dispatch, records
from core.jobs.dispatch import Dispatcher, Timing, ring
from core.jobs.folders import job_folders
from core.jobs.local import LocalBackend
from core.jobs.records import JobState, read_job
from core.jobs.state import derive_state
from core.paths import AtlasPaths
from core.processes import read_process, record_of
from core.spec.execution import ExecutionOptions
from core.variables import CPU_SLOTS
from tests.core.jobs.fakeworker import read
from tests.makers.folders import run_spec

OPTIONS = ("--worker-module", "tests.core.jobs.fakeworker", "--poll-s", "0.05", "--idle-s", "0.5")


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AtlasPaths]:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv(CPU_SLOTS, "1")
    paths = AtlasPaths(home=tmp_path)
    yield paths
    for process in started_for(paths):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def started_for(paths: AtlasPaths) -> list[psutil.Process]:
    """Dispatcher and workers of this home, by the environment they were given."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.environ().get("ATLAS_HOME") == str(paths.home):
                found.append(process)
    for run in job_folders(paths):
        record = read_process(run.process)
        if record and psutil.pid_exists(record.pid):
            found.append(psutil.Process(record.pid))
    return found


def wait_for(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def states(paths: AtlasPaths) -> set[JobState]:
    return {s.state for s in LocalBackend(paths).jobs()}


def starts(paths: AtlasPaths) -> list[str]:
    return [line.split()[0] for line in read(paths.home / "starts.txt")]


def test_jobs_run_in_order_on_one_slot_and_a_failure_stops_nothing(paths: AtlasPaths) -> None:
    (paths.home / "fake.txt").write_text("sleep=0.2 once=fail")
    specs = [run_spec(seed=i) for i in range(3)]
    LocalBackend(paths).submit(specs)
    assert LocalBackend(paths, options=OPTIONS).wake()
    most = 0
    while JobState.QUEUED in states(paths) or JobState.RUNNING in states(paths):
        most = max(most, sum(s.state is JobState.RUNNING for s in LocalBackend(paths).jobs()))
        time.sleep(0.02)
    assert most == 1
    assert starts(paths) == [s.run_id for s in specs]
    assert {s.message for s in LocalBackend(paths).jobs()} == {"made to fail"}
    LocalBackend(paths).submit(specs[:1])
    LocalBackend(paths, options=OPTIONS).wake()
    wait_for(lambda: derive_state(paths.run(specs[0].run_id)).state is JobState.DONE)


def test_cancel_ends_the_whole_tree(paths: AtlasPaths) -> None:
    (paths.home / "fake.txt").write_text("sleep=60 child")
    spec = run_spec()
    LocalBackend(paths).submit([spec])
    LocalBackend(paths, options=OPTIONS).wake()
    wait_for(lambda: (paths.home / "child.txt").exists() and (paths.home / "child.txt").read_text() != "")
    grandchild = psutil.Process(int((paths.home / "child.txt").read_text()))
    time.sleep(0.3)  # it needs a moment to begin to ignore SIGTERM
    assert LocalBackend(paths).cancel(spec.run_id).state is JobState.CANCELLED
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE


def test_a_killed_worker_is_started_again_and_finishes(paths: AtlasPaths) -> None:
    (paths.home / "fake.txt").write_text("once=sleep=60")
    spec = run_spec()
    LocalBackend(paths).submit([spec])
    LocalBackend(paths, options=OPTIONS).wake()
    wait_for(lambda: len(starts(paths)) == 1)
    record = read_process(paths.run(spec.run_id).process)
    assert record is not None
    psutil.Process(record.pid).kill()
    wait_for(lambda: states(paths) == {JobState.DONE})
    assert starts(paths) == [spec.run_id] * 2


def test_dispatcher_and_worker_killed_the_next_dispatcher_goes_on(paths: AtlasPaths) -> None:
    (paths.home / "fake.txt").write_text("once=sleep=60")
    spec = run_spec()
    LocalBackend(paths).submit([spec])
    LocalBackend(paths, options=OPTIONS).wake()
    wait_for(lambda: len(starts(paths)) == 1)
    for process in started_for(paths):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    wait_for(lambda: states(paths) == {JobState.LOST})
    wait_for(lambda: LocalBackend(paths, options=OPTIONS).wake())
    wait_for(lambda: states(paths) == {JobState.DONE})


def test_a_new_dispatcher_adopts_a_living_worker(paths: AtlasPaths) -> None:
    (paths.home / "fake.txt").write_text("sleep=2")
    specs = [run_spec(seed=1), run_spec(seed=2)]
    LocalBackend(paths).submit(specs)
    LocalBackend(paths, options=OPTIONS).wake()
    wait_for(lambda: len(starts(paths)) == 1)
    next(p for p in started_for(paths) if "core.jobs.dispatch" in p.cmdline()).kill()
    wait_for(lambda: LocalBackend(paths, options=OPTIONS).wake())
    time.sleep(0.8)
    assert len(starts(paths)) == 1  # the slot is the adopted worker's
    wait_for(lambda: states(paths) == {JobState.DONE})
    assert starts(paths) == [s.run_id for s in specs]


def test_a_job_that_keeps_vanishing_is_given_up_with_its_reason(paths: AtlasPaths) -> None:
    (paths.home / "fake.txt").write_text("die")
    LocalBackend(paths).submit([run_spec()])
    LocalBackend(paths, options=OPTIONS).wake()
    wait_for(lambda: states(paths) == {JobState.FAILED})
    (status,) = LocalBackend(paths).jobs()
    assert len(starts(paths)) == status.attempts == 3
    assert "ended with exit code 7 and wrote no end marker" in (status.message or "")
    assert "started 3 times and is not restarted" in (status.message or "")


@pytest.mark.parametrize(("patience_s", "is_stopped"), [(0.0, True), (10.0, False)])
def test_a_job_cancelled_while_it_was_started_is_stopped_after_a_while(
    paths: AtlasPaths, patience_s: float, is_stopped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever cancels stops the process; the dispatcher steps in where that has not helped within ten seconds."""
    spec = run_spec()
    LocalBackend(paths).submit([spec])
    run = paths.run(spec.run_id)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as job:
        record = record_of(job.pid)
        assert record is not None
        run.process.write_text(record.model_dump_json())
        run.cancel.touch()
        monkeypatch.setattr(dispatch, "_CANCEL_PATIENCE_S", patience_s)
        assert Dispatcher(paths, worker="tests.core.jobs.fakeworker", slots=("cpu",)).step(), "it was running"
        with contextlib.suppress(subprocess.TimeoutExpired):
            job.wait(timeout=2)
        assert (job.poll() is not None) == is_stopped
        job.kill()


def test_a_device_that_is_not_there_fails_with_what_is(paths: AtlasPaths) -> None:
    LocalBackend(paths).submit([run_spec()], execution=ExecutionOptions(device="cuda:3"))
    LocalBackend(paths, options=OPTIONS).wake()
    wait_for(lambda: states(paths) == {JobState.FAILED})
    assert "requests cuda:3, but this machine has cpu" in (LocalBackend(paths).jobs()[0].message or "")


def test_a_job_that_is_moved_in_the_instant_of_its_start_keeps_its_slot_and_its_place(
    paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two write its record: the dispatcher where it runs, the move where it stands."""
    spec, other = run_spec(seed=1), run_spec(seed=2)
    backend, run = LocalBackend(paths), paths.run(spec.run_id)
    backend.submit([spec, other])
    before, said, write = read_job(run.job), list[str](), records.write_text
    assert before is not None

    def _move() -> None:
        try:
            backend.move([spec.run_id], place="last")
            said.append("moved")
        except JobError as error:
            said.append(str(error))

    mover = threading.Thread(target=_move)

    def _slowly(path: Path, text: str) -> None:
        if path == run.job and not mover.ident:
            mover.start()
            mover.join(0.3)  # time to read the record as it was and to write it, were it let
        write(path, text)

    monkeypatch.setattr(records, "write_text", _slowly)
    (paths.home / "fake.txt").write_text("sleep=5")
    Dispatcher(paths, worker="tests.core.jobs.fakeworker", slots=("cpu:0",)).step()
    mover.join()
    job = read_job(run.job)
    assert job is not None and (job.attempts, job.slot) == (1, "cpu:0")
    assert (job.position > before.position) == (said == ["moved"]), said


def test_a_ring_while_a_job_runs_is_heard_once(paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was heard until the job ended, at the cost of a core."""
    dispatcher = Dispatcher(paths, worker="tests.core.jobs.fakeworker", slots=("cpu",))
    began, looks = time.monotonic(), 0

    def runs() -> bool:
        nonlocal looks
        looks += 1
        return time.monotonic() - began < 0.3

    monkeypatch.setattr(dispatcher, "step", runs)
    paths.slots.mkdir(parents=True, exist_ok=True)
    ring(paths, {})
    dispatcher.work(Timing(poll_s=0.1, idle_s=0.2))
    assert 3 <= looks < 20


def test_nothing_to_do_starts_no_dispatcher(paths: AtlasPaths) -> None:
    assert not LocalBackend(paths, options=OPTIONS).wake()


def test_two_cpu_slots_run_two_jobs_at_a_time(paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CPU_SLOTS, "2")
    (paths.home / "fake.txt").write_text("sleep=1")
    LocalBackend(paths).submit([run_spec(seed=i) for i in range(4)])
    assert LocalBackend(paths, options=OPTIONS).wake()
    wait_for(lambda: sum(s.state is JobState.RUNNING for s in LocalBackend(paths).jobs()) == 2)
    wait_for(lambda: states(paths) == {JobState.DONE})
    assert {line.split()[2] for line in read(paths.home / "starts.txt")} == {"cpu:0", "cpu:1"}


def test_who_is_named_is_told_when_jobs_have_ended(
    paths: AtlasPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looks at a page: the dispatcher has the command look, once for what it did not look at yet."""
    told, tells = tmp_path / "told.txt", tmp_path / "tells.py"
    tells.write_text(f"import sys; open({str(told)!r}, 'a').write(sys.argv[1])")
    monkeypatch.setenv("ATLAS_ALERT", f"{sys.executable} {tells}")
    monkeypatch.setenv("ATLAS_KEEP_FREE_GB", "1e9")
    LocalBackend(paths, options=OPTIONS).submit([run_spec(None)])
    LocalBackend(paths, options=OPTIONS).wake()
    wait_for(told.exists, seconds=60)
    assert told.read_text().startswith("disk low: ")
