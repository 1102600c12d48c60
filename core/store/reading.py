"""Open the index to read it, from any process: a command, a notebook, a script. README.md has an example.

DuckDB lets one process hold the file. Files are the truth, so who finds the database held by a running application
reads the run folders into memory instead of failing.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from core.errors import StoreLocked
from core.paths import AtlasPaths
from core.store.connection import Store
from core.store.ingest import ingest


class StoreBusy(UserWarning):
    """The database is held by another process; what was opened was read from the run folders, which takes longer."""


@contextmanager
def open_for_reading(paths: AtlasPaths | None = None) -> Iterator[Store]:
    """A store that holds everything that is on disk now.

    Args:
        paths: The Atlas home; that of the environment if None.
    """
    paths = paths or AtlasPaths.from_environment()
    try:
        store = Store.open(paths.database)
    except StoreLocked as error:
        warnings.warn(StoreBusy(f"{error} Reading the run folders instead."), stacklevel=3)
        store = Store.open(":memory:")
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
