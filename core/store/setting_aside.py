"""One folder that cannot be read or stored never takes the others away: it is left out and named with its reason."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import duckdb
import orjson
import pyarrow as pa

from core.files import is_folder_entry, listed, name_as_text, read_whole, why_no_folder
from core.paths import RunPaths
from core.store.connection import Store

Cursor = duckdb.DuckDBPyConnection

_UNFIT = (duckdb.DatabaseError, pa.ArrowException, ValueError, TypeError, ArithmeticError)
"""What rows raise that have no place in the tables: too large a number, half a letter, a column of another type."""

_STRAYS = "strays"
"""Key under which the index keeps the names it lists as strays, JSON."""

_MOST_OF_A_REASON = 300
_MOST_EVENTS = 2**29


def written_apart(
    store: Store,
    names: Iterable[str],
    *,
    take: Callable[[Cursor, Mapping[str, str]], None],
    alone: Callable[[Cursor, str], None],
) -> None:
    """Write many folders in one transaction; where that fails, once more without those whose rows do not fit.

    Args:
        names: Folders that are written.
        take: Writes them all, given the reasons of those to leave out.
        alone: Writes one into an empty index, to see whether it fits.

    Raises:
        DiskFull: No space is left.
    """
    try:
        with store.write() as cur:
            take(cur, {})
    except _UNFIT:
        unfit = _unfit(names, alone=alone)
        if not unfit:
            raise
        with store.write() as cur:
            take(cur, unfit)


def _unfit(names: Iterable[str], *, alone: Callable[[Cursor, str], None]) -> dict[str, str]:
    reasons: dict[str, str] = {}
    with Store.open(":memory:") as scratch:
        for name in names:
            try:
                with scratch.cursor() as cur:
                    cur.begin()
                    alone(cur, name)
            except _UNFIT as error:
                said = str(error)
                said = said if len(said) <= _MOST_OF_A_REASON else f"{said[:_MOST_OF_A_REASON]}…"
                reasons[name] = f"What it reports has no place in the index: {said}"
    return reasons


def folders_in(root: Path, *, belongs: Callable[[str], bool]) -> tuple[list[str], dict[str, str]]:
    """Names of the folders that may be of jobs, in order; and what else lies there, with why it is not read.

    It has a name that no job has, which may be that of something else in the index or no text at all, or is no folder.

    Args:
        root: Folder of the folders; nothing where it is none.
        belongs: Whether a name may be one of these jobs'.
    """
    found = listed(root)  # where it cannot be, `name_strays` says so
    texts = {name: name if name.isascii() else name_as_text(name) for name in found}
    folders = {name for name, entry in found.items() if is_folder_entry(entry)}
    names = [n for n, text in texts.items() if n in folders and n == text and ":" not in n and belongs(n)]
    why = f"No folder in {root.name} can have such a name: move it away or rename it."
    none = f"It is no folder, or a link to none that can be read. Mend the link, or move it out of {root.name}."
    strays = sorted(texts.keys() - names)
    return names, {f"{root.name}/{texts[name]}": why if name in folders else none for name in strays}


def strays_in(root: Path, *, belongs: Callable[[os.DirEntry[str]], bool], expected: str) -> dict[str, str]:
    """What lies in a folder of ours and is not read, with why.

    Args:
        root: The folder; nothing where it is none.
        belongs: Whether an entry is read.
        expected: What is, in the plural.
    """
    why = f"It is not read: expected {expected}. Mend it, or move it out of {root.name}."
    return {f"{root.name}/{name_as_text(n)}": why for n, entry in listed(root).items() if not belongs(entry)}


def name_strays(store: Store, roots: Iterable[Path], *, strays: Mapping[str, str]) -> None:
    """List as damaged what lies in a folder of ours and is not ours, or lies in its place, as long as it lies there.

    Args:
        store: Written where the list changed.
        roots: Folders of ours that need not be there.
        strays: As `folders_in` returns them, of all roots.
    """
    now = {**{f"{root.name}/": why for root in roots if (why := why_no_folder(root))}, **strays}
    with store.cursor() as cur:
        row = cur.execute("SELECT value FROM meta WHERE key = ?", [_STRAYS]).fetchone()
    before: list[str] = orjson.loads(row[0]) if row else []
    if before == sorted(now):
        return
    with store.write() as cur:
        cur.execute("DELETE FROM damaged WHERE folder IN (SELECT unnest($names::VARCHAR[]))", {"names": before})
        for name, why in now.items():
            cur.execute("INSERT OR REPLACE INTO damaged VALUES (?, ?)", [name, why])
        cur.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [_STRAYS, orjson.dumps(sorted(now)).decode()])


def thorough_stamp(folder: Path) -> str:
    """What can be seen of a folder and its files: it changes with every repair, one that was made in place, too.

    Args:
        folder: One that cannot be read as it is.
    """
    found = [folder]
    with suppress(OSError):
        found += sorted(Path(entry.path) for entry in os.scandir(folder))
    seen = []
    for path in found:
        with suppress(OSError):
            # Permissions move the time of the change alone.
            now = path.stat()
            seen.append(f"{name_as_text(path.name)}:{now.st_size}:{now.st_mtime_ns}:{now.st_ctime_ns}:{now.st_mode}")
    return ";".join(seen)


def read_events(run: RunPaths) -> bytes:
    """All of `events.jsonl`; nothing where it is not there.

    Raises:
        RunFolderDamaged: It is no file, or has gigabytes.
    """
    try:
        return read_whole(run.events, most_bytes=_MOST_EVENTS)
    except FileNotFoundError:
        return b""


def insert_table(cur: Cursor, name: str, *, table: pa.Table) -> None:
    """Rows into a table of the index, by the names of their columns.

    Args:
        cur: Cursor inside a transaction.
        name: Of the table.
        table: The rows.
    """
    cur.register("incoming", table)
    try:
        cur.execute(f"INSERT INTO {name} BY NAME SELECT * FROM incoming")
    finally:
        # After a failed insert this fails, too, and must not be what is told.
        with suppress(duckdb.Error):
            cur.unregister("incoming")
