"""A small grid on a real Slurm: its controller and two nodes run on this machine for as long as the test."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from core.actions import queue
from core.actions.launch import Where, launch
from core.jobs.records import JobState
from core.jobs.state import derive_state
from core.paths import AtlasPaths, RunPaths
from core.processes import read_process
from core.spec.run import RunSpec, StudySpec
from core.studies import StudyRequest, build_study
from tests.core.jobs.slurm.cluster import MISSING, cluster, said_of_jobs
from tests.fakes import tiny_model, toy_mirror, toy_protocol, toy_task

KINDS = ("classification", "regression", "tagging")
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)}: apt-get install slurm-wlm")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Toy tasks, a tiny model and a running cluster."""
    toy_mirror(tmp_path / "hub", kinds=KINDS)
    tiny_model(tmp_path / "model")
    protocol = toy_protocol(max_steps=30, epochs=20.0).model_dump(mode="json", exclude_defaults=True)
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(protocol))
    for name, value in {"ATLAS_CHECKPOINT_SECONDS": "0", "ATLAS_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}.items():
        monkeypatch.setenv(name, value)
    with cluster(tmp_path / "slurm") as said:
        for name, value in said.items():
            monkeypatch.setenv(name, value)
        yield tmp_path


def home(folder: Path) -> AtlasPaths:
    (folder / "tasks").mkdir(parents=True)
    for kind in KINDS:
        task = toy_task(kind).model_dump(mode="json", exclude_defaults=True)
        (folder / "tasks" / f"{kind}.yaml").write_text(yaml.safe_dump(task))
    return AtlasPaths(home=folder)


def grid(world: Path, paths: AtlasPaths, *, seeds: tuple[int, ...] = (1,)) -> StudySpec:
    """Two targets after one intermediate."""
    return build_study(
        StudyRequest(
            models=(str(world / "model"),), intermediates=("toy_tagging",), with_baselines=False, name="grid",
            targets=("toy_classification", "toy_regression"), seeds=seeds, protocol=str(world / "toy.yaml"),
            data_source="mirror", mirror=str(world / "hub"),
        ),
        paths=paths,
    )  # fmt: skip


def wait_for(condition: Callable[[], bool], *, paths: AtlasPaths, seconds: float = 400) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            logs = [log.read_text()[-1500:] for log in (*paths.runs.glob("*/worker.log"), *paths.slurm_logs.glob("*"))]
            logs += [said_of_jobs(), *(file.name for file in paths.slurm.iterdir())]
            pytest.fail("\n".join(["waited too long", *map(str, queue.list_runs(paths)), *logs]))
        queue.wake(paths)
        time.sleep(0.3)


def facts(run: RunPaths, kind: str) -> list[dict[str, object]]:
    if not run.events.exists():
        return []
    events = [json.loads(line)["event"] for line in run.events.read_text().splitlines()]
    return [event for event in events if event["type"] == kind]


def started(paths: AtlasPaths, specs: tuple[RunSpec, ...], kind: str) -> list[object]:
    """Stages of a kind whose training began from its first step."""
    found = [event for spec in specs for event in facts(paths.run(spec.run_id), "stage_started")]
    return [event["key"] for event in found if event["kind"] == kind and event["resumed_at"] == 0]


def states(paths: AtlasPaths, specs: tuple[RunSpec, ...]) -> list[JobState]:
    return [derive_state(paths.run(spec.run_id)).state for spec in specs]


def no_cursor() -> contextlib.AbstractContextManager[object]:
    raise AssertionError("one intermediate is no choice: nothing is ranked")


@pytest.mark.timeout(900)
def test_a_grid_gives_the_scores_of_this_machine_each_stage_is_trained_once_and_faults_do_no_harm(world: Path) -> None:
    paths, here = home(world / "cluster"), home(world / "here")
    first, second = runs = grid(world, paths).runs()
    launch(grid(world, here), paths=here, cursor=no_cursor, where=Where(backend="local"))
    launched = launch(grid(world, paths), paths=paths, cursor=no_cursor, where=Where(backend="slurm"))
    assert [job.run_id for job in launched.jobs] == [run.run_id for run in runs]
    assert [job.backend for job in queue.list_runs(paths)] == ["slurm", "slurm"]
    # The stage is a task of its own, in the folder of the first of its runs; both wait for it in Slurm's own queue.
    carrier = paths.run(first.run_id)
    wait_for(lambda: any(carrier.checkpoints.rglob("*.pt")), paths=paths)
    assert derive_state(carrier).state is JobState.RUNNING
    waiting = derive_state(paths.run(second.run_id))
    assert waiting.state is JobState.QUEUED and "(Dependency)" in (waiting.message or "")

    process = read_process(carrier.process)
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    (later,) = extra = grid(world, paths, seeds=(2,)).runs()[:1]
    launch(_only(grid(world, paths, seeds=(2,)), later), paths=paths, cursor=no_cursor, where=Where(backend="slurm"))
    assert [job.state for job in queue.cancel([later.run_id], paths=paths)] == [JobState.CANCELLED]
    wait_for(lambda: states(paths, runs) == [JobState.DONE] * 2, paths=paths)
    assert states(paths, extra) == [JobState.CANCELLED]
    assert not facts(paths.run(later.run_id), "run_finished")
    stages = facts(carrier, "stage_started")
    assert [s["kind"] for s in stages][:2] == ["intermediate"] * 2 and stages[1]["resumed_at"], (
        "it went on where it was"
    )
    assert len(started(paths, runs, "intermediate")) == 1, "shared by both, and trained once"
    assert len(set(started(paths, runs, "target"))) == 2
    wait_for(lambda: not list(paths.slurm.glob("*.json")), paths=paths)  # nothing is left to be told

    wait_for(lambda: states(here, runs) == [JobState.DONE] * 2, paths=here)
    for run in runs:
        scores = [facts(home.run(run.run_id), "language_scored") for home in (paths, here)]
        assert scores[0] and scores[0] == scores[1]


def _only(study: StudySpec, run: RunSpec) -> StudySpec:
    return study.model_copy(update={"targets": (run.target,)})
