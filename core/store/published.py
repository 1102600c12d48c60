"""Figures transcribed from papers into the index: `data/published/tables.csv` and the files it names.

A table is one table of one document; every figure in it repeats the document, so a row that strayed from another
source is found here. To add one: a line in `tables.csv` and rows in a file; `data/published/README.md` has the columns.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from core.errors import StoreError
from core.paths import AtlasPaths
from core.store.connection import Store
from core.store.setting_aside import insert_table

INDEX = "tables.csv"
"""The list of tables."""

CLAIMS = "claims.csv"
"""Statements of papers: no figures, not read here."""

TABLE_COLUMNS = (
    "name", "file", "title", "paper", "arxiv", "version", "printed_table", "source", "unit", "derived", "confidence",
    "averages", "caution",
)  # fmt: skip
"""Columns of the index."""

FIGURE_COLUMNS = (
    "table", "model", "intermediate", "target", "lang", "metric", "split", "seed", "kind", "printed", "caution",
    "target_task", "intermediate_task", "source",
)  # fmt: skip
"""Columns of a file of figures."""

_WORDS = {
    "unit": ("percent", "fraction", "none"),
    "derived": ("true", "false"),
    "confidence": ("verified", "second-hand", "unclear"),
    "averages": ("", "all", "without en"),
    "split": ("", "dev", "test"),
    "kind": ("score", "gain", "fact"),
}
_LOWEST = {"score": 0.0, "gain": -1.0}
_NUMBER = re.compile(r"[+-]?\d+(?:\.(?P<decimals>\d+))?")
_LANG = re.compile(r"[a-z]{2,3}")
_IDENTITY = ("model", "intermediate", "target", "lang", "metric", "split", "seed", "kind")
_STAMP = "published"

Row = dict[str, Any]
"""One row of the database; Any: strings, numbers, booleans, None."""


class Published(NamedTuple):
    """Everything in the folder, ready for the database."""

    tables: list[Row]
    """Rows of `published_tables`."""
    figures: list[Row]
    """Rows of `published_figures`."""


class _Line(NamedTuple):
    where: str
    """File and line, for messages."""
    cells: dict[str, str]
    """Column → text."""


def load_published(store: Store, paths: AtlasPaths) -> int:
    """Take the published figures into the store where their files changed; number of tables read, 0 if none did.

    Raises:
        StoreError: A file is not what `data/published/README.md` says; the store is as it was.
    """
    files = sorted(paths.published.glob("*.csv"))
    stamp = ";".join(f"{f.name}:{f.stat().st_size}:{f.stat().st_mtime_ns}" for f in files)
    with store.cursor() as cur:
        known = cur.execute("SELECT value FROM meta WHERE key = ?", [_STAMP]).fetchone()
    if stamp == (known[0] if known else ""):
        return 0
    try:
        found = read_published(paths.published)
    except (OSError, ValueError, csv.Error) as error:
        raise StoreError(f"{paths.published} cannot be read: {error}.") from error
    with store.write() as cur:
        for table, rows in (("published_tables", found.tables), ("published_figures", found.figures)):
            cur.execute(f"DELETE FROM {table}")
            if rows:
                insert_table(cur, table, table=pa.Table.from_pylist(rows))
        cur.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [_STAMP, stamp])
    return len(found.tables)


def read_published(folder: Path) -> Published:
    """Read and check every file of the folder; nothing where there is no index.

    Args:
        folder: Holds `tables.csv` and the files it names.

    Raises:
        StoreError: A file, column, word, number or source is not as declared; the message names file and line.
    """
    if not (folder / INDEX).exists():
        return Published([], [])
    tables = {row["name"]: row for row in _read_index(folder)}
    files = {str(row["file"]) for row in tables.values()}
    strays = sorted(f.name for f in folder.glob("*.csv") if f.name not in {*files, INDEX, CLAIMS})
    if strays:
        raise StoreError(f"{folder.name}/{strays[0]} belongs to no table: add its tables to {INDEX}, or remove it.")
    figures: list[Row] = []
    positions = dict.fromkeys(tables, 0)
    seen: dict[tuple[object, ...], str] = {}
    for file in sorted(files):
        for line in _lines(folder / file, columns=FIGURE_COLUMNS):
            row = _figure(line, tables=tables, file=file)
            identity = (row["table_name"], *(row[name] for name in _IDENTITY))
            if identity in seen:
                raise StoreError(f"{line.where} repeats the figure of {seen[identity]}: keep one of them.")
            seen[identity] = line.where
            positions[row["table_name"]] += 1
            figures.append(row | {"position": positions[row["table_name"]]})
    empty = [name for name, n in positions.items() if n == 0]
    if empty:
        raise StoreError(f"Table '{empty[0]}' of {INDEX} has no row in {tables[empty[0]]['file']}: add some.")
    return Published(list(tables.values()), figures)


def _lines(file: Path, *, columns: tuple[str, ...]) -> list[_Line]:
    if not file.exists():
        raise StoreError(f"{file.parent.name}/{file.name} is named in {INDEX} but is not there: add it or its figures.")
    with file.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle, strict=True)
        if tuple(reader.fieldnames or ()) != columns:
            raise StoreError(
                f"{file.name} has the columns {', '.join(reader.fieldnames or ())}; expected {', '.join(columns)}."
            )
        out = []
        try:
            for cells in reader:
                where = f"{file.name}, line {reader.line_num}"
                if None in cells or None in cells.values():
                    raise StoreError(f"{where} does not have {len(columns)} cells: quote texts that hold commas.")
                out.append(_Line(where, cells))
        except csv.Error as error:
            raise StoreError(f"{file.name}, line {reader.line_num} cannot be read as CSV: {error}.") from error
    return out


def _read_index(folder: Path) -> Iterable[Row]:
    names: set[str] = set()
    for line in _lines(folder / INDEX, columns=TABLE_COLUMNS):
        _check_words(line, "unit", "derived", "confidence", "averages")
        for column in ("name", "file", "title", "paper", "version", "printed_table", "source"):
            if not line.cells[column]:
                raise StoreError(f"{line.where} has no {column}: every table names its paper, version and source.")
        if line.cells["name"] in names:
            raise StoreError(f"{line.where} repeats the table '{line.cells['name']}': names are used once.")
        names.add(line.cells["name"])
        yield _filled(line.cells) | {"derived": line.cells["derived"] == "true"}


def _figure(line: _Line, *, tables: dict[str, Row], file: str) -> Row:
    cells = line.cells
    table = tables.get(cells["table"])
    if table is None or table["file"] != file:
        raise StoreError(
            f"{line.where} belongs to the table '{cells['table']}', which {INDEX} does not list for {file}."
        )
    if cells["source"] != table["source"]:
        raise StoreError(
            f"{line.where} has the source '{cells['source']}', but the table '{cells['table']}' was read in "
            f"'{table['source']}': figures of two documents are never in one table; give them a table of their own."
        )
    _check_words(line, "split", "kind")
    if not cells["metric"] or not cells["printed"]:
        raise StoreError(f"{line.where} has no metric or no printed figure: a figure that was not printed has no row.")
    if cells["seed"] and not cells["seed"].isdigit():
        raise StoreError(f"{line.where} has the seed '{cells['seed']}', expected a whole number or nothing.")
    number = {"value": None, "rounding": None} if cells["kind"] == "fact" else _number(line, unit=str(table["unit"]))
    row = _filled(cells) | number | {"derived": table["derived"], "table_name": cells["table"]}
    row["seed"] = int(cells["seed"]) if cells["seed"] else None
    del row["table"]
    return row


def _number(line: _Line, *, unit: str) -> Row:
    """Value and half a unit of its last printed digit, as fractions."""
    cells = line.cells
    parsed = _NUMBER.fullmatch(cells["printed"])
    if parsed is None or unit == "none":
        raise StoreError(
            f"{line.where} prints '{cells['printed']}' as a {cells['kind']} in a table of unit '{unit}': expected one "
            "number in per cent or as a fraction; anything else is of the kind 'fact'."
        )
    if cells["lang"] and not _LANG.fullmatch(cells["lang"]):
        raise StoreError(
            f"{line.where} has the language '{cells['lang']}', expected a code, or nothing for an average."
        )
    places = 2 if unit == "percent" else 0
    # In decimals: 80.1 / 100 in binary is 0.8009999999999999.
    value = float(Decimal(cells["printed"]).scaleb(-places))
    if not _LOWEST[cells["kind"]] <= value <= 1:
        raise StoreError(
            f"{line.where} prints {cells['printed']} in {unit}: as a fraction {value:g}, expected a {cells['kind']} "
            f"from {_LOWEST[cells['kind']]:g} to 1."
        )
    return {"value": value, "rounding": float(Decimal(5).scaleb(-1 - len(parsed["decimals"] or "") - places))}


def _check_words(line: _Line, *columns: str) -> None:
    for column in columns:
        if line.cells[column] not in _WORDS[column]:
            known = ", ".join(word or "nothing" for word in _WORDS[column])
            raise StoreError(f"{line.where} has the {column} '{line.cells[column]}', expected {known}.")


def _filled(cells: dict[str, str]) -> Row:
    return {column: text or None for column, text in cells.items()}
