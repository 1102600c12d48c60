"""Rank correlation with its interval, and intervals of many means at once from stored moments.

Closed forms only, so that a page may draw them at every click. Only numpy and `scipy.special` are loaded.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from core.errors import DataError
from core.measures.inference.intervals import Floats, Interval, finite_vector
from core.measures.metrics.corpus import mid_ranks

FEWEST = 6
"""Pairs below which a rank correlation has no interval: with five it would reject 8 %."""
_ROUNDS = 30


class Limits(NamedTuple):
    """Limits and two-sided p-values of many means; NaN where there is no interval."""

    low: Floats
    high: Floats
    p_value: Floats


def t_limits(mean: ArrayLike, *, sd: ArrayLike, n: ArrayLike, level: float = 0.95) -> Limits:
    """Student's interval and test against zero of each mean, from its moments.

    A mean of one value has no interval, and neither has a mean of equal values: a spread of exactly zero says that the
    values are copies (a stage without training has no seed), not that the mean is known.

    Args:
        mean: (m,) means; NaN where missing.
        sd: (m,) sample standard deviations; NaN below two values.
        n: (m,) numbers of values.
        level: Coverage in (0, 1).
    """
    centre, spread, count = (np.asarray(values, dtype=float) for values in (mean, sd, n))
    known = np.isfinite(centre) & (count > 1) & (np.nan_to_num(spread) > 0)
    df = np.where(known, count - 1, 1.0)
    error = np.where(known, spread, 1.0) / np.sqrt(np.where(known, count, 1.0))
    half = special.stdtrit(df, (1 + level) / 2) * error
    p_value = 2 * special.stdtr(df, -np.abs(np.where(known, centre, 0.0)) / error)
    low, high, p = (np.where(known, values, np.nan) for values in (centre - half, centre + half, p_value))
    return Limits(low, high, p)


def spearman(x: ArrayLike, *, other: ArrayLike, level: float = 0.95) -> Interval:
    """Spearman's rank correlation, in [-1, 1], with Bonett and Wright's (2000) error on Fisher's scale.

    The limits are the correlations ρ with |artanh r − artanh ρ| = z sqrt((1 + ρ²/2) / (n − 3)): the error is that
    of the supposed truth; that of what was found makes the test of no relation too cautious. Ties share a mean rank.
    The limits are NaN below `FEWEST` pairs and where the order is perfect, for which the form has none.

    Args:
        x: (n,) numbers.
        other: (n,) the partner of each.
        level: Coverage in (0, 1).

    Raises:
        DataError: Lengths differ, fewer than two pairs, or all values of one side are equal.
    """
    one, two = mid_ranks(finite_vector(x, what="values")), mid_ranks(finite_vector(other, what="values"))
    if one.size != two.size or one.size < 2:
        raise DataError(f"{one.size} values against {two.size}; a rank correlation needs two or more pairs.")
    a, b = one - one.mean(), two - two.mean()
    scale = math.sqrt(float((a @ a) * (b @ b)))
    if scale == 0:
        raise DataError("All values of one side are equal, so there is no order to compare.")
    r = float(np.clip(a @ b / scale, -1, 1))
    low = high = math.nan
    if one.size >= FEWEST and abs(r) < 1 - 1e-12:
        z, found = float(special.ndtri((1 + level) / 2)) / math.sqrt(one.size - 3), math.atanh(r)
        low, high = (_limit(found, step=sign * z) for sign in (-1, 1))
    return Interval(r, low, high, level, "Bonett–Wright", one.size, 0)


def _limit(found: float, *, step: float) -> float:
    """The fixed point of truth = found + step sqrt(1 + tanh(truth)² / 2), as a correlation."""
    truth = found
    for _ in range(_ROUNDS):
        truth = found + step * math.sqrt(1 + math.tanh(truth) ** 2 / 2)
    return math.tanh(truth)
