"""Several selectors as one: ridge regression of gains on their scores, asked about pairs that it has not seen.

Scores and gains are taken as deviations from their list (target), as rankings are within lists. What is predicted is a
deviation, too: with the mean of the rest in it, a group that gains much would be predicted low for that reason alone,
as the mean of all others is low when its own gain is high.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import DataError
from core.measures.inference.intervals import Floats, finite_vector

PENALTIES = (0.1, 1.0, 10.0, 100.0)
"""Ridge penalties that the combination chooses among, for standardised columns."""


class Combination(NamedTuple):
    """Predictions of a ridge regression on several selectors for pairs that it has not seen."""

    predictions: Floats
    """(n,) gain above the mean of the pair's list; their order is what counts."""
    contributions: Floats
    """(n, p) what each selector adds to the prediction; rows sum to it."""


class _Ridge(NamedTuple):
    """A fit to some rows, ready for gains: weights are `solved @ gains[train]`, predictions `at @ weights`."""

    train: NDArray[np.intp]
    at: Floats
    solved: Floats

    def predict(self, gains: Floats) -> Floats:
        """(exchanges, rows) predictions from (exchanges, all pairs) gains."""
        return np.asarray(gains[:, self.train] @ self.solved.T @ self.at.T)


class _Group(NamedTuple):
    """What predicts one held-out group."""

    out: NDArray[np.intp]
    """Its rows."""
    fits: list[_Ridge]
    """To all others, by penalty."""
    errors: list[Floats]
    """From gains to what is predicted wrong among the others when one of them is left out, by penalty."""


class HeldOut:
    """Ridge regressions that leave out one group at a time, prepared once and asked for many sets of gains.

    The penalty is chosen inside the other groups alone, by leaving out one of them at a time.
    """

    def __init__(
        self, selectors: ArrayLike, *, groups: ArrayLike, lists: ArrayLike, with_own_group: bool = False
    ) -> None:
        """Prepare every fit.

        Args:
            selectors: (n, p) scores of each pair; standardised inside each fit.
            groups: (n,) what is held out together: the intermediate, or the target.
            lists: (n,) the target of each pair.
            with_own_group: One fit to all pairs, where what is held out is something else, such as a language; groups
                decide about the penalty alone.

        Raises:
            DataError: Lengths differ, or fewer than three groups.
        """
        x, codes, place = _checked(selectors, groups=groups, lists=lists, least=3)
        self._n, self._groups = x.shape, []
        everything = np.arange(len(x))
        held = [everything] if with_own_group else [np.flatnonzero(codes == c) for c in range(int(codes.max()) + 1)]
        for out in held:
            rest = everything if with_own_group else np.setdiff1d(everything, out)
            fits = [_ridge(x, place, train=rest, at=out, penalty=penalty) for penalty in PENALTIES]
            self._groups.append(_Group(out, fits, _errors(x, place, codes, rows=rest)))

    def predict(self, gains: Floats) -> Floats:
        """(exchanges, n) predictions, each pair's from the groups that it is not in.

        Args:
            gains: (exchanges, n) measured, or exchanged.
        """
        found = np.empty((len(gains), self._n[0]))
        for group in self._groups:
            predicted = np.stack([fit.predict(gains) for fit in group.fits])
            found[:, group.out] = predicted[_best(group.errors, gains), np.arange(len(gains))]
        return found

    def combine(self, gains: ArrayLike) -> Combination:
        """Predictions from measured gains, with what each selector adds to them.

        Args:
            gains: (n,) measured.

        Raises:
            DataError: Not one gain for each pair.
        """
        y = finite_vector(gains, what="gains")
        if y.size != self._n[0]:
            raise DataError(f"{y.size} gains for {self._n[0]} pairs; expected one for each.")
        contributions = np.empty(self._n)
        for group in self._groups:
            fit = group.fits[int(_best(group.errors, y[None, :])[0])]
            contributions[group.out] = fit.at * (fit.solved @ y[fit.train])
        return Combination(contributions.sum(axis=1), contributions)


def predict_gains(
    selectors: ArrayLike, *, gains: ArrayLike, groups: ArrayLike, lists: ArrayLike, at: ArrayLike
) -> Combination:
    """The same regression, fitted to everything that is given and asked about the pairs of one list without gains.

    Args:
        selectors: (n, p) scores of the pairs that were measured.
        gains: (n,) measured gains.
        groups: (n,) what the penalty is chosen by leaving out.
        lists: (n,) the target of each pair.
        at: (m, p) scores of the pairs to predict.

    Raises:
        DataError: Lengths differ, or fewer than two groups.
    """
    x, codes, place = _checked(selectors, groups=groups, lists=lists, least=2)
    y, wanted = finite_vector(gains, what="gains"), np.asarray(at, dtype=float)
    if y.size != len(x) or wanted.shape[1:] != x.shape[1:]:
        raise DataError(f"Found selectors {x.shape} and {wanted.shape}, {y.size} gains; expected the same columns.")
    finite_vector(wanted, what="selector values")
    rows = np.arange(len(x))
    penalty = PENALTIES[int(_best(_errors(x, place, codes, rows=rows), y[None, :])[0])]
    both, places = np.concatenate([x, wanted]), np.concatenate([place, np.full(len(wanted), place.max() + 1)])
    fit = _ridge(both, places, train=rows, at=np.arange(len(x), len(both)), penalty=penalty)
    contributions = fit.at * (fit.solved @ y)
    return Combination(contributions.sum(axis=1), contributions)


def in_other_languages(learner: HeldOut, *, pair: NDArray[np.intp], lang: ArrayLike) -> Callable[[Floats], Floats]:
    """From gains by pair and language to predictions of each, learned from its pairs' means in the other languages.

    Args:
        learner: Of the pairs.
        pair: (n,) number of the pair of each row.
        lang: (n,) its language; every pair has two or more.
    """
    codes, of_pair = np.asarray(lang), np.eye(int(pair.max()) + 1)[pair]

    def predict(gains: Floats) -> Floats:
        said = np.empty_like(gains)
        for code in np.unique(codes):
            here = codes == code
            elsewhere = of_pair * ~here[:, None]
            means = (gains @ elsewhere) / np.maximum(elsewhere.sum(axis=0), 1)
            said[:, here] = learner.predict(means)[:, pair[here]]
        return said

    return predict


def mean_elsewhere(gains: Floats, *, intermediates: ArrayLike, lists: ArrayLike) -> Floats:
    """(exchanges, n) mean gain of each pair's intermediate on the other targets, each above its target's mean.

    What a combination must beat that is asked about a new target: it needs no selector.

    Args:
        gains: (exchanges, n) measured, or exchanged.
        intermediates: (n,) of each pair.
        lists: (n,) the target of each pair.
    """
    inter, place = (np.unique(np.asarray(each), return_inverse=True)[1].ravel() for each in (intermediates, lists))
    same = (inter[:, None] == inter[None, :]) & (place[:, None] != place[None, :])
    return np.asarray((gains @ _deviations(place).T) @ (same / np.maximum(same.sum(axis=1, keepdims=True), 1)).T)


def _checked(
    selectors: ArrayLike, *, groups: ArrayLike, lists: ArrayLike, least: int
) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp]]:
    x = np.asarray(selectors, dtype=float)
    codes, place = (np.unique(np.asarray(each), return_inverse=True)[1].ravel() for each in (groups, lists))
    if x.ndim != 2 or not len(x) == codes.size == place.size or codes.max(initial=-1) < least - 1:
        found = f"selectors {x.shape} for {codes.size} pairs, {len(np.unique(codes))} groups"
        raise DataError(f"Found {found}; expected one row, group and list a pair, and {least} or more groups.")
    finite_vector(x, what="selector values")
    return x, codes, place


def _deviations(place: NDArray[np.intp]) -> Floats:
    """(n, n) what takes the mean of its list from each value."""
    same = place[:, None] == place[None, :]
    return np.asarray(np.eye(len(place)) - same / same.sum(axis=1, keepdims=True))


def _ridge(
    x: Floats, place: NDArray[np.intp], *, train: NDArray[np.intp], at: NDArray[np.intp], penalty: float
) -> _Ridge:
    z, wanted = x[train] - _means(x, place, train, at=train), x[at] - _means(x, place, train, at=at)
    spread = z.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    z, wanted = z / spread, wanted / spread
    return _Ridge(train, wanted, np.asarray(np.linalg.solve(z.T @ z + penalty * np.eye(z.shape[1]), z.T)))


def _means(values: Floats, place: NDArray[np.intp], train: NDArray[np.intp], *, at: NDArray[np.intp]) -> Floats:
    """Mean of each list over the rows that are trained on, or over those asked about where there are none."""
    known = np.zeros((int(place.max()) + 1, values.shape[1]))
    for rows in (at, train):
        counts, sums = np.bincount(place[rows], minlength=len(known)), np.zeros_like(known)
        np.add.at(sums, place[rows], values[rows])
        known[counts > 0] = sums[counts > 0] / counts[counts > 0, None]
    return known[place[at]]


def _errors(x: Floats, place: NDArray[np.intp], codes: NDArray[np.intp], *, rows: NDArray[np.intp]) -> list[Floats]:
    """By penalty, (rows, n) from all gains to gains above their list less what the other groups of `rows` predict."""
    everything = np.eye(len(x))
    found: list[list[Floats]] = [[] for _ in PENALTIES]
    for group in np.unique(codes[rows]):
        out, rest = rows[codes[rows] == group], rows[codes[rows] != group]
        wanted = everything[out] - _means(everything, place, rest, at=out)
        for penalty, errors in zip(PENALTIES, found, strict=True):
            fit = _ridge(x, place, train=rest, at=out, penalty=penalty)
            predicted = np.zeros((len(out), len(x)))
            predicted[:, rest] = fit.at @ fit.solved
            errors.append(wanted - predicted)
    return [np.concatenate(errors) for errors in found]


def _best(errors: list[Floats], gains: Floats) -> NDArray[np.intp]:
    """(exchanges,) which penalty predicts best."""
    chosen: NDArray[np.intp] = np.argmin(np.stack([((gains @ each.T) ** 2).sum(axis=1) for each in errors]), axis=0)
    return chosen
