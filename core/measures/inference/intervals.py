"""Intervals: an estimate with its uncertainty, and how that was found.

Every interval of the project is an `Interval`, which says its method, level, n and resamples. Only numpy and
`scipy.special` are loaded. To add a kind of interval: one function here and a hand-worked case in its test.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from core.errors import DataError

Floats = NDArray[np.float64]
BLOCK = 4_000_000
"""Numbers drawn at once, at most: 32 MB of float64."""


class Interval(NamedTuple):
    """An estimate with its uncertainty and how that was found."""

    estimate: float
    low: float
    high: float
    level: float
    method: str
    n: int
    resamples: int


class Plan(NamedTuple):
    """How to resample: number of resamples, level of the interval."""

    resamples: int = 2000
    level: float = 0.95


def percentile_interval(draws: ArrayLike, *, estimate: float, n: int, level: float = 0.95) -> Interval:
    """Percentile interval of bootstrap draws of a statistic that resampling does not bias, such as a mean.

    Args:
        draws: (resamples,) statistics of the resamples.
        estimate: Statistic of the data; a limit that passes it by (rounding of equal draws) is moved to it.
        n: Number of independent units that were resampled.
        level: Coverage in (0, 1).
    """
    values = finite_vector(draws, what="draws")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    low, high = min(float(low), float(estimate)), max(float(high), float(estimate))
    return Interval(float(estimate), low, high, level, "percentile bootstrap", n, values.size)


def mean_interval(values: ArrayLike, *, rng: np.random.Generator, plan: Plan | None = None) -> Interval:
    """Bootstrap interval of a mean; resamples counts of distinct values, so 10,000 right/wrong answers cost nothing.

    Args:
        values: (n,) numbers.
        plan: Resamples and level; default `Plan()`.

    Raises:
        DataError: Fewer than two values, or one that is not finite.
    """
    plan, numbers = plan or Plan(), finite_vector(values, what="values")
    n = at_least_two(numbers.size, what="values to resample")
    draws, estimate = mean_draws(numbers, rng=rng, resamples=plan.resamples), float(numbers.mean())
    return percentile_interval(draws, estimate=estimate, n=n, level=plan.level)


def t_interval(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """Student's interval of a mean, for a handful of seeds.

    Args:
        values: (n,) numbers, n at least 2.
        level: Coverage in (0, 1).

    Raises:
        DataError: Fewer than two values.
    """
    numbers = finite_vector(values, what="values")
    n = at_least_two(numbers.size, what="values")
    half = float(special.stdtrit(n - 1, (1 + level) / 2) * numbers.std(ddof=1) / math.sqrt(n))
    mean = float(numbers.mean())
    return Interval(mean, mean - half, mean + half, level, "t", n, 0)


def block_jackknife(
    strata: ArrayLike, *, statistic: Callable[[NDArray[np.intp]], float], rng: np.random.Generator, blocks: int = 20,
    level: float = 0.95,
) -> Interval:  # fmt: skip
    """Interval of a statistic that a bootstrap would mislead: examples in random groups, one group left out at a time.

    A resample holds some examples twice, which a nearest neighbour or a fit in as many dimensions as examples takes
    for knowledge; a part of the examples holds none twice. Variance: (g - 1) / g sum (part - mean of parts)^2, limits
    by Student's t of g - 1.

    Args:
        strata: (n,) classes; each is spread evenly over the groups.
        statistic: From (m,) ascending row numbers to a number.
        rng: Source of the groups.
        blocks: Groups, at most; no more than rows.
        level: Coverage in (0, 1).

    Raises:
        DataError: Fewer than two rows.
    """
    classes = np.asarray(strata)
    n = at_least_two(len(classes), what="examples")
    groups = spread_groups(classes, rng=rng, blocks=min(blocks, n))
    parts = np.array([statistic(np.flatnonzero(groups != block)) for block in range(min(blocks, n))])
    return jackknife_interval(float(statistic(np.arange(n))), parts=(parts,), n=n, level=level)


def spread_groups(strata: ArrayLike, *, rng: np.random.Generator, blocks: int) -> NDArray[np.intp]:
    """(n,) group of each row, 0 to blocks - 1: random, of equal size, each class spread evenly.

    Args:
        strata: (n,) classes.
        blocks: How many groups.
    """
    classes = np.asarray(strata)
    order = rng.permutation(len(classes))
    order = order[np.argsort(classes[order], kind="stable")]
    groups = np.empty(len(classes), dtype=np.intp)
    groups[order] = np.arange(len(classes)) % blocks
    return groups


def jackknife_interval(estimate: float, *, parts: tuple[Floats, ...], n: int, level: float = 0.95) -> Interval:
    """Interval from what the statistic is without each group, of one sample or several independent ones.

    Args:
        estimate: Of everything.
        parts: For each sample, (blocks,) the statistic without one block of it.
        n: Examples; of the smaller sample.
        level: Coverage in (0, 1).
    """
    variance = sum(float(np.sum((p - p.mean()) ** 2)) * (p.size - 1) / p.size for p in parts)
    blocks = min(p.size for p in parts)
    half = float(special.stdtrit(blocks - 1, (1 + level) / 2)) * math.sqrt(variance)
    return Interval(estimate, estimate - half, estimate + half, level, f"jackknife over {blocks} groups", n, 0)


def infinitesimal_jackknife(
    estimate: float, *, pulls: tuple[Floats, ...], bounds: tuple[float, float], level: float = 0.95
) -> Interval:
    """Interval from each sentence's pull: the derivative of the estimate in its weight, times the sample's size.

    The bootstrap with infinitely many resamples, in closed form to first order (Efron 2014). Too narrow where two
    samples are of the same distribution, as the first order vanishes there.

    Args:
        estimate: Of all sentences.
        pulls: (n,) of each sample.
        bounds: Smallest and largest value there is.
    """
    variance = sum(float(np.sum((pull - pull.mean()) ** 2)) / (len(pull) * (len(pull) - 1)) for pull in pulls)
    half = float(special.ndtri((1 + level) / 2)) * math.sqrt(variance)
    low, high = max(estimate - half, bounds[0]), min(estimate + half, bounds[1])
    n = min(len(pull) for pull in pulls)
    return Interval(estimate, low, high, level, "infinitesimal jackknife over sentences", n, 0)


def finite_vector(values: ArrayLike, *, what: str) -> Floats:
    """The values as (n,) float64, n at least 1, all finite.

    Args:
        values: Numbers.
        what: Their name in the message, in the plural.

    Raises:
        DataError: No value, or one that is not finite.
    """
    array = np.asarray(values, dtype=float).ravel()
    if not array.size:
        raise DataError(f"No {what}. Missing cells are left out before, never passed as an empty array.")
    if not np.isfinite(array).all():
        raise DataError(f"{int(np.sum(~np.isfinite(array)))} of {array.size} {what} are not finite. Leave them out.")
    return array


def mean_draws(values: Floats, *, rng: np.random.Generator, resamples: int) -> Floats:
    """(resamples,) means of resamples of (n,) values: a multinomial draw of how often each distinct value comes.

    Args:
        values: (n,) finite numbers.
    """
    distinct, counts = np.unique(values, return_counts=True)
    n, draws = values.size, np.empty(resamples)
    step = max(1, BLOCK // distinct.size)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        draws[start : start + count] = rng.multinomial(n, counts / n, size=count) @ distinct / n
    return draws


def resampled_sums(columns: ArrayLike, *, rng: np.random.Generator, resamples: int) -> Floats:
    """(resamples, k) column sums of resamples of the rows.

    Args:
        columns: (n, k) numbers; rows are the independent units.
    """
    table = np.asarray(columns, dtype=float)
    n, sums = len(table), np.empty((resamples, table.shape[1]))
    step = max(1, BLOCK // n)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        sums[start : start + count] = rng.multinomial(n, np.full(n, 1 / n), size=count) @ table
    return sums


def at_least_two(n: int, *, what: str) -> int:
    """The count itself, if it allows an interval.

    Args:
        n: Number of independent units.
        what: Their name in the message, in the plural.

    Raises:
        DataError: Fewer than two.
    """
    if n < 2:
        raise DataError(f"Found {n} {what}; an interval needs at least 2.")
    return n
