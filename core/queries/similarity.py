"""How alike texts are: profiles, similarity of intermediates and targets, the map, agreement of the measures.

One profile answers for a sentence encoder and data source: the one with the most points, of several the newest
(`current_profile`), so that every value of a picture was measured together.
"""

from __future__ import annotations

from typing import Literal

import duckdb
import pandas as pd

Kind = Literal["domain", "difficulty", "encoder"]


def profiles(cur: duckdb.DuckDBPyConnection, *, kind: Kind | None = None) -> pd.DataFrame:
    """Finished profiles, newest first.

    Columns: profile_id, collection, kind, model, model_fingerprint, data_source, seed, finished_at, seconds, n_points,
    n_skipped (points without text).

    Args:
        kind: Only this kind; None: all.
    """
    sql = """
        SELECT profile_id, collection, kind, model, model_fingerprint, data_source, seed, finished_at, seconds,
               coalesce(t.n, 0)::INTEGER AS n_points, coalesce(s.n, 0)::INTEGER AS n_skipped
        FROM profiles
        LEFT JOIN (SELECT profile_id, count(*) AS n FROM profile_texts GROUP BY ALL) t USING (profile_id)
        LEFT JOIN (SELECT profile_id, count(*) AS n FROM profile_skips GROUP BY ALL) s USING (profile_id)
        WHERE $kind::VARCHAR IS NULL OR kind = $kind
        ORDER BY finished_at DESC NULLS LAST, profile_id
    """
    return cur.execute(sql, {"kind": kind}).df()


def current_profile(
    cur: duckdb.DuckDBPyConnection, *, data_source: str, model: str | None = None, kind: Kind = "domain"
) -> str | None:
    """Id of the profile that answers for a model and data source: the fullest, then the newest; None: there is none.

    Args:
        data_source: sample, mirror or hub.
        model: Sentence encoder; None: any.
        kind: domain, difficulty or encoder.
    """
    found = profiles(cur, kind=kind)
    found = found[found["data_source"] == data_source]
    if model is not None:
        found = found[found["model"] == model]
    if found.empty:
        return None
    ordered = found.sort_values(["n_points", "finished_at", "profile_id"], ascending=[False, False, True])
    return str(ordered["profile_id"].iloc[0])


def similarities(
    cur: duckdb.DuckDBPyConnection,
    profile_id: str,
    *,
    target: str | None = None,
    measure: str | None = None,
    centred: bool | None = None,
) -> pd.DataFrame:
    """How alike each intermediate and each text of a target are.

    Columns: intermediate (text form without placebo: join on `text_point`), target, role (train, test), lang, measure,
    centred, value, ci_low, ci_high, n_intermediate, n_target (texts used), resamples (0: closed form), profile_id.
    Order: target, role, lang, measure, centred, intermediate.

    Args:
        profile_id: From `current_profile`.
        target: Only this target.
        measure: Only this measure, a name of `SIMILARITIES`.
        centred: Only after (or before) each language's mean was removed; None: both.
    """
    sql = """
        WITH measured AS (
            SELECT * FROM similarities
            WHERE profile_id = $profile_id AND ($measure::VARCHAR IS NULL OR measure = $measure)
              AND ($centred::BOOLEAN IS NULL OR centred = $centred)
        ), turned AS (
            SELECT a AS point, b AS other, n_a AS n_intermediate, n_b AS n_target, * EXCLUDE (a, b, n_a, n_b)
            FROM measured
            UNION ALL SELECT b, a, n_b, n_a, * EXCLUDE (a, b, n_a, n_b) FROM measured
        )
        SELECT s.point AS intermediate, t.task AS target, t.role, t.lang, s.measure, s.centred, s.value, s.ci_low,
               s.ci_high, s.n_intermediate, s.n_target, s.resamples, s.profile_id
        FROM turned s
        JOIN profile_texts i ON i.profile_id = s.profile_id AND i.point = s.point AND i.role = 'intermediate'
        JOIN profile_texts t ON t.profile_id = s.profile_id AND t.point = s.other AND t.role <> 'intermediate'
        WHERE $target::VARCHAR IS NULL OR t.task = $target
        ORDER BY t.task, t.role, t.lang, s.measure, s.centred, s.point
    """
    values = {"profile_id": profile_id, "target": target, "measure": measure, "centred": centred}
    return cur.execute(sql, values).df()


def measured(cur: duckdb.DuckDBPyConnection, profile_id: str) -> pd.DataFrame:
    """Everything that a profile measured, flat: pairs, intermediates, intermediates by language and layer or by target.

    Columns: profile_id and those of `similarities`, `difficulties`, `encoder_changes` or `selector_scores`, by the
    profile's kind. Order: as the columns. No row where there is no such profile.

    Args:
        profile_id: Any profile's.
    """
    kind = cur.execute("SELECT kind FROM profiles WHERE profile_id = ?", [profile_id]).fetchone()
    tables = {"difficulty": "difficulties", "encoder": "encoder_changes", "selectors": "selector_scores"}
    table = tables.get(kind[0] if kind else "", "similarities")
    return cur.execute(f"SELECT * FROM {table} WHERE profile_id = ? ORDER BY ALL", [profile_id]).df()


def points(
    cur: duckdb.DuckDBPyConnection, profile_id: str, *, method: str = "pca", centred: bool = False
) -> pd.DataFrame:
    """The points of a profile with their places on the map.

    Columns: point, task, role (intermediate, train, test), lang, split, n, n_available, fingerprint, x, y (NULL where
    the point has no place). Order: role, task, lang, point.

    Args:
        profile_id: From `current_profile`.
        method: `pca`, or `umap` where the profile was made with it.
        centred: After each language's mean was removed.
    """
    sql = """
        SELECT t.point, t.task, t.role, t.lang, t.split, t.n, t.n_available, t.fingerprint, p.x, p.y
        FROM profile_texts t
        LEFT JOIN positions p ON p.profile_id = t.profile_id AND p.point = t.point
            AND p.method = $method AND p.centred = $centred
        WHERE t.profile_id = $profile_id ORDER BY t.role, t.task, t.lang, t.point
    """
    return cur.execute(sql, {"profile_id": profile_id, "method": method, "centred": centred}).df()
