"""Export of what is on the screen: one popover, files made when a button is pressed and not before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.figures.theme import stamped
from core.report.drawn import IMAGES, figure_html, slug
from core.report.export import Format, encoded
from core.spec.run import DataSourceKind

Figures = Mapping[str, Callable[[], go.Figure]]
"""Title → draws the figure for a light background."""

_FORMS: dict[Format, tuple[str, str]] = {
    "csv": ("CSV", "text/csv"),
    "parquet": ("Parquet", "application/vnd.apache.parquet"),
    "tex": ("LaTeX", "application/x-tex"),
}
_WIDTH_PX = 760
"""Of the plot in an image: as wide as a figure is on a page."""
_UNITS = "Files hold scores and gains as fractions, not per cent or points; an empty field is missing, not zero."


class Later(NamedTuple):
    """A long table, made when one of its files is asked for and not before."""

    n_rows: int
    """How long."""
    make: Callable[[], pd.DataFrame]
    """Makes it."""


def export_popover(
    name: str,
    rows: pd.DataFrame | Later | None = None,
    *,
    what: str = "rows",
    figures: Figures | None = None,
    command: str | None = None,
    source: str | None = None,
) -> None:
    """A button that opens the files of a table and of figures.

    Args:
        name: Of the files, unique on the page: `transfer-xnli-gain`.
        rows: The table; None: figures alone.
        what: What the rows are: caption of the LaTeX table; a key of `core.report.export.IN_LATEX` chooses its columns.
        figures: What is drawn, if anything.
        command: The command that makes the same figures again, if there is one.
        source: Data source of what is drawn, which the files then say.
    """
    with st.popover("Export", icon=":material/download:", key=f"export-{name}"):
        if rows is not None:
            later = rows if isinstance(rows, Later) else Later(len(rows), lambda: rows)
            _tables(name, later, what=what, data="" if source is None else DataSourceKind(source).words)
        for title, draw in (figures or {}).items():
            _figure(name, title, draw if source is None else partial(_stamped, draw, source))
        if rows is not None:
            st.caption(_UNITS)
        if command:
            st.caption("The same from a terminal:")
            st.code(command, language=None, wrap_lines=True)


def _stamped(draw: Callable[[], go.Figure], source: str) -> go.Figure:
    return stamped(draw(), DataSourceKind(source).words)


def _tables(name: str, rows: Later, *, what: str, data: str) -> None:
    n = rows.n_rows
    st.markdown(f"**Table**, {n} row{'s' if n != 1 else ''}")
    with st.container(horizontal=True):
        for form, (label, mime) in _FORMS.items():
            content = partial(_encoded, rows, what=what, form=form, data=data)
            save_button(label, content, file=f"{name}.{form}", mime=mime)


def _encoded(rows: Later, *, what: str, form: Format, data: str) -> bytes:
    return encoded(rows.make(), what=what, form=form, data=data)


def _figure(name: str, title: str, draw: Callable[[], go.Figure]) -> None:
    st.markdown(f"**{title}**")
    with st.container(horizontal=True):
        file = f"{name}-{slug(title)}"
        save_button("HTML", lambda: figure_html(draw(), title=title).encode(), file=f"{file}.html", mime="text/html")
        for form, mime in IMAGES.items():
            content = partial(_image, draw, title, form)
            save_button(form.upper(), content, file=f"{file}.{form}", mime=mime)


def _image(draw: Callable[[], go.Figure], title: str, form: str) -> bytes:
    from core.report.image import image  # noqa: PLC0415  # loads matplotlib

    return image(draw(), form=form, title=title, width_px=_WIDTH_PX)


def save_button(label: str, content: Callable[[], bytes], *, file: str, mime: str) -> None:
    """A button that makes a file when it is pressed and saves it.

    Args:
        label: Of the button.
        content: Makes the file.
        file: Its name, unique on the page.
        mime: What it is.
    """
    st.download_button(label, content, file, mime, key=f"save-{file}", on_click="ignore", help=file)
