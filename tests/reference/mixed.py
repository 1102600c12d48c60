"""The crossed mixed model by statsmodels: what `core/measures/inference/mixed.py` is held to."""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import numpy as np
from scipy import optimize
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams, VCSpec
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from core.errors import DataError
from core.measures.inference.cells import Cells, fixed_design, level_numbers
from core.measures.inference.mixed import COMPONENTS, Coefficient, Components, _coefficients, _name, _shares

CHECKS = (("powell", 0.3), ("powell", 3.0), ("nm", 1.0))
"""Optimisers of statsmodels and the variances, in units of the residual's, from which each starts."""


class Checked(NamedTuple):
    """The part of a `MixedFit` that both routes have."""

    coefficients: tuple[Coefficient, ...]
    variances: dict[str, float]
    shares: dict[str, float]
    log_likelihood: float


def fit_statsmodels(
    cells: Cells, *, components: Components = COMPONENTS, reml: bool = True, level: float = 0.95
) -> Checked:
    """The same model as `fit_mixed`, by statsmodels' MixedLM (one group, variance components).

    Minutes above a thousand cells. The gain is scaled to unit spread for the optimiser. Its
    gradient methods stop short where a variance is zero (and may call that converged), so that the best of `CHECKS` is
    kept: Powell and Nelder-Mead, from several variances.

    Args:
        cells: Of equal weights.
        components: Random effects.
        reml: Restricted likelihood or full likelihood.

    Raises:
        DataError: Cells rest on different numbers of runs, which MixedLM cannot weigh.
    """
    if np.ptp(cells.weight) > 0:
        found = f"{cells.weight.min():g} to {cells.weight.max():g}"
        raise DataError(f"Cells rest on {found} runs; statsmodels needs equal numbers. Use fit_mixed.")
    scale = float(cells.gain.std()) or 1.0
    codes = [level_numbers(cells, factors=c) for c in components]
    mats = [[np.eye(int(code.max()) + 1)[code]] for code, _ in codes]
    names = [_name(c) for c in components]
    spec = VCSpec(names, [[[str(j) for j in range(m[0].shape[1])]] for m in mats], mats)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a variance of zero is an answer here
        model = MixedLM(cells.gain / scale, fixed_design(cells), np.zeros(len(cells.gain), dtype=int), exog_vc=spec)
        tried = [
            model.fit(
                reml=reml, method=[method], maxiter=2000,
                start_params=MixedLMParams.from_components(
                    fe_params=np.zeros(len(cells.names) + 1), vcomp=np.full(len(names), start)
                ),
            )
            for method, start in CHECKS
        ]  # fmt: skip
    result = max(tried, key=lambda found: float(found.llf))
    p = len(cells.names) + 1
    estimates = np.asarray(result.fe_params) * scale
    parts = dict(zip(names, (np.asarray(result.vcomp) * scale**2).tolist(), strict=True))
    parts["residual"] = float(result.scale * scale**2 * cells.weight[0])
    covariance = np.asarray(result.cov_params())[:p, :p] * scale**2
    freedom = len(cells.gain) - (p if reml else 0)
    return Checked(
        _coefficients(cells, estimates=estimates, covariance=covariance, level=level),
        parts,
        _shares(cells, variances=parts, fixed=estimates),
        float(result.llf) - freedom * math.log(scale),
    )


class Dense(NamedTuple):
    """A fit with one residual variance per target."""

    fixed: np.ndarray
    variances: dict[str, float]
    residuals: dict[str, float]
    log_likelihood: float


def fit_dense(cells: Cells, *, components: Components = COMPONENTS) -> Dense:
    """The mixed model with a residual variance per target, by the whole covariance matrix and a general optimiser.

    Shares nothing with `core.measures.inference` but the coding of levels; seconds for a hundred cells.

    Args:
        cells: Their precision is not used.
        components: Random effects.
    """
    codes = [level_numbers(cells, factors=c)[0] for c in components]
    target, index = level_numbers(cells, factors=("target",))
    same = [code[:, None] == code[None, :] for code in codes]
    x, y = fixed_design(cells), cells.gain

    def deviance(logs: np.ndarray) -> tuple[float, np.ndarray]:
        parts = np.exp(logs)
        v = np.diag(parts[len(same) :][target] / cells.weight)
        v = v + sum(part * mask for part, mask in zip(parts, same, strict=False))
        inverse = np.linalg.inv(v)
        information = x.T @ inverse @ x
        estimates = np.linalg.solve(information, x.T @ inverse @ y)
        left = y - x @ estimates
        value = np.linalg.slogdet(v)[1] + np.linalg.slogdet(information)[1] + left @ inverse @ left
        return float(value + (len(y) - x.shape[1]) * math.log(2 * math.pi)), estimates

    start = np.log(np.full(len(same) + len(index), float(np.var(y)) / 3))
    bounds = [(-16.0, 4.0)] * len(start)
    found = optimize.minimize(lambda logs: deviance(logs)[0], start, method="L-BFGS-B", bounds=bounds)
    parts = np.exp(found.x)
    variances = dict(zip((_name(c) for c in components), parts.tolist(), strict=False))
    residuals = {name: float(parts[len(same) + number]) for name, number in index.items()}
    return Dense(deviance(found.x)[1], variances, residuals, -float(found.fun) / 2)
