"""How much difficulty and similarity explain: the crossed mixed model and what it is held against.

Every answer is a frame of rows `ESTIMATES`. The cells are means over seeds in their target's own scale; the independent
unit is the base task, however many thirds, placebos and cells there are. Runs spread differently at each target.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.analysis.estimates import ESTIMATES, EstimateRow, estimate_row, estimates_frame
from core.analysis.shares import EXPLAINING, share_rows
from core.errors import DataError
from core.measures.difficulty.table import DIFFICULTIES
from core.measures.inference.cells import FACTORS, Cells, level_numbers, select_cells
from core.measures.inference.mixed import COMPONENTS, OF_TASKS, Coefficient, Components, MixedFit, fit_mixed, naive_ols
from core.measures.inference.nulls import NullComparison, Report, compare_with_additive, permutation_test
from core.measures.inference.stats import minimum_detectable_effect
from core.measures.inference.variances import residual_precision
from core.measures.similarity.table import SIMILARITIES
from core.queries.evidence import Evidence

LEAST_INTERMEDIATES = 4
"""Fewer conditions have no residual degrees of freedom worth the name."""

ENOUGH_INTERMEDIATES = 8
"""From here on the evidence is no longer called thin for its number of conditions alone."""

MANY_CELLS = 1_500
"""Above, the additive null is compared in five folds and not ten: each costs two fits."""


class Scale(NamedTuple):
    """How a covariate entered the model."""

    label: str
    """What large means."""
    mean: float
    """Taken away."""
    sd: float
    """Divided by; 1 where the unit is kept."""
    unit: str
    """Of the coefficient."""


class Prepared(NamedTuple):
    """Cells as the model takes them."""

    cells: Cells
    scales: dict[str, Scale]
    dropped: dict[str, str]
    components: Components


class Analysis(NamedTuple):
    """The quick part of an answer: model, naive regression, permutation."""

    prepared: Prepared
    fit: MixedFit | None
    estimates: pd.DataFrame
    problem: str | None


_TERMS: dict[str, tuple[str, bool, str]] = {
    "difficulty": ("harder intermediate", True, "scaled gain per standard deviation"),
    "similarity": ("nearer intermediate", True, "scaled gain per standard deviation"),
    "type_match": ("same task type as the target", False, "scaled gain, same type against another"),
    "log_size": ("larger intermediate training set", False, "scaled gain per factor of ten"),
    "distance": ("language farther from English (URIEL syntax)", True, "scaled gain per standard deviation"),
}
"""Covariates in the order in which they are given up where conditions are few, the last first."""


def prepare(evidence: Evidence, *, rows: NDArray[np.bool_] | None = None) -> Prepared:
    """Mean gains by cell with standardised covariates, those left out that the cells cannot tell apart.

    Args:
        rows: Which of its complete rows; None: all.

    Raises:
        DataError: Fewer than `LEAST_INTERMEDIATES` conditions or no cell.
    """
    return prepare_cells(cell_means(evidence.complete if rows is None else evidence.complete[rows]))


def prepare_cells(cells: pd.DataFrame) -> Prepared:
    """The same from mean gains by cell.

    Args:
        cells: From `cell_means`; some of its rows.

    Raises:
        DataError: Fewer than `LEAST_INTERMEDIATES` conditions or no cell.
    """
    n = cells["intermediate"].nunique()
    if n < LEAST_INTERMEDIATES:
        who = f"{n} intermediates have" if n > 1 else f"{n or 'no'} intermediate has"
        raise DataError(
            f"{who} a gain, a difficulty and a similarity; a comparison across tasks needs {LEAST_INTERMEDIATES} or "
            "more, and more languages or seeds of the same ones do not help. Run others, or measure what theirs are."
        )
    columns, scales, dropped = _covariates(cells, n_intermediates=n)
    levels = {
        "intermediate": cells["intermediate"].to_numpy(str),
        "target": cells["target"].to_numpy(str),
        "language": cells["lang"].to_numpy(str),
        "task": cells["task"].to_numpy(str),
    }
    design = np.column_stack(list(columns.values())) if columns else np.empty((len(cells), 0))
    made = Cells(cells["gain"].to_numpy(float), cells["weight"].to_numpy(float), levels, design, tuple(columns))
    components = usable_components(made)
    precision = residual_precision(made, components=components)
    return Prepared(made._replace(precision=precision), scales, dropped, components)


def cell_means(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per (intermediate, target, language): mean gain in the target's own scale, its runs, and its covariates.

    Columns: intermediate, target, lang, gain, weight, the covariates, family, script, task. Order: the first three.

    Args:
        frame: Complete rows of evidence.
    """
    kept = (*_TERMS, "family", "script", "task")
    frame = frame.assign(gain=frame["gain"] / frame["divisor"])
    grouped = frame[frame["gain"].notna()].groupby(["intermediate", "target", "lang"], observed=True, sort=True)
    means = {"gain": ("gain", "mean"), "weight": ("gain", "size")} | {name: (name, "first") for name in kept}
    return grouped.agg(**means).reset_index()


def usable_components(cells: Cells) -> Components:
    """Random effects that these cells can tell from each other and from the rest.

    Args:
        cells: From `prepare`.
    """
    levels = {f: len(np.unique(cells.levels[f])) for f in cells.levels}
    has_tasks = levels["task"] < levels["intermediate"]
    kept = []
    for component in (*OF_TASKS, *COMPONENTS) if has_tasks else COMPONENTS:
        if any(levels[factor] < 2 for factor in component):
            continue
        count = len(level_numbers(cells, factors=component)[1])
        if count < len(cells.gain):
            kept.append(component)
    return tuple(kept) or (("intermediate",),)


def analyse(evidence: Evidence, *, seed: int = 0) -> Analysis:
    """The mixed model, the naive regression beside it, and the permutation of whole intermediates.

    Args:
        seed: Of the permutations.
    """
    empty = Prepared(_no_cells(), {}, {}, ())
    try:
        prepared = prepare(evidence)
        fit = fit_mixed(prepared.cells, components=prepared.components)
    except DataError as error:
        return Analysis(empty, None, estimates_frame([]), str(error))
    figures = [_term(c, kind="term", prepared=prepared) for c in fit.coefficients]
    figures += [_term(c, kind="naive", prepared=prepared) for c in naive_ols(prepared.cells)]
    figures += share_rows(fit, cells=prepared.cells)
    figures += _residuals(fit, prepared=prepared)
    figures += _permutations(prepared, seed=seed)
    return Analysis(prepared, fit, estimates_frame(figures), None)


def additive_null(analysis: Analysis, *, seed: int = 0) -> pd.DataFrame:
    """Does the model predict held-out (intermediate, target) pairs better than intermediate + target alone?

    Rows of `ESTIMATES`: the root mean squared error of each model; `improvement`, the share of the additive model's
    squared error that difficulty, similarity and the rest remove; `likelihood_ratio`, the test on the cells that were
    fitted, which may find what no held-out pair confirms.

    Args:
        analysis: From `analyse`.
        seed: Of the folds.
    """
    return held_out(analysis.prepared, seed=seed) if analysis.fit is not None else estimates_frame([])


def held_out(prepared: Prepared, *, seed: int = 0, report: Report = lambda done, total: None) -> pd.DataFrame:
    """The same from what `prepare` made.

    Args:
        prepared: Cells and covariates.
        seed: Of the folds.
        report: Told how many folds are done.
    """
    cells = prepared.cells
    pairs = len(level_numbers(cells, factors=("intermediate", "target"))[1]) if len(cells.gain) else 0
    if pairs < 2 * LEAST_INTERMEDIATES or len(np.unique(cells.levels["target"])) < 2:
        return estimates_frame([])
    folds = min(5 if len(cells.gain) > MANY_CELLS else 10, pairs)
    found, left_out = _held_out(prepared, folds=folds, seed=seed, report=report)
    if found is None:
        return estimates_frame([])
    note = f"without {', '.join(left_out)}, which a fold cannot tell apart" if left_out else None
    labels = {"mean": "one mean", "additive": "intermediate + target (Choshen et al. 2022)",
              "covariates": "difficulty, similarity and the rest alone", "full": "all together"}  # fmt: skip
    formula = "root of the mean squared error on held-out (intermediate, target) pairs"
    rows = [
        estimate_row("null", m.name, label=labels[m.name], estimate=m.rmse, n=pairs, n_unit="pairs", unit="scaled gain",
             method=f"{folds}-fold over pairs", formula=formula, note=note)
        for m in found.models
    ]  # fmt: skip
    additive = next(m.rmse for m in found.models if m.name == "additive") ** 2
    i = found.improvement
    rows.append(
        estimate_row(
            "null", "improvement", label="squared error removed beyond intermediate + target",
            estimate=i.estimate / additive, low=i.low / additive, high=i.high / additive, n=i.n,
            n_unit="intermediates", unit="share", method=f"{i.method} over intermediates",
            formula="(MSE additive - MSE full) / MSE additive", note=note,
        )
    )  # fmt: skip
    terms = len(cells.names) - len(left_out)
    rows.append(
        estimate_row(
            "null", "likelihood_ratio", label="better fit to the cells it was fitted on, all covariates at once",
            estimate=found.likelihood_ratio, n=len(cells.gain), n_unit="cells", unit="twice the log-likelihood ratio",
            p_value=found.p_value, method=f"smallest p-value of the terms times {terms}, nothing held out",
            formula="2 (log L full - log L additive)", note=note,
        )
    )  # fmt: skip
    return estimates_frame(rows)


def _held_out(
    prepared: Prepared, *, folds: int, seed: int, report: Report
) -> tuple[NullComparison | None, tuple[str, ...]]:
    """The comparison with all covariates, or else with the two in question alone; and what was left out."""
    names = prepared.cells.names
    for terms in (names, tuple(n for n in names if n in EXPLAINING)):
        try:
            found = compare_with_additive(
                select_cells(prepared.cells, terms=terms), rng=np.random.default_rng(seed), folds=folds,
                components=prepared.components, report=report,
            )  # fmt: skip
        except DataError:
            continue
        return found, tuple(n for n in names if n not in terms)
    return None, ()


def by_group(evidence: Evidence, *, kind: str, least: int = LEAST_INTERMEDIATES) -> pd.DataFrame:
    """The model again within each target, family or script.

    Columns: group_kind, group, cells, and `ESTIMATES` for the terms difficulty and similarity and for every share. A
    group with too few conditions has one row that says so.

    Args:
        kind: target, family or script.
        least: Fewest conditions of a group.
    """
    return fit_groups(cell_means(evidence.complete), kind=kind, least=least)


def fit_groups(
    cells: pd.DataFrame, *, kind: str, least: int = LEAST_INTERMEDIATES, report: Report = lambda done, total: None
) -> pd.DataFrame:
    """The same from mean gains by cell.

    Args:
        cells: From `cell_means`.
        kind: target, family or script.
        least: Fewest conditions of a group.
        report: Told how many groups are done.
    """
    rows = []
    groups = sorted(cells[kind].unique())
    for place, group in enumerate(groups):
        report(place, len(groups))
        part = cells[cells[kind] == group]
        n = part["intermediate"].nunique()
        try:
            if n < least:
                raise DataError(f"{n} intermediates, {least} needed")
            prepared = prepare_cells(part)
            fit = fit_mixed(prepared.cells, components=prepared.components)
        except DataError as error:
            rows.append({"group_kind": kind, "group": group, "n": n, "note": str(error), "cells": 0})
            continue
        found = [_term(c, kind="term", prepared=prepared) for c in fit.coefficients if c.name in EXPLAINING]
        found += share_rows(fit, cells=prepared.cells)
        rows += [{"group_kind": kind, "group": group, "cells": len(prepared.cells.gain)} | row for row in found]
    return pd.DataFrame(rows, columns=["group_kind", "group", "cells", *ESTIMATES])


def _covariates(
    cells: pd.DataFrame, *, n_intermediates: int
) -> tuple[dict[str, NDArray[Any]], dict[str, Scale], dict[str, str]]:
    columns: dict[str, NDArray[Any]] = {}
    scales: dict[str, Scale] = {}
    dropped: dict[str, str] = {}
    at_intermediate = 0
    for name, (label, standardise, unit) in _TERMS.items():
        values = cells[name].astype("float64")
        if values.isna().any():
            dropped[name] = f"not known for {int(values.isna().sum())} of {len(cells)} cells"
            continue
        sd = float(values.std(ddof=0))
        if sd < 1e-12:
            dropped[name] = f"the same everywhere ({values.iloc[0]:.3g})"
            continue
        of_intermediate = bool((cells.groupby("intermediate")[name].nunique() == 1).all())
        if of_intermediate and at_intermediate + 1 > n_intermediates - 3:
            dropped[name] = f"{n_intermediates} intermediates are too few for {at_intermediate + 1} terms of their own"
            continue
        centred = ((values - values.mean()) / (sd if standardise else 1.0)).to_numpy(dtype=np.float64)
        design = np.column_stack([np.ones(len(cells)), *columns.values(), centred])
        if np.linalg.matrix_rank(design) < design.shape[1]:
            dropped[name] = "it follows from the terms before it"
            continue
        at_intermediate += of_intermediate
        columns[name] = centred
        scales[name] = Scale(label, float(values.mean()), sd if standardise else 1.0, unit)
    return columns, scales, dropped


def _permutations(prepared: Prepared, *, seed: int) -> list[EstimateRow]:
    rows = []
    for name in EXPLAINING:
        if name not in prepared.cells.names:
            continue
        try:
            found = permutation_test(
                prepared.cells, term=name, rng=np.random.default_rng(seed), components=prepared.components
            )
        except DataError as error:
            rows.append(estimate_row("permutation", name, label=prepared.scales[name].label, note=str(error)))
            continue
        rows.append(
            estimate_row(
                "permutation", name, label=prepared.scales[name].label, estimate=found.statistic, p_value=found.p_value,
                n=found.n_groups, n_unit="units that change places", unit="t",
                formula="t of the term under the model without it",
                method=f"{found.resamples} permutations of base tasks, or of intermediates inside them (Mantel)",
            )
        )  # fmt: skip
    return rows


def _term(c: Coefficient, *, kind: str, prepared: Prepared) -> EstimateRow:
    scale = prepared.scales.get(c.name, Scale("mean gain at average covariates", 0.0, 1.0, "scaled gain"))
    i = c.interval
    naive = kind == "naive"
    formula = "least squares, every cell independent" if naive else _formula(prepared)
    note = f"standard deviation {scale.sd:.2g}, mean {scale.mean:.2g}".replace("-", "−") if scale.sd != 1 else None
    return estimate_row(
        kind, c.name, label=scale.label, estimate=i.estimate, low=i.low, high=i.high, p_value=c.p_value, n=i.n,
        n_unit="cells taken for independent" if naive else "base tasks", unit=scale.unit,
        detectable=None if naive else minimum_detectable_effect(c.standard_error, df=c.df),
        method=f"{i.method}, {c.df:g} df", formula=formula, note=note,
    )  # fmt: skip


def _formula(prepared: Prepared) -> str:
    effects = " + ".join(f"({' x '.join(c)})" for c in prepared.components)
    terms = " + ".join(prepared.cells.names) or "1"
    return f"gain ~ {terms} + {effects}; REML on cells' mean gains, one residual variance per target"


def _residuals(fit: MixedFit, *, prepared: Prepared) -> list[EstimateRow]:
    """How much one run spreads at each target around what the model says."""
    known = prepared.cells.precision or dict.fromkeys(np.unique(prepared.cells.levels["target"]).tolist(), 1.0)
    rest = fit.variances["residual"]
    return [
        estimate_row(
            "residual", target, label="standard deviation of a run around the model", estimate=(rest / value) ** 0.5,
            n=int(np.sum(prepared.cells.levels["target"] == target)), n_unit="cells", unit="scaled gain",
            method=fit.method, formula="residual variance of the target, square root",
        )
        for target, value in known.items()
    ]  # fmt: skip


def _no_cells() -> Cells:
    none = np.empty(0)
    return Cells(none, none, {factor: np.empty(0, dtype=str) for factor in FACTORS}, np.empty((0, 0)), ())


def scale_label(name: str, *, evidence: Evidence) -> str:
    """What a covariate measures, with its unit, for an axis.

    Args:
        name: difficulty or similarity.
        evidence: Says which measure.
    """
    options = evidence.options
    found = DIFFICULTIES[options.difficulty] if name == "difficulty" else SIMILARITIES[options.similarity]
    return f"{found.label}, {found.unit}"
