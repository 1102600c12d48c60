"""Faults on an engine: nodes killed, controllers restarted, jobs preempted, time limits hit, the shared disk full.

Jobs are stand-ins (`tools.faults.worker`) with stages that they share, real checkpoints and events, and no torch. While
they are hurt, what lists say of each is compared with who holds its lock, twice a second.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import NamedTuple

from core.actions import queue
from core.errors import AtlasError
from core.holding import is_held
from core.jobs.records import JobState
from core.jobs.state import derive_state
from core.paths import AtlasPaths
from core.spec.run import RunSpec
from core.studies import StudyRequest, build_study
from tools.engines.study import facts
from tools.faults.hurting import Hurt
from tools.faults.worker import score_of, told_beside

LOOK_S = 0.5


class Faulted(NamedTuple):
    """What came of a campaign on one engine."""

    engine: str
    """`local`, `slurm` or `ray`."""
    faults: dict[str, int]
    """How often each was made."""
    runs: int
    """That were asked for."""
    done: int
    """Of them, at the end."""
    stages: int
    """Intermediate stages that runs share."""
    lost: int
    """Finished runs that were no longer so."""
    twice: int
    """Runs that finished and stages that were trained to their end more than once."""
    wrong: int
    """Runs whose score is not their seed's, or that reported it twice."""
    retried: dict[str, int]
    """Runs that had failed and were retried, by their reason's first words."""
    resumed: int
    """Starts of stages that went on from a checkpoint."""
    longest_lie_s: float
    """The longest time for which lists said that a job runs which nobody held, or did not say so of one held."""
    lie: str
    """That one: the state and what was so."""
    seconds: float
    """Of the campaign."""

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, done twice or wrong, and nothing was said that was wrong for a minute."""
        return self.done == self.runs and not (self.lost or self.twice or self.wrong) and self.longest_lie_s < 60  # noqa: PLR2004


def campaign(hurt: Hurt, *, faults: int, seeds: int, rng: Random, most_s: float) -> Faulted:
    """Execute runs on an engine and hurt it until so many faults were made, then let them end.

    Args:
        hurt: The engine, running, with an empty home.
        faults: Of all kinds together.
        seeds: Of an intermediate before two targets: two runs and one shared stage each.
        rng: Decides what, whom and when.
        most_s: Seconds after which what is not done counts as lost.
    """
    paths, began = hurt.paths, time.monotonic()
    specs = {spec.run_id: spec for spec in runs_of(paths, seeds=seeds)}
    hurt.backend.submit(list(specs.values()))
    watch, retried, next_at = _Watch(paths, specs), Counter[str](), began
    while time.monotonic() - began < most_s:
        watch.look()
        if len(watch.done) == len(specs):
            break
        for run_id in watch.ended_badly:
            with contextlib.suppress(AtlasError):
                retried[_why(paths, run_id)] += 1
                hurt.backend.retry(run_id)
        with contextlib.suppress(AtlasError):
            hurt.backend.wake()
        hurt.mend()
        if time.monotonic() >= next_at and sum(hurt.made.values()) < faults and watch.has_checkpoints:
            hurt.make(rng)
            next_at = time.monotonic() + rng.uniform(2, 10)
        time.sleep(LOOK_S)
    hurt.mend(at_once=True)
    return Faulted(
        engine=hurt.engine,
        faults=dict(hurt.made),
        runs=len(specs),
        done=len(watch.done),
        stages=seeds,
        lost=watch.lost,
        twice=sum(n > 1 for n in Counter(line.rpartition(" ")[0] for line in _lines(told_beside(paths.home))).values()),
        wrong=sum(_is_wrong(paths, specs[run_id]) for run_id in watch.done),
        retried=dict(retried),
        resumed=sum(bool(fact["resumed_at"]) for i in specs for fact in facts(paths.run(i), "stage_started")),
        longest_lie_s=round(watch.longest_s, 1),
        lie=watch.longest,
        seconds=round(time.monotonic() - began, 1),
    )


def runs_of(paths: AtlasPaths, *, seeds: int) -> tuple[RunSpec, ...]:
    """Runs of the bundled encoder: two targets after one intermediate, for each seed.

    Args:
        paths: A home.
        seeds: How many pairs.
    """
    asked = StudyRequest(
        models=("atlas-mini",), targets=("xnli", "pawsx"), intermediates=("mnli",), seeds=tuple(range(seeds)),
        with_baselines=False,
    )  # fmt: skip
    return build_study(asked, paths=paths).runs()


class _Watch:
    """What is said of runs, beside what is so."""

    def __init__(self, paths: AtlasPaths, specs: dict[str, RunSpec]) -> None:
        self._paths, self._runs = paths, {run_id: paths.run(run_id) for run_id in specs}
        self._since: dict[str, float] = {}
        self.done: set[str] = set()
        self.ended_badly: list[str] = []
        self.lost, self.longest_s, self.longest = 0, 0.0, ""

    @property
    def has_checkpoints(self) -> bool:
        """Whether a run that has not ended has kept a state: there is something to lose."""
        return any(any(run.checkpoints.glob("*")) for i, run in self._runs.items() if i not in self.done)

    def look(self) -> None:
        """Compare all of them once."""
        now, done = time.monotonic(), set()
        self.ended_badly = []
        for run_id, run in self._runs.items():
            was_held, status = is_held(run), derive_state(run)
            if status.state is JobState.DONE:
                done.add(run_id)
            if status.state in {JobState.FAILED, JobState.CANCELLED} and not status.is_paused:
                self.ended_badly.append(run_id)
            # Held before and after: one that ends or begins between two looks is no lie.
            is_so = was_held and is_held(run)
            is_wrong = (status.state is JobState.RUNNING) != was_held and is_so == was_held
            if not is_wrong:
                self._since.pop(run_id, None)
            elif (lasted := now - self._since.setdefault(run_id, now)) > self.longest_s:
                held = "held" if was_held else "held by nobody"
                self.longest_s, self.longest = lasted, f"{status.state}, and {held} ({status.message or 'no remark'})"
        self.lost += len(self.done - done)
        self.done = done


def _why(paths: AtlasPaths, run_id: str) -> str:
    status = queue.looked_at(run_id, paths=paths)
    return " ".join((status.message or status.state).split()[:7])


def _is_wrong(paths: AtlasPaths, spec: RunSpec) -> bool:
    return [fact["score"] for fact in facts(paths.run(spec.run_id), "language_scored")] != [score_of(spec.seed)]


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []
