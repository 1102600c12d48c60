"""What the page of runs asks beside `runs` and `stages`: how far open runs are, and scores beside their baseline."""

from __future__ import annotations

import duckdb
import pandas as pd


def progress(cur: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """How far every run is that has begun and not ended.

    Returns:
        Columns `run_id`, `stage` ("target xnli"; NULL between stages and before the first), `step`, `total_steps` (of
        that stage, NULL alike), `done` (fraction of the steps of all stages, stages counted alike, in [0, 1]; NULL
        before they are known), `n_read` (splits read so far), `started_at` (UTC). Order: run_id.
    """
    return cur.execute("""
        SELECT r.run_id, any_value(r.started_at) AS started_at,
               max(s.kind || ' ' || s.name) FILTER (s.state = 'running') AS stage,
               max(s.step) FILTER (s.state = 'running') AS step,
               max(s.total_steps) FILTER (s.state = 'running') AS total_steps,
               avg(CASE WHEN s.state IN ('finished', 'reused') THEN 1.0
                        WHEN s.state = 'running' AND s.total_steps > 0
                        THEN least(1.0, coalesce(s.step, 0) / s.total_steps)
                        WHEN s.run_id IS NOT NULL THEN 0.0 END) AS done,
               (SELECT count(*) FROM splits p WHERE p.run_id = r.run_id)::INTEGER AS n_read
        FROM runs r LEFT JOIN stages s ON s.run_id = r.run_id
        WHERE r.outcome IS NULL AND coalesce(r.started_at::VARCHAR, s.run_id) IS NOT NULL
        GROUP BY r.run_id ORDER BY r.run_id
    """).df()


def paired_scores(cur: duckdb.DuckDBPyConnection, run_id: str) -> pd.DataFrame:
    """Scores of a run beside those of its baseline.

    Returns:
        Columns `lang`, `metric`, `score`, `score_last`, `score_mean`, `score_oracle`, `baseline_score`, `gain`,
        `floor` (fractions or NULL), `floor_rule`, `n`, `split`, `missing` (why there is no gain; NULL for a baseline),
        `excluded` (why the gain is no evidence), `note`. Order: headline metric first, English first, lang.
    """
    return cur.execute(
        """
        SELECT s.lang, s.metric, s.score, s.score_last, s.score_mean, s.score_oracle, g.baseline_score, g.gain,
               s.floor, s.floor_rule, s.n, s.split, g.missing, g.excluded, g.note
        FROM scores s JOIN runs r ON r.run_id = s.run_id
        LEFT JOIN gains g ON g.run_id = s.run_id AND g.lang = s.lang AND g.metric = s.metric
        WHERE s.run_id = $run_id ORDER BY s.metric <> r.headline_metric, s.metric, s.lang <> 'en', s.lang
        """,
        {"run_id": run_id},
    ).df()
