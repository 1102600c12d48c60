"""The crossed mixed model by statsmodels: what `core/measures/inference/mixed.py` is held to."""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import numpy as np
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
