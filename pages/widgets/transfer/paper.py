"""The heatmap as it stands in a paper: LaTeX, SVG and PDF, two clicks away and without a browser engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from core.analysis.cells import Grid
from core.figures.heatmap import Quantity
from core.queries.transfer import View
from core.report.paper import PAPER, Sheet, sheet_file, sheet_title
from pages.widgets.export import save_button
from pages.widgets.shared import titles


def show_paper(
    view: View, quantity: Quantity, found: Grid, *, notes: Sequence[str], head: Callable[[str], str]
) -> None:
    """A button that opens the files.

    Args:
        view: What is fixed.
        quantity: What a cell shows.
        found: Cells and means as they are on the page.
        notes: What stands below them there.
        head: From an intermediate to the head of its column.
    """
    name = f"transfer-{view.target}-{quantity}"
    make = partial(_sheet, view, quantity, found, notes, head)
    with st.popover("For a paper", icon=":material/article:", key=f"paper-{name}"), st.container(horizontal=True):
        for form, (label, mime) in PAPER.items():
            save_button(label, partial(_written, make, form), file=f"{name}-paper.{form}", mime=mime)


def _sheet(view: View, quantity: Quantity, found: Grid, notes: Sequence[str], head: Callable[[str], str]) -> Sheet:
    # The page's notes are Markdown, and paper has no pointer.
    plain = (note.replace("\\*", "*").replace("; point at the cell for the reason", "") for note in notes)
    return Sheet(found, quantity, sheet_title(view, quantity, named=titles()), tuple(plain), head)


def _written(make: Callable[[], Sheet], form: str) -> bytes:
    return sheet_file(make(), form=form)
