"""From a profile and a grid of gains to what the map of domains and the scatter beside it draw, and what that says.

No SQL here: `core.queries.similarity` and `core.analysis.cells` asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from core.analysis.cells import Grid, agreement
from core.languages import language
from core.measures.inference.correlation import FEWEST
from core.measures.similarity.pair import SimilarityMeasure
from core.measures.similarity.table import SIMILARITIES
from core.spec.profile import text_point


class ReferenceText(NamedTuple):
    """The text of the target that intermediates are compared with."""

    role: str
    """train or test."""
    lang: str
    """Its language."""


def placed(points: pd.DataFrame, *, target: str, names: Sequence[str], langs: Sequence[str]) -> pd.DataFrame:
    """The points of a profile as the map draws them.

    Args:
        points: As `core.queries.similarity.points` returns them.
        target: Whose texts are shown.
        names: Intermediates of the heatmap.
        langs: Languages of the heatmap.

    Returns:
        The same rows with `label` (what stands beside the point), `key` (`[lang, intermediate]` that the point stands
        for, "" for nothing) and `is_shown`.
    """
    by_point: dict[str, str] = {}
    for name in names:
        by_point.setdefault(text_point(name), name)
    out = points.copy()
    is_between, of_target = out["role"] == "intermediate", out["task"] == target
    in_langs = out["lang"].isin(list(langs))
    out["is_shown"] = is_between & (out["point"].isin(list(by_point)) | ~out["point"].str.contains("@"))
    out["is_shown"] |= of_target & ((out["role"] == "train") | ((out["role"] == "test") & in_langs))
    out["label"] = out["point"].where(is_between, out["lang"].where(out["role"] == "test", out["task"]))
    out["key"] = [
        ["", by_point.get(point, "")] if role == "intermediate" else [lang if role == "test" else "", ""]
        for point, role, lang in zip(out["point"], out["role"], out["lang"], strict=True)
    ]
    return out


def reference_text(rows: pd.DataFrame, *, lang: str | None) -> ReferenceText | None:
    """The text to compare with: the test text of the chosen language, else the training text, else English.

    Args:
        rows: As `similarities` returns them, of one target.
        lang: The chosen language, if any.
    """
    there = set(zip(rows["role"], rows["lang"], strict=True))
    for role, code in (("test", lang), ("train", "en"), ("test", "en")):
        if (role, code) in there:
            return ReferenceText(role, str(code))
    return None


def nearness(rows: pd.DataFrame, *, names: Sequence[str], lang: str | None) -> dict[str, float]:
    """How near intermediates are to the target by the first measure there is, larger is nearer; a placebo as its task.

    Args:
        rows: As `core.queries.similarity.similarities` returns them, of one target.
        names: Intermediates.
        lang: The chosen language, if any.
    """
    text, there = reference_text(rows, lang=lang), set(rows["measure"])
    measure = next((measure for name, measure in SIMILARITIES.items() if name in there), None)
    if text is None or measure is None:
        return {}
    wanted = rows[(rows["measure"] == measure.name) & (rows["role"] == text.role) & (rows["lang"] == text.lang)]
    values = wanted[~wanted["centred"].astype(bool)].set_index("intermediate")["value"].astype("float64")
    return {name: measure.direction * float(values[at]) for name in names if (at := text_point(name)) in values.index}


def no_reference_text(rows: pd.DataFrame, *, target: str) -> str:
    """Why `reference_text` found no text, and what to do.

    Args:
        rows: As `similarities` returns them, of one target.
        target: Which.
    """
    if rows.empty:
        return f"How similar texts are to those of {target} was not measured."
    return (
        f"No English text of {target} was measured. Choose a language to see how near each intermediate is to its test "
        "text."
    )


def scatter_points(gains: Grid, rows: pd.DataFrame, *, lang: str | None) -> pd.DataFrame:
    """One row per intermediate with a gain and a similarity.

    Args:
        gains: Cells whose value is the gain.
        rows: Similarities to one text by one measure.
        lang: Language of the gains; None: the mean over the languages shown.
    """
    if lang is None:
        found = gains.means.rename(columns={"value": "gain"})
    else:
        found = gains.cells[gains.cells["lang"] == lang].assign(n_langs=1)
    near = rows.set_index("intermediate")
    out = pd.DataFrame(
        {
            **{name: found[name] for name in ("intermediate", "gain", "n_seeds", "n_langs", "in_task")},
            **{"gain_low": found["low"], "gain_high": found["high"]},
        }
    )
    points = out["intermediate"].map(text_point)
    for column, source in (("similarity", "value"), ("similarity_low", "ci_low"), ("similarity_high", "ci_high")):
        out[column] = points.map(near[source]).astype("float64")
    out["counts"] = ~out["intermediate"].str.contains("~") & ~out["in_task"]
    if "excluded" in found:  # a mean has no gain that is no evidence
        out["counts"] &= found["excluded"].isna()
    return out[out["gain"].notna() & out["similarity"].notna()].reset_index(drop=True)


def sentence(points: pd.DataFrame, *, measure: SimilarityMeasure, text: ReferenceText, lang: str | None) -> str:
    """What the scatter says, with its n.

    Args:
        points: As `scatter_points` returns them.
        measure: The measure.
        text: What was compared with.
        lang: Language of the gains; None: the mean over those shown.
    """
    n_langs = int(points["n_langs"].max())
    over = f"{n_langs} language{'s' if n_langs != 1 else ''}"
    gain = f"gain in {_named(lang)}" if lang else f"mean gain over {over}"
    with_text = "target's training text" if text.role == "train" else f"target's test text in {_named(text.lang)}"
    found = agreement(points, larger_is_closer=measure.direction > 0)
    n = int(points["counts"].sum())
    left_out = (
        " Placebos, intermediates that train the target's own task (†) and gains that do not count are left out."
        if n < len(points)
        else ""
    )
    head = f"{measure.title} with the {with_text} against the {gain}: "
    if found is None:
        return f"{head}{n} intermediates are too few, or too alike, for a correlation.{left_out}"
    if pd.isna(found.low):
        limits, verdict = "", "too few for an interval" if n < FEWEST else "a perfect rank correlation has no interval"
    else:
        limits = f" (95 % interval {found.low:+.2f} to {found.high:+.2f})"
        closer = f"closer intermediates gain {'more' if found.estimate > 0 else 'less'}"
        verdict = (
            "zero is inside, so before this target alone it is open whether closer intermediates gain more or less"
            if found.low <= 0 <= found.high
            else closer
        )
    r = f"rank correlation {found.estimate:+.2f}{limits}".replace("-", "−")
    return f"{head}{r} over {n} intermediates; {verdict}.{left_out} {measure.title}: {measure.meaning}"


def _named(code: str) -> str:
    return f"{language(code).name} ({code})"
