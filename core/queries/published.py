"""Published figures: which tables there are, one sheet of one table, and whether its printed averages are averages.

Every question about values names one table, which is one table of one document: figures of two sources cannot come
into one answer, and so into one column, from here.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import duckdb
import pandas as pd

from core.errors import UnknownName


class Sheet(NamedTuple):
    """What a heatmap of a published table shows; everything that its cells must not mix is fixed."""

    table: str
    """Name of the table, such as `phang2020v1-table2`."""
    kind: Literal["score", "gain"]
    """Scores and printed changes are never in one sheet."""
    split: str | None
    """dev, test, or None where the document does not say."""
    target: str | None
    """None: the columns are targets and metrics. A target as printed: the columns are its languages."""
    metric: str | None
    """With a target: its metric; None otherwise."""
    lang: str | None
    """Language of all cells where the columns are targets; None: averages over languages (or languages as columns)."""

    @property
    def label(self) -> str:
        """What pickers, addresses and headings call it: "gains · dev", "scores · XNLI acc by language"."""
        by = f"{self.target} {self.metric} by language" if self.target else self.lang
        return " · ".join(part for part in (f"{self.kind}s", self.split, by) if part)


def tables(cur: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Every published table with what must be said about it.

    Returns:
        Tables with gains first, then scores, then facts, each by name; columns `name`, `title`, `paper`, `arxiv`,
        `version`, `printed_table`, `source`, `unit`, `derived` (computed from printed figures), `confidence`
        (verified: read in the named source; second-hand: repeated there from elsewhere; unclear: see the caution),
        `caution` (NULL: none), `n_scores`, `n_gains`, `n_facts`, `n_langs`, `file`.
    """
    return cur.execute("""
        SELECT t.name, t.title, t.paper, t.arxiv, t.version, t.printed_table, t.source, t.unit, t.derived,
               t.confidence, t.caution, count(*) FILTER (f.kind = 'score')::INTEGER AS n_scores,
               count(*) FILTER (f.kind = 'gain')::INTEGER AS n_gains,
               count(*) FILTER (f.kind = 'fact')::INTEGER AS n_facts, count(DISTINCT f.lang)::INTEGER AS n_langs, t.file
        FROM published_tables t JOIN published_figures f ON f.table_name = t.name
        GROUP BY ALL ORDER BY n_gains = 0, n_scores = 0, t.name
    """).df()


def figures(cur: duckdb.DuckDBPyConnection, table: str) -> pd.DataFrame:
    """Every figure of one table, as printed and as a fraction.

    Args:
        table: Name of the table.

    Returns:
        In the order of the document; columns `table`, `model`, `intermediate`, `target`, `lang` (NULL: average over
        languages), `metric`, `split`, `seed`, `kind`, `value` (fraction; NULL for a fact), `printed`, `derived`,
        `version`, `caution` (of the figure), `table_caution`, `target_task`, `intermediate_task` (names of the
        registry, NULL where it has none), `source`.

    Raises:
        UnknownName: There is no such table.
    """
    _check(cur, table)
    return cur.execute(
        """
        SELECT f.table_name AS "table", f.model, f.intermediate, f.target, f.lang, f.metric, f.split, f.seed, f.kind,
               f.value, f.printed, f.derived, t.version, f.caution, t.caution AS table_caution, f.target_task,
               f.intermediate_task, f.source
        FROM published_figures f JOIN published_tables t ON t.name = f.table_name
        WHERE f.table_name = $table ORDER BY f.position
        """,
        {"table": table},
    ).df()


def sheets(cur: duckdb.DuckDBPyConnection, table: str) -> list[Sheet]:
    """The sheets of one table; gains first, targets as columns before languages as columns. Empty: facts alone.

    Args:
        table: Name of the table.

    Raises:
        UnknownName: There is no such table.
    """
    _check(cur, table)
    rows = cur.execute(
        """
        WITH mine AS (SELECT * FROM published_figures WHERE table_name = $table AND kind <> 'fact'),
        groups AS (
            SELECT kind, split, lang, min(position) AS place, count(DISTINCT target) AS n_targets,
                   count(lang) OVER w AS n_langs, count(*) OVER w AS n_groups
            FROM mine GROUP BY kind, split, lang WINDOW w AS (PARTITION BY kind, split)
        ),
        by_target AS (   -- not where it would repeat the column of averages of the one target's languages
            SELECT kind, split, NULL AS target, NULL AS metric, lang, place FROM groups
            WHERE n_groups = 1 OR (lang IS NULL AND (n_targets > 1 OR n_langs = 1))
        ),
        by_lang AS (
            SELECT kind, split, target, metric, NULL AS lang, min(position) AS place
            FROM mine GROUP BY ALL HAVING count(DISTINCT lang) > 1
        )
        SELECT $table, kind, split, target, metric, lang
        FROM (SELECT * FROM by_target UNION ALL BY NAME SELECT * FROM by_lang)
        ORDER BY kind, target IS NOT NULL, place
        """,
        {"table": table},
    ).fetchall()
    return [Sheet(*row) for row in rows]


def matrix(cur: duckdb.DuckDBPyConnection, sheet: Sheet) -> pd.DataFrame:
    """The cells of one sheet: rows are intermediates (or models, where those differ), columns targets or languages.

    Args:
        sheet: One of `sheets`.

    Returns:
        In the order of the document; columns `row`, `column`, `model`, `intermediate`, `seed`, `target`, `lang`
        (NULL: average over languages), `metric`, `split`, `value` (fraction), `printed`, `baseline` (fraction: the
        score printed in the same table for the same model without an intermediate; NULL where none is), `derived`,
        `is_average`, `caution`, `source`, `position` (place in the table). What was not printed has no row.

    Raises:
        UnknownName: There is no such table.
    """
    _check(cur, sheet.table)
    return cur.execute(
        """
        WITH mine AS (
            SELECT * FROM published_figures
            WHERE table_name = $table AND kind = $kind AND split IS NOT DISTINCT FROM $split
              AND CASE WHEN $target IS NULL THEN lang IS NOT DISTINCT FROM $lang
                       ELSE target = $target AND metric = $metric END
        ),
        shape AS (
            SELECT count(DISTINCT model) AS n_models, max(n) AS n_intermediates
            FROM (SELECT model, count(DISTINCT intermediate) OVER (PARTITION BY model) AS n FROM mine)
        ),
        several AS (SELECT target FROM mine GROUP BY target HAVING count(DISTINCT metric) > 1)
        SELECT concat_ws(' · ', CASE WHEN s.n_models > 1 OR s.n_intermediates = 1 THEN m.model END,
                         CASE WHEN s.n_intermediates > 1 THEN m.intermediate END,
                         CASE WHEN m.seed IS NOT NULL THEN 'seed ' || m.seed END) AS "row",
               CASE WHEN $target IS NOT NULL THEN coalesce(m.lang, 'average')
                    WHEN m.target IN (SELECT target FROM several) THEN m.target || ' ' || m.metric
                    ELSE m.target END AS "column",
               m.model, m.intermediate, m.seed, m.target, m.lang, m.metric, m.split, m.value, m.printed,
               b.value AS baseline, m.derived,
               m.metric IN ('avg', 'avg_categories') OR ($target IS NOT NULL AND m.lang IS NULL) AS is_average,
               m.caution, m.source, m.position
        FROM mine m CROSS JOIN shape s
        LEFT JOIN published_figures b ON m.intermediate <> 'none' AND b.table_name = m.table_name AND b.kind = 'score'
          AND b.intermediate = 'none' AND b.model = m.model AND b.target = m.target AND b.metric = m.metric
          AND b.lang IS NOT DISTINCT FROM m.lang AND b.split IS NOT DISTINCT FROM m.split
          AND b.seed IS NOT DISTINCT FROM m.seed
        ORDER BY m.position
        """,
        sheet._asdict(),
    ).df()


def averages(cur: duckdb.DuckDBPyConnection, table: str | None = None) -> pd.DataFrame:
    """Printed averages beside the averages of their printed parts.

    An average over tasks is the mean over the row's targets, where a target with two metrics (F1 and exact match)
    counts by their mean, as in XTREME (Hu et al. 2020). An average over languages is the plain mean; where the
    document leaves English out, so does this. Averages whose parts were not printed are not listed. Two figures agree
    if they differ by no more than rounding can explain: half a unit of the printed average's last digit plus the mean
    half unit of its parts.

    Args:
        table: Name of one table; None: all tables, each by itself.

    Returns:
        What disagrees first, then tables by name in the order of the document; columns `table`, `model`,
        `intermediate`, `seed`, `target`, `metric`, `split`, `kind`, `over` (tasks or languages), `n_parts`, `printed`,
        `recomputed`, `difference` (printed − recomputed), `tolerance` (fractions), `agrees`, `caution` (of the printed
        average; NULL: none), `position` (place in the table).

    Raises:
        UnknownName: There is no such table.
    """
    if table is not None:
        _check(cur, table)
    return cur.execute(
        """
        WITH mine AS (
            SELECT f.*, t.averages FROM published_figures f JOIN published_tables t ON t.name = f.table_name
            WHERE f.kind <> 'fact' AND NOT f.derived AND ($table IS NULL OR f.table_name = $table)
        ),
        targets AS (
            SELECT table_name, model, intermediate, seed, split, kind, lang, target, avg(value) AS value,
                   avg(rounding) AS rounding
            FROM mine WHERE metric NOT IN ('avg', 'avg_categories') GROUP BY ALL
        ),
        parts AS (
            SELECT p.table_name, p.position, 'tasks' AS over, t.value, t.rounding
            FROM mine p JOIN targets t ON t.table_name = p.table_name AND t.kind = p.kind
              AND t.model IS NOT DISTINCT FROM p.model AND t.intermediate IS NOT DISTINCT FROM p.intermediate
              AND t.seed IS NOT DISTINCT FROM p.seed AND t.split IS NOT DISTINCT FROM p.split
              AND t.lang IS NOT DISTINCT FROM p.lang
            WHERE p.metric = 'avg'
            UNION ALL
            SELECT p.table_name, p.position, 'languages' AS over, t.value, t.rounding
            FROM mine p JOIN mine t ON t.table_name = p.table_name AND t.kind = p.kind AND t.metric = p.metric
              AND t.model IS NOT DISTINCT FROM p.model AND t.intermediate IS NOT DISTINCT FROM p.intermediate
              AND t.seed IS NOT DISTINCT FROM p.seed AND t.split IS NOT DISTINCT FROM p.split
              AND t.target IS NOT DISTINCT FROM p.target
            WHERE p.lang IS NULL AND t.lang IS NOT NULL AND (p.averages = 'all' OR t.lang <> 'en')
              AND p.averages IS NOT NULL
        ),
        recomputed AS (
            SELECT table_name, position, over, count(*)::INTEGER AS n_parts, avg(value) AS recomputed,
                   avg(rounding) AS rounding
            FROM parts GROUP BY ALL
        ),
        compared AS (
            SELECT m.*, r.over, r.n_parts, r.recomputed, m.value - r.recomputed AS difference,
                   m.rounding + r.rounding AS tolerance
            FROM mine m JOIN recomputed r USING (table_name, position)
        )
        -- 1e-9: sums of decimals are not exact in binary.
        SELECT table_name AS "table", model, intermediate, seed, target, metric, split, kind, over, n_parts,
               value AS printed, recomputed, difference, tolerance, abs(difference) <= tolerance + 1e-9 AS agrees,
               caution, position
        FROM compared ORDER BY agrees, table_name, position
        """,
        {"table": table},
    ).df()


def _check(cur: duckdb.DuckDBPyConnection, table: str) -> None:
    known = [row[0] for row in cur.execute("SELECT name FROM published_tables").fetchall()]
    if table not in known:
        raise UnknownName("published table", table, known=known)
