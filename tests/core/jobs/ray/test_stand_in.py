"""What Ray is told, with a record of it in Ray's place; what a task does on its node, without Ray."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.actions import queue
from core.errors import JobError, SpecError
from core.holding import beat, held
from core.jobs.graph import Node
from core.jobs.ray import backend as ray_backend
from core.jobs.ray import says as ray_says
from core.jobs.ray.backend import PACKAGE, RayBackend
from core.jobs.ray.driver import UNREACHABLE, Driver
from core.jobs.ray.driver import main as driver_main
from core.jobs.ray.task import Order, execute
from core.jobs.records import JobState, failure_text, read_job, write_failure
from core.jobs.state import derive_state
from core.paths import REPO, AtlasPaths
from core.processes import ProcessRecord
from core.spec.cluster import OnNode
from core.spec.execution import ExecutionOptions
from core.spec.run import RunSpec
from tests.core.jobs.fakeworker import read
from tests.makers.folders import run_spec

WORKER = "tests.core.jobs.fakeworker"


class RayError(Exception):
    """What Ray raises."""


class TaskCancelledError(RayError):
    """What it raises of a task that was cancelled."""


class Ray:
    """Takes tasks down; `end` says what became of one."""

    exceptions = SimpleNamespace(RayError=RayError, TaskCancelledError=TaskCancelledError)

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.ended: dict[int, object] = {}
        self.cancelled: list[int] = []
        self.resources = [{"CPU": 4.0, "GPU": 1.0}]

    def remote(self, function: object) -> Ray:
        assert function is execute
        return self

    def options(self, **asks: object) -> SimpleNamespace:
        def remote(node: Node, **words: object) -> int:
            self.told.append({"node": node, **asks, **words})
            return len(self.told) - 1

        return SimpleNamespace(remote=remote)

    def wait(self, refs: list[int], **_: object) -> tuple[list[int], list[int]]:
        return [ref for ref in refs if ref in self.ended], []

    def get(self, ref: int) -> object:
        found = self.ended[ref]
        if isinstance(found, Exception):
            raise found
        return found

    def cancel(self, ref: int) -> None:
        self.cancelled.append(ref)

    def nodes(self) -> list[dict[str, object]]:
        return [{"Alive": True, "Resources": each} for each in self.resources] + [{"Alive": False, "Resources": {}}]

    def place(self, spec: RunSpec) -> int:
        """The last task of a job's own."""
        return max(n for n, told in enumerate(self.told) if told["node"][:2] == ((spec.run_id,), None))


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AtlasPaths:
    monkeypatch.setenv("ATLAS_HOME", str(tmp_path / "home"))
    ray_says._says.cache_clear()
    (tmp_path / "home").mkdir()
    return AtlasPaths(home=tmp_path / "home")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_backend, "_is_installed", lambda: True)


@pytest.fixture
def ray() -> Ray:
    return Ray()


def driver(paths: AtlasPaths, ray: Ray) -> Driver:
    paths.ray_driver.root.mkdir(parents=True, exist_ok=True)
    return Driver(paths, ray=cast("Any", ray), worker=WORKER)


def grid() -> list[RunSpec]:
    """Two targets after one intermediate, and their baselines."""
    return [run_spec(name, target=target) for name in ("mnli", None) for target in ("xnli", "pawsx")]


def state(paths: AtlasPaths, spec: RunSpec) -> tuple[JobState, str | None]:
    ray_says._says.cache_clear()
    found = derive_state(paths.run(spec.run_id))
    return found.state, found.message


def attempts(paths: AtlasPaths, spec: RunSpec) -> int:
    job = read_job(paths.run(spec.run_id).job)
    assert job is not None
    return job.attempts


@pytest.mark.usefixtures("installed")
def test_the_graph_and_the_file_reach_ray_and_lists_say_what_a_job_waits_for(paths: AtlasPaths, ray: Ray) -> None:
    paths.backend_file.write_text(
        "ray: {cpus: 2, gpus: 0.5, memory: 8G, resources: {a100: 1}, setup: [module load cuda]}"
    )
    first, second, *baselines = specs = grid()
    RayBackend(paths).submit(specs, study="s")
    assert state(paths, first)[0] is JobState.QUEUED and "not handed to Ray yet" in (state(paths, first)[1] or "")
    ours = driver(paths, ray)
    assert ours.step()
    stage, *own = ray.told
    assert stage["node"].stage and stage["node"].jobs == (first.run_id, second.run_id) and stage["after"] is None
    assert [(told["node"].jobs[0], told["after"]) for told in own] == [
        (first.run_id, 0), (second.run_id, 0), *((spec.run_id, None) for spec in baselines)
    ]  # fmt: skip
    asks = {"num_cpus": 2, "num_gpus": 0.5, "memory": 8 * 2**30, "resources": {"a100": 1.0}, "max_retries": -1}
    assert all(told.items() >= asks.items() and told["has_gpu"] for told in ray.told)
    assert stage["order"].threads == "2" and stage["order"].on_node.setup == ("module load cuda",)
    assert state(paths, first) == (JobState.QUEUED, "Ray: waits for its intermediate stage.")
    cluster = "the cluster is 1 node with 4 CPUs and 1 GPU."
    nowhere = f"Ray: no node has 2 CPUs and 0.5 GPUs and 8G of memory, and the job waits until one joins; {cluster}"
    assert state(paths, baselines[0])[1] == nowhere
    # The stage is there; a node that has enough joined; a run that comes later waits for nothing that is there.
    ray.ended[0] = "done"
    ray.resources.append({"CPU": 8.0, "GPU": 1.0, "memory": 2.0**34, "a100": 1.0})
    paths.ray_driver.root.parent.touch()
    assert ours.step() and len(ray.told) == 5, "nobody has two tasks"
    assert (state(paths, first)[1] or "").startswith("Ray: waits for 2 CPUs and 0.5 GPUs and 8G of memory; the cluster")


@pytest.mark.usefixtures("installed")
def test_what_is_asked_follows_the_cluster_and_the_device_where_the_file_is_silent(paths: AtlasPaths, ray: Ray) -> None:
    RayBackend(paths).submit(grid()[2:3])
    ours = driver(paths, ray)
    ours.step()
    assert (ray.told[0]["num_cpus"], ray.told[0]["num_gpus"], ray.told[0]["has_gpu"]) == (1, 1, True)
    RayBackend(paths).submit([run_spec(seed=9)], execution=ExecutionOptions(device="cpu:0"))
    ours.step()
    ray.resources[0]["GPU"] = 0
    RayBackend(paths).submit(grid()[3:])
    ours.step()
    assert [(told["num_gpus"], told["has_gpu"]) for told in ray.told[1:]] == [(0, False)] * 2


@pytest.mark.usefixtures("installed")
def test_a_run_waits_for_a_stage_that_an_earlier_submission_trains(paths: AtlasPaths, ray: Ray) -> None:
    RayBackend(paths).submit(grid())
    ours = driver(paths, ray)
    ours.step()
    RayBackend(paths).submit([run_spec("mnli", target="xcopa")])
    ours.step()
    assert len(ray.told) == 6 and ray.told[5]["after"] == 0


@pytest.mark.usefixtures("installed")
def test_cancelled_tasks_are_withdrawn_and_a_retried_job_has_one_task_again(paths: AtlasPaths, ray: Ray) -> None:
    first, second, *_ = specs = grid()
    RayBackend(paths).submit(specs, study="s")
    ours = driver(paths, ray)
    ours.step()
    RayBackend(paths).cancel(first.run_id)
    ours.step()
    assert ray.cancelled == [ray.place(first)], "the other one still needs the stage"
    assert state(paths, first)[0] is JobState.CANCELLED
    RayBackend(paths).cancel(second.run_id)
    ours.step()
    assert set(ray.cancelled) == {0, ray.place(first), ray.place(second)}
    ray.ended |= {ref: TaskCancelledError() for ref in (0, 1, 2)}
    ours.step()
    RayBackend(paths).retry(first.run_id)
    ours.step()
    assert len(ray.told) == 6 and ray.told[5]["node"] == Node((first.run_id,)), "nobody shares the stage any more"
    with pytest.raises(JobError, match="order Ray decides"):
        queue.move([first.run_id], place="first", paths=paths)


@pytest.mark.usefixtures("installed")
def test_what_ray_itself_cannot_do_is_tried_three_times(paths: AtlasPaths, ray: Ray) -> None:
    spec = grid()[2]
    RayBackend(paths).submit([spec])
    ours = driver(paths, ray)
    for n in range(3):
        assert ours.step() and len(ray.told) == n + 1
        ray.ended[n] = RayError("Traceback\nModuleNotFoundError: No module named 'core'")
    ours.step()
    found, message = state(paths, spec)
    assert found is JobState.FAILED and "up 3 times: ModuleNotFoundError: No module named 'core'" in (message or "")
    assert len(ray.told) == 3


def test_while_an_address_is_tried_lists_say_that_nobody_has_answered_there(
    paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str | None] = []

    def init(address: str, **options: object) -> None:
        del address, options
        said.append(failure_text(paths.ray_driver.failed))
        raise ConnectionError("timed out")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert driver_main(["--once"]) == UNREACHABLE
    assert said == ["nobody has answered at '10.0.0.1:6379' yet; Ray goes on trying for minutes."]
    last = failure_text(paths.ray_driver.failed)
    assert last == "no cluster answers at '10.0.0.1:6379' from this machine: timed out"


@pytest.mark.usefixtures("installed")
def test_states_follow_heartbeats_where_ray_does_not_answer(paths: AtlasPaths, ray: Ray) -> None:
    (spec,) = specs = grid()[:1]
    run = paths.run(spec.run_id)
    RayBackend(paths).submit(specs)
    driver(paths, ray).step()
    run.process.write_text(ProcessRecord(pid=os.getpid(), started=1.0, host="node-3").model_dump_json())
    beat(run.heartbeat)
    assert state(paths, spec)[0] is JobState.RUNNING, "a process of another machine beats"
    before = (time.time() - 90, time.time() - 90)
    os.utime(run.heartbeat, before)
    assert state(paths, spec)[0] is JobState.QUEUED, "its node died, and Ray has a task for it"
    os.utime(paths.ray_driver.heartbeat, before)
    write_failure(paths.ray_driver.failed, error="JobError", message="no cluster answers at 'auto'.")
    assert state(paths, spec) == (JobState.QUEUED, "Not handed to Ray yet: no cluster answers at 'auto'.")
    assert not RayBackend(paths).wake(), "it was asked a moment ago"


def test_without_ray_nothing_is_queued_and_the_message_names_what_to_install(
    paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SpecError, match=f"Ray is not installed here: pip install {re.escape(PACKAGE)}"):
        RayBackend(paths).submit(grid())
    assert not paths.runs.exists() and not RayBackend(paths).wake()
    assert PACKAGE in (REPO / "requirements-dev.txt").read_text().splitlines()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gpu: 1", "'ray.gpu' is not known. Did you mean 'gpus'"),
        ("gpus: 2", "ray.gpus"),
        ("cpus: 1.5", "ray.cpus.*a whole number, or a share of one"),
        ("memory: 32 gigabytes", "ray.memory"),
    ],
)
def test_what_is_wrong_with_the_file_is_said_before_anything_is_queued(paths: AtlasPaths, text: str, said: str) -> None:
    paths.backend_file.write_text(f"ray: {{{text}}}")
    with pytest.raises(SpecError, match=f"(?s)backend.yaml.*{said}"):
        RayBackend(paths).submit(grid())
    assert not paths.runs.exists()


def do(paths: AtlasPaths, node: Node, *, on_node: OnNode = OnNode()) -> str:  # noqa: B008  frozen
    return execute(node, order=Order(str(paths.home), on_node, "3", WORKER), has_gpu=False)


@pytest.mark.usefixtures("installed")
def test_a_worker_that_keeps_dying_is_started_three_times_unless_it_comes_further(paths: AtlasPaths) -> None:
    dying, further = specs = grid()[2:]
    (paths.home / "fake.txt").write_text("die")
    RayBackend(paths).submit(specs)
    assert "exit code 7" in do(paths, Node((dying.run_id,)))
    found, message = state(paths, dying)
    assert found is JobState.FAILED and "exit code 7" in (message or "") and "started 3 times" in (message or "")
    # Its node died three times, and each time a state had been kept.
    run = paths.run(further.run_id)
    job = read_job(run.job)
    assert job is not None
    run.job.write_text(job.model_copy(update={"attempts": 3}).model_dump_json())
    run.checkpoints.mkdir()
    (run.checkpoints / "state.pt").touch()
    (paths.home / "fake.txt").write_text("")
    assert do(paths, Node((further.run_id,))) == "done"
    assert state(paths, further)[0] is JobState.DONE and attempts(paths, further) == 1


@pytest.mark.usefixtures("installed")
def test_a_task_waits_until_nobody_executes_the_job_and_does_nothing_for_those_that_have_ended(
    paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled, waiting = specs = grid()[:2]
    RayBackend(paths).submit(specs)
    paths.run(cancelled.run_id).cancel.touch()
    monkeypatch.setattr("core.jobs.ray.task._LOOK_S", 0.05)
    run = paths.run(waiting.run_id)
    node = Node((cancelled.run_id, waiting.run_id), stage="mnli")
    with held(run):
        task = threading.Thread(target=do, args=(paths, node))
        task.start()
        time.sleep(0.3)
        assert task.is_alive() and read(paths.home / "starts.txt") == []
    task.join()
    assert read(paths.home / "starts.txt") == [f"{waiting.run_id} 1 cpu"]
    assert do(paths, node) == "ended before"


@pytest.mark.usefixtures("installed")
def test_a_worker_is_started_as_the_file_says(paths: AtlasPaths, tmp_path: Path) -> None:
    (spec,) = specs = grid()[2:3]
    RayBackend(paths).submit(specs)
    wrapper = tmp_path / "container"
    wrapper.write_text(f'#!/bin/bash\necho "$TASTE $ATLAS_THREADS $*" > {tmp_path}/told\nexec "$@"\n')
    wrapper.chmod(0o755)
    on_node = OnNode(setup=("export TASTE=sour",), container=(str(wrapper),))
    assert do(paths, Node((spec.run_id,)), on_node=on_node) == "done"
    told = (tmp_path / "told").read_text()
    assert told.startswith("sour 3 ") and f"-m {WORKER} {paths.run(spec.run_id).root} --device cpu --granted" in told
