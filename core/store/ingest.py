"""Run folders and committed results into the index: `ingest` takes what changed, `rebuild` takes everything.

A folder whose stamp changed is read as a whole and its rows replaced, so twice is the same as once and a rebuild gives
the same rows as many small steps.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa

from core.errors import RunFolderDamaged, StoreError, StoreLocked, as_damage
from core.files import draft_beside, file_errors
from core.paths import AtlasPaths
from core.spec.plain import first_line
from core.store.connection import Store, check_place, is_open_here
from core.store.example_scores import drop_other_quantities, read_example_scores
from core.store.gallery import FAMILIES, collections, load_family, strays_of_collections
from core.store.profiles import PREFIX, ingest_profiles, is_name
from core.store.published import load_published
from core.store.rankings import ingest_rankings, strays_of_rankings
from core.store.reducer import RUN_TABLES, Row, RunTables, reduce_run
from core.store.setting_aside import folders_in, insert_table, name_strays, thorough_stamp, written_apart
from core.variables import refuse_read_only

PARTS = (*RUN_TABLES, "credits")
"""Tables that hold rows of a run beside `runs`."""

_BATCH = 1000


class IngestReport(NamedTuple):
    """What an ingest did."""

    n_new: int
    """Folders read for the first time."""
    n_updated: int
    """Folders that had changed."""
    n_damaged: int
    """Folders that are damaged now, whether or not they changed."""
    seconds: float
    """Wall-clock time."""


class _Changes(NamedTuple):
    new: dict[str, str]
    """Stamps by folder."""
    updated: dict[str, str]
    """Stamps by folder."""
    gone: list[str]
    """Folders that vanished."""


def ingest(store: Store, paths: AtlasPaths) -> IngestReport:
    """Bring the index up to date with runs, profiles and committed figures; writes nothing where nothing changed.

    A folder or file that cannot be read is left out and named in the table `damaged`; everything else is taken.

    Raises:
        StoreError: The index cannot be written; it is as it was.
        DiskFull: No space is left.
    """
    try:
        return _ingest(store, paths)
    except (duckdb.Error, OSError) as error:
        raise StoreError(f"The index cannot be brought up to date: {first_line(error)}") from error


def _ingest(store: Store, paths: AtlasPaths) -> IngestReport:
    began = time.monotonic()
    for collection in collections(paths, store):
        for family in FAMILIES:
            load = partial(load_family, store, family, collection=collection)
            _committed(store, collection.label(family), folder=collection.folder, load=load)
    _committed(store, "published", folder=paths.published, load=partial(load_published, store, paths))
    ingest_rankings(store, paths)
    profiles = ingest_profiles(store, paths)
    names, strays = folders_in(paths.runs, belongs=_is_runs)
    strays |= folders_in(paths.profiles, belongs=is_name)[1] | strays_of_collections(paths) | strays_of_rankings(paths)
    name_strays(store, (paths.runs, paths.profiles, paths.rankings, paths.imported, paths.gallery), strays=strays)
    changes = _look(store, paths, names=names)

    def take(cur: duckdb.DuckDBPyConnection, unfit: Mapping[str, str]) -> None:
        nonlocal changes
        # Looked at again inside the lock: another thread may have taken them meanwhile.
        changes = _look(store, paths, names=folders_in(paths.runs, belongs=_is_runs)[0])
        stamps = changes.new | changes.updated
        _forget(cur, [*changes.updated, *changes.gone])
        names = list(stamps)
        for start in range(0, len(names), _BATCH):
            some = {name: stamps[name] for name in names[start : start + _BATCH]}
            _take(cur, paths, stamps=some, unfit=unfit)

    def alone(cur: duckdb.DuckDBPyConnection, name: str) -> None:
        _take(cur, paths, stamps={name: ""}, unfit={})

    if any(changes):
        written_apart(store, (*changes.new, *changes.updated), take=take, alone=alone)
    with store.cursor() as cur:
        row = cur.execute("SELECT count(*) FROM damaged").fetchone()
    return IngestReport(
        n_new=len(changes.new) + len(profiles.new),
        n_updated=len(changes.updated) + len(profiles.updated),
        n_damaged=int(row[0]) if row else 0,
        seconds=time.monotonic() - began,
    )


def _committed(store: Store, name: str, *, folder: Path, load: Callable[[], int]) -> None:
    """Take committed files; where they are refused, keep what was taken before and say so until they change."""
    key, seen = f"refused {name}", thorough_stamp(folder)
    with store.cursor() as cur:
        row = cur.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchone()
    refused = row[0] if row else None
    if refused == seen:
        return
    reason = None
    try:
        load()
    except (StoreError, OSError) as error:  # the second: a folder of another user
        reason = str(error)
    if reason is None and refused is None:
        return
    with store.write() as cur:
        cur.execute("DELETE FROM damaged WHERE folder = ?", [name])
        cur.execute("DELETE FROM meta WHERE key = ?", [key])
        if reason is not None:
            cur.execute("INSERT INTO damaged VALUES (?, ?)", [name, reason])
            cur.execute("INSERT INTO meta VALUES (?, ?)", [key, seen])


def rebuild(store_path: Path, paths: AtlasPaths) -> IngestReport:
    """Make the database again from the files, beside the old one, and swap them.

    Args:
        store_path: Database file.

    Raises:
        StoreLocked: This or another process has the database open.
        StoreError: Something else is in its place, such as a folder.
        NotWritable: The home cannot or may not be written.
        DiskFull: No space is left.
    """
    refuse_read_only()
    _refuse_open(store_path)
    draft = draft_beside(store_path)
    try:
        with Store.open(draft) as store:
            report = ingest(store, paths)
        with file_errors(store_path):
            draft.replace(store_path)
    finally:
        for leftover in (draft, draft.with_name(f"{draft.name}.wal")):
            with contextlib.suppress(OSError):
                leftover.unlink(missing_ok=True)
    store_path.with_name(f"{store_path.name}.wal").unlink(missing_ok=True)
    return report


def _refuse_open(path: Path) -> None:
    if is_open_here(path):
        raise StoreLocked(f"{path} is open in this process:", "close the store before it is rebuilt.")
    check_place(path)
    if not path.exists():
        return
    try:
        Store.open(path).close()
    except StoreLocked:
        raise
    except StoreError:
        # Damaged or of another version: that is what a rebuild is for.
        return


def _is_runs(name: str) -> bool:
    return not is_name(name)


def _look(store: Store, paths: AtlasPaths, *, names: Iterable[str]) -> _Changes:
    with store.cursor() as cur:
        # Ids of profiles begin with a letter of their own, names of committed files have a colon.
        rows = cur.execute(
            "SELECT run_id, stamp FROM ingested WHERE NOT starts_with(run_id, ?) AND NOT contains(run_id, ':') "
            "ORDER BY run_id",
            [PREFIX],
        ).fetchall()
        damaged = {name for (name,) in cur.execute("SELECT folder FROM damaged").fetchall()}
    known: dict[str, str] = dict(rows)
    found = _stamps(paths, names=names)
    found |= {name: thorough_stamp(paths.run(name).root) for name in damaged & found.keys()}
    return _Changes(
        new={name: stamp for name, stamp in found.items() if name not in known},
        updated={name: stamp for name, stamp in found.items() if name in known and known[name] != stamp},
        gone=[name for name in known if name not in found],
    )


def _stamps(paths: AtlasPaths, *, names: Iterable[str]) -> dict[str, str]:
    """Stamps by folder: a file made or renamed moves the folder's time, one that is written in place its own."""
    root = os.fspath(paths.runs)
    run = paths.run("any")
    read = tuple(f"/{file.name}" for file in (run.events, run.spec, run.job, run.predictions, run.environment))
    return {name: stamp for name in names if (stamp := _stamp(f"{root}/{name}", read=read)) is not None}


def _stamp(folder: str, *, read: tuple[str, ...]) -> str | None:
    # Plain texts: two hundred thousand `Path`s take ten times as long to make as the kernel takes to answer.
    try:
        seen = [f"{os.stat(folder).st_mtime_ns}"]  # noqa: PTH116
    except OSError:
        return None
    for name in read:
        try:
            found = os.stat(folder + name)  # noqa: PTH116
        except OSError:  # not there yet, or not ours to look at: reading it will say so
            continue
        seen.append(f"{found.st_mtime_ns}:{found.st_size}")
    return ":".join(seen)


def _forget(cur: duckdb.DuckDBPyConnection, run_ids: list[str]) -> None:
    if not run_ids:
        return
    for table in ("runs", "ingested", *PARTS):
        cur.execute(f"DELETE FROM {table} WHERE run_id IN (SELECT unnest($ids::VARCHAR[]))", {"ids": run_ids})
    cur.execute("DELETE FROM damaged WHERE folder IN (SELECT unnest($ids::VARCHAR[]))", {"ids": run_ids})


def _take(
    cur: duckdb.DuckDBPyConnection, paths: AtlasPaths, *, stamps: dict[str, str], unfit: Mapping[str, str]
) -> None:
    by_run: dict[str, RunTables] = {}
    credits: list[pa.Table] = []
    damaged: dict[str, str] = {}
    stamps = dict(stamps)
    for name in stamps:
        run = paths.run(name)
        try:
            if name in unfit:
                raise RunFolderDamaged(unfit[name])
            with as_damage(name):
                tables = reduce_run(run)
                own = read_example_scores(run) if tables.run["outcome"] == "finished" else None
        except RunFolderDamaged as error:
            # Looked at after it was read: a repair in between is seen with the next change.
            damaged[name], stamps[name] = str(error), thorough_stamp(run.root)
            continue
        by_run[name] = tables
        credits += [] if own is None else [own]
    _insert(cur, "runs", rows=(tables.run for tables in by_run.values()))
    for table in RUN_TABLES:
        _insert(
            cur, table, rows=(row | {"run_id": name} for name, tables in by_run.items() for row in tables.rows(table))
        )
    if credits:
        insert_table(cur, "credits", table=pa.concat_tables(credits))
        drop_other_quantities(cur)
    _insert(cur, "damaged", rows=({"folder": name, "reason": reason} for name, reason in damaged.items()))
    _insert(
        cur,
        "ingested",
        rows=({"run_id": n, "size": by_run[n].size if n in by_run else 0, "stamp": s} for n, s in stamps.items()),
    )


def _insert(cur: duckdb.DuckDBPyConnection, table: str, *, rows: Iterable[Row]) -> None:
    found = list(rows)
    if found:
        insert_table(cur, table, table=pa.Table.from_pylist(found))
