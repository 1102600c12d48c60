"""The question at a glance: what each whole task did, what contrasts inside data sets say, and one plain sentence.

Everything is in the unit of the averages (`core.queries.scales`), so that tasks and contrasts share one axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from core.analysis.contrasts.pairs import CONTRASTS
from core.analysis.contrasts.sentences import unlearned_sides
from core.analysis.contrasts.table import ALL
from core.analysis.standing import seed_gains
from core.measures.inference.averages import average_gain
from core.measures.inference.correlation import t_limits
from core.queries.covariates import base_tasks
from core.queries.evidence import Evidence
from core.queries.scales import UNITS, Unit, trained_targets
from core.spec.run import DataSourceKind

MEAN = "all of them"
"""Name of the row that stands for every whole task."""

_WORDS = {
    "harder": ("the hardest third of a task's examples", "the easiest third", "hard with easy examples"),
    "nearer": (
        "the third of a task's examples that is nearest to the target's text",
        "the farthest third",
        "examples near to the target's text with far ones",
    ),
}


class Glance(NamedTuple):
    """What one picture holds."""

    rows: pd.DataFrame
    """Columns part (tasks, contrasts), name, estimate, low, high (as stored; limits NaN where there are none), n."""
    dots: pd.DataFrame
    """Columns part, name, target, value: a row's mean at each trained target."""
    unit: Unit
    """Of every number."""
    n_targets: int
    """Trained targets among the dots of tasks."""
    data: str
    """What the data are, as a sentence begins with it."""
    retrieval: pd.DataFrame | None = None
    """The mean of all whole tasks before targets that are never trained, a row as in `rows`; None: there is none."""
    retrieval_targets: tuple[str, ...] = ()
    """Those targets, by name."""
    learned: Mapping[str, str] | None = None
    """By contrast, where not all thirds were learned: how many were not, and what the pairs say where both were."""


def glance(evidence: Evidence, contrasts: pd.DataFrame) -> Glance:
    """Rows and dots: the mean of all whole tasks, each of them, then the contrasts over targets.

    A whole task is an intermediate without placebo and slice. English, in-task pairs, gains that are no evidence and
    targets that are never trained are left out. Limits are 95 %: of a task Student's t over its targets, of all tasks
    those of `average_gain`, of a contrast those of `contrast_rows`. Order: the mean, tasks by estimate, contrasts.

    Args:
        evidence: What the store says.
        contrasts: As `contrast_rows` returns them by target.
    """
    trained = _trained(evidence)
    runs = _whole_tasks(evidence, trained)
    apart = _whole_tasks(evidence, frozenset(evidence.frame["target"]) - trained)
    retrieval = _mean(apart)
    pairs = runs.groupby(["intermediate", "target"], as_index=False)["scaled"].mean()
    tasks = pairs.groupby("intermediate")["scaled"].agg(["mean", "std", "size"]).reset_index()
    limits = t_limits(tasks["mean"], sd=tasks["std"], n=tasks["size"])
    rows = pd.DataFrame(
        {"part": "tasks", "name": tasks["intermediate"], "estimate": tasks["mean"], "low": limits.low,
         "high": limits.high, "n": tasks["size"]}
    ).sort_values(["estimate", "name"], ascending=[False, True])  # fmt: skip
    known = contrasts[(contrasts["group"] == ALL) & contrasts["estimate"].notna()]
    inside = known[["label", "estimate", "ci_low", "ci_high", "n"]].set_axis(
        ["name", "estimate", "low", "high", "n"], axis=1
    )
    by_target = contrasts[(contrasts["group_kind"] == "target") & contrasts["group"].isin(trained)]
    dots = [
        pairs.set_axis(["name", "target", "value"], axis=1).assign(part="tasks"),
        by_target[["label", "group", "estimate"]].set_axis(["name", "target", "value"], axis=1).assign(
            part="contrasts"
        ),
    ]  # fmt: skip
    found = [_mean(runs), rows, inside.assign(part="contrasts")]
    there = pd.concat([part for part in found if len(part)], ignore_index=True) if any(map(len, found)) else rows
    drawn = pd.concat([part for part in dots if len(part)], ignore_index=True) if any(map(len, dots)) else dots[0]
    return Glance(
        there[list(rows.columns)].astype({"n": "int64"}), drawn[["part", "name", "target", "value"]],
        UNITS[evidence.options.scale], int(pairs["target"].nunique()),
        "On real data" if DataSourceKind(evidence.pooled.data_source).is_real else "On generated sentences",
        retrieval if len(retrieval) else None, tuple(sorted(apart["target"].unique())) if len(retrieval) else (),
        _learned(known, UNITS[evidence.options.scale]),
    )  # fmt: skip


def plain(found: Glance) -> str:
    """One sentence for somebody who has never seen a page of this: does it help, and do difficulty and nearness?

    Args:
        found: From `glance`.
    """
    rows, n = found.rows, int((found.rows["part"] == "tasks").sum())
    whole = rows[(rows["part"] == "tasks") & (rows["name"] == MEAN)]
    if whole.empty:
        begin = f"{found.data}, no English task has a gain at a trained target yet"
        if n == 1:
            one = rows[rows["part"] == "tasks"].iloc[0]
            begin = f"{found.data}, one English task was tried: it changes the score in other languages by "
            begin += f"{_number(one['estimate'], found.unit)} {found.unit.name}, which cannot be told from chance"
        return f"{begin}. {_inside(found, 'harder')} {_inside(found, 'nearer')}"
    targets = f"{found.n_targets} target{'s' if found.n_targets != 1 else ''}"
    who = f"training on one more English task first ({n - 1} were tried before {targets})"
    said = _verdict(whole.iloc[0], found.unit, who, "the score in other languages on average")
    return f"{found.data}, {said}. {_retrieval(found)}{_inside(found, 'harder')} {_inside(found, 'nearer')}"


def _verdict(mean: pd.Series, unit: Unit, who: str, what: str) -> str:
    size = f"{_number(mean['estimate'], unit)} {unit.name} ({_limits(mean, unit)})"
    if mean["low"] > 0:
        return f"{who} raises {what}: {size}"
    if mean["high"] < 0:
        return f"{who} lowers {what}: {size}"
    if unit.holds(mean["low"], mean["high"]):
        return f"{who} leaves {what} about the same: {size}"
    return f"whether {who} raises or lowers {what} is open: {size}"


def _retrieval(found: Glance) -> str:
    if found.retrieval is None:
        return ""
    said = _verdict(found.retrieval.iloc[0], found.unit, "one more English task", "the score")
    return f"In sentence retrieval, where the encoder is scored without training on the target, {said}. "


def _inside(found: Glance, name: str) -> str:
    said = _compared(found, name)
    return f"{said[0].upper()}{said[1:]}."


def _compared(found: Glance, name: str) -> str:
    label = next(contrast.label for contrast in CONTRASTS if contrast.name == name)
    subject, other, what = _WORDS[name]
    rows = found.rows[(found.rows["part"] == "contrasts") & (found.rows["name"] == label)]
    if rows.empty or math.isnan(float(rows.iloc[0]["low"])):
        return f"too little compares {what} so far" if len(rows) else f"nothing compares {what} yet"
    row = rows.iloc[0]
    size = f"{_number(row['estimate'], found.unit)} {found.unit.name}"
    learned = _where_learned(found, label)
    if row["low"] > 0 or row["high"] < 0:
        return f"{subject} helps {'more' if row['low'] > 0 else 'less'} than {other} ({size}{learned})"
    sure = f"{size}, {_limits(row, found.unit)}{learned}"
    if not found.unit.holds(row["low"], row["high"]):
        return f"whether {subject} helps more or less than {other} is open ({sure})"
    return f"after {subject} the score is about the same as after {other} ({sure})"


def _learned(rows: pd.DataFrame, unit: Unit) -> dict[str, str]:
    sides, said = {contrast.label: contrast.sides for contrast in CONTRASTS}, {}
    for row in rows[rows["learned_low"].notna()].to_dict("records"):
        if not_learned := unlearned_sides(sides[row["label"]], row):
            mean, low, high = (_number(row[name], unit) for name in ("learned", "learned_low", "learned_high"))
            where = f"where both were learned {mean}, {low} to {high}"
            said[str(row["label"])] = f"; {not_learned} was not learned; {where}"
    return said


def _where_learned(found: Glance, label: str) -> str:
    return (found.learned or {}).get(label, "")


def _trained(evidence: Evidence) -> frozenset[str]:
    known = evidence.frame[["target", "target_type"]].drop_duplicates()
    return frozenset(known.loc[trained_targets(known["target_type"]), "target"])


def _whole_tasks(evidence: Evidence, trained: frozenset[str]) -> pd.DataFrame:
    """Columns intermediate, seed, scaled, target: runs of whole tasks that count, outside English and in-task pairs."""
    frame = evidence.frame
    if not (frame["gain"].notna() & (frame["lang"] != "en")).any():
        return pd.DataFrame(columns=["intermediate", "seed", "scaled", "target"])
    runs = seed_gains(evidence)
    in_task = frame.groupby(["intermediate", "target"])["in_task"].any()
    names = pd.MultiIndex.from_frame(runs[["intermediate", "target"]])
    is_whole = runs["intermediate"].map(lambda name: base_tasks(name) == name).astype(bool)
    kept = is_whole & runs["target"].isin(trained) & runs["scaled"].notna()
    return runs[kept & ~in_task.reindex(names).to_numpy(dtype=bool)]


def _mean(runs: pd.DataFrame) -> pd.DataFrame:
    if runs["intermediate"].nunique() < 2:  # no interval over tasks
        return pd.DataFrame(columns=["part", "name", "estimate", "low", "high", "n"])
    i = average_gain(
        runs["scaled"], intermediate=runs["intermediate"], target=runs["target"], seed=runs["seed"]
    ).interval  # fmt: skip
    return pd.DataFrame(
        [{"part": "tasks", "name": MEAN, "estimate": i.estimate, "low": i.low, "high": i.high, "n": i.n}]
    )


def _limits(row: pd.Series, unit: Unit) -> str:
    return f"95 % interval {_number(row['low'], unit)} to {_number(row['high'], unit)}"


def _number(value: float, unit: Unit) -> str:
    return f"{unit.factor * value:+.1f}".replace("-", "−")
