"""What is chosen on the Transfer page: a cell, a language or an intermediate, kept in the URL as `?cell=<lang>~<name>`.

A click on any figure, the two pickers and the browser's Back all write or read that one place. Plotly's own selection
is never trusted: it is lost whenever a figure changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.errors import UnknownName
from core.figures.heatmap import Cell
from pages.widgets.show import language_label
from pages.widgets.transfer.beside import titled

NOTHING = Cell(None, None)
"""Nothing is chosen."""


def read(text: str | None, *, langs: list[str], intermediates: list[str]) -> Cell:
    """What the URL names, as far as the view has it.

    Args:
        text: `<lang>~<intermediate>`, either part empty, or anything at all: a URL is typed by users.
        langs: Languages of the view.
        intermediates: Intermediates of the view, `none` included where it can be chosen.
    """
    lang, _, intermediate = (text or "").partition("~")
    return Cell(lang if lang in langs else None, intermediate if intermediate in intermediates else None)


def not_here(text: str | None, *, langs: list[str], intermediates: list[str]) -> list[str]:
    """What the address names that the view does not have, one sentence each.

    Args:
        text: As `read` takes it.
        langs: Languages of the view.
        intermediates: Intermediates of the view, `none` included.
    """
    lang, _, intermediate = (text or "").partition("~")
    asked = ((lang, "language", langs), (intermediate, "intermediate", intermediates))
    return [str(UnknownName(kind, name, known=known)) for name, kind, known in asked if name and name not in known]


def write(cell: Cell) -> str:
    """The URL's text of a choice; empty where nothing is chosen.

    Args:
        cell: The choice.
    """
    return "" if cell == NOTHING else f"{cell.lang or ''}~{cell.intermediate or ''}"


def clicked(state: dict[str, Any] | None, *, before: Cell) -> Cell:
    """The choice after a click on a figure; a click that hit nothing changes nothing.

    Args:
        state: Of the chart; every clickable point carries `[lang, intermediate]`, "" where it says nothing of either.
        before: The choice before the click.
    """
    points = state["selection"]["points"] if state else []
    hit = points[0].get("customdata") if points else None
    if not hit:
        return before
    return Cell(hit[0] or before.lang, hit[1] or before.intermediate)


def current() -> Cell:
    """What the URL says now, unchecked: for callbacks, which run before the view is known."""
    lang, _, intermediate = st.query_params.get("cell", "").partition("~")
    return Cell(lang or None, intermediate or None)


def on_click(key: str) -> None:
    """Callback of a figure.

    Args:
        key: Of the figure.
    """
    _put(clicked(st.session_state.get(key), before=current()))


def on_pick(key: str) -> None:
    """Callback of the table: what was picked is what it names, "" where it says nothing.

    Args:
        key: Of the table.
    """
    state = st.session_state.get(key)
    picked = state["picked"] if state else None
    if picked:
        before = current()
        _put(Cell(picked[0] or before.lang, picked[1] or before.intermediate))


def pickers(selected: Cell, *, langs: Sequence[str], intermediates: Sequence[str]) -> None:
    """Two pickers that choose what a click would: the path for keyboards and fingers.

    Args:
        selected: What is chosen.
        langs: Languages of the view, in order.
        intermediates: Intermediates of the view.
    """
    st.session_state["cell_lang"], st.session_state["cell_intermediate"] = selected
    st.selectbox(
        "Language", langs, key="cell_lang", format_func=language_label, index=None, placeholder="any",
        on_change=_on_pick, width=180,
    )  # fmt: skip
    st.selectbox(
        "Intermediate", intermediates, key="cell_intermediate", format_func=titled, index=None, placeholder="any",
        on_change=_on_pick, width=180,
    )  # fmt: skip


def _on_pick() -> None:
    _put(Cell(st.session_state["cell_lang"], st.session_state["cell_intermediate"]))


def _put(cell: Cell) -> None:
    if text := write(cell):
        st.query_params["cell"] = text
    else:
        st.query_params.pop("cell", None)
