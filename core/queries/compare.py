"""Runs side by side, as they were scored: metrics that they have, scores by language, and what must not be compared.

Two scores are differenced where target, data source, metric, split and test examples (by fingerprint) are the same;
elsewhere the row says what is not. Model, intermediate, protocol and seed may differ: that is what is compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pandas as pd


def metrics(cur: duckdb.DuckDBPyConnection, run_ids: Sequence[str]) -> pd.DataFrame:
    """Metrics that any of the runs was scored by.

    Columns: metric, is_headline (of the first run), runs (that have it). Order: those of the first run first, its
    headline before them, then metric.

    Args:
        run_ids: The runs; the first is what the others are compared with.
    """
    sql = """
        SELECT s.metric, bool_or(s.metric = r.headline_metric AND r.run_id = $first) AS is_headline,
               count(DISTINCT r.run_id)::INTEGER AS runs
        FROM runs r JOIN scores s USING (run_id) WHERE list_contains($run_ids, r.run_id)
        GROUP BY s.metric ORDER BY is_headline DESC, bool_or(r.run_id = $first) DESC, s.metric
    """
    return cur.execute(sql, {"run_ids": list(run_ids), "first": run_ids[0]}).df()


def made_by(cur: duckdb.DuckDBPyConnection, run_ids: Sequence[str]) -> pd.DataFrame:
    """By which code and on how many threads runs were made.

    Columns: run_id, kind (of the stage), code (its version; NULL: before versions were reported), threads (of torch on
    the CPU; NULL where it is not known). Order: as asked, position of the stage.

    Args:
        run_ids: The runs.
    """
    sql = """
        SELECT r.run_id, g.kind, g.code, r.threads FROM runs r JOIN stages g USING (run_id)
        WHERE list_contains($run_ids, r.run_id) ORDER BY list_position($run_ids, r.run_id), g.position, g.key
    """
    return cur.execute(sql, {"run_ids": list(run_ids)}).df()


def score_grid(cur: duckdb.DuckDBPyConnection, run_ids: Sequence[str], *, metric: str) -> pd.DataFrame:
    """One row per run and language that any of the runs was scored in.

    Columns: run_id, lang, score (fraction; NULL where not scored), n, split, first_score, difference (to the first
    run; NULL where the two must not be compared), missing (why; NULL where there is a difference). Order: as asked,
    English first, lang.

    Args:
        run_ids: Different runs; the first is what the others are compared with.
    """
    sql = """
        WITH asked AS (
            SELECT run_id, target, data_source, list_position($run_ids, run_id) AS place
            FROM runs WHERE list_contains($run_ids, run_id)
        ), scored AS (
            SELECT s.* FROM scores s JOIN asked USING (run_id) WHERE s.metric = $metric
        ), judged AS (
            SELECT a.run_id, a.place, l.lang, s.score, s.n, s.split, f.score AS first_score, CASE
                WHEN a.place = 1 THEN 'is the first run'
                WHEN a.target <> o.target THEN 'other target: ' || a.target
                WHEN a.data_source <> o.data_source THEN 'other data source: ' || a.data_source
                WHEN NOT EXISTS (FROM scores e WHERE e.run_id = a.run_id) THEN 'no scores'
                WHEN NOT EXISTS (FROM scores e WHERE e.run_id = o.run_id) THEN 'the first run has no scores'
                WHEN NOT EXISTS (FROM scored e WHERE e.run_id = a.run_id) THEN 'other metric: no ' || $metric
                WHEN NOT EXISTS (FROM scored e WHERE e.run_id = o.run_id) THEN 'the first run has no ' || $metric
                WHEN s.score IS NULL THEN 'not scored'
                WHEN f.score IS NULL THEN 'not scored by the first run'
                WHEN s.split <> f.split THEN 'other split: ' || s.split
                WHEN s.fingerprint <> f.fingerprint THEN 'other test examples' END AS missing
            FROM asked a
            CROSS JOIN (SELECT DISTINCT lang FROM scored) l
            JOIN asked o ON o.place = 1
            LEFT JOIN scored s ON s.run_id = a.run_id AND s.lang = l.lang
            LEFT JOIN scored f ON f.run_id = o.run_id AND f.lang = l.lang
        )
        SELECT run_id, lang, score, n, split, first_score,
               CASE WHEN missing IS NULL THEN score - first_score END AS difference, missing
        FROM judged ORDER BY place, lang <> 'en', lang
    """
    return cur.execute(sql, {"run_ids": list(run_ids), "metric": metric}).df()
