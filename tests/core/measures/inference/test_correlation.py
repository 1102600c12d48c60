"""Rank correlation and limits from moments, against numbers worked by hand and the functions for single vectors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.errors import DataError
from core.measures.inference.correlation import spearman, t_limits
from core.measures.inference.intervals import t_interval


def test_spearman_by_hand() -> None:
    # d = (-1, 1, -1, 1, 0, 0): 1 - 6 * 4 / (6 * 35) = 0.8857; artanh 1.4018; 1.95996 / sqrt(3) = 1.1316.
    # 1.4018 - 1.1316 * sqrt(1 + 0.2476² / 2) = 0.2530 = artanh 0.2477, itself; 0.9924 likewise from above.
    found = spearman([1, 2, 3, 4, 5, 6], other=[2, 1, 4, 3, 5, 6])
    assert found.estimate == pytest.approx(0.8857, abs=1e-4)
    assert (found.low, found.high) == pytest.approx((0.2476, 0.9924), abs=2e-4)
    assert (found.n, found.method) == (6, "Bonett–Wright")


@pytest.mark.parametrize("n", [6, 9, 30])
def test_the_limits_are_the_truths_that_are_just_not_refused(n: int) -> None:
    rng = np.random.default_rng(n)
    for slope in (-0.7, 0, 0.5):
        x, rest = rng.normal(size=(2, n))
        found = spearman(x, other=slope * x + rest)
        for limit in (found.low, found.high):
            error = math.sqrt((1 + limit**2 / 2) / (n - 3))
            assert abs(math.atanh(found.estimate) - math.atanh(limit)) == pytest.approx(1.959964 * error, rel=1e-5)
        assert found.low < found.estimate < found.high


def test_ties_share_their_mean_rank_and_monotone_changes_do_nothing() -> None:
    # Ranks of (1, 1, 3) are (1.5, 1.5, 3): r with (1, 2, 3) is 1.5 / sqrt(1.5 * 2) = 0.8660.
    assert spearman([1, 1, 3], other=[1, 2, 3]).estimate == pytest.approx(math.sqrt(3) / 2)
    x, y = np.random.default_rng(0).normal(size=(2, 30))
    assert spearman(np.exp(x), other=y**3).estimate == pytest.approx(spearman(x, other=y).estimate)
    assert spearman(-x, other=y).estimate == pytest.approx(-spearman(x, other=y).estimate)


def test_no_interval_below_six_pairs_or_for_a_perfect_order() -> None:
    assert math.isnan(spearman([1, 2, 3, 4, 5], other=[1, 3, 2, 5, 4]).low)
    perfect = spearman([1, 2, 3, 4, 5, 6], other=[1, 2, 3, 4, 5, 6])
    assert perfect.estimate == 1 and math.isnan(perfect.high)


def test_what_has_no_order_is_refused() -> None:
    with pytest.raises(DataError, match="no order to compare"):
        spearman([1, 1, 1], other=[1, 2, 3])
    with pytest.raises(DataError, match="needs two or more pairs"):
        spearman([1], other=[2])


def test_limits_equal_those_of_single_vectors() -> None:
    values = np.random.default_rng(1).normal(0.3, 1, size=(6, 4))
    found = t_limits(values.mean(axis=1), sd=values.std(axis=1, ddof=1), n=[4] * 6)
    for row, low, high, p in zip(values, *found, strict=True):
        single = t_interval(row)
        assert (low, high) == pytest.approx((single.low, single.high))
        # The p-value is below 5 % exactly where the 95 % interval leaves zero out.
        assert (p < 0.05) == (low > 0 or high < 0)


def test_one_value_copies_and_holes_have_no_limits() -> None:
    found = t_limits([0.1, 0.1, np.nan], sd=[np.nan, 0.0, np.nan], n=[1, 3, 0])
    assert np.isnan(np.stack(found)).all()
