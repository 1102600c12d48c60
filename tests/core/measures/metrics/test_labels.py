"""Labels, numbers and label sets: cases worked by hand, and sklearn and scipy as a second opinion."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from core.errors import DataError
from core.measures.metrics import labels as metrics

GOLD, PREDICTED = [0, 0, 1, 1, 2], [0, 1, 1, 1, 0]


def test_accuracy_by_hand() -> None:
    # right: 0→0, 1→1, 1→1 = 3 of 5
    assert metrics.accuracy(GOLD, PREDICTED) == pytest.approx(0.6)
    assert metrics.correct(GOLD, PREDICTED).tolist() == [1, 0, 1, 1, 0]


def test_f1_by_hand() -> None:
    # class 0: 1 hit, 2 gold, 2 predicted → 2·1/4 = 0.5; class 1: 2 hits, 2 gold, 3 predicted → 4/5; class 2: 0
    assert metrics.macro_f1(GOLD, PREDICTED) == pytest.approx((0.5 + 0.8 + 0) / 3)
    # pooled: 3 hits, 5 gold, 5 predicted → 6/10
    assert metrics.micro_f1(GOLD, PREDICTED) == pytest.approx(0.6)


def test_matthews_by_hand() -> None:
    # two classes: tp 2, tn 1, fp 1, fn 0 → (2·1 − 1·0) / √(3·2·2·1) = 2/√12
    assert metrics.matthews([1, 1, 0, 0], [1, 1, 1, 0]) == pytest.approx(2 / 12**0.5)
    assert metrics.matthews([1, 0, 1], [1, 1, 1]) == 0  # a constant prediction knows nothing


def test_r_precision_by_hand() -> None:
    gold = [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    scores = [[0.9, 0.1, 0.8, 0.0], [0.2, 0.3, 0.9, 0.1], [1, 1, 1, 1]]
    # first: R = 2, best two are labels 0 and 2, one is gold → 1/2; second: R = 1, label 2 is gold → 1; third: left out
    assert metrics.r_precisions(gold, scores) == pytest.approx([0.5, 1])
    # a tie goes to the smaller label id: labels 0 and 1 tie, R = 1, label 1 is gold → 0
    assert metrics.r_precisions([[0, 1]], [[0.5, 0.5]]) == [0]


def test_correlations_by_hand() -> None:
    # ranks 1 2 3 4 against 1 3 2 4: Σd² = 2 → 1 − 6·2/(4·15) = 0.8
    assert metrics.spearman([1, 2, 3, 4], [10, 30, 20, 90]) == pytest.approx(0.8)
    # deviations −1 0 1 and −1 1 0 (means 2 and 3): 1/√(2·2) = 0.5
    assert metrics.pearson([1, 2, 3], [2, 4, 3]) == pytest.approx(0.5)


@pytest.mark.parametrize("seed", range(5))
def test_equal_to_sklearn_and_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gold, predicted = rng.integers(0, 5, 200), rng.integers(0, 4, 200)
    near = {"rel": 0, "abs": 1e-9}
    assert metrics.accuracy(gold, predicted) == pytest.approx(sk.accuracy_score(gold, predicted), **near)
    assert metrics.macro_f1(gold, predicted) == pytest.approx(
        sk.f1_score(gold, predicted, average="macro", zero_division=0), **near
    )
    assert metrics.matthews(gold, predicted) == pytest.approx(sk.matthews_corrcoef(gold, predicted), **near)
    sets, guesses = rng.random((60, 7)) < 0.3, rng.random((60, 7)) < 0.3
    for ours, average in ((metrics.micro_f1, "micro"), (metrics.macro_f1, "macro")):
        theirs = sk.f1_score(sets, guesses, average=average, zero_division=0)
        assert ours(sets, guesses) == pytest.approx(theirs, **near)
    theirs = sk.f1_score(sets, guesses, average="samples", zero_division=1)
    assert metrics.example_f1(sets, guesses).mean() == pytest.approx(theirs, **near)
    values, estimates = rng.normal(size=50).round(1), rng.normal(size=50).round(1)
    assert metrics.pearson(values, estimates) == pytest.approx(stats.pearsonr(values, estimates)[0], **near)
    assert metrics.spearman(values, estimates) == pytest.approx(stats.spearmanr(values, estimates)[0], **near)


def test_invariants() -> None:
    rng = np.random.default_rng(0)
    gold, predicted = rng.integers(0, 3, 100), rng.integers(0, 3, 100)
    order = rng.permutation(100)
    for metric in (metrics.accuracy, metrics.macro_f1, metrics.micro_f1, metrics.matthews, metrics.spearman):
        assert metric(gold, gold) == pytest.approx(1)
        assert metric(gold, predicted) == pytest.approx(metric(predicted, gold))
        assert metric(gold, predicted) == pytest.approx(metric(gold[order], predicted[order]))
    assert metrics.spearman(gold, np.exp(predicted)) == pytest.approx(metrics.spearman(gold, predicted))


@pytest.mark.parametrize(
    "metric", [metrics.accuracy, metrics.macro_f1, metrics.micro_f1, metrics.matthews, metrics.pearson]
)
def test_nothing_or_unequal_is_an_error(metric: object) -> None:
    assert callable(metric)
    with pytest.raises(DataError, match="nothing to score: no examples"):
        metric([], [])
    with pytest.raises(DataError, match=r"shape \(2,\), predictions \(1,\)"):
        metric([1, 2], [1])


def test_a_correlation_that_does_not_exist() -> None:
    with pytest.raises(DataError, match="All 3 gold values are 2"):
        metrics.pearson([2, 2, 2], [1, 2, 3])
    with pytest.raises(DataError, match="diverged"):
        metrics.spearman([1, 2, 3], [1, float("nan"), 3])
    assert metrics.pearson([1, 2, 3], [5, 5, 5]) == 0
