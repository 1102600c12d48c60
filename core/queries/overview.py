"""What the store holds, and what stands out in it: the questions of the first page."""

from __future__ import annotations

import duckdb
import pandas as pd


def counts(cur: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """How much each collection holds.

    Returns:
        One row per collection that holds a run, in alphabetical order; columns `collection`, `runs`, `finished`,
        `models`, `intermediates` (without `none`), `targets`, `langs`, `scores`, `gains` (with a paired baseline),
        `counted` (gains that are evidence), `real` (runs on real data), `counted_real` (evidence on real data).
        Runs, finished or not, are all that are there; of a seed that the store holds more than once, the scores and
        gains that count.
    """
    return cur.execute("""
        SELECT
            r.collection,
            count(DISTINCT r.run_id) AS runs,
            count(DISTINCT r.run_id) FILTER (WHERE r.outcome = 'finished') AS finished,
            count(DISTINCT r.model) AS models,
            count(DISTINCT r.intermediate) FILTER (WHERE r.intermediate <> 'none') AS intermediates,
            count(DISTINCT r.target) AS targets,
            count(DISTINCT s.lang) AS langs,
            count(s.score) FILTER (c.is_current) AS scores,
            (SELECT count(g.gain) FROM current_gains g WHERE g.collection = r.collection) AS gains,
            (SELECT count(*) FROM counted_gains g WHERE g.collection = r.collection) AS counted,
            count(DISTINCT r.run_id) FILTER (WHERE r.data_source <> 'sample') AS real,
            (SELECT count(*) FROM counted_gains g WHERE g.collection = r.collection AND g.data_source <> 'sample')
                AS counted_real
        FROM runs r JOIN pairing c ON c.run_id = r.run_id LEFT JOIN scores s ON s.run_id = r.run_id
        GROUP BY r.collection ORDER BY r.collection
    """).df()


def data_of_tasks(cur: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Which data of each task the runs that are here have read, and how many examples.

    Returns:
        Columns `task`, `data_source`, `runs` (that read them), `train` (examples that training could draw from; missing
        where none was trained on it), `langs` (codes of those with a test set; missing without one), `test_low`,
        `test_high` (examples of the smallest and the largest of these test sets; missing without one), `baselines` (how
        many of the runs have no intermediate). Order: task; real data before the sample.
    """
    return cur.execute("""
        SELECT p.task, r.data_source, count(DISTINCT p.run_id) AS runs,
               max(p.n_available) FILTER (p.role = 'train') AS train,
               array_agg(DISTINCT p.lang) FILTER (p.role = 'test') AS langs,
               min(p.n_available) FILTER (p.role = 'test') AS test_low,
               max(p.n_available) FILTER (p.role = 'test') AS test_high,
               count(DISTINCT p.run_id) FILTER (r.intermediate = 'none') AS baselines
        FROM splits p JOIN runs r USING (run_id)
        GROUP BY p.task, r.data_source ORDER BY p.task, r.data_source = 'sample', r.data_source
    """).df()


def published_counts(cur: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """How much was transcribed from papers.

    Returns:
        One row; columns `documents`, `tables`, `scores`, `gains`, `targets`, `langs` (figures as printed; all 0 where
        there are none).
    """
    return cur.execute("""
        SELECT count(DISTINCT t.paper || t.version) AS documents, count(DISTINCT t.name) AS tables,
               count(*) FILTER (f.kind = 'score') AS scores, count(*) FILTER (f.kind = 'gain') AS gains,
               count(DISTINCT f.target) AS targets, count(DISTINCT f.lang) AS langs
        FROM published_tables t JOIN published_figures f ON f.table_name = t.name
    """).df()


def findings(cur: duckdb.DuckDBPyConnection, *, limit: int = 6) -> pd.DataFrame:
    """For each target under one model, protocol and data source: the intermediate with the largest mean gain.

    English and in-task cells are left out: the first is not transfer, the second is more of the same training. So are
    gains that are no evidence (`core.store.counted`). Each language counts once (mean over its seeds), then languages
    are averaged; `langs` of `target_langs` says over how many.

    Args:
        limit: Most rows.

    Returns:
        Real data first, then the largest absolute mean gain; columns `collection`, `model`, `target`, `metric`,
        `protocol`, `protocol_digest`, `data_source`, `intermediate`, `rivals` (intermediates compared, this one
        included), `mean_gain`, `langs`, `target_langs`, `helped`, `seeds`, `best_lang`, `best_gain`, `worst_lang`,
        `worst_gain` (gains are fractions).
    """
    return cur.execute(
        """
        WITH paired AS (
            SELECT g.*, r.protocol_digest, r.model_fingerprint
            FROM counted_gains g JOIN runs r ON r.run_id = g.run_id
            WHERE g.is_headline AND NOT g.in_task AND g.lang <> 'en'
        ),
        per_lang AS (
            SELECT collection, model, model_fingerprint, target, metric, protocol, protocol_digest, data_source,
                   intermediate, lang, avg(gain) AS gain, count(DISTINCT seed) AS seeds
            FROM paired GROUP BY ALL
        ),
        per_intermediate AS (
            SELECT collection, model, model_fingerprint, target, metric, protocol, protocol_digest, data_source,
                   intermediate, avg(gain) AS mean_gain, count(*) AS langs, count(*) FILTER (WHERE gain > 0) AS helped,
                   min(seeds) AS seeds, arg_max(lang, gain) AS best_lang, max(gain) AS best_gain,
                   arg_min(lang, gain) AS worst_lang, min(gain) AS worst_gain
            FROM per_lang GROUP BY ALL
        ),
        ranked AS (
            SELECT *, max(langs) OVER w AS target_langs, count(*) OVER w AS rivals,
                   row_number() OVER (
                       PARTITION BY collection, model, model_fingerprint, target, protocol_digest, data_source
                       ORDER BY mean_gain DESC, intermediate
                   ) AS place
            FROM per_intermediate
            WINDOW w AS (PARTITION BY collection, model, model_fingerprint, target, protocol_digest, data_source)
        )
        SELECT collection, model, target, metric, protocol, protocol_digest, data_source, intermediate, rivals,
               mean_gain, langs, target_langs, helped, seeds, best_lang, best_gain, worst_lang, worst_gain
        FROM ranked WHERE place = 1
        ORDER BY data_source <> 'sample' DESC, abs(mean_gain) DESC, collection, model, target,
                 protocol_digest, data_source LIMIT $limit
        """,
        {"limit": limit},
    ).df()
