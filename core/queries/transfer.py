"""What the transfer page asks: which views there are, the cells of one, and the runs behind a cell.

A view fixes everything that must not be mixed in one cell: collection, model and its weights, target, metric, protocol
by digest, data source. Only seeds vary inside a cell.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import duckdb
import pandas as pd

from core.languages import language


class View(NamedTuple):
    """One heatmap."""

    collection: str
    """published, measured or yours."""
    model: str
    """Name of the model."""
    model_fingerprint: str | None
    """Digest of a local folder's weights; None for a hub model."""
    target: str
    """Name of the target task."""
    metric: str
    """One of the target's metrics."""
    protocol_digest: str
    """Digest of the protocol: two protocols of one name are two views."""
    data_source: str
    """sample, mirror or hub."""


def choices(cur: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Every view that has at least one score.

    Args:
        cur: Cursor of the store.

    Returns:
        Columns `collection`, `model`, `model_fingerprint`, `target`, `metric`, `protocol`, `protocol_digest`,
        `data_source`, `is_headline`, `runs`; yours first, then measured, then published, headline metrics first.
    """
    return cur.execute("""
        SELECT r.collection, r.model, r.model_fingerprint, r.target, s.metric, r.protocol, r.protocol_digest,
               r.data_source, s.metric = r.headline_metric AS is_headline, count(DISTINCT r.run_id) AS runs
        FROM runs r JOIN scores s ON s.run_id = r.run_id
        GROUP BY ALL
        ORDER BY r.collection DESC, runs DESC, r.model, r.target, is_headline DESC, s.metric, r.protocol, r.data_source,
                 r.protocol_digest, r.model_fingerprint
    """).df()


def cells(cur: duckdb.DuckDBPyConnection, view: View, *, quantity: Literal["gain", "score"]) -> pd.DataFrame:
    """All languages × intermediates of a view, holes included.

    Args:
        cur: Cursor of the store.
        view: What is fixed.
        quantity: `gain` leaves the column `none` out, `score` puts it first.

    Returns:
        English first, then languages by name; intermediates in alphabetical order. Columns `lang`, `intermediate`,
        `value` (mean over seeds; NULL where missing), `sd` (sample standard deviation over seeds; NULL for fewer than
        two), `n_seeds`, `seeds` (text), `n` (text; test examples, a range where seeds differ), `in_task`, `missing`
        (reason, NULL where there is a value).
    """
    rows = cur.execute(
        """
        WITH chosen AS (
            SELECT * FROM runs
            WHERE collection = $collection AND model = $model
              AND model_fingerprint IS NOT DISTINCT FROM $model_fingerprint AND target = $target
              AND protocol_digest = $protocol_digest AND data_source = $data_source
        ),
        langs AS (
            SELECT s.lang FROM scores s JOIN chosen USING (run_id)
            UNION SELECT k.lang FROM skips k JOIN chosen USING (run_id)
        ),
        grid AS (
            SELECT langs.lang, i.intermediate FROM langs
            CROSS JOIN (SELECT DISTINCT intermediate FROM chosen) i
            WHERE $quantity = 'score' OR i.intermediate <> 'none'
        ),
        paired AS (
            SELECT * FROM gains WHERE collection = $collection AND model = $model AND target = $target
              AND data_source = $data_source AND metric = $metric
        ),
        found AS (
            SELECT s.lang, c.intermediate, c.seed, s.n, p.missing, coalesce(p.in_task, false) AS in_task,
                   CASE WHEN $quantity = 'gain' THEN p.gain ELSE s.score END AS value
            FROM chosen c JOIN scores s ON s.run_id = c.run_id AND s.metric = $metric
            LEFT JOIN paired p ON p.run_id = c.run_id AND p.lang = s.lang
        ),
        skipped AS (
            SELECT k.lang, c.intermediate, min(k.reason) AS reason
            FROM skips k JOIN chosen c USING (run_id) GROUP BY ALL
        ),
        pending AS (
            SELECT intermediate,
                   CASE WHEN bool_or(outcome IS NULL) THEN 'not finished yet'
                        WHEN bool_or(outcome <> 'finished')
                        THEN 'run ' || min(outcome) FILTER (WHERE outcome <> 'finished')
                   END AS reason
            FROM chosen GROUP BY intermediate
        )
        SELECT g.lang, g.intermediate, avg(f.value) AS value, stddev_samp(f.value) AS sd,
               count(f.value)::INTEGER AS n_seeds,
               coalesce(string_agg(f.seed::VARCHAR, ', ' ORDER BY f.seed) FILTER (f.value IS NOT NULL), '') AS seeds,
               coalesce(CASE WHEN min(f.n) = max(f.n) THEN min(f.n)::VARCHAR
                             ELSE min(f.n) || '–' || max(f.n) END, '') AS n,
               coalesce(bool_or(f.in_task), false) AS in_task,
               CASE WHEN count(f.value) = 0
                    THEN coalesce(min(f.missing), min(k.reason), min(p.reason), 'not run') END AS missing
        FROM grid g
        LEFT JOIN found f ON f.lang = g.lang AND f.intermediate = g.intermediate
        LEFT JOIN skipped k ON k.lang = g.lang AND k.intermediate = g.intermediate
        LEFT JOIN pending p ON p.intermediate = g.intermediate
        GROUP BY g.lang, g.intermediate
        ORDER BY g.intermediate <> 'none', g.intermediate, g.lang
        """,
        view._asdict() | {"quantity": quantity},
    ).df()
    order = {code: (code != "en", language(code).name) for code in rows["lang"].unique()}
    return rows.sort_values("lang", key=lambda codes: codes.map(order), kind="stable").reset_index(drop=True)


def cell_runs(cur: duckdb.DuckDBPyConnection, view: View, *, lang: str, intermediate: str) -> pd.DataFrame:
    """The runs behind one cell.

    Args:
        cur: Cursor of the store.
        view: What is fixed.
        lang: Language of the cell.
        intermediate: Intermediate of the cell.

    Returns:
        One row per run in order of seed; columns `seed`, `outcome` (NULL: not ended), `score`, `score_last`,
        `baseline_score`, `gain` (fractions or NULL), `n`, `split`, `missing`, `run_id`, `baseline_run_id`.
    """
    return cur.execute(
        """
        SELECT r.seed, r.outcome, s.score, s.score_last, g.baseline_score, g.gain, s.n, s.split,
               coalesce(g.missing, k.reason) AS missing, r.run_id, g.baseline_run_id
        FROM runs r
        LEFT JOIN scores s ON s.run_id = r.run_id AND s.lang = $lang AND s.metric = $metric
        LEFT JOIN gains g ON g.run_id = r.run_id AND g.lang = s.lang AND g.metric = s.metric
        LEFT JOIN skips k ON k.run_id = r.run_id AND k.lang = $lang
        WHERE r.collection = $collection AND r.model = $model
          AND r.model_fingerprint IS NOT DISTINCT FROM $model_fingerprint AND r.target = $target
          AND r.protocol_digest = $protocol_digest AND r.data_source = $data_source AND r.intermediate = $intermediate
        ORDER BY r.seed, r.run_id
        """,
        view._asdict() | {"lang": lang, "intermediate": intermediate},
    ).df()
