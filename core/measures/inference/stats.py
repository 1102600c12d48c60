"""Is a difference real: paired tests, corrections, power, permutation of groups and variance shares.

Intervals are records of `core.measures.inference.intervals`. Only numpy and `scipy.special` are
loaded, so a page may import this module without waiting. To add a test: one function, a `NamedTuple` if it returns
two things, a hand-worked case in `tests/core/measures/inference/test_stats.py`, a row in `docs/measures.md`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from core.errors import DataError, SpecError
from core.measures.inference.intervals import (
    BLOCK,
    Floats,
    Interval,
    Plan,
    at_least_two,
    bca_interval,
    finite_vector,
    mean_draws,
    percentile_interval,
)


class Comparison(NamedTuple):
    """A mean difference with its interval and two-sided p-value."""

    difference: Interval
    p_value: float


class McNemar(NamedTuple):
    """Examples that only one of two runs got right, and the exact two-sided p-value."""

    gained: int
    lost: int
    p_value: float


class Corrected(NamedTuple):
    """Adjusted p-values (q) in input order and which are rejected at the level."""

    q_values: Floats
    rejected: NDArray[np.bool_]


class CrossedError(NamedTuple):
    """Mean of a seeds x examples table, its standard error, degrees of freedom and variance components."""

    mean: float
    standard_error: float
    df: float
    seed_variance: float
    example_variance: float
    residual_variance: float
    n_seeds: int
    n_examples: int
    seed_error: float


class Permutation(NamedTuple):
    """An observed statistic and its two-sided permutation p-value."""

    statistic: float
    p_value: float
    n_groups: int
    resamples: int


def paired_bootstrap(
    after: ArrayLike, *, before: ArrayLike, rng: np.random.Generator, plan: Plan | None = None
) -> Comparison:
    """Mean difference of two runs on the same examples, resampling examples.

    The p-value is twice the smaller share of resampled differences on one side of zero, plus-one corrected.

    Args:
        after: (n,) contribution of each example to the score of the run, in [0, 1].
        before: (n,) the same of its baseline, same examples in the same order.
        plan: Resamples, level and method; default `Plan()`.

    Raises:
        DataError: Lengths differ, or fewer than two examples.
    """
    plan, difference = plan or Plan(), _paired(after, before)
    n = at_least_two(difference.size, what="examples")
    draws, estimate = mean_draws(difference, rng=rng, resamples=plan.resamples), float(difference.mean())
    if plan.method == "bca":
        jackknife = (n * estimate - difference) / (n - 1)
        interval = bca_interval(draws, estimate=estimate, jackknife=jackknife, level=plan.level)
    else:
        interval = percentile_interval(draws, estimate=estimate, n=n, level=plan.level)
    return Comparison(interval, _two_sided(draws))


def hierarchical_bootstrap(differences: ArrayLike, *, rng: np.random.Generator, plan: Plan | None = None) -> Comparison:
    """Mean difference with seeds and examples both resampled (crossed: the same examples for every seed).

    Seed deviations are stretched by sqrt(S / (S - 1)), which undoes the bootstrap's shrinkage. Where a few seeds
    differ much the interval is still too narrow, as resampling three things has no t correction: prefer
    `crossed_interval`, as docs/calibration.md shows.

    Args:
        differences: (n_seeds, n_examples) score of the run minus its same-seed baseline, per example.
        plan: Resamples and level; percentile only.

    Raises:
        DataError: Fewer than two seeds or examples.
        SpecError: `plan` asks for BCa.
    """
    plan, table = plan or Plan(), _table(differences)
    if plan.method == "bca":
        raise SpecError("hierarchical_bootstrap has percentile intervals only, found 'bca'. Use method='percentile'.")
    n_seeds, n_examples = table.shape
    centre = float(table.mean())
    stretch = math.sqrt(n_seeds / (n_seeds - 1)) - 1
    stretched = table + stretch * (table.mean(axis=1, keepdims=True) - centre)
    draws = np.empty(plan.resamples)
    step = max(1, BLOCK // n_examples)
    for start in range(0, plan.resamples, step):
        count = min(step, plan.resamples - start)
        seeds = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=count)
        examples = rng.poisson(1.0, size=(count, n_examples)).astype(np.float32)
        means = examples @ stretched.T.astype(np.float32) / np.maximum(examples.sum(axis=1, keepdims=True), 1)
        draws[start : start + count] = np.sum(means * seeds, axis=1) / n_seeds
    interval = percentile_interval(draws, estimate=centre, n=n_seeds, level=plan.level)
    return Comparison(interval._replace(method="hierarchical percentile bootstrap"), _two_sided(draws))


def crossed_error(differences: ArrayLike) -> CrossedError:
    """Standard error of a mean, Var = (MS_seed + MS_example - MS_residual) / (S n), with Satterthwaite's df.

    Args:
        differences: (n_seeds, n_examples) differences, the same examples for every seed.

    Raises:
        DataError: Fewer than two seeds or examples.
    """
    table = _table(differences)
    s, n = table.shape
    mean = float(table.mean())
    by_seed, by_example = table.mean(axis=1), table.mean(axis=0)
    ms_seed = n * float(np.sum((by_seed - mean) ** 2)) / (s - 1)
    ms_example = s * float(np.sum((by_example - mean) ** 2)) / (n - 1)
    residual = table - by_seed[:, None] - by_example[None, :] + mean
    ms_residual = float(np.sum(residual**2)) / ((s - 1) * (n - 1))
    # The difference of mean squares can fall below either variance alone; the larger of them is then the safe one.
    total = max(ms_seed + ms_example - ms_residual, ms_seed, ms_example)
    spread = ms_seed**2 / (s - 1) + ms_example**2 / (n - 1) + ms_residual**2 / ((s - 1) * (n - 1))
    df = float(np.clip(total**2 / spread, s - 1, s * n - 1)) if spread > 0 else float(s - 1)
    components = (max(ms_seed - ms_residual, 0) / n, max(ms_example - ms_residual, 0) / s, ms_residual)
    return CrossedError(mean, math.sqrt(total / (s * n)), df, *components, s, n, math.sqrt(ms_seed / (s * n)))


def crossed_interval(differences: ArrayLike, *, level: float = 0.95) -> Comparison:
    """Mean difference over seeds and examples, never too sure of few seeds.

    The squared half width is t^2 (of S - 1) times the part of the variance that seeds give, plus t^2 (of n - 1) times
    the rest. Satterthwaite's single t is shorter but rejects up to 9 % with three seeds that differ much.

    Args:
        differences: (n_seeds, n_examples) score of the run minus its same-seed baseline, per example.
        level: Coverage in (0, 1).

    Raises:
        DataError: Fewer than two seeds or examples.
    """
    error = crossed_error(differences)
    half = _crossed_half(error, level)
    interval = Interval(error.mean, error.mean - half, error.mean + half, level, "crossed t", error.n_seeds, 0)
    if error.standard_error == 0:
        return Comparison(interval, 1.0 if error.mean == 0 else 0.0)
    low, high = 0.0, 1.0  # the level whose interval ends at zero is one minus the p-value
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _crossed_half(error, middle) < abs(error.mean) else (low, middle)
    return Comparison(interval, 1 - low)


def _crossed_half(error: CrossedError, level: float) -> float:
    rest = max(error.standard_error**2 - error.seed_error**2, 0.0)
    of_seeds, of_examples = special.stdtrit(np.array([error.n_seeds - 1, error.n_examples - 1]), (1 + level) / 2)
    return math.sqrt(of_seeds**2 * error.seed_error**2 + of_examples**2 * rest)


def mcnemar_exact(after: ArrayLike, *, before: ArrayLike) -> McNemar:
    """Exact McNemar test of two runs' right and wrong answers on the same examples.

    Args:
        after: (n,) 1 where the run was right, else 0.
        before: (n,) the same of its baseline.

    Raises:
        DataError: Lengths differ, or values other than 0 and 1.
    """
    difference = _paired(after, before)
    values = np.unique(np.concatenate([np.ravel(after), np.ravel(before)]).astype(float))
    if not np.isin(values, (0.0, 1.0)).all():
        raise DataError(f"McNemar needs 0 or 1 per example, found {values[:5].tolist()}. Use paired_bootstrap instead.")
    gained, lost = int(np.sum(difference > 0)), int(np.sum(difference < 0))
    flips = gained + lost
    p_value = min(1.0, 2 * float(special.bdtr(min(gained, lost), flips, 0.5))) if flips else 1.0
    return McNemar(gained, lost, p_value)


def approximate_randomisation(
    after: ArrayLike, *, before: ArrayLike, rng: np.random.Generator, resamples: int = 10_000
) -> float:
    """Two-sided p-value of a mean difference when the two runs' answers are swapped at random (Noreen 1989).

    Examples with the same size of difference are swapped together as a binomial count, which is the same test.

    Args:
        after: (n,) contribution of each example to the score of the run.
        before: (n,) the same of its baseline.
        rng: Source of the swaps.
        resamples: Number of random swaps.

    Raises:
        DataError: Lengths differ.
    """
    difference = _paired(after, before)
    sizes, counts = np.unique(np.abs(difference[difference != 0]), return_counts=True)
    if not sizes.size:
        return 1.0
    totals = np.empty(resamples)
    step = max(1, BLOCK // sizes.size)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        flips = rng.binomial(counts, 0.5, size=(count, sizes.size))
        totals[start : start + count] = (2 * flips - counts) @ sizes
    observed = abs(float(difference.sum()))
    # The slack keeps sums that are equal on paper from being told apart by rounding.
    return float((np.sum(np.abs(totals) >= observed - 1e-9 * max(observed, 1.0)) + 1) / (resamples + 1))


def benjamini_hochberg(p_values: ArrayLike, *, level: float = 0.05) -> Corrected:
    """Adjusted p-values that control the false discovery rate over the family given.

    Args:
        p_values: (m,) p-values; leave out cells without one, never pass NaN.
        level: Share of false discoveries accepted.

    Raises:
        DataError: No p-value, or one outside [0, 1].
    """
    p = finite_vector(p_values, what="p-values")
    if p.min() < 0 or p.max() > 1:
        raise DataError(f"p-values lie in [0, 1], found {p.min():g} to {p.max():g}. Leave out cells without a test.")
    order = np.argsort(p, kind="stable")
    raised = p[order] * p.size / np.arange(1, p.size + 1)
    q = np.empty_like(p)
    q[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return Corrected(q, q <= level)


def minimum_detectable_effect(
    standard_error: float, *, df: float = math.inf, power: float = 0.8, level: float = 0.95
) -> float:
    """Smallest true difference that a two-sided test at this design finds with the given power.

    Args:
        standard_error: Of the difference: sd / sqrt(n) for a paired design, or `CrossedError.standard_error`.
        df: Degrees of freedom; infinite for a z test.
        power: Probability of finding it.
        level: One minus the test's error rate.

    Raises:
        SpecError: A negative standard error, or power or level outside (0, 1).
    """
    if standard_error < 0 or not 0 < power < 1 or not 0 < level < 1:
        found = f"standard_error {standard_error}, power {power}, level {level}"
        raise SpecError(f"Found {found}; expected an error of at least 0 and shares between 0 and 1. Correct them.")
    if math.isinf(df):
        return float(standard_error * (special.ndtri((1 + level) / 2) + special.ndtri(power)))
    return float(standard_error * (special.stdtrit(df, (1 + level) / 2) + special.stdtrit(df, power)))


def planned_error(error: CrossedError, *, n_seeds: int, n_examples: int) -> float:
    """Standard error to expect with another number of seeds and examples.

    Args:
        error: From the design that was run.
        n_seeds: Seeds of the planned design.
        n_examples: Test examples of the planned design.
    """
    seed, example, residual = error.seed_variance, error.example_variance, error.residual_variance
    return math.sqrt(seed / n_seeds + example / n_examples + residual / (n_seeds * n_examples))


def group_permutation(
    predictor: ArrayLike, *, response: ArrayLike, rng: np.random.Generator, resamples: int = 9_999
) -> Permutation:
    """Does a predictor go with a response across groups, permuting whole groups (rows)?

    Column means (a target's level) are taken out of both; the statistic is the correlation over all cells. All orders
    are tried where there are no more of them than `resamples`.

    Args:
        predictor: (groups, columns) such as similarity of each intermediate to each target.
        response: (groups, columns) such as mean gain.
        rng: Source of the orders.
        resamples: Number of random orders.

    Raises:
        DataError: Shapes differ, or fewer than three groups.
    """
    x, y = np.atleast_2d(np.asarray(predictor, float)), np.atleast_2d(np.asarray(response, float))
    if x.shape != y.shape or len(x) < 3:
        raise DataError(f"Predictor is {x.shape}, response {y.shape}; expected equal shapes with 3 or more groups.")
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    scale = math.sqrt(float(np.sum(x**2) * np.sum(y**2)))
    if scale == 0:
        raise DataError("Predictor or response is constant within every column; there is nothing to correlate.")
    products = x @ y.T / scale  # products[i, j]: row i of x laid on row j of y
    groups = len(x)
    observed = float(np.trace(products))
    if groups < 10 and math.factorial(groups) <= resamples:
        orders = np.array(list(itertools.permutations(range(groups))))
        draws = products[orders, np.arange(groups)].sum(axis=1)
        return Permutation(observed, float(np.mean(np.abs(draws) >= abs(observed) - 1e-12)), groups, len(orders))
    orders = rng.permuted(np.tile(np.arange(groups), (resamples, 1)), axis=1)
    draws = products[orders, np.arange(groups)].sum(axis=1)
    p_value = (np.sum(np.abs(draws) >= abs(observed) - 1e-12) + 1) / (resamples + 1)
    return Permutation(observed, float(p_value), groups, resamples)


def variance_shares(values: ArrayLike, *, factors: Mapping[str, ArrayLike]) -> dict[str, float]:
    """Share of the total sum of squares that each factor explains beyond the others, plus `shared` and `residual`.

    In a balanced table `shared` is 0 and the shares add up to 1 (eta squared).

    Args:
        values: (n,) numbers, such as gains.
        factors: Name to (n,) levels, such as the intermediate of each gain.

    Raises:
        DataError: Values are constant, or lengths differ.
    """
    y = finite_vector(values, what="values")
    y = y - y.mean()
    total = float(y @ y)
    if total == 0:
        raise DataError("All values are equal; there is no variance to share out.")
    blocks = {name: _indicator(levels, n=y.size, name=name) for name, levels in factors.items()}
    full = _explained(y, list(blocks.values()))
    shares = {}
    for name in blocks:
        others = [block for other, block in blocks.items() if other != name]
        shares[name] = max(full - _explained(y, others), 0.0) / total
    residual = max(total - full, 0.0) / total
    return {**shares, "shared": 1 - residual - sum(shares.values()), "residual": residual}


def _indicator(levels: ArrayLike, *, n: int, name: str) -> Floats:
    codes = np.unique(np.asarray(levels), return_inverse=True)[1].ravel()
    if codes.size != n:
        raise DataError(f"Factor '{name}' has {codes.size} levels for {n} values. Pass one level per value.")
    return np.eye(int(codes.max()) + 1)[codes]


def _explained(y: Floats, blocks: list[Floats]) -> float:
    if not blocks:
        return 0.0
    design = np.hstack([np.ones((y.size, 1)), *blocks])
    fitted = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(fitted @ fitted)


def _two_sided(draws: Floats) -> float:
    tail = min(np.sum(draws <= 0), np.sum(draws >= 0))
    return float(min(1.0, 2 * (tail + 1) / (draws.size + 1)))


def _paired(after: ArrayLike, before: ArrayLike) -> Floats:
    one, two = finite_vector(after, what="examples"), finite_vector(before, what="examples")
    if one.size != two.size:
        raise DataError(f"{one.size} examples against {two.size}: a paired test needs the same ones in the same order.")
    return one - two


def _table(differences: ArrayLike) -> Floats:
    table = np.asarray(differences, dtype=float)
    if table.ndim != 2 or min(table.shape) < 2:
        raise DataError(
            f"Found a table of shape {table.shape}; expected two or more seeds x two or more examples. "
            "With one seed use paired_bootstrap, which speaks for that seed only."
        )
    finite_vector(table, what="differences")
    return table
