"""Where figures come from, of the runs that count: protocols, seeds, test sets and the software that made them."""

from __future__ import annotations

import duckdb
import pandas as pd

from core.errors import DataError
from core.queries.evidence import PooledRuns
from core.queries.filters import RUN_ONLY, Filter, condition
from core.queries.transfer import View


def protocols(cur: duckdb.DuckDBPyConnection, wanted: Filter) -> pd.DataFrame:
    """Finished runs by what must not be mixed.

    Columns: collection, model, protocol, protocol_digest, data_source, runs, intermediates (with `none`), targets,
    seeds (text, ascending), first, last (dates of finished runs; NULL where not known). Order: as the columns.

    Args:
        wanted: Rows to keep; its languages and metric are not used.
    """
    kept = condition(wanted, without=RUN_ONLY)
    return cur.execute(
        f"""
        SELECT collection, model, protocol, protocol_digest, data_source, count(*)::INTEGER AS runs,
               count(DISTINCT intermediate)::INTEGER AS intermediates, count(DISTINCT target)::INTEGER AS targets,
               array_to_string(list_sort(list(DISTINCT seed)), ', ') AS seeds,
               min(finished_at)::DATE AS first, max(finished_at)::DATE AS last
        FROM current_runs WHERE outcome = 'finished' AND {kept.sql}
        GROUP BY collection, model, protocol, protocol_digest, data_source
        ORDER BY collection, model, protocol, protocol_digest, data_source
        """,
        kept.values,
    ).df()


def software(cur: duckdb.DuckDBPyConnection, wanted: Filter) -> pd.DataFrame:
    """Versions that runs were made with, the commonest first.

    Columns: python, torch, transformers, device, commit (NULL where a run does not say), runs.

    Args:
        wanted: Rows to keep; its languages and metric are not used.
    """
    kept = condition(wanted, without=RUN_ONLY)
    return cur.execute(
        f"""
        SELECT environment->>'$.python' AS python,
               coalesce(environment->>'$.versions.torch', environment->>'$.torch') AS torch,
               environment->>'$.versions.transformers' AS transformers, environment->>'$.device' AS device,
               environment->>'$.commit' AS "commit", count(*)::INTEGER AS runs
        FROM current_runs WHERE outcome = 'finished' AND environment IS NOT NULL AND {kept.sql}
        GROUP BY ALL ORDER BY runs DESC, python, torch, transformers, device, "commit"
        """,
        kept.values,
    ).df()


def scored_sets(cur: duckdb.DuckDBPyConnection, wanted: Filter) -> pd.DataFrame:
    """What was scored: one row per target, language and fingerprint of the test examples.

    Columns: target, data_source, lang, split, n, fingerprint, runs. Order: as the columns.

    Args:
        wanted: Rows to keep; its metric is not used.
    """
    kept = condition(wanted, without=RUN_ONLY)
    langs = list(wanted.langs)
    return cur.execute(
        f"""
        SELECT r.target, r.data_source, s.lang, s.split, max(s.n)::INTEGER AS n, s.fingerprint,
               count(DISTINCT r.run_id)::INTEGER AS runs
        FROM (SELECT * FROM current_runs WHERE {kept.sql}) r JOIN scores s USING (run_id)
        WHERE s.metric = r.headline_metric AND (len($langs_) = 0 OR list_contains($langs_, s.lang))
        GROUP BY ALL ORDER BY r.target, r.data_source, s.lang, s.split, s.fingerprint
        """,
        kept.values | {"langs_": langs},
    ).df()


def spec_like(cur: duckdb.DuckDBPyConnection, pooled: PooledRuns | View) -> str:
    """The `RunSpec` of one of the runs that may be pooled, as JSON.

    Args:
        pooled: Says which.

    Raises:
        DataError: There is no such run.
    """
    names = ("collection", "model", "model_fingerprint", "protocol_digest", "data_source")
    row = cur.execute(
        """
        SELECT spec FROM runs
        WHERE collection = $collection AND model = $model AND model_fingerprint IS NOT DISTINCT FROM $model_fingerprint
          AND protocol_digest = $protocol_digest AND data_source = $data_source
        ORDER BY run_id LIMIT 1
        """,
        {name: getattr(pooled, name) for name in names},
    ).fetchone()
    if row is None:
        raise DataError(f"No run of {pooled.model} on {pooled.data_source} is left in the store.")
    return str(row[0])


def baseline_seeds(cur: duckdb.DuckDBPyConnection, pooled: PooledRuns) -> dict[str, int]:
    """How many seeds of each target have a finished baseline that runs of this setting pair with.

    Args:
        pooled: Says which.
    """
    names = ("collection", "model", "model_fingerprint", "protocol_digest", "data_source")
    rows = cur.execute(
        """
        SELECT target, count(DISTINCT seed) FROM current_runs
        WHERE collection = $collection AND model = $model AND model_fingerprint IS NOT DISTINCT FROM $model_fingerprint
          AND protocol_digest = $protocol_digest AND data_source = $data_source
          AND intermediate = 'none' AND outcome = 'finished'
        GROUP BY target
        """,
        {name: getattr(pooled, name) for name in names},
    ).fetchall()
    return dict(rows)


def known_mirror(cur: duckdb.DuckDBPyConnection) -> str | None:
    """Folder of the mirror that the newest run or profile made here has read; None: none has read one."""
    row = cur.execute("""
        SELECT spec->>'$.data_source.root' AS root FROM (
            SELECT spec, collection, data_source, coalesce(submitted_at, started_at) AS made FROM runs
            UNION ALL SELECT spec, collection, data_source, finished_at FROM profiles
        ) WHERE collection = 'yours' AND data_source = 'mirror' ORDER BY made DESC NULLS LAST, root LIMIT 1
    """).fetchone()
    return str(row[0]) if row and row[0] else None
