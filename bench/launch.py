"""From the click to the first step and to the last language's score: `python -m bench.launch`.

A launch of `qqp` → `xnli` and its baseline, the bundled encoder or `--model`, the sample data or those of `--mirror`,
the protocol `quick`, through `actions.launch` as the Launch page calls it. Each turn has a home of its own, whose
sample data are there already.
Cold: nothing waits. Warm: a worker has done its imports, as it has when the Launch page has been open for some seconds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.table import Row
from core.actions.launch import launch
from core.actions.queue import cancel, list_runs, warm
from core.events import ENVELOPE
from core.jobs.records import JobState
from core.paths import AtlasPaths, RunPaths
from core.spec.run import DataSourceKind
from core.store.reading import cursor_for_reading
from core.studies import StudyRequest
from core.variables import WARM

BUNDLED = "atlas-mini"
REQUEST = StudyRequest(models=(BUNDLED,), intermediates=("qqp",), targets=("xnli",))
_PATIENCE_S = 1_200.0
_OPEN_S = 15.0
"""Seconds that the Launch page has been open."""


class Turn(NamedTuple):
    """Seconds since the click."""

    first_fact: float
    """`RunStarted`: a process has its imports."""
    first_step: float
    """`StepLogged`: an optimiser step is done."""
    last_score: float | None
    """Of the last language of the last run; None where the jobs were stopped before."""


def main() -> list[Row]:
    """Print medians over the turns; the rows of the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--starts-only", action="store_true", help="stop each launch after its first step")
    parser.add_argument("--warm-only", action="store_true", help="leave the cold launches out")
    parser.add_argument("--model", default=BUNDLED)
    parser.add_argument("--mirror", help="folder in the hub's layout; the sample data if not given")
    options = parser.parse_args()
    where = {"data_source": DataSourceKind.MIRROR, "mirror": options.mirror} if options.mirror else {}
    request = REQUEST.model_copy(update={"models": (options.model,), **where})
    with tempfile.TemporaryDirectory() as folder:
        prepared = _prepared(Path(folder))
        turns: dict[str, list[Turn]] = {"warm": []} if options.warm_only else {"cold": [], "warm": []}
        for _ in range(options.turns):
            for name, found in turns.items():
                found.append(_turn(request, prepared, is_warm=name == "warm", until_end=not options.starts_only))
    for name, found in turns.items():
        _print(name, found)
    return rows_of(turns["warm"], model=options.model)


def rows_of(turns: list[Turn], *, model: str) -> list[Row]:
    """What the table says of launches with a warm worker.

    Args:
        turns: At least one.
        model: That was trained.
    """
    step = statistics.median(turn.first_step for turn in turns)
    rows = [Row(f"click to first step, {model}, warm worker", "≤ 1.5 s", f"{step:.2f} s", len(turns))]
    scores = [turn.last_score for turn in turns if turn.last_score is not None]
    if scores:
        measure = f"click to last score of run and baseline, {model}, warm worker"
        rows.append(
            Row(measure, "≤ 60 s" if model == BUNDLED else "≤ 240 s", f"{statistics.median(scores):.0f} s", len(scores))
        )
    return rows


def _print(name: str, turns: list[Turn]) -> None:
    print(f"{name}, medians of {len(turns)}")
    for field in Turn._fields:
        values = [value for turn in turns if (value := getattr(turn, field)) is not None]
        if values:
            median, low, high = statistics.median(values), min(values), max(values)
            print(f"  {field.replace('_', ' '):12}{median:8.2f} s  ({low:.2f}-{high:.2f})")


def _prepared(folder: Path) -> Path:
    """Caches with the sample data built, as they are after the first launch on a machine."""
    from core.data.locate import locate
    from core.data.origin import DataOrigin
    from core.spec.run import DataSource
    from core.tasks import TASKS

    paths = AtlasPaths(home=folder / "prepared")
    origin = DataOrigin(source=DataSource(kind=DataSourceKind.SAMPLE), paths=paths)
    for name in ("qqp", "xnli"):
        locate(TASKS[name], role="train", lang="en", origin=origin)
    return paths.home


def _turn(request: StudyRequest, prepared: Path, *, is_warm: bool, until_end: bool) -> Turn:
    home = Path(tempfile.mkdtemp(dir=prepared.parent)) / "home"
    shutil.copytree(prepared, home)
    paths = AtlasPaths(home=home)
    os.environ[WARM] = "1" if is_warm else "0"
    if is_warm:
        warm(paths)
        time.sleep(_OPEN_S)
    clicked = time.time()
    found = launch(request, paths=paths, cursor=partial(cursor_for_reading, paths))
    runs = [paths.run(job.run_id) for job in found.jobs]
    _wait(lambda: _times(runs, "step_logged"))
    if until_end:
        _wait(lambda: all_done(paths))
        last = max(_times(runs, "language_scored")) - clicked
    else:
        cancel([s.run_id for s in list_runs(paths)], paths=paths)
        last = None
    paths.warm_wish.unlink(missing_ok=True)
    first_fact, first_step = (min(_times(runs, kind)) - clicked for kind in ("run_started", "step_logged"))
    return Turn(first_fact, first_step, last)


def _times(runs: Sequence[RunPaths], kind: str) -> list[float]:
    """When facts of a kind were reported, in seconds since 1970."""
    lines = [line for run in runs if run.events.is_file() for line in run.events.read_bytes().splitlines()]
    facts = [ENVELOPE.validate_json(line) for line in lines if f'"type":"{kind}"'.encode() in line]
    return [datetime.fromisoformat(fact.time).timestamp() for fact in facts]


def _wait(done: Callable[[], object]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing came of the launch within {_PATIENCE_S:.0f} s")
        time.sleep(0.02)


def all_done(paths: AtlasPaths) -> bool:
    """Whether every run of a home is done.

    Args:
        paths: The home.

    Raises:
        RuntimeError: One has failed.
    """
    jobs = list_runs(paths)
    for job in jobs:
        if job.state in {JobState.FAILED, JobState.DAMAGED}:
            raise RuntimeError(job.message)
    return all(job.state is JobState.DONE for job in jobs)


if __name__ == "__main__":
    main()
