"""What chance lets through: 200 chains that learned nothing, 200 baselines at the floor, by the tests that jobs use.

`python -m tests.core.store.test_nothing_learned WORLDS` counts over more worlds; docs/notebook has the figures.
"""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from core.analysis.cells import DisplayOptions, Grid, grid
from core.encoder.judging import Judgement, Rules, floors, judge, p_above, taught
from core.encoder.scoring import score
from core.events import LEARNED_LEVEL
from core.examples import Split
from core.queries.overview import findings
from core.queries.transfer import View, choices, seed_rows, states
from core.store.connection import Store
from core.types.classification import TextExample
from tests.fakes import toy_split
from tests.makers.worlds import Chain, plant

N = 200
"""Chains of a world, and baselines of another: two seeds of each, so that a gain could be tested."""
SEEDS = (1, 2)
SHARES = ((0.5, 0.5), (0.64, 0.36), (0.4, 0.35, 0.25))
"""Of the labels. Two equal ones are the hardest to tell: a rule then scores what guessing scores."""
GUESSES = ("at random", "by the prior", "the majority", "nearly always the majority")
"""What a model that reads no meaning may say."""


class World(NamedTuple):
    """What came out of one."""

    alone: int
    """Chains or baselines whose own test is below the level."""
    counted: int
    """Gains that would enter an average."""
    tested: int
    """Cells that would be tested."""


def _split(rng: np.random.Generator, *, shares: tuple[float, ...], n: int) -> Split:
    split = toy_split("classification")
    labels = rng.choice(len(shares), n, p=shares)
    examples = tuple(TextExample(str(i), "a", None, int(y)) for i, y in enumerate(labels))
    return split._replace(examples=examples, task=split.task.model_copy(update={"chance": 1 / len(shares)}))


def _guesses(rng: np.random.Generator, how: str, *, shares: tuple[float, ...], n: int) -> list[int]:
    drawn = rng.choice(len(shares), n, p=None if how == "at random" else shares)
    usual = int(np.argmax(shares))
    kept = {"the majority": 1.0, "nearly always the majority": 0.9}.get(how, 0.0)
    return [int(y) for y in np.where(rng.random(n) < kept, usual, drawn)]


@cache
def _rules(shares: tuple[float, ...]) -> Rules:
    return taught(_split(np.random.default_rng(0), shares=shares, n=1000))


def _judged(rng: np.random.Generator, number: int, *, n: int = 250) -> tuple[Judgement, float]:
    """How a stage that learned nothing is judged, and the p-value of its score above the floor."""
    shares = SHARES[number % len(SHARES)]
    dev = _split(rng, shares=shares, n=n)
    said = _guesses(rng, GUESSES[number % len(GUESSES)], shares=shares, n=n)
    metric = dev.task.headline
    floor = floors(_rules(shares), dev, metrics=[metric])[metric]
    found = score(dev, said, only=metric)[metric]
    p = p_above(found, floor)
    assert p is not None
    return judge(dev, said, found=found, floor=floor), p


def _grids(store: Store) -> list[Grid]:
    with store.cursor() as cur:
        rows = choices(cur).astype(object)
        views = [
            View(**{n: None if pd.isna(row[n]) else row[n] for n in View._fields}) for row in rows.to_dict("records")
        ]
        langs = tuple(str(lang) for (lang,) in cur.execute("SELECT DISTINCT lang FROM scores ORDER BY 1").fetchall())
        return [grid(seed_rows(cur, v), states(cur, v), shown=DisplayOptions(langs)) for v in views]


def _counted(store: Store, *, alone: int) -> World:
    found = _grids(store)
    with store.cursor() as cur:
        ((counted,),) = cur.execute("SELECT count(*) FROM counted_gains").fetchall()
        assert (counted == 0) == findings(cur).empty
    if counted == 0:
        assert all(one.means["value"].isna().all() for one in found)
    return World(alone, int(counted), sum(one.n_tested for one in found))


def chains_that_learned_nothing(seed: int) -> World:
    """Of 100 intermediates before one target; two seeds and languages, gains of five points up or down."""
    rng = np.random.default_rng(seed)
    chains, alone = [Chain("none", seed=s, scores={"de": 0.5, "sw": 0.5}) for s in SEEDS], 0
    for i, s in itertools.product(range(N // len(SEEDS)), SEEDS):
        one, scores = _judged(rng, i)[0], {lang: 0.5 + rng.normal(0, 0.05) for lang in ("de", "sw")}
        chains.append(Chain(f"i{i}", seed=s, p=one.p_value, is_constant=one.is_constant, scores=scores))
        alone += not one.is_constant and one.p_value is not None and one.p_value < LEARNED_LEVEL
    with Store.open(":memory:") as store:
        plant(store, chains)
        return _counted(store, alone=alone)


def baselines_at_the_floor(seed: int) -> World:
    """Of 10 targets in ten languages and two seeds, each before an intermediate that learned its task."""
    rng = np.random.default_rng(seed)
    langs, chains, alone = [f"l{i}" for i in range(10)], [], 0
    for target, s in itertools.product(range(N // len(langs) // len(SEEDS)), SEEDS):
        p = {lang: _judged(rng, target * len(langs) + i)[1] for i, lang in enumerate(langs)}
        alone += sum(value < LEARNED_LEVEL for value in p.values())
        base = Chain("none", f"t{target}", seed=s, scores=dict.fromkeys(langs, 0.5), floor_p=p)
        moved = {lang: 0.5 + rng.normal(0, 0.05) for lang in langs}
        chains += [base, replace(base, intermediate="mnli", scores=moved)]
    with Store.open(":memory:") as store:
        plant(store, chains)
        return _counted(store, alone=alone)


_of_chains, _of_baselines = cache(chains_that_learned_nothing), cache(baselines_at_the_floor)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_chain_that_learned_nothing_enters_an_average(seed: int) -> None:
    assert (_of_chains(seed).counted, _of_chains(seed).tested) == (0, 0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_baseline_at_the_floor_is_tested(seed: int) -> None:
    assert (_of_baselines(seed).counted, _of_baselines(seed).tested) == (0, 0)


def test_without_the_correction_some_would_have() -> None:
    """So that the two above say something: of 600, single tests at 5 % let some through, and gains are tested."""
    for world in (_of_chains, _of_baselines):
        assert sum(world(seed).alone for seed in (1, 2, 3)) > 0
    rng = np.random.default_rng(0)
    with Store.open(":memory:") as store:
        plant(store, [Chain(i, seed=s, scores={"de": rng.random()}) for i in ("none", "mnli") for s in SEEDS])
        assert _counted(store, alone=0) == World(0, 2, 1)


if __name__ == "__main__":
    for name, world in (("chains", chains_that_learned_nothing), ("baselines", baselines_at_the_floor)):
        found = [world(seed) for seed in range(int(sys.argv[1]))]
        some = sum(one.counted > 0 for one in found)
        mean = np.mean([one.alone for one in found])
        print(f"{name}: {some} of {len(found)} worlds let one through; single tests {mean:.1f} of {N}")  # noqa: T201
