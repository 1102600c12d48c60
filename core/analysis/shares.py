"""Shares of the variance of gains: what difficulty and similarity explain, and what is left to names."""

from __future__ import annotations

from core.analysis.estimates import EstimateRow, estimate_row
from core.errors import SpecError
from core.measures.inference.cells import Cells
from core.measures.inference.mixed import MixedFit
from core.measures.inference.variances import share_intervals

EXPLAINING = ("difficulty", "similarity")
"""The two terms that the question is about."""


def share_rows(fit: MixedFit, *, cells: Cells) -> list[EstimateRow]:
    """Shares of the variance of a cell's mean gain, with limits; no row where nothing varies.

    Args:
        fit: From `fit_mixed`.
        cells: What was fitted.
    """
    terms = tuple(name for name in EXPLAINING if name in cells.names)
    try:
        found = share_intervals(fit, cells=cells, terms=terms)
    except SpecError:
        return []
    rows = [
        estimate_row(
            "share", name, label=name if name in terms else _beyond(name), low=i.low, high=i.high,
            estimate=i.estimate, n=i.n, n_unit="intermediates" if name in terms else name, unit="share of variance",
            method=i.method, formula=_TERM if name in terms else _COMPONENT,
        )
        for name, i in sorted(found.items(), key=lambda item: item[0] not in terms)
    ]  # fmt: skip
    if others := [_SHORT.get(name, name) for name in cells.names if name not in EXPLAINING]:
        # What all terms explain together, less the two that have rows; terms that go together have no part each.
        left = max(0.0, fit.shares["fixed"] - sum(found[name].estimate for name in terms))
        rows.insert(
            len(terms),
            estimate_row(
                "share", "covariates", label=", ".join(others), estimate=left, n=fit.n_intermediates,
                n_unit="intermediates", unit="share of variance", method=fit.method,
                formula="var(X b) / total, less the shares of difficulty and similarity",
            ),
        )  # fmt: skip
    rest = fit.shares["residual"]
    label = "the rest: seeds, examples, what has no term here"
    rows.append(
        estimate_row(
            "share", "residual", label=label, estimate=rest, n=len(cells.gain), n_unit="cells",
            unit="share of variance", method=fit.method, formula="mean residual variance of a cell / total",
        )
    )  # fmt: skip
    return rows


_SHORT = {
    "type_match": "same task type as the target", "log_size": "examples the intermediate is trained on",
    "distance": "distance of the language's syntax from English",
}  # fmt: skip
_TERM = "(b^2 - se^2) var(x) / total variance of cells' mean gains"
_COMPONENT = "variance component / total variance of cells' mean gains"


def _beyond(name: str) -> str:
    """What a factor adds to the measured properties, as a figure's row says it."""
    return f"which {name.replace(' x ', ' × ')}, all else that sets it apart"
