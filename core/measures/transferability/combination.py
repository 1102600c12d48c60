"""Several selectors as one: ridge regression of gains on their scores, asked about pairs that it has not seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import DataError
from core.measures.inference.intervals import Floats, finite_vector

PENALTIES = (0.1, 1.0, 10.0, 100.0)
"""Ridge penalties that the combination chooses among, for standardised columns."""


class Combination(NamedTuple):
    """Held-out predictions of a ridge regression on several selectors, and the weights of a fit on everything."""

    predictions: Floats
    weights: Floats
    penalty: float


def combine_selectors(selectors: ArrayLike, *, gains: ArrayLike, groups: ArrayLike) -> Combination:
    """Ridge regression of gains on several selectors, predicted for one group at a time from all others.

    The penalty is chosen inside the other groups alone, by leaving out one of them at a time.

    Args:
        selectors: (n, p) scores of each (intermediate, target) pair; standardised inside each fit.
        gains: (n,) measured gains.
        groups: (n,) what is held out together: the intermediate, or the target.

    Raises:
        DataError: Lengths differ, or fewer than three groups.
    """
    x, y = np.asarray(selectors, dtype=float), finite_vector(gains, what="gains")
    codes = np.unique(np.asarray(groups), return_inverse=True)[1].ravel()
    if x.ndim != 2 or not len(x) == y.size == codes.size or codes.max() < 2:
        found = f"selectors {x.shape}, {y.size} gains, {len(np.unique(codes))} groups"
        raise DataError(f"Found {found}; expected one row per gain and 3 or more groups to leave out.")
    finite_vector(x, what="selector values")
    predictions = np.empty(y.size)
    for group in range(int(codes.max()) + 1):
        out = codes == group
        penalty = _best_penalty(x[~out], y[~out], codes[~out])
        predictions[out] = _ridge_predict(x[~out], y[~out], at=x[out], penalty=penalty)
    penalty = _best_penalty(x, y, codes)
    return Combination(predictions, _ridge(x, y, penalty=penalty), penalty)


def predict_gains(selectors: ArrayLike, *, gains: ArrayLike, groups: ArrayLike, at: ArrayLike) -> Floats:
    """The same regression, fitted to everything that is given and asked about pairs that it has not seen.

    Args:
        selectors: (n, p) scores of the pairs that were measured.
        gains: (n,) measured gains.
        groups: (n,) what the penalty is chosen by leaving out.
        at: (m, p) scores of the pairs to predict.

    Raises:
        DataError: Lengths differ, or fewer than two groups.
    """
    x, y, wanted = np.asarray(selectors, dtype=float), finite_vector(gains, what="gains"), np.asarray(at, dtype=float)
    codes = np.unique(np.asarray(groups), return_inverse=True)[1].ravel()
    if x.ndim != 2 or not len(x) == y.size == codes.size or codes.max() < 1 or wanted.shape[1:] != x.shape[1:]:
        found = f"selectors {x.shape} and {wanted.shape}, {y.size} gains, {len(np.unique(codes))} groups"
        raise DataError(f"Found {found}; expected one row per gain, the same columns and 2 or more groups.")
    finite_vector(x, what="selector values")
    finite_vector(wanted, what="selector values")
    return _ridge_predict(x, y, at=wanted, penalty=_best_penalty(x, y, codes))


def _best_penalty(x: Floats, y: Floats, codes: NDArray[np.intp]) -> float:
    errors = dict.fromkeys(PENALTIES, 0.0)
    for group in np.unique(codes):
        out = codes == group
        for penalty in PENALTIES:
            errors[penalty] += float(
                np.sum((y[out] - _ridge_predict(x[~out], y[~out], at=x[out], penalty=penalty)) ** 2)
            )
    return min(PENALTIES, key=lambda penalty: errors[penalty])


def _ridge(x: Floats, y: Floats, *, penalty: float) -> Floats:
    """Weights per standard deviation of each selector."""
    spread = x.std(axis=0)
    z = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return np.asarray(np.linalg.solve(z.T @ z + penalty * np.eye(z.shape[1]), z.T @ (y - y.mean())))


def _ridge_predict(x: Floats, y: Floats, *, at: Floats, penalty: float) -> Floats:
    spread = x.std(axis=0)
    z = (at - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return np.asarray(y.mean() + z @ _ridge(x, y, penalty=penalty))
