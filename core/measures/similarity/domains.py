"""The sentence vectors of one text, prepared: what belongs to it is worked out once, for all its comparisons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from core.errors import DataError
from core.measures.inference.intervals import Floats

KERNEL_ROWS = 500
"""Sentences of each text whose pairwise distances are looked at (MMD), unless somebody asks for another number."""

STRIDE = 7
"""Every so many distances are taken for the median; shares no factor with usual numbers of rows."""
TINY = 1e-12
"""Below which a number counts as zero."""
Singles = NDArray[np.float32]


@dataclass(frozen=True)
class Domain:
    """One text's embeddings with everything that does not depend on the other text."""

    rows: Floats
    """(n, d) embeddings minus their mean."""
    mean: Floats
    """(d,) mean embedding."""
    scatter: Floats
    """(d, d) mean product of centred rows."""
    root: Floats
    """(d, d) A with A Aᵀ the covariance (n - 1 in its denominator)."""
    inverse: Floats
    """(d, d) pseudo-inverse of `root`."""
    kernel: Singles
    """(m, d) first rows, not centred."""
    within: Singles
    """(m, m) squared distances of those."""
    some_within: Singles
    """Some of the distinct ones."""
    axes: Floats
    """(d, k) unit vectors."""
    flat: Floats
    """(n, k) projections, each column in ascending order."""
    order: NDArray[np.intp]
    """(n, k) which row each came from."""

    @property
    def n(self) -> int:
        """Sentences."""
        return len(self.rows)


def random_axes(dimensions: int, *, count: int, rng: np.random.Generator) -> Floats:
    """(dimensions, count) unit vectors: the same for all texts that are to be compared.

    Args:
        dimensions: Of the embeddings.
        count: How many.
    """
    axes = rng.normal(size=(dimensions, count))
    return np.asarray(axes / np.linalg.norm(axes, axis=0))


def prepare(x: ArrayLike, *, axes: Floats, kernel_rows: int = KERNEL_ROWS) -> Domain:
    """Everything about one text that comparisons need.

    Args:
        x: (n, d) embeddings in random order.
        axes: From `random_axes`.
        kernel_rows: Rows that MMD looks at.

    Raises:
        DataError: Fewer than three rows, or a number that is not finite.
    """
    table = np.asarray(x, dtype=float)
    if table.ndim != 2 or len(table) < 3:
        raise DataError(f"Embeddings of shape {table.shape}; expected (n, d) with n of 3 or more sentences.")
    if not np.isfinite(table).all():
        raise DataError("Embeddings hold NaN or infinity. Embed the texts again; empty texts are left out before.")
    mean = table.mean(axis=0)
    rows = table - mean
    scatter = rows.T @ rows / len(rows)
    values, vectors = linalg.eigh(scatter * (len(rows) / (len(rows) - 1)), check_finite=False)
    scale = np.sqrt(np.maximum(values, 0.0))
    back = np.where(scale > 1e-7 * max(scale[-1], TINY), 1 / np.maximum(scale, TINY), 0.0)
    kernel = table[:kernel_rows].astype(np.float32)
    within = squared(kernel, kernel)
    flat = table @ axes
    order = np.argsort(flat, axis=0)
    return Domain(
        rows=rows,
        mean=mean,
        scatter=scatter,
        root=vectors * scale,
        inverse=back[:, None] * vectors.T,
        kernel=kernel,
        within=within,
        some_within=within[np.triu_indices(len(within), 1)][::STRIDE],
        axes=axes,
        flat=np.take_along_axis(flat, order, axis=0),
        order=order,
    )


def squared(x: Singles, y: Singles) -> Singles:
    """(n, m) squared distances of rows; rounding never takes them below 0."""
    squares = np.sum(x**2, axis=1)[:, None] + np.sum(y**2, axis=1)[None, :] - 2 * (x @ y.T)
    return np.asarray(np.maximum(squares, 0), dtype=np.float32)


def at_quantiles(values: Floats, size: int) -> NDArray[np.float64]:
    """(size, k) values of sorted columns at the midpoints of `size` equal shares.

    Args:
        values: (n, k), each column in ascending order.
        size: How many.
    """
    if len(values) == size:
        return values
    place = np.clip((np.arange(size) + 0.5) / size * len(values) - 0.5, 0, len(values) - 1)
    below = np.floor(place).astype(int)
    above = np.minimum(below + 1, len(values) - 1)
    return np.asarray(values[below] + (place - below)[:, None] * (values[above] - values[below]))
