"""Places of texts on a map whose axes stay: principal components of reference points, with a fixed sign."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import DataError
from core.measures.intervals import Floats

FEWEST = 3
"""Reference points that two axes need."""


def principal_positions(centroids: ArrayLike, *, reference: ArrayLike) -> Floats:
    """(p, 2) coordinates on the first two principal components of the reference points (Pearson 1901).

    The axes depend on the reference alone, so that another point does not turn the map; of each axis the largest
    loading is positive. Where the reference has one direction only, the second coordinate is 0.

    Args:
        centroids: (p, d) mean embeddings.
        reference: (p,) whether a point is one of the reference.

    Raises:
        DataError: Fewer than three reference points.
    """
    rows, fixed = np.asarray(centroids, dtype=float), np.asarray(reference, dtype=bool)
    if fixed.sum() < FEWEST:
        raise DataError(f"{int(fixed.sum())} reference points; two axes need at least {FEWEST}.")
    origin = rows[fixed].mean(axis=0)
    _, sizes, axes = np.linalg.svd(rows[fixed] - origin, full_matrices=False)
    first: NDArray[np.float64] = axes[:2] * (sizes[:2] > 1e-9 * max(float(sizes[0]), 1e-300))[:, None]
    leading = first[np.arange(len(first)), np.abs(first).argmax(axis=1)]
    return np.asarray((rows - origin) @ (first * np.where(leading < 0, -1.0, 1.0)[:, None]).T)
