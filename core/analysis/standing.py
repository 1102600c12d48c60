"""Where the evidence stands, in sentences: how much there is, which pairs differ from zero, what explains them.

Cheap enough for the first page: means and closed forms over the rows of `evidence`. The sentence that answers the
question itself is `core.analysis.answer`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core.analysis.cells import LEVEL, common_languages
from core.measures.inference.averages import average_gain, spread_seen
from core.measures.inference.correlation import t_limits
from core.measures.inference.stats import benjamini_hochberg
from core.queries.covariates import base_tasks
from core.queries.evidence import Evidence, seeds_in_words
from core.queries.scales import UNITS, Unit, trained_targets

PAIR_COLUMNS = (*("target", "intermediate", "gain", "low", "high", "q_value", "n_seeds", "n_langs", "in_task"),)
"""Columns of `pair_gains`, in order."""


def pair_gains(evidence: Evidence) -> pd.DataFrame:
    """One row per target and intermediate with a gain outside English: its mean over languages and seeds.

    Each target's languages are those of every intermediate that has most of them, English left out (the same as in
    the row of means of the Transfer page); a pair that lacks one of them has no row. Columns: `PAIR_COLUMNS`; low,
    high: 95 % limits, Student's t over the seeds that have every language, NaN below two; q_value: of the gain
    against zero, corrected over the pairs that have limits and are not in-task. Order: target, then intermediates by
    their mean gain over targets, largest first.

    Args:
        evidence: What the store says; its rows without difficulty or similarity count here.
    """
    parts = [_of_target(part, target=target) for target, part in _by_target(evidence)]
    if not parts or all(part.empty for part in parts):
        return pd.DataFrame(columns=list(PAIR_COLUMNS))
    pairs = pd.concat([part for part in parts if len(part)], ignore_index=True)
    limits = t_limits(pairs["gain"], sd=pairs.pop("sd"), n=pairs["n_seeds"])
    pairs["low"], pairs["high"], pairs["q_value"] = limits.low, limits.high, np.nan
    family = np.isfinite(limits.p_value) & ~pairs["in_task"].to_numpy(bool)
    if family.any():
        pairs.loc[family, "q_value"] = benjamini_hochberg(limits.p_value[family], level=LEVEL).q_values
    place = pairs.groupby("intermediate")["gain"].mean().rank(ascending=False, method="first")
    order = np.lexsort([pairs["intermediate"].map(place).to_numpy(), pairs["target"].to_numpy(str)])
    return pairs.iloc[order][list(PAIR_COLUMNS)].reset_index(drop=True)


def extent(
    evidence: Evidence, pairs: pd.DataFrame, *, title: Callable[[str], str] = str, target: Callable[[str], str] = str
) -> str:
    """The sentence on how much there is, and what an intermediate changes on average.

    Thirds, slices and placebos of a task are no further tasks: the average is over whole ones.

    Args:
        pairs: As `pair_gains` returns them.
        title: From a model to what people read.
        target: The same from a target.
    """
    label = evidence.pooled._replace(model=title(evidence.pooled.model)).label
    frame = evidence.frame[evidence.frame["gain"].notna()]
    out = f" {evidence.left_out}" if evidence.left_out else ""
    if frame.empty:
        return f"No gain of the largest set of runs ({label}) counts.{out}"
    names = list(frame["intermediate"].unique())
    whole = [name for name in names if base_tasks(name) == name] or names
    parts, has_placebos = len(names) - len(whole), any("~" in name for name in names)
    bases = {base_tasks(name) for name in names if name not in whole}
    or_placebos = f" or placebo{'s' * (parts > 1)}" if has_placebos else ""
    head = (
        f"The largest set of runs ({label}) tries {_count(len(whole), 'whole task' if parts else 'intermediate')}"
        + (f" and {_count(parts, 'part')}{or_placebos} of {_count(len(bases), 'task')}" if parts else "")
        + _in_parts_alone(bases - set(whole), target)
        + _unlearned(evidence, names)
        + f" before {_count(frame['target'].nunique(), 'target')} in {_count(frame['lang'].nunique(), 'language')}, "
        f"with {seeds_in_words(frame)}"
    )
    kept = pairs[~pairs["in_task"].astype(bool)]
    if kept.empty:
        return f"{head}. Without intermediates that train the target's own task, no gain outside English is left.{out}"
    runs = seed_gains(evidence).merge(kept[["intermediate", "target"]])
    runs = runs[runs["scaled"].notna() & runs["intermediate"].isin(whole)]
    untrained = ", retrieval, which is not trained on"
    retrieval = frame.loc[~trained_targets(frame["target_type"]), "target"].unique()
    apart, runs = runs[runs["target"].isin(retrieval)], runs[~runs["target"].isin(retrieval)]
    unit = UNITS[evidence.options.scale]
    apart_from = f" before {', '.join(map(target, sorted(retrieval)))}" + (untrained if len(runs) else "")
    trained = f" at the {_count(runs['target'].nunique(), 'target')} that are trained on" if len(apart) else ""
    averages = [
        (_average(part, unit=unit), where) for part, where in ((runs, trained), (apart, apart_from)) if len(part)
    ]
    said = [average.said + where for average, where in averages]
    spread = " ".join(dict.fromkeys(f"{a.spread[0].upper()}{a.spread[1:]}." for a, _ in averages if a.spread))
    if not said:
        return (
            f"{head}. No target was run with {_too_few_seeds(int(frame['seed'].nunique()))}, so there is no average in "
            f"{unit.name}.{out}"
        )
    changed = f"On average an intermediate changes the zero-shot score by {', and by '.join(said)}"
    left = ["English", "intermediates that train the target's own task (in-task)"]
    left += ["parts and placebos of tasks" if has_placebos else "parts of tasks"] if parts else []
    own = f"{', '.join(left[:-1])}{',' * (len(left) > 2)} and {left[-1]} are not in the average."
    return f"{head}. {changed}. {f'{spread} ' if spread else ''}{own}{out}"


def _in_parts_alone(bases: set[str], title: Callable[[str], str]) -> str:
    """Which tasks no run trained on as a whole."""
    return f" ({', '.join(sorted(map(title, bases)))} in parts alone)" if bases else ""


def _unlearned(evidence: Evidence, counted: list[str]) -> str:
    """How many conditions were tried beside those that count, since every other number of conditions holds them."""
    left = set(evidence.frame["intermediate"]) - set(counted)
    whole = sum(base_tasks(name) == name for name in left)
    parts = (("intermediate", whole), ("part", len(left) - whole))
    said = " and ".join(_count(n, f"more {what}") for what, n in parts if n)
    verb, whose = ("was", "its") if len(left) == 1 else ("were", "their")
    counts = "count only where parts of a task are compared" if whole < len(left) else "do not count"
    return f" ({said} {verb} tried; {whose} gains {counts})" if left else ""


class _Average(NamedTuple):
    said: str
    spread: str
    """What a reader must know of the baselines' spread; empty without an interval."""


def _average(runs: pd.DataFrame, *, unit: Unit) -> _Average:
    if runs["intermediate"].nunique() < 2:
        mean = float(runs.groupby("target")["scaled"].mean().mean())
        return _Average(f"{_scaled(mean, unit)} {unit.name} (one intermediate, so no interval)", "")
    found = average_gain(runs["scaled"], intermediate=runs["intermediate"], target=runs["target"], seed=runs["seed"])
    i = found.interval
    limits = f"95 % interval {_scaled(i.low, unit)} to {_scaled(i.high, unit)}"
    said = f"{_scaled(i.estimate, unit)} {unit.name} ({limits}, Student's t over {i.n} intermediates)"
    return _Average(said, spread_seen(found))


def verdicts(pairs: pd.DataFrame, *, title: Callable[[str], str] = str) -> str:
    """The sentence on which pairs of intermediate and target differ from zero.

    Args:
        pairs: As `pair_gains` returns them, at least one of them not in-task.
        title: From a task or an intermediate to what people read.
    """
    kept = pairs[~pairs["in_task"].astype(bool)]
    if kept.empty:
        return "No pair of intermediate and target can be tested yet."
    rows = kept.sort_values("gain", kind="stable").to_dict("records")
    top = "largest mean gain" if rows[-1]["gain"] >= 0 else "smallest loss"
    ends = f"the {top} is {_named(rows[-1], title)}"
    bottom = "largest loss" if rows[0]["gain"] < 0 else "smallest mean gain"
    ends += f", the {bottom} {_named(rows[0], title)}" if len(rows) > 1 else ""
    tested = kept[kept["q_value"].notna()]
    if tested.empty:
        return (
            f"None of the {_count(len(kept), 'pair')} of condition and target was run with "
            f"{_too_few_seeds(int(kept['n_seeds'].max()))}, so nobody knows what another seed would give, and no mean "
            f"gain can be tested over seeds; {ends}."
        )
    found = tested[tested["q_value"] <= LEVEL]
    up, down = int((found["gain"] > 0).sum()), int((found["gain"] < 0).sum())
    seeds = f"{tested['n_seeds'].min()} seeds" if tested["n_seeds"].nunique() == 1 else "two or more seeds"
    return (
        f"Of {_count(len(tested), 'pair')} of condition and target with {seeds}, {up} gain and {down} lose more "
        f"than chance explains (Student's t over seeds, at a false discovery rate of {100 * LEVEL:.0f} %); the rest "
        f"cannot be told from zero; {ends}."
    )


def _by_target(evidence: Evidence) -> list[tuple[str, pd.DataFrame]]:
    frame = evidence.frame
    # Before the languages are chosen: where nothing but English was scored, it would be chosen.
    there = frame[frame["gain"].notna() & (frame["lang"] != "en")]
    there = there.assign(scaled=there["gain"] / there["divisor"])
    return [(str(target), part) for target, part in there.groupby("target", sort=True)]


def _of_target(rows: pd.DataFrame, *, target: str) -> pd.DataFrame:
    per_seed, n_langs = _whole_seeds(rows)
    found = per_seed.groupby("intermediate").agg(
        gain=("gain", "mean"), sd=("gain", "std"), n_seeds=("gain", "size")
    ).reset_index()  # fmt: skip
    in_task = rows.groupby("intermediate")["in_task"].any()
    return found.assign(target=target, n_langs=n_langs, in_task=found["intermediate"].map(in_task).astype(bool))


def seed_gains(evidence: Evidence) -> pd.DataFrame:
    """Columns intermediate, seed, gain, scaled, target: what the means of `pair_gains` are over."""
    return pd.concat(
        [_whole_seeds(part)[0].assign(target=target) for target, part in _by_target(evidence)], ignore_index=True
    )


def _whole_seeds(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Of one target: mean gain of each intermediate and seed that has every common language; their number."""
    langs = common_languages(rows.groupby(["intermediate", "lang"], as_index=False).agg(value=("gain", "mean")))
    kept = rows[rows["lang"].isin(langs)]
    per_seed = kept.groupby(["intermediate", "seed"], as_index=False).agg(
        gain=("gain", "mean"), scaled=("scaled", "mean"), n=("gain", "size")
    )  # fmt: skip
    return per_seed[per_seed["n"] == len(langs)].drop(columns="n"), len(langs)


def _named(row: dict[Hashable, Any], title: Callable[[str], str]) -> str:
    limits = "" if pd.isna(row["low"]) else f" ({_points(row['low'])} to {_points(row['high'])})"
    return f"{_points(row['gain'])} points{limits} for {title(row['intermediate'])} before {title(row['target'])}"


def _too_few_seeds(n: int) -> str:
    return "more than one seed" if n < 2 else "two seeds that gave different results"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _scaled(value: float, unit: Unit) -> str:
    return f"{unit.factor * value:+.2f}".replace("-", "−")


def _points(fraction: float) -> str:
    return f"{100 * fraction:+.2f}".replace("-", "−")
