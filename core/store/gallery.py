"""Measured results as the committed Parquet files of `data/gallery`: figures, seeds and fingerprints, no sentences.

`load_gallery` in `ingest` reads what is written here. A folder on this machine means nothing elsewhere, so paths of
models and mirrors are left out; a model is known by its name and fingerprint, data by theirs.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.errors import StoreError
from core.store.connection import Store
from core.store.files import written_beside
from core.store.ingest import PARTS
from core.store.profiles import PARTS as PROFILE_PARTS

MIRROR = "FOLDER-IN-THE-HUBS-LAYOUT"
"""Stands for the folder of a mirror in a committed spec."""

_NOT_KEPT = ("steps",)
"""Loss curves stay with the runs: they would be nine tenths of the files."""


def save_gallery(store: Store, *, folder: Path, run_ids: Collection[str]) -> dict[str, int]:
    """Write finished runs into the gallery, beside and renamed; rows of other runs that are there stay.

    Args:
        store: Open store that holds the runs.
        folder: The gallery.
        run_ids: Runs of the collection "yours"; those that are not finished are left out.

    Returns:
        Number of rows in each file.

    Raises:
        StoreError: A file that is there is not one of the gallery's.
        DiskFull: No space is left; the files are as they were.
    """
    with store.cursor() as cur:
        wanted = pa.table({"run_id": pa.array(sorted(run_ids), pa.string())})
        cur.register("wanted", wanted)
        runs = cur.sql(
            "SELECT * FROM runs SEMI JOIN wanted USING (run_id) WHERE collection = 'yours' AND outcome = 'finished'"
        ).to_arrow_table()
        cur.register("kept", runs.select(["run_id"]))
        tables = {"runs": _portable(runs)} | {
            part: cur.sql(f"SELECT p.* FROM {part} p SEMI JOIN kept USING (run_id)").to_arrow_table()  # noqa: S608
            for part in PARTS
            if part not in _NOT_KEPT
        }
        cur.unregister("kept")
        cur.unregister("wanted")
    return {name: _merge(table, file=folder / f"{name}.parquet", new=runs["run_id"]) for name, table in tables.items()}


def save_profiles(store: Store, *, folder: Path, profile_ids: Collection[str]) -> dict[str, int]:
    """Write finished profiles into the gallery as `save_gallery` does runs.

    Args:
        store: Open store that holds the profiles.
        folder: The gallery.
        profile_ids: Profiles of the collection "yours"; those that are not finished are left out.

    Returns:
        Number of rows in each file.

    Raises:
        StoreError: A file that is there is not one of the gallery's.
        DiskFull: No space is left; the files are as they were.
    """
    wanted = {"ids": sorted(profile_ids)}
    sql = "SELECT * FROM profiles WHERE collection = 'yours' AND list_contains($ids::VARCHAR[], profile_id)"
    with store.cursor() as cur:
        found = cur.sql(sql, params=wanted).to_arrow_table()
        kept = {"ids": found["profile_id"].to_pylist()}
        tables = {"profiles": _portable(found)} | {
            part: cur.sql(
                f"SELECT * FROM {part} WHERE list_contains($ids::VARCHAR[], profile_id) ORDER BY ALL",  # noqa: S608
                params=kept,
            ).to_arrow_table()
            for part in PROFILE_PARTS
        }
    return {
        name: _merge(table, file=folder / f"{name}.parquet", new=found["profile_id"], key="profile_id")
        for name, table in tables.items()
    }


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


def _portable(runs: pa.Table) -> pa.Table:
    specs = pa.array([portable_spec(text) for text in runs["spec"].to_pylist()], pa.string())
    return runs.set_column(runs.schema.get_field_index("spec"), "spec", specs)


def _merge(table: pa.Table, *, file: Path, new: pa.ChunkedArray, key: str = "run_id") -> int:
    if file.exists():
        try:
            old = pq.read_table(file)
            others = old.filter(pc.invert(pc.is_in(old[key], value_set=new.combine_chunks())))
        except (pa.ArrowException, KeyError) as error:
            raise StoreError(
                f"{file} is not a file of the gallery ({error}). Restore it from version control, or remove it."
            ) from error
        table = pa.concat_tables([others, table], promote_options="permissive")
    order = [(name, "ascending") for name in table.schema.names[:4]]
    keys = [(key, "ascending"), *(o for o in order if o[0] != key)]
    with written_beside(file) as draft:
        pq.write_table(table.sort_by(keys), draft, compression="zstd")
    return int(table.num_rows)
