"""LEEP and NCE by hand and by definition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.errors import DataError
from core.measures.transferability.source_labels import leep, negative_conditional_entropy

SCORES = pytest.mark.parametrize("score", [leep, negative_conditional_entropy])


def test_leep_by_hand() -> None:
    """Two texts, two classes of the head: P(y, z) = ((0.4, 0.1), (0.15, 0.35))."""
    source, labels = [[0.8, 0.2], [0.3, 0.7]], [0, 1]
    first = 0.4 / 0.55 * 0.8 + 0.1 / 0.45 * 0.2
    second = 0.15 / 0.55 * 0.3 + 0.35 / 0.45 * 0.7
    assert leep(source, labels=labels) == pytest.approx((math.log(first) + math.log(second)) / 2)


def test_nce_by_hand() -> None:
    """The head says a, a, a, b; of the three a two are of class 0."""
    source, labels = [[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]], [0, 0, 1, 1]
    expected = (2 * math.log(2 / 3) + math.log(1 / 3)) / 4
    assert negative_conditional_entropy(source, labels=labels) == pytest.approx(expected)


@SCORES
def test_a_head_that_knows_the_label_gives_zero_and_one_that_knows_nothing_the_entropy(score: object) -> None:
    labels = np.array([0, 1, 2] * 20)
    assert score(np.eye(3)[labels], labels=labels) == pytest.approx(0.0, abs=1e-9)  # type: ignore[operator]
    assert score(np.tile([0.7, 0.3], (60, 1)), labels=labels) == pytest.approx(-math.log(3))  # type: ignore[operator]


@SCORES
def test_names_of_classes_do_not_matter(score: object) -> None:
    rng = np.random.default_rng(0)
    source, labels = rng.dirichlet(np.ones(4), 50), rng.integers(0, 3, 50)
    other = score(source[:, [2, 0, 3, 1]], labels=np.array([5, 9, 1])[labels])  # type: ignore[operator]
    assert score(source, labels=labels) == pytest.approx(other)  # type: ignore[operator]


def test_both_are_the_same_where_the_head_is_sure() -> None:
    """LEEP's mixture has one term then."""
    rng = np.random.default_rng(1)
    source, labels = np.eye(4)[rng.integers(0, 4, 80)], rng.integers(0, 3, 80)
    assert leep(source, labels=labels) == pytest.approx(negative_conditional_entropy(source, labels=labels))


@SCORES
@pytest.mark.parametrize("source", [[[0.5, 0.2], [0.5, 0.5]], [[float("nan"), 1.0], [0.5, 0.5]], [[0.5, 0.5]]])
def test_what_are_no_probabilities_is_refused(score: object, source: list[list[float]]) -> None:
    with pytest.raises(DataError, match="expected"):
        score(source, labels=[0, 1])  # type: ignore[operator]
