"""Whether a selector ranks better than chance: by giving whole intermediates the gains of others.

What one intermediate gains on many targets hangs together, so its lists are not independent: a selector that is one
number per intermediate makes the same list for every target. Under the null hypothesis scores and gains of an
intermediate have nothing to do with each other; exchanging the gains of whole intermediates keeps all else as it is
(Fisher 1935; Romano & Wolf 2005 for the limits). A selector that learns from gains learns anew from each exchange, so
what leaving out does to its rankings is part of its chance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from core.errors import DataError
from core.measures.inference.intervals import BLOCK, Floats, Interval, at_least_two, finite_vector
from core.measures.inference.ranking import RankingQuality

PERMUTATIONS = 499
"""Exchanges of gains."""
_REGRETS = (1, 3, 5)

Predict = Callable[[Floats], Floats]
"""From gains, one row an exchange and one column a pair, to what a selector that learns says of the same pairs."""


class AgainstChance(NamedTuple):
    """What a selector reaches beside chance; arrays are in the order of `RankingQuality`."""

    found: Floats
    """Means over lists."""
    chance: Floats
    """The same of chance: of any order where a selector sees no gain, of exchanged gains where it learns."""
    over: RankingQuality
    """Differences from chance with limits."""
    p_values: Floats
    """Two-sided."""


class Pairs(NamedTuple):
    """What was measured of each (intermediate, target) pair."""

    gains: ArrayLike
    """(n,) large is good."""
    intermediates: ArrayLike
    """(n,) names: what is exchanged."""
    lists: ArrayLike
    """(n,) what a pair is ranked in: its target. Lists of one pair do not count."""


def judge_against_chance(
    scores: ArrayLike,
    *,
    pairs: Pairs,
    rng: np.random.Generator,
    predict: Predict | None = None,
    within_lists: bool = False,
) -> AgainstChance:
    """What a selector reaches less what chance reaches on the same pairs, with limits from exchanged gains.

    Gains that a pair lacks are filled by intermediate and list where an exchange asks for them, and nowhere else. The
    limits move the middle of the exchanged differences to the one that was found: they exclude zero where fewer than
    2.5 % of the exchanges reach as far.

    Args:
        scores: (n,) what the selector says of each pair.
        pairs: The same pairs as they were measured.
        rng: Source of exchanges.
        predict: How a selector that learns gets its scores from gains; None: it sees no gain.
        within_lists: Whether each list is exchanged for itself, the null hypothesis for what an intermediate gains
            elsewhere.

    Raises:
        DataError: Lengths differ, or fewer than two lists with two or more pairs.
    """
    a, b = finite_vector(scores, what="scores"), finite_vector(pairs.gains, what="gains")
    inter, place = (np.unique(np.asarray(each), return_inverse=True)[1].ravel() for each in pairs[1:])
    if not a.size == b.size == inter.size == place.size:
        raise DataError(f"{a.size} scores for {b.size} gains; expected one intermediate and one list for each.")
    exchanged = _exchanged(b, inter, place, rng=rng, within_lists=within_lists)
    others = a[None, :] if predict is None else predict(exchanged)
    members = [np.flatnonzero(place == code) for code in range(int(place.max()) + 1)]
    members = [rows for rows in members if rows.size > 1]
    at_least_two(len(members), what="targets with two or more intermediates")
    found, null, chance = (
        np.mean([list_quality(s[:, rows], gains=g[:, rows]) for rows in members], axis=0)
        for s, g in ((a[None, :], b[None, :]), (others, exchanged), (np.zeros((1, b.size)), b[None, :]))
    )
    middle = null.mean(axis=0)
    at = chance[0] if predict is None else middle
    over, centred = found[0] - at, null - middle
    if predict is None:  # chance differs with the gains that a list has been given
        centred = null - np.mean(
            [list_quality(np.zeros((1, rows.size)), gains=exchanged[:, rows]) for rows in members], axis=0
        )
    low, high = over - np.quantile(centred, 0.975, axis=0), over - np.quantile(centred, 0.025, axis=0)
    # A selector of few values has few exchanges that differ: what many of them reach is no evidence.
    beyond = [(side >= reached - 1e-9).mean(axis=0) > 0.025 for side, reached in ((centred, over), (-centred, -over))]
    low, high = np.where(beyond[0], np.minimum(low, 0.0), low), np.where(beyond[1], np.maximum(high, 0.0), high)
    how = "exchange of intermediates"
    limits = [
        Interval(float(d), float(lo), float(hi), 0.95, how, len(members), PERMUTATIONS)
        for d, lo, hi in zip(over, low, high, strict=True)
    ]
    reach = (np.abs(centred) >= np.abs(over) - 1e-12).sum(axis=0)
    return AgainstChance(found[0], at, RankingQuality._make([*limits, len(members)]), (1 + reach) / (PERMUTATIONS + 1))


def list_quality(scores: Floats, *, gains: Floats) -> Floats:
    """The measures of `RankingQuality` for one list, many times at once; ties in scores share places.

    Args:
        scores: (m or 1, n) what a selector says of each pair.
        gains: (m, n) what was measured.
    """
    step = max(BLOCK // gains.shape[1] ** 2, 1)
    rows = max(len(scores), len(gains))
    scores, gains = (np.broadcast_to(each, (rows, gains.shape[1])) for each in (scores, gains))
    parts = [_quality(scores[at : at + step], gains[at : at + step]) for at in range(0, rows, step)]
    return np.concatenate(parts)


def _quality(scores: Floats, gains: Floats) -> Floats:
    n = scores.shape[1]
    above = (scores[:, None, :] > scores[:, :, None]).sum(axis=2)
    ties = (scores[:, None, :] == scores[:, :, None]).sum(axis=2)
    discount = 1 / np.log2(np.arange(n) + 2)
    sums = np.concatenate([[0.0], np.cumsum(discount)])
    weights = (sums[above + ties] - sums[above]) / ties
    low, reach = gains.min(axis=1, keepdims=True), np.ptp(gains, axis=1)
    flat = reach == 0
    relevance = (gains - low) / np.where(flat, 1.0, reach)[:, None]
    ndcgs = []
    for form in (relevance, 2**relevance - 1):
        ideal = np.sort(form, axis=1)[:, ::-1] @ discount
        ndcgs.append(np.where(flat, 1.0, (weights * form).sum(axis=1) / np.where(flat, 1.0, ideal)))
    order = np.argsort(-gains, axis=1, kind="stable")
    best = [np.take_along_axis(each, order, axis=1) for each in (relevance, above, ties)]
    regrets = [np.where(flat, 0.0, _regret(*best, k=min(k, n))) for k in _REGRETS]
    return np.column_stack([*ndcgs, *regrets, _tau(scores, gains)])


def _regret(relevance: Floats, above: NDArray[np.int64], ties: NDArray[np.int64], *, k: int) -> Floats:
    """One less the expected best of the k first, ties drawn with equal chance; pairs come best first."""
    sure, tied = above + ties <= k, (above < k) & (above + ties > k)
    size, left = (np.where(tied, each, 0).max(axis=1, keepdims=True) for each in (ties, k - above))
    none: Floats = special.comb(size - np.cumsum(tied, axis=1), left) / special.comb(size, left)
    reached = 1 - np.where(np.cumsum(sure, axis=1) > 0, 0.0, none)  # chance that one of the best so far is tried
    first = np.diff(reached, axis=1, prepend=0.0)
    left_over: Floats = 1 - (first * relevance).sum(axis=1)
    return left_over


def _tau(scores: Floats, gains: Floats) -> Floats:
    one, two = np.triu_indices(scores.shape[1], 1)
    a, b = (np.sign(each[:, one] - each[:, two]) for each in (scores, gains))
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    found: Floats = np.where(scale > 0, (a * b).sum(axis=1) / np.where(scale > 0, scale, 1.0), 0.0)
    return found


def _exchanged(
    gains: Floats,
    inter: NDArray[np.intp],
    place: NDArray[np.intp],
    *,
    rng: np.random.Generator,
    within_lists: bool,
) -> Floats:
    """(exchanges, n) gains of each pair after intermediates have been exchanged."""
    table = np.full((int(inter.max()) + 1, int(place.max()) + 1), np.nan)
    table[inter, place] = gains
    table = _filled(table)
    if within_lists:
        draws = rng.permuted(np.tile(np.arange(len(table))[:, None], (PERMUTATIONS, 1, table.shape[1])), axis=1)
        return np.asarray(table[draws[:, inter, place], place])
    draws = rng.permuted(np.tile(np.arange(len(table)), (PERMUTATIONS, 1)), axis=1)
    return np.asarray(table[draws[:, inter], place])


def _filled(table: Floats) -> Floats:
    """The table with gaps filled by row plus column."""
    gaps = np.isnan(table)
    filled = np.where(gaps, np.nanmean(table), table)
    for _ in range(100 if gaps.any() else 0):
        rows, columns = filled.mean(axis=1, keepdims=True), filled.mean(axis=0, keepdims=True)
        filled = np.where(gaps, rows + columns - filled.mean(), table)
    return filled
