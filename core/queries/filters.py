"""What rows a question is about: the same few choices on every page and command."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

import duckdb


@dataclass(frozen=True)
class Filter:
    """Rows to keep; None or an empty tuple keeps all."""

    collection: str | tuple[str, ...] | None = None
    """published, measured, yours."""
    model: str | tuple[str, ...] | None = None
    """Models."""
    intermediate: str | tuple[str, ...] | None = None
    """Intermediates in their text form; `none` for the baseline."""
    target: str | tuple[str, ...] | None = None
    """Targets."""
    metric: str | tuple[str, ...] | None = None
    """Metrics."""
    protocol: str | tuple[str, ...] | None = None
    """Protocols."""
    data_source: str | tuple[str, ...] | None = None
    """sample, mirror, hub."""
    langs: tuple[str, ...] = ()
    """Languages."""
    seeds: tuple[int, ...] = ()
    """Seeds."""


class Condition(NamedTuple):
    """A filter as SQL."""

    sql: str
    """Boolean expression with named parameters."""
    values: dict[str, list[str | int]]
    """Their values."""


def condition(wanted: Filter, *, table: str = "", without: frozenset[str] = frozenset()) -> Condition:
    """The filter as an expression over the columns of a table; every value is bound.

    Args:
        wanted: Rows to keep.
        table: Alias of the table that has the columns; empty where there is one only.
        without: Fields of the filter that the table has no column for.
    """
    parts: list[str] = ["TRUE"]
    values: dict[str, list[str | int]] = {}
    for field in fields(wanted):
        value = getattr(wanted, field.name)
        if value in (None, ()) or field.name in without:
            continue
        column = {"langs": "lang", "seeds": "seed"}.get(field.name, field.name)
        parts.append(f"list_contains(${field.name}, {table + '.' if table else ''}{column})")
        values[field.name] = [value] if isinstance(value, str) else list(value)
    return Condition(" AND ".join(parts), values)


RUN_ONLY = frozenset({"langs", "metric"})
"""Fields that rows of `runs` have no column for."""


def names_in_store(
    cur: duckdb.DuckDBPyConnection, column: Literal["model", "target", "protocol", "intermediate", "collection"]
) -> list[str]:
    """Every name that a run of the store has in a column, in alphabetical order.

    Args:
        column: Of `runs`.
    """
    rows = cur.execute(f"SELECT DISTINCT {column} FROM runs ORDER BY 1").fetchall()
    return [str(name) for (name,) in rows]
