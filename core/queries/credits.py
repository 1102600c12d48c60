"""Two runs on the same test examples: differences of credit, from the table `credits`, and the tests of a view's cells.

Lists of two runs are of the same examples in the same order where both scored the same fingerprint.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd

from core.measures.inference.intervals import Floats
from core.measures.inference.paired import paired_limits
from core.queries.transfer import CHOSEN, View

TEST_COLUMNS = ("lang", "intermediate", "low", "high", "p_value", "n_tested", "n_examples")
"""Columns of `view_tests`; n_tested: seeds behind a test."""

_TWO = 2


class Credits(NamedTuple):
    """What two runs of each seed did on the same examples."""

    after: Floats
    """(seeds, examples) credits with the intermediate."""
    before: Floats
    """(seeds, examples) without."""


def paired_credits(cur: duckdb.DuckDBPyConnection, pairs: pd.DataFrame) -> pd.DataFrame:
    """Credits of pairs of runs in their headline metric; pairs of which one kept none have no row.

    Columns: run_id, lang, fingerprint (of the examples), after, before (credits), is_linearised (they are values
    of a metric that is no mean over examples, not how well each was answered). Order: none.

    Args:
        pairs: Columns run_id, baseline_run_id, lang.
    """
    cur.register("pairs", pairs[["run_id", "baseline_run_id", "lang"]])
    found = cur.execute("""
        SELECT p.run_id, p.lang, s.fingerprint, a.correct AS after, b.correct AS before,
               a.functional IS NOT NULL OR b.functional IS NOT NULL AS is_linearised
        FROM pairs p JOIN runs r USING (run_id)
        JOIN scores s ON s.run_id = p.run_id AND s.lang = p.lang AND s.metric = r.headline_metric
        JOIN scores o ON o.run_id = p.baseline_run_id AND o.lang = s.lang AND o.metric = s.metric
            AND o.fingerprint = s.fingerprint
        JOIN credits a ON a.run_id = s.run_id AND a.lang = s.lang AND a.metric = s.metric
        JOIN credits b ON b.run_id = o.run_id AND b.lang = s.lang AND b.metric = s.metric
    """).df()
    cur.unregister("pairs")
    return found


def stacked(rows: pd.DataFrame) -> Credits | None:
    """The seeds of one cell, one above the other; None where they did not all answer the same two or more examples.

    Args:
        rows: Columns fingerprint, after, before.
    """
    sizes = {len(credits) for column in ("after", "before") for credits in rows[column]}
    if rows["fingerprint"].nunique() != 1 or len(sizes) != 1 or min(sizes) < _TWO:
        return None
    return Credits(*(np.stack([np.asarray(c, dtype=float) for c in rows[name]]) for name in ("after", "before")))


def view_tests(cur: duckdb.DuckDBPyConnection, view: View, *, seed: int | None = None) -> pd.DataFrame:
    """A paired test of every cell of a view whose runs all kept credits, over examples and the seeds that count.

    Columns: `TEST_COLUMNS`; limits are of the gain at 95 %, the p-value is not corrected. Order: none.

    Args:
        view: What is fixed.
        seed: This seed alone; None: all seeds that have a gain.
    """
    rows = cur.execute(
        f"""
        WITH chosen AS ({CHOSEN}), pairs AS (
            SELECT g.lang, c.intermediate, g.run_id, g.baseline_run_id, s.fingerprint
            FROM gains g JOIN chosen c ON c.run_id = g.run_id
            JOIN scores s ON s.run_id = g.run_id AND s.lang = g.lang AND s.metric = g.metric
            WHERE g.collection = $collection AND g.model = $model AND g.target = $target AND g.metric = $metric
              AND g.data_source = $data_source AND g.gain IS NOT NULL
              AND g.excluded IS NULL AND ($seed IS NULL OR g.seed = $seed)
        )
        SELECT p.lang, p.intermediate, p.fingerprint, a.correct AS after, b.correct AS before
        FROM pairs p
        LEFT JOIN credits a ON a.run_id = p.run_id AND a.lang = p.lang AND a.metric = $metric
        LEFT JOIN credits b ON b.run_id = p.baseline_run_id AND b.lang = p.lang AND b.metric = $metric
        """,
        view._asdict() | {"seed": seed},
    ).df()
    cells, tables = _tables(rows)
    limits = paired_limits(tables)
    found = pd.DataFrame(cells, columns=["lang", "intermediate"]).assign(
        low=limits.low, high=limits.high, p_value=limits.p_value, n_tested=[len(table) for table in tables],
        n_examples=[table.shape[1] for table in tables],
    )  # fmt: skip
    return found[list(TEST_COLUMNS)]


def _tables(rows: pd.DataFrame) -> tuple[list[Hashable], list[Floats]]:
    """Cells that can be tested, and their differences."""
    holed = rows["after"].isna() | rows["before"].isna()
    kept = ~holed.groupby([rows["lang"], rows["intermediate"]]).transform("any").astype(bool)
    cells: list[Hashable] = []
    tables: list[Floats] = []
    for cell, part in rows[kept].groupby(["lang", "intermediate"], sort=False):
        if (found := stacked(part)) is not None:
            cells.append(cell)
            tables.append(found.after - found.before)
    return cells, tables
