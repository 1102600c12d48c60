"""A small grid for engines that execute jobs: toy tasks, a tiny model, what its events say."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import yaml

from core.actions import queue
from core.jobs.records import JobState
from core.jobs.state import derive_state
from core.paths import AtlasPaths, RunPaths
from core.spec.run import RunSpec, StudySpec
from core.studies import StudyRequest, build_study
from tests.fakes import tiny_model, toy_mirror, toy_protocol, toy_task

KINDS = ("classification", "regression", "tagging")
SETTINGS = {"ATLAS_CHECKPOINT_SECONDS": "0", "ATLAS_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
"""Variables of who starts jobs."""


def make_world(folder: Path) -> None:
    """Data, a model and a protocol."""
    toy_mirror(folder / "hub", kinds=KINDS)
    tiny_model(folder / "model")
    protocol = toy_protocol(max_steps=30, epochs=20.0).model_dump(mode="json", exclude_defaults=True)
    (folder / "toy.yaml").write_text(yaml.safe_dump(protocol))


def home(folder: Path) -> AtlasPaths:
    """A home that knows the toy tasks."""
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


def wait_for(
    condition: Callable[[], bool], *, paths: AtlasPaths, logs: Callable[[], Iterable[str]], seconds: float = 400
) -> None:
    """Look at the jobs until they are so.

    Args:
        logs: What the engine said, for the message where it takes too long.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            said = [log.read_text()[-1500:] for log in paths.runs.glob("*/worker.log")]
            pytest.fail("\n".join(["waited too long", *map(str, queue.list_runs(paths)), *said, *logs()]))
        queue.wake(paths)
        time.sleep(0.3)


def facts(run: RunPaths, kind: str) -> list[dict[str, object]]:
    """Events of a kind."""
    if not run.events.exists():
        return []
    events = [json.loads(line)["event"] for line in run.events.read_text().splitlines()]
    return [event for event in events if event["type"] == kind]


def started(paths: AtlasPaths, specs: tuple[RunSpec, ...], kind: str) -> list[object]:
    """Stages of a kind whose training began from its first step."""
    found = [event for spec in specs for event in facts(paths.run(spec.run_id), "stage_started")]
    return [event["key"] for event in found if event["kind"] == kind and event["resumed_at"] == 0]


def states(paths: AtlasPaths, specs: tuple[RunSpec, ...]) -> list[JobState]:
    """What runs are doing."""
    return [derive_state(paths.run(spec.run_id)).state for spec in specs]


def no_cursor() -> contextlib.AbstractContextManager[object]:
    raise AssertionError("one intermediate is no choice: nothing is ranked")
