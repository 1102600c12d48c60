"""Contrasts against numbers worked by hand or printed in textbooks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.errors import DataError
from core.measures.inference.contrasts import exact_share, mean_correlation, spread_interval, welch_interval


def test_welch_equals_scipy() -> None:
    a, b = [1.0, 2.0, 4.0], [0.0, 0.5, 0.7, 0.1]
    found = welch_interval(a, other=b)
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.n == 7
    assert welch_interval([1.0, 1.0], other=[0.0, 0.0])[:3] == (1.0, 1.0, 1.0)


def test_exact_share_by_hand() -> None:
    # All of six: the lower limit p solves p^6 = .025.
    found = exact_share(6, n=6)
    assert found.low == pytest.approx(0.025 ** (1 / 6))
    assert found.high == 1.0
    assert exact_share(0, n=6).high == pytest.approx(1 - 0.025 ** (1 / 6))


def test_spread_by_hand() -> None:
    # Deviations -1, 0, 1: 2 over 2 df, limits 2 / 7.378 and 2 / 0.0506.
    found = spread_interval(2.0, df=2)
    assert found[:3] == pytest.approx((1.0, np.sqrt(2 / 7.377759), np.sqrt(2 / 0.0506356)), rel=1e-5)


def test_two_values_of_one_group_are_a_spread() -> None:
    # One degree of freedom: limits 2 / 5.0239 and 2 / 0.00098207.
    found = spread_interval(2.0, df=1)
    assert found[:3] == pytest.approx((np.sqrt(2), np.sqrt(2 / 5.023886), np.sqrt(2 / 0.000982069)), rel=1e-5)


def test_mean_correlation() -> None:
    assert mean_correlation([0.3, 0.3, 0.3])[:3] == pytest.approx((0.3, 0.3, 0.3))
    found = mean_correlation([0.9, -0.9])
    assert found.estimate == pytest.approx(0.0)
    assert -1 < found.low < -0.9


def test_too_little_is_refused() -> None:
    with pytest.raises(DataError, match="Found 1 units in the smaller group"):
        welch_interval([1.0], other=[1.0, 2.0])
    with pytest.raises(DataError, match="3 of 2 units"):
        exact_share(3, n=2)
    with pytest.raises(DataError, match="0 degrees of freedom"):
        spread_interval(1.0, df=0)
