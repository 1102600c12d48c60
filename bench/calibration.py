"""Calibration, `python -m bench.calibration [replications]`: 5 % rejections without an effect, 95 % coverage with one?

Simulated data, no store. Prints the table of docs/calibration.md; `calibration_claims`, `calibration_selectors` and
`calibration_metrics` simulate the rest.

Where a planted effect only shifts what is estimated (means, and terms of a linear model, which a test shows), the same
draws serve without and with it: the interval of the shifted data is the shifted interval.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from scipy import special

from bench.calibration_claims import SPREADS
from bench.tally import Share, percent, tally, wanted
from core.measures.inference.averages import average_gain
from core.measures.inference.cells import Cells
from core.measures.inference.correlation import spearman, t_limits
from core.measures.inference.intervals import Interval
from core.measures.inference.mixed import COMPONENTS as EVERY
from core.measures.inference.mixed import OF_TASKS, Coefficient, Components, any_term, fit_mixed, naive_ols
from core.measures.inference.nulls import compare_with_additive, permutation_test
from core.measures.inference.paired import crossed_interval, paired_limits
from core.measures.inference.stats import (
    benjamini_hochberg,
    crossed_error,
    mcnemar_exact,
    paired_bootstrap,
)
from core.measures.inference.variances import residual_precision, share_intervals
from core.tasks import TASKS
from tests.reference.cells import aggregate_cells

LEVEL = 0.05
COMPONENTS: Components = (("intermediate",), ("target",), ("language",), ("intermediate", "target"))


class Outcome(NamedTuple):
    """What one method says of one replication; None: nothing to say."""

    rejects: float | None = None
    """Whether it finds an effect where there is none."""
    covers: float | None = None
    """Whether its interval holds the truth."""
    power: float | None = None
    """Whether it finds the planted effect."""


Simulation = Callable[[np.random.Generator], Mapping[str, Outcome]]
"""From a generator to what each method says."""


class Row(NamedTuple):
    """One line of the table."""

    method: str
    design: str
    rejects: Share | None
    covers: Share | None
    power: Share | None


def table(simulations: Mapping[str, Simulation], *, replications: int, seed: int = 0, **where: object) -> Iterator[Row]:
    """Simulate every design; a row per method as soon as its design is done.

    Args:
        simulations: By design.
        replications: Data sets per design.
        seed: Of the simulations.
        where: `file` of `tally`.
    """
    for design, simulate in simulations.items():

        def flat(rng: np.random.Generator, simulate: Simulation = simulate) -> dict[str, float | None]:
            said = simulate(rng).items()
            return {f"{method}|{what}": v for method, one in said for what, v in one._asdict().items()}

        shares = tally(design, flat, replications=replications, seed=seed, **where)  # type: ignore[arg-type]
        for method in dict.fromkeys(key.split("|")[0] for key in shares):
            yield Row(method, design, *(shares.get(f"{method}|{what}") for what in Outcome._fields))


# ------------------------------------------------------------------------------------------------ one pair of runs


def _one_seed(rng: np.random.Generator) -> dict[str, Outcome]:
    """Right and wrong of two runs on the same 400 examples; a planted effect of 8 points."""
    none, planted = _two_runs(rng, 0.0), _two_runs(rng, 0.08)
    boots = [paired_bootstrap(after, before=before, rng=rng) for after, before in (none, planted)]
    exact = [mcnemar_exact(after, before=before).p_value for after, before in (none, planted)]
    student = paired_limits([(after - before)[None] for after, before in (none, planted)])
    return {
        "paired bootstrap": Outcome(
            boots[0].p_value <= LEVEL, _holds(boots[1].difference, 0.08), boots[1].p_value <= LEVEL
        ),
        "McNemar exact": Outcome(exact[0] <= LEVEL, power=exact[1] <= LEVEL),
        "Student's t over examples": Outcome(
            student.p_value[0] <= LEVEL, student.low[1] <= 0.08 <= student.high[1], student.p_value[1] <= LEVEL
        ),
    }


def _two_runs(rng: np.random.Generator, effect: float) -> tuple[np.ndarray, np.ndarray]:
    """Correlated through how hard each example is."""
    hard = rng.normal(size=400)
    before = hard + rng.normal(size=400) < 0.5
    # The baseline is right with p = .638; a share of its errors is mended so that the mean difference is the effect.
    after = hard + rng.normal(size=400) < 0.5
    base = 0.6381632
    return np.where(~after & (rng.random(400) < effect / (1 - base)), True, after).astype(float), before.astype(float)


def _seeds(n_seeds: int, *, spread: float = 0.02) -> Simulation:
    """At the default spread of seeds, one seed moves the mean as much as the choice of 200 examples."""

    def simulate(rng: np.random.Generator) -> dict[str, Outcome]:
        seed, example = rng.normal(0, spread, (n_seeds, 1)), rng.normal(0, 0.28, (1, 200))
        none = seed + example + rng.normal(0, 0.3, (n_seeds, 200))
        crossed = [crossed_interval(none + effect).p_value for effect in (0.0, 0.1)]
        error = crossed_error(none)
        single = [float(2 * special.stdtr(error.df, -abs(error.mean + e) / error.standard_error)) for e in (0.0, 0.1)]
        naive = paired_limits([none.mean(axis=0)[None] + e for e in (0.0, 0.1)]).p_value
        return {
            "crossed t interval": _shifted(crossed),
            "Satterthwaite's single t (not used)": _shifted(single),
            "examples alone (seeds averaged)": _shifted(naive.tolist()),
        }

    return simulate


def _view(*, of_baseline: float = 1.0) -> Simulation:
    """A view of the Transfer page: 22 intermediates x 5 languages, one baseline a seed and language, right or wrong.

    Args:
        of_baseline: How much the seeds of the baseline spread, relative to those of the other runs.
    """

    def simulate(rng: np.random.Generator) -> dict[str, Outcome]:
        item, seed = rng.normal(0, 1.2, (5, 1, 1, 200)), rng.normal(0, 0.12, (5, 23, 3, 1))
        seed[:, 0] *= of_baseline
        runs = item + seed + rng.normal(0, 0.7, (5, 23, 3, 200)) > 0
        gains = runs[:, 1:].astype(float) - runs[:, :1]
        p = paired_limits(list(gains.reshape(-1, 3, 200))).p_value
        return {
            "cell, seeds and examples": Outcome(float(np.mean(p <= LEVEL))),
            "any cell of the view after Benjamini-Hochberg": Outcome(bool(benjamini_hochberg(p).rejected.any())),
            "one spread of seeds for all runs of a language (not used)": Outcome(
                float(np.mean([_rejected_by_one_spread(one) for one in gains]))
            ),
        }

    return simulate


def _rejected_by_one_spread(gains: np.ndarray) -> float:
    """Share of cells that are rejected if all runs, the baseline as well, are taken to spread alike over seeds.

    Args:
        gains: (intermediates, seeds, examples) against one baseline a seed.
    """
    n, seeds, examples = gains.shape
    runs = np.vstack([np.zeros(seeds), gains.mean(axis=2)])  # the baseline is 0 against itself
    rest = runs - runs.mean(axis=0) - runs.mean(axis=1, keepdims=True) + runs.mean()
    df = n * (seeds - 1)
    of_seeds = 2 * float(np.sum(rest**2)) / df  # a gain is the difference of two runs
    rejected = 0
    for table in gains:
        error = crossed_error(table)
        by_example = error.residual_variance + seeds * error.example_variance
        total = max(examples * of_seeds + by_example - error.residual_variance, examples * of_seeds, by_example)
        others = max(total / (seeds * examples) - of_seeds / seeds, 0.0)
        wide, narrow = special.stdtrit(np.array([df, examples - 1]), 1 - LEVEL / 2)
        rejected += abs(error.mean) > math.sqrt(wide**2 * of_seeds / seeds + narrow**2 * others)
    return float(rejected / n)


def _pairs(rng: np.random.Generator) -> dict[str, Outcome]:
    """Means of runs: 22 intermediates x 13 targets x 3 seeds; a trained target and seed share a baseline."""
    spread = np.array(list(SPREADS.values()))[:, None]
    trains = np.array([str(TASKS[name].type) != "retrieval" for name in SPREADS])[:, None]
    gains = rng.normal(size=(22, len(SPREADS), 3)) * spread - trains * spread * rng.normal(size=(len(SPREADS), 3))
    p = t_limits(
        gains.mean(axis=2).ravel(), sd=gains.std(axis=2, ddof=1).ravel(), n=np.full(22 * len(SPREADS), 3)
    ).p_value
    inter, target, seed = (a.ravel() for a in np.indices(gains.shape))
    average = average_gain(gains.ravel(), intermediate=inter, target=target, seed=seed).interval
    return {
        "pair, t over 3 seeds": Outcome(float(np.mean(p <= LEVEL))),
        "any pair of the table after Benjamini-Hochberg": Outcome(bool(benjamini_hochberg(p).rejected.any())),
        "average gain": Outcome(not _holds(average, 0.0), _holds(average, 0.0)),
    }


def _ranks(n: int) -> Simulation:
    """Similarity against gain over intermediates; a planted correlation of 0.6 of normal values."""

    def simulate(rng: np.random.Generator) -> dict[str, Outcome]:
        x, rest = rng.normal(size=(2, n))
        none, planted = spearman(x, other=rest), spearman(x, other=0.6 * x + 0.8 * rest)
        truth = 6 / math.pi * math.asin(0.6 / 2)
        return {
            "Spearman's correlation": Outcome(not _holds(none, 0.0), _holds(planted, truth), not _holds(planted, 0.0))
        }

    return simulate


# ---------------------------------------------------------------------------------------------------- across cells


def _cells(rng: np.random.Generator) -> Cells:
    """12 intermediates, 5 targets, 4 languages; similarity varies by pair, difficulty by intermediate; no effect."""
    grid = np.array(list(itertools.product(range(12), range(5), range(4))))
    i, t, lang = grid.T
    similarity = (rng.normal(size=(12, 1)) + 0.7 * rng.normal(size=(12, 5)))[i, t]
    difficulty = rng.normal(size=12)[i]
    gain = (
        rng.normal(size=12)[i] + rng.normal(size=5)[t] + 0.5 * rng.normal(size=4)[lang]
        + 0.5 * rng.normal(size=(12, 5))[i, t] + 0.5 * rng.normal(size=len(grid))
    )  # fmt: skip
    return aggregate_cells(
        gain, intermediate=i, target=t, language=lang, covariates={"difficulty": difficulty, "similarity": similarity}
    )


def _across(rng: np.random.Generator) -> dict[str, Outcome]:
    """Planted: 1 for one standard deviation of each covariate."""
    cells = _cells(rng)
    planted = cells._replace(gain=cells.gain + cells.covariates.sum(axis=1))
    fit = fit_mixed(cells, components=COMPONENTS)
    terms = {c.name: _term(c, effect=1.0) for c in fit.coefficients[1:]}
    moved = [
        permutation_test(c, term="similarity", rng=rng, resamples=199, components=COMPONENTS).p_value
        for c in (cells, planted)
    ]
    naive = dict(zip(("", "difficulty", "similarity"), naive_ols(cells), strict=True))
    return {
        **{f"mixed model, {name}": outcome for name, outcome in terms.items()},
        "mixed model, any term": Outcome(any_term(fit) <= LEVEL),
        "permutation of intermediates, similarity": Outcome(moved[0] <= LEVEL, power=moved[1] <= LEVEL),
        **{f"naive per-cell regression, {n}": _term(naive[n], effect=1.0) for n in ("difficulty", "similarity")},
    }


def _thirds(rng: np.random.Generator, *, alike: bool = False) -> Cells:
    """Three thirds of five tasks: difficulty varies inside a task, similarity is a property of a task's text.

    Runs of the last target spread three times as much as those of the others, unless they are alike.
    """
    task, third, target, lang = (a.ravel() for a in np.indices((5, 3, 5, 4)))
    similarity = (rng.normal(size=(5, 1)) + 0.5 * rng.normal(size=(5, 5)))[task, target]
    gain = (
        rng.normal(size=5)[task] + 0.3 * rng.normal(size=(5, 3))[task, third]
        + 0.5 * rng.normal(size=(5, 5))[task, target] + 0.3 * rng.normal(size=(5, 3, 5))[task, third, target]
        + rng.normal(size=5)[target] + 0.3 * rng.normal(size=(5, 4))[target, lang]
        + np.where((target == 4) & (not alike), 1.5, 0.5) * rng.normal(size=len(task))
    )  # fmt: skip
    found = aggregate_cells(
        gain, intermediate=3 * task + third, target=target, language=lang,
        covariates={"difficulty": third - 1.0, "similarity": similarity, "task": task},
    )  # fmt: skip
    base = found.covariates[:, 2].astype(int).astype(str)
    return found._replace(
        covariates=found.covariates[:, :2], names=found.names[:2], levels=found.levels | {"task": base}
    )


def _of_thirds(*, alike: bool = False) -> Simulation:
    """Planted: 0.4 a third, and for one standard deviation of similarity."""

    def simulate(rng: np.random.Generator) -> dict[str, Outcome]:
        cells = _thirds(rng, alike=alike)
        components = (*OF_TASKS, *EVERY)
        weighted = cells._replace(precision=residual_precision(cells, components=components))
        difficulty, similarity = fit_mixed(weighted, components=components).coefficients[1:]
        plain = cells._replace(levels={f: cells.levels[f] for f in ("intermediate", "target", "language")})
        return {
            "contrast inside tasks, difficulty": _inside(cells, effect=0.4),
            "mixed model with base tasks, difficulty": _term(difficulty, effect=0.4),
            "mixed model with base tasks, similarity": _term(similarity, effect=0.4),
            "the same without base tasks, similarity": _term(fit_mixed(plain).coefficients[2], effect=0.4),
        }

    return simulate


def _inside(cells: Cells, *, effect: float) -> Outcome:
    """Hardest less easiest third, t over tasks; half of it is the effect of one third."""
    hard = cells.covariates[:, 0]
    gaps = np.array([
        (cells.gain[(cells.levels["task"] == t) & (hard == 1)].mean()
         - cells.gain[(cells.levels["task"] == t) & (hard == -1)].mean()) / 2
        for t in np.unique(cells.levels["task"])
    ])  # fmt: skip
    means = gaps.mean() + np.array([0.0, effect])
    return _shifted(t_limits(means, sd=np.full(2, gaps.std(ddof=1)), n=np.full(2, gaps.size)).p_value.tolist())


def _shares(share: float) -> Simulation:
    """Twelve intermediates before five targets; `share` of all variance is the pairing of the two, a fifth the rest."""

    def simulate(rng: np.random.Generator) -> dict[str, Outcome]:
        i, target, lang = (a.ravel() for a in np.indices((12, 5, 4)))
        alone = ((0.8 - share) / 2) ** 0.5
        gain = (
            alone * rng.normal(size=12)[i] + alone * rng.normal(size=5)[target]
            + share**0.5 * rng.normal(size=(12, 5))[i, target] + 0.2**0.5 * rng.normal(size=len(i))
        )  # fmt: skip
        cells = aggregate_cells(gain, intermediate=i, target=target, language=lang, covariates={})
        fit = fit_mixed(cells, components=(("intermediate",), ("target",), ("intermediate", "target")))
        found = share_intervals(fit, cells=cells)["intermediate x target"]
        return {f"share of intermediate x target, {share:.2f}": Outcome(covers=_holds(found, share))}

    return simulate


def _held_out(rng: np.random.Generator) -> dict[str, Outcome]:
    """Held-out pairs: are covariates that do nothing said to predict better? Planted: 1 for one standard deviation."""
    cells = _cells(rng)
    planted = cells._replace(gain=cells.gain + cells.covariates.sum(axis=1))
    low = [compare_with_additive(c, rng=rng, components=COMPONENTS).improvement.low for c in (cells, planted)]
    return {"held-out pairs, better than additive": Outcome(low[0] > 0, power=low[1] > 0)}


# ---------------------------------------------------------------------------------------------------------- helpers


def _term(term: Coefficient, *, effect: float) -> Outcome:
    """A term of a linear model: a planted effect is added to its estimate, and its error stays as it is."""
    p = float(2 * special.stdtr(term.df, -abs(term.interval.estimate + effect) / term.standard_error))
    return _shifted([term.p_value, p])


def _shifted(p_values: list[float]) -> Outcome:
    """Of p-values without an effect and with it: the interval holds the truth where it held zero without one."""
    none, planted = (p <= LEVEL for p in p_values)
    return Outcome(none, not none, planted)


def _holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


SIMULATIONS: dict[str, Simulation] = {
    "1 seed x 400 examples": _one_seed,
    **{f"{n} seeds x 200 examples": _seeds(n) for n in (2, 3, 5)},
    **{f"{n} seeds that differ much x 200 examples": _seeds(n, spread=0.08) for n in (3, 5)},
    "view of 22 x 5 cells, 3 seeds x 200 examples": _view(),
    "the same view, a baseline whose seeds spread twice as much": _view(of_baseline=2.0),
    "22 x 13 pairs, 3 seeds": _pairs,
    **{f"{n} intermediates": _ranks(n) for n in (12, 22)},
    "12 x 5 x 4 cells": _across,
    "5 tasks x 3 thirds x 5 x 4 cells": _of_thirds(),
    "the same, targets spread alike": _of_thirds(alike=True),
    **{f"12 x 5 x 4 cells, share {share}": _shares(share) for share in (0.25, 0.1)},
    "12 x 5 x 4 cells, ten folds": _held_out,
}
"""By design, the dearest last."""


def main() -> None:
    """Print the table as Markdown."""
    asked = wanted(__doc__, replications=2000)
    chosen = {name: one for name, one in SIMULATIONS.items() if asked.only in name}
    print("| method | design | rejects without effect | covers planted effect | power | replications |")
    print("|---|---|---:|---:|---:|---:|")
    for row in table(chosen, replications=asked.replications, file=asked.file):
        shares = (row.rejects, row.covers, row.power)
        n = next(share.n for share in shares if share)
        print(f"| {row.method} | {row.design} | {' | '.join(map(percent, shares))} | {n:,} |", flush=True)


if __name__ == "__main__":
    main()
