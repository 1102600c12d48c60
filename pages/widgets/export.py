"""Export of what is on the screen: one popover, files made when a button is pressed and not before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.figures.theme import stamped
from core.report.drawn import figure_html, slug
from core.report.export import Format, encoded
from core.report.image import has_engine, image
from core.spec.run import DataSourceKind

Figures = Mapping[str, Callable[[], go.Figure]]
"""Title → draws the figure for a light background."""

_FORMS: dict[Format, tuple[str, str]] = {
    "csv": ("CSV", "text/csv"),
    "parquet": ("Parquet", "application/vnd.apache.parquet"),
    "tex": ("LaTeX", "application/x-tex"),
}
_IMAGES = {"svg": "image/svg+xml", "png": "image/png"}
_UNITS = "Files hold scores and gains as fractions, not per cent or points; an empty field is missing, not zero."
_SVG = (
    "For an SVG of the figure, open the HTML file and press the camera in its toolbar. PNG and SVG as buttons here "
    "need `pip install kaleido==1.5.0` and Chrome or Chromium."
)


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
        notes = ([_UNITS] if rows is not None else []) + ([_SVG] if figures and not has_engine() else [])
        st.caption(" ".join(notes))
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
        for form, mime in _IMAGES.items() if has_engine() else ():
            content = partial(_image, draw, form=form)
            save_button(form.upper(), content, file=f"{file}.{form}", mime=mime)


def _image(draw: Callable[[], go.Figure], *, form: str) -> bytes:
    return image(draw(), form=form)


def save_button(label: str, content: Callable[[], bytes], *, file: str, mime: str) -> None:
    """A button that makes a file when it is pressed and saves it.

    Args:
        label: Of the button.
        content: Makes the file.
        file: Its name, unique on the page.
        mime: What it is.
    """
    st.download_button(label, content, file, mime, key=f"save-{file}", on_click="ignore", help=file)
