"""Later changes of the tables; `core.store.schema` has their order."""

from __future__ import annotations

import re

import duckdb


def m014_imported(con: duckdb.DuckDBPyConnection) -> None:
    """Collections of any name: what was imported from others has its own."""
    for table in ("runs", "profiles"):
        row = con.execute("SELECT sql FROM duckdb_tables() WHERE table_name = ?", [table]).fetchone()
        assert row is not None  # an earlier migration made it
        made = re.sub(r", CHECK\(\(collection IN \([^)]*\)\)\)", "", row[0], count=1)
        con.execute(made.replace(f"CREATE TABLE {table}(", f"CREATE TABLE {table}_new(", 1))
        con.execute(
            f"INSERT INTO {table}_new SELECT * FROM {table}; DROP TABLE {table}; "
            f"ALTER TABLE {table}_new RENAME TO {table};"
        )


def m016_in_use(con: duckdb.DuckDBPyConnection) -> None:
    """Memory and processor cores in use along a training; NULL for what an earlier version trained."""
    con.execute("ALTER TABLE steps ADD COLUMN memory_mb DOUBLE; ALTER TABLE steps ADD COLUMN cores DOUBLE;")


def m017_ids(con: duckdb.DuckDBPyConnection) -> None:
    """What pairs a run with its baseline has no words about models and tasks any more: every folder is read again."""
    con.execute("UPDATE ingested SET stamp = ''")
