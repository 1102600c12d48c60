"""Contrasts as a table: each with its interval over base tasks, overall, by language group and by target.

A difference is averaged over seeds, then over languages, then over targets inside a base task; the mean over base tasks
has Student's limits, because the base task is the independent unit however many thirds, targets, languages and seeds
it has. Targets are averaged in their own scale. Targets that are never trained (retrieval) stand apart.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.analysis.contrasts.pairs import CONTRASTS, paired
from core.measures.inference.correlation import t_limits
from core.measures.inference.stats import minimum_detectable_effect
from core.queries.evidence import Evidence
from core.queries.scales import UNITS
from core.store.counted import REASONS, reasons_in_words

ALL, ENGLISH, RETRIEVAL = "all targets", "all targets, in English", "retrieval, not trained on"
"""Groups that every contrast has; the first is what the question is about."""

COLUMNS = (
    *("contrast", "label", "group_kind", "group", "estimate", "ci_low", "ci_high", "p_value", "n", "n_unit", "unit"),
    *("points", "points_low", "points_high", "detectable", "targets", "langs", "seeds", "pairs", "method", "note"),
    *("one_unlearned", "other_unlearned", "learned", "learned_low", "learned_high", "n_learned"),
)
"""Columns of `contrast_rows`, in order."""


_SIDES = {contrast.name: contrast.sides for contrast in CONTRASTS}


class TaskMean(NamedTuple):
    """A contrast's mean over base tasks with Student's limits; NaN where there are fewer than two."""

    estimate: float
    low: float
    high: float
    p_value: float
    n: int
    detectable: float


def contrast_rows(evidence: Evidence, *, by: str = "target") -> pd.DataFrame:
    """One row per contrast and group; a contrast without any pair has one row that says so.

    A refinement of another contrast that nobody asked for has none. Columns: `COLUMNS`; estimate and limits are in
    the scale's unit as stored (fractions of the head-room, or standard deviations), points and its limits differences
    of scores where the group is one target; n counts base tasks; note: what a reader must know; one_unlearned and
    other_unlearned: pairs whose intermediate on that side was not learned, which count; learned, its limits and
    n_learned: estimate, limits and base tasks of the pairs where both were. Groups: languages but English, English,
    retrieval targets, then those of `by`.

    Args:
        evidence: What the store says.
        by: target, family or script.
    """
    pairs = counted_pairs(evidence)
    there = set(pairs["contrast"])
    wanted = [contrast.name for contrast in CONTRASTS if contrast.name in there or not contrast.is_refinement]
    rows = [row for name in wanted for row in _of_contrast(name, pairs, by=by)]
    frame = pd.DataFrame(rows, columns=[c for c in COLUMNS if c not in {"label", "n_unit", "unit", "method"}])
    labels = {contrast.name: contrast.label for contrast in CONTRASTS}
    frame = frame.assign(
        label=frame["contrast"].map(labels),
        n_unit="base tasks",
        unit=UNITS[evidence.options.scale].name,
        method="t over base tasks",
    )
    whole = {
        name: "Int64"
        for name in ("n", "targets", "langs", "seeds", "pairs", "one_unlearned", "other_unlearned", "n_learned")
    }
    return frame[list(COLUMNS)].astype(whole)


def counted_pairs(evidence: Evidence) -> pd.DataFrame:
    """Rows of `paired` with cells of the target's own task excluded, unless the options count them.

    Args:
        evidence: What the store says.
    """
    pairs = paired(evidence)
    if not evidence.options.with_in_task:
        pairs.loc[pairs["in_task"] & pairs["excluded"].isna(), "excluded"] = "in-task"
    return pairs


def base_means(pairs: pd.DataFrame, column: str, *, by: tuple[str, ...] = ()) -> pd.Series:
    """Means over seeds, then languages, then targets inside each base task; indexed by base task, and by `by`.

    Args:
        pairs: Of one contrast, those that count.
        column: difference, or scaled.
        by: Columns that are not averaged over, such as seed.
    """
    known = pairs[pairs[column].notna()]
    cells = known.groupby(["base", *by, "target", "condition", "lang"], observed=True)[column].mean()
    return cells.groupby(["base", *by, "target"]).mean().groupby(["base", *by]).mean()


def _of_contrast(name: str, pairs: pd.DataFrame, *, by: str) -> list[dict[str, object]]:
    every = pairs[pairs["contrast"] == name]
    counted = every[every["excluded"].isna()]
    out = _left_out(every)
    if counted.empty:
        empty = {"contrast": name, "group_kind": "all", "group": ALL, "n": 0, "pairs": 0, "note": out or "no pair yet"}
        return [empty]
    is_english, trained = counted["lang"] == "en", counted["trained"].astype(bool)
    groups = [
        ("all", ALL, counted[trained & ~is_english]),
        ("language", ENGLISH, counted[trained & is_english]),
        ("retrieval", RETRIEVAL, counted[~trained & ~is_english]),
    ]
    others = counted[~is_english & (trained | (by == "target"))]
    groups += [(by, str(group), part) for group, part in others.groupby(by, observed=True)]
    rows = [_row(name, kind, group, part) for kind, group, part in groups if len(part)]
    rows[0]["note"] = "; ".join(text for text in (str(rows[0]["note"]), out) if text)
    return rows


def _row(name: str, kind: str, group: str, part: pd.DataFrame) -> dict[str, object]:
    found, points = task_mean(part, "scaled"), task_mean(part, "difference") if part["target"].nunique() == 1 else None
    sides = {f"{side}_unlearned": int(part[f"{side}_unlearned"].sum()) for side in ("one", "other")}
    both = task_mean(part[~(part["one_unlearned"] | part["other_unlearned"])], "scaled")
    notes = ["one base task: no interval"] if found.n == 1 else []
    notes += ["all base tasks alike: no interval"] if found.n > 1 and math.isnan(found.low) else []
    notes += [
        f"{side} not learned in {n} of {len(part)} pairs"
        for side, n in zip(_SIDES[name], sides.values(), strict=True) if n
    ]  # fmt: skip
    if lost := int(part["scaled"].isna().sum()):
        notes.append(f"{lost} pairs have no number in this unit")
    values = {"points": points.estimate, "points_low": points.low, "points_high": points.high} if points else {}
    return {
        "contrast": name, "group_kind": kind, "group": group, "estimate": found.estimate, "ci_low": found.low,
        "ci_high": found.high, "p_value": found.p_value, "n": found.n, "detectable": found.detectable,
        "targets": part["target"].nunique(), "langs": part["lang"].nunique(), "seeds": part["seed"].nunique(),
        "pairs": len(part), "note": "; ".join(notes), "learned": both.estimate, "learned_low": both.low,
        "learned_high": both.high, "n_learned": both.n, **sides, **values,
    }  # fmt: skip


def task_mean(pairs: pd.DataFrame, column: str) -> TaskMean:
    """Mean over base tasks with its limits.

    Args:
        pairs: Of one contrast, those that count.
        column: difference, or scaled.
    """
    tasks = base_means(pairs, column)
    n, mean, sd = len(tasks), float(tasks.mean()), float(tasks.std())
    limits = t_limits([mean], sd=[sd], n=[n])
    low, high, p = (float(values[0]) for values in limits)
    least = minimum_detectable_effect(sd / math.sqrt(n), df=n - 1) if np.isfinite(low) else math.nan
    return TaskMean(mean, low, high, p, n, least)


def _left_out(every: pd.DataFrame) -> str:
    reasons = every["excluded"].dropna()
    if reasons.empty:
        return ""
    known = reasons_in_words(reasons)
    others = [f"{n:,} {reason}" for reason, n in reasons.value_counts().items() if reason not in REASONS]
    return f"left out: {', '.join(text for text in (known, *others) if text)}"
