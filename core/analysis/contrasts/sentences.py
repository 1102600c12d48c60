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
            said.append(
                f"{contrast.subject}: the runs show it in English alone, or before targets that are not trained on."
            )
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
        if row["note"] == "no pair yet":
            return f"No runs compare {contrast.compared} yet."
        return f"No runs that count compare {contrast.compared} yet ({row['note']})."
    size = _number(row["estimate"], unit)
    tasks = f"on average over {row['n']} tasks" if row["n"] > 1 else "in one task"
    head = f"{contrast.subject} changes the zero-shot score by {size} {unit.name}"
    if pd.isna(row["ci_low"]):
        return f"{head} {tasks}: there is no interval, so this cannot be told from chance."
    low, high = _number(row["ci_low"], unit), _number(row["ci_high"], unit)
    if row["ci_low"] > 0:
        verdict = "it raises the score"
    elif row["ci_high"] < 0:
        verdict = "it lowers the score"
    else:
        verdict = "this can be chance"
    return f"{head} {tasks} (95 % interval {low} to {high}): {verdict}.{_unlearned(str(row['note']))}"


def _unlearned(note: str) -> str:
    said = next((text for text in note.split("; ") if "was not learned" in text), "")
    return f" {said[0].upper()}{said[1:]}: these count, as what is learned is part of the outcome." if said else ""


def _number(value: float, unit: Unit) -> str:
    return f"{unit.factor * value:+.1f}".replace("-", "−")
