"""Published figures: one sheet of one table as heatmap and as table, with everything that must be said about it.

For the Transfer page, when the collection "published" is chosen:

    from pages.widgets.transfer.published import has_published, show_published

    if collection == "published":
        show_published()      # draws its own pickers (?published=<table>&sheet=<sheet>) and everything below them
        st.stop()

`has_published(version())` says whether to offer the collection: published figures are not runs, so `choices` of
`core/queries/transfer.py` does not list them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core.figures.published import (
    DERIVED,
    DISAGREES,
    UNITS,
    Kind,
    languages_down,
    printed_text,
    published_heatmap,
    sheet_width_px,
)
from core.queries.published import Sheet, averages, figures, matrix, sheets, tables
from pages.widgets.address import one_of
from pages.widgets.export import export_popover
from pages.widgets.shared import mode, store, version
from pages.widgets.show import chart, md, points, table, wide_row

_CONFIDENCE = {
    "verified": ("green", "read in the named source"),
    "second-hand": ("orange", "repeated in the named source from elsewhere"),
    "unclear": ("orange", "not fully stated in the named source"),
}


@st.cache_data(max_entries=2, show_spinner=False)
def published_tables(version: tuple[str, int]) -> pd.DataFrame:
    """Every published table, those with gains first."""
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return tables(cur)


@st.cache_data(max_entries=128, show_spinner=False)
def sheets_of(version: tuple[str, int], name: str) -> list[Sheet]:
    """The sheets of a table.

    Args:
        name: Of the table.
    """
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return sheets(cur, name)


@st.cache_data(max_entries=64, show_spinner=False)
def cells_of(version: tuple[str, int], sheet: Sheet) -> pd.DataFrame:
    """The cells of a sheet, each printed average with `recomputed` and `agrees` (NULL: not an average of parts here).

    Args:
        sheet: One of `sheets_of`.
    """
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        cells, checked = matrix(cur, Sheet(*sheet)), averages(cur, sheet[0])
    return cells.merge(checked[["position", "over", "n_parts", "recomputed", "agrees"]], on="position", how="left")


@st.cache_data(max_entries=32, show_spinner=False)
def figures_of(version: tuple[str, int], name: str) -> pd.DataFrame:
    """Every figure of a table.

    Args:
        name: Of the table.
    """
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return figures(cur, name)


def has_published(version: tuple[str, int]) -> bool:
    """Whether the store holds published figures."""
    return not published_tables(version).empty


def show_published() -> None:
    """Draw pickers, caution, heatmap, table and the check of averages; see the module for how to call it."""
    rows = published_tables(version())
    with st.grid(2, min_column_width=260):
        name = one_of("Published table", rows["name"].tolist(), key="published")
        found = {sheet.label: sheet for sheet in sheets_of(version(), name)}
        picked = one_of("Sheet", list(found), key="sheet") if found else None
    _head(rows[rows["name"] == name].iloc[0].to_dict())
    if picked is None:
        _facts(name)
    else:
        _sheet(found[picked])


def marked_text(cell: Mapping[Hashable, Any], *, kind: Kind) -> str:
    """What a cell says: the printed figure with its sign, and its marks.

    Args:
        cell: A row of `cells_of`.
        kind: Of the sheet.
    """
    return printed_text(cell, kind=kind) + DISAGREES * (cell["agrees"] is False)


def _head(row: Mapping[Hashable, Any]) -> None:
    color, meaning = _CONFIDENCE[str(row["confidence"])]
    derived = f" :violet-badge[{DERIVED} derived: computed from printed figures]" if row["derived"] else ""
    arxiv = f", arXiv {row['arxiv']}" if pd.notna(row["arxiv"]) else ""
    st.header(str(row["title"]))
    st.markdown(
        f"{md(row['paper'])}{md(arxiv)} · {md(row['printed_table'])} :blue-badge[{md(row['version'])}] "
        f":{color}-badge[{row['confidence']}: {meaning}]{derived}"
    )
    if pd.notna(row["caution"]):
        st.warning(md(row["caution"]), icon=":material/warning:")
    st.caption(f"Source: {md(row['source'])}")


def _sheet(sheet: Sheet) -> None:
    cells = cells_of(version(), sheet)
    cells = cells.assign(
        agrees=pd.Series([None if pd.isna(a) else bool(a) for a in cells["agrees"]], index=cells.index, dtype=object)
    )
    cells["text"] = [marked_text(cell, kind=sheet.kind) for cell in cells.to_dict("records")]
    cells["hover"] = [_hover(cell, kind=sheet.kind) for cell in cells.to_dict("records")]
    map_tab, table_tab = st.tabs(["Heatmap", "Table"])
    with map_tab:
        _map(cells, sheet)
    with table_tab:
        _twin(cells, sheet)
    _checked(cells, sheet)


def _map(cells: pd.DataFrame, sheet: Sheet) -> None:
    # Intermediates go down where targets go across.
    drawn = languages_down(cells) if sheet.target else cells
    with wide_row("sheet_row", width_px=sheet_width_px(drawn)):
        chart(
            lambda: published_heatmap(drawn, kind=sheet.kind, mode=mode()),
            key="published-map",
            alt=f"Heatmap of the published {sheet.kind}s of {sheet.table}, {drawn['row'].nunique()} rows by "
            f"{drawn['column'].nunique()} columns; the tab Table holds the same numbers",
        )
    notes = [UNITS[sheet.kind], "As printed; what was not printed is empty."]
    notes += [f"{DERIVED} derived: not printed, computed from printed figures."] if cells["derived"].any() else []
    disagrees = any(a is False for a in cells["agrees"])
    notes += [f"{DISAGREES} a printed average that is not the average of its parts."] if disagrees else []
    st.caption(" ".join(notes))


def _hover(cell: Mapping[Hashable, Any], *, kind: str) -> str:
    unit = "points" if kind == "gain" else "%"
    lines = [
        f"<b>{cell['row']}</b>, <b>{cell['column']}</b>",
        f"{kind} {cell['text']} {unit}, printed {cell['printed']}",
    ]
    if pd.notna(cell["baseline"]):
        lines.append(f"printed baseline {100 * cell['baseline']:.1f} %")
    if pd.notna(cell["recomputed"]):
        lines.append(f"average of its {cell['n_parts']:.0f} {cell['over']}: {_percent(cell['recomputed'], kind)}")
    return "<br>".join([*lines, *([str(cell["caution"])] if pd.notna(cell["caution"]) else [])])


def _percent(fraction: float, kind: str) -> str:
    return points(fraction) if kind == "gain" else f"{100 * fraction:.1f}"


def _twin(cells: pd.DataFrame, sheet: Sheet) -> None:
    number = st.column_config.NumberColumn
    unit = "gain, points" if sheet.kind == "gain" else "score, %"
    shown = cells.assign(
        **{f"{c}_percent": 100 * cells[c].astype("float64") for c in ("value", "baseline", "recomputed")}
    )
    table(
        shown,
        alt=f"The figures of the sheet, one a row: {sheet.kind}s as printed",
        columns={
            "row": "row",
            "column": "column",
            "value_percent": number(unit, format="%+.2f" if sheet.kind == "gain" else "%.2f"),
            "baseline_percent": number("printed baseline, %", format="%.1f"),
            "derived": st.column_config.CheckboxColumn("derived"),
            "recomputed_percent": number("average of its parts", format="%.2f"),
            "agrees": st.column_config.CheckboxColumn("agrees"),
            "caution": "caution",
            "source": "source",
        },
    )
    _download(cells.drop(columns=["text", "hover", "position"]), sheet.table)


def _checked(cells: pd.DataFrame, sheet: Sheet) -> None:
    checked = cells[cells["agrees"].notna()]
    if checked.empty:
        return
    wrong = checked[checked["agrees"] == False]  # noqa: E712  # a column of True, False and None
    st.markdown(
        f"**Printed averages:** {len(checked) - len(wrong)} of {len(checked)} equal the average of their printed parts "
        "within rounding."
    )
    for row in wrong.to_dict("records"):
        st.warning(
            f"**{md(row['row'])}**, {md(row['column'])}: printed {_percent(row['value'], sheet.kind)}, the average of "
            f"its {row['n_parts']:.0f} {row['over']} is {_percent(row['recomputed'], sheet.kind)}. "
            f"{md(row['caution']) if pd.notna(row['caution']) else 'The source does not say why.'}",
            icon=":material/calculate:",
        )


def _facts(name: str) -> None:
    rows = figures_of(version(), name)
    named = ("model", "intermediate", "target", "lang", "metric", "printed", "source")
    columns = {column: column for column in named if rows[column].notna().any()}
    table(rows, alt="Facts of the document, as printed", columns=columns)
    st.caption("These are facts, not scores by language, so there is no heatmap.")
    _download(rows, name)


def _download(rows: pd.DataFrame, name: str) -> None:
    export_popover(f"published-{name}", rows, what="published figures")
    st.caption("The file holds fractions, not per cent, and the numbers as printed; every row names its source.")
