"""What each test example gave to a run's scores, read from `predictions.parquet`: no answer, no id, no sentence.

Small enough to be committed with the gallery, and enough for every paired test. The mean of a list is the score: where
that is no mean over examples (entity F1, a correlation), the list holds its linearised values
(`core.measures.metrics.corpus`).
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import DataError, RunFolderDamaged
from core.files import MOST_TABLE, check_regular
from core.measures.metrics.corpus import linearised
from core.paths import RunPaths

_COLUMNS = ("lang", "metric", "index", "correct", "functional", "counts")
_KEYS = ["lang", "metric"]
_SCHEMA = pa.schema(
    [
        ("run_id", pa.string()),
        ("lang", pa.string()),
        ("metric", pa.string()),
        ("functional", pa.string()),
        ("correct", pa.list_(pa.float64())),
    ]
)


def read_example_scores(run: RunPaths) -> pa.Table | None:
    """Rows of the table `credits` of a finished run: credits in the order of the test set, one row a language, metric.

    A metric whose examples have neither a credit nor counts has none. None where the run kept no predictions.

    Raises:
        RunFolderDamaged: The predictions cannot be read.
    """
    file = run.predictions
    try:
        check_regular(file.stat(), file=file, most_bytes=MOST_TABLE)
        rows = pq.read_table(file)
        rows = rows.select([name for name in _COLUMNS if name in rows.column_names])
        rows = rows.sort_by([(name, "ascending") for name in (*_KEYS, "index")])
        found = [{"run_id": run.run_id} | own for part in _parts(rows) if (own := _credits(part)) is not None]
    except FileNotFoundError:
        return None
    except (pa.ArrowException, ValueError, LookupError, TypeError, DataError, OSError, RunFolderDamaged) as error:
        raise RunFolderDamaged(f"{file.name}: {error}. Remove the file to keep the scores alone.") from error
    return pa.Table.from_pylist(found, schema=_SCHEMA)


def drop_other_quantities(cur: duckdb.DuckDBPyConnection) -> None:
    """Remove lists whose mean is not the score that they stand beside: their spread is that of another quantity.

    Earlier versions kept the F1 of each sentence beside entity F1; of thousands, one mean is within 1e-7 by chance.

    Args:
        cur: Cursor inside a transaction.
    """
    cur.execute("""
        DELETE FROM credits c USING scores s
        WHERE s.run_id = c.run_id AND s.lang = c.lang AND s.metric = c.metric
          AND abs(list_avg(c.correct) - s.score) > 1e-9
    """)


def _parts(rows: pa.Table) -> list[pa.Table]:
    """The rows of each language and metric, which stand together."""
    codes = [pc.rank(rows[name], tiebreaker="dense").to_numpy() for name in _KEYS]
    starts = np.flatnonzero(np.diff(codes, axis=1, prepend=0).any(axis=0))
    return [rows.slice(a, b - a) for a, b in zip(starts, [*starts[1:], rows.num_rows], strict=True)]


def _credits(rows: pa.Table) -> dict[str, object] | None:
    """What is stored of one language and metric."""
    functional = rows["functional"][0].as_py() if "functional" in rows.column_names else None
    credits = {name: rows[name][0].as_py() for name in _KEYS} | {"functional": functional}
    if functional is not None:
        counts = pc.list_flatten(rows["counts"]).to_numpy().reshape(rows.num_rows, -1)
        return credits | {"correct": linearised(functional, counts)}
    return None if rows["correct"].null_count else credits | {"correct": rows["correct"].to_numpy()}
