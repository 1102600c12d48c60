"""The Transfer page below its pickers: heatmap, map and scatter that choose the same thing, and what belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, cast, get_args

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.analysis.cells import (
    LEVEL,
    ColumnOrder,
    DisplayOptions,
    Grid,
    how_excluded,
    how_tested,
    in_columns,
    not_learned,
    only,
    ordered_columns,
)
from core.analysis.map_points import nearness
from core.figures.heat_table import heat_table
from core.figures.heatmap import LOOKS, Cell, Quantity, transfer_heatmap
from core.languages import language
from core.queries.transfer import View
from core.spec.run import DataSourceKind
from pages.widgets.address import is_on, link_button, one_of, say_unknown
from pages.widgets.export import export_popover
from pages.widgets.shared import mode, titles, version
from pages.widgets.show import empty, language_label, md, p_column, table, words_link
from pages.widgets.transfer.beside import MARK, Own, bare, is_own, joined, notes, own_beside, titled, told_apart
from pages.widgets.transfer.cell import reproduction, show_cell, show_summary
from pages.widgets.transfer.choice import elsewhere, views
from pages.widgets.transfer.data import MadeOf, against_gallery, encoders, target_similarities, view_axes, view_grid
from pages.widgets.transfer.domain import no_profile, show_domains
from pages.widgets.transfer.grid import show_grid
from pages.widgets.transfer.language_filter import (
    BY_CHOSEN,
    BY_GAIN,
    ORDERS,
    hidden_without_value,
    language_filter,
    ordered,
    without_value,
)
from pages.widgets.transfer.paper import show_paper
from pages.widgets.transfer.selection import not_here, on_pick, pickers, read, write

_MANY = 24
"""Most intermediates whose columns fit beside a map of its usual width on a screen of 1,280 pixels."""
_SHARES, _SHARES_OF_MANY = (7, 5), (5, 2)
"""Of the width: heatmap and map."""
_MAP_PX, _MAP_PX_OF_MANY = 400, 270
"""Of the map's plot, on a screen of 1,280 pixels."""
_TITLES = {"gain": "gain", "score": "score", "rank": "rank", "z-score": "z"}
_EXPORTED = {"gain": "cells", "score": "cell scores", "rank": "cell ranks", "z": "cell z-scores"}
"""What the rows of an export are, which decides the columns of its LaTeX table."""


class _Look(NamedTuple):
    quantity: Quantity
    seed: int | None
    order: str
    columns: ColumnOrder
    kept: list[str]
    everything: bool
    without_own: bool


class Grids(NamedTuple):
    """What the heatmap, and what the map and the scatter are drawn from."""

    found: Grid
    """As it is looked at, one's own columns beside the gallery's."""
    gains: Grid
    """Gains of the view alone."""
    own: Own | None
    """The reader's own view, if it is shown."""
    notes: tuple[str, ...]
    """What must be known of one's own columns."""


@st.fragment
def show_map(view: View, address: dict[str, str]) -> None:
    """Draw a view and what belongs to the chosen cell.

    Args:
        view: What is fixed.
        address: How an address names it.
    """
    langs, intermediates, seeds = view_axes(version(), view)
    own, mine = own_beside(views(version()), view), list[str]()
    if own:
        own_langs, mine, own_seeds = view_axes(version(), own.view)
        langs, seeds = list(dict.fromkeys([*langs, *own_langs])), sorted({*seeds, *own_seeds})
    asked = st.query_params.get("cell")
    names = [*intermediates, "none", *(MARK + name for name in mine)]
    selected = read(asked, langs=langs, intermediates=names)
    for text in not_here(asked, langs=langs, intermediates=names):
        st.warning(md(text), title="The address names what is not here")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        look = _look(langs, seeds, with_own=own is not None)
        own = None if look.without_own else own
        pickers(selected, langs=ordered(langs, order="name", gains={}), intermediates=names)
        what = "cell" if selected.lang and selected.intermediate else "heatmap"
        here = address | ({"cell": write(selected)} if write(selected) else {})
        link_button(f"Copy link to this {what}", here, key="copy_link")
    if not look.kept:
        empty("No language is left", "The filter takes away every language: widen it.")
        return
    if not intermediates and look.quantity != "score":
        words, named = DataSourceKind(view.data_source).words, titles().of(view.target)
        empty(
            f"Which intermediate helps {named} is not known on {words}",
            "Only the baseline was run, so there is no gain. Look at the *score*, or launch an intermediate.",
            page="pages/launch.py",
            label="Launch a run",
        )
        elsewhere(views(version()), view)
        return
    shown = DisplayOptions(_order(view, look, selected), look.seed, look.quantity)
    found = view_grid(version(), view, shown)
    gains = found if shown.quantity == "gain" else view_grid(version(), view, shown._replace(quantity="gain"))
    columns = _columns(view, gains, look, selected)
    found, beside = in_columns(found, columns), found
    more: list[str] = []
    if own:
        of_own = view_grid(version(), own.view, shown)
        found, columns = joined(found, of_own, columns=columns)
        more = notes(own, of_own, beside)
    told = without_value(found.cells, chosen=selected.lang, everything=look.everything)
    # Tests are corrected over all cells that are kept, so a figure of the same rows may say something else of them.
    map_px = _MAP_PX if found.cells["intermediate"].nunique() <= _MANY else _MAP_PX_OF_MANY
    made_of = MadeOf(version(), view, shown, told, selected, look.columns, mode(), map_px)
    grids = Grids(only(found, langs=told), only(in_columns(gains, _gallery(columns)), langs=told), own, tuple(more))
    _views(view, shown._replace(langs=told), grids, made_of)
    if hidden := hidden_without_value(found.cells, told=told, chosen=selected.lang):
        st.caption(hidden)
    if selected.lang and selected.intermediate:
        of = own.view if own and is_own(selected.intermediate) else view
        show_cell(of, Cell(selected.lang, bare(selected.intermediate)))


def _gallery(columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in columns if not is_own(name))


def _look(langs: list[str], seeds: list[int], *, with_own: bool) -> _Look:
    options = ["mean", *map(str, seeds)]
    entries = [language(code) for code in langs]
    for key, known, kind in (
        ("show", list(_TITLES), "quantity"), ("columns", get_args(ColumnOrder), "order of intermediates"),
        ("order", ORDERS, "order of languages"), ("seeds", options, "seed"),
        ("family", {entry.family for entry in entries}, "language family"),
        ("script", {entry.script for entry in entries}, "script"),
    ):  # fmt: skip
        say_unknown(key, known, kind=kind)
    title = one_of(
        "Colour shows", list(_TITLES), key="show", widget=st.segmented_control,
        help="Gain: score minus that of the baseline, the same run without the intermediate. Rank: 1 is the largest "
        "gain of a language. z-score: how many standard deviations a gain lies above the language's mean.",
    )  # fmt: skip
    with st.popover("Order, filter, seeds", icon=":material/filter_list:"):
        columns = cast("ColumnOrder", one_of("Order intermediates by", get_args(ColumnOrder), key="columns"))
        order = one_of("Order languages by", ORDERS, key="order")
        seed = one_of("Seeds", options, key="seeds")
        everything = is_on("Show languages without a value", key="novalue")
        without_own = is_on("Hide your own runs", key="hideown") if with_own else False
        kept = language_filter(langs)
    one = None if seed == "mean" else int(seed)
    return _Look(cast("Quantity", _TITLES[title]), one, order, columns, kept, everything, without_own)


def _order(view: View, look: _Look, selected: Cell) -> tuple[str, ...]:
    gains: dict[str, float] = {}
    if look.order in (BY_GAIN, BY_CHOSEN):
        plain = view_grid(
            version(), view, DisplayOptions(ordered(look.kept, order="name", gains={}), look.seed, "gain")
        )
        cells = plain.cells
        if look.order == BY_CHOSEN and selected.intermediate:
            cells = cells[cells["intermediate"] == selected.intermediate]
        gains = {str(code): float(gain) for code, gain in cells.groupby("lang")["gain"].mean().dropna().items()}
    return ordered(look.kept, order=look.order, gains=gains)


def _columns(view: View, gains: Grid, look: _Look, selected: Cell) -> tuple[str, ...]:
    similarity: dict[str, float] = {}
    if look.columns == "similarity to the target" and (with_profile := encoders(version(), view.data_source)):
        rows = target_similarities(version(), with_profile[0].profile_id, view.target)
        similarity = nearness(rows, names=list(pd.unique(gains.cells["intermediate"])), lang=selected.lang)
    return ordered_columns(gains, order=look.columns, lang=selected.lang, similarity=similarity)


def _views(view: View, shown: DisplayOptions, grids: Grids, made_of: MadeOf) -> None:
    gains = grids.gains
    idle = not_learned(gains.cells)
    with_profile = encoders(version(), view.data_source)
    if not with_profile or gains.cells.empty:
        _grid_tabs(view, shown, grids, made_of, idle=idle)
        if not with_profile:
            no_profile(view)
        return
    left, right = st.columns(_SHARES if made_of.map_px == _MAP_PX else _SHARES_OF_MANY, gap="medium")
    with left:
        _grid_tabs(view, shown, grids, made_of, idle=idle)
    with right:
        # The map has one place for an intermediate, whoever ran it.
        chosen = Cell(made_of.selected.lang, bare(made_of.selected.intermediate or "") or None)
        show_domains(view, gains, with_profile, made_of=made_of._replace(selected=chosen))


def _grid_tabs(view: View, shown: DisplayOptions, grids: Grids, made_of: MadeOf, *, idle: frozenset[str]) -> None:
    found = grids.found
    draw = _heatmap(view, shown, grids, made_of, idle=idle)
    with st.container(horizontal=True):
        with st.popover("Numbers as a table", icon=":material/table:", width="content"):
            _twin(shown, found.cells)
        export_popover(
            f"transfer-{view.target}-{shown.quantity}",
            told_apart(found.cells, view, grids.own).assign(quantity=shown.quantity),
            what=_EXPORTED[shown.quantity],
            figures={"Heatmap": draw},
            source=view.data_source,
        )
        words_link()
        show_paper(
            view,
            shown.quantity,
            found,
            notes=[*_notes(shown, found), *grids.notes],
            head=partial(_head, idle, view.target),
        )


def _head(idle: frozenset[str], target: str, name: str) -> str:
    mark = " (yours)" if is_own(name) else " (not learned)" if name in idle else ""
    return titles().head(bare(name), target=target) + mark


def _heatmap(
    view: View, shown: DisplayOptions, grids: Grids, made_of: MadeOf, *, idle: frozenset[str]
) -> Callable[[], go.Figure]:
    found, named, head = grids.found, titles(), partial(_head, idle, view.target)
    n_columns = found.cells["intermediate"].nunique()
    means = found.shown_means
    table_of = heat_table(
        found.cells, quantity=shown.quantity, means=means, selected=made_of.selected, title=head, mode=made_of.mode
    )
    table_of["own"] = [name for name, _ in table_of["columns"] if is_own(name)]
    table_of["scale"]["data"] = DataSourceKind(view.data_source).words
    show_grid(
        table_of,
        key="heat",
        alt=f"Heatmap of the {shown.quantity} in {view.metric} on {named.of(view.target)}, {len(shown.langs)} "
        f"languages by {n_columns} intermediates; arrow keys move, Enter chooses",
        on_pick=lambda: on_pick("heat"),
    )
    _answer(made_of.selected, found.cells)
    for text in reproduction(against_gallery(version(), view), titles().of):
        st.markdown(f":green[:material/verified:] {md(text)}" if "exactly" in text else md(text))
    st.caption(" ".join([*_notes(shown, found), *grids.notes]))
    return lambda: transfer_heatmap(found.cells, quantity=shown.quantity, means=means, title=head)


def _answer(selected: Cell, cells: pd.DataFrame) -> None:
    """What a click asks, where the eye is; runs, curves and examples follow below."""
    if not (selected.lang and selected.intermediate):
        st.caption("Click a cell, or choose a language and an intermediate above, to see what is behind it.")
        return
    show_summary(selected, cells)


def _notes(shown: DisplayOptions, found: Grid) -> list[str]:
    cells = found.cells
    of = "Mean over seeds" if shown.seed is None else f"Seed {shown.seed} alone"
    notes = {
        "gain": [f"{of}, in percentage points of gain; orange below and purple above zero."],
        "score": [f"{of}, in per cent."],
        "rank": [f"Rank of the gain in its language: 1 is the largest. {of}."],
        "z": [f"How many standard deviations a gain lies above the mean of its language. {of}."],
    }[shown.quantity]
    left_out = [code for code in shown.langs if code not in found.averaged]
    if found.shown_means is not None:
        notes.append(f"The row of means is over the {len(found.averaged)} languages that all intermediates have")
        notes[-1] += f", without {', '.join(map(language_label, left_out))}." if left_out else "."
    excluded = how_excluded(found)
    notes += [excluded] if excluded else []
    all_excluded = found.n_excluded == cells["value"].notna().sum()
    if shown.quantity != "score" and not (excluded and all_excluded):
        n_found = int(cells["significant"].sum())
        notes.append(
            f"Bold or \\*: {n_found} of {found.n_tested} gains differ from zero ({how_tested(cells)}; corrected for "
            f"the number of cells by Benjamini–Hochberg, q at most {LEVEL})."
            if found.n_tested
            else "No interval: a cell needs two seeds that differ, or stored scores of single examples."
        )
    notes += ["– no value; point at the cell for the reason."] if cells["value"].isna().any() else []
    notes += ["† the intermediate trains the target's own task (in-task)."] if cells["in_task"].any() else []
    return notes


def _twin(shown: DisplayOptions, cells: pd.DataFrame) -> None:
    look, number = LOOKS[shown.quantity], st.column_config.NumberColumn
    signed = "%+.2f" if look.is_diverging else "%.2f"
    factor = 100 if shown.quantity != "score" else look.factor
    scaled = {f"shown_{name}": factor * cells[name].astype("float64") for name in ("low", "high", "sd")}
    rows = cells.assign(
        language=cells["lang"].map(language_label),
        named=cells["intermediate"].map(titled),
        shown=look.factor * cells["value"].astype("float64"),
        **scaled,
    )
    of = "score, %" if shown.quantity == "score" else "gain, points"
    table(
        rows,
        alt=f"The cells of the map as a table: {shown.quantity} by language and intermediate",
        columns={
            "language": "language",
            "named": "intermediate",
            "shown": number(look.title, format=signed),
            "shown_low": number(f"95 % low ({of})", format="%+.2f"),
            "shown_high": number("95 % high", format="%+.2f"),
            "shown_sd": number("standard deviation over seeds", format="%.2f"),
            "n_seeds": number("seeds"),
            "q_value": p_column("q (differs from zero?)"),
            "tested_by": "interval and test over",
            "n": "test examples",
            "in_task": st.column_config.CheckboxColumn("in-task"),
            "state": "state",
            "missing": "why missing",
            "excluded": "why it does not count",
        },
    )
