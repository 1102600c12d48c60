"""Difficulty against hand-worked cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.errors import DataError, SpecError
from core.measures.difficulty.information import (
    bits_per_decision,
    count_entropy_interval,
    gaussian_nats,
    headroom,
    label_entropy,
    learning_curve_area,
    pointwise_information,
)
from core.measures.inference.intervals import Plan


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_headroom_by_hand() -> None:
    # Three classes, score 2/3: (2/3 - 1/3) / (1 - 1/3) = 1/2 of the room above chance.
    assert headroom(2 / 3, floor=1 / 3) == pytest.approx(0.5)
    assert headroom([1 / 3, 1], floor=1 / 3) == pytest.approx([0, 1])
    assert headroom(0.2, floor=1 / 3) < 0
    with pytest.raises(SpecError, match="Ceiling 0.5 is not above the floor 0.5"):
        headroom(0.4, floor=0.5, ceiling=0.5)


def test_learning_curve_by_hand() -> None:
    # Chance .5; heights 0, .5, 1 at 0, 100, 300: (25 + 150) / 300 = 7/12.
    assert learning_curve_area([0, 100, 300], scores=[0.5, 0.75, 1], floor=0.5) == pytest.approx(7 / 12)
    # At 1, 10, 100 each decade counts the same: (.25 + .75) / 2 = .5.
    assert learning_curve_area([1, 10, 100], scores=[0.5, 0.75, 1], floor=0.5, logarithmic=True) == pytest.approx(0.5)
    assert learning_curve_area([5, 9], scores=[1, 1], floor=0.2) == pytest.approx(1)
    with pytest.raises(DataError, match="expected two or more, increasing and above 0"):
        learning_curve_area([0, 10], scores=[0, 1], floor=0, logarithmic=True)


def test_entropy_by_hand() -> None:
    assert label_entropy([5, 5]) == pytest.approx(1)
    assert label_entropy([7, 0]) == 0
    # 1/2, 1/4, 1/4: 1.5 bits.
    assert label_entropy([2, 1, 1]) == pytest.approx(1.5)


def test_entropy_of_tags_by_hand() -> None:
    # Two sentences, tags 3 + 1 and 1 + 3: 4 of each, 1 bit; a resample may hold one sentence twice: 3/4, 1/4.
    interval = count_entropy_interval([[3, 1], [1, 3]], rng=rng())
    uneven = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    assert (interval.estimate, interval.n) == (1, 2)
    # Half of the resamples are uneven: their mean is low by half of 1 - uneven, and the lower limit moves up by it.
    assert interval.low == pytest.approx((uneven + 1) / 2, abs=0.01)
    assert interval.high == 1


@pytest.mark.parametrize(
    ("shares", "n"),
    [([0.5, 0.5], 2000), ([1 / 3] * 3, 300), ([0.05] * 20, 400), ([0.6, 0.4], 300), ([0.9, 0.1, 0], 300)],
)
def test_limits_of_the_entropy_hold_it_and_that_of_the_source(shares: list[float], n: int) -> None:
    """Percentiles alone held the source's in 0 % where labels are balanced, and their own estimate in 24 to 98 %."""
    source, draw, covered = label_entropy(shares), rng(), 0
    for _ in range(120):
        hot = np.eye(len(shares))[draw.choice(len(shares), n, p=shares)]
        interval = count_entropy_interval(hot, rng=draw, plan=Plan(resamples=200))
        assert interval.low <= interval.estimate <= interval.high <= math.log2(len(shares))
        covered += interval.low <= source <= interval.high
    assert covered >= 0.88 * 120  # 95 % less three standard errors


def test_gaussian_information_by_hand() -> None:
    # Errors of mean square 0.01 with input, 0.04 without: half the logarithm of 4 is 1 bit, whatever the examples.
    given, blank = gaussian_nats([0.01, 0.01], variance=0.01), gaussian_nats([0.04, 0.04], variance=0.04)
    assert pointwise_information(given, without_input=blank, densities=True) == pytest.approx([1, 1])
    assert given[0] == pytest.approx(-0.5 * math.log(2 * math.pi * 0.01) - 0.5)
    with pytest.raises(DataError, match="Variance 0 of the errors"):
        gaussian_nats([0.0], variance=0.0)


def test_bits_per_decision_by_hand() -> None:
    # A sentence of 1 word with 4 bits and one of 3 with 2: 6 bits for 4 words, not the mean of 4 and 2/3.
    interval = bits_per_decision([4, 2], decisions=[1, 3], rng=rng())
    assert (interval.estimate, interval.low, interval.high) == pytest.approx((1.5, 2 / 3, 4))
    with pytest.raises(DataError, match="expected one number, 0 or more, for each example"):
        bits_per_decision([4, 2], decisions=[0, 0], rng=rng())


def test_information_by_hand() -> None:
    # p(y|x) = 1, .5, .25 against p(y) = .5: 1, 0 and -1 bits; mean 0.
    given, blank = np.log([1, 0.5, 0.25]), np.log([0.5] * 3)
    assert pointwise_information(given, without_input=blank) == pytest.approx([1, 0, -1])


def test_probabilities_in_place_of_logarithms_are_refused() -> None:
    with pytest.raises(DataError, match=r"log-probability is 0.9; expected at most 0. Pass logarithms"):
        pointwise_information([0.9], without_input=[0.5])
