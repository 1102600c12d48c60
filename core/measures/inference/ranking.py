"""How good a ranking is: Kendall's tau, NDCG, regret, with intervals over what is ranked for.

Gains are what was measured, scores what was predicted; large is good in both.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from core.errors import DataError, SpecError
from core.measures.inference.intervals import Floats, Interval, Plan, at_least_two, finite_vector, mean_interval

GainForm = Literal["linear", "exponential"]


class RankingQuality(NamedTuple):
    """Means over lists (of one target each) with intervals; regrets are shares of the range."""

    ndcg: Interval
    ndcg_exponential: Interval
    regret_at_1: Interval
    regret_at_3: Interval
    regret_at_5: Interval
    kendall_tau: Interval
    n_lists: int


def kendall_tau(values: ArrayLike, *, other: ArrayLike) -> float:
    """Kendall's tau-b, in [-1, 1]; 0 where either side is all ties.

    Args:
        values: (n,) numbers.
        other: (n,) numbers.

    Raises:
        DataError: Lengths differ, or fewer than two.
    """
    a, b = _same(values, other)
    upper = np.triu_indices(a.size, 1)
    sign_a, sign_b = np.sign(a[:, None] - a[None, :])[upper], np.sign(b[:, None] - b[None, :])[upper]
    scale = np.sqrt(np.sum(sign_a**2) * np.sum(sign_b**2))
    return float(np.clip(sign_a @ sign_b / scale, -1, 1)) if scale > 0 else 0.0


def ndcg(scores: ArrayLike, *, gains: ArrayLike, k: int | None = None, form: GainForm = "linear") -> float:
    """Normalised discounted cumulative gain at k, in [0, 1]; 1 if the best come first. Ties in scores share places.

    Relevance is the gain above the smallest gain of the list, over the range, so it lies in [0, 1] and negative
    transfer is the bottom and not a debt. `linear` sums relevance / log2(1 + rank); `exponential` sums
    (2^relevance - 1) / log2(1 + rank), the form of Schulte et al. (2024) with relevance so scaled.

    Args:
        scores: (n,) what the ranking goes by, before training.
        gains: (n,) what was measured.
        k: Places that count; None: all.
        form: How relevance enters.

    Raises:
        DataError: Lengths differ, or fewer than two.
        SpecError: k below 1.
    """
    a, b = _same(scores, gains)
    places = a.size if k is None else min(k, a.size)
    if places < 1:
        raise SpecError(f"k is {k}; expected 1 or more.")
    reach = b.max() - b.min()
    if reach == 0:
        return 1.0
    relevance = (b - b.min()) / reach
    if form == "exponential":
        relevance = 2**relevance - 1
    discount = np.where(np.arange(a.size) < places, 1 / np.log2(np.arange(a.size) + 2), 0.0)
    ideal = np.sort(relevance)[::-1] @ discount
    return float(_place_weights(a, discount) @ relevance / ideal)


def regret(scores: ArrayLike, *, gains: ArrayLike, k: int = 1) -> float:
    """Gain lost by trying the k best-ranked instead of the best there is, in the unit of gains; at least 0.

    Ties in scores are broken in every way with equal chance: the expected best of the k is used.

    Args:
        scores: (n,) what the ranking goes by.
        gains: (n,) what was measured.
        k: How many are tried.

    Raises:
        DataError: Lengths differ, or fewer than two.
        SpecError: k below 1.
    """
    a, b = _same(scores, gains)
    if k < 1:
        raise SpecError(f"k is {k}; expected 1 or more.")
    k = min(k, a.size)
    cut = np.sort(a)[::-1][k - 1]
    sure, tied = b[a > cut], np.sort(b[a == cut])
    floor = sure.max() if sure.size else -np.inf
    # P(best of `left` drawn from the ties is the j-th smallest), by the share of draws whose maximum it is.
    left, expected, remaining = k - sure.size, 0.0, 1.0
    for j in range(tied.size - 1, -1, -1):
        below = _share_of_draws(j, tied.size, left)
        expected += (remaining - below) * max(float(tied[j]), float(floor))
        remaining = below
    return float(b.max() - expected)


def relative_regret(scores: ArrayLike, *, gains: ArrayLike, k: int = 1) -> float:
    """Regret over the range of gains, in [0, 1]; 0 where all gains are equal.

    Args:
        scores: (n,) what the ranking goes by.
        gains: (n,) what was measured.
        k: How many are tried.

    Raises:
        DataError: Lengths differ, or fewer than two.
        SpecError: k below 1.
    """
    reach = float(np.ptp(np.asarray(gains, dtype=float)))
    return regret(scores, gains=gains, k=k) / reach if reach > 0 else 0.0


def mean_over_lists(values: ArrayLike, *, rng: np.random.Generator, plan: Plan | None = None) -> Interval:
    """Mean of a ranking measure over lists (targets, or held-out intermediates), which are the independent units.

    Args:
        values: (lists,) one number for each list.
        plan: Resamples and level.

    Raises:
        DataError: Fewer than two lists.
    """
    return mean_interval(values, rng=rng, plan=plan)


def judge_ranking(
    scores: ArrayLike, *, gains: ArrayLike, lists: ArrayLike, rng: np.random.Generator, plan: Plan | None = None
) -> RankingQuality:
    """How well a selector ranks the intermediates of each target, averaged over targets.

    A constant score stands for choosing at random: ties share places, so its NDCG and regret are the expected ones.

    Args:
        scores: (n,) what the selector says of each (intermediate, target) pair.
        gains: (n,) what was measured.
        lists: (n,) the target of each pair.
        rng: Source of the bootstrap over lists.
        plan: Resamples and level.

    Raises:
        DataError: Lengths differ, or fewer than two lists with two or more pairs.
    """
    return _over_lists(_by_list(scores, gains=gains, lists=lists), rng=rng, plan=plan)


def _by_list(scores: ArrayLike, *, gains: ArrayLike, lists: ArrayLike) -> Floats:
    """(lists, 6) every measure of a `RankingQuality` in each list of two or more pairs, in its order."""
    a, b = finite_vector(scores, what="scores"), finite_vector(gains, what="gains")
    codes = np.unique(np.asarray(lists), return_inverse=True)[1].ravel()
    if not a.size == b.size == codes.size:
        raise DataError(f"{a.size} scores, {b.size} gains, {codes.size} targets; expected one of each per pair.")
    members = [np.flatnonzero(codes == c) for c in range(int(codes.max()) + 1)]
    found = [
        [
            ndcg(a[rows], gains=b[rows]),
            ndcg(a[rows], gains=b[rows], form="exponential"),
            *(relative_regret(a[rows], gains=b[rows], k=k) for k in (1, 3, 5)),
            kendall_tau(a[rows], other=b[rows]),
        ]
        for rows in members
        if rows.size > 1
    ]
    return np.asarray(found, dtype=float).reshape(len(found), len(RankingQuality._fields) - 1)


def _over_lists(values: Floats, *, rng: np.random.Generator, plan: Plan | None) -> RankingQuality:
    at_least_two(len(values), what="targets with two or more intermediates")
    found = [mean_over_lists(column, rng=rng, plan=plan) for column in values.T]
    return RankingQuality._make([*found, len(values)])


def _share_of_draws(below: int, total: int, size: int) -> float:
    """Share of draws of `size` out of `total` that lie among the lowest `below`."""
    share = 1.0
    for i in range(size):
        share *= max(below - i, 0) / (total - i)
    return share


def _place_weights(scores: Floats, discount: Floats) -> Floats:
    """(n,) mean discount of the places that each thing's ties take."""
    order = np.argsort(-scores, kind="stable")
    _, group = np.unique(-scores[order], return_inverse=True)
    mean = np.bincount(group, weights=discount) / np.bincount(group)
    weights = np.empty_like(discount)
    weights[order] = mean[group]
    return weights


def _same(values: ArrayLike, other: ArrayLike) -> tuple[Floats, Floats]:
    a, b = finite_vector(values, what="scores"), finite_vector(other, what="gains")
    if a.size != b.size or a.size < 2:
        raise DataError(f"{a.size} scores for {b.size} gains; expected two or more of each, in the same order.")
    return a, b
