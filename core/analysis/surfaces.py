"""What the figures of the analysis draw: gains by bins of difficulty and similarity, and marginal effects."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from core.analysis.model import Analysis, cell_means
from core.measures.inference.intervals import t_interval
from core.queries.evidence import Evidence


class Marginal(NamedTuple):
    """One term of the model: a line with its band, and the intermediates around it."""

    line: pd.DataFrame
    """x (unit of the measure), gain, low, high: the model at average values of all else."""
    points: pd.DataFrame
    """intermediate, x, gain (adjusted for everything else in the model), cells."""


def binned(evidence: Evidence, *, bins: int = 3) -> pd.DataFrame:
    """Mean gain by bins of difficulty and similarity, the level of each (target, language) taken out.

    Bins hold equal numbers of cells as far as ties allow. Columns: difficulty_bin, similarity_bin (0 the lowest),
    difficulty_low, difficulty_high, similarity_low, similarity_high, gain, ci_low, ci_high (t over intermediates; None
    below two), intermediates, cells. Order: the first two; empty bins are left out.

    Args:
        bins: In each direction.
    """
    cells = adjusted(evidence)
    if cells.empty:
        return pd.DataFrame(columns=list(_BIN_COLUMNS))
    for name in ("difficulty", "similarity"):
        codes = pd.qcut(cells[name].rank(method="dense"), bins, labels=False, duplicates="drop")
        cells[f"{name}_bin"] = codes.fillna(0).astype(int)
    rows = []
    for (hard, near), part in cells.groupby(["difficulty_bin", "similarity_bin"], sort=True):
        means = part.groupby("intermediate")["adjusted"].mean()
        interval = t_interval(means.to_numpy(float)) if len(means) > 1 else None
        rows.append(
            (
                hard, near, part["difficulty"].min(), part["difficulty"].max(), part["similarity"].min(),
                part["similarity"].max(), float(means.mean()), interval.low if interval else None,
                interval.high if interval else None, len(means), len(part),
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(_BIN_COLUMNS))


def marginal(evidence: Evidence, analysis: Analysis, *, name: str, steps: int = 40) -> Marginal | None:
    """What the model says of one term, all else at its average; None where the model does not have it.

    Args:
        analysis: From `analyse` on the same evidence.
        name: difficulty or similarity.
        steps: Points of the line.
    """
    fit, prepared = analysis.fit, analysis.prepared
    if fit is None or name not in prepared.cells.names:
        return None
    place = prepared.cells.names.index(name)
    term, scale = fit.coefficients[place + 1], prepared.scales[name]
    cells = adjusted(evidence)
    slopes = np.array([c.interval.estimate for c in fit.coefficients[1:]])
    others = prepared.cells.covariates @ np.where(np.arange(len(slopes)) == place, 0.0, slopes)
    # `adjusted` and `prepare` sort cells alike, so that rows correspond.
    cells["partial"] = cells["adjusted"].to_numpy(float) - (others - others.mean())
    points = cells.groupby("intermediate").agg(x=(name, "mean"), gain=("partial", "mean"), cells=("partial", "size"))
    x = np.linspace(float(points["x"].min()), float(points["x"].max()), steps)
    z = (x - scale.mean) / scale.sd
    level = float(cells["adjusted"].mean())
    half = (term.interval.high - term.interval.estimate) * np.abs(z)
    gain = level + term.interval.estimate * z
    line = pd.DataFrame({"x": x, "gain": gain, "low": gain - half, "high": gain + half})
    return Marginal(line, points.reset_index())


def adjusted(evidence: Evidence) -> pd.DataFrame:
    """Cells with `adjusted`: the gain less the mean over intermediates of its (target, language), plus the grand mean.

    Columns: those of `cell_means` and adjusted. Order: intermediate, target, lang.
    """
    cells = cell_means(evidence.complete)
    level = cells.groupby(["target", "lang"])["gain"].transform("mean")
    cells["adjusted"] = cells["gain"] - level + cells["gain"].mean()
    return cells


_BIN_COLUMNS = (
    *("difficulty_bin", "similarity_bin", "difficulty_low", "difficulty_high", "similarity_low", "similarity_high"),
    *("gain", "ci_low", "ci_high", "intermediates", "cells"),
)
