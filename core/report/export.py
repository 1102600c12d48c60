"""Tables as files other programs read: CSV, Parquet, LaTeX. Pages and commands go through the same functions."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from core.errors import StoreError, UnknownName
from core.files import written_beside
from core.report.latex import latex_table
from core.store.connection import Store
from core.store.exchange.portable import portable_table

Format = Literal["csv", "parquet", "tex"]
"""File formats."""

_SQL = {
    "runs": """
        SELECT r.* EXCLUDE (environment), p.is_current FROM runs r JOIN pairing p USING (run_id)
        ORDER BY collection, model, target, intermediate, seed, run_id
    """,
    "scores": """
        SELECT r.collection, r.model, r.intermediate, r.target, s.lang, s.metric, r.protocol, r.data_source, r.seed,
               s.score, s.score_last, s.score_mean, s.score_oracle, s.floor, s.floor_rule, s.floor_p, s.n, s.split,
               s.fingerprint, s.run_id
        FROM scores s JOIN current_runs r USING (run_id)
        ORDER BY collection, model, target, intermediate, seed, lang, metric, run_id
    """,
    "gains": """
        SELECT collection, model, intermediate, target, lang, metric, protocol, data_source, seed, score,
               baseline_score, gain, n, run_id, baseline_run_id, score_last, gain_last, split, in_task, missing,
               excluded, floor, floor_rule, note
        FROM current_gains ORDER BY collection, model, target, intermediate, seed, lang, metric, run_id
    """,
}

IN_LATEX: dict[str, tuple[str, ...]] = {
    "runs": ("run_id", "model", "intermediate", "target", "seed", "protocol", "data_source", "outcome", "seconds"),
    "scores": ("model", "intermediate", "target", "lang", "metric", "seed", "score", "n"),
    "gains": ("model", "intermediate", "target", "lang", "metric", "seed", "score", "baseline_score", "gain", "n"),
    "cells": ("intermediate", "target", "lang", "metric", "gain", "low", "high", "n_seeds", "n", "q_value"),
    # Limits of a view of scores are those of the score.
    "cell scores": ("intermediate", "target", "lang", "metric", "score", "low", "high", "n_seeds", "n"),
    **dict.fromkeys(
        ("cell ranks", "cell z-scores"), ("intermediate", "target", "lang", "metric", "value", "gain", "n_seeds", "n")
    ),
}
"""Columns of a page's width, taken where a LaTeX table is asked for and no column is named."""


def export(  # noqa: PLR0913  # the last two narrow what is written
    store: Store,
    *,
    what: str,
    file: Path,
    form: Format | None = None,
    columns: Sequence[str] = (),
    kept: Mapping[str, str | Sequence[str]] | None = None,
) -> int:
    """Write a table to a file, beside and renamed; number of rows. Missing values are empty (CSV), null, or a dash.

    Args:
        what: `runs`, `scores` or `gains`.
        file: Where to write; an existing file is replaced.
        form: csv, parquet or tex; None: as the file's ending says.
        columns: Columns to keep, in order; empty: all, or those of `IN_LATEX`.
        kept: Column → the values whose rows are kept; None: all rows.

    Raises:
        UnknownName: There is no such table or column.
        StoreError: The ending names no format.
        DiskFull: No space is left; an existing file is as it was.
    """
    if what not in _SQL:
        raise UnknownName("table", what, known=_SQL)
    format_of(file, form)
    with store.cursor() as cur:
        table = cur.sql(_SQL[what]).to_arrow_table()
    for name, values in (kept or {}).items():
        if name not in table.column_names:
            raise UnknownName("column", name, known=table.column_names)
        wanted = pa.array([values] if isinstance(values, str) else list(values), pa.string())
        table = table.filter(pc.is_in(table[name].cast(pa.string()), value_set=wanted))
    return write_table(table, what=what, file=file, form=form, columns=columns)


def write_table(
    rows: Any,  # noqa: ANN401  # a pandas frame or an Arrow table: pandas is not loaded here
    *,
    what: str,
    file: Path,
    form: Format | None = None,
    columns: Sequence[str] = (),
) -> int:
    """Write rows to a file, beside and renamed; number of rows.

    Args:
        rows: A pandas frame, whose index is left out, or an Arrow table.
        what: What the rows are, for the caption and the default columns of a LaTeX table.
        file: Where to write; an existing file is replaced.
        form: csv, parquet or tex; None: as the file's ending says.
        columns: Columns to keep, in order; empty: all, or those of `IN_LATEX`.

    Raises:
        UnknownName: There is no such column.
        StoreError: The ending names no format.
        DiskFull: No space is left; an existing file is as it was.
    """
    content = encoded(rows, what=what, form=format_of(file, form), columns=columns)
    with written_beside(file) as draft:
        draft.write_bytes(content)
    return len(rows)


def encoded(
    rows: Any,  # noqa: ANN401  # a pandas frame or an Arrow table: pandas is not loaded here
    *,
    what: str,
    form: Format,
    columns: Sequence[str] = (),
    data: str = "",
) -> bytes:
    """The content of a file with the rows, without a folder of this machine.

    Args:
        rows: A pandas frame, whose index is left out, or an Arrow table. A LaTeX table leaves out those that are no
            evidence, and says how many, unless their column `excluded` is asked for.
        what: What the rows are, for the caption and the default columns of a LaTeX table.
        form: csv, parquet or tex.
        columns: Columns to keep, in order; empty: all, or those of `IN_LATEX`.
        data: What the data are, for the caption and a column `data`; empty: nothing is said.

    Raises:
        UnknownName: There is no such column.
    """
    table = rows if isinstance(rows, pa.Table) else _arrow(rows)
    kept = list(columns) or (list(IN_LATEX.get(what, ())) if form == "tex" else [])
    for name in kept:
        if name not in table.column_names:
            raise UnknownName("column", name, known=table.column_names)
    n_all = table.num_rows
    if form == "tex" and "excluded" in table.column_names and "excluded" not in kept:
        table = table.filter(pc.is_null(table["excluded"]))
    table = portable_table(table.select(kept) if kept else table)
    if form == "tex":
        unit = ". Scores and gains are fractions, not points" if what in IN_LATEX else ""
        caption = f"{what[:1].upper()}{what[1:]}, {table.num_rows} row{'s' if table.num_rows != 1 else ''}{unit}."
        caption += f" Data: {data}." if data else ""
        if out := n_all - table.num_rows:
            caption += f" Left out: {out} that {'does' if out == 1 else 'do'} not count."
        return latex_table(table, caption=caption, label=f"tab:{what.replace(' ', '-')}").encode()
    if data and "data" not in table.column_names:
        table = table.append_column("data", pa.array([data] * table.num_rows, pa.string()))
    sink = io.BytesIO()
    if form == "csv":
        pyarrow.csv.write_csv(_flat(table), sink)
    else:
        pyarrow.parquet.write_table(table, sink)
    return sink.getvalue()


def format_of(file: Path, form: Format | None = None) -> Format:
    """The format asked for, or the one that the file's ending names.

    Args:
        file: What will be written.
        form: csv, parquet or tex; None: as the file's ending says.

    Raises:
        StoreError: The ending names no format.
    """
    wanted = form or file.suffix.removeprefix(".").lower()
    for known in get_args(Format):
        if wanted == known:
            return known  # type: ignore[no-any-return]  # a member of Format
    raise StoreError(
        f"'{file.name}' names no format that can be written: expected a file ending in .csv or .parquet, or .tex for "
        "LaTeX."
    )


def _arrow(frame: Any) -> pa.Table:  # noqa: ANN401  # a pandas frame
    return pa.table({str(name): _array(frame[name]) for name in frame.columns})


def _array(values: Any) -> pa.Array:  # noqa: ANN401  # a pandas series
    try:
        found = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # a column of several types is written as text
        texts = [None if gone else str(v) for v, gone in zip(values, values.isna(), strict=True)]
        found = pa.array(texts, pa.string())
    # A categorical column has the type of its values in every file.
    return found.cast(found.type.value_type) if pa.types.is_dictionary(found.type) else found


def _flat(table: pa.Table) -> pa.Table:
    """Lists as text, which is all that CSV can hold."""
    for place, field in enumerate(table.schema):
        if pa.types.is_list(field.type) or pa.types.is_large_list(field.type):
            texts = [None if v is None else ", ".join(map(str, v)) for v in table.column(place).to_pylist()]
            table = table.set_column(place, field.name, pa.array(texts, pa.string()))
    return table
