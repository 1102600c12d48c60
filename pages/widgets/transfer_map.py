"""The heatmap, its table twin, and the runs behind a cell.

The chosen cell lives in the URL as `?cell=<lang>~<intermediate>`; a click, the two pickers and the browser's Back all
write or read that one place. Plotly's own selection is never trusted: it is lost whenever the figure changes.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core.figures.heatmap import Cell, Quantity, transfer_heatmap, width_px
from core.queries.transfer import View, cell_runs, cells
from pages.widgets.shared import mode, store, version
from pages.widgets.show import chart, empty, language_label, md, points, table


@st.cache_data(max_entries=64, show_spinner=False)
def grid(version: tuple[str, int], view: View, quantity: Quantity) -> pd.DataFrame:
    """All cells of a view.

    Args:
        version: Of the store.
        view: What is fixed.
        quantity: Gain or score.
    """
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return cells(cur, View(*view), quantity=quantity)


def cell_of_url(text: str | None, rows: pd.DataFrame) -> Cell | None:
    """The cell that the URL names, if the view has it.

    Args:
        text: `<lang>~<intermediate>`, or anything at all: a URL is typed by users.
        rows: Cells of the view.
    """
    lang, _, intermediate = (text or "").partition("~")
    there = not rows[(rows["lang"] == lang) & (rows["intermediate"] == intermediate)].empty
    return Cell(lang, intermediate) if there else None


def cell_of_click(selection: dict[str, Any] | None) -> str | None:
    """The URL's text of a clicked point, None where nothing was hit.

    Args:
        selection: State of the chart.
    """
    points_hit = selection["selection"]["points"] if selection else []
    return f"{points_hit[0]['y']}~{points_hit[0]['x']}" if points_hit else None


@st.fragment
def show_map(view: View, quantity: Quantity) -> None:
    """Draw the map of a view and what belongs to the chosen cell.

    Args:
        view: What is fixed.
        quantity: Gain or score.
    """
    rows = grid(version(), view, quantity)
    if rows.empty:
        empty("No intermediate here yet", "Only baselines were run: there is no gain to show. Switch to *score*.")
        return
    selected = cell_of_url(st.query_params.get("cell"), rows)
    map_tab, table_tab = st.tabs(["Map", "Table"])
    with map_tab:
        _map(rows, view, quantity, selected)
    with table_tab:
        _twin(rows, view, quantity)
    _pickers(rows, selected)
    if selected:
        _cell(view, selected)
    else:
        st.caption("Click a cell, or pick a language and an intermediate, to see the runs behind it.")


def _map(rows: pd.DataFrame, view: View, quantity: Quantity, selected: Cell | None) -> None:
    n_columns = rows["intermediate"].nunique()
    figure = transfer_heatmap(rows, quantity=quantity, selected=selected, mode=mode())
    # A row that scrolls by itself: numbers stay readable on a phone, and the page keeps its width.
    width = max(width_px(n_columns), 420)
    with st.container(horizontal=True, wrap=False), st.container(width=width):
        chart(
            figure,
            key="heat",
            alt=f"Heatmap of the {quantity} in {view.metric} on {view.target}, "
            f"{rows['lang'].nunique()} languages by {n_columns} intermediates; the tab Table holds the same numbers",
            on_select=_on_click,
            selection_mode="points",
        )
    unit = "percentage points, orange below and purple above zero" if quantity == "gain" else "per cent"
    notes = [f"Mean over seeds, in {unit}."]
    notes += ["– no value; the hover says why."] if rows["value"].isna().any() else []
    notes += ["† in-task: the intermediate is more training on the same task."] if rows["in_task"].any() else []
    st.caption(" ".join(notes))


def _on_click() -> None:
    hit = cell_of_click(st.session_state.get("heat"))
    if hit:
        st.query_params["cell"] = hit


def _pickers(rows: pd.DataFrame, selected: Cell | None) -> None:
    st.session_state["cell_lang"] = selected.lang if selected else None
    st.session_state["cell_intermediate"] = selected.intermediate if selected else None
    with st.container(horizontal=True):
        st.selectbox(
            "Language", list(dict.fromkeys(rows["lang"])), key="cell_lang", format_func=language_label, index=None,
            placeholder="pick a language", on_change=_on_pick, args=(rows["intermediate"].iloc[0], "lang"), width=240,
        )  # fmt: skip
        st.selectbox(
            "After", list(dict.fromkeys(rows["intermediate"])), key="cell_intermediate", index=None,
            placeholder="pick an intermediate", on_change=_on_pick, args=(rows["lang"].iloc[0], "intermediate"),
            width=240,
        )  # fmt: skip


def _on_pick(other: str, which: str) -> None:
    lang, intermediate = st.session_state["cell_lang"], st.session_state["cell_intermediate"]
    if st.session_state[f"cell_{which}"] is None:
        st.query_params.pop("cell", None)
        return
    pair = (lang, intermediate or other) if which == "lang" else (lang or other, intermediate)
    st.query_params["cell"] = "~".join(pair)


def _twin(rows: pd.DataFrame, view: View, quantity: Quantity) -> None:
    number = st.column_config.NumberColumn
    unit = "gain, points" if quantity == "gain" else "score, %"
    shown = rows.assign(
        language=rows["lang"].map(language_label), percent=100 * rows["value"].astype("float64"),
        percent_sd=100 * rows["sd"].astype("float64"),
    )  # fmt: skip
    table(
        shown,
        alt=f"The cells of the map as a table: {quantity} by language and intermediate",
        columns={
            "language": "language",
            "intermediate": "intermediate",
            "percent": number(unit, format="%+.2f" if quantity == "gain" else "%.2f"),
            "percent_sd": number("sd over seeds", format="%.2f"),
            "n_seeds": number("seeds"),
            "n": "test examples",
            "in_task": st.column_config.CheckboxColumn("in-task"),
            "missing": "why missing",
        },
    )
    context = rows.assign(**view._asdict(), quantity=quantity)
    st.download_button(
        "Download CSV",
        context.to_csv(index=False),
        f"transfer-{view.target}-{quantity}.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    st.caption("The file holds fractions between 0 and 1; an empty value is missing, never zero.")


def _cell(view: View, cell: Cell) -> None:
    with store().cursor() as cur:
        runs = cell_runs(cur, view, lang=cell.lang, intermediate=cell.intermediate)
    st.subheader(f"{language_label(cell.lang)} after {cell.intermediate}")
    if runs.empty:
        st.caption("No run of this intermediate yet.")
        return
    number = st.column_config.NumberColumn
    shown = runs.assign(
        **{c: 100 * runs[c].astype("float64") for c in ("score", "baseline_score", "gain", "score_last")}
    )
    table(
        shown,
        alt="Runs behind the chosen cell, one row per seed",
        columns={
            "seed": "seed",
            "score": number("score, %", format="%.2f"),
            "baseline_score": number("baseline, %", format="%.2f"),
            "gain": number("gain, points", format="%+.2f"),
            "score_last": number("last checkpoint, %", format="%.2f"),
            "n": "test examples",
            "split": "split",
            "missing": "why missing",
            "run_id": "run",
            "baseline_run_id": "baseline run",
        },
    )
    with st.container(horizontal=True):
        for run in runs.to_dict("records"):
            gain = f", {points(run['gain'])} points" if pd.notna(run["gain"]) else ""
            st.page_link(
                "pages/runs.py",
                label=md(f"Seed {run['seed']}{gain}"),
                icon=":material/monitoring:",
                query_params={"run": run["run_id"]},
            )
