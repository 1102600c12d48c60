"""What the figures of the analysis draw: gains by bins, marginal effects, and any two things known of each cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.analysis.model import Analysis, cell_means
from core.languages import language
from core.measures.difficulty.table import DIFFICULTIES
from core.measures.inference.intervals import t_interval
from core.measures.similarity.table import SIMILARITIES
from core.queries.evidence import AnalysisOptions, Evidence


class Marginal(NamedTuple):
    """One term of the model: a line with its band, and the intermediates around it."""

    line: pd.DataFrame
    """x (unit of the measure), gain, low, high: the model at average values of all else."""
    points: pd.DataFrame
    """intermediate, x, gain (adjusted for everything else in the model), cells."""


class Known(NamedTuple):
    """Something that is known of each cell, or of its intermediate, its target or its language."""

    title: str
    """What people read, with the unit."""
    meaning: str
    """In one sentence, and what large means."""
    column: str
    """Of the evidence; `wikipedia` is of the table of languages."""
    factor: float = 1.0
    """From what is stored to what is drawn."""
    difficulty: str | None = None
    """Key of the measure of difficulty that the column then holds; None: any."""
    similarity: str | None = None
    """Key of the measure of similarity that the column then holds; None: any."""
    is_log: bool = False
    """Whether an axis of it is logarithmic: it spans powers of ten."""


KNOWN: dict[str, Known] = {
    "gain": Known("gain, points", "Score minus that of the same run without the intermediate.", "gain", 100),
    **{
        f"difficulty-{name}": Known(f"difficulty ({m.label})", f"{m.meaning} To the right, or up, is hard.",
                                    "difficulty", difficulty=name)
        for name, m in DIFFICULTIES.items()
    },
    **{
        f"similarity-{name}": Known(f"similarity ({m.label})", f"{m.meaning} To the right, or up, is near.",
                                    "similarity", similarity=name)
        for name, m in SIMILARITIES.items()
    },
    "distance": Known("distance of the language from English",
                      "By its syntax (URIEL), from 0 (English) to 1.", "distance"),
    "wikipedia": Known("Wikipedia in the language, million articles",
                       "How much text of the language there is.", "wikipedia", is_log=True),
    "size": Known("training examples of the intermediate", "How many its stage was trained on.", "log_size",
                  is_log=True),
    "match": Known("share of the intermediate's tasks of the target's type",
                   "1: the same type, such as two classifications; 0: another.", "type_match"),
    "baseline": Known("score without the intermediate, %", "Of the baseline, in the cell's language.",
                      "baseline_score", 100),
    "score": Known("score after the intermediate, %", "In the cell's language.", "score", 100),
    "n": Known("test examples", "How many the cell's scores are over.", "n", is_log=True),
}  # fmt: skip
"""What an axis can show, by the name that an address holds."""

_CELL = ["intermediate", "target", "lang"]
_UNMEASURED = {"no difficulty", "no similarity", "difficulty undefined", "third"}
"""Why a cell is in no model although its gain counts: a measure that another axis does not need."""


def any_two(read: Callable[[AnalysisOptions], Evidence], options: AnalysisOptions, *, x: str, y: str) -> pd.DataFrame:
    """Two things known of each cell whose gain counts, means over seeds.

    Columns: intermediate, target, lang, family, n_seeds, x, y (as they are drawn; NaN where not known). Order: the
    first three.

    Args:
        read: The evidence under other measures.
        options: Which rows, and the measures where an axis does not name its own.
        x: Key of `KNOWN`.
        y: Key of `KNOWN`.
    """
    across, up = (_valued(read, options, KNOWN[name]) for name in (x, y))
    found = across.rename(columns={"value": "x"})
    return found.merge(up[[*_CELL, "value"]].rename(columns={"value": "y"}), on=_CELL, how="inner")


def _valued(read: Callable[[AnalysisOptions], Evidence], options: AnalysisOptions, known: Known) -> pd.DataFrame:
    asked = replace(
        options, difficulty=known.difficulty or options.difficulty, similarity=known.similarity or options.similarity
    )
    frame = read(asked).frame
    frame = frame[frame["gain"].notna() & (frame["complete"] | frame["why"].isin(_UNMEASURED))]
    if known.column == "wikipedia":
        sizes = {code: language(code).wikipedia_millions for code in frame["lang"].unique()}
        frame = frame.assign(wikipedia=frame["lang"].map(sizes).astype("float64"))
    cells = frame.groupby(_CELL, observed=True, sort=True).agg(
        family=("family", "first"), n_seeds=("seed", "nunique"), value=(known.column, "mean")
    )
    values = known.factor * cells["value"].astype("float64")
    return cells.assign(value=10**values if known.column == "log_size" else values).reset_index()


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
