"""Figures inside HTML: both colour modes side by side, plotly.js from the installed package, no request to anybody."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple, get_args

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from core.figures.theme import Mode
from core.store.exchange.portable import portable_values

Draw = Callable[[Mode], go.Figure]
"""Draws a figure for a background."""

IMAGES = {"svg": "image/svg+xml", "pdf": "application/pdf", "png": "image/png"}
"""Formats of a figure as an image, which `core.report.image` draws → what they are on the web."""

CONFIG = {
    "displaylogo": False,
    "responsive": True,
    # plotly.js 4 adds a button that sends the figure to a server.
    "modeBarButtonsToRemove": ["sendChartToCloud", "select2d", "lasso2d", "zoom2d", "pan2d", "autoScale2d"],
    "toImageButtonOptions": {"format": "svg"},
}
"""Mode bar of figures outside the application: SVG by plotly.js itself, without a browser engine of ours."""

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
    "base-uri 'none'; form-action 'none'"
)
"""What a page that is one file may do: run what stands in it, ask nobody for anything, send nothing."""

FOLDER_POLICY = POLICY.replace("script-src 'unsafe-inline'", "script-src 'self' file:").replace(
    "style-src ", "style-src 'self' file: "
)
"""What a page of a folder may do: run the scripts beside it and none that stands in the page."""

_EDGE = re.compile(r"[^a-z0-9]+")


class Drawn(NamedTuple):
    """A figure as a page holds it."""

    id: str
    """Of its element."""
    alt: str
    """One sentence for those who cannot see it."""
    min_width_px: int
    """Below it the figure scrolls by itself."""
    height_px: int
    """Its height."""
    data: str
    """JSON of the figure for both backgrounds, safe inside a script element."""


def drawn(name: str, draw: Draw, *, alt: str, min_width_px: int = 0) -> Drawn:
    """A figure for both backgrounds.

    Args:
        name: Unique on its page.
        draw: Draws it.
        alt: One sentence for those who cannot see it.
        min_width_px: Below it the figure scrolls by itself.
    """
    both = {mode: draw(mode) for mode in get_args(Mode)}
    texts = json.dumps({mode: _portable(figure) for mode, figure in both.items()})
    return Drawn(slug(name), alt, min_width_px, int(both["light"].layout.height), in_script(texts))


def _portable(figure: go.Figure) -> Any:  # noqa: ANN401  # plotly's JSON
    return portable_values(json.loads(figure.to_json()))


def in_script(json_text: str) -> str:
    """JSON that cannot end the script element it stands in.

    Args:
        json_text: Valid JSON.
    """
    return json_text.replace("</", "<\\/").replace("<!--", "<\\u0021--")


def plotly_js() -> str:
    """The source of plotly.js that the installed package brings."""
    return str(get_plotlyjs())


def slug(name: str) -> str:
    """A name as a file or element may have it.

    Args:
        name: Any text.
    """
    return _EDGE.sub("-", name.lower()).strip("-")


def figure_html(figure: go.Figure, *, title: str) -> str:
    """One figure as a self-contained HTML file.

    Args:
        figure: Drawn for a light background.
        title: Of the file.
    """
    said = go.Figure(_portable(figure))
    body = said.to_html(include_plotlyjs=True, full_html=False, config=CONFIG)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    head = f'<meta charset="utf-8">{policy}<title>{html.escape(title)}</title><link rel="icon" href="data:,">'
    view = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    style = "<style>body{margin:1rem;background:#fff;font-family:sans-serif}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}{view}{style}</head><body>{body}</body></html>\n'
