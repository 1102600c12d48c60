"""Runs side by side: their scores by language, differences to the first of them, and whether those are real.

Two scores are differenced where target, data source, metric, split and test examples (by fingerprint) are the same;
elsewhere the row says what is not. Model, intermediate, protocol and seed may differ: that is what is compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pandas as pd

from core.analysis.cell_tests import cell_tests
from core.measures.inference.intervals import t_interval

FEWEST, MOST = 2, 6
"""Runs that can be compared at once."""

TESTED = ("ci_low", "ci_high", "p_value", "q_value", "gained", "lost", "n_examples", "method")
"""Columns that the paired test of a difference adds."""


def metrics(cur: duckdb.DuckDBPyConnection, run_ids: Sequence[str]) -> pd.DataFrame:
    """Metrics that any of the runs was scored by.

    Columns: metric, is_headline (of the first run), runs (that have it). Order: those of the first run first, its
    headline before them, then metric.

    Args:
        run_ids: The runs; the first is what the others are compared with.
    """
    sql = """
        SELECT s.metric, bool_or(s.metric = r.headline_metric AND r.run_id = $first) AS is_headline,
               count(DISTINCT r.run_id)::INTEGER AS runs
        FROM runs r JOIN scores s USING (run_id) WHERE list_contains($run_ids, r.run_id)
        GROUP BY s.metric ORDER BY is_headline DESC, bool_or(r.run_id = $first) DESC, s.metric
    """
    return cur.execute(sql, {"run_ids": list(run_ids), "first": run_ids[0]}).df()


def score_grid(cur: duckdb.DuckDBPyConnection, run_ids: Sequence[str], *, metric: str) -> pd.DataFrame:
    """One row per run and language that any of the runs was scored in.

    Columns: run_id, lang, score (fraction; NULL where not scored), n, split, first_score, difference (to the first
    run; NULL where the two must not be compared), missing (why; NULL where there is a difference). Order: as asked,
    English first, lang.

    Args:
        run_ids: Different runs; the first is what the others are compared with.
    """
    sql = """
        WITH asked AS (
            SELECT run_id, target, data_source, list_position($run_ids, run_id) AS place
            FROM runs WHERE list_contains($run_ids, run_id)
        ), scored AS (
            SELECT s.* FROM scores s JOIN asked USING (run_id) WHERE s.metric = $metric
        ), judged AS (
            SELECT a.run_id, a.place, l.lang, s.score, s.n, s.split, f.score AS first_score, CASE
                WHEN a.place = 1 THEN 'is the first run'
                WHEN a.target <> o.target THEN 'other target: ' || a.target
                WHEN a.data_source <> o.data_source THEN 'other data source: ' || a.data_source
                WHEN NOT EXISTS (FROM scores e WHERE e.run_id = a.run_id) THEN 'no scores'
                WHEN NOT EXISTS (FROM scores e WHERE e.run_id = o.run_id) THEN 'the first run has no scores'
                WHEN NOT EXISTS (FROM scored e WHERE e.run_id = a.run_id) THEN 'other metric: no ' || $metric
                WHEN NOT EXISTS (FROM scored e WHERE e.run_id = o.run_id) THEN 'the first run has no ' || $metric
                WHEN s.score IS NULL THEN 'not scored'
                WHEN f.score IS NULL THEN 'not scored by the first run'
                WHEN s.split <> f.split THEN 'other split: ' || s.split
                WHEN s.fingerprint <> f.fingerprint THEN 'other test examples' END AS missing
            FROM asked a
            CROSS JOIN (SELECT DISTINCT lang FROM scored) l
            JOIN asked o ON o.place = 1
            LEFT JOIN scored s ON s.run_id = a.run_id AND s.lang = l.lang
            LEFT JOIN scored f ON f.run_id = o.run_id AND f.lang = l.lang
        )
        SELECT run_id, lang, score, n, split, first_score,
               CASE WHEN missing IS NULL THEN score - first_score END AS difference, missing
        FROM judged ORDER BY place, lang <> 'en', lang
    """
    return cur.execute(sql, {"run_ids": list(run_ids), "metric": metric}).df()


def paired_tests(cur: duckdb.DuckDBPyConnection, grid: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """The rows of a grid that have a difference, each with a paired test on the examples of both runs.

    Columns: run_id, lang, `TESTED`; all of these are missing where a run kept no credits per example or the metric
    has none. q_value is corrected over all the differences of the grid. Order: that of the grid.

    Args:
        grid: As `score_grid` returns it, of the headline metric: its credits are compared.
        seed: Of the bootstrap.
    """
    first = grid["run_id"].iloc[0] if len(grid) else None
    kept = grid[grid["difference"].notna()]
    # One cell a run and language, so that each is tested as a pair of one seed.
    cells = kept.assign(
        intermediate=kept["run_id"], target="", seed=0, gain=kept["difference"], baseline_run_id=first
    )  # fmt: skip
    found = cell_tests(cur, cells, seed=seed).rename(columns={"intermediate": "run_id"})
    return found[["run_id", "lang", *TESTED]]


def mean_differences(grid: pd.DataFrame) -> pd.DataFrame:
    """One row per run after the first: its mean difference over the languages that it can be compared in.

    English is left out unless it is the only one: the target was trained in English, so it is not transfer. Columns:
    run_id, difference (NaN where nothing can be compared), low, high (95 % limits, Student's t over languages: how
    much languages differ, not seeds or examples), n_langs, higher (languages above the first run). Order: that of
    the grid.

    Args:
        grid: As `score_grid` returns it.
    """
    rows = []
    for run_id, part in grid.groupby("run_id", sort=False):
        if (part["missing"] == "is the first run").any():
            continue
        kept = part[part["difference"].notna()]
        kept = kept[kept["lang"] != "en"] if (kept["lang"] != "en").any() else kept
        values = kept["difference"].to_numpy(float)
        interval = t_interval(values) if len(values) > 1 else None
        rows.append(
            {
                "run_id": run_id,
                "difference": float(values.mean()) if len(values) else float("nan"),
                "low": interval.low if interval else float("nan"),
                "high": interval.high if interval else float("nan"),
                "n_langs": len(values),
                "higher": int((values > 0).sum()),
            }
        )
    return pd.DataFrame(rows, columns=["run_id", "difference", "low", "high", "n_langs", "higher"])


def obstacles(grid: pd.DataFrame) -> pd.DataFrame:
    """Why languages of runs are not compared with the first run.

    Columns: run_id, missing, langs (text), n_langs, whole (no language of the run can be compared). Order: that of
    the grid.

    Args:
        grid: As `score_grid` returns it.
    """
    gaps = grid[grid["missing"].notna() & (grid["missing"] != "is the first run")]
    compared = set(grid.loc[grid["difference"].notna(), "run_id"])
    rows = [
        (run_id, missing, ", ".join(part["lang"]), len(part), run_id not in compared)
        for (run_id, missing), part in gaps.groupby(["run_id", "missing"], sort=False)
    ]
    return pd.DataFrame(rows, columns=["run_id", "missing", "langs", "n_langs", "whole"])
