"""Likelihood of a linear model with crossed random effects, in time that does not grow with the number of rows.

y = X b + sum_k Z_k u_k + e, u_k ~ N(0, s^2 t_k^2), e ~ N(0, s^2 / weight), every Z_k an indicator of one grouping.
The data enter once, as cross products. The grouping with most levels has a diagonal block and is eliminated in closed
form; one dense Cholesky factor of the rest gives fixed effects, residual variance and likelihood, with s^2 and b
profiled out (Bates et al. 2015). No fitting library is used; the tests hold the fits to those of statsmodels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, sparse

from core.errors import DataError
from core.measures.inference.intervals import Floats
from core.measures.threads import one_blas_thread

LARGEST_RATIO = 1e3
"""Largest standard deviation of a component, in units of the residual's."""
STEP = 0.05
MOST_GRAMS = 12
"""Distinct level sizes up to which their cross products are kept."""


class Products(NamedTuple):
    """Cross products of a data set: `inner` of [small groupings | X | y], `outer` of these with the large one."""

    inner: Floats
    outer: Floats
    large_counts: Floats
    grams: tuple[tuple[int, Floats], ...]
    small_owner: NDArray[np.intp]
    n_components: int
    large: int
    n_fixed: int
    n: int
    log_weights: float


class Solution(NamedTuple):
    """Estimates at given variance ratios. `deviance` is minus twice the (restricted) log likelihood."""

    fixed: Floats
    covariance: Floats
    residual_variance: float
    variances: Floats
    deviance: float
    ratios: Floats
    effects: tuple[Floats, ...]
    inverse: Floats


def cross_products(y: Floats, *, fixed: Floats, groups: list[NDArray[np.intp]], weights: Floats) -> Products:
    """Everything the likelihood needs to know of the rows.

    Args:
        y: (n,) response.
        fixed: (n, p) design of the fixed effects, intercept included.
        groups: For each component, (n,) level numbers from 0.
        weights: (n,) precision of each row relative to the others.

    Raises:
        DataError: The fixed design has dependent columns, or no degree of freedom is left.
    """
    n, p = fixed.shape
    if n <= p or np.linalg.matrix_rank(fixed) < p:
        raise DataError(
            f"{p} fixed terms cannot be told apart on {n} cells. Drop a term that is constant or a sum of others."
        )
    sizes = [int(codes.max()) + 1 for codes in groups]
    large = int(np.argmax(sizes))
    small = [_indicator(codes, size) for k, (codes, size) in enumerate(zip(groups, sizes, strict=True)) if k != large]
    left = sparse.hstack([*small, sparse.csr_array(np.column_stack([fixed, y]))], format="csr")
    scaled = sparse.csr_array(left.multiply(weights[:, None]))
    big = _indicator(groups[large], sizes[large])
    owner = np.concatenate(
        [np.full(size, k, dtype=np.intp) for k, size in enumerate(sizes) if k != large] or [np.empty(0, np.intp)]
    )
    counts = np.bincount(groups[large], weights=weights, minlength=sizes[large]).astype(float)
    inner, outer = (scaled.T @ left).toarray(), (scaled.T @ big).toarray()
    return Products(
        inner, outer, counts, _grams(outer, counts), owner, len(groups), large, p, n, float(np.sum(np.log(weights)))
    )


def solve(products: Products, *, ratios: Floats, reml: bool = True) -> Solution:
    """Estimates and likelihood at given ratios of standard deviations (component over residual).

    Args:
        products: From `cross_products`.
        ratios: (components,) each at least 0.
        reml: Restricted likelihood (variances) or full likelihood (comparing fixed terms).
    """
    factor, deviance, variance = _profiled(products, ratios=ratios, reml=reml)
    q, p = len(factor) - products.n_fixed - 1, products.n_fixed
    inverse = linalg.cho_solve((factor[:-1, :-1], True), np.eye(q + p))
    solution = linalg.solve_triangular(factor[:-1, :-1].T, factor[-1, :-1], lower=False)
    covariance = variance * inverse[q:, q:]
    effects = _effects(products, ratios=ratios, solution=solution)
    return Solution(solution[q:], covariance, variance, variance * ratios**2, float(deviance), ratios, effects, inverse)


def restricted(products: Products, *, components: Floats) -> tuple[float, Floats]:
    """Restricted deviance, and the variances of the fixed terms, at given variances: those of an unfinished fit.

    Args:
        products: From `cross_products`.
        components: (1 + components,) variances, the residual's first.
    """
    residual, freedom, p = float(components[0]), products.n - products.n_fixed, products.n_fixed
    factor, deviance, best = _profiled(products, ratios=np.sqrt(components[1:] / residual), reml=True)
    corner = factor[-1 - p : -1, -1 - p : -1]
    covariance = residual * linalg.cho_solve((corner, True), np.eye(p))
    # The residual variance was profiled out; here it is held where it is asked for.
    return deviance + freedom * (math.log(residual / best) + best / residual - 1), np.diag(covariance)


def _profiled(products: Products, *, ratios: Floats, reml: bool) -> tuple[Floats, float, float]:
    """The factor, minus twice the log likelihood and the residual variance that maximises it."""
    factor, log_det = _factor(products, ratios)
    p, n = products.n_fixed, products.n
    freedom = n - p if reml else n
    variance = max(float(factor[-1, -1]) ** 2 / freedom, 1e-300)
    deviance = log_det + freedom * (1 + math.log(2 * math.pi * variance)) - products.log_weights
    if reml:
        deviance += 2 * float(np.sum(np.log(np.diag(factor)[-1 - p : -1])))
    return factor, float(deviance), variance


def maximise(products: Products, *, reml: bool = True, start: Floats | None = None) -> Solution:
    """The solution with the largest (restricted) likelihood, over all ratios of at least 0.

    Args:
        products: From `cross_products`.
        reml: Restricted likelihood or full likelihood.
        start: (components,) ratios to begin from; None: one half each.
    """
    with one_blas_thread():
        return _maximise(products, reml=reml, start=start)


def _maximise(products: Products, *, reml: bool, start: Floats | None) -> Solution:
    ratios = _descend(products, start=np.full(products.n_components, 0.5) if start is None else start, reml=reml)
    best = solve(products, ratios=ratios, reml=reml)
    # Zero is always a stationary point of a standard deviation: leave it if a step away is better.
    for k in np.flatnonzero(ratios < STEP / 10):
        away = best.ratios.copy()
        away[k] = STEP
        if solve(products, ratios=away, reml=reml).deviance < best.deviance:
            found = solve(products, ratios=_descend(products, start=away, reml=reml), reml=reml)
            best = min(best, found, key=lambda solution: solution.deviance)
    return best


def prediction_variance(products: Products, *, solution: Solution, fixed: Floats, groups: NDArray[np.intp]) -> Floats:
    """Variance of the error of each predicted mean: fixed effects and predicted random effects together.

    Args:
        products: From `cross_products`.
        solution: From `solve`.
        fixed: (m, p) fixed design of the new cells.
        groups: (m, components) level numbers, -1 for a level not seen, which adds that component's whole variance.
    """
    offsets, ratios = _offsets(products), solution.ratios
    coupling = _scaled_outer(products, ratios)[:-1]
    q = len(products.small_owner)
    query = np.zeros((len(fixed), q + products.n_fixed))
    query[:, q:] = fixed
    extra = np.zeros(len(fixed))
    for k in range(products.n_components):
        known = groups[:, k] >= 0
        extra[~known] += ratios[k] ** 2
        if k != products.large:
            query[np.flatnonzero(known), offsets[k] + groups[known, k]] = ratios[k]
    known, large = groups[:, products.large] >= 0, groups[:, products.large]
    diagonal = 1 + ratios[products.large] ** 2 * products.large_counts
    share = ratios[products.large] / diagonal[large[known]]
    query[known] -= share[:, None] * coupling[:, large[known]].T
    extra[known] += ratios[products.large] * share
    variance = solution.residual_variance * (np.einsum("ij,jk,ik->i", query, solution.inverse, query) + extra)
    return np.asarray(np.maximum(variance, 0.0))


def projector(
    *, fixed: Floats, groups: list[NDArray[np.intp]], weights: Floats, ratios: Floats
) -> Callable[[Floats], Floats]:
    """A function that applies P = V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1 (times s^2) to the columns of (n, m).

    Args:
        fixed: (n, p) fixed design.
        groups: For each component, (n,) level numbers from 0.
        weights: (n,) precision of each row.
        ratios: (components,) ratios of standard deviations.
    """
    products = cross_products(np.ones(len(fixed)), fixed=fixed, groups=groups, weights=weights)
    factor = _factor(products, ratios)[0][:-1, :-1]
    large, ratio = products.large, ratios[products.large]
    left = sparse.hstack(
        [*(_indicator(g, int(g.max()) + 1) for k, g in enumerate(groups) if k != large), sparse.csr_array(fixed)],
        format="csr",
    )
    big = _indicator(groups[large], len(products.large_counts))
    scale = np.concatenate([ratios[products.small_owner], np.ones(products.n_fixed)])[:, None]
    coupling = _scaled_outer(products, ratios)[:-1]
    diagonal = (1 + ratio**2 * products.large_counts)[:, None]

    def project(columns: Floats) -> Floats:
        weighted = columns * weights[:, None]
        pull = ratio * (big.T @ weighted)
        small = linalg.cho_solve((factor, True), scale * (left.T @ weighted) - coupling @ (pull / diagonal))
        fitted = left @ (scale * small) + big @ (ratio * (pull - coupling.T @ small) / diagonal)
        return np.asarray(weighted - fitted * weights[:, None])

    return project


def _descend(products: Products, *, start: Floats, reml: bool) -> Floats:
    bounds = [(0.0, LARGEST_RATIO)] * products.n_components
    found = optimize.minimize(
        _deviance, start, args=(products, reml), jac=True, method="L-BFGS-B", bounds=bounds,
        options={"ftol": 1e-12, "gtol": 1e-6, "maxiter": 300},
    )  # fmt: skip
    return np.asarray(found.x, dtype=float)


def _deviance(ratios: Floats, products: Products, reml: bool) -> tuple[float, Floats]:
    """Deviance up to a constant, and its gradient.

    With C the scaled mixed-model matrix, ratio * d/d ratio = 2 (levels - tr C^-1 of the block) - 2 |u|^2 / s^2; the
    full likelihood has the trace without the fixed effects.
    """
    factor, log_det = _factor(products, ratios)
    p, q, large = products.n_fixed, len(products.small_owner), products.large
    freedom = products.n - p if reml else products.n
    root = max(float(factor[-1, -1]), 1e-150)
    value = log_det + 2 * freedom * math.log(root)
    if reml:
        value += 2 * float(np.sum(np.log(np.diag(factor)[q : q + p])))
    size = q + p if reml else q
    # With one random effect and full likelihood nothing is left to invert, of which LAPACK complains on the terminal.
    inverse = linalg.lapack.dpotri(factor[:size, :size], lower=1)[0] if size else np.empty((0, 0))
    solution = linalg.solve_triangular(factor[:-1, :-1].T, factor[-1, :-1], lower=False)
    effects = _effects(products, ratios=ratios, solution=solution)
    variance, gradient = root**2 / freedom, np.zeros_like(ratios)
    diagonal = 1 + ratios[large] ** 2 * products.large_counts
    inner = np.diag(inverse)[:q]
    for k in np.flatnonzero(ratios > 0):
        if k == large:
            scaled = _scale(products, ratios)[:size] * ratios[k]
            cross = _gram(products, 1 / diagonal**2)[:size, :size] * scaled[:, None] * scaled[None, :]
            # Only the lower triangle of the inverse is filled.
            trace = float(
                np.sum(1 / diagonal) + 2 * np.sum(np.tril(inverse, -1) * cross) + np.diag(inverse) @ np.diag(cross)
            )
        else:
            trace = float(np.sum(inner[products.small_owner == k]))
        pull = float(np.sum((effects[k] / ratios[k]) ** 2)) / variance
        gradient[k] = 2 * (len(effects[k]) - trace - pull) / ratios[k]
    return float(value), gradient


def _factor(products: Products, ratios: Floats) -> tuple[Floats, float]:
    """Lower Cholesky factor of the bordered system without the large grouping, and log|Z'WZ scaled + I|."""
    q, ratio = len(products.small_owner), ratios[products.large]
    scale = _scale(products, ratios)
    diagonal = 1 + ratio**2 * products.large_counts
    bordered = (products.inner - _gram(products, ratio**2 / diagonal)) * scale[:, None] * scale[None, :]
    bordered[np.arange(q), np.arange(q)] += 1
    bordered[-1, -1] += 1e-12 * max(products.inner[-1, -1], 1e-300)  # keeps a perfect fit factorisable
    factor = np.asarray(linalg.cholesky(bordered, lower=True, check_finite=False))
    return factor, float(np.sum(np.log(diagonal)) + 2 * np.sum(np.log(np.diag(factor)[:q])))


def _gram(products: Products, weights: Floats) -> Floats:
    """Sum of outer products: outer @ diag(weights) @ outer.T, where the weights depend on the counts alone."""
    if not products.grams:
        return np.asarray((products.outer * weights) @ products.outer.T)
    return np.asarray(sum(weights[first] * gram for first, gram in products.grams))


def _grams(outer: Floats, counts: Floats) -> tuple[tuple[int, Floats], ...]:
    """For each distinct count, its first level and the sum of outer products: a balanced design has one."""
    values, first, which = np.unique(counts, return_index=True, return_inverse=True)
    if len(values) > MOST_GRAMS:
        return ()
    parts = (outer[:, which == k] for k in range(len(values)))
    return tuple((int(level), part @ part.T) for level, part in zip(first, parts, strict=True))


def _scale(products: Products, ratios: Floats) -> Floats:
    scale = np.ones(len(products.inner))
    scale[: len(products.small_owner)] = ratios[products.small_owner]
    return scale


def _scaled_outer(products: Products, ratios: Floats) -> Floats:
    return np.asarray(products.outer * (_scale(products, ratios) * ratios[products.large])[:, None])


def _effects(products: Products, *, ratios: Floats, solution: Floats) -> tuple[Floats, ...]:
    """Predicted random effects of each component, in the units of y."""
    q = len(products.small_owner)
    ratio, outer = ratios[products.large], products.outer
    scale = np.concatenate([ratios[products.small_owner], np.ones(products.n_fixed)])
    rest = outer[-1] - (scale * solution) @ outer[:-1]
    large = ratio**2 * rest / (1 + ratio**2 * products.large_counts)
    scaled = ratios[products.small_owner] * solution[:q]
    return tuple(
        large if k == products.large else scaled[products.small_owner == k] for k in range(products.n_components)
    )


def _offsets(products: Products) -> list[int]:
    owner = products.small_owner
    return [int(np.searchsorted(owner, k)) for k in range(products.n_components)]


def _indicator(codes: NDArray[np.intp], size: int) -> sparse.csr_array:
    n = len(codes)
    return sparse.csr_array((np.ones(n), (np.arange(n), codes)), shape=(n, size))
