"""Rows of shares: terms first, then names, then the rest, each with what it is a share of."""

from __future__ import annotations

import numpy as np
import pytest

from core.analysis.shares import share_rows
from core.measures.inference.mixed import fit_mixed
from tests.reference.cells import aggregate_cells


def test_rows_say_what_they_are_and_add_up() -> None:
    rng = np.random.default_rng(0)
    i, t, lang = (a.ravel() for a in np.indices((8, 4, 3)))
    hard = rng.normal(size=8)[i]
    gain = 0.5 * hard + rng.normal(size=8)[i] + rng.normal(size=4)[t] + 0.3 * rng.normal(size=len(i))
    cells = aggregate_cells(gain, intermediate=i, target=t, language=lang, covariates={"difficulty": hard})
    fit = fit_mixed(cells, components=(("intermediate",), ("target",)))
    rows = share_rows(fit, cells=cells)
    assert [row["name"] for row in rows] == ["difficulty", "intermediate", "target", "residual"]
    term = fit.coefficients[1]
    explained = (term.interval.estimate**2 - term.standard_error**2) * float(np.var(hard))
    whole = fit.variances["intermediate"] / fit.shares["intermediate"]
    assert rows[0]["estimate"] == pytest.approx(max(explained, 0) / whole)
    assert rows[1]["estimate"] == pytest.approx(fit.shares["intermediate"])
    assert rows[-1]["estimate"] == pytest.approx(fit.shares["residual"])
    assert [row["n"] for row in rows] == [8, 8, 4, 96]
    assert all(row["ci_low"] <= row["estimate"] <= row["ci_high"] for row in rows[:-1])  # type: ignore[operator]


def test_what_other_terms_explain_has_a_row_and_all_shares_are_one() -> None:
    """A type that matches moves gains by 2: what the two terms of the question leave of that is the other terms'."""
    rng = np.random.default_rng(1)
    i, t, lang = (a.ravel() for a in np.indices((8, 4, 3)))
    match, hard = (i + t) % 2.0, rng.normal(size=8)[i]
    gain = 2.0 * match + rng.normal(size=4)[t] + 0.3 * rng.normal(size=len(i))
    cells = aggregate_cells(
        gain, intermediate=i, target=t, language=lang, covariates={"difficulty": hard, "type_match": match}
    )
    rows = {row["name"]: row for row in share_rows(fit_mixed(cells, components=(("target",),)), cells=cells)}
    assert list(rows) == ["difficulty", "covariates", "target", "residual"]
    assert rows["covariates"]["label"] == "same task type as the target"
    whole = float(np.var(gain))
    assert rows["covariates"]["estimate"] == pytest.approx(np.var(2.0 * match) / whole, abs=0.15)
    assert sum(row["estimate"] for row in rows.values()) == pytest.approx(1)  # type: ignore[misc]


def test_nothing_varies_and_nothing_is_shared_out() -> None:
    cells = aggregate_cells(
        [0.0] * 8, intermediate=list("aabbaabb"), target=list("xyxyxyxy"), language=list("llllmmmm"), covariates={}
    )
    assert share_rows(fit_mixed(cells, components=(("intermediate",),)), cells=cells) == []
