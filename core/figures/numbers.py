"""What every heatmap here shares: numbers that can be read on their colour, and a scale that takes no width.

Plotly, left to choose, writes in white or dark grey, down to a contrast of 2.7 to 1 on these scales. Black or
white, whichever has more contrast, is never below 4.5 to 1, the least that WCAG 2.2 (1.4.3, AA) allows.
"""

from __future__ import annotations

from typing import Any

import plotly.colors
import plotly.graph_objects as go

BLACK, WHITE = "#000000", "#FFFFFF"
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


def write_numbers(heat: go.Heatmap) -> go.Heatmap:
    """Write the texts of a heatmap on its cells, each black or white after the colour below it.

    Args:
        heat: Trace with z, text, colorscale, and zmin and zmax unless every z is None. Changed in place.

    Returns:
        The same trace.
    """
    # Plotly knows one colour for all numbers of a trace: black here, and the white ones say so themselves.
    whites = _whites(heat, sorted({z for line in heat.z for z in line if z is not None}))

    def written(text: str, z: float | None) -> str:
        if z is None or not text:
            return ""
        return f'<span style="color:{WHITE}">{text}</span>' if z in whites else text

    heat.text = [
        [written(text, z) for text, z in zip(texts, line, strict=True)]
        for texts, line in zip(heat.text, heat.z, strict=True)
    ]
    return heat.update(texttemplate="%{text}", textfont={"size": 12, "color": BLACK})


def _whites(heat: go.Heatmap, values: list[float]) -> set[float]:
    """Those on whose colour white is read better."""
    if not values:
        return set()
    spread = heat.zmax - heat.zmin
    places = [min(max((value - heat.zmin) / spread, 0), 1) if spread else 0.5 for value in values]
    colors = plotly.colors.sample_colorscale(
        [[at, color] for at, color in heat.colorscale],
        [1 - place for place in places] if heat.reversescale else places,
        colortype="tuple",
    )
    return {value for value, color in zip(values, colors, strict=True) if ink_on(color) == WHITE}


def ink_on(color: tuple[float, float, float]) -> str:
    """Black or white, whichever has more contrast.

    Args:
        color: Red, green and blue of the background, each 0 to 1.
    """
    # Contrast with white is 1.05 / (L + 0.05), with black (L + 0.05) / 0.05.
    return BLACK if (luminance(color) + 0.05) ** 2 > 1.05 * 0.05 else WHITE


def luminance(color: tuple[float, float, float]) -> float:
    """Relative luminance, 0 (black) to 1 (white), as WCAG 2.2 defines it.

    Args:
        color: Red, green and blue, each 0 to 1.
    """
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in color]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
