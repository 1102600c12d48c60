"""What the contrasts say, one plain sentence each."""

from __future__ import annotations

from typing import Any

import pandas as pd

from core.analysis.contrasts.pairs import CONTRASTS, Contrast
from core.analysis.contrasts.table import ALL
from core.queries.scales import UNITS, Unit


def in_words(rows: pd.DataFrame) -> tuple[str, ...]:
    """The answer from within data sets: difficulty, similarity, labels and task, each with interval and n.

    Args:
        rows: From `contrast_rows`.
    """
    units = {unit.name: unit for unit in UNITS.values()}
    there = rows[rows["group"] == ALL].set_index("contrast")
    said = []
    for contrast in CONTRASTS:
        if contrast.name not in there.index:
            said.append(f"{_title(contrast)}: only in English, or at targets that are never trained.")
            continue
        row = there.loc[contrast.name].to_dict()
        if row["n"] or contrast.name != "harder_alike":  # a refinement that nobody asked for is no gap
            said.append(_sentence(contrast, row, unit=units[str(row["unit"])]))
    return tuple(said)


def for_people(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with every number in the unit that the row names, and points as points.

    Args:
        rows: From `contrast_rows`.
    """
    factor = rows["unit"].map({unit.name: unit.factor for unit in UNITS.values()})
    scaled = {name: factor * rows[name] for name in ("estimate", "ci_low", "ci_high", "detectable")}
    return rows.assign(**scaled, **{name: 100 * rows[name] for name in ("points", "points_low", "points_high")})


def _sentence(contrast: Contrast, row: dict[Any, Any], *, unit: Unit) -> str:
    if not row["n"]:
        why = "" if row["note"] == "no pair yet" else f" that counts ({row['note']})"
        return f"{_title(contrast)}: there is no pair of runs{why} yet."
    size = _number(row["estimate"], unit)
    tasks = f"over {row['n']} base tasks" if row["n"] > 1 else "in one base task"
    head = f"{contrast.subject} change the zero-shot score by {size} {unit.name}"
    if pd.isna(row["ci_low"]):
        return f"{head} {tasks}: without an interval, this cannot be told from chance."
    low, high = _number(row["ci_low"], unit), _number(row["ci_high"], unit)
    if row["ci_low"] > 0:
        verdict = "they raise it"
    elif row["ci_high"] < 0:
        verdict = "they lower it"
    else:
        most = max(abs(row["ci_low"]), abs(row["ci_high"]))
        verdict = f"this can be chance, and a change of more than {abs(unit.factor * most):.1f} is unlikely"
    return f"{head} ({low} to {high}) {tasks}: {verdict}."


def _title(contrast: Contrast) -> str:
    return contrast.label[0].upper() + contrast.label[1:]


def _number(value: float, unit: Unit) -> str:
    return f"{unit.factor * value:+.1f}".replace("-", "−")
