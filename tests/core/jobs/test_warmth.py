"""A worker that is warm before there is a job: used once, replaced, given back; and what happens when it is killed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from core import processes
from core.jobs import dispatch, warmth
from core.jobs.dispatch import Dispatcher, Timing, ring
from core.jobs.local import LocalBackend
from core.jobs.records import JobState
from core.jobs.warmth import Warmth
from core.paths import REPO, AtlasPaths, RunPaths
from core.processes import read_process
from core.variables import CPU_SLOTS
from tests.core.jobs.fakeworker import read
from tests.core.jobs.test_dispatch import OPTIONS, started_for, starts, states, wait_for
from tests.makers.folders import run_spec

WORKER = "tests.core.jobs.fakeworker"


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AtlasPaths]:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv(warmth.WARM, "1")
    paths = AtlasPaths(home=tmp_path)
    paths.slots.mkdir(parents=True)
    yield paths
    for process in started_for(paths):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def spares(paths: AtlasPaths) -> list[psutil.Process]:
    found = []
    for process in started_for(paths):
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[-1:] == ["--wait"] and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def submit(paths: AtlasPaths, seed: int = 1) -> RunPaths:
    spec = run_spec(seed=seed)
    LocalBackend(paths).submit([spec])
    return paths.run(spec.run_id)


def step_until_done(dispatcher: Dispatcher, paths: AtlasPaths) -> None:
    wait_for(lambda: not dispatcher.step())
    assert JobState.QUEUED not in states(paths)


def test_a_warm_worker_takes_the_job_once_and_is_replaced_while_it_is_wished_for(
    paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CPU_SLOTS, "1")
    backend = LocalBackend(paths, options=OPTIONS)
    backend.warm()
    wait_for(lambda: len(spares(paths)) == 1)
    (warm,) = spares(paths)
    (paths.home / "fake.txt").write_text("sleep=0.3")
    run = submit(paths)
    assert not backend.wake(), "a dispatcher is there already"
    wait_for(lambda: states(paths) == {JobState.DONE})
    record = read_process(run.process)
    assert record is not None and record.pid == warm.pid, "the job is the process that was warm"
    assert read(run.log) == ["was warm"], "what a job prints is in its own log"
    assert starts(paths) == [run.run_id]
    wait_for(lambda: len(spares(paths)) == 1 and spares(paths) != [warm])
    paths.warm_wish.unlink()
    wait_for(lambda: not spares(paths) and not started_for(paths))


def test_how_a_warm_worker_ended_is_known_as_exactly(paths: AtlasPaths) -> None:
    (paths.home / "fake.txt").write_text("die")
    dispatcher = Dispatcher(paths, worker=WORKER, slots=("cpu",))
    dispatcher.warmth.tend(is_needed=True)
    run = submit(paths)
    step_until_done(dispatcher, paths)
    (status,) = LocalBackend(paths).jobs()
    assert "ended with exit code 7 and wrote no end marker" in (status.message or "")
    assert len(starts(paths)) == status.attempts == 3
    assert "was warm" in read(run.log)


def test_a_job_starts_cold_where_the_warm_worker_was_killed(paths: AtlasPaths) -> None:
    dispatcher = Dispatcher(paths, worker=WORKER, slots=("cpu",))
    dispatcher.warmth.tend(is_needed=True)
    (warm,) = spares(paths)
    warm.kill()
    wait_for(lambda: not spares(paths))
    run = submit(paths)
    step_until_done(dispatcher, paths)
    assert states(paths) == {JobState.DONE} and read(run.log) == []
    assert starts(paths) == [run.run_id]


def test_a_warm_worker_ends_with_the_dispatcher_that_was_killed(
    paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CPU_SLOTS, "1")
    LocalBackend(paths, options=OPTIONS).warm()
    wait_for(lambda: len(spares(paths)) == 1)
    (warm,) = spares(paths)
    next(p for p in started_for(paths) if "core.jobs.dispatch" in p.cmdline()).kill()
    assert warm.wait(timeout=20) in {None, 0}


class Fake:
    """Stands for a spare process."""

    made: list[Fake] = []

    def __init__(self, *_: object, **__: object) -> None:
        self.is_alive, self.has_ended = True, False
        self.made.append(self)

    def use(self, *_: object, **__: object) -> Fake:
        return self

    def end(self) -> None:
        self.has_ended = True


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Fake]:
    monkeypatch.setattr(warmth, "Spare", Fake)
    monkeypatch.setattr(warmth, "free_memory_mb", lambda: 4000.0)
    monkeypatch.setattr(Fake, "made", [])
    return Fake.made


def test_memory_is_given_back_when_the_wish_is_old(paths: AtlasPaths, made: list[Fake]) -> None:
    keeper = Warmth(paths, worker=WORKER)
    assert not keeper.is_wished()
    paths.warm_wish.touch()
    assert keeper.is_wished()
    keeper.tend(is_needed=True)
    keeper.tend(is_needed=True)
    assert len(made) == 1 and not made[0].has_ended
    then = time.time() - warmth.WISH_S - 1
    os.utime(paths.warm_wish, (then, then))
    assert not keeper.is_wished()
    keeper.tend(is_needed=False)
    assert made[0].has_ended


def test_none_is_kept_without_memory_for_it_or_where_it_is_not_wanted(
    paths: AtlasPaths, made: list[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Warmth(paths, worker=WORKER)
    monkeypatch.setattr(warmth, "free_memory_mb", lambda: 1999.0)
    keeper.tend(is_needed=True)
    monkeypatch.setattr(warmth, "free_memory_mb", lambda: 2001.0)
    monkeypatch.setenv(warmth.WARM, "0")
    keeper.tend(is_needed=True)
    LocalBackend(paths).warm()
    assert not made and not paths.warm_wish.exists()


def test_one_that_ends_by_itself_is_not_started_again_at_once(
    paths: AtlasPaths, made: list[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(warmth.time, "monotonic", lambda: now[0])
    keeper = Warmth(paths, worker=WORKER)
    keeper.tend(is_needed=True)
    made[0].is_alive = False
    keeper.tend(is_needed=True)
    now[0] += 59
    keeper.tend(is_needed=True)
    assert len(made) == 1
    now[0] += 1
    keeper.tend(is_needed=True)
    assert len(made) == 2


def test_a_run_and_its_baseline_are_both_warm_and_nothing_loads_while_they_start(
    paths: AtlasPaths, made: list[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(warmth.time, "monotonic", lambda: now[0])
    keeper = Warmth(paths, worker=WORKER)
    for _ in range(3):
        keeper.tend(is_needed=True, most=warmth.N_SPARE)
    assert len(made) == 2
    used = [keeper.use("x", log=paths.dispatcher_log, environ={}, record=paths.bell) for _ in range(3)]
    assert used == [made[0], made[1], None]
    keeper.tend(is_needed=True, most=2)
    now[0] += 3.9
    keeper.tend(is_needed=True, most=2)
    assert len(made) == 2
    now[0] += 0.2
    keeper.tend(is_needed=True, most=2)
    assert len(made) == 3


def test_whoever_rings_is_heard_before_the_next_look(paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []

    def look(self: Dispatcher) -> bool:
        looks.append(time.monotonic())
        self._take_on_settings()
        ring(paths, {"number": str(len(looks))})
        return len(looks) < 5

    monkeypatch.setattr(Dispatcher, "step", look)
    Dispatcher(paths, worker=WORKER, slots=("cpu",)).work(Timing(poll_s=1, idle_s=0.01))
    assert looks[3] - looks[0] < 1


def test_a_dispatcher_without_jobs_takes_on_the_settings_of_who_rings(
    paths: AtlasPaths, made: list[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_THREADS", "7")
    started: list[tuple[str, dict[str, str]]] = []

    def start(_worker: str, root: str, _option: str, slot: str, *_: str, **options: dict[str, str]) -> object:
        started.append((slot, options["environ"]))
        with contextlib.suppress(FileNotFoundError):
            RunPaths(Path(root)).finished.touch()
        return SimpleNamespace(pid=1, poll=lambda: None)

    monkeypatch.setattr(dispatch, "start_detached", start)
    dispatcher = Dispatcher(paths, worker=WORKER, slots=("cpu",))
    dispatcher.warmth.tend(is_needed=True)
    monkeypatch.setattr(dispatcher.warmth, "use", lambda *_, **__: None)
    submit(paths)
    ring(paths, {CPU_SLOTS: "2", "CUDA_VISIBLE_DEVICES": "", "HF_TOKEN": "secret"})
    dispatcher.step()
    assert started[0][0] == "cpu:0" and "ATLAS_THREADS" in started[0][1]
    assert made[0].has_ended, "it had the settings of before"
    assert "secret" not in paths.bell.read_text()


@pytest.mark.parametrize(
    "said", ["", "[", "[" * 100_000, "5", '["a"]', f'{{"{CPU_SLOTS}": 5}}', f'{{"{CPU_SLOTS}": "2\\u0000"}}', None]
)
def test_a_bell_that_says_nonsense_changes_no_setting(
    paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch, said: str | None
) -> None:
    """Deep nesting ended the dispatcher, and with it the queue."""
    monkeypatch.setenv(CPU_SLOTS, "3")
    dispatcher = Dispatcher(paths, worker=WORKER, slots=("cpu",))
    paths.bell.parent.mkdir(parents=True, exist_ok=True)
    if said is None:
        paths.bell.symlink_to(paths.bell.name)
        paths.warm_wish.symlink_to(paths.warm_wish.name)
    else:
        paths.bell.write_text(said)
    dispatcher.step()
    assert os.environ[CPU_SLOTS] == "3" and not dispatcher.warmth.is_wished()
    paths.bell.unlink()
    ring(paths, {CPU_SLOTS: "4", "PATH": "/nowhere"})
    dispatcher.step()
    assert os.environ[CPU_SLOTS] == "4" and os.environ["PATH"] != "/nowhere"


def test_code_that_changed_after_it_was_loaded_is_loaded_again(tmp_path: Path) -> None:
    """Whatever the clock says: the times of the files are compared with themselves."""
    own = processes._sources()
    assert any(file.endswith("core/processes.py") for file in own)
    assert processes._sources(own) == own
    file = tmp_path / "edited.py"
    file.touch()
    loaded = processes._sources([str(file)])
    os.utime(file, (1, 1))
    assert processes._sources(loaded) != loaded
    file.unlink()
    assert processes._sources(loaded) == {str(file): 0}


def test_a_process_that_leaves_gives_its_status_and_what_it_said_and_looks_for_no_cycles() -> None:
    code = """
import atexit, gc
from core.processes import leave
print("said")
atexit.register(lambda: print("at exit", gc.get_freeze_count() > 0))
leave(3)
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.split("\n"), ended.stderr) == (3, ["said", "at exit True", ""], "")
