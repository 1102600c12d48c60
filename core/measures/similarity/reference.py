"""How close two embedded domains are, each measure with an interval over sentences.

Every measure takes `x` (n, d) and `other` (m, d) sentence embeddings. Intervals are the infinitesimal jackknife
(Efron 2014): the bootstrap over sentences with infinitely many resamples, in closed form to first order, so that 6,000
pairs take minutes. It is too narrow where two samples are the same distribution (the first order vanishes there).
Distances grow with the noise of small samples: compare them at equal n (`sample_rows`). To add a measure: a function
with this signature, a line in `MEASURES`, a hand-worked case in its test, a row in `docs/measures.md`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, special

from core.errors import DataError
from core.measures.inference.intervals import Floats, Interval, Plan, mean_interval
from core.measures.inference.ranking import kendall_tau
from core.measures.threads import one_blas_thread

Direction = Literal["distance", "similarity"]


class Measure(NamedTuple):
    """A measure of two embedded domains, and whether large means far or near."""

    function: Callable[..., Interval]
    direction: Direction


class Agreement(NamedTuple):
    """Kendall's tau-b between measures over the same pairs, all turned so that large means near."""

    names: tuple[str, ...]
    tau: Floats
    n_pairs: int


def sample_rows(x: ArrayLike, *, n: int, rng: np.random.Generator) -> Floats:
    """At most n rows, drawn without replacement and kept in order.

    Args:
        x: (rows, d) embeddings.
        n: Largest number of rows.
    """
    rows = np.asarray(x, dtype=float)
    if len(rows) <= n:
        return rows
    return np.asarray(rows[np.sort(rng.choice(len(rows), n, replace=False))])


def without_language_mean(x: ArrayLike, *, language_mean: ArrayLike) -> Floats:
    """Embeddings relative to the mean of their language, so that a pair across languages compares domains.

    Args:
        x: (n, d) embeddings of texts of one language.
        language_mean: (d,) mean over the texts of all tasks in that language, each task counted once.

    Raises:
        DataError: Dimensions differ.
    """
    rows, mean = np.asarray(x, dtype=float), np.asarray(language_mean, dtype=float)
    if mean.shape != rows.shape[1:]:
        raise DataError(f"Language mean is {mean.shape} for embeddings {rows.shape}; expected ({rows.shape[1]},).")
    return np.asarray(rows - mean)


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
    return jackknife(cosine, pulls=(pull_a, pull_b), level=level, bounds=(-1, 1))


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
    with one_blas_thread():
        q_a, r_a = linalg.qr(scaled_a, mode="economic", check_finite=False)
        q_b, r_b = linalg.qr(scaled_b, mode="economic", check_finite=False)
        left, values, right = linalg.svd(r_a @ r_b.T, full_matrices=False, check_finite=False)
        overlap_a = ((q_a @ left) ** 2) @ values
        overlap_b = ((q_b @ right.T) ** 2) @ values
    distance = shift @ shift + np.sum(scaled_a**2) + np.sum(scaled_b**2) - 2 * values.sum()
    pull_a = 2 * centred_a @ shift + len(a) * (np.sum(scaled_a**2, axis=1) - overlap_a)
    pull_b = -2 * centred_b @ shift + len(b) * (np.sum(scaled_b**2, axis=1) - overlap_b)
    return jackknife(max(float(distance), 0.0), pulls=(pull_a, pull_b), level=level, bounds=(0, math.inf))


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
    with one_blas_thread():
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
    return jackknife(estimate, pulls=pulls, level=level, bounds=(-2, 2))


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
    with one_blas_thread():
        gram = (design * weight[:, None]).T @ design
        gram[np.diag_indices_from(gram)] += ridge
        solved = linalg.cho_solve((linalg.cholesky(gram, lower=True), True), design.T).T
    leverage = weight * np.sum(design * solved, axis=1)
    fitted = solved @ (design.T @ (weight * sign))
    left_out = (fitted - leverage * sign) / np.maximum(1 - leverage, 1e-12)
    wrong = np.where(left_out * sign > 0, 0.0, 1.0)
    wrong_a, wrong_b = wrong[: len(a)], wrong[len(a) :]
    distance = 2 * (1 - wrong_a.mean() - wrong_b.mean())
    return jackknife(max(float(distance), 0.0), pulls=(-2 * wrong_a, -2 * wrong_b), level=level, bounds=(0, 2))


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
    return jackknife(distance, pulls=(pull_a * slope, pull_b * slope), level=level, bounds=(0, math.inf))


def linear_cka(x: ArrayLike, *, other: ArrayLike, level: float = 0.95) -> Interval:
    """Linear centred kernel alignment of two encodings of the same texts, in [0, 1] (Kornblith et al. 2019).

    Args:
        x: (n, d) states of one encoder or layer.
        other: (n, e) states of the other, same texts in the same order; e may differ from d.

    Raises:
        DataError: Numbers of texts differ, or states are constant.
    """
    a, b = _rows(x), _rows(other)
    if len(a) != len(b):
        raise DataError(f"{len(a)} texts against {len(b)}; alignment needs the same texts in the same order.")
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    with one_blas_thread():
        cross, own_a, own_b = a.T @ b, a.T @ a, b.T @ b
        part = np.sum((a @ cross) * b, axis=1), np.sum((a @ own_a) * a, axis=1), np.sum((b @ own_b) * b, axis=1)
    total = [float(p.sum()) for p in part]
    if min(total[1:]) <= 0:
        raise DataError("All states are the same; alignment is not defined. Pass states that differ between texts.")
    estimate = total[0] / math.sqrt(total[1] * total[2])
    pull = len(a) * estimate * (2 * part[0] / max(total[0], 1e-300) - part[1] / total[1] - part[2] / total[2])
    return jackknife(estimate, pulls=(pull,), level=level, bounds=(0, 1))


def retrieval_accuracy(
    x: ArrayLike, *, other: ArrayLike, rng: np.random.Generator, plan: Plan | None = None
) -> Interval:
    """Share of sentences whose cosine nearest neighbour in the other language is their own translation.

    Args:
        x: (n, d) embeddings of sentences.
        other: (n, d) embeddings of their translations, same order.
        rng: Source of the bootstrap over sentences.
        plan: Resamples, level and method.

    Raises:
        DataError: Shapes differ.
    """
    a, b = _pair(x, other)
    if len(a) != len(b):
        raise DataError(f"{len(a)} sentences against {len(b)} translations; expected one translation of each.")
    a, b = (v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-12) for v in (a, b))
    nearest = np.argmax(a @ b.T, axis=1)
    return mean_interval(nearest == np.arange(len(a)), rng=rng, plan=plan)


def rank_agreement(values: ArrayLike, *, names: tuple[str, ...]) -> Agreement:
    """Kendall's tau-b between every two measures over the same pairs of domains.

    A claim that holds for one measure alone is fragile where agreement is low. Distances are turned round.

    Args:
        values: (pairs, measures) numbers.
        names: (measures,) names; those not in `MEASURES` count as similarities.

    Raises:
        DataError: The number of names differs, or there are fewer than two pairs.
    """
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or table.shape[1] != len(names) or len(table) < 2:
        raise DataError(f"Table {table.shape} for {len(names)} names; expected two or more pairs x {len(names)}.")
    signs = [-1.0 if name in MEASURES and MEASURES[name].direction == "distance" else 1.0 for name in names]
    tau = np.eye(len(names))
    for i in range(len(names)):
        for j in range(i):
            tau[i, j] = tau[j, i] = kendall_tau(table[:, i] * signs[i], other=table[:, j] * signs[j])
    return Agreement(names, tau, len(table))


MEASURES: dict[str, Measure] = {
    "centroid_cosine": Measure(centroid_cosine, "similarity"),
    "frechet_distance": Measure(frechet_distance, "distance"),
    "mean_discrepancy": Measure(mean_discrepancy, "distance"),
    "proxy_a_distance": Measure(proxy_a_distance, "distance"),
    "sliced_wasserstein": Measure(sliced_wasserstein, "distance"),
}
"""Measures of two embedded domains by name."""


def jackknife(estimate: float, *, pulls: tuple[Floats, ...], level: float, bounds: tuple[float, float]) -> Interval:
    """Interval from each sentence's pull: the derivative of the estimate in its weight, times the sample's size.

    Args:
        estimate: Of all sentences.
        pulls: (n,) of each sample.
        bounds: Smallest and largest value there is.
    """
    variance = sum(float(np.sum((pull - pull.mean()) ** 2)) / (len(pull) * (len(pull) - 1)) for pull in pulls)
    half = float(special.ndtri((1 + level) / 2)) * math.sqrt(variance)
    low, high = max(estimate - half, bounds[0]), min(estimate + half, bounds[1])
    n = min(len(pull) for pull in pulls)
    return Interval(estimate, low, high, level, "infinitesimal jackknife over sentences", n, 0)


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
