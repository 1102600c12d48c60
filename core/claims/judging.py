"""Every claim tested against the store: verdict, estimate, interval, n, and what would make it testable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import duckdb
import pandas as pd

from core.actions.command import command_of
from core.claims import comparisons, contrasts, statements
from core.claims.facts import Facts
from core.claims.records import Claim, Finding, verdict_of
from core.claims.registry import CLAIMS
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
    "match_is_minor": contrasts.match_is_minor,
    "severe_spread": contrasts.severe_spread,
    "development_correlates": contrasts.development_correlates,
    "legal_domain": contrasts.legal_domain,
}
"""Tests by name; each reads the store and returns a `Finding`."""

COLUMNS = (
    *("id", "claim", "verdict", "estimate", "ci_low", "ci_high", "n", "source", "n_unit", "unit", "quantity", "rule"),
    *("method", "tested_on", "scope", "note", "needs"),
)
"""Columns of the table of claims."""


def judge_claims(
    cur: duckdb.DuckDBPyConnection, wanted: Filter, *, options: AnalysisOptions | None = None, ids: tuple[str, ...] = ()
) -> pd.DataFrame:
    """One row per claim, in the order of the registry.

    Columns: `COLUMNS`. A claim that is not testable has no estimate; `note` says why and `needs` holds the command
    whose runs would make it testable (empty: no runs would). Nothing is supported without interval and n.

    Args:
        wanted: Rows to keep.
        options: Measures of difficulty and similarity.
        ids: Only these claims; empty: all.
    """
    facts = Facts(cur, wanted, options=options)
    chosen = [claim for claim in CLAIMS.values() if not ids or claim.id in ids]
    rows = pd.DataFrame([_row(claim, TESTS[claim.test](facts)) for claim in chosen], columns=list(COLUMNS))
    return rows.astype({"n": "Int64"})


def needs(claim: Claim) -> str:
    """The command whose runs would make a claim testable; empty where no runs would.

    Args:
        claim: Any.
    """
    return str(command_of(StudyRequest.model_validate(dict(claim.request)))) if claim.request else ""


def _row(claim: Claim, found: Finding) -> dict[str, Any]:
    """One flat record."""
    verdict = verdict_of(claim, found)
    interval, note = found.interval, found.note
    if interval is not None and verdict == "not testable":
        note = f"{interval.n} {found.n_unit} where {claim.least} are needed; {note}".rstrip("; ")
        interval = None
    figures = {
        "estimate": interval.estimate if interval else None, "ci_low": interval.low if interval else None,
        "ci_high": interval.high if interval else None, "n": interval.n if interval else None,
        "method": interval.method if interval else None,
    }  # fmt: skip
    return figures | {
        "id": claim.id, "claim": claim.text, "verdict": verdict, "source": claim.source, "n_unit": found.n_unit,
        "unit": claim.unit, "quantity": claim.quantity, "rule": claim.rule, "tested_on": found.tested_on,
        "scope": claim.scope, "note": "; ".join(text for text in (note, claim.remark) if text),
        "needs": needs(claim) if verdict == "not testable" else "",
    }  # fmt: skip
