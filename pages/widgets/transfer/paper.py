"""The heatmap as it stands in a paper: LaTeX and SVG, two clicks away and without a browser engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from core.analysis.cells import Grid
from core.figures.heatmap import Quantity
from core.queries.transfer import View
from core.report.paper import Sheet, latex_sheet, svg_sheet
from core.spec.run import DataSourceKind
from pages.widgets.export import save_button
from pages.widgets.shared import titles

_WHAT = {"gain": "Gains", "score": "Scores", "rank": "Ranks of the gains", "z": "z-scores of the gains"}
_FORMS = (("LaTeX table", "tex", latex_sheet, "application/x-tex"), ("SVG", "svg", svg_sheet, "image/svg+xml"))


def show_paper(
    view: View, quantity: Quantity, found: Grid, *, notes: Sequence[str], head: Callable[[str], str]
) -> None:
    """A button that opens both files.

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
        for label, ending, write, mime in _FORMS:
            save_button(label, partial(_written, make, write), file=f"{name}-paper.{ending}", mime=mime)


def _sheet(view: View, quantity: Quantity, found: Grid, notes: Sequence[str], head: Callable[[str], str]) -> Sheet:
    data = DataSourceKind(view.data_source).words
    of = f"{titles().of(view.target)} ({view.metric.replace('_', ' ')})"
    # The page's notes are Markdown, and paper has no pointer.
    plain = (note.replace("\\*", "*").replace("; point at the cell for the reason", "") for note in notes)
    return Sheet(found, quantity, f"{_WHAT[quantity]} on {of}, {view.model}, {data}", tuple(plain), head)


def _written(make: Callable[[], Sheet], write: Callable[[Sheet], str]) -> bytes:
    return write(make()).encode()
