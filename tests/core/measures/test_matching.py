"""Thirds that differ in one value alone, and the differences by which that is judged."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import DataError, SpecError
from core.measures.matching import Covariate, gap_of_shares, matched_thirds, standardised_difference


def test_thirds_by_hand() -> None:
    # One stratum of 7: sorted 9 8 7 6 5 4 3; two high, one border left out (the third), two, two.
    assert matched_thirds([3, 9, 7, 8, 5, 6, 4], labels=[0] * 7).tolist() == [2, 0, -1, 0, 1, 1, 2]


def test_covariates_cut_one_within_the_other() -> None:
    # Two bins of x, in each two of y: four strata of three, each in order.
    x, y = np.repeat([0, 1], 6), np.tile([0, 0, 0, 1, 1, 1], 2)
    cut = [Covariate("x", x, 2), Covariate("y", y, 2)]
    assert matched_thirds(np.arange(12), labels=[0] * 12, covariates=cut).tolist() == [2, 1, 0] * 4


def test_thirds_match_in_size_labels_and_covariates_and_differ_in_value() -> None:
    rng = np.random.default_rng(0)
    labels, lengths = rng.choice(3, 6000, p=[0.6, 0.3, 0.1]), rng.lognormal(3, 0.6, 6000)
    bits = rng.normal(size=6000) - 0.02 * lengths + 0.5 * labels  # long texts are harder: the trap
    value = rng.normal(size=6000) + 0.02 * lengths + 0.5 * bits  # and long or easy ones are nearer
    cut = [Covariate("lengths", lengths, 8), Covariate("bits", bits, 8)]
    thirds = matched_thirds(value, labels=labels, covariates=cut)
    high, low = thirds == 0, thirds == 2
    assert high.sum() == (thirds == 1).sum() == low.sum() >= 1900
    assert gap_of_shares(labels[high], labels[low]) == 0
    for matched in (lengths, bits):
        assert abs(standardised_difference(matched[high], matched[low])) < 0.1
        raw = np.argsort(value)
        assert abs(standardised_difference(matched[raw[-2000:]], matched[raw[:2000]])) > 0.25, "unmatched it is a trap"
    assert standardised_difference(value[high], value[low]) > 1.5
    assert thirds.tolist() == matched_thirds(value, labels=labels, covariates=cut).tolist()


def test_too_few_or_not_one_of_each() -> None:
    with pytest.raises(DataError, match="4 examples in 4 bins: no bin has three"):
        matched_thirds([1, 2, 3, 4], labels=[0, 0, 1, 1], covariates=[Covariate("lengths", [1] * 4, 2)])
    with pytest.raises(DataError, match="3 values, 3 labels, 2 lengths; expected one of each"):
        matched_thirds([1, 2, 3], labels=[0] * 3, covariates=[Covariate("lengths", [1, 2], 1)])
    with pytest.raises(SpecError, match="0 bins of lengths"):
        matched_thirds([1, 2, 3], labels=[0] * 3, covariates=[Covariate("lengths", [1, 2, 3], 0)])


def test_standardised_difference_by_hand() -> None:
    # Means 2 and 5, variances 1 and 4: 3 / sqrt(2.5).
    assert standardised_difference([1, 3], [3, 7]) == pytest.approx(-3 / np.sqrt(2.5))
    assert standardised_difference([2, 2], [2, 2]) == 0
    with pytest.raises(DataError, match="2 and 3: their gap has no unit"):
        standardised_difference([2, 2], [3])


def test_gap_of_shares_by_hand() -> None:
    # Label 0: 2/3 and 1/3; label 1: 1/3 and 1/3; label 2: 0 and 1/3.
    assert gap_of_shares([0, 0, 1], [0, 1, 2]) == pytest.approx(1 / 3)
