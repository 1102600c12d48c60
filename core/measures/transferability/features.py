"""How well features suit labels: the arithmetic of selectors that read what the encoder says of the target's texts.

Features are (n, d) outputs of the encoder after the intermediate stage on the target's English training texts; labels
are the target's. Scores compare encoders on the same texts and labels, large is better.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from core.errors import DataError
from core.measures.inference.intervals import Floats, Interval, Plan, finite_vector, mean_interval
from core.measures.threads import one_blas_thread


def logme(features: ArrayLike, *, labels: ArrayLike) -> float:
    """Log maximum evidence per example and class of Bayesian linear regression on the labels (You et al. 2021).

    Each class is a column of zeros and ones; the prior and noise precision are at the fixed point of the evidence.

    Args:
        features: (n, d) features.
        labels: (n,) class ids.

    Raises:
        DataError: Shapes do not fit, or a single class.
    """
    rows, codes = _labelled(features, labels)
    basis, squares = _spectrum(rows)
    columns = np.eye(int(codes.max()) + 1)[codes]
    return float(np.mean([_evidence(column, basis=basis, squares=squares, d=rows.shape[1]) for column in columns.T]))


def h_score(features: ArrayLike, *, labels: ArrayLike) -> float:
    """Trace of (covariance of features)^-1 (covariance of class means), at most classes - 1 (Bao et al. 2019).

    The covariance is shrunk by Ledoit and Wolf's share a, and the result multiplied by 1 - a, which keeps the bound and
    tames n near d (Ibrahim et al. 2021).

    Args:
        features: (n, d) features.
        labels: (n,) class ids.

    Raises:
        DataError: Shapes do not fit, or a single class.
    """
    from sklearn.covariance import ledoit_wolf  # noqa: PLC0415 a second to import

    rows, codes = _labelled(features, labels)
    centred = rows - rows.mean(axis=0)
    counts = np.bincount(codes).astype(float)
    means = _class_sums(centred, codes) / counts[:, None]
    scaled = means * np.sqrt(counts / len(rows))[:, None]
    with one_blas_thread():
        covariance, shrinkage = ledoit_wolf(centred, assume_centered=True)
        covariance[np.diag_indices_from(covariance)] += 1e-12 * max(float(np.trace(covariance)), 1e-300)
        return float((1 - shrinkage) * np.sum(scaled.T * linalg.solve(covariance, scaled.T, assume_a="pos")))


def transrate(features: ArrayLike, *, labels: ArrayLike, distortion: float = 1e-4) -> float:
    """Coding rate of the features less the mean rate within classes, in nats, at least 0 (Huang et al. 2022).

    R(Z) = 1/2 log det(I + Z'Z / (n e)), features centred and scaled to unit mean square per dimension, so that an
    encoder does not win by its scale; classes count by size.

    Args:
        features: (n, d) features.
        labels: (n,) class ids.
        distortion: e.

    Raises:
        DataError: Shapes do not fit, or a single class.
    """
    rows, codes = _labelled(features, labels)
    centred = rows - rows.mean(axis=0)
    scale = math.sqrt(float(np.mean(centred**2)))
    centred = centred / scale if scale > 0 else centred
    with one_blas_thread():
        whole = _coding_rate(centred, distortion=distortion)
        parts = [centred[codes == c] for c in range(int(codes.max()) + 1)]
        within = sum(len(part) / len(rows) * _coding_rate(part, distortion=distortion) for part in parts)
    return float(whole - within)


def knn_accuracy(
    features: ArrayLike, *, labels: ArrayLike, k: int = 5, rng: np.random.Generator, plan: Plan | None = None
) -> Interval:
    """Leave-one-out accuracy of the k nearest neighbours by cosine; ties of votes go to the nearest of them.

    Args:
        features: (n, d) features.
        labels: (n,) class ids.
        k: Neighbours.
        rng: Source of the bootstrap over examples.
        plan: Resamples and level.

    Raises:
        DataError: Shapes do not fit, a single class, or no more examples than neighbours.
    """
    rows, codes = _labelled(features, labels)
    if not 0 < k < len(rows):
        raise DataError(f"{k} neighbours of {len(rows)} examples; expected at least 1 and fewer than the examples.")
    return mean_interval(_knn_right(rows, codes, k=k), rng=rng, plan=plan)


def linear_probe(
    features: ArrayLike, *, labels: ArrayLike, folds: int = 5, rng: np.random.Generator, plan: Plan | None = None
) -> Interval:
    """Cross-validated accuracy of a logistic regression on standardised features.

    Args:
        features: (n, d) features.
        labels: (n,) class ids.
        folds: Stratified folds; no more than the smallest class has examples.
        rng: Source of the folds and of the bootstrap over examples.
        plan: Resamples and level.

    Raises:
        DataError: Shapes do not fit, or the smallest class has fewer examples than folds.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 a second to import
    from sklearn.model_selection import StratifiedKFold, cross_val_predict  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    rows, codes = _labelled(features, labels)
    smallest = int(np.bincount(codes).min())
    if smallest < folds:
        raise DataError(
            f"The smallest class has {smallest} examples for {folds} folds. Pass more examples or fewer folds."
        )
    split = StratifiedKFold(folds, shuffle=True, random_state=int(rng.integers(2**31)))
    with one_blas_thread():
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
        predicted = cross_val_predict(model, rows, codes, cv=split)
    return mean_interval(predicted == codes, rng=rng, plan=plan)


def _evidence(column: Floats, *, basis: Floats, squares: Floats, d: int) -> float:
    """Maximum of log p(y | alpha, beta) / n, with y = F w + noise, w ~ N(0, 1 / alpha), noise ~ N(0, 1 / beta)."""
    n, projected = len(column), (basis.T @ column) ** 2
    outside = max(float(column @ column - projected.sum()), 0.0)
    ratio = 1.0  # alpha / beta
    for _ in range(1000):
        effective = float(np.sum(squares / (squares + ratio)))
        size = float(np.sum(squares * projected / (squares + ratio) ** 2))
        error = float(np.sum(projected * (ratio / (squares + ratio)) ** 2)) + outside
        alpha, beta = effective / max(size, 1e-30), max(n - effective, 1e-10) / max(error, 1e-30)
        last, ratio = ratio, float(np.clip(alpha / beta, 1e-12, 1e12))
        if abs(ratio - last) <= 1e-9 * last:
            break
    log_det = float(np.sum(np.log(alpha + beta * squares))) + (d - len(squares)) * math.log(alpha)
    quadratic = beta * error + alpha * size
    return 0.5 * (d * math.log(alpha) + n * math.log(beta) - log_det - quadratic - n * math.log(2 * math.pi)) / n


def _spectrum(rows: Floats) -> tuple[Floats, Floats]:
    """Left singular vectors and squared singular values, those of numerical rank only."""
    with one_blas_thread():
        basis, values, _ = linalg.svd(rows, full_matrices=False, check_finite=False)
    kept = values > values.max() * 1e-10
    return basis[:, kept], values[kept] ** 2


def _coding_rate(rows: Floats, *, distortion: float) -> float:
    small = rows.T @ rows if rows.shape[0] > rows.shape[1] else rows @ rows.T
    return 0.5 * float(np.linalg.slogdet(np.eye(len(small)) + small / (len(rows) * distortion))[1])


def _class_sums(rows: Floats, codes: NDArray[np.intp]) -> Floats:
    return np.asarray(np.eye(int(codes.max()) + 1)[codes].T @ rows)


def _knn_right(rows: Floats, codes: NDArray[np.intp], *, k: int) -> NDArray[np.bool_]:
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    near = unit @ unit.T
    np.fill_diagonal(near, -np.inf)
    neighbours = np.argsort(-near, axis=1, kind="stable")[:, :k]
    classes = int(codes.max()) + 1
    # A nearer neighbour's vote is worth a hair more, which decides ties only.
    worth = 1 + 0.5 * (k - np.arange(k)) / (k * (k + 1))
    votes = np.zeros((len(rows), classes))
    for place in range(k):
        votes[np.arange(len(rows)), codes[neighbours[:, place]]] += worth[place]
    return np.asarray(np.argmax(votes, axis=1) == codes)


def _labelled(features: ArrayLike, labels: ArrayLike) -> tuple[Floats, NDArray[np.intp]]:
    rows = np.asarray(features, dtype=float)
    names, codes = np.unique(np.asarray(labels), return_inverse=True)
    if rows.ndim != 2 or len(rows) != codes.size:
        raise DataError(f"Features {rows.shape} for {codes.size} labels; expected (n, d) and (n,).")
    if len(names) < 2:
        raise DataError(f"All {codes.size} labels are '{names[0]}'; a selector needs two or more classes.")
    finite_vector(rows, what="feature values")
    return rows, codes.ravel()
