"""What the page of runs asks beside `runs` and `stages`: how far open runs are, and scores beside their baseline."""

from __future__ import annotations

import duckdb
import pandas as pd


def progress(cur: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """How far every run is that has not ended.

    Returns:
        Columns `run_id`, `stage` ("target xnli"; NULL before the first), `done` (fraction of the steps of all stages,
        stages counted alike, in [0, 1]). Order: run_id.
    """
    return cur.execute("""
        SELECT s.run_id,
               max(s.kind || ' ' || s.name) FILTER (s.state = 'running') AS stage,
               avg(CASE WHEN s.state IN ('finished', 'reused') THEN 1.0
                        WHEN s.state = 'running' AND s.total_steps > 0
                        THEN least(1.0, coalesce(s.step, 0) / s.total_steps) ELSE 0.0 END) AS done
        FROM stages s JOIN runs r ON r.run_id = s.run_id
        WHERE r.outcome IS NULL GROUP BY s.run_id ORDER BY s.run_id
    """).df()


def paired_scores(cur: duckdb.DuckDBPyConnection, run_id: str) -> pd.DataFrame:
    """Scores of a run beside those of its baseline.

    Returns:
        Columns `lang`, `metric`, `score`, `score_last`, `baseline_score`, `gain`, `floor` (fractions or NULL),
        `floor_rule`, `n`, `split`, `missing` (why there is no gain; NULL for a baseline), `excluded` (why the gain is
        no evidence), `note`. Order: headline metric first, English first, lang.
    """
    return cur.execute(
        """
        SELECT s.lang, s.metric, s.score, s.score_last, g.baseline_score, g.gain, s.floor, s.floor_rule, s.n, s.split,
               g.missing, g.excluded, g.note
        FROM scores s JOIN runs r ON r.run_id = s.run_id
        LEFT JOIN gains g ON g.run_id = s.run_id AND g.lang = s.lang AND g.metric = s.metric
        WHERE s.run_id = $run_id ORDER BY s.metric <> r.headline_metric, s.metric, s.lang <> 'en', s.lang
        """,
        {"run_id": run_id},
    ).df()
