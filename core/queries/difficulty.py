"""How hard intermediates are for a model, what their stage did to its encoder, what selectors say: from profiles.

A view fixes what must not be mixed: collection, model and its weights, protocol, data source. Seeds vary
inside it; of several profiles of one seed the newest counts.
"""

from __future__ import annotations

from typing import NamedTuple

import duckdb
import pandas as pd

from core.errors import UnknownName
from core.measures.difficulty.table import DIFFICULTIES
from core.store.gallery import own_first


class ProfileView(NamedTuple):
    """What figures of one picture have in common."""

    collection: str
    """measured or yours."""
    model: str
    """The model that is trained."""
    model_fingerprint: str | None
    """Digest of a local folder's weights; None for a hub model."""
    protocol: str
    """Name of the protocol."""
    data_source: str
    """sample, mirror or hub."""


_NEWEST = """
    WITH chosen AS (
        SELECT profile_id, seed, finished_at FROM profiles
        WHERE kind = $kind AND collection = $collection AND model = $model
          AND model_fingerprint IS NOT DISTINCT FROM $model_fingerprint AND data_source = $data_source
          AND json_extract_string(spec, '$.protocol.name') = $protocol
    )
"""


def views(cur: duckdb.DuckDBPyConnection, *, kind: str) -> pd.DataFrame:
    """Every view that has a profile of a kind.

    Columns: those of `ProfileView`, `seeds` (text), `profiles`. Order: yours first, most profiles first, model.

    Args:
        kind: difficulty, encoder or selectors.
    """
    sql = f"""
        SELECT collection, model, model_fingerprint, json_extract_string(spec, '$.protocol.name') AS protocol,
               data_source, string_agg(DISTINCT seed::VARCHAR, ', ' ORDER BY seed::VARCHAR) AS seeds,
               count(*)::INTEGER AS profiles
        FROM profiles WHERE kind = $kind
        GROUP BY ALL ORDER BY {own_first("collection")}, profiles DESC, model, model_fingerprint, protocol, data_source
    """
    return cur.execute(sql, {"kind": kind}).df()


def closest_view(cur: duckdb.DuckDBPyConnection, *, kind: str, like: ProfileView) -> ProfileView | None:
    """Of the views on the same data source, the one most like some runs; None: there is none.

    The same model counts most, then the same weights, protocol and collection, then the number of profiles.

    Args:
        kind: difficulty, encoder or selectors.
        like: The runs' own.
    """
    found = views(cur, kind=kind)
    found = found[found["data_source"] == like.data_source]
    if found.empty:
        return None
    wished = like._replace(model_fingerprint=like.model_fingerprint or None)
    names = ("model", "model_fingerprint", "protocol", "collection")
    records = [{str(k): None if pd.isna(v) else v for k, v in row.items()} for row in found.to_dict("records")]
    best = max(records, key=lambda row: ([row[n] == getattr(wished, n) for n in names], row["profiles"]))
    return ProfileView(**{name: best[name] for name in ProfileView._fields})  # type: ignore[arg-type]  # of `views`


def selector_scores(cur: duckdb.DuckDBPyConnection, view: ProfileView) -> pd.DataFrame:
    """What selectors that read the encoder's features say of each intermediate for each target, large where better.

    Columns: selector, intermediate, target, value (mean over seeds), n_seeds. Order: the first three.

    Args:
        view: What is fixed.
    """
    sql = f"""{_NEWEST}, newest AS (
            SELECT s.* EXCLUDE (profile_id), c.seed FROM selector_scores s JOIN chosen c USING (profile_id)
            QUALIFY row_number() OVER (
                PARTITION BY s.selector, s.intermediate, s.target, c.seed
                ORDER BY c.finished_at DESC NULLS LAST, profile_id
            ) = 1
        )
        SELECT selector, intermediate, target, avg(value) AS value, count(*)::INTEGER AS n_seeds
        FROM newest GROUP BY ALL ORDER BY ALL
    """
    return cur.execute(sql, view._asdict() | {"kind": "selectors"}).df()


def difficulties(cur: duckdb.DuckDBPyConnection, view: ProfileView, *, measure: str) -> pd.DataFrame:
    """One measure of every intermediate of a view, hardest first.

    Columns: intermediate, value (mean over seeds, in the measure's unit), ci_low, ci_high (means of the seeds' own
    limits over examples: seeds do not make them narrower; NULL where a seed has none), sd (sample standard deviation
    over seeds; NULL for one), n_seeds, seeds (text), n (text; examples, a range where seeds differ), resamples,
    hardness (the value turned so that large is hard). Order: hardness, then intermediate.

    Args:
        view: What is fixed.
        measure: Key of `DIFFICULTIES`.

    Raises:
        UnknownName: There is no such measure.
    """
    if measure not in DIFFICULTIES:
        raise UnknownName("difficulty measure", measure, known=DIFFICULTIES)
    sign = DIFFICULTIES[measure].direction
    sql = f"""{_NEWEST}, newest AS (
            SELECT d.* EXCLUDE (profile_id), c.seed FROM difficulties d JOIN chosen c USING (profile_id)
            WHERE d.measure = $measure
            QUALIFY row_number() OVER (
                PARTITION BY d.intermediate, c.seed ORDER BY c.finished_at DESC NULLS LAST, profile_id
            ) = 1
        )
        SELECT intermediate, avg(value) AS value,
               CASE WHEN count(ci_low) = count(*) THEN avg(ci_low) END AS ci_low,
               CASE WHEN count(ci_high) = count(*) THEN avg(ci_high) END AS ci_high,
               stddev_samp(value) AS sd, count(*)::INTEGER AS n_seeds,
               string_agg(seed::VARCHAR, ', ' ORDER BY seed) AS seeds,
               CASE WHEN min(n) = max(n) THEN min(n)::VARCHAR ELSE min(n) || '–' || max(n) END AS n,
               min(resamples) AS resamples, $sign * avg(value) AS hardness
        FROM newest GROUP BY intermediate ORDER BY hardness DESC, intermediate
    """
    return cur.execute(sql, view._asdict() | {"kind": "difficulty", "measure": measure, "sign": sign}).df()
