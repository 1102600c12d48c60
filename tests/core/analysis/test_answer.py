"""The sentences of an answer, from estimates made by hand: which words, which number, which reason to doubt."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from core.analysis.answer import Answer, answer
from core.analysis.estimates import estimate_row, estimates_frame
from core.analysis.model import Analysis, Prepared
from core.measures.inference.cells import Cells
from core.queries.evidence import AnalysisOptions, Evidence, PooledRuns, Units
from core.store.counted import FLOOR, INTERMEDIATE

SETTING = PooledRuns("yours", "m", None, "quick", "d", "sample")
PREPARED = Prepared(Cells(np.zeros(0), np.zeros(0), {}, np.zeros((0, 0)), ()), {}, {}, ())
MANY = Units(rows=96, cells=48, intermediates=12, tasks=12, targets=2, langs=2, seeds=2)


class Term(NamedTuple):
    """An estimate with its limits, in points."""

    estimate: float
    low: float
    high: float
    detectable: float = 0.5


def said(
    difficulty: Term | None,
    similarity: Term | None = None,
    *,
    units: Units = MANY,
    missing: tuple[tuple[Any, ...], ...] = (),
    every: pd.DataFrame | None = None,
    null: Term | None = None,
    seeds: int = 2,
) -> Answer:
    """The answer of a model that found these."""
    rows = []
    for name, term in (("difficulty", difficulty), ("similarity", similarity)):
        if term:
            points = {"estimate": term.estimate / 100, "low": term.low / 100, "high": term.high / 100}
            rows += [estimate_row("term", name, detectable=term.detectable / 100, n=12, **points),
                     estimate_row("naive", name, estimate=points["estimate"], low=0.01, high=0.02)]  # fmt: skip
    rows += [estimate_row("naive", "intercept", n=48)] if rows else []
    complete = pd.DataFrame({"intermediate": "mnli", "target": "xnli", "seed": range(1, seeds + 1), "complete": True})
    complete = complete.assign(gain=0.01, excluded=None)
    gaps = pd.DataFrame(missing, columns=["what", "cells", "names", "why", "remedy"])
    found = Evidence(complete, gaps, units, SETTING, AnalysisOptions(), {})
    model = Analysis(PREPARED, object(), estimates_frame(rows), None)  # type: ignore[arg-type]  # any fit: it is not read
    held = None
    if null:
        estimates = {"estimate": null.estimate, "low": null.low, "high": null.high}
        held = estimates_frame([estimate_row("null", "improvement", n=12, **estimates)])
    return answer(found, model, null=held, every=every)


SURE = Term(0.5, 0.2, 0.8)


@pytest.mark.parametrize(
    ("term", "words"),
    [
        (Term(0.5, 0.2, 0.8), "Harder intermediates go with larger gains: with one standard deviation more "
                              "difficulty, the gain is 0.50 % of the head-room larger (95 % interval +0.20 to +0.80)."),
        (Term(-0.5, -0.8, -0.2), "Harder intermediates go with smaller gains: with one standard deviation more "
                                 "difficulty, the gain is 0.50 % of the head-room smaller (95 % interval "
                                 "−0.80 to −0.20)."),
        (Term(0.1, -0.7, 0.9), "Harder intermediates go with about the same gains: with one "
                               "standard deviation more difficulty, the gain changes by +0.10 % of the "
                        "head-room (95 % interval −0.70 to +0.90)."),
        (Term(-0.1, -0.9, 0.7), "(95 % interval −0.90 to +0.70)."),
        (Term(0.1, -1.1, 1.3), "Whether harder intermediates go with larger or smaller gains is open: with one "
                        "standard deviation more "
                               "difficulty, the gain changes by +0.10 % of the head-room (95 % interval −1.10 to "
                               "+1.30)."),
        (Term(0.3, 0.0, 0.6), "Harder intermediates go with about the same gains"),
        (None, "The effect of difficulty cannot be estimated: it is the same in all these runs."),
    ],
    ids=["above", "below", "none up", "none down", "wide", "ends at zero", "constant"],
)  # fmt: skip
def test_what_is_said_of_a_term(term: Term | None, words: str) -> None:
    assert words in said(term, SURE).headline


def test_the_size_of_the_evidence_is_told() -> None:
    found = said(SURE, SURE)
    assert (
        "This compares 12 intermediates (made of 12 base tasks) before 2 targets in 2 languages, with 2 seeds: m, "
        "protocol "
        "quick, generated" in found.headline
    )
    assert (found.weight, found.reasons) == ("fair", ())
    few = MANY._replace(tasks=1, targets=1, langs=1)
    assert (
        "(made of 1 base task) before 1 target in 1 language, with 1 seed: "
        in said(SURE, SURE, units=few, seeds=1).headline
    )


@pytest.mark.parametrize(
    ("units", "reason"),
    [
        ({"intermediates": 7, "tasks": 7}, "only 7 intermediates (this program calls fewer than 8 thin)"),
        ({"intermediates": 8, "tasks": 8}, None),
        ({"intermediates": 8, "tasks": 3}, "parts or placebos of only 3 base tasks"),
        ({"intermediates": 8, "tasks": 4}, None),
        ({"seeds": 1}, "only one seed, so nobody knows what another seed would give"),
        ({"targets": 1}, "only one target, so the result may not hold for others"),
    ],
    ids=["seven", "eight", "three sets", "four sets", "one seed", "one target"],
)
def test_evidence_is_thin_for_a_reason_and_from_a_limit_on(units: dict[str, int], reason: str | None) -> None:
    found = said(SURE, SURE, units=MANY._replace(**units))
    if reason is None:
        assert (found.weight, found.reasons) == ("fair", ())
    else:
        assert found.weight == "thin" and len(found.reasons) == 1 and reason in found.reasons[0]
        assert f"The evidence is thin: {found.reasons[0]}." in found.headline


def test_a_design_that_would_miss_two_points_is_called_thin() -> None:
    one, both = (
        said(SURE._replace(detectable=2.5), SURE),
        said(SURE._replace(detectable=2.5), SURE._replace(detectable=3)),
    )
    assert one.reasons == ("an effect of difficulty below 2.50 % of the head-room would often be missed",)
    assert both.reasons == (
        "an effect of difficulty or similarity below 3.00 % of the head-room would often be missed",
    )
    assert said(SURE._replace(detectable=2.0), SURE).weight == "fair"


def specifications(*terms: tuple[str, float, float, float]) -> pd.DataFrame:
    """Estimates and limits of a term under one pair of measures each, in points."""
    rows = pd.DataFrame(terms, columns=["name", "estimate", "ci_low", "ci_high"])
    return rows.assign(**{column: rows[column] / 100 for column in ("estimate", "ci_low", "ci_high")})


def test_a_sign_that_hangs_on_the_measure_is_a_reason_to_doubt() -> None:
    up, down, flat = (0.5, 0.2, 0.8), (-0.5, -0.8, -0.2), (0.1, -0.3, 0.5)
    torn = specifications(("difficulty", *up), ("difficulty", *down), ("similarity", *up), ("similarity", *flat))
    assert said(SURE, SURE, every=torn).reasons == ("whether difficulty helps or hurts depends on the measure",)
    both = specifications(("difficulty", *up), ("difficulty", *down), ("similarity", *up), ("similarity", *down))
    assert said(SURE, SURE, every=both).reasons == (
        "whether difficulty and similarity help or hurt depends on the measure",
    )
    calm = specifications(("difficulty", *up), ("difficulty", *flat), ("similarity", *flat), ("similarity", *down))
    assert said(SURE, SURE, every=calm).weight == "fair"
    assert sum("every one of similarity" in detail for detail in said(SURE, SURE, every=calm).details) == 2
    alone = specifications(("difficulty", *up), ("similarity", *flat))
    assert not any("every one of similarity" in detail for detail in said(SURE, SURE, every=alone).details)


@pytest.mark.parametrize(
    ("null", "words"),
    [
        (
            Term(0.3, 0.1, 0.5),
            "Difficulty and similarity, added, take 30 % (10 to 50) off the squared error of that prediction",
        ),
        (Term(-0.3, -0.5, -0.1), "over 12 intermediates: so they do harm."),
        (Term(0.1, -0.1, 0.3), "over 12 intermediates: so it is not clear that they help."),
    ],
)
def test_the_additive_null_is_beaten_or_not(null: Term, words: str) -> None:
    found = "\n".join(said(SURE, SURE, null=null).details)
    assert words in found
    assert "over 12 intermediates" in found
    assert "kept aside" not in "\n".join(said(SURE, SURE).details)


def test_what_a_naive_regression_would_print_is_called_wrong() -> None:
    (line,) = [text for text in said(SURE, None).details if "independent" in text]
    assert (
        "wrongly takes the 48 cells of this comparison (without English, retrieval and parts of tasks) for "
        "independent. Its 95 % intervals, in % of the head-room per standard deviation, are +1.00 to +2.00 for "
        "difficulty. " in line
    )


def test_gaps_that_can_be_filled_are_told_and_those_on_purpose_are_not() -> None:
    gaps = (("no gain", 4, "mnli", "no baseline", "python -m core run"), ("English", 9, "mnli", "left out", None))
    details = said(SURE, SURE, missing=gaps).details
    assert details[-1] == "4 cells are left out: no baseline (mnli)."
    assert not any("9 cells" in detail for detail in details)


def test_without_a_model_the_problem_is_the_answer() -> None:
    rows = pd.DataFrame({"gain": [0.1, None, None], "excluded": [None, FLOOR, INTERMEDIATE]})
    gaps = pd.DataFrame(columns=["what", "remedy"])
    evidence = Evidence(rows, gaps, MANY, SETTING, AnalysisOptions(), {})
    found = answer(evidence, Analysis(PREPARED, None, estimates_frame([]), "Three conditions are too few."))
    assert found == Answer(
        "The evidence does not answer the question yet: Three conditions are too few.",
        ("Of all 3 gains (parts and English too), 2 do not count and are left out: 1 whose intermediate (a task or a "
            "part of one) was not learned, 1 whose baseline is at the "
         "floor.",), "none",
        ("Three conditions are too few.",),
    )  # fmt: skip
