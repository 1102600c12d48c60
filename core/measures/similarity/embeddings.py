"""Measures of two texts' sentence embeddings, each with an interval over sentences.

Intervals are the infinitesimal jackknife: 6,000 pairs take minutes. Distances grow with the noise of small samples:
compare them at equal n. Values and intervals are those of the plain functions in `tests/reference/similarity.py`, save
that MMD takes the first sentences of each text and a seventh of the distances for the median.

To add a measure: a function of a `Pair`, and a record in `EMBEDDINGS`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy import linalg

from core.errors import DataError
from core.measures.inference.intervals import Floats, Interval, infinitesimal_jackknife
from core.measures.similarity.domains import KERNEL_ROWS, STRIDE, TINY, Domain, Singles, at_quantiles, squared
from core.measures.similarity.pair import Pair, SimilarityMeasure, Text

_PENALTY = 0.01
"""Ridge penalty of the proxy A-distance, in units of the mean variance of a dimension."""


def centroid_cosine(pair: Pair) -> Interval | None:
    """Cosine of the two mean vectors; None where one is zero and has no direction."""
    a, b, offset = pair.a.domain, pair.b.domain, pair.offset
    mean_a = a.mean - offset.a if offset else a.mean
    mean_b = b.mean - offset.b if offset else b.mean
    norm_a, norm_b = float(np.linalg.norm(mean_a)), float(np.linalg.norm(mean_b))
    if min(norm_a, norm_b) < 1e-9:
        return None
    unit_a, unit_b = mean_a / norm_a, mean_b / norm_b
    cosine = float(np.clip(unit_a @ unit_b, -1, 1))
    pulls = (a.rows @ (unit_b - cosine * unit_a) / norm_a, b.rows @ (unit_a - cosine * unit_b) / norm_b)
    return infinitesimal_jackknife(cosine, pulls=pulls, bounds=(-1, 1))


def frechet(pair: Pair) -> Interval:
    """Squared 2-Wasserstein distance of the Gaussians fitted to both texts."""
    a, b, gap = pair.a.domain, pair.b.domain, pair.gap
    spread = pair.once(_spread)
    distance = max(float(gap @ gap) + spread.trace, 0.0)
    pulls = (2 * a.rows @ gap + spread.pull_a, -2 * b.rows @ gap + spread.pull_b)
    return infinitesimal_jackknife(distance, pulls=pulls, bounds=(0, math.inf))


def mmd(pair: Pair) -> Interval | None:
    """Unbiased squared maximum mean discrepancy; None where most sentences are the same."""
    a, b = pair.a.domain, pair.b.domain
    across = _moved(pair.once(_across), a, b, move=pair.move)
    some = np.concatenate((a.some_within, b.some_within, across.ravel()[::STRIDE]))
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
    return infinitesimal_jackknife(estimate, pulls=(2 * (near_a - of_a), 2 * (near_b - of_b)), bounds=(-2, 2))


def proxy_a(pair: Pair) -> Interval:
    """2 (1 - 2 error) of a ridge classifier of the text, its error balanced and cross-validated by leaving one out.

    With both means half a gap from the middle, ridge has the gap in its only right side.
    """
    a, b, half = pair.a.domain, pair.b.domain, pair.gap / 2
    gram = (a.scatter + b.scatter) / 2 + np.outer(half, half)
    gram[np.diag_indices_from(gram)] += max(_PENALTY * float(np.trace(gram)) / len(half), TINY)
    lower = linalg.cholesky(gram, lower=True, check_finite=False)
    weights: Any = linalg.cho_solve((lower, True), half, check_finite=False)
    inverse = linalg.solve_triangular(lower, np.eye(len(half)), lower=True, check_finite=False)
    wrong = []
    for text, sign in ((a, 1.0), (b, -1.0)):
        rows = text.rows + sign * half
        solved = rows.astype(np.float32) @ inverse.T.astype(np.float32)
        leverage = (0.5 / text.n) * (np.sum(solved**2, axis=1, dtype=float) + 1)
        left_out = (rows @ weights - leverage * sign) / np.maximum(1 - leverage, TINY)
        wrong.append(np.where(left_out * sign > 0, 0.0, 1.0))
    distance = max(float(2 * (1 - wrong[0].mean() - wrong[1].mean())), 0.0)
    return infinitesimal_jackknife(distance, pulls=(-2 * wrong[0], -2 * wrong[1]), bounds=(0, 2))


def sliced_wasserstein(pair: Pair) -> Interval:
    """Root of the mean squared 2-Wasserstein distance of the projections on the texts' axes.

    Raises:
        DataError: The texts were projected on different axes.
    """
    a, b = pair.a.domain, pair.b.domain
    if a.axes.shape != b.axes.shape or not np.array_equal(a.axes[:, 0], b.axes[:, 0]):
        raise DataError(f"Axes {a.axes.shape} and {b.axes.shape}; expected texts prepared with the same axes.")
    move = pair.move @ a.axes
    square, pull_a = _transport(a, b.flat + move)
    other, pull_b = _transport(b, a.flat - move)
    distance = math.sqrt(square if a.n <= b.n else other)
    slope = 0.5 / distance if distance > 0 else 0.0
    return infinitesimal_jackknife(distance, pulls=(pull_a * slope, pull_b * slope), bounds=(0, math.inf))


EMBEDDINGS = (
    SimilarityMeasure(
        name="centroid_cosine",
        title="Centroid cosine",
        unit="cosine, -1 to 1",
        direction=1,
        meaning="Do the average sentences of both texts point the same way? Blind to how much the sentences vary.",
        formula="cos(mean X, mean Y)",
        source="Vu et al. 2020, 2005.00770 (SEmb)",
        function=centroid_cosine,
        is_embedded=True,
    ),
    SimilarityMeasure(
        name="frechet",
        title="Fréchet distance",
        unit="squared units of the embedding, 0 or more",
        direction=-1,
        meaning="Distance of the two clouds of sentences if both were Gaussian: averages and spreads both count.",
        formula="|μx − μy|² + tr Σx + tr Σy − 2 tr(Σx Σy)^½",
        source="Dowson & Landau 1982; Heusel et al. 2017, 1706.08500",
        function=frechet,
        is_embedded=True,
        ignores_common_shift=True,
    ),
    SimilarityMeasure(
        name="mmd",
        title="MMD²",
        unit="no unit, around 0 for equal texts, below 2",
        direction=-1,
        meaning="How well can the two texts be told apart by how close their sentences lie to one another? 0: not at "
        "all.",
        formula="unbiased MMD², kernel exp(−|a − b|² / 2h²), h the median distance",
        source="Gretton et al. 2012",
        function=mmd,
        is_embedded=True,
        ignores_common_shift=True,
        first_sentences=KERNEL_ROWS,
    ),
    SimilarityMeasure(
        name="proxy_a",
        title="Proxy A-distance",
        unit="no unit, 0 to 2",
        direction=-1,
        meaning="How well can a linear classifier tell which text a sentence comes from? 0 not at all, 2 always.",
        formula="2 (1 − 2 ε), ε the balanced leave-one-out error of a ridge classifier of the text",
        source="Ben-David et al. 2007",
        function=proxy_a,
        is_embedded=True,
        ignores_common_shift=True,
    ),
    SimilarityMeasure(
        name="sliced_wasserstein",
        title="Sliced Wasserstein distance",
        unit="units of the embedding, 0 or more",
        direction=-1,
        meaning="How far must the sentences of one text be moved to become those of the other? A mean over random "
        "directions.",
        formula="root of the mean over 64 random directions of W₂² of the projections",
        source="Bonneel et al. 2015",
        function=sliced_wasserstein,
        is_embedded=True,
        ignores_common_shift=True,
    ),
)
"""In the order of screens."""


class _Spread(NamedTuple):
    """The part of the Fréchet distance that no offset changes."""

    trace: float
    pull_a: Floats
    pull_b: Floats


def _spread(one: Text, other: Text) -> _Spread:
    """Trace of A + B - 2 (A B)^(1/2), with A and B the covariances, and each row's pull on it.

    With M = root_aᵀ root_b, the trace of (A B)^(1/2) is the sum of M's singular values, found as roots of the
    eigenvalues of M Mᵀ; the pulls are the quadratic forms |c|² - cᵀ Q c, Q the linear map that carries one Gaussian to
    the other.
    """
    a, b = one.domain, other.domain
    product = a.root.T @ b.root
    values, left = linalg.eigh(product @ product.T, check_finite=False, driver="evd")
    values = np.sqrt(np.maximum(values, 0.0))
    back = np.where(values > 1e-7 * max(values[-1], TINY), 1 / np.maximum(values, TINY), 0.0)
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


def _across(a: Text, b: Text) -> Singles:
    return squared(a.domain.kernel, b.domain.kernel)


def _moved(across: Singles, a: Domain, b: Domain, *, move: Floats) -> Singles:
    """Squared distances after the second text was moved: |x - y - move|²."""
    if not np.any(move):
        return across
    step = move.astype(np.float32)
    shifted = across - 2 * ((a.kernel @ step)[:, None] - (b.kernel @ step)[None, :]) + step @ step
    return np.asarray(np.maximum(shifted, 0), dtype=np.float32)


def _transport(text: Domain, there: Floats) -> tuple[float, Floats]:
    """Mean squared way to the other text, and each row's potential: its slope is twice the way that a row is moved."""
    gap = text.flat - at_quantiles(there, text.n)
    steps = np.diff(text.flat, axis=0) * (gap[1:] + gap[:-1])
    potential = np.empty_like(text.flat)
    np.put_along_axis(potential, text.order, np.vstack([np.zeros_like(gap[:1]), np.cumsum(steps, axis=0)]), axis=0)
    return float(np.mean(gap**2)), potential.mean(axis=1)
