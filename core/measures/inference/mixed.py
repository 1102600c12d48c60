"""How much of the gains do difficulty, similarity and the rest explain: the crossed mixed model.

The rows are cells (`core.measures.inference.cells`): mean gains over seeds. Seeds of a run are shared by its
languages; the intermediate x target component takes that up, and the baseline that all intermediates of a (target,
language) share is taken up by target x language. Thirds, slices and placebos of one data set share a base task, which
is a level of its own where there are any. Standard errors and degrees of freedom follow from how well the variances are
known (`core.measures.inference.freedom`): as few as base tasks or intermediates allow, however many cells there are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from core.errors import DataError
from core.measures.inference.cells import Cells, fixed_design, level_names, level_numbers
from core.measures.inference.crossed import Products, Solution, cross_products, maximise, prediction_variance, solve
from core.measures.inference.freedom import SmallSample, small_sample
from core.measures.inference.intervals import Floats, Interval

Components = tuple[tuple[str, ...], ...]
COMPONENTS: Components = (
    ("intermediate",), ("target",), ("language",), ("intermediate", "target"), ("target", "language"),
)  # fmt: skip
"""Random effects by default; a pair is an interaction."""
OF_TASKS: Components = (("task",), ("task", "target"))
"""Further ones where several intermediates are made of one base task."""


class Coefficient(NamedTuple):
    """A fixed effect: change of the gain per unit of the covariate, all else equal."""

    name: str
    interval: Interval
    standard_error: float
    df: float
    p_value: float


class MixedFit(NamedTuple):
    """A fitted model: fixed effects, variances and their shares, and what predictions need."""

    coefficients: tuple[Coefficient, ...]
    variances: dict[str, float]
    shares: dict[str, float]
    log_likelihood: float
    n_cells: int
    n_intermediates: int
    method: str
    products: Products
    solution: Solution
    codes: tuple[dict[str, int], ...]
    components: Components


class Predictions(NamedTuple):
    """(m,) predicted gains with limits and standard errors."""

    mean: Floats
    low: Floats
    high: Floats
    standard_error: Floats


def fit_mixed(cells: Cells, *, components: Components = COMPONENTS, reml: bool = True, level: float = 0.95) -> MixedFit:
    """The crossed mixed model by the project's own profile likelihood; milliseconds for thousands of cells.

    Args:
        components: Random effects.
        reml: Restricted likelihood (for estimates) or full likelihood (to compare models).

    Raises:
        DataError: Too few cells, or covariates that are sums of others.
    """
    products, codes = _products(cells, components)
    solution = maximise(products, reml=reml)
    parts = dict(zip((_name(c) for c in components), solution.variances.tolist(), strict=True))
    parts["residual"] = solution.residual_variance
    found = small_sample(products, solution=solution) if reml else None
    return MixedFit(
        _coefficients(cells, estimates=solution.fixed, covariance=solution.covariance, level=level, small=found),
        parts, _shares(cells, variances=parts, fixed=solution.fixed), -solution.deviance / 2, len(cells.gain),
        len(np.unique(cells.levels["intermediate"])), "REML" if reml else "ML", products, solution, codes, components,
    )  # fmt: skip


def any_term(fit: MixedFit) -> float:
    """p-value of all terms at once: the smallest of theirs times their number (Bonferroni); 1 where there is none.

    The likelihood ratio against chi-squared counts cells and not the few intermediates, and rejects too often.

    Args:
        fit: By restricted likelihood.
    """
    return min([1.0, *(c.p_value * (len(fit.coefficients) - 1) for c in fit.coefficients[1:])])


def naive_ols(cells: Cells, *, level: float = 0.95) -> tuple[Coefficient, ...]:
    """Ordinary least squares that takes every cell for independent: shown to say how wrong it is.

    Raises:
        DataError: Too few cells, or dependent covariates.
    """
    design = fixed_design(cells)
    n, p = design.shape
    if n <= p or np.linalg.matrix_rank(design) < p:
        raise DataError(f"{p} terms cannot be told apart on {n} cells. Drop one that is constant or a sum of others.")
    inverse = np.linalg.inv(design.T @ design)
    estimates = inverse @ design.T @ cells.gain
    residual = cells.gain - design @ estimates
    covariance = inverse * float(residual @ residual) / (n - p)
    return _coefficients(cells, estimates=estimates, covariance=covariance, level=level, df=n - p)


def predict_gains(fit: MixedFit, *, cells: Cells, level: float = 0.95, new_run: bool = False) -> Predictions:
    """Expected gain of each cell with an interval; levels that were not seen add their whole variance.

    Args:
        fit: From `fit_mixed`.
        cells: Where to predict; their gains are not used.
        level: Of the limits.
        new_run: Whether the limits are for the mean of `weight` new runs (wider) or for the expected gain.

    Raises:
        DataError: The covariates differ.
    """
    names = tuple(c.name for c in fit.coefficients[1:])
    if cells.names != names:
        raise DataError(f"Cells have covariates {list(cells.names)}, the fit {list(names)}; expected the same order.")
    design = fixed_design(cells)
    groups = np.column_stack(
        [_known(cells, factors=c, index=i) for c, i in zip(fit.components, fit.codes, strict=True)]
    )
    mean = design @ fit.solution.fixed
    for k, effects in enumerate(fit.solution.effects):
        mean = mean + np.where(groups[:, k] >= 0, effects[groups[:, k]], 0.0)
    variance = prediction_variance(fit.products, solution=fit.solution, fixed=design, groups=groups)
    if new_run:
        variance = variance + fit.solution.residual_variance / cells.weights
    error = np.sqrt(variance)
    half = float(special.stdtrit(max(fit.n_intermediates - 1, 1), (1 + level) / 2)) * error
    return Predictions(mean, mean - half, mean + half, error)


def expected_half_widths(
    cells: Cells, *, components: Components, ratios: Floats, residual_variance: float, level: float = 0.95
) -> dict[str, float]:
    """Half the expected interval of each covariate, by name.

    Degrees of freedom are the intermediates less one and less the covariates, at least 1.

    Args:
        cells: Design; its gains are not used.
        components: Random effects.
        ratios: (components,) standard deviations over the residual's.
        residual_variance: Of one run.

    Raises:
        DataError: The covariates cannot be told apart on these cells.
    """
    fixed = fixed_design(cells)
    groups = [level_numbers(cells, factors=component)[0] for component in components]
    products = cross_products(np.zeros(len(fixed)), fixed=fixed, groups=groups, weights=cells.weights)
    inverse = solve(products, ratios=ratios).inverse[-fixed.shape[1] :, -fixed.shape[1] :]
    df = max(len(np.unique(cells.levels["intermediate"])) - 1 - len(cells.names), 1)
    quantile = float(special.stdtrit(df, (1 + level) / 2))
    errors = np.sqrt(residual_variance * np.diag(inverse))
    return {name: quantile * float(error) for name, error in zip(cells.names, errors[1:], strict=True)}


def joined(cells: Cells, *, more: Cells) -> Cells:
    """Both sets of cells, with the same covariates.

    Args:
        cells: First.
        more: Then.
    """
    levels = {name: np.concatenate([values, more.levels[name]]) for name, values in cells.levels.items()}
    return Cells(
        np.concatenate([cells.gain, more.gain]), np.concatenate([cells.weight, more.weight]), levels,
        np.vstack([cells.covariates, more.covariates]), cells.names, cells.precision,
    )  # fmt: skip


def _products(cells: Cells, components: Components) -> tuple[Products, tuple[dict[str, int], ...]]:
    coded = [level_numbers(cells, factors=c) for c in components]
    products = cross_products(
        cells.gain, fixed=fixed_design(cells), groups=[code for code, _ in coded], weights=cells.weights
    )
    return products, tuple(index for _, index in coded)


def _name(factors: tuple[str, ...]) -> str:
    return " x ".join(factors)


def _known(cells: Cells, *, factors: tuple[str, ...], index: dict[str, int]) -> NDArray[np.intp]:
    return np.array([index.get(str(name), -1) for name in level_names(cells, factors=factors)], dtype=np.intp)


def _coefficients(
    cells: Cells, *, estimates: Floats, covariance: Floats, level: float, df: float | None = None,
    small: SmallSample | None = None,
) -> tuple[Coefficient, ...]:  # fmt: skip
    freedom = _degrees(cells) if df is None else [df] * (len(cells.names) + 1)
    variances = np.diag(covariance)
    if small is not None:
        freedom, variances = np.minimum(small.df, _most_degrees(cells)).tolist(), small.variance
    n = len(np.unique(cells.levels.get("task", cells.levels["intermediate"]))) if df is None else len(cells.gain)
    method = "mixed model t" if df is None else "ordinary least squares t"
    method += " (Kenward-Roger)" if small is not None else ""
    found = []
    for name, value, variance, dof in zip(
        ("intercept", *cells.names), estimates.tolist(), variances.tolist(), freedom, strict=True
    ):
        error = math.sqrt(max(variance, 0.0))
        half = float(special.stdtrit(dof, (1 + level) / 2)) * error
        p_value = float(2 * special.stdtr(dof, -abs(value) / error)) if error else float(value == 0)
        interval = Interval(value, value - half, value + half, level, method, n, 0)
        found.append(Coefficient(name, interval, error, dof, p_value))
    return tuple(found)


def _degrees(cells: Cells) -> list[float]:
    """Degrees of freedom of each fixed term: units of the level at which it varies, less the terms of that level.

    A term that varies by intermediate, alone or with the target, has the intermediates as its units.
    """
    units = {f: len(np.unique(cells.levels[f])) for f in cells.levels}
    home = ["intermediate"]
    for column in cells.covariates.T:
        constant = [f for f in ("intermediate", "target", "language") if _constant_within(cells, column, factor=f)]
        home.append(constant[0] if constant else "intermediate")
    return [float(max(units[f] - 1 - sum(h == f for h in home[1:]), 1)) for f in home]


def _most_degrees(cells: Cells) -> list[float]:
    """A term that varies with the intermediate has no more than pairs of base task and target, whatever languages."""
    names = {f: cells.levels.get("task", cells.levels[f]) if f == "intermediate" else cells.levels[f] for f in _UNITS}
    tasks, targets, languages = (len(np.unique(names[f])) for f in _UNITS)
    pairs = float(max((tasks - 1) * max(targets - 1, 1), 1))
    most = [pairs]
    for column in cells.covariates.T:
        is_target, is_language = (_constant_within(cells, column, factor=f) for f in ("target", "language"))
        most.append(float(max(targets - 2, 1)) if is_target else float(max(languages - 2, 1)) if is_language else pairs)
    return most


_UNITS = ("intermediate", "target", "language")


def _constant_within(cells: Cells, column: Floats, *, factor: str) -> bool:
    codes, _ = level_numbers(cells, factors=(factor,))
    means = np.bincount(codes, weights=column) / np.bincount(codes)
    return bool(np.allclose(column, means[codes], rtol=1e-9, atol=1e-12))


def _shares(cells: Cells, *, variances: dict[str, float], fixed: Floats) -> dict[str, float]:
    """Shares of the variance of a cell's mean gain, `fixed` being what the covariates explain."""
    parts = {"fixed": float(np.var(fixed_design(cells) @ fixed)), **variances}
    parts["residual"] = variances["residual"] * float(np.mean(1 / cells.weights))
    total = sum(parts.values())
    return {name: value / total if total > 0 else 0.0 for name, value in parts.items()}
