"""What the contrasts say, one plain sentence each."""

from __future__ import annotations

from collections.abc import Mapping
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
        if contrast.name not in set(rows["contrast"]):
            continue  # a refinement that nobody asked for is no gap
        if contrast.name not in there.index:
            said.append(
                f"{contrast.subject}: the runs show it in English alone, or before targets that are not trained on."
            )
            continue
        row = there.loc[contrast.name].to_dict()
        said.append(_sentence(contrast, row, unit=units[str(row["unit"])]))
    known = there.loc[there["n"].fillna(0) > 0, "seeds"]
    if len(known) and int(known.max()) == 1:
        said.append("All of this is of one seed, so nobody knows what another seed would give.")
    return tuple(said)


_IN_UNIT = ("estimate", "ci_low", "ci_high", "detectable", "learned", "learned_low", "learned_high")


def for_people(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with every number in the unit that the row names, and points as points.

    Args:
        rows: From `contrast_rows`.
    """
    factor = rows["unit"].map({unit.name: unit.factor for unit in UNITS.values()})
    scaled = {name: factor * rows[name] for name in _IN_UNIT}
    return rows.assign(**scaled, **{name: 100 * rows[name] for name in ("points", "points_low", "points_high")})


def _sentence(contrast: Contrast, row: dict[Any, Any], *, unit: Unit) -> str:
    if not row["n"]:
        if row["note"] == "no pair yet":
            return f"No runs compare {contrast.compared} yet."
        return f"No runs that count compare {contrast.compared} yet ({row['note']})."
    size = _number(row["estimate"], unit)
    tasks = f"on average over the {row['n']} tasks that were run both ways" if row["n"] > 1 else "in one task"
    head = f"{contrast.subject} changes the zero-shot score by {size} {unit.name}"
    if pd.isna(row["ci_low"]):
        return f"{head} {tasks}: there is no interval, so this cannot be told from chance."
    low, high = _number(row["ci_low"], unit), _number(row["ci_high"], unit)
    if row["ci_low"] > 0:
        verdict = "it raises the score"
    elif row["ci_high"] < 0:
        verdict = "it lowers the score"
    else:
        same = unit.holds(row["ci_low"], row["ci_high"])
        mean = " on average" if row["n"] > 1 else ""
        verdict = f"about the same{mean}" if same else "open, this can be chance"
    return f"{head} {tasks} (95 % interval {low} to {high}): {verdict}.{_unlearned(contrast, row, unit=unit)}"


def _unlearned(contrast: Contrast, row: dict[Any, Any], *, unit: Unit) -> str:
    """Which side was not learned, how often, and what the pairs say where both were."""
    said = unlearned_sides(contrast.sides, row)
    if not said:
        return ""
    head = (
        f" {said[0].upper()}{said[1:]} was not learned: the model did no better than guessing after it. These "
        "comparisons count, but in them a difference may only mean that such training changed less."
    )
    if not row["n_learned"]:
        return f"{head} Nowhere were both learned."
    size, n = f"{_number(row['learned'], unit)} {unit.name}", row["n_learned"]
    if pd.isna(row["learned_low"]):
        return f"{head} Where both were learned, in {n} task{'s' * (n > 1)}: {size}, without an interval."
    low, high = _number(row["learned_low"], unit), _number(row["learned_high"], unit)
    return f"{head} Where both were learned, in {n} tasks: {size} ({low} to {high})."


def unlearned_sides(sides: tuple[str, str], row: Mapping[Any, Any]) -> str:
    """In how many comparisons a third was not learned: "in 308 of 532 comparisons the hardest third"; empty if in none.

    Args:
        sides: Of the contrast, as subjects of a sentence.
        row: Of `contrast_rows`.
    """
    counts = [(n, side) for side, n in zip(sides, (row["one_unlearned"], row["other_unlearned"]), strict=True) if n > 0]
    if not counts:
        return ""
    (n, side), *more = counts
    return f"in {n} of {row['pairs']} comparisons {side}" + "".join(f" and in {n} {side}" for n, side in more)


def _number(value: float, unit: Unit) -> str:
    return f"{unit.factor * value:+.1f}".replace("-", "−")
