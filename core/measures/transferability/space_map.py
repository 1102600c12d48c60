"""What an intermediate stage does to the encoder's space, as one linear map of its states (Schulte et al. 2024)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from core.errors import DataError
from core.measures.inference.intervals import Floats, finite_vector
from core.measures.threads import one_blas_thread

_PENALTIES = np.logspace(-2, 6, 25)
"""Of the ridge, tried on standardised states."""


class SpaceMap(NamedTuple):
    """States after the stage = states + states @ weights + bias, about."""

    weights: Floats
    """(d, d)."""
    bias: Floats
    """(d,)."""

    def __call__(self, states: ArrayLike) -> Floats:
        """(n, d) states as the stage would have made them.

        Args:
            states: (n, d) of the encoder before the stage.
        """
        rows = np.asarray(states, dtype=float)
        return np.asarray(rows + rows @ self.weights + self.bias)


def fit_space_map(before: ArrayLike, *, after: ArrayLike) -> SpaceMap:
    """The linear map from an encoder's states to those after a stage, an Embedding Space Map (2410.15148).

    The paper trains one layer by gradient steps from random weights. Here a ridge regression gives the change that the
    stage made, with the penalty of the smallest leave-one-out error, so that few texts leave the states as they were.

    Args:
        before: (n, d) states of texts by the encoder as it was, two or more.
        after: (n, d) of the same texts after the stage.

    Raises:
        DataError: Shapes do not fit, fewer than two texts, or a value that is not finite.
    """
    from sklearn.linear_model import RidgeCV  # noqa: PLC0415 a second to import

    old, new = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    if old.ndim != 2 or old.shape != new.shape or len(old) < 2:
        raise DataError(f"States {old.shape} before and {new.shape} after; expected (n, d) twice, n of 2 or more.")
    for states in (old, new):
        finite_vector(states, what="states")
    mean, spread = old.mean(axis=0), old.std(axis=0)
    spread = np.where(spread > 1e-9, spread, 1.0)
    with one_blas_thread():
        fitted = RidgeCV(alphas=_PENALTIES).fit((old - mean) / spread, new - old)
    weights = fitted.coef_.T / spread[:, None]
    return SpaceMap(weights, fitted.intercept_ - mean @ weights)
