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


def no_evidence(cur: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Runs none of whose gains is evidence; of a baseline: none that is measured against it.

    Columns: run_id, excluded (one of `core.store.counted.REASONS`). Order: run_id.
    """
    return cur.execute("SELECT run_id, excluded FROM pairing WHERE excluded IS NOT NULL ORDER BY run_id").df()


def unwell(cur: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Runs made here that diverged, whose predictions are all the same, or a stage of which learned nothing.

    Placebos with shuffled labels, which are made so that nothing is learned, are judged by their target alone.

    Columns: kind (diverged; constant predictions; at chance), run_id, text (one sentence). Order: kind, run_id, stage.
    """
    sql = """
        SELECT 'diverged' AS kind, run_id, coalesce(message, 'Its training diverged.') AS text, 0 AS place
        FROM runs WHERE collection = 'yours' AND outcome = 'failed' AND error = 'Diverged'
        UNION ALL
        SELECT CASE WHEN j.is_constant THEN 'constant predictions' ELSE 'at chance' END, run_id,
               printf('The %s stage scores %.3f on English development data of %s, %s than %s (%.3f).',
                      g.kind, j.score, j.task,
                      CASE WHEN j.score > j.rule_score THEN 'not clearly better' ELSE 'no better' END,
                      j.rule, j.rule_score), g.position
        FROM judgements j JOIN stages g USING (run_id, key) JOIN runs r USING (run_id)
        WHERE r.collection = 'yours' AND NOT j.has_learned
          AND NOT (g.kind = 'intermediate' AND contains(r.intermediate, '~shuffled'))
        ORDER BY kind, run_id, place
    """
    return cur.execute(sql).df().drop(columns="place")


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
