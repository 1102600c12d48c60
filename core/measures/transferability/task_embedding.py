"""How alike two tasks are to an encoder that knows neither: their Fisher information, layer by layer.

A task's embedding is the diagonal of the empirical Fisher information of the encoder's layer outputs, under a linear
head fitted to the task on the frozen encoder (Achille et al. 2019; Vu et al. 2020): the mean over examples of the
squared gradient of log p(label | text). The similarity is the cosine, the mean over layers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from core.errors import DataError
from core.measures.inference.intervals import Floats, Interval, jackknife_interval, spread_groups
from core.measures.threads import one_blas_thread

BLOCKS = 20
"""Groups of examples, one of which is left out at a time, for the interval."""


class LinearHead(NamedTuple):
    """Logits = features @ weights.T + bias."""

    weights: Floats
    """(classes, d)."""
    bias: Floats
    """(classes,)."""


def fit_linear_head(features: ArrayLike, *, labels: ArrayLike) -> LinearHead:
    """Logistic regression on standardised features (that of `linear_probe`), as a head on the features as they are.

    Args:
        features: (n, d).
        labels: (n,) classes from 0, each there.

    Raises:
        DataError: Shapes do not fit, or a single class.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 a second to import

    rows, codes = np.asarray(features, dtype=float), np.asarray(labels)
    if rows.ndim != 2 or len(rows) != codes.size or len(np.unique(codes)) < 2:
        found = f"Features {rows.shape} for {codes.size} labels of {len(np.unique(codes))} classes"
        raise DataError(f"{found}; expected (n, d), (n,) and two or more.")
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    spread = np.where(spread > 1e-9, spread, 1.0)
    with one_blas_thread():
        fitted = LogisticRegression(C=0.1, max_iter=2000).fit((rows - mean) / spread, codes)
    weights, bias = fitted.coef_ / spread, fitted.intercept_
    if len(weights) == 1:  # two classes: one logit, that of the second
        weights, bias = np.concatenate([0 * weights, weights]), np.concatenate([0 * bias, bias])
    return LinearHead(weights, bias - weights @ mean)


def task_similarity(squares: ArrayLike, *, other: ArrayLike, rng: np.random.Generator, level: float = 0.95) -> Interval:
    """Cosine of two task embeddings, mean over layers, in [0, 1]; large is alike.

    Args:
        squares: (n, layers, d) squared gradients of each example of one task.
        other: (m, layers, d) of the other.
        rng: Source of the groups that are left out.

    Raises:
        DataError: Shapes do not fit, or a task whose gradients are all zero.
    """
    a, b = _checked(squares), _checked(other)
    if a.shape[1:] != b.shape[1:]:
        raise DataError(f"Gradients of shape {a.shape} and {b.shape}; expected the layers and width of one encoder.")
    whole_a, without_a = _sums(a, rng=rng)
    whole_b, without_b = _sums(b, rng=rng)
    parts = (
        np.array([_cosine(part, whole_b) for part in without_a]),
        np.array([_cosine(whole_a, part) for part in without_b]),
    )
    found = jackknife_interval(_cosine(whole_a, whole_b), parts=parts, n=min(len(a), len(b)), level=level)
    return found._replace(low=max(found.low, 0.0), high=min(found.high, 1.0))


def mean_embedding(parts: list[Floats]) -> Floats:
    """Squared gradients of a task that is several tasks: those of all, each scaled to the same total.

    Args:
        parts: (n, layers, d) of each.

    Raises:
        DataError: A task whose gradients are all zero.
    """
    checked = [_checked(part) for part in parts]
    return np.concatenate([part / part.mean(axis=0).sum() for part in checked]) if len(checked) > 1 else checked[0]


def _checked(squares: ArrayLike) -> Floats:
    found = np.asarray(squares, dtype=float)
    if found.ndim != 3 or len(found) < 2:
        raise DataError(f"Gradients of shape {found.shape}; expected (n, layers, d) of two or more examples.")
    if not np.isfinite(found).all() or found.sum() <= 0:
        raise DataError("A task's gradients are all zero or not finite: its head tells the labels without the text.")
    return found


def _sums(squares: Floats, *, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Sum over examples, and (blocks, layers, d) sums without each block."""
    blocks = min(BLOCKS, len(squares))
    groups = spread_groups(np.zeros(len(squares)), rng=rng, blocks=blocks)
    sums = np.stack([squares[groups == block].sum(axis=0) for block in range(blocks)])
    whole = sums.sum(axis=0)
    return whole, whole - sums


def _cosine(a: Floats, b: Floats) -> float:
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    kept = norms > 0
    return float(np.mean(np.sum(a * b, axis=1)[kept] / norms[kept])) if kept.any() else 0.0
