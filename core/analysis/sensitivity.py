"""Does the answer hold for one measure alone: the model again with every measure of difficulty and of similarity.

A specification curve (Simonsohn, Simmons & Nelson 2020, doi:10.1038/s41562-020-0912-z): the same gains, the same model,
another way to measure what explains them. The estimates are not independent, so they are shown side by side and never
averaged or tested together.
"""

from __future__ import annotations

import duckdb
import pandas as pd

from core.analysis.estimates import ESTIMATES, estimate_row
from core.analysis.model import cell_means, prepare_cells
from core.errors import DataError
from core.measures.difficulty.table import DIFFICULTIES
from core.measures.inference.mixed import Coefficient, fit_mixed
from core.measures.inference.nulls import Report
from core.measures.similarity.table import SIMILARITIES
from core.queries.covariates import difficulties, similarities
from core.queries.evidence import Evidence, profile_view
from core.queries.scales import Unit
from core.spec.profile import text_point

COLUMNS = ("difficulty_measure", "similarity_measure", *ESTIMATES)
"""Columns of the specifications: which measures, and the figures of one term."""

_TERMS = ("difficulty", "similarity")
_UNKNOWN = ("no difficulty", "difficulty undefined", "no similarity")
"""Why a row does not count with the measures that were chosen, though it may with others."""


def measured_cells(cur: duckdb.DuckDBPyConnection, evidence: Evidence) -> pd.DataFrame:
    """Mean gain of each cell with every measure that the store has.

    Columns: those of `cell_means`, and `difficulty:NAME` and `similarity:NAME` (large: hard, near; NaN where it is not
    known) of every measure that is known for some cell. Order: intermediate, target, lang.

    Args:
        evidence: What the store says; its filter, anchor and pooled runs hold here, too.
    """
    frame, options = evidence.frame, evidence.options
    usable = frame[frame["gain"].notna() & (frame["why"].isna() | frame["why"].isin(_UNKNOWN))]
    cells = cell_means(usable)
    cells = cells.assign(point=cells["intermediate"].map(text_point))
    for name in DIFFICULTIES:
        known = difficulties(cur, measure=name, like=profile_view(evidence.pooled)).frame
        column = known[["intermediate", "difficulty"]].rename(columns={"difficulty": f"difficulty:{name}"})
        cells = cells.merge(column, on="intermediate", how="left")
    for name in SIMILARITIES:
        found = similarities(
            cur, measure=name, data_source=evidence.pooled.data_source, centred=options.centred
        ).frame  # fmt: skip
        keys = ["point", "target"] if options.anchor == "train" else ["point", "target", "lang"]
        column = found[found["role"] == options.anchor][[*keys, "similarity"]]
        cells = cells.merge(column.rename(columns={"similarity": f"similarity:{name}"}), on=keys, how="left")
    measures = [name for name in cells.columns if ":" in name]
    unknown = [name for name in measures if cells[name].isna().all()]
    return cells.drop(columns=["point", *unknown])


def sensitivity(cells: pd.DataFrame, *, report: Report = lambda done, total: None) -> pd.DataFrame:
    """Both terms of the model under every pair of measures; two rows a pair.

    Columns: `COLUMNS`; kind is `specification`, name `difficulty` or `similarity`, estimates are gains (fractions) for
    one standard deviation; a pair without a model, or a term that was dropped, has no estimate and says why in `note`.

    Args:
        cells: From `measured_cells`.
        report: Told how many pairs are done.
    """
    pairs = [(hard, near) for hard in _measures(cells, "difficulty") for near in _measures(cells, "similarity")]
    rows: list[dict[str, object]] = []
    for place, (hard, near) in enumerate(pairs):
        report(place, len(pairs))
        chosen = cells.assign(difficulty=cells[f"difficulty:{hard}"], similarity=cells[f"similarity:{near}"])
        which = {"difficulty_measure": hard, "similarity_measure": near}
        rows += [which | row for row in _rows(chosen.dropna(subset=list(_TERMS)).reset_index(drop=True))]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n": "Int64"})


def n_pairs(cells: pd.DataFrame) -> int:
    """How many pairs of measures `sensitivity` would fit.

    Args:
        cells: From `measured_cells`.
    """
    return len(_measures(cells, "difficulty")) * len(_measures(cells, "similarity"))


def spread_in_words(rows: pd.DataFrame, *, term: str, unit: Unit) -> str:
    """One sentence on a term over all pairs of measures.

    Args:
        rows: From `sensitivity`.
        term: difficulty or similarity.
        unit: Of the estimates.
    """
    found = rows[(rows["name"] == term) & rows["estimate"].notna()]
    if found.empty:
        return f"The effect of {term} cannot be estimated with any measure."
    above, below = int((found["ci_low"] > 0).sum()), int((found["ci_high"] < 0).sum())
    shown = [unit.factor * found["estimate"].astype(float).quantile(q) for q in (0, 0.5, 1)]
    low, middle, high = (f"{value:+.2f}".replace("-", "−") for value in shown)
    hold = "zero lies inside every 95 % interval"
    if above + below:
        hold = f"{above} 95 % interval{'s' * (above != 1)} above zero, {below} below"
    n = f"{len(found)} pair{'s' * (len(found) != 1)}"
    return (
        f"With every known measure of difficulty beside every one of similarity ({n}), the effect of {term} is "
        f"estimated as {low} to {high} {unit.name} (median {middle}); {hold}."
    )


def _measures(cells: pd.DataFrame, term: str) -> list[str]:
    return [column.split(":")[1] for column in cells.columns if column.startswith(f"{term}:")]


def _rows(cells: pd.DataFrame) -> list[dict[str, object]]:
    try:
        prepared = prepare_cells(cells)
        fit = fit_mixed(prepared.cells, components=prepared.components)
    except DataError as error:
        return [estimate_row("specification", term, note=str(error)) for term in _TERMS]
    known = {c.name: c for c in fit.coefficients}
    return [_row(term, known.get(term), why=prepared.dropped.get(term)) for term in _TERMS]


def _row(term: str, c: Coefficient | None, *, why: str | None) -> dict[str, object]:
    if c is None:
        return estimate_row("specification", term, note=why)
    i = c.interval
    return estimate_row(
        "specification", term, estimate=i.estimate, low=i.low, high=i.high, p_value=c.p_value, n=i.n,
        n_unit="intermediates", unit="scaled gain per standard deviation", method=f"{i.method}, {c.df:g} df",
    )  # fmt: skip
