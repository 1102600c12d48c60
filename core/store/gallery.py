"""Measured results as the committed Parquet files of `data/gallery`: figures, seeds and fingerprints, no sentences.

One file a table, `<gallery>/<table>.parquet`, for runs and for profiles alike; `load_gallery` reads them into the store
as the collection "measured". `tools/gallery_files.py` writes them.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import duckdb

from core.errors import StoreError
from core.paths import AtlasPaths
from core.store.connection import Store
from core.store.example_scores import drop_other_quantities
from core.store.profiles import PARTS as PROFILE_PARTS
from core.store.reducer import RUN_TABLES

PREFIX = "gallery-"
"""Before the id of whatever was committed: the same run or profile made here stays one of its own."""

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


def load_gallery(store: Store, paths: AtlasPaths) -> int:
    """Take the committed results as the collection "measured" where their files changed; number of files read.

    Raises:
        StoreError: A file does not hold the table it is named after.
    """
    return sum(_load(store, family, folder=paths.gallery) for family in FAMILIES)


def _load(store: Store, family: Family, *, folder: Path) -> int:
    files = [file for table in family.tables if (file := folder / f"{table}.parquet").exists()]
    stamp = ";".join(f"{f.name}:{f.stat().st_size}:{f.stat().st_mtime_ns}" for f in files)
    name = f"gallery:{family.head}"
    with store.cursor() as cur:
        known = cur.execute("SELECT stamp FROM ingested WHERE run_id = ?", [name]).fetchone()
    if stamp == (known[0] if known else ""):
        return 0
    with store.write() as cur:
        for table in family.tables:
            cur.execute(f"DELETE FROM {table} WHERE starts_with({family.key}, ?)", [PREFIX])
        cur.execute("DELETE FROM ingested WHERE run_id = ?", [name])
        for file in files:
            _insert(cur, file, family)
        drop_other_quantities(cur)
        cur.execute("INSERT INTO ingested VALUES (?, 0, ?)", [name, stamp])
    return len(files)


def _insert(cur: duckdb.DuckDBPyConnection, file: Path, family: Family) -> None:
    ours = ", 'measured' AS collection" if file.stem == family.head else ""
    kept = f"* REPLACE ('{PREFIX}' || {family.key} AS {family.key}{ours})"
    try:
        cur.execute(f"INSERT INTO {file.stem} BY NAME SELECT {kept} FROM read_parquet(?)", [str(file)])
    except duckdb.Error as error:
        raise StoreError(f"{file} does not hold the table '{file.stem}': {error}") from error
