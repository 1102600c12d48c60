"""Small-sample tests of fixed terms: standard errors and degrees of freedom after Kenward and Roger (1997).

A term's variance is computed from variance components that are estimates themselves: from few base tasks it comes out
too small, and its degrees of freedom are not those of the cells. Both follow from how that variance bends with the
components (its first and second derivatives) and from how well they are known (the curvature of the restricted
likelihood); doi:10.2307/2533558. The derivatives are differences, as the likelihood is computed in milliseconds.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.measures.inference.crossed import Products, Solution, restricted
from core.measures.inference.intervals import Floats
from core.measures.threads import one_blas_thread

STEP = 0.02
"""Of a variance, relative to it: the derivatives are second ones."""
LEAST_RATIO = 1e-3
"""A component with a smaller ratio to the residual is none: it is at its bound, where nothing bends."""
LEAST_CURVATURE = 1e-3
"""Directions of the likelihood that are flatter, relative to 1, are not known at all and left out."""
NOTHING = 1e-100
"""A residual variance below it: the gains are all alike, and nothing has a derivative."""


class SmallSample(NamedTuple):
    """(p,) of each fixed term."""

    variance: Floats
    """Of the estimate, for components that are estimated."""
    df: Floats
    """Degrees of freedom, at least 1."""


def small_sample(products: Products, *, solution: Solution) -> SmallSample:
    """Adjusted variances and degrees of freedom of the fixed terms.

    Args:
        products: From `cross_products`.
        solution: From `maximise` of the restricted likelihood.
    """
    active = np.flatnonzero(solution.ratios > LEAST_RATIO)
    components = solution.residual_variance * np.concatenate([[1.0], solution.ratios[active] ** 2])
    plain = np.diag(solution.covariance)
    if solution.residual_variance < NOTHING:
        return SmallSample(plain, np.full(len(plain), float(products.n - products.n_fixed)))
    with one_blas_thread():
        slopes, bends, curvature = _derivatives(products, components=components, active=active)
    known = _inverse(curvature)
    # Half of the correction mends the bias of the plain variance, half adds the spread of the estimated weights.
    adjusted = np.maximum(plain - np.einsum("ab,abp->p", known, bends), plain)
    spread = np.einsum("ap,ab,bp->p", slopes, known, slopes)
    return SmallSample(adjusted, np.maximum(2 * plain**2 / np.maximum(spread, 1e-300), 1.0))


def _derivatives(products: Products, *, components: Floats, active: NDArray[np.intp]) -> tuple[Floats, Floats, Floats]:
    """First and second derivatives of the terms' variances, and second ones of the deviance, by each component."""
    every = np.zeros(1 + products.n_components)

    def at(*steps: Floats) -> Floats:
        every[np.concatenate([[0], 1 + active])] = components + sum(steps)
        deviance, variance = restricted(products, components=every)
        return np.concatenate([[deviance], variance])

    steps, middle = np.diag(STEP * components), at()
    up, down = (np.stack([at(sign * step) for step in steps]) for sign in (1, -1))
    slopes = (up - down)[:, 1:] / (2 * np.diag(steps))[:, None]
    second = np.empty((len(components), len(components), len(middle)))
    for a, b in itertools.combinations_with_replacement(range(len(components)), 2):
        # Both steps at once less each alone: two points a pair.
        both = at(steps[a], steps[b]) + at(-steps[a], -steps[b]) + 2 * middle
        rise = both - up[a] - down[a] - up[b] - down[b]
        second[a, b] = second[b, a] = rise / (2 * steps[a, a] * steps[b, b])
    return slopes, second[:, :, 1:], second[:, :, 0]


def _inverse(curvature: Floats) -> Floats:
    """Twice the inverse, that is the covariance of the components, without directions in which nothing is known."""
    scale = 1 / np.sqrt(np.maximum(np.abs(np.diag(curvature)), 1e-300))
    values, vectors = np.linalg.eigh(curvature * scale[:, None] * scale[None, :])
    kept = values > LEAST_CURVATURE
    inverse = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    return np.asarray(2 * inverse * scale[:, None] * scale[None, :])
