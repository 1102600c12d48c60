"""Scores of labels, numbers and label sets: arrays in, fractions out (correlations lie in [-1, 1]).

Entities are counted in `entities.py`, answers compared in `answers.py`, sentences matched in `retrieval.py`.
Empty input and lengths that differ raise `DataError`: a score without examples does not exist.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.measures.metrics.corpus import mid_ranks

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
_ArrayLike = npt.ArrayLike


def correct(gold: _ArrayLike, predicted: _ArrayLike) -> Floats:
    """Each example's own contribution to the accuracy: 1.0 where the label is right, else 0.0.

    Args:
        gold: (n,) labels.
        predicted: (n,) labels.

    Raises:
        DataError: Nothing to score, or the lengths differ.
    """
    g, p = _pair(gold, predicted)
    return np.asarray(g == p, dtype=np.float64)


def accuracy(gold: _ArrayLike, predicted: _ArrayLike) -> float:
    """Share of labels that are right, in [0, 1].

    Args:
        gold: (n,) labels.
        predicted: (n,) labels.

    Raises:
        DataError: Nothing to score, or the lengths differ.
    """
    return float(correct(gold, predicted).mean())


def macro_f1(gold: _ArrayLike, predicted: _ArrayLike) -> float:
    """Unweighted mean of the F1 of each class, in [0, 1].

    For (n,) labels over the classes that occur in either input; for (n, n_labels) label sets over all columns.
    A class without a true positive counts 0.

    Args:
        gold: (n,) labels, or (n, n_labels) bool.
        predicted: The same shape.

    Raises:
        DataError: Nothing to score, or the shapes differ.
    """
    g, p = _indicators(gold, predicted)
    hits = (g & p).sum(axis=0)
    return float(np.mean(_f1(hits, g.sum(axis=0) + p.sum(axis=0))))


def micro_f1(gold: _ArrayLike, predicted: _ArrayLike) -> float:
    """F1 over all decisions pooled, in [0, 1]; 0 where nothing is right.

    Args:
        gold: (n,) labels, or (n, n_labels) bool.
        predicted: The same shape.

    Raises:
        DataError: Nothing to score, or the shapes differ.
    """
    g, p = _indicators(gold, predicted)
    return float(_f1(np.asarray((g & p).sum()), np.asarray(g.sum() + p.sum())))


def example_f1(gold: _ArrayLike, predicted: _ArrayLike) -> Floats:
    """F1 of each example's label set, in [0, 1]; 1 where both sets are empty.

    Args:
        gold: (n, n_labels) bool.
        predicted: The same shape.

    Raises:
        DataError: Nothing to score, or the shapes differ.
    """
    g, p = _pair(np.asarray(gold, dtype=bool), np.asarray(predicted, dtype=bool))
    sizes = g.sum(axis=1) + p.sum(axis=1)
    return np.where(sizes == 0, 1.0, _f1((g & p).sum(axis=1), sizes))


def r_precisions(gold: _ArrayLike, scores: _ArrayLike) -> Floats:
    """R-precision of each text that has a label: the share of its R gold labels among its R best scored ones.

    R is the number of gold labels of that text (Chalkidis et al. 2019); ties go to the smaller label id; texts
    without a gold label have no R-precision and are left out.

    Args:
        gold: (n, n_labels) bool.
        scores: (n, n_labels) any real numbers, larger is likelier.

    Raises:
        DataError: No text has a label, or the shapes differ.
    """
    g, s = _pair(np.asarray(gold, dtype=bool), np.asarray(scores, dtype=np.float64))
    sizes = g.sum(axis=1)
    if not sizes.any():
        raise DataError(f"None of {len(g)} texts has a gold label, so there is no R-precision. Expected at least one.")
    order = np.argsort(-s, axis=1, kind="stable")
    ranked = np.cumsum(np.take_along_axis(g, order, axis=1), axis=1)
    kept = np.flatnonzero(sizes)
    return np.asarray(ranked[kept, sizes[kept] - 1] / sizes[kept], dtype=np.float64)


def matthews(gold: _ArrayLike, predicted: _ArrayLike) -> float:
    """Matthews correlation in [-1, 1] (Gorodkin's R_K for more than two classes); 0 where either input is constant.

    Args:
        gold: (n,) labels.
        predicted: (n,) labels.

    Raises:
        DataError: Nothing to score, or the lengths differ.
    """
    g, p = (x.astype(np.float64) for x in _indicators(gold, predicted))
    n = len(g)
    totals_g, totals_p = g.sum(axis=0), p.sum(axis=0)
    covariance = n * float((g * p).sum()) - float(totals_g @ totals_p)
    spread = (n * n - float(totals_g @ totals_g)) * (n * n - float(totals_p @ totals_p))
    return covariance / float(np.sqrt(spread)) if spread > 0 else 0.0


def pearson(gold: _ArrayLike, predicted: _ArrayLike) -> float:
    """Linear correlation in [-1, 1]; 0 where the predictions are constant.

    Args:
        gold: (n,) real numbers, not all equal.
        predicted: (n,) real numbers.

    Raises:
        DataError: Fewer than two values, constant gold values, or a value that is not finite.
    """
    g, p = _numbers(gold, predicted)
    return 0.0 if np.ptp(p) == 0 else float(np.corrcoef(g, p)[0, 1])


def spearman(gold: _ArrayLike, predicted: _ArrayLike) -> float:
    """Rank correlation in [-1, 1], ties get their mean rank; 0 where the predictions are constant.

    Args:
        gold: (n,) real numbers, not all equal.
        predicted: (n,) real numbers.

    Raises:
        DataError: Fewer than two values, constant gold values, or a value that is not finite.
    """
    g, p = _numbers(gold, predicted)
    return pearson(mid_ranks(g), mid_ranks(p))


def _f1(hits: npt.NDArray[Any], sizes: npt.NDArray[Any]) -> Floats:
    """2·hits / (gold + predicted), 0 where there are no hits."""
    return np.asarray(2.0 * hits / np.maximum(sizes, 1), dtype=np.float64)


def _indicators(gold: _ArrayLike, predicted: _ArrayLike) -> tuple[Bools, Bools]:
    g, p = _pair(gold, predicted)
    if g.ndim > 1:
        return g.astype(bool), p.astype(bool)
    classes = np.unique(np.concatenate([g, p]))
    return g[:, None] == classes, p[:, None] == classes


def _numbers(gold: _ArrayLike, predicted: _ArrayLike) -> tuple[Floats, Floats]:
    g, p = _pair(np.asarray(gold, dtype=np.float64), np.asarray(predicted, dtype=np.float64))
    if len(g) < 2:
        raise DataError(f"A correlation needs at least two examples, found {len(g)}.")
    if not (np.isfinite(g).all() and np.isfinite(p).all()):
        raise DataError("A correlation needs finite numbers, found NaN or infinity: the training diverged.")
    if np.ptp(g) == 0:
        raise DataError(f"All {len(g)} gold values are {g[0]:g}, so there is no correlation. Expected at least two.")
    return g, p


def _pair(gold: _ArrayLike, predicted: _ArrayLike) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    g, p = np.asarray(gold), np.asarray(predicted)
    if g.shape != p.shape:
        raise DataError(f"Gold labels have shape {g.shape}, predictions {p.shape}. Expected the same.")
    if not g.size:
        raise DataError("There is nothing to score: no examples. Expected at least one.")
    return g, p
