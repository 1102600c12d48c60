"""The page of the schema: `python -m tools.schema` writes docs/schema.md from the tables and docs/schema.yaml.

Names, types and what may be missing are the store's; the words of each table and column are in docs/schema.yaml, a
column that means the same everywhere once. A test holds the page to both.
"""

from __future__ import annotations

from typing import Any

import yaml

from core.paths import REPO
from core.store.connection import Store

WORDS = REPO / "docs" / "schema.yaml"
PAGE = REPO / "docs" / "schema.md"


def page() -> str:
    """The page as it should be.

    Raises:
        ValueError: A table or column has no words, or words have no table or column.
    """
    words: dict[str, dict[str, str]] = yaml.safe_load(WORDS.read_text(encoding="utf-8"))
    with Store.open(":memory:") as store, store.cursor() as cur:
        columns = cur.execute("""
            SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() WHERE NOT internal
            ORDER BY table_name, column_index
        """).fetchall()
        views = {name for (name,) in cur.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()}
    tables: dict[str, list[tuple[str, str, bool]]] = {}
    for table, name, kind, is_nullable in columns:
        tables.setdefault(table, []).append((name, kind, is_nullable))
    _check(tables, words)
    intro = (
        "# Tables of the store\n\n"
        "Written by `python -m tools.schema` from the tables themselves and docs/schema.yaml.\n\n"
        'Ask them: `python -m core sql "SELECT target, avg(gain) FROM counted_gains GROUP BY ALL"`. It reads alone and '
        "works beside an open application. Scores and gains are fractions; what is missing is NULL, never 0."
    )
    return "\n".join([intro, *(_table(name, tables[name], words, is_view=name in views) for name in sorted(tables))])


def _table(name: str, columns: list[tuple[str, str, bool]], words: dict[str, dict[str, str]], *, is_view: bool) -> str:
    lines = [f"\n## {name}\n", f"{words['tables'][name]}{' A view.' if is_view else ''}\n"]
    lines += ["| column | type | means |", "|---|---|---|"]
    for column, kind, is_nullable in columns:
        may_lack = " May be NULL." if is_nullable and not is_view else ""
        lines.append(f"| `{column}` | {kind} | {_words(name, column, words)}{may_lack} |")
    return "\n".join(lines)


def _words(table: str, column: str, words: dict[str, Any]) -> str:
    return str(words["columns"].get(f"{table}.{column}") or words["columns"][column])


def _check(tables: dict[str, list[tuple[str, str, bool]]], words: dict[str, dict[str, str]]) -> None:
    there = {(table, column) for table, columns in tables.items() for column, *_ in columns}
    known = words["columns"]
    lacking = [f"{t}.{c}" for t, c in sorted(there) if c not in known and f"{t}.{c}" not in known]
    lacking += sorted(tables.keys() - words["tables"].keys())
    names = {c for _, c in there} | {f"{t}.{c}" for t, c in there}
    idle = [*sorted(known.keys() - names), *sorted(words["tables"].keys() - tables.keys())]
    if lacking or idle:
        raise ValueError(f"docs/schema.yaml lacks words for {lacking} and has words for {idle}, which are not there.")


if __name__ == "__main__":
    PAGE.write_text(page() + "\n", encoding="utf-8")
