"""Writes the Parquet files of a gallery, committed or imported, which `core/store/gallery.py` reads.

A folder on this machine means nothing elsewhere, so paths of models and mirrors are left out; a model is known by its
name and fingerprint, data by theirs.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import StoreError
from core.files import written_beside
from core.store.connection import Store
from core.store.exchange.portable import portable_spec, portable_text
from core.store.gallery import FAMILIES, Family

_SENTENCES = ("reason", "message")
"""Columns that hold what an error said."""


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
