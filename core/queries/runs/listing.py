"""Runs as rows: lists, counts, one run, its relatives, and folders that cannot be read."""

from __future__ import annotations

import duckdb
import pandas as pd

from core.queries.filters import RUN_ONLY, Filter, condition

_COLUMNS = """run_id, collection, study, model, intermediate, target, task_type, seed, protocol, data_source,
    headline_metric, chance, submitted_at, started_at, finished_at, seconds, attempts, device, outcome, error, message,
    pair_key"""


def runs(cur: duckdb.DuckDBPyConnection, wanted: Filter) -> pd.DataFrame:
    """One row per run.

    Columns: run_id, collection, study, model, intermediate, target, task_type, seed, protocol, data_source,
    headline_metric, chance, submitted_at, started_at, finished_at, seconds, attempts, device, outcome, error, message,
    pair_key, n_langs (languages scored). Order: model, target, intermediate, seed, run_id.

    Args:
        wanted: Rows to keep; its languages and metric are not used.
    """
    kept = condition(wanted, without=RUN_ONLY)
    sql = f"""
        SELECT {_COLUMNS}, coalesce(n_langs, 0)::INTEGER AS n_langs
        FROM runs LEFT JOIN (SELECT run_id, count(DISTINCT lang) AS n_langs FROM scores GROUP BY run_id) USING (run_id)
        WHERE {kept.sql} ORDER BY model, target, intermediate, seed, run_id
    """
    return cur.execute(sql, kept.values).df()


def run(cur: duckdb.DuckDBPyConnection, run_id: str) -> pd.DataFrame:
    """One run, or no row.

    Columns: those of `runs` without n_langs, then model_fingerprint, protocol_digest, spec (JSON), environment (JSON).
    """
    sql = f"SELECT {_COLUMNS}, model_fingerprint, protocol_digest, spec, environment FROM runs WHERE run_id = $run_id"
    return cur.execute(sql, {"run_id": run_id}).df()


def recent_runs(cur: duckdb.DuckDBPyConnection, *, limit: int = 20) -> pd.DataFrame:
    """The user's own runs, the newest first.

    Columns: those of `runs` without n_langs. Order: submitted_at (or started_at) descending, run_id.

    Args:
        limit: Most rows.
    """
    sql = f"""
        SELECT {_COLUMNS} FROM runs WHERE collection = 'yours'
        ORDER BY coalesce(submitted_at, started_at) DESC NULLS LAST, run_id LIMIT $limit
    """
    return cur.execute(sql, {"limit": limit}).df()


def run_scores(cur: duckdb.DuckDBPyConnection, run_id: str) -> pd.DataFrame:
    """Scores of one run.

    Columns: lang, metric, score, score_last, n, split, fingerprint, is_headline. Order: lang, headline first, metric.
    """
    sql = """
        SELECT s.lang, s.metric, s.score, s.score_last, s.n, s.split, s.fingerprint,
               s.metric = r.headline_metric AS is_headline
        FROM scores s JOIN runs r USING (run_id) WHERE s.run_id = $run_id ORDER BY s.lang, is_headline DESC, s.metric
    """
    return cur.execute(sql, {"run_id": run_id}).df()


def counts_by_outcome(cur: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """How many runs ended how.

    Columns: collection, outcome (finished, failed, cancelled; open: not ended), n. Order: collection, outcome.
    """
    sql = """
        SELECT collection, coalesce(outcome, 'open') AS outcome, count(*)::INTEGER AS n FROM runs GROUP BY ALL
        ORDER BY collection, outcome
    """
    return cur.execute(sql).df()


def damaged(cur: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Run folders that cannot be read.

    Columns: folder, reason. Order: folder.
    """
    return cur.execute("SELECT folder, reason FROM damaged ORDER BY folder").df()


def lineage(cur: duckdb.DuckDBPyConnection, run_id: str) -> pd.DataFrame:
    """A run and its relatives of the same collection.

    Columns: relation (self; baseline: what its gain is measured against; child: a run measured against this one;
    sibling: a run that shares its intermediate stage), run_id, intermediate, target, seed, outcome, intermediate_key,
    target_key, evaluation_key, n_langs. Order: self, baseline, child, sibling; then target, intermediate, seed, run_id.
    """
    sql = """
        WITH keys AS (
            SELECT run_id, max(key) FILTER (kind = 'intermediate') AS intermediate_key,
                   max(key) FILTER (kind = 'target') AS target_key,
                   max(key) FILTER (kind = 'evaluation') AS evaluation_key
            FROM stages GROUP BY run_id
        ), full_runs AS (
            SELECT r.*, k.* EXCLUDE (run_id) FROM runs r LEFT JOIN keys k USING (run_id)
        ), me AS (SELECT * FROM full_runs WHERE run_id = $run_id),
        related AS (
            SELECT o.*, CASE
                WHEN o.run_id = me.run_id THEN 'self'
                WHEN o.pair_key = me.pair_key AND o.intermediate = 'none' THEN 'baseline'
                WHEN o.pair_key = me.pair_key AND me.intermediate = 'none' THEN 'child'
                WHEN o.intermediate_key = me.intermediate_key THEN 'sibling' END AS relation
            FROM full_runs o JOIN me ON o.collection = me.collection
        )
        SELECT relation, run_id, intermediate, target, seed, outcome, intermediate_key, target_key, evaluation_key,
               (SELECT count(DISTINCT lang) FROM scores s WHERE s.run_id = related.run_id)::INTEGER AS n_langs
        FROM related WHERE relation IS NOT NULL
        ORDER BY list_position(['self', 'baseline', 'child', 'sibling'], relation), target, intermediate, seed, run_id
    """
    return cur.execute(sql, {"run_id": run_id}).df()


def choices(cur: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """What there is to choose from: one row per combination that has scores.

    Columns: collection, model, target, metric, is_headline, protocol, data_source, n_runs. Order: as the columns.
    """
    sql = """
        SELECT r.collection, r.model, r.target, s.metric, s.metric = r.headline_metric AS is_headline, r.protocol,
               r.data_source, count(DISTINCT r.run_id)::INTEGER AS n_runs
        FROM runs r JOIN scores s USING (run_id) GROUP BY ALL
        ORDER BY r.collection, r.model, r.target, s.metric, is_headline, r.protocol, r.data_source
    """
    return cur.execute(sql).df()
