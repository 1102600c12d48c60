"""Colours, symbols and the frame that all figures share.

Diverging quantities (gains) are PuOr from ColorBrewer, centred on zero; categories are Okabe and Ito's colours together
with a marker symbol, so that neither needs colour vision. Backgrounds are transparent: a page puts its own behind.
"""

from __future__ import annotations

from typing import Literal

import plotly.graph_objects as go

Mode = Literal["light", "dark"]
"""Which background a figure will lie on."""

DIVERGING: dict[Mode, tuple[str, ...]] = {
    "light": (
        "#7F3B08", "#B35806", "#E08214", "#FDB863", "#FEE9CF", "#E3E4F0", "#B2ABD2", "#8073AC", "#542788", "#2D004B",
    ),
    "dark": (
        "#FDB863", "#E08214", "#B35806", "#7F3B08", "#3A2A1B", "#27233A", "#54408A", "#8073AC", "#B2ABD2", "#D8DAEB",
    ),
}  # fmt: skip
"""PuOr: orange is a loss, purple a gain; the middle is the background's neighbour."""

SEQUENTIAL: dict[Mode, tuple[str, ...]] = {
    "light": (
        "#F2F7F8", "#DCEAED", "#BFD9DF", "#9EC6CF", "#79B0BD", "#5499A9", "#338294", "#1C6D80", "#0F5C6E", "#0A4351",
    ),
    "dark": (
        "#16242B", "#183039", "#1A3E4A", "#1D4E5D", "#215F71", "#277386", "#32899D", "#4BA1B4", "#76BCCB", "#ABDAE4",
    ),
}  # fmt: skip
"""One hue, from the background's neighbour to the strongest: scores."""

CATEGORICAL: dict[Mode, tuple[str, ...]] = {
    "light": ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#8C6D00", "#3B8EC2", "#6B6B6B"),
    "dark": ("#56B4E9", "#E69F00", "#33C49A", "#CC79A7", "#F0E442", "#7FA8D6", "#A9A9A9"),
}
"""Okabe and Ito, darkened where the original is too pale on white; always used together with `SYMBOLS`."""

SYMBOLS: tuple[str, ...] = ("circle", "square", "diamond", "triangle-up", "cross", "star", "x")
"""Marker of each category, in the order of `CATEGORICAL`."""

INK: dict[Mode, str] = {"light": "#15212B", "dark": "#E7EEF2"}
"""Text."""

MUTED: dict[Mode, str] = {"light": "#5B6B75", "dark": "#9FB0BA"}
"""Secondary text, missing values, guides; at least 4.5:1 on the background."""

GRID: dict[Mode, str] = {"light": "#DDE4E8", "dark": "#2C3A44"}
"""Grid lines and borders."""

STAMP_PX = 16
"""Height of the line that says what a figure's data are."""

FONT = "Source Sans, Source Sans Pro, DejaVu Sans, sans-serif"
"""The pages' font first; nothing is downloaded."""


def colorscale(colors: tuple[str, ...]) -> list[list[float | str]]:
    """Plotly's form of an evenly spaced colour scale.

    Args:
        colors: At least two colours, first to last.
    """
    return [[i / (len(colors) - 1), color] for i, color in enumerate(colors)]


def frame(fig: go.Figure, *, height_px: int, mode: Mode = "light") -> go.Figure:
    """The same figure with the common fonts, margins and grid.

    Args:
        fig: Changed in place.
        height_px: Height of the whole figure.
        mode: Background it will lie on.
    """
    fig.update_layout(
        template="none",
        height=height_px,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        font={"family": FONT, "size": 13, "color": INK[mode]},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        colorway=list(CATEGORICAL[mode]),
        hoverlabel={"align": "left", "font": {"family": FONT, "size": 13}},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "title": {"text": ""}},
        dragmode=False,
    )
    axis = {"gridcolor": GRID[mode], "linecolor": GRID[mode], "zeroline": False, "automargin": True, "ticks": ""}
    fig.update_xaxes(**axis)
    fig.update_yaxes(**axis)
    return fig


def stamped(fig: go.Figure, text: str, *, mode: Mode = "light") -> go.Figure:
    """A copy that says in its upper right corner what its data are, so that every picture of it does, too.

    Args:
        fig: Any figure of ours: none has a title.
        text: A few words.
        mode: Background it will lie on.
    """
    copy = go.Figure(fig)
    copy.update_layout(
        title={"text": text, "x": 1, "xref": "paper", "xanchor": "right", "y": 1, "yref": "container",
               "yanchor": "top", "pad": {"t": 4}, "font": {"size": 12, "color": MUTED[mode]}},
        margin={"t": (copy.layout.margin.t or 0) + STAMP_PX}, height=(copy.layout.height or 0) + STAMP_PX or None,
    )  # fmt: skip
    return copy
