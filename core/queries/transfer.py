"""What the transfer page asks: which views there are, the rows of one, why cells are empty, the runs behind a cell.

A view fixes everything that must not be mixed in one cell: collection, model and its weights, target, metric, protocol
by digest, data source. Only seeds vary inside a cell.
"""

from __future__ import annotations

from typing import NamedTuple

import duckdb
import pandas as pd

from core.store.counted import FLOOR
from core.store.gallery import own_first

CHOSEN = """
    SELECT * FROM current_runs
    WHERE collection = $collection AND model = $model AND model_fingerprint IS NOT DISTINCT FROM $model_fingerprint
      AND target = $target AND protocol_digest = $protocol_digest AND data_source = $data_source
"""
"""Runs of a view, a seed of an intermediate once (`core.store.current`)."""


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

    Returns:
        Columns `collection`, `model`, `model_fingerprint`, `target`, `metric`, `protocol`, `protocol_digest`,
        `data_source`, `is_headline`, `runs`, `intermediates` (how many); on real data first where a gain of the
        setting counts; then yours, then measured, then published; of these the views with most scores first, which are
        runs times languages; headline metrics first.
    """
    return cur.execute(f"""
        WITH real AS (
            SELECT DISTINCT r.collection, r.model, r.model_fingerprint, r.protocol_digest, r.data_source
            FROM counted_gains g JOIN runs r ON r.run_id = g.run_id WHERE r.data_source <> 'sample'
        )
        SELECT r.collection, r.model, r.model_fingerprint, r.target, s.metric, r.protocol, r.protocol_digest,
               r.data_source, s.metric = r.headline_metric AS is_headline, count(DISTINCT r.run_id) AS runs,
               count(DISTINCT r.intermediate) FILTER (r.intermediate <> 'none') AS intermediates
        FROM current_runs r JOIN scores s ON s.run_id = r.run_id
        LEFT JOIN real ON real.collection = r.collection AND real.model = r.model AND real.data_source = r.data_source
            AND real.protocol_digest = r.protocol_digest
            AND real.model_fingerprint IS NOT DISTINCT FROM r.model_fingerprint
        GROUP BY ALL
        ORDER BY any_value(real.model IS NOT NULL) DESC, {own_first("r.collection")}, count(*) DESC,
                 r.model, r.target, is_headline DESC, s.metric, r.protocol, r.data_source,
                 r.protocol_digest, r.model_fingerprint
    """).df()


def seed_rows(cur: duckdb.DuckDBPyConnection, view: View) -> pd.DataFrame:
    """What was scored in a view: one row per language, intermediate and seed, baselines included.

    Args:
        view: What is fixed.

    Returns:
        Columns `lang`, `intermediate` (both categorical), `seed`, `score`, `baseline_score`, `gain` (fractions; NULL
        where there is no pair), `n` (test examples), `in_task`, `missing` (why there is no gain), `excluded` (why the
        gain is no evidence, for `none`: why nothing is that is measured against it). Order: intermediate, lang, seed.
    """
    rows = cur.execute(
        f"""
        WITH chosen AS ({CHOSEN})
        SELECT s.lang, c.intermediate, c.seed, s.score, g.baseline_score, g.gain, s.n,
               coalesce(g.in_task, false) AS in_task, g.missing,
               CASE WHEN c.intermediate <> 'none' THEN g.excluded
                    ELSE coalesce(p.excluded, CASE WHEN l.run_id IS NOT NULL THEN '{FLOOR}' END) END AS excluded
        FROM chosen c JOIN scores s ON s.run_id = c.run_id AND s.metric = $metric
        JOIN pairing p ON p.run_id = c.run_id
        LEFT JOIN floors l ON l.run_id = c.run_id AND l.lang = s.lang AND l.metric = s.metric
        LEFT JOIN (
            SELECT run_id, lang, baseline_score, gain, in_task, missing, excluded FROM gains
            WHERE collection = $collection AND model = $model AND target = $target AND data_source = $data_source
              AND metric = $metric
        ) g ON g.run_id = c.run_id AND g.lang = s.lang
        ORDER BY c.intermediate, s.lang, c.seed
        """,
        view._asdict(),
    ).df()
    return rows.astype({"lang": "category", "intermediate": "category"})


def states(cur: duckdb.DuckDBPyConnection, view: View) -> pd.DataFrame:
    """All languages × intermediates of a view, each with what would explain an empty cell.

    Args:
        view: What is fixed.

    Returns:
        Columns `lang`, `intermediate`, `state` (skipped, running, queued, failed, cancelled, missing), `reason` (one
        sentence). Of several runs of a cell the first of that list speaks. Order: `none` first, then intermediate;
        lang.
    """
    return cur.execute(
        f"""
        WITH chosen AS ({CHOSEN}),
        langs AS (
            SELECT s.lang FROM scores s JOIN chosen USING (run_id)
            UNION SELECT k.lang FROM skips k JOIN chosen USING (run_id)
        ),
        skipped AS (
            SELECT k.lang, c.intermediate, min(k.reason) AS reason
            FROM skips k JOIN chosen c USING (run_id) GROUP BY ALL
        ),
        ended AS (
            SELECT intermediate,
                   count(*) FILTER (WHERE outcome IS NULL AND started_at IS NOT NULL) AS running,
                   count(*) FILTER (WHERE outcome IS NULL AND started_at IS NULL) AS queued,
                   count(*) FILTER (WHERE outcome = 'cancelled') AS cancelled,
                   min(coalesce(error || ': ', '') || coalesce(message, 'no message was left'))
                       FILTER (WHERE outcome = 'failed') AS failure
            FROM chosen GROUP BY intermediate
        )
        SELECT langs.lang, e.intermediate,
               CASE WHEN k.reason IS NOT NULL THEN 'skipped' WHEN e.running > 0 THEN 'running'
                    WHEN e.queued > 0 THEN 'queued' WHEN e.failure IS NOT NULL THEN 'failed'
                    WHEN e.cancelled > 0 THEN 'cancelled' ELSE 'missing' END AS state,
               CASE WHEN k.reason IS NOT NULL THEN k.reason WHEN e.running > 0 THEN 'the run is not finished'
                    WHEN e.queued > 0 THEN 'the run waits in the queue' WHEN e.failure IS NOT NULL THEN e.failure
                    WHEN e.cancelled > 0 THEN 'the run was cancelled'
                    ELSE 'not scored in this language' END AS reason
        FROM langs CROSS JOIN ended e
        LEFT JOIN skipped k ON k.lang = langs.lang AND k.intermediate = e.intermediate
        ORDER BY e.intermediate <> 'none', e.intermediate, langs.lang
        """,
        {name: value for name, value in view._asdict().items() if name != "metric"},
    ).df()


def cell_runs(cur: duckdb.DuckDBPyConnection, view: View, *, lang: str, intermediate: str) -> pd.DataFrame:
    """The runs behind one cell.

    Args:
        view: What is fixed.
        lang: Language of the cell.
        intermediate: Intermediate of the cell.

    Returns:
        One row per run in order of seed; columns `seed`, `outcome` (NULL: not ended), `score`, `score_last`,
        `score_mean`, `score_oracle`, `baseline_score`, `gain` (fractions or NULL), `floor` (of the baseline;
        NULL where it is not known), `floor_rule`, `n`, `split`, `missing`, `excluded`, `note`, `run_id`,
        `baseline_run_id`.
    """
    return cur.execute(
        f"""
        WITH chosen AS ({CHOSEN} AND intermediate = $intermediate)
        SELECT r.seed, r.outcome, s.score, s.score_last, s.score_mean, s.score_oracle, g.baseline_score, g.gain,
               coalesce(g.floor, s.floor) AS floor,
               coalesce(g.floor_rule, s.floor_rule) AS floor_rule, s.n, s.split,
               coalesce(g.missing, k.reason) AS missing, g.excluded, g.note, r.run_id, g.baseline_run_id
        FROM chosen r
        LEFT JOIN scores s ON s.run_id = r.run_id AND s.lang = $lang AND s.metric = $metric
        LEFT JOIN gains g ON g.run_id = r.run_id AND g.lang = s.lang AND g.metric = s.metric
        LEFT JOIN skips k ON k.run_id = r.run_id AND k.lang = $lang
        ORDER BY r.seed, r.run_id
        """,
        view._asdict() | {"lang": lang, "intermediate": intermediate},
    ).df()


def reproduced(cur: duckdb.DuckDBPyConnection, view: View) -> pd.DataFrame:
    """How runs made here compare with those that came with the program: the same chain, seed and examples.

    Args:
        view: What is fixed; its collection is not used.

    Returns:
        One row per intermediate that both have; columns `intermediate`, `langs` (compared), `equal` (of them, those
        whose score is the same number in every seed that both have), `largest` (difference of scores, a fraction).
        Order: `none` first, then intermediate.
    """
    return cur.execute(
        """
        WITH both_of AS (
            SELECT o.intermediate, s.lang, bool_and(s.score = c.score) AS is_equal, max(abs(s.score - c.score)) AS apart
            FROM current_runs o JOIN current_runs g
              ON g.model = o.model AND g.model_fingerprint IS NOT DISTINCT FROM o.model_fingerprint
             AND g.intermediate = o.intermediate AND g.target = o.target AND g.seed = o.seed
             AND g.protocol_digest = o.protocol_digest AND g.data_source = o.data_source
            JOIN scores s ON s.run_id = o.run_id AND s.metric = $metric
            JOIN scores c ON c.run_id = g.run_id AND c.metric = s.metric AND c.lang = s.lang
             AND c.fingerprint = s.fingerprint
            WHERE o.collection = 'yours' AND g.collection = 'measured' AND o.model = $model AND o.target = $target
              AND o.model_fingerprint IS NOT DISTINCT FROM $model_fingerprint
              AND o.protocol_digest = $protocol_digest AND o.data_source = $data_source
            GROUP BY ALL
        )
        SELECT intermediate, count(*) AS langs, count(*) FILTER (is_equal) AS equal, max(apart) AS largest
        FROM both_of GROUP BY intermediate ORDER BY intermediate <> 'none', intermediate
        """,
        {name: value for name, value in view._asdict().items() if name != "collection"},
    ).df()
