"""The one connection of a process to the DuckDB index.

Reads take a cursor each; writes take turns and bump `meta.version`, which cached queries carry as an argument.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import duckdb

from core.errors import DiskFull, NotWritable, StoreError, StoreLocked
from core.files import file_errors, is_there
from core.spec.versions import CODE_VERSION
from core.store.current import choose_current
from core.store.schema import MIGRATIONS

_HOLDER = re.compile(r"held in (?P<name>.+?) \(PID (?P<pid>\d+)\)")
_NO_EXTENSIONS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_open_stores: weakref.WeakSet[Store]


class Store:
    """An open database; one per process, closed by whoever opened it."""

    def __init__(self, con: duckdb.DuckDBPyConnection, *, path: Path | None) -> None:
        """Keep the connection; use `Store.open`.

        Args:
            con: Open connection with all migrations applied.
            path: Its file; None in memory.
        """
        self._con, self.path = con, path
        self._is_dead = False
        self._writing = threading.RLock()
        _open_stores.add(self)

    @classmethod
    def open(cls, path: Path | str) -> Store:
        """Open or make the database and bring its tables up to date.

        Args:
            path: File, or ":memory:".

        Raises:
            StoreLocked: Another process has the file open.
            NotWritable: The file cannot be written, as in another user's home.
            StoreError: The file is no database, is damaged, or was made by a newer version.
            DiskFull: No space is left.
        """
        file = None if str(path) == ":memory:" else Path(path)
        if file is not None:
            with file_errors(file):
                file.parent.mkdir(parents=True, exist_ok=True)
            check_place(file)
        return cls(_connected(str(path)), path=file)

    @contextlib.contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of one's own, for reading in one thread.

        Raises:
            StoreError: The connection broke, as on a full disk, and could not be made anew yet.
        """
        self.revive()
        cur = self._con.cursor()
        try:
            yield cur
        finally:
            cur.close()

    @contextlib.contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor inside one transaction, one writer at a time; commits and bumps the version, or changes nothing.

        Which runs count is chosen anew before the commit.

        Raises:
            DiskFull: No space is left.
            StoreError: The connection broke and could not be made anew yet.
        """
        with self._writing, self.cursor() as cur:
            cur.begin()
            try:
                yield cur
                choose_current(cur)
                cur.execute("UPDATE meta SET value = CAST(CAST(value AS BIGINT) + 1 AS VARCHAR) WHERE key = 'version'")
                cur.commit()
            except BaseException as error:
                with contextlib.suppress(duckdb.Error):
                    cur.rollback()
                if isinstance(error, duckdb.Error):
                    self._is_dead = not self._answers()
                    if self._is_dead or "No space left" in str(error):
                        raise _explained(error, path=str(self.path)) from error
                raise

    def _answers(self) -> bool:
        """Whether the connection can be used: after a full disk DuckDB refuses everything until it is opened anew."""
        try:
            self._con.cursor().execute("SELECT 1")
        except duckdb.Error:
            return False
        return True

    def revive(self) -> None:
        """Open the file anew where the connection broke; nothing where it did not.

        Raises:
            StoreError: It cannot be opened yet.
            DiskFull: There is still no space.
        """
        if not self._is_dead:
            return
        with self._writing:
            if self._is_dead and self.path is not None:
                self._con.close()
                self._con = _connected(str(self.path))
                self._is_dead = False

    def version(self) -> int:
        """Number of writes so far: equal versions, equal answers."""
        with self.cursor() as cur:
            row = cur.execute("SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'version'").fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        """Release the file; a closed store answers nothing more."""
        _open_stores.discard(self)
        self._con.close()

    def __enter__(self) -> Store:
        """The store itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


_open_stores = weakref.WeakSet()


def is_open_here(path: Path) -> bool:
    """Whether this very process has the file open.

    Args:
        path: Database file.
    """
    return any(store.path is not None and store.path.resolve() == path.resolve() for store in tuple(_open_stores))


def check_place(path: Path) -> None:
    """Refuse what can be no database and no log of one: DuckDB would wait for a pipe without end.

    Args:
        path: Database file; it need not be there.

    Raises:
        StoreError: A folder, pipe, socket or device is in the place of one of them.
    """
    for file in (path, path.with_name(f"{path.name}.wal")):
        if is_there(file) and not file.is_file():
            kind = "a folder" if file.is_dir() else "a pipe, socket or device"
            raise StoreError(f"{file} is {kind}, expected a database or nothing. Move it away; the index is made anew.")


def _connected(path: str) -> duckdb.DuckDBPyConnection:
    is_new = path != ":memory:" and not is_there(Path(path))
    try:
        con = duckdb.connect(path, config=_NO_EXTENSIONS)
    except duckdb.Error as error:
        raise _not_made(error, path=path, is_new=is_new) from error
    try:
        _migrate(con, path=path)
    except duckdb.Error as error:
        con.close()
        raise _not_made(error, path=path, is_new=is_new) from error
    except StoreError:
        con.close()
        raise
    return con


def _not_made(error: duckdb.Error, *, path: str, is_new: bool) -> StoreError | DiskFull:
    found = _explained(error, path=path)
    if is_new and isinstance(found, DiskFull):
        # DuckDB takes what it had begun for no database, also once there is room.
        for file in (Path(path), Path(f"{path}.wal")):
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
    return found


def _migrate(con: duckdb.DuckDBPyConnection, *, path: str) -> None:
    con.execute("CREATE TABLE IF NOT EXISTS migrations (name VARCHAR PRIMARY KEY, applied_at TIMESTAMP NOT NULL)")
    applied = {row[0] for row in con.execute("SELECT name FROM migrations").fetchall()}
    newer = sorted(applied - {name for name, _ in MIGRATIONS})
    if newer:
        raise StoreError(
            f"{path} was made by a newer version of Transfer Atlas: it has {', '.join(newer)}, this version ends with "
            f"{MIGRATIONS[-1][0]}. Update the program, or delete the file and run `make rebuild`; nothing is lost."
        )
    for name, migration in MIGRATIONS:
        if name not in applied:
            con.begin()
            migration(con)
            con.execute("INSERT INTO migrations VALUES (?, now()::TIMESTAMP)", [name])
            con.commit()
    code = json.dumps(CODE_VERSION)
    made_by = con.execute("SELECT value FROM meta WHERE key = 'code'").fetchone()
    if len(applied) < len(MIGRATIONS) or made_by != (code,):
        # Rows of an older file are there already, and no write need follow.
        con.begin()
        choose_current(con)
        con.execute("INSERT OR REPLACE INTO meta VALUES ('code', ?)", [code])
        con.commit()


def _explained(error: duckdb.Error, *, path: str) -> StoreError | DiskFull:
    text = str(error)
    if "No space left" in text:
        return DiskFull(
            f"No space left to write {path}. Free some space, or set ATLAS_HOME to a folder on another disk."
        )
    holder = _HOLDER.search(text)
    if holder or "Could not set lock" in text:
        who = f"process {holder['pid']} ({Path(holder['name']).name})" if holder else "another process"
        return StoreLocked(
            f"{path} is open in {who}, and DuckDB lets one process at a time.",
            "Close that application, or give this one a home of its own with ATLAS_HOME=FOLDER.",
        )
    if "Permission denied" in text or "Read-only file system" in text or "Operation not permitted" in text:
        return NotWritable(f"{path} cannot be written by this user: {text}")
    return StoreError(
        f"{path} cannot be read as a database ({text}). Delete it and run `make rebuild`: it is an index, and "
        "everything in it is made again from the run folders and the committed results."
    )
