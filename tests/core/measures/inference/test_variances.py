"""Limits of variance components."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import SpecError
from core.measures.inference.intervals import Interval
from core.measures.inference.variances import component_interval, share_interval


def test_limits_by_hand() -> None:
    # Ten levels, no variance below: 9 v / chi2(9; .975) = 9 / 19.023 and 9 / 2.700 for v = 1.
    found = component_interval(1.0, below=0.0, levels=10)
    assert (found.low, found.high) == pytest.approx((9 / 19.0228, 9 / 2.70039), rel=1e-4)
    assert found.n == 10


def test_what_lies_below_makes_zero_possible() -> None:
    assert component_interval(0.1, below=2.0, levels=10).low == 0
    assert component_interval(0.0, below=1.0, levels=10).high > 0


def test_shares_by_hand() -> None:
    found = share_interval(Interval(1.0, 0.5, 3.0, 0.95, "", 5, 0), rest=1.0)
    assert found[:3] == pytest.approx((0.5, 1 / 3, 0.75))


def test_coverage_near_95_percent() -> None:
    """Twelve levels of variance 1, means of five rows of variance 2 each: 400 draws, standard error 1.1 points."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        means = rng.normal(size=12) + rng.normal(0, np.sqrt(2 / 5), size=12)
        estimate = max(float(means.var(ddof=1)) - 2 / 5, 0.0)
        found = component_interval(estimate, below=2 / 5, levels=12)
        covered += found.low <= 1.0 <= found.high
    assert 0.915 <= covered / 400 <= 0.98


def test_nonsense_is_refused() -> None:
    with pytest.raises(SpecError, match="expected at least 0, 0 and 2"):
        component_interval(1.0, below=0.0, levels=1)
    with pytest.raises(SpecError, match="nothing to share out"):
        share_interval(Interval(0.0, 0.0, 0.0, 0.95, "", 5, 0), rest=0.0)
