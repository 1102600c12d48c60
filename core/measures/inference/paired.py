"""Paired tests of many cells at once, from what each test example gave to two runs of each seed.

Closed forms only, so that a page may draw them. Only numpy and `scipy.special` are loaded.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special

from core.errors import DataError
from core.measures.inference.correlation import Limits
from core.measures.inference.intervals import Floats
from core.measures.inference.stats import crossed_error

_HALVINGS = 40
_TWO = 2


def paired_limits(tables: Sequence[Floats], *, level: float = 0.95) -> Limits:
    """Interval of each mean difference and its test against zero.

    Several seeds: seeds and examples both vary, as `stats.crossed_interval` has it. One seed: Student's t over its
    examples (McNemar's test without its discreteness, where they are right or wrong), which speaks for that seed alone.

    Args:
        tables: Per cell (seeds, examples) differences of credit, run minus baseline; the same examples for every seed.
        level: Coverage in (0, 1).

    Raises:
        DataError: A table has no seed or fewer than two examples.
    """
    if not tables:
        return Limits(*(np.empty(0) for _ in Limits._fields))
    mean, of_seeds, of_examples, df_seeds, df_examples = np.array([_parts(table) for table in tables]).T

    def half(at: Floats | float) -> Floats:
        wide, narrow = special.stdtrit(df_seeds, (1 + at) / 2), special.stdtrit(df_examples, (1 + at) / 2)
        return np.asarray(np.sqrt(wide**2 * of_seeds + narrow**2 * of_examples))

    # The level whose interval ends at zero is one minus the p-value.
    low, high = np.zeros_like(mean), np.ones_like(mean)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        inside = half(middle) < np.abs(mean)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    flat = of_seeds + of_examples == 0
    p_values = np.where(flat, np.where(mean == 0, 1.0, 0.0), 1 - low)
    width = half(level)
    return Limits(mean - width, mean + width, p_values)


def _parts(table: Floats) -> tuple[float, float, float, float, float]:
    """Mean, its variance from seeds and from the rest, and the degrees of freedom of the two."""
    seeds, examples = table.shape
    if seeds < 1 or examples < _TWO:
        raise DataError(f"Found {seeds} seeds x {examples} examples; a paired test needs one and two at least.")
    if seeds == 1:
        return float(table.mean()), 0.0, float(table.var(ddof=1)) / examples, 1.0, examples - 1.0
    error = crossed_error(table)
    rest = max(error.standard_error**2 - error.seed_error**2, 0.0)
    return error.mean, error.seed_error**2, rest, seeds - 1.0, examples - 1.0
