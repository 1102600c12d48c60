"""One study file, executed by this machine, by Slurm and by Ray: the same ids, the same scores, each stage once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from core.actions import queue
from core.jobs.records import LOCAL, JobState
from core.jobs.state import derive_state
from core.paths import REPO, AtlasPaths, RunPaths
from core.processes import read_process, stop_tree
from tools.engines import node, ray, slurm

NODES = 3
STUDY = """# Two intermediates and none, before two targets, four times: 24 runs, 8 shared stages.
name: engines
models: [atlas-mini]
intermediates: [none, mnli, sst2]
targets: [pawsx, tweet_sentiment]
seeds: [1, 2, 3, 4]
protocol: {protocol}
data_source: sample
"""
_STAGE = "{learning_rate: 1.0e-4, max_steps: 4, batch_size: 4, max_train_examples: 16, max_dev_examples: 8}"
PROTOCOL = f"""name: tiny
summary: A few steps on a few examples, to see that engines agree; it learns nothing.
intermediate: {_STAGE}
target: {_STAGE}
max_test_examples: 8
max_length: 32
"""
SETTINGS = {"ATLAS_CHECKPOINT_SECONDS": "1", "ATLAS_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "ATLAS_CPU_SLOTS": "3"}
"""Variables of who starts jobs; one thread everywhere, because more sum in another order."""


class Executed(NamedTuple):
    """What an engine made of the study."""

    engine: str
    """`local`, `slurm` or `ray`."""
    nodes: int
    """Of the engine, each of one processor."""
    runs: int
    """In its home."""
    done: int
    """Of them."""
    trained: dict[str, int]
    """Stages by kind whose training began at its first step, by their events."""
    trained_twice: int
    """Of them, more than once."""
    scores: int
    """Reported, all languages and metrics."""
    hosts: list[str]
    """Names of the machines that executed runs last."""
    seconds: float
    """By the clock."""


class Compared(NamedTuple):
    """All engines together."""

    executed: list[Executed]
    """One each."""
    same_ids: bool
    """Whether all have the same runs."""
    same_scores: bool
    """Whether all reported the same scores of each, digit by digit."""

    @property
    def is_good(self) -> bool:
        """Whether everything is as it should be."""
        each = all(one.done == one.runs and not one.trained_twice for one in self.executed)
        return each and self.same_ids and self.same_scores


def compared(folder: Path, *, engines: tuple[str, ...], most_s: float) -> Compared:
    """Execute the study by one engine after the other.

    Args:
        folder: Empty; keeps a home for each, without weights.
        engines: Of `local`, `slurm` and `ray`.
        most_s: Seconds that each may take.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file, protocol = folder / "study.yaml", folder / "tiny.yaml"
    file.write_text(STUDY.format(protocol=protocol), encoding="utf-8")
    protocol.write_text(PROTOCOL, encoding="utf-8")
    executed, scores = [], []
    for engine in engines:
        paths = AtlasPaths(home=folder / engine)
        with variables(SETTINGS | {"ATLAS_HOME": str(paths.home)}), _running(engine, folder=folder):
            executed.append(_execute(paths, file, engine=engine, most_s=most_s))
            driver = read_process(paths.ray_driver.process)
            if driver is not None:
                stop_tree(driver)  # it waits for more jobs, some seconds long
        scores.append({run.run_id: _scores(run) for run in _runs(paths)})
        shutil.rmtree(paths.stages, ignore_errors=True)
    return Compared(
        executed,
        same_ids=all(each.keys() == scores[0].keys() for each in scores),
        same_scores=all(each == scores[0] for each in scores) and all(scores[0].values()),
    )


def _execute(paths: AtlasPaths, file: Path, *, engine: str, most_s: float) -> Executed:
    began = time.monotonic()
    words = [sys.executable, "-m", "core", "study", str(file), "--backend", engine, "--no-wait"]
    subprocess.run(words, cwd=REPO, check=True, stdout=subprocess.DEVNULL)
    runs = _runs(paths)
    while not all(derive_state(run).state is JobState.DONE for run in runs):
        if time.monotonic() - began > most_s:
            break
        queue.wake(paths)
        time.sleep(1.0)
    begun = [fact for run in runs for fact in facts(run, "stage_started") if fact["resumed_at"] == 0]
    trained = Counter(str(fact["key"]) for fact in begun if fact["kind"] != "evaluation")
    kinds = {str(fact["key"]): str(fact["kind"]) for fact in begun}
    hosts = {process.host for run in runs if (process := read_process(run.process)) is not None and process.host}
    return Executed(
        engine=engine,
        nodes=1 if engine == LOCAL else NODES,
        runs=len(runs),
        done=sum(derive_state(run).state is JobState.DONE for run in runs),
        trained=dict(Counter(kinds[key] for key in trained)),
        trained_twice=sum(n > 1 for n in trained.values()),
        scores=sum(len(_scores(run)) for run in runs),
        hosts=sorted(hosts),
        seconds=round(time.monotonic() - began, 1),
    )


@contextmanager
def _running(engine: str, *, folder: Path) -> Iterator[None]:
    """A cluster for an engine that needs one, and the variables by which commands find it."""
    apart = node.may_be_apart()
    with ExitStack() as stack:
        said: Mapping[str, str] = {}
        if engine == "slurm":
            said = stack.enter_context(slurm.cluster(folder / "cluster", nodes=NODES, cpus=1, is_apart=apart)).said
        elif engine == "ray":
            _, said = stack.enter_context(ray.cluster(*(f"n{i}" for i in range(1, NODES + 1)), is_apart=apart))
        stack.enter_context(variables(said))
        yield


@contextmanager
def variables(said: Mapping[str, str]) -> Iterator[None]:
    """Environment variables as long as the block lasts.

    Args:
        said: Values by name.
    """
    before = dict(os.environ)
    os.environ.update(said)
    try:
        yield
    finally:
        for name in said:
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]


def facts(run: RunPaths, kind: str) -> list[dict[str, object]]:
    """Events of a kind that a run has reported.

    Args:
        run: Its folder.
        kind: As `Event.type`.
    """
    if not run.events.exists():
        return []
    events = [json.loads(line)["event"] for line in run.events.read_text(encoding="utf-8").splitlines()]
    return [event for event in events if event["type"] == kind]


def _runs(paths: AtlasPaths) -> list[RunPaths]:
    return [paths.run(status.run_id) for status in queue.list_runs(paths)]


def _scores(run: RunPaths) -> list[dict[str, object]]:
    return facts(run, "language_scored")
