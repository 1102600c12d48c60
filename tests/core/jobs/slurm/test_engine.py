"""A small grid on a real Slurm: its controller and two nodes run on this machine for as long as the test."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.actions import queue
from core.actions.launch import Where, launch
from core.jobs.records import JobState
from core.jobs.state import derive_state
from core.paths import AtlasPaths
from core.processes import read_process
from core.spec.run import RunSpec, StudySpec
from tests.core.jobs import grids
from tests.core.jobs.grids import facts, grid, home, no_cursor, started, states
from tools.engines.slurm import MISSING, cluster, said_of_jobs

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)}: apt-get install slurm-wlm")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Toy tasks, a tiny model and a running cluster."""
    grids.make_world(tmp_path)
    with cluster(tmp_path / "slurm") as nodes:
        for name, value in (grids.SETTINGS | nodes.said).items():
            monkeypatch.setenv(name, value)
        yield tmp_path


def wait_for(condition: Callable[[], bool], *, paths: AtlasPaths) -> None:
    def logs() -> list[str]:
        files = [log.read_text()[-1500:] for log in paths.slurm_logs.glob("*")]
        return [*files, said_of_jobs(), *(file.name for file in paths.slurm.iterdir())]

    grids.wait_for(condition, paths=paths, logs=logs)


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
