"""Tables of the store as files other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import pyarrow.csv
import pyarrow.parquet

from core.errors import StoreError, UnknownName
from core.store.connection import Store
from core.store.files import written_beside

Exported = Literal["runs", "scores", "gains"]
"""What can be exported."""

Format = Literal["csv", "parquet"]
"""File formats."""

_SQL = {
    "runs": "SELECT * EXCLUDE (environment) FROM runs ORDER BY collection, model, target, intermediate, seed, run_id",
    "scores": """
        SELECT r.collection, r.model, r.intermediate, r.target, s.lang, s.metric, r.protocol, r.data_source, r.seed,
               s.score, s.score_last, s.n, s.split, s.fingerprint, s.run_id
        FROM scores s JOIN runs r USING (run_id) ORDER BY collection, model, target, intermediate, seed, lang, metric,
        run_id
    """,
    "gains": """
        SELECT collection, model, intermediate, target, lang, metric, protocol, data_source, seed, score,
        baseline_score, gain, n,
               run_id, baseline_run_id, score_last, gain_last, split, in_task, missing
        FROM gains ORDER BY collection, model, target, intermediate, seed, lang, metric, run_id
    """,
}


def export(store: Store, *, what: str, file: Path, form: Format | None = None) -> int:
    """Write a table to a file, beside and renamed; number of rows. Missing values are empty (CSV) or null (Parquet).

    Args:
        store: Open store.
        what: `runs`, `scores` or `gains`.
        file: Where to write; an existing file is replaced.
        form: csv or parquet; None: as the file's ending says.

    Raises:
        UnknownName: There is no such table.
        StoreError: The ending names no format.
        DiskFull: No space is left; an existing file is as it was.
    """
    if what not in _SQL:
        raise UnknownName("table", what, known=_SQL)
    wanted = form or file.suffix.removeprefix(".").lower()
    if wanted not in get_args(Format):
        raise StoreError(
            f"'{file.name}' names no format that can be written: expected a file ending in .csv or .parquet."
        )
    with store.cursor() as cur:
        table = cur.sql(_SQL[what]).to_arrow_table()
    with written_beside(file) as draft:
        if wanted == "csv":
            pyarrow.csv.write_csv(table, draft)
        else:
            pyarrow.parquet.write_table(table, draft)
    return int(table.num_rows)
