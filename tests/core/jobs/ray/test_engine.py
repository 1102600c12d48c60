"""A small grid on a real Ray: a head and two nodes run on this machine for as long as the test, and one is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.actions import queue
from core.actions.launch import Where, launch
from core.jobs.ray.backend import PACKAGE
from core.jobs.records import JobState
from core.jobs.state import derive_state
from core.paths import AtlasPaths
from core.processes import read_process, stop_tree
from tests.core.jobs import grids
from tests.core.jobs.grids import facts, grid, home, no_cursor, started, states
from tools.engines.ray import MISSING, WAIT_S, Cluster, cluster

pytestmark = pytest.mark.skipif(MISSING, reason=f"Ray is not installed: pip install {PACKAGE}")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Cluster]]:
    """Toy tasks, a tiny model and a running cluster."""
    for name, value in grids.SETTINGS.items():
        monkeypatch.setenv(name, value)  # nodes have what the shell had that started them
    with cluster("n1", "n2") as (nodes, said):
        for name, value in said.items():
            monkeypatch.setenv(name, value)
        grids.make_world(tmp_path)
        yield tmp_path, nodes
        driver = read_process(home_of(tmp_path).ray_driver.process)
        if driver is not None:
            stop_tree(driver)  # it waits for more jobs, some seconds long


def home_of(folder: Path) -> AtlasPaths:
    return AtlasPaths(home=folder / "cluster")


def wait_for(condition: Callable[[], bool], *, paths: AtlasPaths, nodes: Cluster) -> None:
    def logs() -> list[str]:
        return [
            nodes.logs(),
            *(file.read_text()[-3000:] for file in paths.ray_driver.root.rglob("*") if file.is_file()),
        ]

    grids.wait_for(condition, paths=paths, logs=logs, seconds=WAIT_S)


@pytest.mark.timeout(900)
def test_a_grid_gives_the_scores_of_this_machine_and_goes_on_where_its_node_is_killed(
    world: tuple[Path, Cluster],
) -> None:
    folder, nodes = world
    paths, here = home(home_of(folder).home), home(folder / "here")
    first, second = runs = grid(folder, paths).runs()
    launched = launch(grid(folder, paths), paths=paths, cursor=no_cursor, where=Where(backend="ray"))
    launch(grid(folder, here), paths=here, cursor=no_cursor, where=Where(backend="local"))
    assert [job.run_id for job in launched.jobs] == [run.run_id for run in runs]
    assert [job.backend for job in queue.list_runs(paths)] == ["ray", "ray"]
    # The stage is a task of its own, in the folder of the first of its runs, and Ray holds both back until it ends.
    carrier = paths.run(first.run_id)
    wait_for(lambda: any(carrier.checkpoints.rglob("*.pt")), paths=paths, nodes=nodes)
    assert derive_state(carrier).state is JobState.RUNNING
    waiting = derive_state(paths.run(second.run_id))
    assert (waiting.state, waiting.message) == (JobState.QUEUED, "Ray: waits for its intermediate stage.")

    process = read_process(carrier.process)
    assert process is not None
    nodes.kill(nodes.with_process(process.pid))
    wait_for(lambda: states(paths, runs) == [JobState.DONE] * 2, paths=paths, nodes=nodes)
    stages = facts(carrier, "stage_started")
    assert [s["kind"] for s in stages][:2] == ["intermediate"] * 2 and stages[1]["resumed_at"], (
        "it went on where it was"
    )
    assert len(started(paths, runs, "intermediate")) == 1, "shared by both, and trained once"
    assert len(set(started(paths, runs, "target"))) == 2

    wait_for(lambda: states(here, runs) == [JobState.DONE] * 2, paths=here, nodes=nodes)
    for run in runs:
        scores = [facts(home.run(run.run_id), "language_scored") for home in (paths, here)]
        assert scores[0] and scores[0] == scores[1]
