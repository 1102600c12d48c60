"""Gains and scores per language: what the intermediate changed, and against which run.

A seed that stands twice in the store counts once (`core.store.current`), save where runs are named by their ids.
Each function is one SQL statement; a missing value is NULL in the store and NaN or None in the frame, never 0.
"""

from __future__ import annotations

import duckdb
import pandas as pd

from core.queries.filters import Filter, condition


def gains(cur: duckdb.DuckDBPyConnection, wanted: Filter, *, run_ids: tuple[str, ...] | None = None) -> pd.DataFrame:
    """One row per run, language and metric.

    Columns: model, intermediate, target, lang, metric, protocol, data_source, seed, score, baseline_score, gain, n,
    run_id, baseline_run_id, score_last, gain_last, split, in_task, missing (why there is no gain), collection, chance,
    is_headline. Order: model, target, intermediate, seed, lang, headline metric first.

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
               s.n, r.run_id, s.score_last, s.split, FALSE AS in_task, 'is the baseline' AS missing, r.collection,
               r.chance, s.metric = r.headline_metric AS is_headline
        FROM runs r JOIN scores s USING (run_id)
        WHERE r.intermediate = 'none' AND {kept.sql} {only}
    """
    sql = f"""
        SELECT model, intermediate, target, lang, metric, protocol, data_source, seed, score, baseline_score, gain, n,
               run_id, baseline_run_id, score_last, gain_last, split, in_task, missing, collection, chance, is_headline
        FROM (
            SELECT g.*, r.chance FROM {table} g JOIN (SELECT run_id, chance FROM runs) r USING (run_id)
            WHERE {kept.sql} {only}
            {"" if run_ids is None else baselines}
        )
        ORDER BY model, target, intermediate, seed, lang, is_headline DESC, metric, run_id
    """
    return cur.execute(sql, values).df()


def gain_matrix(cur: duckdb.DuckDBPyConnection, *, target: str, metric: str, wanted: Filter) -> pd.DataFrame:
    """One row per intermediate and language of a target, means over seeds; what was not scored has a row that says so.

    Sets that must not be mixed stay apart: there is one grid per collection, model, protocol and data source.
    Columns: collection, model, protocol, data_source, intermediate, lang, gain (mean over the seeds that have one),
    gain_sd (sample, NULL below two seeds), n_seeds (that have a gain), seeds (those, as text), score (mean over seeds),
    n_scored (seeds that have a score), baseline_score (mean over the seeds that have a gain), n (examples, the fewest
    of any
    seed), in_task, missing (why there is no gain, or none for some seeds). Order: as the columns.

    Args:
        target: Target.
        wanted: Rows to keep; its own target and metric are not used.
    """
    kept = condition(wanted, without=frozenset({"target", "metric"}))
    runs_kept = condition(wanted, without=frozenset({"target", "metric", "langs"}))
    sql = f"""
        WITH cells AS (
            SELECT collection, model, protocol, data_source, intermediate, lang, avg(gain) AS gain,
                   stddev_samp(gain) AS gain_sd, count(gain)::INTEGER AS n_seeds,
                   string_agg(seed::VARCHAR, ', ' ORDER BY seed) FILTER (gain IS NOT NULL) AS seeds, avg(score) AS
                   score,
                   count(score)::INTEGER AS n_scored, avg(baseline_score) FILTER (gain IS NOT NULL) AS baseline_score,
                   min(n)::INTEGER AS n, bool_or(in_task) AS in_task,
                   string_agg(DISTINCT missing, '; ' ORDER BY missing) AS missing
            FROM current_gains WHERE target = $target AND metric = $metric AND {kept.sql}
            GROUP BY ALL
        ), skipped AS (
            SELECT r.collection, r.model, r.protocol, r.data_source, r.intermediate, s.lang,
                   string_agg(DISTINCT s.reason, '; ' ORDER BY s.reason) AS reason
            FROM skips s JOIN current_runs r USING (run_id)
            WHERE r.target = $target AND r.intermediate <> 'none' AND {runs_kept.sql} GROUP BY ALL
        ), langs AS (
            SELECT DISTINCT collection, model, protocol, data_source, lang FROM cells
        ), tried AS (
            SELECT DISTINCT collection, model, protocol, data_source, intermediate FROM current_runs
            WHERE target = $target AND intermediate <> 'none' AND {runs_kept.sql}
        )
        SELECT collection, model, protocol, data_source, intermediate, lang, c.gain, c.gain_sd, coalesce(c.n_seeds, 0)
        AS n_seeds,
               c.seeds, c.score, coalesce(c.n_scored, 0) AS n_scored, c.baseline_score, c.n, c.in_task,
               CASE WHEN c.score IS NULL THEN coalesce('skipped: ' || k.reason, 'not scored') ELSE c.missing END AS
               missing
        FROM tried JOIN langs USING (collection, model, protocol, data_source)
        LEFT JOIN cells c USING (collection, model, protocol, data_source, intermediate, lang)
        LEFT JOIN skipped k USING (collection, model, protocol, data_source, intermediate, lang)
        ORDER BY collection, model, protocol, data_source, intermediate, lang
    """
    return cur.execute(sql, kept.values | runs_kept.values | {"target": target, "metric": metric}).df()


def mean_gains(cur: duckdb.DuckDBPyConnection, *, target: str, metric: str, wanted: Filter) -> pd.DataFrame:
    """One row per intermediate of a target: means over the languages that every compared intermediate has.

    Columns: collection, model, protocol, data_source, intermediate, gain, score, baseline_score (each a mean over
    languages
    of means over seeds that have a gain), n_langs (languages averaged), langs (those, as text), langs_left_out (with a
    gain here but not
    for all; NULL: none), n_seeds (the fewest of any language averaged). English is averaged like any other; leave it
    out
    with `Filter.langs`. Means are NULL where no language is common. Order: the first five columns.

    Args:
        target: Target.
        wanted: Rows to keep; its own target and metric are not used.
    """
    kept = condition(wanted, without=frozenset({"target", "metric"}))
    sql = f"""
        WITH cells AS (
            SELECT collection, model, protocol, data_source, intermediate, lang, avg(gain) AS gain, avg(score) AS score,
                   avg(baseline_score) AS baseline_score, count(*)::INTEGER AS n_seeds
            FROM current_gains WHERE target = $target AND metric = $metric AND gain IS NOT NULL AND {kept.sql}
            GROUP BY ALL
        ), marked AS (
            SELECT *, count(*) OVER (PARTITION BY collection, model, protocol, data_source, lang)
                = (SELECT count(DISTINCT o.intermediate) FROM cells o WHERE (o.collection, o.model, o.protocol,
                o.data_source)
                   = (c.collection, c.model, c.protocol, c.data_source)) AS common
            FROM cells c
        )
        SELECT collection, model, protocol, data_source, intermediate, avg(gain) FILTER (common) AS gain,
               avg(score) FILTER (common) AS score, avg(baseline_score) FILTER (common) AS baseline_score,
               count(*) FILTER (common)::INTEGER AS n_langs, string_agg(lang, ', ' ORDER BY lang) FILTER (common) AS
               langs,
               string_agg(lang, ', ' ORDER BY lang) FILTER (NOT common) AS langs_left_out,
               min(n_seeds) FILTER (common) AS n_seeds
        FROM marked GROUP BY ALL ORDER BY collection, model, protocol, data_source, intermediate
    """
    return cur.execute(sql, kept.values | {"target": target, "metric": metric}).df()


def baseline_scores(cur: duckdb.DuckDBPyConnection, wanted: Filter) -> pd.DataFrame:
    """Scores of the runs without an intermediate, one row per run, language and metric.

    Columns: collection, model, target, lang, metric, protocol, data_source, seed, score, score_last, n, split, chance,
    run_id.
    Order: as the columns up to seed, then run_id.

    Args:
        wanted: Rows to keep; its intermediate is not used.
    """
    kept = condition(wanted, without=frozenset({"intermediate"}))
    sql = f"""
        SELECT r.collection, r.model, r.target, s.lang, s.metric, r.protocol, r.data_source, r.seed, s.score,
        s.score_last, s.n,
               s.split, r.chance, r.run_id
        FROM current_runs r JOIN scores s USING (run_id) WHERE r.intermediate = 'none' AND {kept.sql}
        ORDER BY r.collection, r.model, r.target, s.lang, s.metric, r.protocol, r.data_source, r.seed, r.run_id
    """
    return cur.execute(sql, kept.values).df()
