"""Frozen rankings, and the runs that they are about: which have ended, and what they gained."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pandas as pd

from core.queries.filters import Filter, condition

_NOT_FROZEN = frozenset({"collection", "intermediate", "metric", "langs", "seeds"})
"""Fields of a filter that a ranking has no column for."""


def rankings(cur: duckdb.DuckDBPyConnection, wanted: Filter) -> pd.DataFrame:
    """What every selector said of every launch, one row per intermediate that it ranked.

    Columns: those of the table `rankings`. Order: ranking_id, model, target, selector, intermediate.

    Args:
        wanted: Rankings to keep: collection (a launch is yours, never measured), model, target, protocol, data source.
            What else it narrows would change what was frozen, and is not used.
    """
    kept = condition(wanted, without=_NOT_FROZEN)
    collection = wanted.collection or "yours"
    return cur.execute(
        f"""
        SELECT * FROM rankings WHERE {kept.sql} AND $is_yours
        ORDER BY ranking_id, model, target, selector, intermediate
        """,
        kept.values | {"is_yours": "yours" in ([collection] if isinstance(collection, str) else collection)},
    ).df()


def finished_runs(cur: duckdb.DuckDBPyConnection, run_ids: Sequence[str]) -> list[str]:
    """Those of some runs that have finished, in the order of their ids.

    Args:
        run_ids: Ids that need not exist.
    """
    sql = """
        SELECT run_id FROM runs WHERE outcome = 'finished' AND list_contains($ids::VARCHAR[], run_id) ORDER BY run_id
    """
    return [str(run) for (run,) in cur.execute(sql, {"ids": list(run_ids)}).fetchall()]


def gains_of_runs(cur: duckdb.DuckDBPyConnection, run_ids: Sequence[str], *, model: str) -> pd.DataFrame:
    """Mean gains of some runs over languages other than English and seeds.

    Columns: target, intermediate, gain (fraction), seeds (with a gain). Order: as the columns.

    Args:
        run_ids: Of a launch.
        model: Only runs of this model.
    """
    return cur.execute(
        """
        SELECT target, intermediate, avg(gain) AS gain, count(DISTINCT seed)::INTEGER AS seeds
        FROM gains WHERE list_contains($ids::VARCHAR[], run_id) AND model = $model
            AND is_headline AND gain IS NOT NULL AND excluded IS NULL AND lang <> 'en'
        GROUP BY ALL ORDER BY ALL
        """,
        {"ids": list(run_ids), "model": model},
    ).df()


def ended_runs(cur: duckdb.DuckDBPyConnection, run_ids: Sequence[str], *, model: str) -> pd.DataFrame:
    """How many of some runs have ended, their baseline too where it is one of ours.

    Columns: target, ended. Order: target.

    Args:
        run_ids: Of a launch.
        model: Only runs of this model.
    """
    return cur.execute(
        """
        SELECT r.target,
               count(*) FILTER (r.outcome IS NOT NULL AND (b.run_id IS NULL OR b.outcome IS NOT NULL)) AS ended
        FROM runs r LEFT JOIN runs b ON b.run_id = r.pair_key
        WHERE list_contains($ids::VARCHAR[], r.run_id) AND r.model = $model GROUP BY r.target ORDER BY r.target
        """,
        {"ids": list(run_ids), "model": model},
    ).df()
