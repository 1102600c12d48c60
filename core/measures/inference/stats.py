"""Is a difference real: paired tests, intervals over seeds and examples, corrections, power.

Intervals are records of `core.measures.inference.intervals`. Only numpy and `scipy.special` are
loaded, so a page may import this module without waiting.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from core.errors import DataError, SpecError
from core.measures.inference.intervals import (
    Floats,
    Interval,
    Plan,
    at_least_two,
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
    example_error: float
    """Standard errors of the mean if seeds alone, or examples alone, made it vary."""


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
        after: (n,) what each example gives to the score of the run, which is their mean.
        before: (n,) the same of its baseline, same examples in the same order.
        plan: Resamples and level; default `Plan()`.

    Raises:
        DataError: Lengths differ, or fewer than two examples.
    """
    plan, difference = plan or Plan(), _paired(after, before)
    n = at_least_two(difference.size, what="examples")
    draws, estimate = mean_draws(difference, rng=rng, resamples=plan.resamples), float(difference.mean())
    interval = percentile_interval(draws, estimate=estimate, n=n, level=plan.level)
    return Comparison(interval, _two_sided(draws))


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
    alone = (math.sqrt(ms_seed / (s * n)), math.sqrt(ms_example / (s * n)))
    return CrossedError(mean, math.sqrt(total / (s * n)), df, *components, s, n, *alone)


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
