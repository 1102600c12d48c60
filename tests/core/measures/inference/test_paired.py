"""Many paired tests at once equal the single ones; one seed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as reference

from core.errors import DataError
from core.measures.inference.paired import crossed_interval, paired_limits


def test_many_cells_say_what_each_says_alone() -> None:
    rng = np.random.default_rng(0)
    tables = [rng.choice([-1.0, 0, 0, 0, 1], size=(seeds, n)) + shift for seeds, n, shift in
              ((2, 50, 0.0), (3, 200, 0.1), (5, 30, -0.2), (3, 200, 0.0))]  # fmt: skip
    found = paired_limits(tables)
    for i, table in enumerate(tables):
        alone = crossed_interval(table)
        assert (found.low[i], found.high[i]) == pytest.approx((alone.difference.low, alone.difference.high))
        assert found.p_value[i] == pytest.approx(alone.p_value, abs=1e-9)


def test_seeds_and_examples_by_hand() -> None:
    # Rows 4 0 2 / 0 4 2 / 8 8 8, means 2, 2, 8 and 4, 4, 4: MS_seed = 3 (4 + 4 + 16) / 2 = 36, MS_example = 0.
    table = np.array([[4.0, 0, 2], [0, 4, 2], [8, 8, 8]])
    # Seeds alone: t(2) = 4.3027, variance 36 / 9 = 4.
    assert crossed_interval(table).difference[:3] == pytest.approx((4, 4 - 2 * 4.3027, 4 + 2 * 4.3027), abs=1e-3)


def test_seeds_that_agree_leave_what_examples_alone_give() -> None:
    # Rows 3 -1 2 / 1 1 2: means of seeds 4/3 each, so MS_seed = 0; examples 2, 0, 2: MS_example = 2 * 8/3 / 2 = 8/3,
    # variance 8/3 / 6 = 4/9, t(2) = 4.3027.
    found = crossed_interval([[3.0, -1, 2], [1, 1, 2]]).difference
    assert found[:3] == pytest.approx((4 / 3, 4 / 3 - 4.3027 * 2 / 3, 4 / 3 + 4.3027 * 2 / 3), abs=1e-3)


def test_one_seed_is_students_t_over_its_examples() -> None:
    difference = np.array([[1.0, 0, 0, 1, -1, 0, 1, 1, 0, 0]])
    found = paired_limits([difference])
    by_scipy = reference.ttest_1samp(difference[0], 0.0)
    assert found.p_value[0] == pytest.approx(by_scipy.pvalue, abs=1e-9)
    # Mean 0.3, sum of squares 5 - 10 * 0.09 = 4.1, variance 4.1 / 9 / 10 = 0.04556; t(9) = 2.2622.
    assert (found.low[0], found.high[0]) == pytest.approx((0.3 - 2.2622 * 0.21344, 0.3 + 2.2622 * 0.21344), abs=1e-4)


def test_no_difference_is_certain_of_nothing_and_copies_are_one_run() -> None:
    same, copies = np.zeros((3, 20)), np.tile(np.array([1.0, 0, 0, 0, 1, -1, 1, 0]), (2, 1))
    found = paired_limits([same, copies])
    assert found.p_value[0] == 1.0 and (found.low[0], found.high[0]) == (0.0, 0.0)
    # Two copies of a run have no variance over seeds: the examples' own remains.
    alone = paired_limits([copies[:1]])
    assert found.p_value[1] == pytest.approx(alone.p_value[0])


def test_the_same_difference_everywhere_is_beyond_doubt() -> None:
    found = paired_limits([np.full((2, 5), 0.25), np.full((1, 5), -0.25)])
    assert found.p_value.tolist() == [0.0, 0.0]
    assert found.low.tolist() == found.high.tolist() == [0.25, -0.25]


def test_a_test_holds_its_level_over_many_cells_without_a_difference() -> None:
    rng = np.random.default_rng(1)
    p_values = paired_limits([rng.choice([-1.0, 0, 0, 1], size=(3, 100)) for _ in range(1000)]).p_value
    assert np.mean(p_values < 0.05) < 0.06


def test_no_cell_and_a_cell_without_examples() -> None:
    assert paired_limits([]).p_value.size == 0
    with pytest.raises(DataError, match="1 seeds x 1 examples"):
        paired_limits([np.zeros((1, 1))])
