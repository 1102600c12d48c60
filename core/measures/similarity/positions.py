"""Places of texts on a map that stays: principal components of reference points with a fixed sign, or UMAP.

Either is fitted on the reference alone, and every other point is placed by itself: another point moves none.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import DataError
from core.measures.inference.intervals import Floats

FEWEST = 3
"""Reference points that two axes need."""

FEWEST_FOR_UMAP = 10
"""Reference points below which neighbours say nothing."""

UMAP_PACKAGE = "umap-learn==0.5.12"
"""What to install for UMAP; nothing else needs it."""

_NEIGHBOURS = 15


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


def has_umap() -> bool:
    """Whether the optional package for UMAP is installed."""
    return importlib.util.find_spec("umap") is not None


def umap_positions(centroids: ArrayLike, *, reference: ArrayLike, seed: int) -> Floats:
    """(p, 2) coordinates by UMAP of the reference points (McInnes et al. 2018), other points placed one by one.

    Args:
        centroids: (p, d) mean embeddings.
        reference: (p,) whether a point is one of the reference.
        seed: Of the layout.

    Raises:
        DataError: Fewer than ten reference points, or the package is not installed.
    """
    rows, fixed = np.asarray(centroids, dtype=np.float32), np.asarray(reference, dtype=bool)
    if fixed.sum() < FEWEST_FOR_UMAP:
        raise DataError(f"{int(fixed.sum())} reference points; UMAP needs at least {FEWEST_FOR_UMAP}.")
    if not has_umap():
        raise DataError(f"UMAP needs a package that is not installed: pip install {UMAP_PACKAGE}.")
    umap: Any = importlib.import_module("umap")  # optional and without types
    neighbours = min(_NEIGHBOURS, int(fixed.sum()) - 1)
    model = umap.UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit(rows[fixed])
    found = np.empty((len(rows), 2))
    found[fixed] = model.embedding_
    for place in np.flatnonzero(~fixed):
        found[place] = model.transform(rows[place : place + 1])[0]
    return found
