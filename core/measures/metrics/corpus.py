"""Scores that are no mean over examples, as functions of what each example contributes: their value and their spread.

`linearised` gives each example a value so that the mean of all is exactly the score and their variance over n is the
sampling variance of the score: the infinitesimal jackknife (Jaeckel 1972; Efron 1982, doi:10.1137/1.9781611970319,
chapter 6). Whatever is done with means over examples, over seeds or paired between runs, then speaks of the score
itself. Counts hold (n_examples, k) float64, one row an example.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import DataError

Floats = npt.NDArray[np.float64]
Functional = Literal["f1", "ratio", "macro_f1", "macro_f1_of_sets", "matthews", "pearson", "spearman"]
"""How counts become a score."""


class _Linear(NamedTuple):
    """A score, and what each example adds to it beyond its share (mean 0)."""

    score: float
    influence: Floats


def linearised(functional: Functional, counts: npt.ArrayLike) -> Floats:
    """(n,) what each example gives to the score; the mean is the score, 0 where nothing is right or nothing varies.

    Args:
        functional: `f1`: counts are (true positives, gold, predicted); `ratio`: (right, all); `macro_f1`, `matthews`:
            (gold label, predicted label); `macro_f1_of_sets`: 0 or 1 for each label, gold before predicted; `pearson`,
            `spearman`: (gold value, predicted value).
        counts: (n, 3) for `f1`, (n, 2 x labels) for `macro_f1_of_sets`, (n, 2) for the others.

    Raises:
        DataError: No example, or another number of columns.
    """
    table = np.asarray(counts, dtype=np.float64)
    columns = 3 if functional == "f1" else 2
    if functional == "macro_f1_of_sets" and table.ndim == 2:
        columns = 2 * max(1, table.shape[1] // 2)
    if table.ndim != 2 or table.shape[1] != columns or not len(table):
        raise DataError(
            f"Counts of '{functional}' have shape {table.shape}. Expected (n, {columns}) with at least one example."
        )
    found = _FUNCTIONALS[functional](table)
    return np.asarray(found.score + (found.influence - found.influence.mean()), dtype=np.float64)


def _f1(counts: Floats) -> _Linear:
    n, (hits, gold, guessed) = len(counts), counts.sum(axis=0)
    size = gold + guessed
    if not hits:
        return _Linear(0.0, np.zeros(n))
    score = 2 * hits / size
    return _Linear(score, n * (2 * counts[:, 0] - score * (counts[:, 1] + counts[:, 2])) / size)


def _ratio(counts: Floats) -> _Linear:
    right, every = counts.sum(axis=0)
    if not every:
        return _Linear(0.0, np.zeros(len(counts)))
    score = right / every
    return _Linear(score, len(counts) * (counts[:, 0] - score * counts[:, 1]) / every)


def _macro_f1(labels: Floats) -> _Linear:
    gold, guess = labels[:, 0], labels[:, 1]
    parts = [
        _f1(np.stack([(gold == c) & (guess == c), gold == c, guess == c], axis=1).astype(np.float64))
        for c in np.unique(labels)
    ]
    return _mean(parts)


def _macro_f1_of_sets(sets: Floats) -> _Linear:
    gold, guess = np.split(sets, 2, axis=1)
    return _mean([_f1(np.stack([g * p, g, p], axis=1)) for g, p in zip(gold.T, guess.T, strict=True)])


def _mean(parts: Sequence[_Linear]) -> _Linear:
    return _Linear(float(np.mean([p.score for p in parts])), np.mean([p.influence for p in parts], axis=0))


def _matthews(labels: Floats) -> _Linear:
    """Gorodkin's R_K."""
    classes, n = np.unique(labels), len(labels)
    gold, guess = (np.searchsorted(classes, column) for column in labels.T)
    p, q = (np.bincount(column, minlength=len(classes)) / n for column in (gold, guess))
    spread_p, spread_q = 1 - float(p @ p), 1 - float(q @ q)
    if spread_p * spread_q <= 0:
        return _Linear(0.0, np.zeros(n))
    right, by_chance, scale = float(np.mean(gold == guess)), float(p @ q), np.sqrt(spread_p * spread_q)
    score = (right - by_chance) / scale
    above = (gold == guess) - right - (q[gold] - by_chance) - (p[guess] - by_chance)
    wider = -2 * (p[gold] - p @ p) / spread_p - 2 * (q[guess] - q @ q) / spread_q
    return _Linear(float(score), above / scale - score / 2 * wider)


def _pearson(values: Floats) -> _Linear:
    if (np.ptp(values, axis=0) == 0).any():
        return _Linear(0.0, np.zeros(len(values)))
    x, y = ((column - column.mean()) / column.std() for column in values.T)
    score = float(np.mean(x * y))
    return _Linear(score, x * y - score - score / 2 * (x**2 + y**2 - 2))


def _spearman(values: Floats) -> _Linear:
    """Pearson's of the ranks, whose influence has a second part: an example moves the ranks of all others."""
    ranks = np.stack([mid_ranks(column) for column in values.T], axis=1)
    found = _pearson(ranks)
    if (np.ptp(ranks, axis=0) == 0).any():
        return found
    shares = (ranks - 0.5) / len(ranks)
    x, y = ((column - column.mean()) / column.std() for column in shares.T)
    moved = sum(
        _shift(column, slopes=(other - found.score * own) / spread) / len(ranks)
        for column, own, other, spread in (
            (values[:, 0], x, y, shares[:, 0].std()),
            (values[:, 1], y, x, shares[:, 1].std()),
        )
    )
    return _Linear(found.score, found.influence + moved)


def mid_ranks(values: Floats) -> Floats:
    """(n,) ranks from 1; equal values share the mean of theirs. As `scipy.stats.rankdata`, which takes 0.5 s to load.

    Args:
        values: (n,) real numbers.
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[place.ravel()], dtype=np.float64)


def _shift(values: Floats, *, slopes: Floats) -> Floats:
    """(n,) the sum of the slopes of larger values and of half those of equal ones, less its mean over the examples."""
    _, place, _ = np.unique(values, return_inverse=True, return_counts=True)
    by_value = np.bincount(place.ravel(), weights=slopes)
    larger = by_value.sum() - np.cumsum(by_value)
    found = (larger + by_value / 2)[place.ravel()]
    return np.asarray(found - found.mean(), dtype=np.float64)


_FUNCTIONALS: dict[Functional, Callable[[Floats], _Linear]] = {
    "f1": _f1,
    "ratio": _ratio,
    "macro_f1": _macro_f1,
    "macro_f1_of_sets": _macro_f1_of_sets,
    "matthews": _matthews,
    "pearson": _pearson,
    "spearman": _spearman,
}


def label_pairs(gold: npt.ArrayLike, guess: npt.ArrayLike) -> Floats:
    """(n, 2) counts of metrics that compare labels or values one by one.

    Args:
        gold: (n,) labels or values.
        guess: (n,) labels or values.
    """
    both: npt.NDArray[Any] = np.stack([np.asarray(gold, dtype=np.float64), np.asarray(guess, dtype=np.float64)], axis=1)
    return both
