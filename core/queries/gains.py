"""Gains and scores per language: what the intermediate changed, and against which run.

A seed that the store holds more than once counts once (`core.store.current`), save where runs are named by their ids.
Each function is one SQL statement; a missing value is NULL in the store and NaN or None in the frame, never 0.
"""

from __future__ import annotations

import duckdb
import pandas as pd

from core.queries.filters import Filter, condition


def gains(cur: duckdb.DuckDBPyConnection, wanted: Filter, *, run_ids: tuple[str, ...] | None = None) -> pd.DataFrame:
    """One row per run, language and metric.

    Columns: model, intermediate, target, lang, metric, protocol, data_source, seed, score, baseline_score, gain, n,
    run_id, baseline_run_id, score_last, gain_last, split, in_task, missing (why there is no gain), excluded (why it is
    no evidence), floor, floor_rule, note, collection, chance, is_headline. Order: model, target, intermediate, seed,
    lang, headline metric first.

    Args:
        wanted: Rows to keep.
        run_ids: Only these runs; baselines among them are listed too, with no gain. None: every current run with an
            intermediate.
    """
    kept = condition(wanted)
    only = "" if run_ids is None else "AND list_contains($run_ids, run_id)"
    table = "current_gains" if run_ids is None else "gains"
    values = kept.values | ({} if run_ids is None else {"run_ids": list(run_ids)})
    baselines = f"""
        UNION ALL BY NAME
        SELECT r.model, r.intermediate, r.target, s.lang, s.metric, r.protocol, r.data_source, r.seed, s.score,
               s.n, r.run_id, s.score_last, s.split, FALSE AS in_task, 'is the baseline' AS missing, s.floor,
               s.floor_rule, r.collection, r.chance, s.metric = r.headline_metric AS is_headline
        FROM runs r JOIN scores s USING (run_id)
        WHERE r.intermediate = 'none' AND {kept.sql} {only}
    """
    sql = f"""
        SELECT model, intermediate, target, lang, metric, protocol, data_source, seed, score, baseline_score, gain, n,
               run_id, baseline_run_id, score_last, gain_last, split, in_task, missing, excluded, floor, floor_rule,
               note, collection, chance, is_headline
        FROM (
            SELECT g.*, r.chance FROM {table} g JOIN (SELECT run_id, chance FROM runs) r USING (run_id)
            WHERE {kept.sql} {only}
            {"" if run_ids is None else baselines}
        )
        ORDER BY model, target, intermediate, seed, lang, is_headline DESC, metric, run_id
    """
    return cur.execute(sql, values).df()
