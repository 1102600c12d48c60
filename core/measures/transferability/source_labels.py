"""How well a target's labels follow from what the head of the intermediate says of the same texts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import DataError
from core.measures.inference.intervals import Floats


def leep(source: ArrayLike, *, labels: ArrayLike) -> float:
    """Log expected empirical prediction, in nats an example, at most 0 (Nguyen et al. 2020, 2002.12462).

    With P(y, z) the mean over texts of the head's probability of class z where the label is y, each text is predicted
    by the mixture of P(y | z) that the head gives for it.

    Args:
        source: (n, k) probabilities of the intermediate's classes, rows of sum 1.
        labels: (n,) the target's classes.

    Raises:
        DataError: Shapes do not fit, or rows are no probabilities.
    """
    rows, codes = _checked(source, labels)
    joint = np.eye(int(codes.max()) + 1)[codes].T @ rows / len(rows)
    given = joint / np.maximum(joint.sum(axis=0, keepdims=True), 1e-300)  # (classes, k) P(y | z)
    predicted = np.einsum("nk,nk->n", rows, given[codes])
    return float(np.mean(np.log(np.maximum(predicted, 1e-300))))


def negative_conditional_entropy(source: ArrayLike, *, labels: ArrayLike) -> float:
    """-H(Y | Z) in nats an example, at most 0; Z is the likeliest class of the head (Tran et al. 2019, 1908.08142).

    Args:
        source: (n, k) probabilities of the intermediate's classes, rows of sum 1.
        labels: (n,) the target's classes.

    Raises:
        DataError: Shapes do not fit, or rows are no probabilities.
    """
    rows, codes = _checked(source, labels)
    counts = np.zeros((int(codes.max()) + 1, rows.shape[1]))
    np.add.at(counts, (codes, rows.argmax(axis=1)), 1.0)
    of_class = counts.sum(axis=0, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(counts > 0, np.log(counts / of_class), 0.0)
    return float(np.sum(counts * logs) / len(rows))


def _checked(source: ArrayLike, labels: ArrayLike) -> tuple[Floats, NDArray[np.intp]]:
    rows = np.asarray(source, dtype=float)
    codes = np.unique(np.asarray(labels), return_inverse=True)[1].ravel()
    if rows.ndim != 2 or len(rows) != codes.size or not codes.size:
        raise DataError(f"Probabilities {rows.shape} for {codes.size} labels; expected (n, k) and (n,).")
    sums = rows.sum(axis=1)
    if not (np.isfinite(rows).all() and rows.min() >= -1e-6 and np.allclose(sums, 1.0, atol=1e-3)):
        raise DataError(f"Rows sum to {sums.min():g} to {sums.max():g}; expected probabilities, which sum to 1.")
    return rows, codes
