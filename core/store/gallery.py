"""Measured results as the committed Parquet files of `data/gallery`: figures, seeds and fingerprints, no sentences.

One file a table, `<gallery>/<table>.parquet`, for runs and for profiles alike; `load_family` reads them into the store
as the collection "measured". `tools/gallery_files.py` writes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb
import orjson

from core.errors import RunFolderDamaged, StoreError
from core.files import MOST_TABLE, check_regular
from core.languages import check_language
from core.spec.plain import shortened
from core.store.connection import Store
from core.store.example_scores import drop_other_quantities
from core.store.profiles import PARTS as PROFILE_PARTS
from core.store.reducer import RUN_TABLES

PREFIX = "gallery-"
"""Before the id of whatever was committed: the same run or profile made here stays one of its own."""

_LANGS = (("scores", "lang"), ("skips", "lang"), ("encoder_changes", "lang"))
"""Columns that hold languages."""

_NOT_KEPT = ("steps",)
"""Loss curves stay with the runs: they would be nine tenths of the files."""


class Family(NamedTuple):
    """What is committed together: a table with one row per job, and the tables that hold rows of its jobs."""

    head: str
    """The table with `collection` and `spec`."""
    key: str
    """Column of the job's id, in all of them."""
    parts: tuple[str, ...]
    """The other tables."""
    only: str
    """SQL over the head: which jobs may be committed."""

    @property
    def tables(self) -> tuple[str, ...]:
        """All of them, the head first."""
        return (self.head, *self.parts)


FAMILIES = (
    Family("runs", "run_id", (*(t for t in RUN_TABLES if t not in _NOT_KEPT), "credits"), "outcome = 'finished'"),
    Family("profiles", "profile_id", PROFILE_PARTS, "TRUE"),  # a profile that has not ended has no row
)
"""Everything that is committed."""


def load_family(store: Store, family: Family, *, folder: Path) -> int:
    """Take the tables of one kind of job where their files changed; number of files read.

    Args:
        family: Which.
        folder: Where the files are.

    Raises:
        StoreError: A file does not hold what it is named after; the store is as it was.
    """
    files = [file for table in family.tables if (file := folder / f"{table}.parquet").exists()]
    stamp = ";".join(f"{f.name}:{f.stat().st_size}:{f.stat().st_mtime_ns}" for f in files)
    name = f"gallery:{family.head}"
    with store.cursor() as cur:
        known = cur.execute("SELECT stamp FROM ingested WHERE run_id = ?", [name]).fetchone()
    if stamp == (known[0] if known else ""):
        return 0
    try:
        with store.write() as cur:
            for table in family.tables:
                cur.execute(f"DELETE FROM {table} WHERE starts_with({family.key}, ?)", [PREFIX])
            cur.execute("DELETE FROM ingested WHERE run_id = ?", [name])
            for file in files:
                _insert(cur, file, family)
            _check(cur, family, folder=folder)
            drop_other_quantities(cur)
            cur.execute("INSERT INTO ingested VALUES (?, 0, ?)", [name, stamp])
    except (duckdb.DataError, duckdb.IntegrityError, duckdb.ProgrammingError) as error:
        raise StoreError(f"The files {folder}/{family.head}.parquet … do not belong together: {error}") from error
    return len(files)


def _check(cur: duckdb.DuckDBPyConnection, family: Family, *, folder: Path) -> None:
    """Refuse what the tables would take and no reader could: pages ask for every language and every specification."""
    specs = cur.execute(f"SELECT DISTINCT spec FROM {family.head} WHERE starts_with({family.key}, ?)", [PREFIX])
    for (text,) in specs.fetchall():
        with _named(folder / f"{family.head}.parquet", what="spec"):
            if not isinstance(orjson.loads(text), dict):
                raise ValueError(f"expected an object, found {shortened(text)}")
    for table, column in _LANGS:
        if table in family.tables:
            sql = f"SELECT DISTINCT {column} FROM {table} WHERE starts_with({family.key}, ?)"
            for (code,) in cur.execute(sql, [PREFIX]).fetchall():
                with _named(folder / f"{table}.parquet", what=column):
                    check_language(code)
    if "scores" in family.tables:
        sql = "SELECT count(*) FROM scores WHERE starts_with(run_id, ?) AND NOT coalesce(score BETWEEN -1 AND 1, FALSE)"
        row = cur.execute(sql, [PREFIX]).fetchone()
        if row and row[0]:
            raise StoreError(f"{folder / 'scores.parquet'}: {row[0]} scores are no fractions, expected -1 to 1.")


@contextmanager
def _named(file: Path, *, what: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise StoreError(f"{file}, column {what}: {error}") from error


def _insert(cur: duckdb.DuckDBPyConnection, file: Path, family: Family) -> None:
    ours = ", 'measured' AS collection" if file.stem == family.head else ""
    kept = f"* REPLACE ('{PREFIX}' || {family.key} AS {family.key}{ours})"
    try:
        check_regular(file.stat(), file=file, most_bytes=MOST_TABLE)
        cur.execute(f"INSERT INTO {file.stem} BY NAME SELECT {kept} FROM read_parquet(?)", [str(file)])
    except (duckdb.Error, OSError, RunFolderDamaged, UnicodeDecodeError) as error:  # the last: of DuckDB's own message
        raise StoreError(f"{file} does not hold the table '{file.stem}': {error}") from error
