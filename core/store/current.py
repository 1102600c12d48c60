"""Deduplication of runs: which of several runs of one cell and seed counts, and which baseline a gain is against.

A run's id holds more than what a cell is made of: the folder of a mirror, and every field of the specification that a
version of the program knew. So one seed of one cell can be in the store more than once. Everything that averages over
seeds reads the views `current_runs` and `current_gains`, which have each seed once; lists of runs read `runs` and
`gains`.
"""

from __future__ import annotations

import duckdb

from core.store.counted import choose_counted

_LATEST = "coalesce(finished_at, started_at, submitted_at)"

_CHOICE = f"""
    INSERT INTO pairing (run_id, baseline_run_id, is_current)
    WITH baselines AS (
        SELECT run_id, collection, pair_key, coalesce(outcome = 'finished', FALSE) AS ended, {_LATEST} AS latest,
               count(*) OVER (PARTITION BY collection, pair_key) AS rivals
        FROM runs WHERE intermediate = 'none'
    ), shared AS (  -- scores on the same examples, counted only where there is a baseline to choose
        SELECT r.run_id, b.run_id AS baseline_run_id, count(*) AS n
        FROM baselines b JOIN runs r ON r.collection = b.collection AND r.pair_key = b.pair_key
        JOIN scores s ON s.run_id = r.run_id
        JOIN scores o ON o.run_id = b.run_id AND o.lang = s.lang AND o.metric = s.metric
            AND o.fingerprint = s.fingerprint
        WHERE b.rivals > 1 AND r.intermediate <> 'none' GROUP BY ALL
    ), unlike AS (  -- training or development sets of the target that differ
        SELECT r.run_id, b.run_id AS baseline_run_id, count(*) AS n
        FROM baselines b JOIN runs r ON r.collection = b.collection AND r.pair_key = b.pair_key
        JOIN splits s ON s.run_id = r.run_id AND s.task = r.target AND s.role IN ('train', 'dev')
        JOIN splits o ON o.run_id = b.run_id AND o.task = s.task AND o.role = s.role AND o.lang = s.lang
        WHERE b.rivals > 1 AND r.intermediate <> 'none'
          AND (o.fingerprint <> s.fingerprint OR o.revision IS DISTINCT FROM s.revision) GROUP BY ALL
    ), paired AS (
        SELECT r.run_id, b.run_id AS baseline_run_id, b.ended
        FROM runs r JOIN baselines b ON b.collection = r.collection AND b.pair_key = r.pair_key
        LEFT JOIN shared n ON n.run_id = r.run_id AND n.baseline_run_id = b.run_id
        LEFT JOIN unlike u ON u.run_id = r.run_id AND u.baseline_run_id = b.run_id
        WHERE r.intermediate <> 'none'
        QUALIFY row_number() OVER (
            PARTITION BY r.run_id ORDER BY
                n.n IS NULL, coalesce(u.n, 0), n.n DESC, b.ended DESC, b.latest DESC NULLS LAST, b.run_id
        ) = 1
    )
    SELECT r.run_id, p.baseline_run_id, row_number() OVER (
        PARTITION BY r.collection, r.model, r.model_fingerprint, r.intermediate, r.target, r.protocol_digest,
                     r.data_source, r.seed
        ORDER BY coalesce(r.outcome = 'finished', FALSE) DESC,
                 -- A run that was made again without its baseline takes no gain away.
                 (r.intermediate = 'none' OR coalesce(p.ended, FALSE)) DESC,
                 {_LATEST} DESC NULLS LAST, r.run_id
    ) = 1 AS is_current
    FROM runs r LEFT JOIN paired p ON p.run_id = r.run_id
"""


def choose_current(cur: duckdb.DuckDBPyConnection) -> None:
    """Fill the tables `pairing` and `floors` anew; `Store.write` does so before each commit.

    Of the runs of one collection, model with its weights, intermediate, target, protocol by digest, data source and
    seed, the first counts in this order: finished; its baseline finished; latest; smallest id. Of the baselines of one
    pair key that scored any of its test examples, a run is measured against one that was trained and selected on the
    same data, then the one with most of its test examples, then finished, latest, smallest id.

    Args:
        cur: Cursor inside a transaction.
    """
    cur.execute("DELETE FROM pairing")
    cur.execute(_CHOICE)
    choose_counted(cur)
