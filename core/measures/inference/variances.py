"""Limits of variance components, for shares of variance that can be read with their uncertainty.

The means of a component's levels vary by the component and by what is averaged below it. Their variance times
(levels - 1) over its expectation is about chi-square, whose limits less what lies below bound the component (Williams
1962, Tukey 1951).
"""

from __future__ import annotations

from scipy import special

from core.errors import SpecError
from core.measures.inference.intervals import Interval


def component_interval(variance: float, *, below: float, levels: int, level: float = 0.95) -> Interval:
    """A variance component with approximate limits; n counts its levels.

    Args:
        variance: Estimate, at least 0.
        below: Variance of a level's mean given the level: what is nested in it over how often, at least 0.
        levels: Number of levels, the independent units.
        level: Coverage in (0, 1).

    Raises:
        SpecError: A negative variance, or fewer than two levels.
    """
    if variance < 0 or below < 0 or levels < 2:
        raise SpecError(f"Variance {variance}, below {below}, {levels} levels; expected at least 0, 0 and 2.")
    df, seen = levels - 1, variance + below
    low, high = (seen * df / float(special.chdtri(df, tail)) for tail in ((1 - level) / 2, (1 + level) / 2))
    low, high = max(low - below, 0.0), max(high - below, 0.0)
    return Interval(variance, min(low, variance), max(high, variance), level, "chi-square of level means", levels, 0)


def share_interval(part: Interval, *, rest: float) -> Interval:
    """Share of a part in part + rest, the rest taken as known.

    Args:
        part: Variance with limits.
        rest: All other variance, at least 0.

    Raises:
        SpecError: There is no variance at all.
    """
    if part.estimate + rest <= 0:
        raise SpecError(f"Variance {part.estimate} of {part.estimate + rest}; there is nothing to share out.")
    shares = [value / (value + rest) if value > 0 else 0.0 for value in part[:3]]
    return part._replace(estimate=shares[0], low=shares[1], high=shares[2])
