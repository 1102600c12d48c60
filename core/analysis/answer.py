"""The answer in plain words: sentences made of the model's estimates, which change when the filter does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import pandas as pd

from core.analysis.estimates import by_name
from core.analysis.model import ENOUGH_INTERMEDIATES, Analysis
from core.analysis.sensitivity import spread_in_words
from core.measures.difficulty.table import DIFFICULTIES
from core.measures.similarity.table import SIMILARITIES
from core.queries.evidence import Evidence, seeds_in_words
from core.queries.scales import UNITS, Unit
from core.store.counted import REASONS

_Rows = dict[tuple[str, str], dict[str, Any]]
Weight = Literal["none", "thin", "fair"]
"""How far the evidence carries: no model at all; a model on too little; enough to be read."""


class Answer(NamedTuple):
    """What the store says on the research question."""

    headline: str
    """One sentence: the question's answer."""
    details: tuple[str, ...]
    """What stands behind it, one sentence each."""
    weight: Weight
    """How far it carries."""
    reasons: tuple[str, ...]
    """Why it carries no farther; empty for "fair"."""
    within: tuple[str, ...] = ()
    """What contrasts inside data sets say, one sentence each: it comes before the headline, which compares tasks."""


def answer(
    evidence: Evidence,
    analysis: Analysis,
    *,
    null: pd.DataFrame | None = None,
    every: pd.DataFrame | None = None,
    pending: Sequence[str] = (),
    title: Callable[[str], str] = str,
) -> Answer:
    """The sentences of an analysis; `core.actions.answer` makes the parts.

    Args:
        analysis: From `analyse`.
        null: From `additive_null`; None: not computed yet.
        every: From `sensitivity`; None: not computed yet.
        pending: What is not computed yet, in words.
        title: From a model to what people read.
    """
    if analysis.fit is None:
        headline = f"The evidence does not answer the question yet: {analysis.problem}"
        lacking = (evidence.left_out, *_missing(evidence))
        return Answer(headline, tuple(text for text in lacking if text), "none", (str(analysis.problem),))
    rows, unit = by_name(analysis.estimates), UNITS[evidence.options.scale]
    phrases = [_effect(rows, name=name, words=words, unit=unit) for name, words in _WORDS.items()]
    reasons = [*_thin(evidence, rows), *_torn(every)]
    units, pooled = evidence.units, evidence.pooled
    measures = (DIFFICULTIES[evidence.options.difficulty], SIMILARITIES[evidence.options.similarity])
    where = (
        f"Difficulty is measured by {measures[0].title}, similarity by {measures[1].title}, each turned so that more "
        f"is harder or nearer. This compares {_count(units.intermediates, 'intermediate')} (made of "
        f"{_count(units.tasks, 'base task')}) before {_count(units.targets, 'target')} in "
        f"{_count(units.langs, 'language')}, with {seeds_in_words(evidence.complete)}: "
        f"{pooled._replace(model=title(pooled.model)).label}."
    )
    caution = "" if not reasons else " The evidence is thin: " + "; ".join(reasons) + "."
    headline = f"{phrases[0]} {phrases[1]} {where}{caution}"
    has_others = every is not None and len(every) > len(_WORDS)
    spread = (
        [spread_in_words(every, term=term, unit=unit) for term in _WORDS] if every is not None and has_others else []
    )
    unknown = f"Not computed yet: {', '.join(pending)}." if pending else ""
    others = (
        _steps(rows),
        _beside(rows, unit=unit),
        _shares(rows),
        *_against(null),
        _naive(rows, unit=unit),
        *_missing(evidence),
    )
    details = [unknown, evidence.left_out, *spread, *others]
    return Answer(headline, tuple(d for d in details if d), "thin" if reasons else "fair", tuple(reasons))


_WORDS = {
    "difficulty": ("Harder intermediates", "difficulty"),
    "similarity": ("Intermediates whose text is more similar to the target's", "similarity"),
}
_OTHERS = {"type_match": "", "log_size": " for ten times as many", "distance": " per standard deviation"}
"""Terms beside those of the question, each with what its estimate is per."""
_PARTS = {
    "difficulty": "difficulty",
    "similarity": "similarity",
    "covariates": "other measured properties",
    "task": "other properties of the base task",
    "intermediate": "other properties of the intermediate",
    "target": "target",
    "language": "language",
    "task x target": "the particular pair of base task and target",
    "target x language": "the particular pair of target and language",
    "intermediate x target": "the particular pair of intermediate and target",
}


def _effect(rows: _Rows, *, name: str, words: tuple[str, str], unit: Unit) -> str:
    if ("term", name) not in rows:
        return f"The effect of {words[1]} cannot be estimated: it is the same in all these runs."
    row = rows["term", name]
    estimate, low, high = row["estimate"], row["ci_low"], row["ci_high"]
    limits = f"95 % interval {_signed(low, unit)} to {_signed(high, unit)}"
    step = f"with one standard deviation more {words[1]}"
    if low > 0 or high < 0:
        more = "larger" if estimate > 0 else "smaller"
        size = f"{_size(estimate, unit)} {unit.name} {more}"
        return f"{words[0]} go with {more} gains: {step}, the gain is {size} ({limits})."
    if not unit.holds(low, high):
        return (
            f"Whether {words[0][0].lower()}{words[0][1:]} go with larger or smaller gains is open: {step}, "
            f"the gain changes by {_signed(estimate, unit)} {unit.name} ({limits})."
        )
    return (
        f"{words[0]} go with about the same gains: {step}, "
        f"the gain changes by {_signed(estimate, unit)} {unit.name} ({limits})."
    )


def _thin(evidence: Evidence, rows: _Rows) -> list[str]:
    units, unit, reasons = evidence.units, UNITS[evidence.options.scale], []
    if units.intermediates < ENOUGH_INTERMEDIATES:
        reasons.append(
            f"only {units.intermediates} intermediates (this program calls fewer than {ENOUGH_INTERMEDIATES} thin)"
        )
    if units.tasks < units.intermediates and units.tasks < LEAST_TASKS:
        reasons.append(f"the intermediates are parts or placebos of only {_count(units.tasks, 'base task')}")
    if units.seeds < 2:
        reasons.append("only one seed, so nobody knows what another seed would give")
    if units.targets < 2:
        reasons.append("only one target, so the result may not hold for others")
    wide = [n for n in _WORDS if ("term", n) in rows and rows["term", n]["detectable"] > 2 * unit.small]
    if wide:
        found = f"{_size(max(rows['term', n]['detectable'] for n in wide), unit)} {unit.name}"
        reasons.append(f"an effect of {' or '.join(wide)} below {found} would often be missed")
    return reasons


def _torn(every: pd.DataFrame | None) -> list[str]:
    """Terms whose sign is another with another measure, both times with an interval that leaves out zero."""
    if every is None:
        return []
    parts = {term: every[every["name"] == term] for term in _WORDS}
    torn = [term for term, rows in parts.items() if (rows["ci_low"] > 0).any() and (rows["ci_high"] < 0).any()]
    if len(torn) > 1:
        return [f"whether {' and '.join(torn)} help or hurt depends on the measure"]
    return [f"whether {torn[0]} helps or hurts depends on the measure"] if torn else []


LEAST_TASKS = 4
"""Fewer sets of tasks behind the conditions are called out."""


def _shares(rows: _Rows) -> str:
    there = {name: rows["share", name] for name in _PARTS if ("share", name) in rows}
    said = [f"{_what(name, row)} {_limits(row)}" for name, row in there.items()]
    head = (
        "What gains differ by from cell to cell (one language of one target after one intermediate, mean over seeds), "
        "in shares of their variance (95 % intervals in brackets where one is known)"
    )
    tail = "The rest is seeds, test examples and what the mixed model has no term for."
    return f"{head}: {', '.join(said)}. {tail}" if said else ""


def _what(name: str, row: dict[str, Any]) -> str:
    return _PARTS[name] + (f" ({row['label']})" if name == "covariates" else "")


def _steps(rows: _Rows) -> str:
    """What one standard deviation of each term is, in the term's own unit."""
    said = [f"{name}: {rows['term', name]['note']}" for name in _WORDS if ("term", name) in rows]
    return (
        f"Over the cells of this comparison, in units of the measures (difficulty with its sign turned, so that more "
        f"is harder): {'; '.join(said)}."
        if said
        else ""
    )


def _beside(rows: _Rows, *, unit: Unit) -> str:
    """What other terms of the model leave out zero: a reader must know that gains go with something."""
    said = [
        f"{rows['term', name]['label']}: {_signed(rows['term', name]['estimate'], unit)} {unit.name}{per} "
        f"({_signed(rows['term', name]['ci_low'], unit)} to {_signed(rows['term', name]['ci_high'], unit)})"
        for name, per in _OTHERS.items()
        if ("term", name) in rows and (rows["term", name]["ci_low"] > 0 or rows["term", name]["ci_high"] < 0)
    ]
    return (
        "Beside them, gains go with what the mixed model holds constant (95 % interval without zero, which may hang "
        f"on few tasks and targets): {'; '.join(said)}."
        if said
        else ""
    )


def _against(null: pd.DataFrame | None) -> list[str]:
    if null is None or null.empty:
        return []
    row = by_name(null)["null", "improvement"]
    if row["ci_low"] > 0:
        verdict = "so they help"
    elif row["ci_high"] < 0:
        verdict = "so they do harm"
    else:
        verdict = "so it is not clear that they help"
    return [
        "Gains of one intermediate before one target that were kept aside are predicted from the averages of that "
        "intermediate and of that target. Difficulty and similarity, added, take "
        f"{_limits(row)} off the squared error of that prediction, over {row['n']} intermediates: {verdict}."
    ]


def _naive(rows: _Rows, *, unit: Unit) -> str:
    said = []
    for name in _WORDS:
        if ("term", name) not in rows:
            continue
        naive = rows["naive", name]
        said.append(f"{_signed(naive['ci_low'], unit)} to {_signed(naive['ci_high'], unit)} for {name}")
    n = rows["naive", "intercept"]["n"]
    head = (
        f"A plain regression wrongly takes the {n} cells of this comparison (without English, retrieval and parts of "
        f"tasks) for independent. Its 95 % intervals, in {unit.name} per standard deviation, are"
    )
    middle = (
        "It stands here because papers report it: of simulated data in which there is no effect, it reports one in "
        "half (docs/calibration.md). And it gives every cell the same weight, where the comparison above gives less to "
        "targets whose gains scatter much around what the mixed model expects, so that even the direction can differ."
    )
    return f"{head} {' and '.join(said)}. {middle}" if said else ""


def _missing(evidence: Evidence) -> list[str]:
    missing = evidence.missing
    gaps = missing[missing["remedy"].notna() & ~missing["what"].isin(REASONS)]  # those `left_out` counts
    return [f"{row.cells} cells are left out: {row.why} ({row.names})." for row in gaps.itertuples()]


def _limits(row: dict[str, Any]) -> str:
    limits = "" if pd.isna(row["ci_low"]) else f" ({_percent(row['ci_low'])} to {_percent(row['ci_high'])})"
    return f"{_percent(row['estimate'])} %{limits}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _signed(value: float, unit: Unit) -> str:
    return f"{unit.factor * value:+.2f}".replace("-", "−")


def _size(value: float, unit: Unit) -> str:
    return f"{unit.factor * abs(value):.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}".replace("-", "−")
