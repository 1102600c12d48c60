"""Results of others as a collection of their own: what a colleague pushed, or a gallery, beside one's own runs."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import orjson

from core.errors import SpecError, StoreError
from core.files import draft_beside, file_errors
from core.paths import AtlasPaths
from core.spec.plain import shortened
from core.store.connection import Store
from core.store.exchange.address import address_of
from core.store.exchange.folders import Outcome, pull
from core.store.exchange.tables import save_gallery
from core.store.gallery import FAMILIES, TAKEN, Collection, load_family, may_be_named
from core.store.ingest import ingest


class Imported(NamedTuple):
    """What an import brought."""

    name: str
    """Of the collection."""
    runs: int
    profiles: int
    left_out: tuple[str, ...]
    """Ids and reasons of what is damaged where it came from."""


def import_results(paths: AtlasPaths, source: str, *, name: str) -> Imported:
    """Take a gallery's folder, or what others pushed to an address, as a collection; one of that name is replaced.

    Nothing of it is mixed with other collections: its gains are paired inside it, and an address can name it.

    Args:
        paths: The home; the tables end up in its `imported`.
        source: A folder with `runs.parquet`, or an address as `push` takes it.
        name: Of the collection: small letters, digits, `-` and `_`.

    Raises:
        SpecError: The name cannot be that of a collection, or the source cannot be reached.
        StoreError: It holds no finished run or profile, or tables that do not belong together; nothing was changed.
        DiskFull: No space is left.
        NotWritable: The home cannot be written.
    """
    if not may_be_named(name):
        raise SpecError(
            f"{shortened(name)} cannot be the name of a collection: expected small letters, digits, '-' and '_', at "
            f"most 40, and none of {', '.join(TAKEN)}."
        )
    folder = paths.imported / name
    draft = draft_beside(folder)
    try:
        with file_errors(folder):
            draft.mkdir(parents=True)
        left_out = _tables_of(source, into=draft)
        runs, profiles = _checked(draft, source=source)
        with file_errors(folder):
            origin = {"source": source, "imported_at": datetime.now(UTC).isoformat(timespec="seconds")}
            (draft / "origin.json").write_bytes(orjson.dumps(origin))
            if folder.exists():
                folder.replace(aside := draft_beside(folder))
                draft.replace(folder)
                shutil.rmtree(aside)
            else:
                draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Imported(name, runs, profiles, left_out)


def _tables_of(source: str, *, into: Path) -> tuple[str, ...]:
    """The tables of a source in a folder; what was left out, with reasons."""
    found = address_of(source)
    given = Path(found.root)
    heads = [given / f"{family.head}.parquet" for family in FAMILIES]
    if "://" not in source and any(head.is_file() for head in heads):
        for family in FAMILIES:
            for table in family.tables:
                if (file := given / f"{table}.parquet").is_file():
                    with file_errors(into):
                        shutil.copyfile(file, into / file.name)
        return ()
    with tempfile.TemporaryDirectory(prefix="atlas-import-", ignore_cleanup_errors=True) as home:
        there = AtlasPaths(Path(home))
        moved = list(pull(there, found))
        with Store.open(":memory:") as store:
            ingest(store, there)
            with store.cursor() as cur:
                broken = cur.execute("SELECT folder, reason FROM damaged ORDER BY folder").fetchall()
            ids = {each.name for each in moved if each.outcome is Outcome.COPIED}
            save_gallery(store, folder=into, ids=ids)
    return (
        *(f"{each.name}: {each.message}" for each in moved if each.outcome is Outcome.DAMAGED),
        *(f"{folder}: {reason}" for folder, reason in broken if folder in ids),
    )


def _checked(folder: Path, *, source: str) -> tuple[int, int]:
    """Numbers of runs and profiles, after the tables went into a store as they will."""
    with Store.open(":memory:") as store:
        try:
            for family in FAMILIES:
                load_family(store, family, collection=Collection(folder.name.split(".")[1], folder))
        except StoreError as error:  # of a copy that is gone when this is read
            raise StoreError(str(error).replace(str(folder), source)) from error
        with store.cursor() as cur:
            row = cur.execute("SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM profiles)").fetchone()
    runs, profiles = row or (0, 0)
    if not runs + profiles:
        raise StoreError(
            f"{shortened(source)} holds no finished run and no profile. Expected a folder with runs.parquet, or an "
            "address that `python -m core push` wrote to."
        )
    return int(runs), int(profiles)
