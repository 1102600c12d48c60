"""Open the index to read it, from any process: a command, a notebook, a script. README.md has an example.

DuckDB lets one process hold the file, and writes when it opens it. Files are the truth, so who finds the database held
by a running application, or in a home that cannot be written, reads the run folders into memory instead of failing:
two applications on one home show the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import duckdb

from core.errors import NotWritable, StoreLocked
from core.paths import AtlasPaths
from core.store.connection import Store
from core.store.ingest import ingest
from core.variables import LOOK_ONLY, is_read_only


class StoreBusy(UserWarning):
    """The database is held or cannot be written: what was opened was read from the run folders, which takes longer."""


class Opened(NamedTuple):
    """A store that answers, and what its user should know of it."""

    store: Store
    """Open; nothing is read into it yet."""
    remark: str | None
    """That it is in memory and why; None: it is the home's own."""
    may_start: bool
    """Whether jobs of the home can be started and changed from here."""


def opened(paths: AtlasPaths) -> Opened:
    """The home's store; one in memory where another process has it open, or the home cannot or may not be written.

    Raises:
        StoreError: The file is no database, is damaged, or was made by a newer version.
        DiskFull: No space is left.
    """
    if is_read_only():
        return Opened(Store.open(":memory:"), LOOK_ONLY, may_start=False)
    try:
        return Opened(Store.open(paths.database), None, may_start=True)
    except StoreLocked as error:
        return Opened(Store.open(":memory:"), f"{error.found} Reading the run folders instead.", may_start=True)
    except NotWritable as error:
        remark = (
            f"This home is open for reading alone ({error}). Its runs are shown as their folders hold them; nothing "
            "can be started or changed here."
        )
        return Opened(Store.open(":memory:"), remark, may_start=False)


@contextmanager
def open_for_reading(paths: AtlasPaths | None = None) -> Iterator[Store]:
    """A store that holds everything that is on disk now.

    Args:
        paths: The Atlas home; that of the environment if None.
    """
    paths = paths or AtlasPaths.from_environment()
    store, remark, _ = opened(paths)
    if remark:
        warnings.warn(StoreBusy(remark), stacklevel=3)
    try:
        ingest(store, paths)
        yield store
    finally:
        store.close()


@contextmanager
def cursor_for_reading(paths: AtlasPaths | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor of that store, as every function of `core/queries` takes it.

    Args:
        paths: The Atlas home; that of the environment if None.
    """
    with open_for_reading(paths) as store, store.cursor() as cur:
        yield cur
