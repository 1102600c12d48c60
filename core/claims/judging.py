"""Every claim tested against the store: verdict, estimate, interval, n, and what would make it testable.

Runs within a claim's scope judge it; where there are none, real data outside its scope say what is seen there.
Generated data stand beside, in columns of their own, and judge no paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import duckdb
import pandas as pd

from core.actions.command import command_of
from core.claims import comparisons, contrasts, spreads, statements
from core.claims.facts import Facts
from core.claims.records import Claim, Finding, Verdict, outside, property_of, seen_in, verdict_of
from core.claims.registry import CLAIMS
from core.claims.scope import is_generated, is_inside, what_differs
from core.queries.evidence import AnalysisOptions
from core.queries.filters import Filter
from core.studies import StudyRequest

TESTS: Mapping[str, Callable[[Facts], Finding]] = {
    "leaders": comparisons.leaders,
    "roberta_margin": comparisons.roberta_margin,
    "bert_margin": comparisons.bert_margin,
    "xlnet_worst": comparisons.xlnet_worst,
    "alike_and_ahead": comparisons.alike_and_ahead,
    "trained_share": statements.trained_share,
    "hundred_epochs": statements.hundred_epochs,
    "same_procedure": statements.same_procedure,
    "all_weights": statements.all_weights,
    "order_of_magnitude": statements.order_of_magnitude,
    "imdb_for_classification": statements.imdb_for_classification,
    "mostly_worse": contrasts.mostly_worse,
    "gain_on_retrieval": contrasts.gain_on(*contrasts.RETRIEVAL),
    "gain_on_qa": contrasts.gain_on(*contrasts.QA),
    "gain_on_tagging": contrasts.gain_on(*contrasts.TAGGING),
    "named_best": contrasts.named_best,
    "multilingual_mlm": contrasts.multilingual_mlm,
    "multi_task": contrasts.multi_task,
    "reasoning": contrasts.reasoning,
    "similarity_predicts": contrasts.similarity_predicts,
    "reasoning_of_a_benefit": contrasts.reasoning_of_a_benefit,
    "match_is_minor": spreads.match_is_minor,
    "severe_spread": spreads.severe_spread,
    "development_correlates": contrasts.development_correlates,
    "legal_domain": contrasts.legal_domain,
}
"""Tests by name; each reads the store and returns a `Finding`."""

COLUMNS = (
    *("id", "claim", "verdict", "estimate", "ci_low", "ci_high", "n", "source", "n_unit", "unit", "quantity", "rule"),
    *("method", "tested_on", "scope", "note", "needs", "laboratory", "laboratory_estimate", "laboratory_low"),
    *("laboratory_high", "laboratory_n", "laboratory_on", "laboratory_note"),
)
"""Columns of the table of claims."""


def judge_claims(
    cur: duckdb.DuckDBPyConnection, wanted: Filter, *, options: AnalysisOptions | None = None, ids: tuple[str, ...] = ()
) -> pd.DataFrame:
    """One row per claim, in the order of the registry.

    Columns: `COLUMNS`. A claim that is not testable has no estimate; `note` says why, what differs from the claim's
    scope and which runs are left out, and `needs` holds the command whose runs would judge it (empty: it is judged, or
    no runs would). Nothing is supported without interval and n. What generated data show stands in `laboratory` (seen,
    not seen, mixed; empty: nothing) and the columns after it.

    Args:
        wanted: Rows to keep.
        options: Measures of difficulty and similarity.
        ids: Only these claims; empty: all.
    """
    facts = Facts(cur, wanted, options=options)
    chosen = [claim for claim in CLAIMS.values() if not ids or claim.id in ids]
    rows = pd.DataFrame([_row(claim, facts) for claim in chosen], columns=list(COLUMNS))
    return rows.astype({"n": "Int64", "laboratory_n": "Int64"})


def needs(claim: Claim) -> str:
    """The command whose runs would make a claim testable; empty where no runs would.

    Args:
        claim: Any.
    """
    return str(command_of(StudyRequest.model_validate(dict(claim.request)))) if claim.request else ""


def _row(claim: Claim, facts: Facts) -> dict[str, Any]:
    """One flat record."""
    verdict, found = _judged(claim, facts)
    laboratory = _in_laboratory(claim, facts) if claim.kind == "finding" else _NOTHING
    seen = seen_in(verdict_of(claim, laboratory))
    shown, generated = (_figures(each, told=bool(said)) for each, said in (
        (found, verdict != "not testable"), (laboratory, seen)
    ))  # fmt: skip
    notes = [found.note, _too_few(claim, found), found.left_out, _disagreement(verdict, seen), claim.remark]
    if claim.kind == "property":
        shown |= {"ci_low": None, "ci_high": None}  # a count of what was asked for is no sample
    return shown | {
        "id": claim.id, "claim": claim.text, "verdict": verdict, "source": claim.source, "n_unit": found.n_unit,
        "unit": claim.unit, "quantity": claim.quantity, "rule": claim.rule, "tested_on": found.tested_on,
        "scope": claim.scope, "note": "; ".join(text for text in notes if text),
        "needs": needs(claim) if verdict == "not testable" or verdict.startswith("outside") else "",
        "laboratory": seen, "laboratory_on": laboratory.tested_on,
        "laboratory_note": "; ".join(text for text in (laboratory.note, laboratory.left_out) if text),
        **{f"laboratory_{short}": generated[name] for short, name in _SHORT.items()},
    }  # fmt: skip


_NOTHING = Finding(None)
_SHORT = {"estimate": "estimate", "low": "ci_low", "high": "ci_high", "n": "n"}
_OPPOSED = {"seen": ("not seen here", "contradicted"), "not seen": ("seen here", "supported")}


def _judged(claim: Claim, facts: Facts) -> tuple[Verdict, Finding]:
    """The verdict of the runs within the scope, else of those on real data outside it, with what it was made from."""
    test = TESTS[claim.test]
    if claim.kind == "property":
        found = test(facts)
        return property_of(found), found
    if claim.kind == "published":
        found = test(facts)
        return verdict_of(claim, found), found
    inside, generated = is_inside(claim.about, facts.runs), is_generated(facts.runs)
    found = test(facts.only(inside, in_english=claim.about.in_english))
    if (verdict := verdict_of(claim, found)) != "not testable":
        return verdict, found
    other = test(facts.only(~inside & ~generated))
    if (elsewhere := verdict_of(claim, other)) != "not testable" and other.rows is not None:
        differs = what_differs(claim.about, other.rows)
        return outside(elsewhere), other._replace(note="; ".join(t for t in (differs, other.note) if t))
    # What is nearest to a test says best what is missing.
    return "not testable", max(
        found, other, key=lambda f: (f.interval is not None, bool(f.tested_on), bool(f.left_out))
    )


def _in_laboratory(claim: Claim, facts: Facts) -> Finding:
    return TESTS[claim.test](facts.only(is_generated(facts.runs)))


def _figures(found: Finding, *, told: bool) -> dict[str, Any]:
    interval = found.interval if told else None
    return {
        "estimate": interval.estimate if interval else None, "ci_low": interval.low if interval else None,
        "ci_high": interval.high if interval else None, "n": interval.n if interval else None,
        "method": interval.method if interval else None,
    }  # fmt: skip


def _too_few(claim: Claim, found: Finding) -> str:
    if claim.kind == "property" or found.interval is None or found.interval.n >= claim.least:
        return ""
    return f"{found.interval.n} {found.n_unit} where {claim.least} are needed"


def _disagreement(verdict: Verdict, seen: str) -> str:
    word = verdict.removeprefix("outside its scope: ")
    return "real and generated data disagree: both are shown" if word in _OPPOSED.get(seen, ()) else ""
