"""Limits of what is computed from mean squares: variance components, their roots and their shares.

Each mean square over its expectation is chi-square over its degrees of freedom, so a draw of chi-squares turns the mean
squares that were seen into expectations that they could have had, and any function of these into a distribution
(generalised confidence intervals, Weerahandi 1993, doi:10.2307/2290779). Every mean square is uncertain: the noise that
is taken away, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from core.errors import DataError
from core.measures.inference.intervals import Floats, Interval

DRAWS = 10_000
"""Of chi-squares for one interval."""


class MeanSquare(NamedTuple):
    """A mean of squared deviations."""

    value: float
    """Sum of squares over degrees of freedom."""
    df: float
    """Degrees of freedom; a fraction where unlike groups are pooled."""


def pooled_square(parts: Iterable[MeanSquare]) -> MeanSquare:
    """One mean square from several groups whose variances may differ.

    Degrees of freedom after Satterthwaite (1946): a group that varies much more than the others counts nearly alone.

    Args:
        parts: Of each group; those without a degree of freedom are passed over.

    Raises:
        DataError: No group has a degree of freedom.
    """
    there = [part for part in parts if part.df > 0]
    freedom = sum(part.df for part in there)
    if not freedom:
        raise DataError("No degree of freedom: a spread needs two or more values in a group.")
    total = sum(part.value * part.df for part in there)
    # The expectation of a squared mean square is its square times 1 + 2 / df.
    spread = sum((part.value * part.df) ** 2 / (part.df + 2) for part in there)
    df = freedom if len(there) == 1 or spread <= 0 else min(total**2 / spread, freedom)
    return MeanSquare(total / freedom, max(df, 1.0))


def drawn_squares(square: MeanSquare, *, rng: np.random.Generator, draws: int = DRAWS) -> Floats:
    """(draws,) expectations that a mean square could have had.

    Args:
        square: What was seen.
        rng: Source of chi-squares.
        draws: How many.
    """
    return square.value * square.df / rng.chisquare(square.df, draws)


def generalised_interval(draws: ArrayLike, *, estimate: float, n: int, level: float = 0.95) -> Interval:
    """The middle of what a quantity could have been.

    Args:
        draws: (draws,) the quantity from `drawn_squares`.
        estimate: The same from the mean squares that were seen.
        n: Independent units.
        level: Coverage in (0, 1).
    """
    values = np.asarray(draws, dtype=float)
    low, high = (float(end) for end in np.quantile(values, [(1 - level) / 2, (1 + level) / 2]))
    return Interval(estimate, min(low, estimate), max(high, estimate), level, "generalised", n, values.size)
