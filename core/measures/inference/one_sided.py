"""Is a score above another, or above a constant: one-sided tests over the examples of one run.

Where examples are right or wrong the tests are exact (McNemar's and the binomial), elsewhere Student's t over what each
example gave to the score. Only numpy and `scipy.special` are loaded.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from core.errors import DataError
from core.measures.inference.intervals import Floats


def one_sided_paired(after: Floats, before: Floats) -> float:
    """p-value of a mean above another on the same examples; 1 where no example differs.

    Args:
        after: (n,) what each example gave to the score that is tested.
        before: (n,) what the same gave to the other.

    Raises:
        DataError: No example, or the lengths differ.
    """
    if len(after) != len(before) or not len(after):
        raise DataError(
            f"{len(after)} examples against {len(before)}: a paired test needs the same ones, at least one."
        )
    if _is_right_or_wrong(after) and _is_right_or_wrong(before):
        gained, lost = int((after > before).sum()), int((after < before).sum())
        return _at_least(gained, n=gained + lost, chance=0.5)
    return _above_zero(after - before)


def one_sided_above(each: Floats, level: float) -> float:
    """p-value of a mean above a constant.

    Args:
        each: (n,) what each example gave to the score.
        level: The constant, such as a chance.

    Raises:
        DataError: No example.
    """
    if not len(each):
        raise DataError("There is nothing to test: no examples. Expected at least one.")
    if _is_right_or_wrong(each) and 0 <= level <= 1:
        return _at_least(int(each.sum()), n=len(each), chance=level)
    return _above_zero(each - level)


def _is_right_or_wrong(each: Floats) -> bool:
    return bool(np.isin(each, (0.0, 1.0)).all())


def _at_least(right: int, *, n: int, chance: float) -> float:
    """Probability of so many right ones or more among n."""
    return 1.0 if right == 0 else float(special.bdtrc(right - 1, n, chance))


def _above_zero(differences: Floats) -> float:
    n, mean = len(differences), float(differences.mean())
    spread = float(differences.std(ddof=1)) if n > 1 else 0.0
    # Figures that differ by rounding alone are the same.
    if n < 2 or spread <= 1e-12 * max(1.0, abs(mean)):
        return 0.0 if n > 1 and mean > 1e-12 else 1.0
    return float(special.stdtr(n - 1, -mean / (spread / np.sqrt(n))))
