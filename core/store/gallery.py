"""Results as Parquet files: figures, seeds and fingerprints, no sentences.

One file a table, `<folder>/<table>.parquet`, for runs and for profiles alike. The committed ones of `data/gallery` are
the collection "measured"; a folder of a home's `imported` is a collection of its own name. `exchange/tables.py` writes
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb
import orjson

from core.errors import RunFolderDamaged, StoreError
from core.files import MOST_TABLE, check_regular
from core.languages import check_language
from core.paths import AtlasPaths
from core.spec.plain import first_line, shortened
from core.store.connection import Store
from core.store.example_scores import drop_other_quantities
from core.store.profiles import PARTS as PROFILE_PARTS
from core.store.reducer import RUN_TABLES
from core.store.setting_aside import folders_in

PREFIX = "gallery-"
"""Before the id of whatever was committed: the same run or profile made here stays one of its own."""

MEASURED = "measured"
"""The committed collection."""

_WHOSE = {"yours": "run here", "measured": "came with the program"}
_IMPORTED = "imported:"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")

TAKEN = ("published", MEASURED, "yours", "gallery", "none", "all")
"""What no imported collection can be called."""


def may_be_named(name: str) -> bool:
    """Whether an imported collection can have this name: small letters, digits, `-` and `_`, at most 40.

    Args:
        name: As typed, or of a folder.
    """
    return _NAME.fullmatch(name) is not None and name not in TAKEN


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


def own_first(column: str) -> str:
    """Terms of an ORDER BY over groups of one collection each: one's own, the committed one, then others by name.

    Args:
        column: SQL that names the collection.
    """
    name = f"any_value({column})"
    return f"{name} = 'yours' DESC, {name} = '{MEASURED}' DESC, {name}"


class Collection(NamedTuple):
    """A folder of tables that is a collection of the store."""

    name: str
    folder: Path

    @property
    def prefix(self) -> str:
        """Before the ids of its runs and profiles."""
        return PREFIX if self.name == MEASURED else f"{self.name}."

    def key(self, family: Family) -> str:
        """Under which the store remembers what it took of it."""
        return f"gallery:{family.head}" if self.name == MEASURED else f"{_IMPORTED}{self.name}:{family.head}"

    def label(self, family: Family) -> str:
        """What a message calls its files."""
        folder = "gallery" if self.name == MEASURED else f"imported/{self.name}"
        return f"{folder}/{family.head}"


def collections(paths: AtlasPaths, store: Store) -> list[Collection]:
    """The committed collection and those that were imported, removed ones that the store still holds among them.

    Args:
        paths: The home.
        store: Open.
    """
    names = set(folders_in(paths.imported, belongs=may_be_named)[0])
    with store.cursor() as cur:
        keys = cur.execute("SELECT run_id FROM ingested WHERE starts_with(run_id, ?)", [_IMPORTED]).fetchall()
    names |= {key.removeprefix(_IMPORTED).partition(":")[0] for (key,) in keys}
    return [
        Collection(MEASURED, paths.gallery),
        *(Collection(name, paths.imported / name) for name in sorted(names)),
    ]


def strays_of_collections(paths: AtlasPaths) -> dict[str, str]:
    """What lies among the imported collections and is none, with why.

    Args:
        paths: The home.
    """
    return folders_in(paths.imported, belongs=may_be_named)[1]


def load_family(store: Store, family: Family, *, collection: Collection) -> int:
    """Take the tables of one kind of job where their files changed; number of files read.

    Args:
        family: Which.
        collection: Where the files are, and what they are called.

    Raises:
        StoreError: A file does not hold what it is named after; the store is as it was.
    """
    folder = collection.folder
    files = [file for table in family.tables if (file := folder / f"{table}.parquet").exists()]
    stamp = ";".join(f"{f.name}:{f.stat().st_size}:{f.stat().st_mtime_ns}" for f in files)
    name = collection.key(family)
    with store.cursor() as cur:
        known = cur.execute("SELECT stamp FROM ingested WHERE run_id = ?", [name]).fetchone()
    if stamp == (known[0] if known else ""):
        return 0
    try:
        with store.write() as cur:
            for table in family.tables:
                cur.execute(f"DELETE FROM {table} WHERE starts_with({family.key}, ?)", [collection.prefix])
            cur.execute("DELETE FROM ingested WHERE run_id = ?", [name])
            for file in files:
                _insert(cur, file, family, collection=collection)
            _check(cur, family, collection=collection)
            drop_other_quantities(cur)
            if files:
                cur.execute("INSERT INTO ingested VALUES (?, 0, ?)", [name, stamp])
    except (duckdb.DataError, duckdb.IntegrityError, duckdb.ProgrammingError) as error:
        raise StoreError(
            f"The files {folder}/{family.head}.parquet … do not belong together: {first_line(error)}"
        ) from error
    return len(files)


def _check(cur: duckdb.DuckDBPyConnection, family: Family, *, collection: Collection) -> None:
    """Refuse what the tables would take and no reader could: pages ask for every language and every specification."""
    folder, prefix = collection.folder, collection.prefix
    specs = cur.execute(f"SELECT DISTINCT spec FROM {family.head} WHERE starts_with({family.key}, ?)", [prefix])
    for (text,) in specs.fetchall():
        with _named(folder / f"{family.head}.parquet", what="spec"):
            if not isinstance(orjson.loads(text), dict):
                raise ValueError(f"expected an object, found {shortened(text)}")
    for table, column in _LANGS:
        if table in family.tables:
            sql = f"SELECT DISTINCT {column} FROM {table} WHERE starts_with({family.key}, ?)"
            for (code,) in cur.execute(sql, [prefix]).fetchall():
                with _named(folder / f"{table}.parquet", what=column):
                    check_language(code)
    if "scores" in family.tables:
        sql = "SELECT count(*) FROM scores WHERE starts_with(run_id, ?) AND NOT coalesce(score BETWEEN -1 AND 1, FALSE)"
        row = cur.execute(sql, [prefix]).fetchone()
        if row and row[0]:
            raise StoreError(f"{folder / 'scores.parquet'}: {row[0]} scores are no fractions, expected -1 to 1.")


@contextmanager
def _named(file: Path, *, what: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise StoreError(f"{file}, column {what}: {error}") from error


def _insert(cur: duckdb.DuckDBPyConnection, file: Path, family: Family, *, collection: Collection) -> None:
    ours = f", '{collection.name}' AS collection" if file.stem == family.head else ""
    kept = f"* REPLACE ('{collection.prefix}' || {family.key} AS {family.key}{ours})"
    try:
        check_regular(file.stat(), file=file, most_bytes=MOST_TABLE)
        cur.execute(f"INSERT INTO {file.stem} BY NAME SELECT {kept} FROM read_parquet(?)", [str(file)])
    except (duckdb.Error, OSError, RunFolderDamaged, UnicodeDecodeError) as error:  # the last: of DuckDB's own message
        raise StoreError(f"{file} does not hold the table '{file.stem}': {first_line(error)}") from error


def whose(collection: str) -> str:
    """Where the runs of a collection are from, as it stands in a sentence; one that was imported has its own name.

    Args:
        collection: measured, yours or a name.
    """
    return _WHOSE.get(collection, collection)
