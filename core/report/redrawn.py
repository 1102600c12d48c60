"""Plotly's figures drawn again by matplotlib: what our figures are made of, and an error for anything else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.colors
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import Transform, blended_transform_factory

from core.figures.theme import GRID, INK

POINT = 0.75
"""Points in a pixel."""
DPI = 72 / POINT
"""Pixels in an inch."""
_MARKERS = {
    "circle": "o", "square": "s", "diamond": "D", "triangle-up": "^", "triangle-left": "<", "triangle-right": ">",
    "cross": "P", "star": "*", "x": "X", "line-ns": "|",
}  # fmt: skip
"""Plotly's name of a marker → matplotlib's; "-open" behind a name leaves its inside empty."""
_HATCHES = ("line-ne",)
"""Markers that fill an empty cell on a screen; on paper its dash is enough."""
_DASHES = {"solid": "-", "dot": ":", "dash": "--", "dashdot": "-."}
_SIDES = {"left": "right", "right": "left", "center": "center"}
"""On which side of its point a text stands → how it is aligned."""
_RISES = {"top": "bottom", "bottom": "top", "middle": "center"}
_COLOR = re.compile(r"color:(#[0-9A-Fa-f]{6})")
_TAG = re.compile(r"<[^>]*>")
_GAP = 0.02
"""Between a cell of a heatmap and its edge, in its width."""


def redraw(figure: go.Figure, sheet: Figure) -> None:
    """Draw a figure on an empty one of matplotlib's; what stands around the plot lies outside of its edges.

    Args:
        figure: Drawn for a light background.
        sheet: Of the size of the plot.

    Raises:
        ValueError: The figure holds what is drawn on a screen alone.
    """
    for trace in figure.data:
        if trace.type not in _TRACES:
            raise ValueError(f"A trace '{trace.type}' is drawn on a screen alone: expected {' or '.join(_TRACES)}.")
    panels = {key: _panel(sheet, figure, key) for key in _subplots(figure)}
    for trace in figure.data:
        _TRACES[trace.type](panels[trace.xaxis or "x"], trace)
    for panel in panels.values():
        _settle(panel)
    for shape in figure.layout.shapes:
        _shape(panels, shape)
    for note in figure.layout.annotations:
        _annotation(panels, note)
    _legend(panels, figure)


def sampled(heat: go.Heatmap, places: Sequence[float]) -> list[tuple[float, float, float]]:
    """Colours of a heatmap's scale: red, green and blue, each 0 to 1.

    Args:
        heat: With a colour scale.
        places: From 0, the low end, to 1.
    """
    at = [1 - place if heat.reversescale else place for place in places]
    stops = [list(stop) for stop in heat.colorscale]
    return list(plotly.colors.sample_colorscale(stops, at, colortype="tuple")) if at else []


def plain(text: str) -> str:
    """A text without the tags that a browser reads.

    Args:
        text: Of a figure.
    """
    return _TAG.sub("", str(text).replace("<br>", "\n"))


class _Panel(NamedTuple):
    """One pair of axes."""

    axes: Axes
    x: go.layout.XAxis
    y: go.layout.YAxis
    places: dict[str, dict[Any, float]]
    """Of each axis ("x", "y"), where its categories lie."""

    def at(self, axis: str, values: Sequence[Any]) -> list[float]:
        """Numbers of values; what is missing is NaN."""
        known = self.places[axis]
        return [float("nan") if v is None else float(known.get(v, v)) for v in values]


def _subplots(figure: go.Figure) -> list[str]:
    return list(dict.fromkeys(trace.xaxis or "x" for trace in figure.data)) or ["x"]


def _panel(sheet: Figure, figure: go.Figure, key: str) -> _Panel:
    number = key[1:]
    x, y = figure.layout[f"xaxis{number}"], figure.layout[f"yaxis{number}"]
    across, up = x.domain or (0, 1), y.domain or (0, 1)
    axes = sheet.add_axes((across[0], up[0], across[1] - across[0], up[1] - up[0]))
    axes.set_axisbelow(True)
    axes.patch.set_alpha(0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    own = [trace for trace in figure.data if (trace.xaxis or "x") == key]
    places = {
        name: {value: float(i) for i, value in enumerate(_categories(own, name, axis))}
        for name, axis in (("x", x), ("y", y))
    }
    return _Panel(axes, x, y, places)


def _categories(traces: Sequence[Any], name: str, axis: Any) -> list[Any]:  # noqa: ANN401
    """Of an axis, in order: those that it names, or words in the order in which traces have them."""
    if axis.categoryarray is not None:
        return list(axis.categoryarray)
    values = (value for trace in traces for value in (trace[name] if trace[name] is not None else ()))
    return list(dict.fromkeys(value for value in values if isinstance(value, str)))


def _settle(panel: _Panel) -> None:
    """Ranges, ticks, grid and guides, as the figure's axes say."""
    axes = panel.axes
    for name, axis in (("x", panel.x), ("y", panel.y)):
        if axis.type == "log":
            raise ValueError("A logarithmic axis is drawn on a screen alone: expected a linear one or categories.")
        if axis.range is not None:
            (axes.set_xlim if name == "x" else axes.set_ylim)(*axis.range)
        elif axis.autorange == "reversed":
            (axes.invert_xaxis if name == "x" else axes.invert_yaxis)()
        _ticks(panel, name, axis)
        if axis.visible is False:
            continue
        guide: dict[str, Any] = {
            "color": axis.zerolinecolor or GRID["light"],
            "linewidth": (axis.zerolinewidth or 1) * POINT,
        }
        if axis.zeroline:
            (axes.axvline if name == "x" else axes.axhline)(0, zorder=0.6, **guide)
        if axis.title.text:
            (axes.set_xlabel if name == "x" else axes.set_ylabel)(
                plain(axis.title.text), fontsize=13 * POINT, color=INK["light"]
            )


def _ticks(panel: _Panel, name: str, axis: Any) -> None:  # noqa: ANN401  # plotly's XAxis or YAxis
    axes, ours = panel.axes, panel.axes.xaxis if name == "x" else panel.axes.yaxis
    is_shown = axis.visible is not False
    values = list(axis.tickvals if axis.tickvals is not None else panel.places[name])
    if values:
        texts = list(map(str, values)) if axis.ticktext is None else list(axis.ticktext)
        ours.set_ticks(panel.at(name, values), [plain(text) for text in texts])
        for label, text in zip(ours.get_ticklabels(), texts, strict=True):
            label.set_fontweight(_weight(text))
    if name == "x" and axis.side == "top":
        axes.xaxis.tick_top()
    ours.set_tick_params(length=0, labelsize=(axis.tickfont.size or 13) * POINT, labelcolor=INK["light"], pad=4)
    for label in ours.get_ticklabels() if axis.tickangle else ():
        label.set(rotation=-axis.tickangle, rotation_mode="anchor", ha="left", va="bottom")
    if axis.showticklabels is False or not is_shown:
        ours.set_ticklabels([])
    if is_shown and axis.showgrid is not False:
        ours.grid(visible=True, color=axis.gridcolor or GRID["light"], linewidth=0.75)


def _scatter(panel: _Panel, trace: go.Scatter) -> None:
    x, y = (panel.at(name, () if trace[name] is None else trace[name]) for name in ("x", "y"))
    if not x or trace.opacity == 0:
        return
    mode, line = trace.mode or "lines", trace.line
    label: dict[str, Any] = {"label": plain(trace.name)} if trace.name and trace.showlegend is not False else {}
    if trace.fill == "toself":
        panel.axes.fill(x, y, facecolor=_rgba(trace.fillcolor), linewidth=0, zorder=0.8)
    for axis, bars in (("x", trace.error_x), ("y", trace.error_y)):
        if bars.array is not None:
            _bars(panel.axes, axis, x, y, bars)
    if "lines" in mode and (line.width is None or line.width > 0):
        panel.axes.plot(x, y, color=_rgba(line.color or INK["light"]), linestyle=_DASHES.get(line.dash or "solid", "-"),
                        linewidth=(line.width or 2) * POINT, zorder=2,
                        **(label if "markers" not in mode else {}))  # fmt: skip
    if "markers" in mode and trace.marker.opacity != 0:
        _markers(panel.axes, trace, x, y, label)
    if "text" in mode and trace.text is not None:
        _names(panel.axes, trace, x, y)


def _bars(axes: Axes, axis: str, x: list[float], y: list[float], bars: Any) -> None:  # noqa: ANN401  # plotly's ErrorX
    up = [v or 0.0 for v in bars.array]
    down = up if bars.arrayminus is None else [v or 0.0 for v in bars.arrayminus]
    reach: dict[str, Any] = {f"{axis}err": [down, up]}
    axes.errorbar(x, y, fmt="none", ecolor=bars.color, elinewidth=(bars.thickness or 2) * POINT,
                  capsize=(bars.width or 0) * POINT, zorder=2.4, **reach)  # fmt: skip


def _markers(axes: Axes, trace: go.Scatter, x: list[float], y: list[float], label: dict[str, Any]) -> None:
    marker, n = trace.marker, len(x)
    colors, symbols, sizes = (_each(v, n) for v in (marker.color, marker.symbol or "circle", marker.size or 6))
    edge = marker.line.width
    for symbol in dict.fromkeys(symbol for symbol in symbols if symbol not in _HATCHES):
        own = [i for i in range(n) if symbols[i] == symbol]
        kind = symbol.removesuffix("-open")
        if kind not in _MARKERS:
            raise ValueError(f"The marker '{symbol}' is drawn on a screen alone: expected {', '.join(_MARKERS)}.")
        paint = [_rgba(colors[i] or marker.line.color or INK["light"]) for i in own]
        fill: dict[str, Any] = {"facecolors": paint, "linewidths": 0}
        if kind != symbol:
            fill = {"facecolors": "none", "edgecolors": paint, "linewidths": (edge or 2) * POINT}
        elif kind == "line-ns":
            fill = {"facecolors": paint, "linewidths": (edge or 2) * POINT}
        axes.scatter(
            [x[i] for i in own], [y[i] for i in own], s=[(sizes[i] * POINT) ** 2 * 0.8 for i in own],
            marker=_MARKERS[kind], alpha=marker.opacity, zorder=3, clip_on=trace.cliponaxis is not False,
            **fill, **label,
        )  # fmt: skip
        label = {}


def _names(axes: Axes, trace: go.Scatter, x: list[float], y: list[float]) -> None:
    n = len(x)
    texts, places = _each(trace.text, n), _each(trace.textposition or "middle center", n)
    sizes = _each(trace.marker.size if "markers" in trace.mode else 0, n)
    for i, text in enumerate(texts):
        if not text:
            continue
        rise, side = places[i].split()
        away = (sizes[i] or 0) / 2 + 2
        # A corner place is above or below the point and begins at its middle.
        down_or_up = {"top": away, "bottom": -away, "middle": 0}[rise]
        across = {"left": -away, "right": away, "center": 0}[side] if rise == "middle" else 0
        axes.annotate(
            plain(text), (x[i], y[i]), xytext=(across * POINT, down_or_up * POINT),
            textcoords="offset points", ha=_SIDES[side], va=_RISES[rise], fontsize=(trace.textfont.size or 12) * POINT,
            color=trace.textfont.color or INK["light"], fontweight=_weight(text), zorder=4, annotation_clip=False,
        )  # fmt: skip


def _heatmap(panel: _Panel, trace: go.Heatmap) -> None:
    columns, rows = panel.at("x", trace.x), panel.at("y", trace.y)
    cells = [
        (x, y, value, text)
        for y, values, texts in zip(rows, trace.z, trace.text, strict=True)
        for x, value, text in zip(columns, values, texts, strict=True)
        if value is not None
    ]
    spread, side = trace.zmax - trace.zmin, 1 - 2 * _GAP
    places = [min(max((value - trace.zmin) / spread, 0), 1) if spread else 0.5 for _, _, value, _ in cells]
    squares = [Rectangle((x - side / 2, y - side / 2), side, side) for x, y, _, _ in cells]
    panel.axes.add_collection(PatchCollection(squares, facecolors=sampled(trace, places), linewidths=0))
    for x, y, _, text in cells:
        ink = _COLOR.search(text)
        written = panel.axes.text(x, y, plain(text), ha="center", va="center", fontsize=12 * POINT,
                                  color=ink[1] if ink else "#000000")  # fmt: skip
        written.set_in_layout(False)  # it lies inside; measuring a thousand of them takes seconds


_TRACES = {"scatter": _scatter, "heatmap": _heatmap}


def _transform(panel: _Panel, shape: Any) -> Transform:  # noqa: ANN401  # a shape or an annotation of plotly
    axes = panel.axes
    across = axes.transAxes if (shape.xref or "x").endswith(("paper", "domain")) else axes.transData
    up = axes.transAxes if (shape.yref or "y").endswith(("paper", "domain")) else axes.transData
    return blended_transform_factory(across, up)


def _owner(panels: dict[str, _Panel], shape: Any) -> _Panel:  # noqa: ANN401
    return panels.get((shape.xref or "x").split()[0], next(iter(panels.values())))


def _shape(panels: dict[str, _Panel], shape: go.layout.Shape) -> None:
    panel = _owner(panels, shape)
    (x0, x1), (y0, y1) = panel.at("x", (shape.x0, shape.x1)), panel.at("y", (shape.y0, shape.y1))
    look: dict[str, Any] = {
        "linewidth": (shape.line.width or 2) * POINT, "transform": _transform(panel, shape), "clip_on": False,
        "zorder": 0.7 if shape.layer == "below" else 3.5,
    }  # fmt: skip
    color = shape.line.color or INK["light"]
    if shape.type == "line":
        panel.axes.plot([x0, x1], [y0, y1], color=color, linestyle=_DASHES.get(shape.line.dash or "solid", "-"),
                        scalex=False, scaley=False, **look)  # fmt: skip
    else:
        panel.axes.add_patch(
            Rectangle((x0, y0), x1 - x0, y1 - y0, edgecolor=color, facecolor=_rgba(shape.fillcolor), **look)
        )


def _annotation(panels: dict[str, _Panel], note: go.layout.Annotation) -> None:
    if "paper" in (note.xref or "") and len(panels) > 1:  # titles of small multiples
        (x, y), whole = (float(note.x), float(note.y)), next(iter(panels.values())).axes.figure
        where: Transform = whole.transSubfigure
        axes = next(iter(panels.values())).axes
    else:
        panel = _owner(panels, note)
        (x,), (y,), where, axes = (
            panel.at("x", (note.x,)),
            panel.at("y", (note.y,)),
            _transform(panel, note),
            panel.axes,
        )
    middle = "bottom" if note.yanchor == "bottom" else "top" if note.yanchor == "top" else "center"
    rise = 4 if middle == "bottom" else 0  # room that a browser's line has below its letters
    axes.annotate(
        plain(note.text), (x, y), xycoords=where, textcoords="offset points",
        xytext=((note.xshift or 0) * POINT, ((note.yshift or 0) + rise) * POINT), ha=note.xanchor or "center",
        va=middle, fontsize=(note.font.size or 12) * POINT, color=note.font.color or INK["light"],
        fontweight=_weight(note.text), annotation_clip=False,
    )  # fmt: skip


def _legend(panels: dict[str, _Panel], figure: go.Figure) -> None:
    axes = next(iter(panels.values())).axes
    handles, labels = axes.get_legend_handles_labels()
    if figure.layout.showlegend is False or not handles or (len(handles) == 1 and not figure.layout.showlegend):
        return
    axes.legend(handles, labels, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(labels), frameon=False,
                fontsize=12 * POINT, handletextpad=0.4, columnspacing=1.2, borderaxespad=0.2)  # fmt: skip


def _each(value: Any, n: int) -> list[Any]:  # noqa: ANN401  # one value for all, or one each
    return list(value) if isinstance(value, list | tuple) or hasattr(value, "tolist") else [value] * n


def _weight(text: str) -> str:
    return "bold" if str(text).startswith("<b>") else "normal"


def _rgba(color: str | None) -> Any:  # noqa: ANN401  # matplotlib takes names, tuples and "none"
    if color is None:
        return "none"
    if color.startswith("rgb"):
        red, green, blue, *rest = (float(part) for part in color[color.index("(") + 1 : -1].split(","))
        return (red / 255, green / 255, blue / 255, *(rest or [1.0]))
    return color
