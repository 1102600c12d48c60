"""Paired tests and intervals against hand-worked cases, invariants and simulated designs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.errors import DataError, SpecError
from core.measures.inference.intervals import (
    Plan,
    mean_interval,
    percentile_interval,
    t_interval,
)
from core.measures.inference.paired import crossed_interval
from core.measures.inference.stats import (
    benjamini_hochberg,
    crossed_error,
    mcnemar_exact,
    minimum_detectable_effect,
    paired_bootstrap,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_mcnemar_by_hand() -> None:
    # 6 examples only the run got right, 1 only the baseline: 2 * P(Bin(7, 1/2) <= 1) = 2 * (1 + 7) / 128 = 0.125.
    after, before = [1] * 6 + [0] + [1, 0], [0] * 6 + [1] + [1, 0]
    assert mcnemar_exact(after, before=before) == (6, 1, 0.125)


def test_mcnemar_without_flips_and_with_a_fraction() -> None:
    assert mcnemar_exact([1, 0], before=[1, 0]).p_value == 1.0
    with pytest.raises(DataError, match=r"0 or 1 per example, found \[0.0, 0.5, 1.0\]"):
        mcnemar_exact([1, 0.5], before=[0, 1])


def test_benjamini_hochberg_by_hand() -> None:
    # Sorted .01 .02 .03 .5 times 4/rank: .04 .04 .04 .5; running minimum from the end leaves them.
    corrected = benjamini_hochberg([0.02, 0.5, 0.01, 0.03], level=0.05)
    assert corrected.q_values == pytest.approx([0.04, 0.5, 0.04, 0.04])
    assert corrected.rejected.tolist() == [True, False, True, True]


def test_benjamini_hochberg_refuses_what_is_missing() -> None:
    with pytest.raises(DataError, match="1 of 2 p-values are not finite"):
        benjamini_hochberg([0.1, math.nan])
    with pytest.raises(DataError, match="found 0.1 to 1.5"):
        benjamini_hochberg([0.1, 1.5])


def test_bootstrap_of_a_mean_has_the_error_of_theory() -> None:
    # 400 of 1000 right: sd of the mean sqrt(.4 * .6 / 1000) = 0.01549.
    interval = mean_interval([1] * 400 + [0] * 600, rng=rng(), plan=Plan(resamples=20_000))
    assert interval.estimate == 0.4
    assert (interval.high - interval.low) / (2 * 1.96) == pytest.approx(0.01549, rel=0.03)
    assert interval[3:] == (0.95, "percentile bootstrap", 1000, 20_000)


def test_counting_distinct_values_is_the_plain_bootstrap() -> None:
    values = rng(1).integers(0, 3, 60)
    fast = mean_interval(values, rng=rng(2), plan=Plan(resamples=8000))
    plain = percentile_interval(rng(3).choice(values, (8000, 60)).mean(axis=1), estimate=float(values.mean()), n=60)
    assert fast[1:3] == pytest.approx(plain[1:3], abs=0.02)


def test_the_bootstrap_of_a_mean_holds_its_own_value() -> None:
    """Equal differences: the means of resamples are theirs but for rounding, which once left the value out."""
    for seed in range(300):
        draw = rng(seed)
        n = int(draw.integers(2, 40))
        values = np.full(n, draw.random()) if seed % 3 else draw.standard_cauchy(n)
        found = paired_bootstrap(values, before=np.zeros(n), rng=draw, plan=Plan(resamples=100)).difference
        assert found.low <= found.estimate <= found.high


def test_t_interval_by_hand() -> None:
    # Mean 2, sd 1, n 3: half width t(2, .975) / sqrt(3) = 4.30265 / 1.73205 = 2.48414.
    assert t_interval([1, 2, 3])[:3] == pytest.approx((2, 2 - 2.48414, 2 + 2.48414), abs=1e-5)


def test_paired_bootstrap_finds_a_difference_and_its_sign_flips() -> None:
    after, before = np.repeat([1, 0, 1], [30, 10, 60]), np.repeat([0, 1, 1], [30, 10, 60])
    there = paired_bootstrap(after, before=before, rng=rng())
    back = paired_bootstrap(before, before=after, rng=rng())
    assert there.difference.estimate == pytest.approx(0.2)
    assert back.difference.estimate == pytest.approx(-0.2)
    assert max(there.p_value, back.p_value) < 0.02


def test_pairs_of_unequal_length_are_refused() -> None:
    with pytest.raises(DataError, match="3 examples against 2"):
        paired_bootstrap([1, 0, 1], before=[1, 0], rng=rng())


def test_crossed_error_by_hand() -> None:
    # Rows 0 0 / 2 2: MS_seed = 2 * ((0-1)^2 + (2-1)^2) = 4, the others 0; error sqrt(4 / 4) = 1, df 1.
    error = crossed_error([[0, 0], [2, 2]])
    assert error[:3] == pytest.approx((1, 1, 1))
    assert error[3:6] == pytest.approx((2, 0, 0))


def test_crossed_interval_by_hand() -> None:
    # The same table: all variance from two seeds, so t with 1 df: 1 +- 12.7062, and p = 1/2 at t = 1.
    comparison = crossed_interval([[0, 0], [2, 2]])
    assert comparison.difference[:3] == pytest.approx((1, -11.7062, 13.7062), abs=1e-3)
    assert comparison.p_value == pytest.approx(0.5)


def test_crossed_p_value_agrees_with_its_interval() -> None:
    table = rng(3).normal(0.1, 1, (4, 50))
    p_value = crossed_interval(table).p_value
    ends = crossed_interval(table, level=1 - p_value).difference
    assert min(abs(ends.low), abs(ends.high)) == pytest.approx(0, abs=1e-9)


def test_one_seed_is_refused_with_a_way_out() -> None:
    with pytest.raises(DataError, match="use paired_bootstrap"):
        crossed_interval([[0.1, 0.2, 0.3]])


def test_detectable_effect_by_hand() -> None:
    # z: (1.959964 + 0.841621) * 0.01 = 0.0280159.
    assert minimum_detectable_effect(0.01) == pytest.approx(0.0280159, abs=1e-6)
    assert minimum_detectable_effect(0.01, df=2) > minimum_detectable_effect(0.01, df=20) > 0.0280159
    with pytest.raises(SpecError, match="power 2"):
        minimum_detectable_effect(0.01, power=2)


def test_crossed_components_are_found() -> None:
    r = rng(6)
    table = r.normal(0, 2, (60, 1)) + r.normal(0, 1, (1, 900)) + r.normal(0, 3, (60, 900))
    error = crossed_error(table)
    assert (error.seed_variance, error.example_variance, error.residual_variance) == pytest.approx((4, 1, 9), rel=0.5)
