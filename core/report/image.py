"""A figure as a file: HTML always; SVG, PNG and PDF where kaleido and a Chrome or Chromium are there."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import plotly.graph_objects as go

from core.errors import StoreError
from core.files import written_beside
from core.report.drawn import figure_html

IMAGES = ("svg", "png", "pdf")
"""Formats that need a browser engine."""
_WIDTH_PX = 1000


def has_engine() -> bool:
    """Whether the package that draws images is installed."""
    return importlib.util.find_spec("kaleido") is not None


def write_figure(figure: go.Figure, *, file: Path, title: str, width_px: int = _WIDTH_PX) -> None:
    """Write a figure, beside and renamed.

    Args:
        figure: Drawn for a light background.
        file: Ends in .html, .svg, .png or .pdf.
        title: Of an HTML file.
        width_px: Of an image.

    Raises:
        StoreError: The ending names no format, or what draws images is not installed.
        DiskFull: No space is left; an existing file is as it was.
    """
    form = file.suffix.removeprefix(".").lower()
    if form in {"html", "htm"}:
        content = figure_html(figure, title=title).encode()
    elif form in IMAGES:
        content = image(figure, form=form, width_px=width_px)
    else:
        raise StoreError(f"'{file.name}' names no format of a figure: expected .html, .{', .'.join(IMAGES)}.")
    with written_beside(file) as draft:
        draft.write_bytes(content)


def image(figure: go.Figure, *, form: str, width_px: int = _WIDTH_PX) -> bytes:
    """A figure as an image on white.

    Args:
        figure: Drawn for a light background.
        form: svg, png or pdf.
        width_px: Its width; the height is the figure's own.

    Raises:
        StoreError: What draws images is not installed.
    """
    advice = (
        "Install the package, `pip install kaleido==1.5.0`, and Chrome or Chromium; or write .html, or take the camera "
        "of the figure in a browser, which needs neither."
    )
    if not has_engine():
        raise StoreError(f"A figure as .{form} needs kaleido, which is not installed. {advice}")
    on_white = go.Figure(figure).update_layout(paper_bgcolor="white", plot_bgcolor="white")
    try:
        return bytes(on_white.to_image(format=form, width=width_px, height=figure.layout.height, scale=2))
    except (RuntimeError, ValueError) as error:  # plotly's own words where Chrome is missing or too old
        raise StoreError(f"A figure as .{form} cannot be drawn: {error}. {advice}") from error
