"""Which job gets which slot, and what becomes of one that vanished: the dispatcher with processes that are made up."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import psutil
import pytest
from filelock import FileLock

from core.jobs import dispatch, slots
from core.jobs.dispatch import Dispatcher, Timing, serve
from core.jobs.records import JobState, read_job
from core.jobs.state import derive_state
from core.paths import AtlasPaths, RunPaths
from core.variables import CPU_SLOTS
from tests.makers.folders import run_spec


class Start(NamedTuple):
    """A worker that was started."""

    seed: int
    slot: str
    environ: dict[str, str]


@pytest.fixture
def paths(tmp_path: Path) -> AtlasPaths:
    return AtlasPaths(home=tmp_path)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Start]:
    """What the dispatcher starts; each worker lives, as this very process."""
    found: list[Start] = []

    def start(_worker: str, root: str, _option: str, slot: str, **options: dict[str, str]) -> object:
        run = RunPaths(Path(root))
        found.append(Start(json.loads(run.spec.read_text())["seed"], slot, options["environ"]))
        occupy(run)
        return SimpleNamespace(pid=os.getpid(), poll=lambda: None)

    monkeypatch.setattr(dispatch, "start_detached", start)
    monkeypatch.delenv("ATLAS_THREADS", raising=False)
    return found


def occupy(run: RunPaths, *, is_gone: bool = False) -> None:
    """A process of the job: this one, or one that had its number before."""
    me = psutil.Process()
    run.process.write_text(json.dumps({"pid": me.pid, "started": me.create_time() - 3600 * is_gone}))


def queue(paths: AtlasPaths, seed: int, *, position: float | None = None, **fields: object) -> RunPaths:
    """A submitted run; its place is its seed unless another is given."""
    spec = run_spec(seed=seed)
    run = paths.run(spec.run_id)
    run.root.mkdir(parents=True)
    run.spec.write_text(spec.canonical_json())
    place = float(seed) if position is None else position
    job = {"run_id": spec.run_id, "position": place, "submitted_at": "2026-01-01T00:00:00.000Z"}
    run.job.write_text(json.dumps(job | fields))
    return run


def enlarge(run: RunPaths) -> None:
    """Its model has 100 M parameters."""
    spec = json.loads(run.spec.read_text())
    run.spec.write_text(json.dumps(spec | {"model": spec["model"] | {"parameters_m": 100}}))


def step(paths: AtlasPaths, *slots: str) -> bool:
    return Dispatcher(paths, worker="w", slots=slots).step()


def places(started: list[Start]) -> list[tuple[int, str]]:
    return [(start.seed, start.slot) for start in started]


def test_jobs_take_the_slots_in_the_order_of_the_queue(paths: AtlasPaths, started: list[Start]) -> None:
    for seed in (3, 1, 2):
        queue(paths, seed)
    assert step(paths, "cuda:0", "cuda:1")
    assert places(started) == [(1, "cuda:0"), (2, "cuda:1")]
    assert step(paths, "cuda:0", "cuda:1"), "two run and one waits"
    assert len(started) == 2


def test_equal_places_are_served_by_time_of_submission(paths: AtlasPaths, started: list[Start]) -> None:
    queue(paths, 1, position=5, submitted_at="2026-01-01T00:00:02.000Z")
    queue(paths, 2, position=5, submitted_at="2026-01-01T00:00:01.000Z")
    step(paths, "cpu")
    assert places(started) == [(2, "cpu")]


def test_a_job_that_asks_for_a_device_waits_for_it_and_lets_others_by(paths: AtlasPaths, started: list[Start]) -> None:
    queue(paths, 1, device="cuda:1")
    queue(paths, 2, device="cuda:1")
    queue(paths, 3)
    queue(paths, 4, device="cpu")
    queue(paths, 5, device="cpu")
    step(paths, "cuda:0", "cuda:1")
    assert places(started) == [(1, "cuda:1"), (3, "cuda:0"), (4, "cpu")], "the CPU is a slot of its own"


def test_a_job_of_two_gpus_waits_for_both(paths: AtlasPaths, started: list[Start]) -> None:
    queue(paths, 1)
    queue(paths, 2, device="auto:2")
    queue(paths, 3, device="cuda:1,cuda:2")
    queue(paths, 4)
    step(paths, "cuda:0", "cuda:1", "cuda:2")
    assert places(started) == [(1, "cuda:0"), (2, "cuda:1,cuda:2")]
    (paths.run(run_spec(seed=1).run_id).finished).write_text("{}")
    step(paths, "cuda:0", "cuda:1", "cuda:2")
    assert len(started) == 2, "nobody takes one of the GPUs that the next in the queue waits for"
    (paths.run(run_spec(seed=2).run_id).finished).write_text("{}")
    step(paths, "cuda:0", "cuda:1", "cuda:2")
    assert places(started)[2:] == [(3, "cuda:1,cuda:2"), (4, "cuda:0")]


def test_more_gpus_than_there_are_is_a_failure_that_says_so(paths: AtlasPaths, started: list[Start]) -> None:
    runs = [queue(paths, seed, device=device) for seed, device in enumerate(("auto:3", "cuda:0,cuda:7"))]
    step(paths, "cuda:0", "cuda:1")
    assert not started
    said = [derive_state(run).message or "" for run in runs]
    assert "requests auto:3, but this machine has cuda:0, cuda:1" in said[0] and "cuda:0,cuda:7" in said[1]


def test_jobs_that_share_a_gpu_are_told_its_device(paths: AtlasPaths, started: list[Start]) -> None:
    for seed in (1, 2, 3):
        queue(paths, seed, device="cuda:0" if seed == 2 else "auto")
    assert step(paths, "cuda:0", "cuda:0#2")
    assert places(started) == [(1, "cuda:0"), (2, "cuda:0")]
    assert [read_job(paths.run(run_spec(seed=seed).run_id).job).slot for seed in (1, 2)] == ["cuda:0", "cuda:0#2"]  # type: ignore[union-attr]
    assert step(paths, "cuda:0", "cuda:0#2") and len(started) == 2, "two run and one waits"


def test_a_start_is_counted_and_says_where(paths: AtlasPaths, started: list[Start]) -> None:
    run = queue(paths, 1, attempts=1, note="put back")
    step(paths, "cuda:0")
    job = read_job(run.job)
    assert job is not None
    assert (job.attempts, job.slot, job.note) == (2, "cuda:0", None)
    assert started[0].environ == {"ATLAS_HOME": str(paths.home)}


@pytest.mark.parametrize("marker", ["cancel", "failed"])
def test_a_job_keeps_its_slot_until_its_process_is_gone(paths: AtlasPaths, started: list[Start], marker: str) -> None:
    run = queue(paths, 1, slot="cuda:0")
    occupy(run)
    getattr(run, marker).write_text("{}")
    queue(paths, 2)
    step(paths, "cuda:0")
    assert not started
    run.process.unlink()
    step(paths, "cuda:0")
    assert places(started) == [(2, "cuda:0")]


def test_a_job_of_unknown_place_is_taken_to_be_on_the_first_slot(paths: AtlasPaths, started: list[Start]) -> None:
    occupy(queue(paths, 1))
    queue(paths, 2)
    step(paths, "cuda:0", "cuda:1")
    assert places(started) == [(2, "cuda:1")]


@pytest.mark.parametrize(
    ("slots", "asked", "threads"),
    [(("cpu:0", "cpu:1"), None, True), (("cpu:0", "cpu:1"), "7", False), (("cpu",), None, False)],
    ids=["shared cores", "said otherwise", "one slot"],
)
def test_slots_of_one_processor_share_its_cores(
    paths: AtlasPaths, started: list[Start], monkeypatch: pytest.MonkeyPatch, slots: tuple[str, ...],
    asked: str | None, threads: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    if asked:
        monkeypatch.setenv("ATLAS_THREADS", asked)
    queue(paths, 1)
    step(paths, *slots)
    assert started[0].environ.get("ATLAS_THREADS") == ("3" if threads else None)


def test_a_model_that_fits_once_runs_alone_on_all_cores(
    paths: AtlasPaths, started: list[Start], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tiny model of these runs has 10 M parameters: 0.7 GB each, of three quarters of the memory."""
    monkeypatch.delenv(CPU_SLOTS, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    for seed in (1, 2):
        queue(paths, seed)
    monkeypatch.setattr(slots, "total_memory_mb", lambda: 1500)
    step(paths, "cpu:0", "cpu:1")
    assert [(start.seed, start.slot, start.environ["ATLAS_THREADS"]) for start in started] == [(1, "cpu:0", "6")]
    monkeypatch.setattr(slots, "total_memory_mb", lambda: 3000)
    step(paths, "cpu:0", "cpu:1")
    assert [(start.seed, start.slot, start.environ["ATLAS_THREADS"]) for start in started[1:]] == [(2, "cpu:1", "3")]


@pytest.mark.parametrize(
    ("memory_mb", "expected"), [(4000, [(1, "cpu:0")]), (4400, [(1, "cpu:0"), (2, "cpu:1")])], ids=["holds one", "both"]
)
def test_a_smaller_model_goes_beside_a_large_one_where_the_memory_holds_both(
    paths: AtlasPaths, started: list[Start], monkeypatch: pytest.MonkeyPatch, memory_mb: int,
    expected: list[tuple[int, str]],
) -> None:  # fmt: skip
    """100 M parameters need 2.5 GB, the tiny model 0.7 GB, of three quarters of the memory."""
    monkeypatch.delenv(CPU_SLOTS, raising=False)
    monkeypatch.setattr(slots, "total_memory_mb", lambda: memory_mb)
    enlarge(queue(paths, 1))
    queue(paths, 2)
    step(paths, "cpu:0", "cpu:1")
    assert places(started) == expected


def test_a_large_model_waits_for_memory_in_its_turn(
    paths: AtlasPaths, started: list[Start], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CPU_SLOTS, raising=False)
    monkeypatch.setattr(slots, "total_memory_mb", lambda: 4000)
    small = queue(paths, 1, slot="cpu:1")
    occupy(small)
    enlarge(queue(paths, 2))
    queue(paths, 3)
    step(paths, "cpu:0", "cpu:1")
    assert not started, "a third that goes by would be the next that it waits for"
    small.finished.write_text("{}")
    step(paths, "cpu:0", "cpu:1")
    assert places(started) == [(2, "cpu:0")]


def test_the_number_of_slots_that_was_asked_for_is_taken_at_its_word(
    paths: AtlasPaths, started: list[Start], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CPU_SLOTS, "2")
    monkeypatch.setattr(slots, "total_memory_mb", lambda: 100)
    for seed in (1, 2):
        queue(paths, seed)
    step(paths, "cpu:0", "cpu:1")
    assert places(started) == [(1, "cpu:0"), (2, "cpu:1")]


def test_a_job_that_vanished_goes_back_until_its_starts_are_used_up(paths: AtlasPaths, started: list[Start]) -> None:
    occupy(queue(paths, 0, slot="cpu"))
    run, gone = (queue(paths, seed, attempts=seed + 1, attempts_allowed=3) for seed in (1, 2))
    for each in (run, gone):
        occupy(each, is_gone=True)
    step(paths, "cpu")
    back, given_up = derive_state(run), derive_state(gone)
    assert back.state is JobState.QUEUED and not run.process.exists()
    assert "ended unexpectedly" in (back.message or "") and "start 3 of 3" in (back.message or "")
    assert given_up.state is JobState.FAILED
    assert "The job was started 3 times and is not restarted" in (given_up.message or "")
    assert not started


def test_a_folder_that_was_never_submitted_is_not_started_again(paths: AtlasPaths, started: list[Start]) -> None:
    run = queue(paths, 1)
    run.job.unlink()
    occupy(run, is_gone=True)
    step(paths, "cpu")
    assert not started
    assert "The job was never submitted" in (derive_state(run).message or "")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-9, "was ended by SIGKILL, as the kernel does when memory runs out; see worker.log"),
        (-15, "was ended by SIGTERM; see worker.log"),
        (7, "ended with exit code 7 and wrote no end marker; see worker.log"),
        (0, "ended with exit code 0 and wrote no end marker; see worker.log"),
    ],
)
def test_how_a_child_ended_is_told(paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch, code: int, words: str) -> None:
    def start(_worker: str, root: str, *_words: str, **_options: object) -> object:
        occupy(RunPaths(Path(root)), is_gone=True)
        return SimpleNamespace(pid=os.getpid(), poll=lambda: code)

    monkeypatch.setattr(dispatch, "start_detached", start)
    run = queue(paths, 1, attempts_allowed=1)
    dispatcher = Dispatcher(paths, worker="w", slots=("cpu",))
    dispatcher.step()
    dispatcher.step()
    assert words in (derive_state(run).message or "")


@pytest.mark.parametrize(
    ("made", "there"),
    [("queued", True), ("running", True), ("lost", True), ("finished", False), ("failed", False), ("cancelled", False)],
)
def test_what_is_work(paths: AtlasPaths, started: list[Start], made: str, there: bool) -> None:
    run = queue(paths, 1)
    making: dict[str, Callable[[], object]] = {
        "running": lambda: occupy(run),
        "lost": lambda: occupy(run, is_gone=True),
        "finished": lambda: run.finished.write_text("{}"),
        "failed": lambda: run.failed.write_text("{}"),
        "cancelled": run.cancel.touch,
    }
    making.get(made, lambda: None)()
    assert Dispatcher(paths, worker="w", slots=("cpu",)).has_work() is there
    assert not started


def test_a_job_submitted_at_the_last_moment_is_looked_after(paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever submitted while the lock was held was told that a dispatcher exists."""
    looks: list[int] = []

    def work(_self: Dispatcher, _timing: Timing) -> None:
        looks.append(len(looks))
        run = queue(paths, 1) if len(looks) == 1 else paths.run(run_spec(seed=1).run_id)
        if len(looks) == 2:
            run.finished.write_text("{}")

    monkeypatch.setattr(Dispatcher, "work", work)
    serve(paths, worker="w", timing=Timing())
    assert len(looks) == 2


def test_one_dispatcher_looks_after_a_home(paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "_LOCK_WAIT_S", 0.05)
    monkeypatch.setattr(Dispatcher, "work", lambda *_: pytest.fail("another one holds the lock"))
    queue(paths, 1)
    paths.slots.mkdir(parents=True)
    with FileLock(paths.dispatcher_lock):
        serve(paths, worker="w", timing=Timing())


def test_the_dispatcher_ends_after_a_while_without_work(paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds of a clock that the looks themselves move: work in the third look starts the wait anew."""
    now, looks = [0.0], []

    def look(_self: Dispatcher) -> bool:
        looks.append(now[0])
        return len(looks) == 3

    monkeypatch.setattr(dispatch.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(dispatch.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(Dispatcher, "step", look)
    Dispatcher(paths, worker="w", slots=("cpu",)).work(Timing(poll_s=2, idle_s=10))
    assert looks == [0, 2, 4, 6, 8, 10, 12]
