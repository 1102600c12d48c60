"""Variances of a mixed model: how much runs spread at each target, and shares of the variance with their limits.

Limits are by parametric bootstrap of mean squares (`core.measures.inference.mean_squares`): the variance of the level
means of each component, less what lies below it in the same draw. All variances vary together, the rest of a share with
its part, and no model is fitted again.
"""

from __future__ import annotations

import numpy as np

from core.errors import SpecError
from core.measures.inference.cells import Cells, fixed_design, level_numbers
from core.measures.inference.crossed import Solution, cross_products, maximise, prediction_variance
from core.measures.inference.freedom import NOTHING
from core.measures.inference.intervals import Floats, Interval
from core.measures.inference.mean_squares import DRAWS, MeanSquare, drawn_squares, generalised_interval
from core.measures.inference.mixed import Components, MixedFit

ROUNDS, CLOSE = 40, 1e-4
"""Rounds of the residual variances at most, and the relative change below which they stand."""
LEAST_DF = 3.0
"""A target with fewer residual degrees of freedom takes the residual variance of all."""
WIDEST = 1e4
"""Residual variances of two targets differ by less."""


def residual_precision(cells: Cells, *, components: Components) -> dict[str, float]:
    """Precision of a run at each target, relative to that of all: one residual variance per target, by REML.

    The fixed point of Schall (1991, doi:10.1093/biomet/78.4.719): a target's residual variance is its sum of squared
    residuals over what the fit leaves of its degrees of freedom.

    Args:
        cells: Their precision is not used.
        components: Random effects.

    Raises:
        DataError: Covariates cannot be told apart.
    """
    codes, index = level_numbers(cells, factors=("target",))
    fixed, groups = fixed_design(cells), [level_numbers(cells, factors=c)[0] for c in components]
    if len(index) < 2:
        return {}
    precision, ratios = np.ones(len(index)), None
    for _ in range(ROUNDS):
        weights = cells.weight * precision[codes]
        products = cross_products(cells.gain, fixed=fixed, groups=groups, weights=weights)
        solution = maximise(products, start=ratios)
        placed = np.column_stack(groups)
        variance = prediction_variance(products, solution=solution, fixed=fixed, groups=placed)
        left = np.bincount(codes, weights=1 - weights * variance / solution.residual_variance)
        squares = np.bincount(
            codes, weights=cells.weight * _residuals(cells, fixed=fixed, groups=groups, solution=solution) ** 2
        )
        known = left >= LEAST_DF
        pooled = squares[known].sum() / max(left[known].sum(), 1e-300)
        if not known.any() or pooled <= 0:
            return {}
        new = np.where(known, pooled * np.maximum(left, 1e-300) / np.maximum(squares, 1e-300), 1.0)
        new = np.clip(new, WIDEST**-0.5, WIDEST**0.5)
        change, precision, ratios = np.max(np.abs(np.log(new / precision))), new, solution.ratios
        if change < CLOSE:
            break
    return {name: float(precision[number]) for name, number in index.items()}


def _residuals(cells: Cells, *, fixed: Floats, groups: list[np.ndarray], solution: Solution) -> Floats:
    random = sum(effects[codes] for effects, codes in zip(solution.effects, groups, strict=True))
    return np.asarray(cells.gain - fixed @ solution.fixed - random)


def share_intervals(fit: MixedFit, *, cells: Cells, terms: tuple[str, ...] = (), seed: int = 0) -> dict[str, Interval]:
    """Share of each random effect, and of some terms, in the variance of a cell's mean, with limits.

    A term has (b^2 - se^2) var(x), at least 0; its limits begin at 0 where those of its coefficient hold it.

    Args:
        fit: From `fit_mixed`.
        cells: What was fitted.
        terms: Names of covariates that have a share of their own.
        seed: Of the draws.

    Raises:
        SpecError: There is no variance at all.
    """
    rng = np.random.default_rng(seed)
    drawn = _drawn_components(fit, cells=cells, rng=rng)
    scatter = np.atleast_2d(np.cov(cells.covariates, rowvar=False, bias=True)) if cells.names else np.zeros((0, 0))
    slopes = np.array([c.interval.estimate for c in fit.coefficients[1:]])
    errors = np.array([c.standard_error for c in fit.coefficients[1:]])
    df = np.array([c.df for c in fit.coefficients[1:]])
    moved = slopes + errors * rng.standard_t(df, size=(DRAWS, len(df))) if len(df) else np.zeros((DRAWS, 0))
    mean_of = float(np.mean(1 / cells.weights))
    parts = {name: fit.variances[name] * (mean_of if name == "residual" else 1.0) for name in fit.variances}
    parts["fixed"], drawn["residual"] = float(slopes @ scatter @ slopes), drawn["residual"] * mean_of
    drawn["fixed"] = np.einsum("ij,jk,ik->i", moved, scatter, moved)
    total, drawn_total = sum(parts.values()), sum(drawn[name] for name in parts)
    if total < NOTHING:
        raise SpecError(f"The variances of {', '.join(parts)} are all 0; there is nothing to share out.")
    names = [name for name in parts if name not in {"fixed", "residual"}]
    found = {
        n: generalised_interval(drawn[n] / drawn_total, estimate=parts[n] / total, n=_levels(cells, n)) for n in names
    }
    for name in terms:
        k = cells.names.index(name)
        c, spread = fit.coefficients[1 + k], scatter[k, k]
        estimate = max(slopes[k] ** 2 - errors[k] ** 2, 0.0) * spread / total
        share = generalised_interval(
            moved[:, k] ** 2 * spread / drawn_total, estimate=estimate, n=c.interval.n
        )  # fmt: skip
        found[name] = share._replace(low=0.0) if c.interval.low <= 0 <= c.interval.high else share
    return found


def _drawn_components(fit: MixedFit, *, cells: Cells, rng: np.random.Generator) -> dict[str, Floats]:
    """(draws,) of each variance, the finest first: what lies below a component is drawn before it."""
    codes = {c: level_numbers(cells, factors=c)[0] for c in fit.components}
    counts = {c: int(code.max()) + 1 for c, code in codes.items()}
    inside = {
        c: [d for d in fit.components if d != c and counts[d] < counts[c] and _is_nested(codes[c], codes[d])]
        for c in fit.components
    }
    df: dict[tuple[str, ...], int] = {}
    for c in sorted(fit.components, key=lambda c: counts[c]):
        df[c] = max(counts[c] - 1 - sum(df[d] for d in inside[c]), 1)
    left = max(len(cells.gain) - 1 - sum(df.values()) - len(cells.names), 1)
    drawn = {"residual": drawn_squares(MeanSquare(fit.variances["residual"], left), rng=rng)}
    for c in sorted(fit.components, key=lambda c: -counts[c]):
        name = " x ".join(c)
        rows = counts[c] / float(np.sum(cells.weights))
        below, drawn_below = fit.variances["residual"] * rows, drawn["residual"] * rows
        for d in (d for d in fit.components if c in inside[d]):
            finer = " x ".join(d)
            below += fit.variances[finer] * counts[c] / counts[d]
            drawn_below = drawn_below + drawn[finer] * counts[c] / counts[d]
        seen = drawn_squares(MeanSquare(fit.variances[name] + below, df[c]), rng=rng)
        drawn[name] = np.maximum(seen - drawn_below, 0.0)
    return drawn


def _is_nested(fine: np.ndarray, coarse: np.ndarray) -> bool:
    """Whether a level of the one has one level of the other."""
    return len(np.unique(np.stack([fine, coarse]), axis=1).T) == int(fine.max()) + 1


def _levels(cells: Cells, name: str) -> int:
    return len(level_numbers(cells, factors=tuple(name.split(" x ")))[1])
