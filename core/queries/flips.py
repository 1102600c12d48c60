"""What two runs answered differently on the same examples, read from their folders' predictions.

The files hold ids and predictions, no sentence. They are read where they lie; nothing of them is in the store.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import duckdb
import pandas as pd

from core.measures.stats import McNemar, mcnemar_exact


class Flips(NamedTuple):
    """Two runs on the same examples."""

    rows: pd.DataFrame
    """Examples whose credit changed: `example_id`, `index`, `before`, `after` (predictions), `change` (difference of
    credit in [-1, 1]); the largest change first, then the order of the test set."""
    n: int
    """Examples that both runs answered."""
    test: McNemar | None
    """Gained, lost and the exact p-value; None where credit is not all or nothing."""


def flips(cur: duckdb.DuckDBPyConnection, *, after: Path, before: Path, lang: str, metric: str) -> Flips | None:
    """Examples whose credit differs between two runs; None where they share no example with a credit.

    Args:
        cur: Cursor of the store.
        after: `predictions.parquet` of the run.
        before: That of its baseline.
        lang: Language.
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
    is_binary = pairs["credit"].isin((0, 1)).all() and pairs["credit_before"].isin((0, 1)).all()
    test = mcnemar_exact(pairs["credit"], before=pairs["credit_before"]) if is_binary else None
    changed = pairs[pairs["change"] != 0].drop(columns=["credit", "credit_before"])
    return Flips(changed.reset_index(drop=True), len(pairs), test)
