"""Selectors against brute force and closed forms; rankings by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import optimize
from scipy import stats as scipy_stats

from core.errors import DataError
from core.measures.inference.ranking import (
    compare_rankings,
    judge_ranking,
    kendall_tau,
    ndcg,
    regret,
    relative_regret,
)
from core.measures.transferability.combination import combine_selectors
from core.measures.transferability.features import h_score, knn_accuracy, linear_probe, logme, transrate

_SCORES = {"logme": logme, "h_score": h_score, "transrate": transrate}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def domain(
    signal: float, *, n: int = 120, d: int = 6, classes: int = 3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    r = rng(seed)
    labels = np.arange(n) % classes
    return r.normal(size=(n, d)) + signal * r.normal(size=(classes, d))[labels], labels


@pytest.mark.parametrize("shape", [(40, 5), (12, 30)])
def test_logme_is_the_maximum_of_the_evidence_mean_over_classes(shape: tuple[int, int]) -> None:
    x = rng(1).normal(size=shape)
    labels = (x[:, 0] + 0.5 * rng(2).normal(size=shape[0]) > 0.3).astype(int)

    def best(y: np.ndarray) -> float:
        def loss(logs: np.ndarray) -> float:
            alpha, beta = np.exp(logs)
            covariance = np.eye(shape[0]) / beta + x @ x.T / alpha
            return -float(scipy_stats.multivariate_normal(np.zeros(shape[0]), covariance).logpdf(y)) / shape[0]

        return -min(
            optimize.minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12}).fun
            for start in ([0, 0], [2, 2])
        )

    expected = np.mean([best(1.0 * (labels == label)) for label in (0, 1)])
    assert logme(x, labels=labels) == pytest.approx(expected, abs=1e-6)


def test_h_score_by_definition() -> None:
    # Many examples, so that shrinkage is nothing: one dimension, means -1 and 1, variance within s^2: 1 / (1 + s^2).
    labels = np.arange(20_000) % 2
    x = np.where(labels, 1.0, -1.0) + 0.5 * rng().normal(size=20_000)
    assert h_score(x[:, None], labels=labels) == pytest.approx(1 / 1.25, rel=0.02)


def test_h_score_stays_below_classes_less_one_where_n_is_near_d() -> None:
    x, labels = domain(0, n=60, d=55)
    assert 0 < h_score(x, labels=labels) < 2


def test_transrate_by_hand() -> None:
    # One dimension -1 -1 1 1, unit mean square: 1/2 log(1 + 1/e) whole and within, so 0 if classes say nothing ...
    x, e = np.array([[-1.0], [-1], [1], [1]]), 0.5
    assert transrate(x, labels=[0, 1, 0, 1], distortion=e) == pytest.approx(0)
    # ... and in two dimensions with one class on each axis: whole det (1 + 1/e)^2, each class 1 + 2/e.
    x = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    expected = 0.5 * (2 * math.log(1 + 1 / e) - math.log(1 + 2 / e))
    assert transrate(x, labels=[0, 0, 1, 1], distortion=e) == pytest.approx(expected)


def test_transrate_does_not_reward_scale() -> None:
    x, labels = domain(1)
    assert transrate(5 * x + 3, labels=labels) == pytest.approx(transrate(x, labels=labels))


@pytest.mark.parametrize("name", list(_SCORES))
def test_selectors_prefer_features_that_separate(name: str) -> None:
    scores = [_SCORES[name](domain(signal)[0], labels=domain(signal)[1]) for signal in (0, 1, 4)]
    assert scores == sorted(scores)


@pytest.mark.parametrize("name", list(_SCORES))
def test_selectors_do_not_depend_on_order_or_label_names(name: str) -> None:
    x, labels = domain(1)
    order = rng().permutation(len(x))
    named = np.array(["c", "a", "b"])[labels][order]
    assert _SCORES[name](x[order], labels=named) == pytest.approx(_SCORES[name](x, labels=labels))


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="All 4 labels are 'x'"):
        logme(np.eye(4), labels=["x"] * 4)


def test_neighbours_by_hand() -> None:
    # By angle: 0, 5, 90, 95, 180 degrees; nearest: 5, 0, 95, 90, 95. Labels a a b b a: the last is wrong, 4 of 5.
    angle = np.radians([0, 5, 90, 95, 180])
    x = np.column_stack([np.cos(angle), np.sin(angle)])
    assert knn_accuracy(x, labels=list("aabba"), k=1, rng=rng()).estimate == pytest.approx(0.8)
    with pytest.raises(DataError, match="5 neighbours of 5 examples"):
        knn_accuracy(x, labels=list("aabba"), k=5, rng=rng())


def test_probe_reads_what_is_there_and_nothing_else() -> None:
    x, labels = domain(4)
    assert linear_probe(x, labels=labels, rng=rng()).estimate > 0.95
    nothing = linear_probe(rng(3).normal(size=(300, 4)), labels=np.arange(300) % 3, rng=rng())
    assert nothing.low < 1 / 3 + 0.05
    with pytest.raises(DataError, match="smallest class has 1 examples for 5 folds"):
        linear_probe(x[:10], labels=[0] * 9 + [1], rng=rng())


def test_kendall_by_hand_and_against_scipy() -> None:
    # 1 2 3 4 against 1 3 2 4: one pair of six is turned, (5 - 1) / 6.
    assert kendall_tau([1, 2, 3, 4], other=[1, 3, 2, 4]) == pytest.approx(4 / 6)
    a, b = rng(1).integers(0, 5, 30), rng(2).integers(0, 5, 30)
    assert kendall_tau(a, other=b) == pytest.approx(scipy_stats.kendalltau(a, b).statistic)


def test_ndcg_by_hand() -> None:
    # Gains .3 .1 .2 -> relevance 1 0 .5; ranked 2nd, 1st, 3rd: 0 + 1/log2(3) + .5/2 = .880930 over 1 + .5/log2(3).
    found = ndcg([2, 3, 1], gains=[0.3, 0.1, 0.2])
    assert found == pytest.approx(0.880930 / 1.315465, abs=1e-5)
    # Exponential: 2^1 - 1 = 1 and 2^.5 - 1 = .414214: (.630930 + .207107) / (1 + .414214 * .630930).
    found = ndcg([2, 3, 1], gains=[0.3, 0.1, 0.2], form="exponential")
    assert found == pytest.approx(0.838037 / 1.261340, abs=1e-5)
    assert ndcg([2, 3, 1], gains=[0.3, 0.1, 0.2], k=1) == 0
    assert ndcg([3, 1, 2], gains=[-0.3, -0.9, -0.5]) == pytest.approx(1)


def test_ties_mean_the_average_over_all_orders() -> None:
    gains, scores = np.array([0.4, 0.1, 0.3, 0.0]), np.array([1.0, 1.0, 1.0, 0.0])
    orders = [np.array([*o, -1]) for o in itertools.permutations([1.0, 2.0, 3.0])]
    for k in (1, 2, 3):
        assert regret(scores, gains=gains, k=k) == pytest.approx(np.mean([regret(o, gains=gains, k=k) for o in orders]))
        assert ndcg(scores, gains=gains, k=k) == pytest.approx(np.mean([ndcg(o, gains=gains, k=k) for o in orders]))


def test_regret_by_hand() -> None:
    # Ranked: .1, .4, .0; best .5 is last. First choice loses .4, first two .1, all of them nothing.
    scores, gains = [4, 3, 2, 1], [0.1, 0.4, 0.0, 0.5]
    assert [regret(scores, gains=gains, k=k) for k in (1, 2, 3, 4, 9)] == pytest.approx([0.4, 0.1, 0.1, 0, 0])
    assert relative_regret(scores, gains=gains) == pytest.approx(0.8)


def test_a_combination_beats_its_parts_on_held_out_groups() -> None:
    r = rng(4)
    x = r.normal(size=(80, 3))
    gains = x[:, 0] + x[:, 1] + 0.3 * r.normal(size=80)
    combined = combine_selectors(x, gains=gains, groups=np.repeat(np.arange(10), 8))
    assert kendall_tau(combined.predictions, other=gains) > kendall_tau(x[:, 0], other=gains) + 0.2
    assert combined.weights[:2].min() > 5 * abs(combined.weights[2])


def test_a_combination_never_sees_the_group_it_predicts() -> None:
    r = rng(5)
    x, gains, groups = r.normal(size=(30, 2)), r.normal(size=30), np.repeat(np.arange(6), 5)
    changed = np.where(groups == 2, gains + 100, gains)
    before, after = (combine_selectors(x, gains=g, groups=groups).predictions for g in (gains, changed))
    assert before[groups == 2] == pytest.approx(after[groups == 2])
    with pytest.raises(DataError, match="3 or more groups"):
        combine_selectors(x, gains=gains, groups=groups % 2)


def test_ranking_quality_of_an_oracle_of_chance_and_of_the_reverse() -> None:
    r = rng(6)
    gains, lists = r.normal(size=60), np.repeat(list("abcdef"), 10)
    oracle, chance, wrong = (
        judge_ranking(scores, gains=gains, lists=lists, rng=rng()) for scores in (gains, np.zeros(60), -gains)
    )
    assert oracle.ndcg.estimate == pytest.approx(1)
    assert oracle.regret_at_1.estimate == pytest.approx(0)
    assert (oracle.kendall_tau.estimate, chance.kendall_tau.estimate, wrong.kendall_tau.estimate) == (1, 0, -1)
    assert oracle.ndcg.estimate > chance.ndcg.estimate > wrong.ndcg.estimate
    assert wrong.regret_at_1.estimate == pytest.approx(1)
    assert chance.regret_at_1.estimate > chance.regret_at_3.estimate > chance.regret_at_5.estimate > 0
    assert oracle.n_lists == oracle.ndcg.n == 6


def test_two_selectors_are_compared_within_each_list() -> None:
    # One list is easy for chance (two of two near the best), the other hard. Chance expects NDCG 1/2 (1 + 1/log2 3) on
    # two items of which one counts, and 1/3 (1 + 1/log2 3 + 1/2) on three.
    gains, lists = [1.0, 0.0, 3.0, 0.0, 0.0], ["a", "a", "b", "b", "b"]
    second = 1 / np.log2(3)
    expected = [1 - (1 + second) / 2, 1 - (1 + second + 0.5) / 3]
    found = compare_rankings(gains, other=np.zeros(5), gains=gains, lists=lists, rng=rng())
    assert found.ndcg.estimate == pytest.approx(np.mean(expected))
    assert (found.ndcg.low, found.ndcg.high) == pytest.approx((min(expected), max(expected)))
    # Regret of the best is 0; chance loses 1/2 of the range of the first list and 2/3 of the second.
    assert found.regret_at_1.estimate == pytest.approx(-(1 / 2 + 2 / 3) / 2)
    assert found.kendall_tau.estimate == pytest.approx(1)
    same = compare_rankings(gains, other=np.multiply(2, gains), gains=gains, lists=lists, rng=rng())
    assert same.ndcg[:3] == (0, 0, 0)
    with pytest.raises(DataError, match="1 targets with two or more"):
        compare_rankings(gains[:2], other=[0, 0], gains=gains[:2], lists=lists[:2], rng=rng())
