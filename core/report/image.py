"""Figures as files for a paper: SVG with letters as paths, PDF with fonts embedded, PNG; title and notes inside.

Only a browser can draw what plotly.js shows, so matplotlib draws the same figure again. The plot has the size of the
figure; titles, names of axes and notes stand around it and widen the picture, so nothing is cut.
"""

from __future__ import annotations

import io
import textwrap
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import plotly.graph_objects as go
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox

from core.errors import StoreError
from core.figures.numbers import SCALE_LENGTH_PX
from core.figures.theme import INK, MUTED
from core.files import written_beside
from core.report.drawn import IMAGES, figure_html
from core.report.redrawn import DPI, POINT, plain, redraw, sampled

_WIDTH_PX = 1000
_LETTER = 0.56
"""Mean width of a letter, in its height: for breaking lines."""
_PAD = 0.1
"""Inches of white around everything."""
_ONE_AT_A_TIME = threading.Lock()
"""matplotlib's settings and caches of fonts belong to the whole process."""
_SETTINGS: Any = {
    "svg.fonttype": "path", "pdf.fonttype": 42, "svg.hashsalt": "atlas", "font.family": ["DejaVu Sans"],
    "axes.unicode_minus": True, "text.color": INK["light"], "text.parse_math": False,
}  # fmt: skip


def write_figure(
    figure: go.Figure, *, file: Path, title: str, notes: Sequence[str] = (), width_px: int = _WIDTH_PX
) -> None:
    """Write a figure, beside and renamed.

    Args:
        figure: Drawn for a light background.
        file: Ends in .html, .svg, .pdf or .png.
        title: What it shows.
        notes: How to read it, a sentence each; not in an HTML file.
        width_px: Of the plot in an image.

    Raises:
        StoreError: The ending names no format.
        DiskFull: No space is left; an existing file is as it was.
    """
    form = file.suffix.removeprefix(".").lower()
    if form in {"html", "htm"}:
        content = figure_html(figure, title=title).encode()
    elif form in IMAGES:
        content = image(figure, form=form, title=title, notes=notes, width_px=width_px)
    else:
        raise StoreError(f"'{file.name}' names no format of a figure: expected .html, .{', .'.join(IMAGES)}.")
    with written_beside(file) as draft:
        draft.write_bytes(content)


def image(
    figure: go.Figure, *, form: str, title: str = "", notes: Sequence[str] = (), width_px: int = _WIDTH_PX
) -> bytes:
    """A figure as an image on white; the same figure makes the same bytes.

    Args:
        figure: Drawn for a light background, with a height.
        form: svg, pdf or png.
        title: Above it.
        notes: Below it, a sentence each.
        width_px: Of the plot; the height is the figure's own.

    Raises:
        ValueError: The figure holds a trace or a marker that is drawn on a screen alone.
    """
    with _ONE_AT_A_TIME, mpl.rc_context(_SETTINGS):
        sheet = Figure(figsize=(width_px / DPI, figure.layout.height / DPI), dpi=DPI)
        redraw(figure, sheet)
        _around(sheet, figure, title=title, notes=notes)
        content = io.BytesIO()
        stamp = {"svg": {"Date": None, "Title": title}, "pdf": {"CreationDate": None, "Title": title}}.get(form)
        sheet.savefig(content, format=form, bbox_inches=sheet.get_tightbbox().padded(_PAD), metadata=stamp,
                      facecolor="white", dpi=DPI * (2 if form == "png" else 1))  # fmt: skip
        return content.getvalue()


def _around(sheet: Figure, figure: go.Figure, *, title: str, notes: Sequence[str]) -> None:
    """Title above everything, the scale of colours and the notes below."""
    box = _extent(sheet)
    heat = next((trace for trace in figure.data if trace.type == "heatmap"), None)
    low = box.y0
    if heat is not None:
        low -= 26
        _scale(sheet, heat, left=0.0, top=low)
        low -= 18
    width = max(box.width, 420.0)
    stamp = figure.layout.title.text
    lines = [line for note in [*notes, *([f"Data: {stamp}."] if stamp else [])] for line in _wrapped(note, width, 11)]
    if lines:
        _write(sheet, box.x0, low - 12, "\n".join(lines), size=11, color=MUTED["light"], above=False)
    if title:
        _write(sheet, box.x0, box.y1 + 10, "\n".join(_wrapped(title, width, 15)), size=15, weight="bold")


def _extent(sheet: Figure) -> Bbox:
    """Of what is drawn, in pixels."""
    inches = sheet.get_tightbbox()
    return Bbox.from_extents(*(float(edge) * DPI for edge in inches.extents))


def _write(  # noqa: PLR0913  # what a text has
    sheet: Figure, x: float, y: float, text: str, *, size: int, color: str = INK["light"], weight: str = "normal",
    above: bool = True,
) -> None:  # fmt: skip
    width, height = sheet.get_size_inches() * DPI
    sheet.text(x / width, y / height, text, fontsize=size * POINT, color=color, fontweight=weight, ha="left",
               va="bottom" if above else "top", linespacing=1.35)  # fmt: skip


def _scale(sheet: Figure, heat: go.Heatmap, *, left: float, top: float) -> None:
    """The bar that explains the colours, with its ends in words."""
    width, height = (float(size) * DPI for size in sheet.get_size_inches())
    steps = 9
    bar = sheet.add_axes(((left + 40) / width, top / height, SCALE_LENGTH_PX / width, 12 / height))
    colors = sampled(heat, [i / (steps - 1) for i in range(steps)])
    bar.add_collection(PatchCollection([Rectangle((i, 0), 1, 1) for i in range(steps)], facecolors=colors))
    bar.set(xlim=(0, steps), ylim=(0, 1))
    bar.set_axis_off()
    form = "+.1f" if heat.zmid == 0 else ".3g"
    ends = [format(end, form).replace("-", "−") for end in (heat.zmin, heat.zmax)]
    font: dict[str, Any] = {"fontsize": 11 * POINT, "va": "center"}
    bar.text(-0.25, 0.5, ends[0], ha="right", **font)
    bar.text(steps + 0.25, 0.5, f"{ends[1]}   {plain(heat.colorbar.title.text or '')}", ha="left", **font)


def _wrapped(text: str, width_px: float, size_px: int) -> list[str]:
    return textwrap.wrap(text, max(int(width_px / (_LETTER * size_px)), 20))
