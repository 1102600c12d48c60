"""Calibration, `python -m bench.calibration [replications]`: 5 % rejections without an effect, 95 % coverage with one?

Simulated data, no store. Prints the table of docs/calibration.md.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from core.measures.inference.cells import Cells
from core.measures.inference.intervals import Interval, Plan
from core.measures.inference.mixed import fit_mixed, naive_ols
from core.measures.inference.nulls import permutation_test
from core.measures.inference.stats import (
    Comparison,
    crossed_interval,
    mcnemar_exact,
    paired_bootstrap,
)
from tests.reference.cells import aggregate_cells

COMPONENTS = (("intermediate",), ("target",), ("language",), ("intermediate", "target"))
TERMS = {"difficulty": 1, "similarity": 2}


class Outcome(NamedTuple):
    """One simulated answer: the p-value, and whether the interval holds the truth (None: the method has none)."""

    p_value: float
    covers: bool | None


class Row(NamedTuple):
    """One line of the table."""

    method: str
    design: str
    rejected_without: float
    covered_with: float | None
    power: float
    replications: int


def table(replications: int, *, seed: int = 0) -> Iterator[Row]:
    """Simulate every method without an effect (rejections) and with one (coverage, power).

    Args:
        replications: Simulated data sets per line; models across cells have half of them.
        seed: Of the simulations.
    """
    for method in ONE_SEED:
        yield _row(method, design="1 seed x 400 examples", draw=_one_seed, n=replications, seed=seed)
    for (design, draw), method in itertools.product(SEED_DESIGNS.items(), MANY_SEEDS):
        yield _row(method, design=design, draw=draw, n=replications, seed=seed)
    for method in ACROSS:
        yield _row(method, design="12 x 5 x 4 cells", draw=_cells, n=max(replications // 2, 1), seed=seed)


def _row(method: str, *, design: str, draw: Callable[[np.random.Generator, float], object], n: int, seed: int) -> Row:
    answer, effect = METHODS[method]
    outcomes = {}
    for truth in (0.0, effect):
        rng = np.random.default_rng([seed, round(truth * 1e6)])
        outcomes[truth] = [answer(draw(rng, truth), truth, rng) for _ in range(n)]
    without, with_effect = outcomes[0.0], outcomes[effect]
    covered = [o.covers for o in with_effect if o.covers is not None]
    return Row(
        method, design, float(np.mean([o.p_value <= 0.05 for o in without])),
        float(np.mean(covered)) if covered else None,
        float(np.mean([o.p_value <= 0.05 for o in with_effect])), n,
    )  # fmt: skip


def _one_seed(rng: np.random.Generator, effect: float) -> tuple[np.ndarray, np.ndarray]:
    """Right and wrong of two runs on the same 400 examples, correlated through how hard each example is."""
    hard = rng.normal(size=400)
    before = hard + rng.normal(size=400) < 0.5
    # The baseline is right with p = .638; a share of its errors is mended so that the mean difference is the effect.
    after = hard + rng.normal(size=400) < 0.5
    base = 0.6381632
    return np.where(~after & (rng.random(400) < effect / (1 - base)), True, after).astype(float), before.astype(float)


def _seeds(n_seeds: int, *, spread: float = 0.02) -> Callable[[np.random.Generator, float], np.ndarray]:
    def draw(rng: np.random.Generator, effect: float) -> np.ndarray:
        """Differences; at the default spread of seeds, one seed moves the mean as much as the choice of examples."""
        seed, example = rng.normal(0, spread, (n_seeds, 1)), rng.normal(0, 0.28, (1, 200))
        return np.asarray(effect + seed + example + rng.normal(0, 0.3, (n_seeds, 200)))

    return draw


def _cells(rng: np.random.Generator, effect: float) -> Cells:
    """12 intermediates, 5 targets, 4 languages; similarity varies by pair, difficulty by intermediate."""
    grid = np.array(list(itertools.product(range(12), range(5), range(4))))
    i, t, lang = grid.T
    similarity = (rng.normal(size=(12, 1)) + 0.7 * rng.normal(size=(12, 5)))[i, t]
    difficulty = rng.normal(size=12)[i]
    gain = (
        effect * (similarity + difficulty) + rng.normal(size=12)[i] + rng.normal(size=5)[t]
        + 0.5 * rng.normal(size=4)[lang] + 0.5 * rng.normal(size=(12, 5))[i, t] + 0.5 * rng.normal(size=len(grid))
    )  # fmt: skip
    return aggregate_cells(
        gain, intermediate=i, target=t, language=lang, covariates={"difficulty": difficulty, "similarity": similarity}
    )


def _compared(comparison: Comparison, truth: float) -> Outcome:
    return Outcome(comparison.p_value, _holds(comparison.difference, truth))


def _holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def _term(name: str, *, naive: bool) -> Callable[[Cells, float, np.random.Generator], Outcome]:
    def answer(cells: Cells, truth: float, _: np.random.Generator) -> Outcome:
        found = naive_ols(cells) if naive else fit_mixed(cells, components=COMPONENTS).coefficients
        term = found[TERMS[name]]
        return Outcome(term.p_value, _holds(term.interval, truth))

    return answer


def _permuted(cells: Cells, _: float, rng: np.random.Generator) -> Outcome:
    result = permutation_test(cells, term="similarity", rng=rng, resamples=199, components=COMPONENTS)
    return Outcome(result.p_value, None)


METHODS: dict[str, tuple[Callable[..., Outcome], float]] = {
    "paired bootstrap": (lambda d, e, r: _compared(paired_bootstrap(d[0], before=d[1], rng=r), e), 0.08),
    "McNemar exact": (lambda d, e, r: Outcome(mcnemar_exact(d[0], before=d[1]).p_value, None), 0.08),
    "crossed t interval": (lambda d, e, r: _compared(crossed_interval(d), e), 0.1),
    "examples alone (seeds averaged)": (
        lambda d, e, r: _compared(
            paired_bootstrap(d.mean(axis=0), before=np.zeros(d.shape[1]), rng=r, plan=Plan(500)), e
        ),
        0.1,
    ),
    "mixed model, difficulty": (_term("difficulty", naive=False), 1.0),
    "mixed model, similarity": (_term("similarity", naive=False), 1.0),
    "permutation of intermediates, similarity": (_permuted, 1.0),
    "naive per-cell regression, difficulty": (_term("difficulty", naive=True), 1.0),
    "naive per-cell regression, similarity": (_term("similarity", naive=True), 1.0),
}
SEED_DESIGNS = {f"{n} seeds x 200 examples": _seeds(n) for n in (2, 3, 5)} | {
    f"{n} seeds that differ much x 200 examples": _seeds(n, spread=0.08) for n in (3, 5)
}
ONE_SEED = tuple(METHODS)[:2]
MANY_SEEDS = tuple(METHODS)[2:4]
ACROSS = tuple(METHODS)[4:]


def main() -> None:
    """Print the table as Markdown."""
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    start = time.perf_counter()
    print("| method | design | rejects without effect | covers planted effect | power | replications |")
    print("|---|---|---:|---:|---:|---:|")
    for row in table(replications):
        covered = "–" if row.covered_with is None else f"{100 * row.covered_with:.1f} %"
        rates = f"{100 * row.rejected_without:.1f} % | {covered} | {100 * row.power:.0f} %"
        print(f"| {row.method} | {row.design} | {rates} | {row.replications} |", flush=True)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
