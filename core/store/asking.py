"""A question of the user's own, in SQL: answered from a transaction that cannot write, within limits."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import duckdb

from core.errors import SpecError, StoreError
from core.spec.plain import shortened
from core.store.connection import Store

MOST_ROWS = 1000
"""Rows that are given unless more are asked for."""
MOST_S = 60.0
"""Seconds after which a question is given up, unless more are asked for."""
MOST_S_EVER = 86_400.0
"""That may be asked for: a day."""


class Rows(NamedTuple):
    """An answer."""

    columns: tuple[str, ...]
    """Their names."""
    rows: list[tuple[Any, ...]]
    """Values as Python has them; a missing one is None."""
    is_cut: bool
    """Whether there are more rows than were asked for."""


def ask(store: Store, sql: str, *, most_rows: int = MOST_ROWS, most_s: float = MOST_S) -> Rows:
    """What one statement answers; it can neither write the store nor read a file.

    Args:
        store: Open store; it reads no file any more afterwards, so it is one that nobody else uses.
        sql: One statement.
        most_rows: Rows to give at most, from 1.
        most_s: Seconds to wait, up to a day.

    Raises:
        SpecError: It is no single statement, it would write or read a file, DuckDB does not understand it, or a limit
            is none.
        StoreError: It took longer.
    """
    if not 1 <= most_rows < 2**31:
        raise SpecError(f"{shortened(most_rows)} rows cannot be given: expected 1 to {2**31 - 1:,}.")
    if not 0 < most_s <= MOST_S_EVER:  # nan, too, is none of these
        raise SpecError(f"{most_s:g} seconds cannot be waited: expected more than 0, and {MOST_S_EVER:,.0f} at most.")
    with store.cursor() as cur:
        try:
            statements = cur.extract_statements(sql)
            if len(statements) != 1:
                raise SpecError(f"Found {len(statements)} statements, expected one. Ask them one after the other.")
            if statements[0].type not in {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}:
                kind = str(statements[0].type).removeprefix("StatementType.")
                raise SpecError(
                    f"{kind} is no question: this command reads alone. Begin with SELECT, WITH or DESCRIBE."
                )
            cur.execute("SET enable_external_access = false")
            # A question may hold a DELETE … RETURNING in a WITH: the transaction refuses what the word would not show.
            cur.execute("BEGIN TRANSACTION READ ONLY")
            bell = threading.Timer(most_s, cur.interrupt)
            bell.start()
            try:
                cur.execute(sql)
                rows = cur.fetchmany(most_rows + 1)
                names = tuple(str(column[0]) for column in cur.description or ())
            finally:
                bell.cancel()
                cur.execute("ROLLBACK")
        except duckdb.InterruptException as error:
            raise StoreError(
                f"No answer within {most_s:g} seconds. Narrow the question, or raise --seconds."
            ) from error
        except duckdb.Error as error:
            raise SpecError(_told(error)) from error
    return Rows(names, rows[:most_rows], len(rows) > most_rows)


def _told(error: duckdb.Error) -> str:
    text = str(error).strip()
    if "read-only mode" in text:
        return "The statement would write: this command reads alone. Results come from run folders, never from SQL."
    if isinstance(error, duckdb.PermissionException):
        return f"The statement would read or write a file, which this command does not: {text.splitlines()[0]}"
    return f"DuckDB cannot answer this: {text} (docs/schema.md lists the tables.)"
