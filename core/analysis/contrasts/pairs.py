"""Pairs of runs that differ in one thing: two thirds of one data set, or a task and its placebo.

Both runs have the same base task, target, language, seed, model, protocol and data source, so their difference needs no
baseline, and everything that the two share cancels. A gain that is no evidence (`core.store.counted`) gives no
difference, with two exceptions. A third that was not learned is an outcome of its difficulty: leaving it out would
choose among the outcomes, so the pair counts and is marked, unless neither third was learned. A placebo is there to be
compared with the task, so it is the task that must have been learned.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from core.queries.covariates import base_tasks
from core.queries.evidence import Evidence
from core.queries.scales import trained_targets
from core.spec.run import IntermediateSpec, Placebo
from core.store.counted import INTERMEDIATE

NEITHER_LEARNED = "neither third learned"
"""Why a pair of thirds does not count; other reasons are those of the two gains."""


class Contrast(NamedTuple):
    """One thing in which two runs differ."""

    name: str
    """Short name."""
    label: str
    """The one less the other."""
    subject: str
    """What is changed: begins the sentence that says what was found."""
    compared: str
    """What the two are, where nothing compares them yet."""
    sides: tuple[str, str]
    """The one and the other, as subjects of a sentence."""
    field: str
    """Of `IntermediateSpec`, in which the two differ."""
    one: str | None
    """Its value in the first."""
    other: str | None
    """Its value in the second."""
    is_refinement: bool = False
    """Whether nothing is lacking where nobody asked for it."""


_THIRDS = ("the hardest third", "the easiest third")
CONTRASTS = (
    Contrast(
        "harder", "hardest instead of easiest third", "Training on the hardest instead of the easiest third of a task",
        "the hardest third of a task with its easiest third", _THIRDS, "third", "hardest", "easiest",
    ),
    Contrast(
        "harder_alike", "hardest instead of easiest third, equally near to the target",
        "Training on the hardest instead of the easiest third of a task, both equally near to the target",
        "the hardest third of a task with its easiest third, both equally near to the target",
        _THIRDS, "third", "hardest", "easiest", is_refinement=True,
    ),
    Contrast(
        "nearer", "nearest instead of farthest third",
        "Training on the third of a task that is nearest to the target's text instead of the farthest",
        "the third of a task nearest to the target's text with the farthest third",
        ("the nearest third", "the farthest third"), "nearness", "near", "far",
    ),
    Contrast(
        "labels", "true instead of shuffled labels", "Training on a task with its true labels instead of shuffled ones",
        "a task with the same task whose labels are shuffled", ("the task", "the task with shuffled labels"),
        "placebo", None, Placebo.SHUFFLED,
    ),
    Contrast(
        "task", "task instead of language modelling", "Training on a task instead of language modelling on its text",
        "a task with masked-language modelling on the same text", ("the task", "language modelling on its text"),
        "placebo", None, Placebo.MLM,
    ),
)  # fmt: skip
"""In the order in which they are shown: difficulty, similarity, what is due to labels and to the task."""

_SAME = ["contrast", "condition", "target", "lang", "seed", "metric"]
COLUMNS = (
    *("contrast", "base", "condition", "target", "lang", "seed", "difference", "scaled", "trained", "family", "script"),
    *("in_task", "one_unlearned", "other_unlearned", "excluded"),
)
"""Columns of `paired`, in order."""


def paired(evidence: Evidence) -> pd.DataFrame:
    """One row per pair of runs and language, those that do not count included.

    Columns: `COLUMNS`; base: the data set, which is the independent unit; condition: what the two share; difference: of
    scores, the one less the other; scaled: the same in the target's own scale; trained: whether the target is trained
    at all; one_unlearned, other_unlearned: whether that intermediate was not learned; excluded: why the pair does not
    count, None where it does.

    Args:
        evidence: What the store says; gains of a placebo, English and rows without difficulty count here.
    """
    rows = evidence.frame[evidence.frame["score"].notna()]
    names = rows[["intermediate", "target"]].drop_duplicates()
    sides = pd.DataFrame(
        [side for name, target in names.itertuples(index=False) for side in _sides(name, target)],
        columns=["intermediate", "target", "contrast", "condition", "is_one"],
    )
    kept = [*_SAME[2:], "intermediate", "score", "divisor", "target_type", "family", "script", "in_task", "reason"]
    sided = sides.merge(rows[kept], on=["intermediate", "target"])
    is_one = sided["is_one"].astype(bool)  # of no row a mask of objects would choose columns
    one, other = sided[is_one], sided[~is_one]
    pairs = one.merge(other[[*_SAME, "score", "in_task", "reason"]], on=_SAME, suffixes=("", "_other"))
    pairs["in_task"] = pairs["in_task"].astype(bool) | pairs["in_task_other"].astype(bool)
    pairs["difference"] = pairs["score"] - pairs["score_other"]
    pairs["scaled"] = pairs["difference"] / pairs["divisor"]
    pairs["base"] = pairs["condition"].map(base_tasks)
    pairs["trained"] = trained_targets(pairs["target_type"])
    for name, reason in (("one", "reason"), ("other", "reason_other")):
        pairs[f"{name}_unlearned"] = pairs[reason] == INTERMEDIATE
    counts_all = evidence.options.with_excluded
    pairs["excluded"] = None if counts_all else [_excluded(*row) for row in zip(
        pairs["contrast"], pairs["reason"], pairs["reason_other"], strict=True)]  # fmt: skip
    return pairs[list(COLUMNS)].sort_values(_SAME[:-1], kind="stable", ignore_index=True)


def _sides(name: str, target: str) -> list[tuple[str, str, str, str, bool]]:
    """The contrasts that an intermediate before a target is a side of: with what it shares, and which side."""
    spec, found = IntermediateSpec.parse(name), []
    for contrast in CONTRASTS:
        value = getattr(spec, contrast.field)
        if value not in {contrast.one, contrast.other} or not _belongs(contrast, spec, target):
            continue
        # A placebo of a third is compared with that third; thirds themselves are compared without a placebo.
        plain = {contrast.field: None} | ({"to": None} if contrast.field != "placebo" else {})
        shared = spec.model_copy(update=plain).name
        found.append((name, target, contrast.name, shared, value == contrast.one))
    return found


def _belongs(contrast: Contrast, spec: IntermediateSpec, target: str) -> bool:
    if contrast.field == "placebo":
        return True
    wanted: dict[str, set[str | None]] = {"harder": {None}, "harder_alike": {target}, "nearer": {None, target}}
    return spec.placebo is None and spec.to in wanted[contrast.name]


def _excluded(contrast: str, one: str | None, other: str | None) -> str | None:
    """Why a pair does not count; `None` of a frame may be NaN, which equals nothing."""
    reasons = [reason if isinstance(reason, str) else None for reason in (one, other)]
    is_placebo = contrast in {"labels", "task"}
    for reason in reasons:
        if reason is not None and reason != INTERMEDIATE:
            return reason
    if is_placebo:
        return reasons[0]
    return NEITHER_LEARNED if reasons == [INTERMEDIATE] * 2 else None
