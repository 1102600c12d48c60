"""What more cells would buy: how far intervals of fixed effects shrink when cells are added, before they are run.

The variances are those of a fit; the covariance of the fixed effects then depends on the design alone (Fedorov
1972), so
that no gain of the new cells is needed.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from core.measures.inference.cells import Cells, fixed_design, level_numbers
from core.measures.inference.crossed import cross_products, solve
from core.measures.inference.intervals import Floats
from core.measures.inference.mixed import Components


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
    products = cross_products(np.zeros(len(fixed)), fixed=fixed, groups=groups, weights=cells.weight)
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
        np.vstack([cells.covariates, more.covariates]), cells.names,
    )  # fmt: skip
