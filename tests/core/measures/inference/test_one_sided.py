"""One-sided tests against scipy, and their levels where nothing is there to be found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as reference

from core.errors import DataError
from core.measures.inference.one_sided import one_sided_above, one_sided_paired


def test_right_and_wrong_are_counted_exactly() -> None:
    after, before = np.array([1.0] * 12 + [0] * 4 + [1] * 30), np.array([0.0] * 12 + [1] * 4 + [1] * 30)
    exact = reference.binomtest(12, 16, 0.5, alternative="greater").pvalue
    assert one_sided_paired(after, before) == pytest.approx(exact, abs=1e-12)
    exact = reference.binomtest(42, 46, 0.8, alternative="greater").pvalue
    assert one_sided_above(after, 0.8) == pytest.approx(exact, abs=1e-12)


def test_shares_are_tested_by_students_t() -> None:
    rng = np.random.default_rng(0)
    after, before = rng.random(40), rng.random(40)
    expected = reference.ttest_rel(after, before, alternative="greater").pvalue
    assert one_sided_paired(after, before) == pytest.approx(expected, abs=1e-12)
    expected = reference.ttest_1samp(after, 0.45, alternative="greater").pvalue
    assert one_sided_above(after, 0.45) == pytest.approx(expected, abs=1e-12)


def test_no_difference_is_no_evidence_and_a_constant_one_is_certain() -> None:
    same = np.array([0.2, 0.4, 0.9])
    assert one_sided_paired(same, same) == 1.0
    assert one_sided_paired(same + 0.1, same) == 0.0
    assert one_sided_paired(same - 0.1, same) == 1.0
    assert one_sided_above(np.zeros(5), 0.0) == 1.0
    assert one_sided_above(np.array([0.7]), 0.1) == 1.0  # one example has no spread


@pytest.mark.parametrize("chance", [1 / 3, 0.5])
def test_guesses_pass_no_oftener_than_the_level(chance: float) -> None:
    rng = np.random.default_rng(1)
    passed = [one_sided_above((rng.random(200) < chance).astype(float), chance) < 0.05 for _ in range(2000)]
    assert np.mean(passed) < 0.06


def test_other_lengths_and_nothing_at_all() -> None:
    with pytest.raises(DataError, match="3 examples against 2"):
        one_sided_paired(np.zeros(3), np.zeros(2))
    with pytest.raises(DataError, match="nothing to test"):
        one_sided_above(np.zeros(0), 0.5)
