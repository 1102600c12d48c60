"""The measures of `similarity.py` for thousands of pairs: what belongs to one text is worked out once.

`prepare` a text's embeddings, `compare` two. Values and intervals are those of the plain functions (the tests hold both
together), save that MMD takes the first `kernel_rows` sentences of each text and an eighth of the distances for the
median. An offset between two texts, such as a language's mean, changes only what it must.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from core.errors import DataError
from core.measures.inference.intervals import Floats, Interval, infinitesimal_jackknife

KERNEL_ROWS = 500
"""Sentences of each text whose pairwise distances are looked at (MMD), unless somebody asks for another number."""

_STRIDE = 7  # every so many distances for the median: shares no factor with usual numbers of rows
_TINY = 1e-12
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


class Offset(NamedTuple):
    """What is subtracted from either side before they are compared."""

    a: Floats
    """(d,) from the first text."""
    b: Floats
    """(d,) from the second."""


class _Spread(NamedTuple):
    """The part of the Fréchet distance that no offset changes."""

    trace: float
    pull_a: Floats
    pull_b: Floats


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
    back = np.where(scale > 1e-7 * max(scale[-1], _TINY), 1 / np.maximum(scale, _TINY), 0.0)
    kernel = table[:kernel_rows].astype(np.float32)
    within = _squared(kernel, kernel)
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
        some_within=within[np.triu_indices(len(within), 1)][::_STRIDE],
        axes=axes,
        flat=np.take_along_axis(flat, order, axis=0),
        order=order,
    )


def compare(
    a: Domain, b: Domain, *, offsets: Sequence[Offset | None] = (None,), level: float = 0.95
) -> list[dict[str, Interval]]:
    """All embedding measures of two texts, once for each offset; names as in `SIMILARITIES`.

    The cosine is absent where a mean vector is zero, MMD where most sentences are the same.

    Args:
        b: The other, prepared with the same axes.
        offsets: What to subtract first; None: nothing.

    Raises:
        DataError: The texts were not prepared for each other.
    """
    if a.axes.shape != b.axes.shape or not np.array_equal(a.axes[:, 0], b.axes[:, 0]):
        raise DataError(f"Axes {a.axes.shape} and {b.axes.shape}; expected texts prepared with the same axes.")
    spread, across = _spread(a, b), _squared(a.kernel, b.kernel)
    found: list[dict[str, Interval]] = []
    for offset in offsets:
        move = np.zeros_like(a.mean) if offset is None else offset.a - offset.b
        if found and not np.any(move):
            # Texts of one language: only the cosine sees what is subtracted from both.
            measures: dict[str, Interval | None] = dict(found[0])
        else:
            measures = {
                "frechet": _frechet(a, b, spread=spread, gap=a.mean - b.mean - move, level=level),
                "mmd": _mmd(a, b, across=_moved(across, a, b, move=move), level=level),
                "proxy_a": _proxy_a(a, b, gap=a.mean - b.mean - move, level=level),
                "sliced_wasserstein": _sliced(a, b, move=move @ a.axes, level=level),
            }
        measures["centroid_cosine"] = _cosine(a, b, offset=offset, level=level)
        found.append({name: value for name, value in measures.items() if value is not None})
    return found


def _cosine(a: Domain, b: Domain, *, offset: Offset | None, level: float) -> Interval | None:
    mean_a = a.mean - offset.a if offset else a.mean
    mean_b = b.mean - offset.b if offset else b.mean
    norm_a, norm_b = float(np.linalg.norm(mean_a)), float(np.linalg.norm(mean_b))
    if min(norm_a, norm_b) < 1e-9:
        return None
    unit_a, unit_b = mean_a / norm_a, mean_b / norm_b
    cosine = float(np.clip(unit_a @ unit_b, -1, 1))
    pulls = (a.rows @ (unit_b - cosine * unit_a) / norm_a, b.rows @ (unit_a - cosine * unit_b) / norm_b)
    return infinitesimal_jackknife(cosine, pulls=pulls, level=level, bounds=(-1, 1))


def _spread(a: Domain, b: Domain) -> _Spread:
    """Trace of A + B - 2 (A B)^(1/2), with A and B the covariances, and each row's pull on it.

    With M = root_aᵀ root_b, the trace of (A B)^(1/2) is the sum of M's singular values, found as roots of the
    eigenvalues of M Mᵀ; the pulls are the quadratic forms |c|² - cᵀ Q c, Q the linear map that carries one Gaussian to
    the other.
    """
    product = a.root.T @ b.root
    values, left = linalg.eigh(product @ product.T, check_finite=False, driver="evd")
    values = np.sqrt(np.maximum(values, 0.0))
    back = np.where(values > 1e-7 * max(values[-1], _TINY), 1 / np.maximum(values, _TINY), 0.0)
    map_a = (a.inverse.T @ left) * np.sqrt(values)
    map_b = (a.root @ left) * np.sqrt(back)
    pulls = []
    for text, carried in ((a, map_a), (b, map_b)):
        rows = text.rows.astype(np.float32)
        kept = np.sum(rows**2, axis=1) - np.sum((rows @ carried.astype(np.float32)) ** 2, axis=1)
        pulls.append(kept.astype(float) * (text.n / (text.n - 1)))
    trace = _variance(a) + _variance(b) - 2 * float(values.sum())
    return _Spread(trace, pulls[0], pulls[1])


def _variance(text: Domain) -> float:
    return float(np.trace(text.scatter)) * text.n / (text.n - 1)


def _frechet(a: Domain, b: Domain, *, spread: _Spread, gap: Floats, level: float) -> Interval:
    distance = max(float(gap @ gap) + spread.trace, 0.0)
    pulls = (2 * a.rows @ gap + spread.pull_a, -2 * b.rows @ gap + spread.pull_b)
    return infinitesimal_jackknife(distance, pulls=pulls, level=level, bounds=(0, math.inf))


def _squared(x: Singles, y: Singles) -> Singles:
    squares = np.sum(x**2, axis=1)[:, None] + np.sum(y**2, axis=1)[None, :] - 2 * (x @ y.T)
    return np.asarray(np.maximum(squares, 0), dtype=np.float32)


def _moved(across: Singles, a: Domain, b: Domain, *, move: Floats) -> Singles:
    """Squared distances after the second text was moved: |x - y - move|²."""
    if not np.any(move):
        return across
    step = move.astype(np.float32)
    shifted = across - 2 * ((a.kernel @ step)[:, None] - (b.kernel @ step)[None, :]) + step @ step
    return np.asarray(np.maximum(shifted, 0), dtype=np.float32)


def _mmd(a: Domain, b: Domain, *, across: Singles, level: float) -> Interval | None:
    some = np.concatenate((a.some_within, b.some_within, across.ravel()[::_STRIDE]))
    width = float(np.median(some))
    if width <= 0:
        return None
    scale = np.float32(-0.5 / width)
    n, m = len(a.within), len(b.within)
    near_a = (np.exp(scale * a.within).sum(axis=1, dtype=float) - 1) / (n - 1)
    near_b = (np.exp(scale * b.within).sum(axis=1, dtype=float) - 1) / (m - 1)
    kernel = np.exp(scale * across)
    of_a, of_b = kernel.mean(axis=1, dtype=float), kernel.mean(axis=0, dtype=float)
    estimate = float(near_a.mean() + near_b.mean() - 2 * of_a.mean())
    return infinitesimal_jackknife(
        estimate, pulls=(2 * (near_a - of_a), 2 * (near_b - of_b)), level=level, bounds=(-2, 2)
    )


def _proxy_a(a: Domain, b: Domain, *, gap: Floats, level: float, penalty: float = 0.01) -> Interval:
    """As `proxy_a_distance`: with both means half a gap from the middle, ridge has the gap in its only right side."""
    half = gap / 2
    gram = (a.scatter + b.scatter) / 2 + np.outer(half, half)
    gram[np.diag_indices_from(gram)] += max(penalty * float(np.trace(gram)) / len(gap), _TINY)
    lower = linalg.cholesky(gram, lower=True, check_finite=False)
    weights: Any = linalg.cho_solve((lower, True), half, check_finite=False)
    inverse = linalg.solve_triangular(lower, np.eye(len(gap)), lower=True, check_finite=False)
    wrong = []
    for text, sign in ((a, 1.0), (b, -1.0)):
        rows = text.rows + sign * half
        solved = rows.astype(np.float32) @ inverse.T.astype(np.float32)
        leverage = (0.5 / text.n) * (np.sum(solved**2, axis=1, dtype=float) + 1)
        left_out = (rows @ weights - leverage * sign) / np.maximum(1 - leverage, _TINY)
        wrong.append(np.where(left_out * sign > 0, 0.0, 1.0))
    distance = max(float(2 * (1 - wrong[0].mean() - wrong[1].mean())), 0.0)
    return infinitesimal_jackknife(distance, pulls=(-2 * wrong[0], -2 * wrong[1]), level=level, bounds=(0, 2))


def _sliced(a: Domain, b: Domain, *, move: Floats, level: float) -> Interval:
    square, pull_a = _transport(a, b.flat + move)
    other, pull_b = _transport(b, a.flat - move)
    distance = math.sqrt(square if a.n <= b.n else other)
    slope = 0.5 / distance if distance > 0 else 0.0
    return infinitesimal_jackknife(distance, pulls=(pull_a * slope, pull_b * slope), level=level, bounds=(0, math.inf))


def _transport(text: Domain, there: Floats) -> tuple[float, Floats]:
    """Mean squared way to the other text, and each row's potential: its slope is twice the way that a row is moved."""
    gap = text.flat - at_quantiles(there, text.n)
    steps = np.diff(text.flat, axis=0) * (gap[1:] + gap[:-1])
    potential = np.empty_like(text.flat)
    np.put_along_axis(potential, text.order, np.vstack([np.zeros_like(gap[:1]), np.cumsum(steps, axis=0)]), axis=0)
    return float(np.mean(gap**2)), potential.mean(axis=1)


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
