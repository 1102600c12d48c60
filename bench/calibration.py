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
from core.measures.inference.correlation import t_limits
from core.measures.inference.intervals import Interval, Plan
from core.measures.inference.mixed import COMPONENTS as EVERY
from core.measures.inference.mixed import OF_TASKS, fit_mixed, naive_ols
from core.measures.inference.nulls import permutation_test
from core.measures.inference.stats import (
    Comparison,
    crossed_interval,
    mcnemar_exact,
    paired_bootstrap,
)
from core.measures.inference.variances import residual_precision, share_intervals
from tests.reference.cells import aggregate_cells

COMPONENTS = (("intermediate",), ("target",), ("language",), ("intermediate", "target"))
TERMS = {"difficulty": 1, "similarity": 2}


class Outcome(NamedTuple):
    """One simulated answer: the p-value, and whether the interval holds the truth (None: the method has none of it)."""

    p_value: float | None
    covers: bool | None


class Row(NamedTuple):
    """One line of the table."""

    method: str
    design: str
    rejected_without: float | None
    covered_with: float | None
    power: float | None
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
    for method in OF_THIRDS:
        yield _row(
            method, design="5 tasks x 3 thirds x 5 x 4 cells", draw=_thirds, n=max(replications // 2, 1), seed=seed
        )
    for method in OF_SHARES:
        yield _row(method, design="12 x 5 x 4 cells", draw=_shared, n=max(replications // 2, 1), seed=seed)


def _row(method: str, *, design: str, draw: Callable[[np.random.Generator, float], object], n: int, seed: int) -> Row:
    answer, effect = METHODS[method]
    outcomes = {}
    for truth in (0.0, effect):
        rng = np.random.default_rng([seed, round(truth * 1e6)])
        outcomes[truth] = [answer(draw(rng, truth), truth, rng) for _ in range(n)]
    rejected = {truth: [o.p_value <= 0.05 for o in found if o.p_value is not None] for truth, found in outcomes.items()}
    covered = [o.covers for o in outcomes[effect] if o.covers is not None]
    shares = [float(np.mean(part)) if part else None for part in (rejected[0.0], covered, rejected[effect])]
    return Row(method, design, *shares, n)


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


def _thirds(rng: np.random.Generator, effect: float) -> Cells:
    """Three thirds of five tasks: difficulty varies inside a task, similarity is a property of a task's text.

    Runs of the last target spread three times as much as those of the others.
    """
    task, third, target, lang = (a.ravel() for a in np.indices((5, 3, 5, 4)))
    similarity = (rng.normal(size=(5, 1)) + 0.5 * rng.normal(size=(5, 5)))[task, target]
    difficulty = third - 1.0
    gain = (
        effect * (similarity + difficulty) + rng.normal(size=5)[task] + 0.3 * rng.normal(size=(5, 3))[task, third]
        + 0.5 * rng.normal(size=(5, 5))[task, target] + 0.3 * rng.normal(size=(5, 3, 5))[task, third, target]
        + rng.normal(size=5)[target] + 0.3 * rng.normal(size=(5, 4))[target, lang]
        + np.where(target == 4, 1.5, 0.5) * rng.normal(size=len(task))
    )  # fmt: skip
    found = aggregate_cells(
        gain, intermediate=3 * task + third, target=target, language=lang,
        covariates={"difficulty": difficulty, "similarity": similarity, "task": task},
    )  # fmt: skip
    base = found.covariates[:, 2].astype(int).astype(str)
    return found._replace(
        covariates=found.covariates[:, :2], names=found.names[:2], levels=found.levels | {"task": base}
    )


def _shared(rng: np.random.Generator, share: float) -> Cells:
    """Twelve intermediates before five targets; `share` of all variance is the pairing of the two, a fifth the rest."""
    i, target, lang = (a.ravel() for a in np.indices((12, 5, 4)))
    alone = ((0.8 - share) / 2) ** 0.5
    gain = (
        alone * rng.normal(size=12)[i] + alone * rng.normal(size=5)[target]
        + share**0.5 * rng.normal(size=(12, 5))[i, target] + 0.2**0.5 * rng.normal(size=len(i))
    )  # fmt: skip
    return aggregate_cells(gain, intermediate=i, target=target, language=lang, covariates={})


def _pairing(cells: Cells, truth: float, _: np.random.Generator) -> Outcome:
    """Coverage of the share of the pairing, by its limits."""
    fit = fit_mixed(cells, components=(("intermediate",), ("target",), ("intermediate", "target")))
    return Outcome(None, _holds(share_intervals(fit, cells=cells)["intermediate x target"], truth))


def _of_thirds(name: str, *, with_tasks: bool) -> Callable[[Cells, float, np.random.Generator], Outcome]:
    """A term of the model of the analysis, or of one in which thirds are tasks of their own and all targets alike."""

    def answer(cells: Cells, truth: float, _: np.random.Generator) -> Outcome:
        if not with_tasks:
            cells = cells._replace(levels={f: cells.levels[f] for f in ("intermediate", "target", "language")})
        components = (*OF_TASKS, *EVERY) if with_tasks else EVERY
        if with_tasks:
            cells = cells._replace(precision=residual_precision(cells, components=components))
        term = fit_mixed(cells, components=components).coefficients[TERMS[name]]
        return Outcome(term.p_value, _holds(term.interval, truth))

    return answer


def _inside(cells: Cells, truth: float, _: np.random.Generator) -> Outcome:
    """Hardest less easiest third, t over tasks; half of it is the effect of one third."""
    hard = cells.covariates[:, 0]
    tasks = np.unique(cells.levels["task"])
    gaps = [
        (cells.gain[(cells.levels["task"] == t) & (hard == 1)].mean()
         - cells.gain[(cells.levels["task"] == t) & (hard == -1)].mean()) / 2
        for t in tasks
    ]  # fmt: skip
    limits = t_limits([np.mean(gaps)], sd=[np.std(gaps, ddof=1)], n=[len(gaps)])
    return Outcome(float(limits.p_value[0]), bool(limits.low[0] <= truth <= limits.high[0]))


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
    "contrast inside tasks, difficulty": (_inside, 0.4),
    "mixed model with base tasks, difficulty": (_of_thirds("difficulty", with_tasks=True), 0.4),
    "mixed model with base tasks, similarity": (_of_thirds("similarity", with_tasks=True), 0.4),
    "the same without base tasks, similarity": (_of_thirds("similarity", with_tasks=False), 0.4),
    "share of intermediate x target, 0.25": (_pairing, 0.25),
    "share of intermediate x target, 0.10": (_pairing, 0.1),
}
SEED_DESIGNS = {f"{n} seeds x 200 examples": _seeds(n) for n in (2, 3, 5)} | {
    f"{n} seeds that differ much x 200 examples": _seeds(n, spread=0.08) for n in (3, 5)
}
ONE_SEED = tuple(METHODS)[:2]
MANY_SEEDS = tuple(METHODS)[2:4]
ACROSS = tuple(METHODS)[4:9]
OF_THIRDS = tuple(METHODS)[9:13]
OF_SHARES = tuple(METHODS)[13:]


def main() -> None:
    """Print the table as Markdown."""
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    start = time.perf_counter()
    print("| method | design | rejects without effect | covers planted effect | power | replications |")
    print("|---|---|---:|---:|---:|---:|")
    for row in table(replications):
        shares = (row.rejected_without, row.covered_with, row.power)
        rates = " | ".join("–" if share is None else f"{100 * share:.1f} %" for share in shares)
        print(f"| {row.method} | {row.design} | {rates} | {row.replications} |", flush=True)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
