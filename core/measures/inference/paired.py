"""Paired tests of many cells at once, from what each test example gave to two runs of each seed.

Closed forms only, so that a page may draw them. Only numpy and `scipy.special` are loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from core.errors import DataError
from core.measures.inference.correlation import Limits
from core.measures.inference.intervals import Floats, Interval
from core.measures.inference.stats import Comparison, crossed_error

_HALVINGS = 40
_TWO = 2


class _Parts(NamedTuple):
    """A mean, the variance of it that seeds alone and examples alone give, and what examples add to that of seeds.

    Each is one number, or an array of one per cell.
    """

    mean: Floats | float
    of_seeds: Floats | float
    of_examples: Floats | float
    added: Floats | float
    df_seeds: Floats | float
    df_examples: Floats | float


def paired_limits(tables: Sequence[Floats], *, level: float = 0.95) -> Limits:
    """Interval of each mean difference and its test against zero.

    Several seeds: seeds and examples both vary, as `crossed_interval` has it. One seed: Student's t over its examples
    (McNemar's test without its discreteness, where they are right or wrong), which speaks for that seed alone.

    Args:
        tables: Per cell (seeds, examples) differences of credit, run minus baseline; the same examples for every seed.
        level: Coverage in (0, 1).

    Raises:
        DataError: A table has no seed or fewer than two examples.
    """
    if not tables:
        return Limits(*(np.empty(0) for _ in Limits._fields))
    parts = _Parts(*np.array([_parts(table) for table in tables]).T)
    mean = np.asarray(parts.mean)
    # The level whose interval ends at zero is one minus the p-value.
    low, high = np.zeros_like(mean), np.ones_like(mean)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        inside = _half(parts, middle) < np.abs(mean)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    half = _half(parts, level)
    p_values = np.where(half == 0, np.where(mean == 0, 1.0, 0.0), 1 - low)
    return Limits(mean - half, mean + half, p_values)


def crossed_interval(differences: ArrayLike, *, level: float = 0.95) -> Comparison:
    """Mean difference over seeds and examples, never too sure of few seeds.

    The squared half width is t^2 (of S - 1) times the variance that seeds give, plus t^2 (of n - 1) times what examples
    add to it; and no less than t^2 (of n - 1) times what examples alone give, however well a few seeds agree.
    Satterthwaite's single t is shorter but rejects up to 9 % with three seeds that differ much.

    Args:
        differences: (n_seeds, n_examples) score of the run minus its same-seed baseline, per example.
        level: Coverage in (0, 1).

    Raises:
        DataError: Fewer than two seeds or examples.
    """
    error = crossed_error(differences)
    found = paired_limits([np.asarray(differences, dtype=float)], level=level)
    low, high, p_value = (float(values[0]) for values in (found.low, found.high, found.p_value))
    return Comparison(Interval(error.mean, low, high, level, "crossed t", error.n_seeds, 0), p_value)


def _half(parts: _Parts, level: Floats | float) -> Floats:
    """Half the width of the interval."""
    wide, narrow = (special.stdtrit(df, (1 + level) / 2) for df in (parts.df_seeds, parts.df_examples))
    both = wide**2 * parts.of_seeds + narrow**2 * parts.added
    return np.asarray(np.sqrt(np.maximum(both, narrow**2 * parts.of_examples)))


def _parts(table: Floats) -> _Parts:
    seeds, examples = table.shape
    if seeds < 1 or examples < _TWO:
        raise DataError(f"Found {seeds} seeds x {examples} examples; a paired test needs one and two at least.")
    if seeds == 1:
        alone = float(table.var(ddof=1)) / examples
        return _Parts(float(table.mean()), 0.0, alone, alone, 1.0, examples - 1.0)
    error = crossed_error(table)
    added = error.example_variance / examples
    return _Parts(error.mean, error.seed_error**2, error.example_error**2, added, seeds - 1.0, examples - 1.0)
