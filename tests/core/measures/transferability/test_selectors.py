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
    judge_ranking,
    kendall_tau,
    ndcg,
    regret,
    relative_regret,
)
from core.measures.transferability.chance import Pairs, judge_against_chance, list_quality
from core.measures.transferability.combination import PENALTIES, HeldOut, mean_elsewhere
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


def test_a_combination_beats_its_parts_on_held_out_groups_and_says_what_each_adds() -> None:
    r = rng(4)
    x = r.normal(size=(80, 3))
    gains = x[:, 0] + x[:, 1] + 0.3 * r.normal(size=80)
    combined = HeldOut(x, groups=np.repeat(np.arange(10), 8), lists=np.tile(np.arange(8), 10)).combine(gains)
    assert kendall_tau(combined.predictions, other=gains) > kendall_tau(x[:, 0], other=gains) + 0.2
    assert combined.contributions.sum(axis=1) == pytest.approx(combined.predictions)
    spread = combined.contributions.std(axis=0)
    assert spread[:2].min() > 5 * spread[2]


def test_a_combination_never_sees_the_group_it_predicts() -> None:
    r = rng(5)
    x, gains, groups = r.normal(size=(30, 2)), r.normal(size=30), np.repeat(np.arange(6), 5)
    changed = np.where(groups == 2, gains + 100, gains)
    learner = HeldOut(x, groups=groups, lists=np.tile(np.arange(5), 6))
    before, after = (learner.combine(each).predictions for each in (gains, changed))
    assert before[groups == 2] == pytest.approx(after[groups == 2])
    assert learner.predict(np.stack([gains, changed])) == pytest.approx(np.stack([before, after]))
    with pytest.raises(DataError, match="3 or more groups"):
        HeldOut(x, groups=groups % 2, lists=groups)


def test_a_combination_is_that_of_a_plain_ridge() -> None:
    """One held-out target, all steps by hand: deviations from lists, standardised, the penalty that errs least."""
    r = rng(9)
    x, gains = r.normal(size=(20, 2)), r.normal(size=20)
    lists = np.repeat(np.arange(4), 5)

    def fitted(train: np.ndarray, at: np.ndarray, penalty: float) -> np.ndarray:
        members = [train[lists[train] == t] for t in np.unique(lists[train])]
        centred = np.concatenate([x[rows] - x[rows].mean(axis=0) for rows in members])
        sd, y = centred.std(axis=0), gains[np.concatenate(members)]
        w = np.linalg.solve((centred / sd).T @ (centred / sd) + penalty * np.eye(2), (centred / sd).T @ y)
        return np.asarray((x[at] - x[at].mean(axis=0)) / sd @ w)

    for held in range(4):
        train, at = np.flatnonzero(lists != held), np.flatnonzero(lists == held)
        errors = {}
        for penalty in PENALTIES:
            wrong = [
                gains[lists == t] - gains[lists == t].mean()
                - fitted(train[lists[train] != t], np.flatnonzero(lists == t), penalty)
                for t in set(lists[train])
            ]  # fmt: skip
            errors[penalty] = float((np.concatenate(wrong) ** 2).sum())
        best = min(errors, key=lambda each: errors[each])
        found = HeldOut(x, groups=lists, lists=lists).combine(gains).predictions[at]
        assert found == pytest.approx(fitted(train, at, best))


def test_a_combination_of_nothing_does_not_rank_against_the_truth() -> None:
    """With the mean of the rest in the prediction, noise ranked below chance when one intermediate was left out."""
    taus = []
    for seed in range(60):
        r = rng(seed)
        inter, target = np.repeat(np.arange(8), 4), np.tile(np.arange(4), 8)
        gains, x = r.normal(size=8)[inter] + 0.3 * r.normal(size=32), r.normal(size=(8, 3))[inter]
        said = HeldOut(x, groups=inter, lists=target).combine(gains).predictions
        taus.append(np.mean([kendall_tau(said[target == t], other=gains[target == t]) for t in range(4)]))
    error = np.std(taus, ddof=1) / np.sqrt(len(taus))
    assert abs(np.mean(taus)) < 2.5 * error


def test_many_lists_at_once_are_judged_as_one_by_one() -> None:
    r = rng(10)
    for _ in range(50):
        n = int(r.integers(2, 9))
        scores, gains = r.integers(0, 4, (3, n)).astype(float), r.integers(0, 5, (3, n)).astype(float)
        gains[2] = 1.0
        found = list_quality(scores, gains=gains)
        for row, s, g in zip(found, scores, gains, strict=True):
            regrets = [relative_regret(s, gains=g, k=k) for k in (1, 3, 5)]
            one = [ndcg(s, gains=g), ndcg(s, gains=g, form="exponential"), *regrets, kendall_tau(s, other=g)]
            assert row == pytest.approx(one)


@pytest.mark.parametrize("kind", ["constant", "pair", "combination"])
def test_what_knows_nothing_differs_from_chance_as_seldom_as_it_should(kind: str) -> None:
    """One number per intermediate differed in 37 %; bench.calibration_selectors does the same 2,000 times."""
    differs = 0
    for seed in range(60):
        r = rng(seed)
        inter, target = np.repeat(np.arange(8), 4), np.tile(np.arange(4), 8)
        gains = 0.7 * r.normal(size=8)[inter] + r.normal(size=32)
        x = np.column_stack([r.normal(size=8)[inter], r.normal(size=32)])
        learner = HeldOut(x, groups=inter, lists=target)
        scores = {"constant": x[:, 0], "pair": x[:, 1], "combination": learner.combine(gains).predictions}[kind]
        predict = learner.predict if kind == "combination" else None
        found = judge_against_chance(scores, pairs=Pairs(gains, inter, target), rng=r, predict=predict)
        differs += found.over.ndcg.low > 0 or found.over.ndcg.high < 0
    assert differs <= 8


def test_what_knows_the_gains_is_better_than_chance() -> None:
    r = rng(11)
    inter, target = np.repeat(np.arange(8), 4), np.tile(np.arange(4), 8)
    gains = r.normal(size=32)
    pairs = Pairs(gains, inter, target)
    oracle, wrong = (judge_against_chance(scores, pairs=pairs, rng=rng()) for scores in (gains, -gains))
    assert oracle.over.ndcg.low > 0 > wrong.over.ndcg.high
    assert oracle.over.regret_at_1.high < 0 and oracle.p_values[0] == pytest.approx(1 / 500)
    assert oracle.found[0] == pytest.approx(1)
    chance = judge_ranking(np.zeros(32), gains=gains, lists=target, rng=rng())
    assert oracle.chance[0] == pytest.approx(chance.ndcg.estimate)
    with pytest.raises(DataError, match="1 targets with two or more"):
        judge_against_chance(gains[:8], pairs=Pairs(gains[:8], inter[:8], np.zeros(8)), rng=r)


def test_mean_elsewhere_by_hand() -> None:
    # Deviations from targets' means: a 1, -1 on x; a 2, -2 on y. Each is predicted from the other target.
    gains = np.array([[3.0, 1.0, 4.0, 0.0]])
    found = mean_elsewhere(gains, intermediates=["a", "b", "a", "b"], lists=["x", "x", "y", "y"])
    assert found[0].tolist() == pytest.approx([2, -2, 1, -1])


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
