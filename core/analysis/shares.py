"""Shares of the variance of gains: what difficulty and similarity explain, and what is left to names."""

from __future__ import annotations

import numpy as np

from core.analysis.estimates import EstimateRow, estimate_row
from core.measures.inference.cells import Cells, level_numbers
from core.measures.inference.intervals import Floats, Interval
from core.measures.inference.mixed import Coefficient, Components, MixedFit
from core.measures.inference.variances import component_interval, share_interval

EXPLAINING = ("difficulty", "similarity")
"""The two terms that the question is about."""


def share_rows(fit: MixedFit, *, cells: Cells, components: Components) -> list[EstimateRow]:
    """Shares of the variance of a cell's mean gain, with approximate intervals.

    A term has (b^2 - se^2) var(x) / total, at least 0, and the limits of its coefficient. A random effect has its
    variance over the total, with the limits of `component_interval`.

    Args:
        fit: From `fit_mixed`.
        cells: What was fitted.
        components: Random effects of the fit.
    """
    parts = {name: value for name, value in fit.variances.items() if name != "residual"}
    residual = fit.variances["residual"] * float(np.mean(1 / cells.weight))
    total = float(np.var(_predicted(fit, cells))) + sum(parts.values()) + residual
    if total <= 0:
        return []
    rows = []
    for k, c in enumerate(fit.coefficients[1:]):
        if c.name in EXPLAINING:
            found = _of_term(c, spread=float(np.var(cells.covariates[:, k])), total=total, n=fit.n_intermediates)
            rows.append(_row(c.name, found, label=c.name, unit="intermediates", formula=_TERM))
    for component in components:
        name = " x ".join(component)
        part = _of_component(component, cells=cells, parts=parts, residual=fit.variances["residual"])
        found = share_interval(part, rest=total - parts[name])
        rows.append(_row(name, found, label=f"which {name}, beyond the terms", unit=name, formula=_COMPONENT))
    rows.append(
        estimate_row(
            "share", "residual", label="the rest: seeds, examples, what the model lacks", estimate=residual / total,
            n=len(cells.gain), n_unit="cells", unit="share of variance", method=fit.method,
            formula="residual variance of a cell's mean / total",
        )
    )  # fmt: skip
    return rows


_TERM = "(b^2 - se^2) var(x) / total variance of cells' mean gains"
_COMPONENT = "variance component / total variance of cells' mean gains"


def _row(name: str, found: Interval, *, label: str, unit: str, formula: str) -> EstimateRow:
    return estimate_row(
        "share", name, low=found.low, high=found.high, label=label, estimate=found.estimate, n=found.n, n_unit=unit,
        unit="share of variance", method=found.method, formula=formula,
    )  # fmt: skip


def _of_term(c: Coefficient, *, spread: float, total: float, n: int) -> Interval:
    limits = (c.interval.low, c.interval.high)
    b, least = c.interval.estimate, 0.0 if limits[0] <= 0 <= limits[1] else min(map(abs, limits))
    rest = max(total - b**2 * spread, 0.0)
    part = Interval(b**2 * spread, least**2 * spread, max(map(abs, limits)) ** 2 * spread, 0.95, "", n, 0)
    shares = share_interval(part, rest=rest) if part.estimate + rest > 0 else part
    estimate = max(b**2 - c.standard_error**2, 0.0) * spread / total
    return shares._replace(estimate=max(estimate, shares.low), method="limits of the coefficient")


def _of_component(component: tuple[str, ...], *, cells: Cells, parts: dict[str, float], residual: float) -> Interval:
    count = len(level_numbers(cells, factors=component)[1])
    below = residual / (float(np.sum(cells.weight)) / count)
    for other, variance in parts.items():
        factors = tuple(other.split(" x "))
        if set(component) < set(factors):
            below += variance / max(len(level_numbers(cells, factors=factors)[1]) / count, 1.0)
    return component_interval(parts[" x ".join(component)], below=below, levels=count)


def _predicted(fit: MixedFit, cells: Cells) -> Floats:
    slopes = np.array([c.interval.estimate for c in fit.coefficients[1:]])
    return np.asarray(cells.covariates @ slopes) if slopes.size else np.zeros(len(cells.gain))
