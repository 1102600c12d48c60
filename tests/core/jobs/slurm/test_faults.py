"""A real Slurm stops jobs in every way there is; a worker without torch is what they execute."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.jobs.records import JobState, read_job
from core.jobs.slurm import book, engine
from core.jobs.slurm.backend import SlurmBackend
from core.jobs.state import derive_state
from core.paths import AtlasPaths
from core.spec.run import RunSpec
from tests.core.jobs.fakeworker import read
from tests.makers.folders import run_spec
from tools.engines.slurm import MISSING, cluster, said_of_jobs

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)}: apt-get install slurm-wlm")


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AtlasPaths]:
    paths = AtlasPaths(home=tmp_path / "home")
    paths.home.mkdir()
    (paths.home / "fake.txt").write_text("once=sleep=120")  # the first start of each lasts, later ones end at once
    monkeypatch.setenv("ATLAS_HOME", str(paths.home))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with cluster(tmp_path / "slurm") as nodes:
        for name, value in nodes.said.items():
            monkeypatch.setenv(name, value)
        yield paths


def backend(paths: AtlasPaths) -> SlurmBackend:
    return SlurmBackend(paths, words=("--worker-module", "tests.core.jobs.fakeworker"))


def wait_for(condition: Callable[[], bool], *, paths: AtlasPaths) -> None:
    end = time.monotonic() + 120
    while not condition():
        if time.monotonic() > end:
            logs = [log.read_text()[-1500:] for log in (*paths.runs.glob("*/worker.log"), *paths.slurm_logs.glob("*"))]
            pytest.fail("\n".join(["waited too long", said_of_jobs(), *logs]))
        backend(paths).wake()
        time.sleep(0.3)


def starts(paths: AtlasPaths, spec: RunSpec) -> int:
    return sum(line.startswith(spec.run_id) for line in read(paths.home / "starts.txt"))


def task(paths: AtlasPaths, spec: RunSpec) -> str:
    """What Slurm calls the task of a run."""
    (found,) = book.own_task(book.Book(paths, engine.queue()).by_job()[spec.run_id])
    return found.task


def slurm(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
    book._LOOKS.clear()


def state(paths: AtlasPaths, spec: RunSpec) -> JobState:
    return derive_state(paths.run(spec.run_id)).state


def attempts(paths: AtlasPaths, spec: RunSpec) -> int:
    job = read_job(paths.run(spec.run_id).job)
    assert job is not None
    return job.attempts


@pytest.mark.timeout(600)
def test_jobs_that_slurm_stops_go_on_and_those_that_a_user_stops_do_not(paths: AtlasPaths) -> None:
    limit, requeued, stopped, node = specs = [run_spec(seed=seed) for seed in range(4)]
    backend(paths).submit(specs)
    wait_for(lambda: all(starts(paths, spec) == 1 for spec in specs), paths=paths)
    book._LOOKS.clear()
    assert {state(paths, spec) for spec in specs} == {JobState.RUNNING}
    # What Slurm sends before the time limit, a preemption or an administrator, `scancel` in a terminal.
    slurm("scancel", "--batch", "--signal=USR1", task(paths, limit))
    slurm("scontrol", "requeue", task(paths, requeued))
    slurm("scancel", task(paths, stopped))
    wait_for(lambda: state(paths, limit) is state(paths, requeued) is JobState.DONE, paths=paths)
    wait_for(lambda: state(paths, stopped) is JobState.CANCELLED, paths=paths)
    assert (starts(paths, limit), starts(paths, requeued), starts(paths, stopped)) == (2, 2, 1)
    assert (attempts(paths, limit), attempts(paths, requeued)) == (2, 1), "no state was kept; not its fault"
    # The node of the last one dies, and a stopped one is tried again beside it.
    said = ["squeue", "--noheader", "--format=%N", f"--jobs={task(paths, node)}"]
    where = subprocess.run(said, capture_output=True, text=True, check=True).stdout.strip()
    slurm("scontrol", "update", f"NodeName={where}", "State=DOWN", "Reason=dead")
    backend(paths).retry(stopped.run_id)
    wait_for(lambda: state(paths, node) is state(paths, stopped) is JobState.DONE, paths=paths)
    assert (starts(paths, node), starts(paths, stopped), attempts(paths, node)) == (2, 2, 1)
