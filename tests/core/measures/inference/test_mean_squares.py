"""Limits from mean squares: against chi-square by hand, pooled groups, and the noise that is taken away."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.errors import DataError
from core.measures.inference.mean_squares import MeanSquare, drawn_squares, generalised_interval, pooled_square


def test_one_mean_square_has_the_limits_of_chi_square() -> None:
    # Deviations -1, 0, 1: 2 over 2 df, limits 2 / 7.378 and 2 / 0.0506.
    drawn = drawn_squares(MeanSquare(1.0, 2), rng=np.random.default_rng(0), draws=200_000)
    found = generalised_interval(drawn, estimate=1.0, n=3)
    assert found.low == pytest.approx(2 / 7.377759, rel=0.02)
    assert found.high == pytest.approx(2 / 0.0506356, rel=0.05)


def test_equal_groups_keep_their_freedom_and_one_that_varies_more_counts_nearly_alone() -> None:
    equal = pooled_square([MeanSquare(1.0, 100)] * 4)
    assert equal.value == 1.0
    assert equal.df == pytest.approx(400, rel=0.03)
    unlike = pooled_square([MeanSquare(1.0, 4), *[MeanSquare(0.001, 4)] * 9])
    assert unlike.df == pytest.approx(6, rel=0.1)  # (4 + .036)^2 / (16 / 6)
    assert pooled_square([MeanSquare(0.0, 0), MeanSquare(2.0, 3)]) == MeanSquare(2.0, 3)
    with pytest.raises(DataError, match="No degree of freedom"):
        pooled_square([MeanSquare(1.0, 0)])


def test_a_component_without_variance_is_found_as_often_as_it_should_be() -> None:
    """Between groups of 3 there is noise alone: the lower limit of what is left lies above zero in 2.5 %."""
    rng, above = np.random.default_rng(1), 0
    for _ in range(400):
        values = rng.normal(size=(8, 3))
        between = MeanSquare(3 * float(values.mean(axis=1).var(ddof=1)), 7)
        within = MeanSquare(float(values.var(axis=1, ddof=1).mean()), 16)
        drawn = drawn_squares(between, rng=rng, draws=2000) - drawn_squares(within, rng=rng, draws=2000)
        above += generalised_interval(drawn, estimate=between.value - within.value, n=8).low > 0
    assert stats.binomtest(above, 400, 0.025).pvalue > 0.001
