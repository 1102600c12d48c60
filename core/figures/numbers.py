"""What every heatmap here shares: numbers that can be read on their colour, and a scale that takes no width.

Plotly would write on a heatmap itself, in white or dark grey, down to a contrast of 2.7 to 1 on these scales. Black or
white, whichever has more contrast, is never below 4.5 to 1, the least that WCAG 2.2 (1.4.3, AA) allows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.colors
import plotly.graph_objects as go

SCALE_LENGTH_PX = 200
"""Of the bar that explains the colours."""
SCALE_ROOM_PX = 56
"""Height that the bar with its numbers and title takes below the plot."""


def colour_bar(title: str, *, above: bool = False) -> dict[str, Any]:
    """Settings of a bar below the plot, at its left: in view where a wide map scrolls sideways.

    Args:
        title: What the colours show, with the unit.
        above: Over the plot instead, where the axis has its title below.
    """
    side, y, yanchor = ("right", 1, "bottom") if above else ("bottom", 0, "top")
    return {
        "title": {"text": title, "side": side, "font": {"size": 12}}, "orientation": "h", "thickness": 10,
        "lenmode": "pixels", "len": SCALE_LENGTH_PX, "x": 0, "xanchor": "left", "xpad": 0, "y": y, "yanchor": yanchor,
        "outlinewidth": 0,
    }  # fmt: skip


def numbers(heat: go.Heatmap) -> go.Scatter:
    """The texts of a heatmap as a layer of their own, each black or white after the colour below it.

    Args:
        heat: Trace with x, y, z, text, colorscale, and zmin and zmax unless every z is None; it has no `texttemplate`.
    """
    cells = [
        (x, y, str(heat.text[i][j]), float(z))
        for i, (y, line) in enumerate(zip(heat.y, heat.z, strict=True))
        for j, (x, z) in enumerate(zip(heat.x, line, strict=True))
        if z is not None and heat.text[i][j]
    ]
    places = np.array([value for *_, value in cells])
    if cells:
        spread = heat.zmax - heat.zmin
        places = np.clip((places - heat.zmin) / spread, 0, 1) if spread else np.full(len(cells), 0.5)
    scale = [[place, color] for place, color in heat.colorscale]
    backgrounds = plotly.colors.sample_colorscale(
        scale, 1 - places if heat.reversescale else places, colortype="tuple"
    ) if cells else []  # fmt: skip
    return go.Scatter(
        x=[x for x, *_ in cells], y=[y for _, y, *_ in cells], text=[text for _, _, text, _ in cells], mode="text",
        textfont={"size": 12, "color": [ink_on(color) for color in backgrounds]}, hoverinfo="skip",
        showlegend=False,
        # Named, or a click on the map fades every number that was not clicked.
        selected={"textfont": {"color": "#000000"}},
    )  # fmt: skip


def ink_on(color: tuple[float, float, float]) -> str:
    """Black or white, whichever has more contrast.

    Args:
        color: Red, green and blue of the background, each 0 to 1.
    """
    # Contrast with white is 1.05 / (L + 0.05), with black (L + 0.05) / 0.05.
    return "#000000" if (luminance(color) + 0.05) ** 2 > 1.05 * 0.05 else "#FFFFFF"


def luminance(color: tuple[float, float, float]) -> float:
    """Relative luminance, 0 (black) to 1 (white), as WCAG 2.2 defines it.

    Args:
        color: Red, green and blue, each 0 to 1.
    """
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in color]  # noqa: PLR2004  sRGB's bounds
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
