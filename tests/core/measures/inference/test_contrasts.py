"""Contrasts against numbers worked by hand or printed in textbooks."""

from __future__ import annotations

import pytest
from scipy import stats

from core.errors import DataError
from core.measures.inference.contrasts import exact_share, mean_correlation, welch_interval


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
