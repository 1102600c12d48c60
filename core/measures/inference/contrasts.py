"""Contrasts of a few independent units: two groups, a share, a correlation; each with its interval.

They serve small numbers of units (targets, intermediates, seeds), so each is exact or Student's and none resamples.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from core.errors import DataError
from core.measures.inference.intervals import Interval, at_least_two, finite_vector


def welch_interval(one: ArrayLike, *, other: ArrayLike, level: float = 0.95) -> Interval:
    """Difference of two means, one less other, with unequal spreads (Welch 1947); n counts both groups.

    Args:
        one: (n,) units of the first group, two or more.
        other: (m,) units of the second, two or more.
        level: Coverage in (0, 1).

    Raises:
        DataError: Fewer than two units in a group.
    """
    a, b = finite_vector(one, what="units of the first group"), finite_vector(other, what="units of the second group")
    at_least_two(min(a.size, b.size), what="units in the smaller group")
    parts = a.var(ddof=1) / a.size, b.var(ddof=1) / b.size
    error = math.sqrt(sum(parts))
    spread = parts[0] ** 2 / (a.size - 1) + parts[1] ** 2 / (b.size - 1)
    df = sum(parts) ** 2 / spread if spread > 0 else float(a.size + b.size - 2)
    half = float(special.stdtrit(df, (1 + level) / 2)) * error
    difference = float(a.mean() - b.mean())
    return Interval(difference, difference - half, difference + half, level, "Welch t", a.size + b.size, 0)


def exact_share(successes: int, *, n: int, level: float = 0.95) -> Interval:
    """A share with Clopper and Pearson's exact limits.

    Args:
        successes: How many.
        n: Of how many, at least 1.
        level: Coverage in (0, 1).

    Raises:
        DataError: No unit, or more successes than units.
    """
    if n < 1 or not 0 <= successes <= n:
        raise DataError(f"{successes} of {n} units; expected 1 or more units and no more successes than that.")
    tail = (1 - level) / 2
    low = float(special.betaincinv(successes, n - successes + 1, tail)) if successes else 0.0
    high = float(special.betaincinv(successes + 1, n - successes, 1 - tail)) if successes < n else 1.0
    return Interval(successes / n, low, high, level, "Clopper-Pearson", n, 0)


def mean_correlation(correlations: ArrayLike, *, level: float = 0.95) -> Interval:
    """Mean of several correlations by Fisher's z, with Student's limits over them.

    Args:
        correlations: (n,) one of each unit, n at least 2.
        level: Coverage in (0, 1).

    Raises:
        DataError: Fewer than two.
    """
    z = np.arctanh(np.clip(finite_vector(correlations, what="correlations"), -0.999999, 0.999999))
    n = at_least_two(z.size, what="correlations")
    half = float(special.stdtrit(n - 1, (1 + level) / 2)) * float(z.std(ddof=1)) / math.sqrt(n)
    mean = float(z.mean())
    return Interval(math.tanh(mean), math.tanh(mean - half), math.tanh(mean + half), level, "t of Fisher z", n, 0)
