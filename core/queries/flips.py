"""What two runs answered differently on the same examples.

`flips` reads the predictions of their folders, with ids and answers and no sentence, where they lie. `credit_flips`
needs the store alone: it has the credit of each place in the test set, for runs whose folders are elsewhere, too.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd

from core.measures.inference.stats import McNemar, mcnemar_exact


class Flips(NamedTuple):
    """Two runs on the same examples."""

    rows: pd.DataFrame
    """Examples whose credit changed: `example_id`, `index`, `before`, `after` (predictions), `change` (difference of
    credit in [-1, 1]); the largest change first, then the order of the test set. From credits: index and change."""
    n: int
    """Examples that both runs answered."""
    test: McNemar | None
    """Gained, lost and the exact p-value; None where credit is not all or nothing."""


def flips(cur: duckdb.DuckDBPyConnection, *, after: Path, before: Path, lang: str, metric: str) -> Flips | None:
    """Examples whose credit differs between two runs; None where they share no example with a credit.

    Args:
        after: `predictions.parquet` of the run.
        before: That of its baseline.
        metric: Metric; some have no credit per example.
    """
    pairs = cur.execute(
        """
        SELECT a.example_id, a.index, b.prediction AS before, a.prediction AS after,
               a.correct AS credit, b.correct AS credit_before, a.correct - b.correct AS change
        FROM read_parquet($after) a
        JOIN read_parquet($before) b ON b.example_id = a.example_id AND b.lang = a.lang AND b.metric = a.metric
        WHERE a.lang = $lang AND a.metric = $metric AND a.correct IS NOT NULL AND b.correct IS NOT NULL
        ORDER BY abs(change) DESC, a.index
        """,
        {"after": str(after), "before": str(before), "lang": lang, "metric": metric},
    ).df()
    if pairs.empty:
        return None
    return _judged(pairs)


def credit_flips(cur: duckdb.DuckDBPyConnection, *, after: str, before: str, lang: str, metric: str) -> Flips | None:
    """Places of the test set whose credit differs between two runs; None where they are not both known of the same.

    Args:
        after: Id of the run.
        before: Id of its baseline.
        metric: Metric; one that is no mean over examples (entity F1, a correlation) has none.
    """
    found = cur.execute(
        """
        SELECT a.correct, b.correct FROM credits a
        JOIN credits b ON b.run_id = $before AND b.lang = a.lang AND b.metric = a.metric
        JOIN scores s ON s.run_id = a.run_id AND s.lang = a.lang AND s.metric = a.metric
        JOIN scores o ON o.run_id = b.run_id AND o.lang = a.lang AND o.metric = a.metric
            AND o.fingerprint = s.fingerprint
        WHERE a.run_id = $after AND a.lang = $lang AND a.metric = $metric AND len(a.correct) = len(b.correct)
            AND a.functional IS NULL AND b.functional IS NULL  -- of others one example moves the values of all
        """,
        {"after": after, "before": before, "lang": lang, "metric": metric},
    ).fetchone()
    if found is None:
        return None
    credit, credit_before = (np.asarray(credits, dtype=float) for credits in found)
    pairs = pd.DataFrame({"credit": credit, "credit_before": credit_before}).rename_axis("index").reset_index()
    pairs["change"] = pairs["credit"] - pairs["credit_before"]
    return _judged(pairs.sort_values("change", key=lambda change: -change.abs(), kind="stable"))


def _judged(pairs: pd.DataFrame) -> Flips:
    is_binary = pairs["credit"].isin((0, 1)).all() and pairs["credit_before"].isin((0, 1)).all()
    test = mcnemar_exact(pairs["credit"], before=pairs["credit_before"]) if is_binary else None
    changed = pairs[pairs["change"] != 0].drop(columns=["credit", "credit_before"])
    return Flips(changed.reset_index(drop=True), len(pairs), test)
