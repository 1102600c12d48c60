"""The average gain: a baseline that all intermediates share moves them together, and the limits know it."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import DataError
from core.measures.inference.averages import AverageGain, average_gain, spread_seen
from core.measures.inference.intervals import t_interval


def _long(table: np.ndarray) -> AverageGain:
    """Of gains, intermediates x targets x seeds."""
    inter, target, seed = (axis.ravel() for axis in np.indices(table.shape))
    return average_gain(table.ravel(), intermediate=inter, target=target, seed=seed)


def test_one_seed_is_student_over_intermediates() -> None:
    table = np.array([[[0.01], [0.03]], [[0.02], [0.06]], [[-0.01], [0.01]]])
    found, plain = _long(table), t_interval(table.mean(axis=(1, 2)))
    assert found.interval[:4] == pytest.approx(plain[:4])
    assert (found.n_targets, found.n_spread, found.interval.n) == (2, 0, 3)
    assert "nobody knows how much another would change the baseline" in spread_seen(found)


def test_the_worked_case() -> None:
    # Intermediates 0.01 and 0.03 apart from a shift of -0.02 and +0.02 by the baseline of each seed.
    found = _long(np.array([[[-0.01, 0.03]], [[0.01, 0.05]]])).interval
    # Between intermediates: 0.0002 / 2 = 1e-4, 1 df; between seeds: 0.0008 / 2 = 4e-4, 1 df.
    # df = (5e-4)^2 / (1e-8 + 16e-8) = 25 / 17; t(0.975, 25 / 17) = 6.1881.
    assert found.estimate == pytest.approx(0.02)
    assert found.high - found.estimate == pytest.approx(6.1881 * np.sqrt(5e-4), rel=1e-4)


def test_two_targets_worked_by_hand() -> None:
    # Shifts of the seeds' baselines: -0.02 and 0.02 at the first target, -0.04 and 0.04 at the second.
    found = _long(np.array([[[-0.01, 0.03], [-0.03, 0.05]], [[0.01, 0.05], [-0.01, 0.07]]]))
    # Between intermediates 0.0002 / 2 = 1e-4; seeds 0.0008 / 2 and 0.0032 / 2, each over the square of two targets:
    # 1e-4 and 4e-4. Total 6e-4, df = 36e-8 / (1e-8 + 1e-8 + 16e-8) = 2; t(0.975, 2) = 4.302653.
    assert found.interval.high - 0.02 == pytest.approx(4.302653 * np.sqrt(6e-4), rel=1e-6)
    assert (found.n_targets, found.n_spread) == (2, 2)


def test_three_targets_worked_by_hand() -> None:
    # Every target's seeds are -0.03 and 0.03 away: 0.0018 / 2 over 9 is 1e-4 each, and 1e-4 between intermediates.
    shifts = np.array([[-0.03, 0.03]] * 3)
    found = _long(np.stack([0.01 + shifts, 0.03 + shifts])).interval
    # Total 4e-4, df = 16e-8 / 4e-8 = 4; t(0.975, 4) = 2.776445.
    assert found.high - found.estimate == pytest.approx(2.776445 * 0.02, rel=1e-6)


def test_targets_weigh_alike_however_many_seeds_they_have() -> None:
    names, targets = ["a", "a", "a", "a", "b", "b"], ["s", "s", "s", "t", "s", "t"]
    gains, seeds = [0.1, 0.1, 0.1, 0.4, 0.0, 0.0], [1, 2, 3, 1, 1, 1]
    found = average_gain(gains, intermediate=names, target=targets, seed=seeds)
    assert found.interval.estimate == pytest.approx((0.25 + 0) / 2)


def test_limits_hold_the_truth_where_students_do_not() -> None:
    rng = np.random.default_rng(0)
    mine = theirs = 0
    for _ in range(400):
        shape = (20, 3, 3)
        table = rng.normal(0, 0.01, (20, 1, 1)) + rng.normal(0, 0.02, (1, 3, 3)) + rng.normal(0, 0.01, shape)
        found, plain = _long(table).interval, t_interval(table.mean(axis=(1, 2)))
        mine += found.low <= 0 <= found.high
        theirs += plain.low <= 0 <= plain.high
    assert 0.93 <= mine / 400 <= 1
    assert theirs / 400 < 0.7


def test_a_seed_that_lacks_intermediates_shifts_nothing() -> None:
    # Gains depend on the intermediate alone; seed 1 has the two best ones only.
    names, seeds, gains = ["a", "b", "c", "b", "c"], [0, 0, 0, 1, 1], [0.0, 0.1, 0.2, 0.1, 0.2]
    found = average_gain(gains, intermediate=names, target=["t"] * 5, seed=seeds)
    assert found.interval[:3] == pytest.approx(t_interval([0.0, 0.1, 0.2])[:3])
    assert spread_seen(found) == "how much baselines vary from seed to seed is included"


def test_targets_without_a_second_seed_are_counted() -> None:
    found = average_gain(
        [0.1, 0.2, 0.3, 0.1, 0.2, 0.2], intermediate=[*"aab", *"bab"], target=[*"sss", *"stt"], seed=[1, 2, 1, 2, 1, 1]
    )
    assert (found.n_targets, found.n_spread) == (2, 1)
    assert "at 1 of 2 targets" in spread_seen(found)


def test_equal_gains_have_limits_of_no_width() -> None:
    assert _long(np.full((3, 2, 2), 0.5)).interval[:3] == pytest.approx((0.5, 0.5, 0.5))


def test_one_intermediate_is_an_error() -> None:
    with pytest.raises(DataError, match="intermediates"):
        _long(np.zeros((1, 2, 2)))
