"""Open the index to read it, from any process.

DuckDB lets one process hold the file. Files are the truth, so a command that finds the database held by a running
application reads the run folders into memory instead of failing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from core.cli.console import note
from core.errors import StoreLocked
from core.paths import AtlasPaths
from core.store.connection import Store
from core.store.ingest import ingest


@contextmanager
def open_for_reading(paths: AtlasPaths) -> Iterator[Store]:
    """A store that holds everything that is on disk now."""
    try:
        store = Store.open(paths.database)
    except StoreLocked as error:
        note(f"{error} Reading the run folders instead.")
        store = Store.open(":memory:")
    try:
        ingest(store, paths)
        yield store
    finally:
        store.close()


@contextmanager
def cursor_for_reading(paths: AtlasPaths) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor of that store."""
    with open_for_reading(paths) as store, store.cursor() as cur:
        yield cur
