"""How close two embedded domains are, one plain function each: what `core/measures/similarity/domains.py` is held to.

Every measure takes `x` (n, d) and `other` (m, d) sentence embeddings of one encoder.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from core.errors import DataError
from core.measures.inference.intervals import Floats, Interval, infinitesimal_jackknife
from core.measures.similarity.domains import at_quantiles

Direction = Literal["distance", "similarity"]


class Measure(NamedTuple):
    """A measure of two embedded domains, and whether large means far or near."""

    function: Callable[..., Interval]
    direction: Direction


def centroid_cosine(x: ArrayLike, *, other: ArrayLike, level: float = 0.95) -> Interval:
    """Cosine of the two mean vectors, in [-1, 1].

    Args:
        x: (n, d) embeddings.
        other: (m, d) embeddings.

    Raises:
        DataError: Shapes do not fit, or a mean vector is zero.
    """
    a, b = _pair(x, other)
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    norm_a, norm_b = float(np.linalg.norm(mean_a)), float(np.linalg.norm(mean_b))
    if min(norm_a, norm_b) < 1e-12:
        raise DataError("A mean vector is zero, so it has no direction. Use a distance instead of the cosine.")
    unit_a, unit_b = mean_a / norm_a, mean_b / norm_b
    cosine = float(np.clip(unit_a @ unit_b, -1, 1))
    pull_a, pull_b = a @ (unit_b - cosine * unit_a) / norm_a, b @ (unit_a - cosine * unit_b) / norm_b
    return infinitesimal_jackknife(cosine, pulls=(pull_a, pull_b), level=level, bounds=(-1, 1))


def frechet_distance(x: ArrayLike, *, other: ArrayLike, level: float = 0.95) -> Interval:
    """Squared 2-Wasserstein distance of the Gaussians fitted to both samples (squared units of the embedding).

    |mean difference|^2 + tr A + tr B - 2 tr (A B)^(1/2); the last term is the nuclear norm of the product of the two
    centred data matrices, so no covariance is inverted or rooted and fewer sentences than dimensions do no harm.
    Biased upwards by about the trace over n: compare at equal n.

    Args:
        x: (n, d) embeddings.
        other: (m, d) embeddings.

    Raises:
        DataError: Shapes do not fit.
    """
    a, b = _pair(x, other)
    shift = a.mean(axis=0) - b.mean(axis=0)
    centred_a, centred_b = a - a.mean(axis=0), b - b.mean(axis=0)
    scaled_a, scaled_b = centred_a / math.sqrt(len(a) - 1), centred_b / math.sqrt(len(b) - 1)
    q_a, r_a = linalg.qr(scaled_a, mode="economic", check_finite=False)
    q_b, r_b = linalg.qr(scaled_b, mode="economic", check_finite=False)
    left, values, right = linalg.svd(r_a @ r_b.T, full_matrices=False, check_finite=False)
    overlap_a = ((q_a @ left) ** 2) @ values
    overlap_b = ((q_b @ right.T) ** 2) @ values
    distance = shift @ shift + np.sum(scaled_a**2) + np.sum(scaled_b**2) - 2 * values.sum()
    pull_a = 2 * centred_a @ shift + len(a) * (np.sum(scaled_a**2, axis=1) - overlap_a)
    pull_b = -2 * centred_b @ shift + len(b) * (np.sum(scaled_b**2, axis=1) - overlap_b)
    return infinitesimal_jackknife(max(float(distance), 0.0), pulls=(pull_a, pull_b), level=level, bounds=(0, math.inf))


def mean_discrepancy(
    x: ArrayLike, *, other: ArrayLike, bandwidth: float | None = None, level: float = 0.95
) -> Interval:
    """Unbiased squared maximum mean discrepancy with a Gaussian kernel exp(-|a - b|^2 / (2 h^2)) (Gretton et al. 2012).

    Unbiased means that it lies around 0, below it too, for samples of one distribution.

    Args:
        x: (n, d) embeddings.
        other: (m, d) embeddings.
        bandwidth: h; None: the median distance of distinct sentences of both samples together.

    Raises:
        DataError: Shapes do not fit, or all sentences are the same.
    """
    a, b = _pair(x, other)
    within_a, within_b, across = _squared(a, a), _squared(b, b), _squared(a, b)
    n, m = len(a), len(b)
    if bandwidth is None:
        upper = (within_a[np.triu_indices(n, 1)], within_b[np.triu_indices(m, 1)], across.ravel())
        bandwidth = math.sqrt(float(np.median(np.concatenate(upper))))
    if bandwidth <= 0:
        raise DataError(
            "The median distance is 0: most sentences are the same. Pass distinct sentences or a bandwidth."
        )
    scale = -0.5 / bandwidth**2
    near_a = (np.exp(scale * within_a).sum(axis=1) - 1) / (n - 1)
    near_b = (np.exp(scale * within_b).sum(axis=1) - 1) / (m - 1)
    kernel = np.exp(scale * across)
    estimate = float(near_a.mean() + near_b.mean() - 2 * kernel.mean())
    pulls = (2 * (near_a - kernel.mean(axis=1)), 2 * (near_b - kernel.mean(axis=0)))
    return infinitesimal_jackknife(estimate, pulls=pulls, level=level, bounds=(-2, 2))


def proxy_a_distance(x: ArrayLike, *, other: ArrayLike, penalty: float = 0.01, level: float = 0.95) -> Interval:
    """2 (1 - 2 error) of a linear classifier that tells the domains apart: 0 not at all, 2 always (Ben-David et al.).

    The classifier is ridge regression on the domain, its error balanced over the domains and cross-validated by
    leaving out one sentence at a time (exact, by leverage). Sentences are given the weight of a balanced sample.

    Args:
        x: (n, d) embeddings.
        other: (m, d) embeddings.
        penalty: Ridge penalty in units of the mean variance of a dimension.

    Raises:
        DataError: Shapes do not fit.
    """
    a, b = _pair(x, other)
    weight = np.concatenate([np.full(len(a), 0.5 / len(a)), np.full(len(b), 0.5 / len(b))])
    sign = np.concatenate([np.ones(len(a)), -np.ones(len(b))])
    rows = np.vstack([a, b])
    rows = rows - weight @ rows
    total = weight @ np.sum(rows**2, axis=1)
    # An unpenalised intercept: a column whose penalty is negligible.
    design = np.column_stack([rows, np.ones(len(rows))])
    ridge = np.full(design.shape[1], max(penalty * total / rows.shape[1], 1e-12))
    ridge[-1] = 1e-12
    gram = (design * weight[:, None]).T @ design
    gram[np.diag_indices_from(gram)] += ridge
    solved = linalg.cho_solve((linalg.cholesky(gram, lower=True), True), design.T).T
    leverage = weight * np.sum(design * solved, axis=1)
    fitted = solved @ (design.T @ (weight * sign))
    left_out = (fitted - leverage * sign) / np.maximum(1 - leverage, 1e-12)
    wrong = np.where(left_out * sign > 0, 0.0, 1.0)
    wrong_a, wrong_b = wrong[: len(a)], wrong[len(a) :]
    distance = 2 * (1 - wrong_a.mean() - wrong_b.mean())
    return infinitesimal_jackknife(
        max(float(distance), 0.0), pulls=(-2 * wrong_a, -2 * wrong_b), level=level, bounds=(0, 2)
    )


def sliced_wasserstein(
    x: ArrayLike, *, other: ArrayLike, rng: np.random.Generator, directions: int = 64, level: float = 0.95
) -> Interval:
    """Root mean squared 2-Wasserstein distance of one-dimensional projections (units of the embedding).

    Projections are on random unit vectors; the larger sample is read at the quantiles of the smaller.

    Args:
        x: (n, d) embeddings.
        other: (m, d) embeddings.
        rng: Source of the directions: the same for every pair that is to be compared.
        directions: How many.

    Raises:
        DataError: Shapes do not fit.
    """
    a, b = _pair(x, other)
    axes = rng.normal(size=(a.shape[1], directions))
    axes /= np.linalg.norm(axes, axis=0)
    flat_a, flat_b = a @ axes, b @ axes
    ends = []
    for here, there in ((flat_a, flat_b), (flat_b, flat_a)):
        order = np.argsort(here, axis=0)
        mine = np.take_along_axis(here, order, axis=0)
        gap = mine - at_quantiles(np.sort(there, axis=0), len(mine))
        # The dual potential: its slope at a point is twice the way that the point is moved.
        steps = np.diff(mine, axis=0) * (gap[1:] + gap[:-1])
        potential = np.empty_like(mine)
        np.put_along_axis(potential, order, np.vstack([np.zeros(directions), np.cumsum(steps, axis=0)]), axis=0)
        ends.append((float(np.mean(gap**2)), potential.mean(axis=1)))
    (square_a, pull_a), (square_b, pull_b) = ends
    distance = math.sqrt(square_a if len(a) <= len(b) else square_b)
    slope = 0.5 / distance if distance > 0 else 0.0
    return infinitesimal_jackknife(distance, pulls=(pull_a * slope, pull_b * slope), level=level, bounds=(0, math.inf))


MEASURES: dict[str, Measure] = {
    "centroid_cosine": Measure(centroid_cosine, "similarity"),
    "frechet_distance": Measure(frechet_distance, "distance"),
    "mean_discrepancy": Measure(mean_discrepancy, "distance"),
    "proxy_a_distance": Measure(proxy_a_distance, "distance"),
    "sliced_wasserstein": Measure(sliced_wasserstein, "distance"),
}
"""Measures of two embedded domains by name."""


def _pair(x: ArrayLike, other: ArrayLike) -> tuple[Floats, Floats]:
    a, b = _rows(x), _rows(other)
    if a.shape[1] != b.shape[1]:
        raise DataError(f"Embeddings have {a.shape[1]} and {b.shape[1]} dimensions; expected those of one encoder.")
    return a, b


def _rows(x: ArrayLike) -> Floats:
    rows = np.asarray(x, dtype=float)
    if rows.ndim != 2 or len(rows) < 3:
        raise DataError(f"Embeddings of shape {rows.shape}; expected (n, d) with n of 3 or more sentences.")
    if not np.isfinite(rows).all():
        raise DataError("Embeddings hold NaN or infinity. Embed the texts again; empty texts are left out before.")
    return rows


def _squared(a: Floats, b: Floats) -> Floats:
    """(n, m) squared distances; rounding never takes them below 0."""
    squares = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1)[None, :] - 2 * a @ b.T
    return np.asarray(np.maximum(squares, 0.0))
