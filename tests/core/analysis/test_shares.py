"""Shares of variance by hand: what a term explains, what lies below a component, what is left."""

from __future__ import annotations

import numpy as np
import pytest

from core.analysis.estimates import EstimateRow
from core.analysis.shares import share_rows
from core.measures.inference.cells import Cells
from core.measures.inference.intervals import Interval
from core.measures.inference.mixed import Coefficient, MixedFit
from core.measures.inference.variances import component_interval, share_interval

CELLS = Cells(
    np.zeros(4), np.full(4, 2.0),
    {"intermediate": np.array(["a", "a", "b", "b"]), "target": np.array(["t", "u", "t", "u"]),
     "language": np.array(["l"] * 4)},
    np.array([[-1.0], [-1.0], [1.0], [1.0]]), ("difficulty",),
)  # fmt: skip
"""Two intermediates before two targets, two seeds each; the harder one is two standard deviations away."""


def shares(low: float, high: float, *, estimate: float = 0.3, **variances: float) -> dict[str, EstimateRow]:
    """Rows by name, of a fit with a standard error of 0.1 and a residual variance of 0.02."""
    known = {name.replace("_", " "): value for name, value in variances.items()}
    limits = Interval(estimate, low, high, 0.95, "t", 2, 0)
    terms = tuple(Coefficient(name, limits, 0.1, 1.0, 0.5) for name in ("intercept", "difficulty"))
    components = tuple(tuple(name.split(" x ")) for name in known)
    fit = MixedFit(terms, known | {"residual": 0.02}, {}, 0.0, 4, 2, "REML", None, None, (), components)
    rows = share_rows(fit, cells=CELLS, components=components)  # type: ignore[arg-type]  # one factor or two
    return {str(row["name"]): row for row in rows}


def test_a_term_has_its_square_less_its_error_and_the_limits_of_its_coefficient() -> None:
    rows = shares(0.1, 0.5, intermediate=0.04)
    # Predicted 0.09, intermediates 0.04, residual 0.02 over two seeds: 0.14 in all.
    term = rows["difficulty"]
    assert term["estimate"] == pytest.approx((0.09 - 0.01) / 0.14)
    # Limits 0.01 and 0.25 beside the other 0.05.
    assert (term["ci_low"], term["ci_high"]) == (pytest.approx(0.01 / 0.06), pytest.approx(0.25 / 0.30))
    assert (term["n"], term["level"]) == (2, 0.95)
    assert rows["residual"]["estimate"] == pytest.approx(0.01 / 0.14)
    assert list(rows) == ["difficulty", "intermediate", "residual"]


def test_limits_on_both_sides_of_zero_begin_at_nothing_and_end_at_the_farther_one() -> None:
    term = shares(-0.4, 0.2, estimate=-0.1, intermediate=0.04)["difficulty"]
    # Predicted 0.01, in all 0.06; the rest beside the term is 0.05.
    assert (term["ci_low"], term["ci_high"]) == (0, pytest.approx(0.16 / 0.21))
    assert term["estimate"] == 0, "no more than its error"


def test_below_a_component_lie_the_residual_and_what_is_nested_in_it() -> None:
    alone = shares(0.1, 0.5, intermediate=0.04)["intermediate"]
    # The residual over the four runs of an intermediate: 0.005. The rest: 0.14 - 0.04.
    expected = share_interval(component_interval(0.04, below=0.005, levels=2), rest=0.10)
    assert (alone["estimate"], alone["ci_low"], alone["ci_high"]) == pytest.approx(expected[:3])
    both = shares(0.1, 0.5, intermediate=0.04, **{"intermediate x target": 0.03})
    # Two pairs an intermediate: 0.03 / 2 more; in all 0.17.
    expected = share_interval(component_interval(0.04, below=0.02, levels=2), rest=0.13)
    row = both["intermediate"]
    assert (row["estimate"], row["ci_low"], row["ci_high"]) == pytest.approx(expected[:3])
    pair = share_interval(component_interval(0.03, below=0.02 / 2, levels=4), rest=0.14)
    row = both["intermediate x target"]
    assert (row["estimate"], row["ci_low"], row["ci_high"], row["n"]) == (*map(pytest.approx, pair[:3]), 4)


def test_nothing_varies_and_nothing_is_shared_out() -> None:
    nothing = MixedFit((), {"residual": 0.0}, {}, 0.0, 4, 2, "REML", None, None, (), ())
    assert share_rows(nothing, cells=CELLS, components=()) == []
