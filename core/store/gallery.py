"""Measured results as the committed Parquet files of `data/gallery`: figures, seeds and fingerprints, no sentences.

One file a table, `<gallery>/<table>.parquet`, for runs and for profiles alike: `save_gallery` writes, `load_gallery`
reads them into the store as the collection "measured". A folder on this machine means nothing elsewhere, so paths of
models and mirrors are left out; a model is known by its name and fingerprint, data by theirs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import StoreError
from core.files import written_beside
from core.paths import AtlasPaths
from core.store.connection import Store
from core.store.profiles import PARTS as PROFILE_PARTS
from core.store.reducer import RUN_TABLES

MIRROR = "FOLDER-IN-THE-HUBS-LAYOUT"
"""Stands for the folder of a mirror in a committed spec."""

PREFIX = "gallery-"
"""Before the id of whatever was committed: the same run or profile made here stays one of its own."""

_REDUCERS = re.compile(r"""(?<![\w./:-])/(?:[^\s/'",;:()]+/)+""")
"""The folders of an absolute path in a sentence."""
_SENTENCES = ("reason", "message")
"""Columns that hold what an error said."""
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


def save_gallery(store: Store, *, folder: Path, ids: Collection[str]) -> dict[str, int]:
    """Write finished runs and profiles into the gallery, beside and renamed; rows of others that are there stay.

    Args:
        store: Open store that holds them.
        folder: The gallery.
        ids: Of runs and profiles of the collection "yours"; those that are not finished are left out.

    Returns:
        Number of rows in each file.

    Raises:
        StoreError: A file that is there is not one of the gallery's.
        DiskFull: No space is left; the files are as they were.
    """
    rows: dict[str, int] = {}
    for family in FAMILIES:
        tables = _finished(store, family, ids=ids)
        new = tables[family.head][family.key]
        rows |= {
            name: _merge(table, file=folder / f"{name}.parquet", key=family.key, new=new)
            for name, table in tables.items()
        }
    return rows


def load_gallery(store: Store, paths: AtlasPaths) -> int:
    """Take the committed results as the collection "measured" where their files changed; number of files read.

    Raises:
        StoreError: A file does not hold the table it is named after.
    """
    return sum(_load(store, family, folder=paths.gallery) for family in FAMILIES)


def portable_spec(text: str) -> str:
    """A spec as JSON without folders of this machine.

    Args:
        text: JSON of a `RunSpec` or `ProfileSpec`.
    """
    raw = json.loads(text)
    if raw["model"].get("fingerprint"):
        raw["model"]["path"] = raw["model"]["name"]
    if raw["data_source"].get("root"):
        raw["data_source"]["root"] = MIRROR
    return json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def portable_text(text: str) -> str:
    """A sentence that names files, without their folders: "/home/me/hub/xtreme is empty" is "…/xtreme is empty".

    Args:
        text: Reason or message.
    """
    return _REDUCERS.sub("…/", text)


def _finished(store: Store, family: Family, *, ids: Collection[str]) -> dict[str, pa.Table]:
    """Rows to commit, by table."""
    with store.cursor() as cur:
        cur.register("wanted", pa.table({family.key: pa.array(sorted(ids), pa.string())}))
        head = cur.sql(
            f"SELECT * FROM {family.head} SEMI JOIN wanted USING ({family.key}) "  # noqa: S608
            f"WHERE collection = 'yours' AND {family.only}"
        ).to_arrow_table()
        cur.register("kept", head.select([family.key]))
        parts = {
            part: cur.sql(f"SELECT p.* FROM {part} p SEMI JOIN kept USING ({family.key})").to_arrow_table()  # noqa: S608
            for part in family.parts
        }
        cur.unregister("kept")
        cur.unregister("wanted")
    return {family.head: _portable(head)} | {part: _portable(table) for part, table in parts.items()}


def _portable(table: pa.Table) -> pa.Table:
    """The rows without folders of this machine."""
    for place, name in enumerate(table.schema.names):
        change = portable_spec if name == "spec" else portable_text if name in _SENTENCES else None
        if change:
            texts = [None if text is None else change(text) for text in table[name].to_pylist()]
            table = table.set_column(place, name, pa.array(texts, pa.string()))
    return table


def _merge(table: pa.Table, *, file: Path, key: str, new: pa.ChunkedArray) -> int:
    if file.exists():
        try:
            if not len(new):
                return int(pq.read_metadata(file).num_rows)
            old = pq.read_table(file)
            others = old.filter(pc.invert(pc.is_in(old[key], value_set=new.combine_chunks())))
        except (pa.ArrowException, KeyError) as error:
            raise StoreError(
                f"{file} is not a file of the gallery ({error}). Restore it from version control, or remove it."
            ) from error
        table = pa.concat_tables([others, table], promote_options="permissive")
    elif not len(new):
        return 0
    # In one order, one chunk and without Arrow's own schema, so that the same rows are the same bytes.
    order = [key, *(field.name for field in table.schema if field.name != key and not pa.types.is_list(field.type))]
    with written_beside(file) as draft:
        rows = table.sort_by([(name, "ascending") for name in order]).combine_chunks()
        pq.write_table(rows, draft, compression="zstd", store_schema=False)
    return int(table.num_rows)


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
        cur.execute("INSERT INTO ingested VALUES (?, 0, ?)", [name, stamp])
    return len(files)


def _insert(cur: duckdb.DuckDBPyConnection, file: Path, family: Family) -> None:
    ours = ", 'measured' AS collection" if file.stem == family.head else ""
    kept = f"* REPLACE ('{PREFIX}' || {family.key} AS {family.key}{ours})"
    try:
        cur.execute(f"INSERT INTO {file.stem} BY NAME SELECT {kept} FROM read_parquet(?)", [str(file)])
    except duckdb.Error as error:
        raise StoreError(f"{file} does not hold the table '{file.stem}': {error}") from error
