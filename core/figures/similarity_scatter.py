"""Similarity of texts against gain: one point per intermediate, both intervals drawn, closer always to the right."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from core.figures.domain_map import RING_PX
from core.figures.heatmap import HIGHLIGHT, IN_TASK, Cell, cell_text
from core.figures.labels import WIDTH_PX, Named, name_places
from core.figures.theme import CATEGORICAL, GRID, INK, MUTED, Mode, frame

HEIGHT_PX = 340
_SIZE_PX = 11
_FRAME_PX = 75
"""Of the height, not the plot itself."""
_ROOM = 0.06
"""Of the range of gains, above and below."""
_WHOLE = 0.5
"""Of the bars, the share that the range holds around every point: a few wide ones must not flatten the rest."""


class Axis(NamedTuple):
    """The measure on the horizontal axis."""

    title: str
    """Name of the measure."""
    larger_is_closer: bool
    """Whether a large value means alike; otherwise the axis is turned round."""


def similarity_scatter(  # noqa: PLR0913  # what, how it looks, and how large
    points: pd.DataFrame,
    *,
    axis: Axis,
    selected: Cell | None = None,
    title: Callable[[str], str] = str,
    mode: Mode = "light",
    height_px: int = HEIGHT_PX,
    plot_px: float = WIDTH_PX,
) -> go.Figure:
    """Scatter of an intermediate's closeness to the target against its gain.

    Args:
        points: Columns `intermediate`, `similarity`, `similarity_low`, `similarity_high`, `gain`, `gain_low`,
            `gain_high` (fractions), `n_seeds`, `n_langs` (averaged), `counts` (whether the correlation counts it),
            `in_task`; limits are NaN where there is none.
        axis: The measure.
        selected: The intermediate that is ringed, if any.
        title: From an intermediate to what people read.
        mode: Theme.
        height_px: Of the whole figure.
        plot_px: Width of the plot that names of points are placed for.

    Raises:
        ValueError: There is no point.
    """
    if points.empty:
        raise ValueError("No points to draw: found 0 rows, expected at least one intermediate with both values.")
    fig = go.Figure()
    points = _with_places(points.assign(title=points["intermediate"].map(title)), axis, selected, (plot_px, height_px))
    for counted in (True, False):
        rows = points[points["counts"] == counted]
        if len(rows):
            fig.add_trace(_points(rows, is_counted=counted, mode=mode))
    chosen = points[points["intermediate"] == (selected.intermediate if selected else None)]
    fig.add_scatter(
        x=chosen["similarity"].tolist(), y=(100 * chosen["gain"]).tolist(), mode="markers", showlegend=False,
        hoverinfo="skip", selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}},
        marker={"symbol": "circle-open", "size": RING_PX, "color": HIGHLIGHT[mode], "line": {"width": 3}},
    )  # fmt: skip
    frame(fig, height_px=height_px, mode=mode)
    arrow = "larger is closer" if axis.larger_is_closer else "axis turned: smaller is closer"
    fig.update_xaxes(title_text=f"{axis.title} ({arrow}) →", range=_range(points, axis))
    fig.update_yaxes(
        title_text="gain, points", zeroline=True, zerolinecolor=GRID[mode], zerolinewidth=2, range=_heights(points)
    )
    fig.update_layout(clickmode="event+select", margin={"l": 8, "r": 8, "t": 30, "b": 8})
    if points["counts"].all():  # one kind of point needs no legend
        fig.update_layout(showlegend=False, margin={"t": 8})
    return fig


def _range(points: pd.DataFrame, axis: Axis) -> list[float]:
    """From far to close, with room for the names on the right of their points."""
    ends = points[["similarity", "similarity_low", "similarity_high"]]
    low, high = float(ends.min().min()), float(ends.max().max())
    spread = high - low or max(abs(high), 1.0) / 10
    if axis.larger_is_closer:
        return [low - 0.08 * spread, high + 0.25 * spread]
    return [high + 0.08 * spread, low - 0.25 * spread]


def cut_bars(points: pd.DataFrame) -> int:
    """How many intervals of a gain reach beyond the picture.

    Args:
        points: As for `similarity_scatter`.
    """
    low, high = _heights(points)
    return int(((100 * points["gain_low"] < low) | (100 * points["gain_high"] > high)).sum())


def _heights(points: pd.DataFrame) -> list[float]:
    """From the smallest gain to the largest, with room for the bars of most."""
    gains, ends = 100 * points["gain"], 100 * points[["gain", "gain_low", "gain_high"]]
    halves = 50 * (points["gain_high"] - points["gain_low"]).dropna()
    reach = float(halves.quantile(_WHOLE)) if len(halves) else 0.0
    low = max(float(ends.min().min()), float(gains.min()) - reach)
    high = min(float(ends.max().max()), float(gains.max()) + reach)
    room = _ROOM * (high - low or 1.0)
    return [low - room, high + room]


def _with_places(points: pd.DataFrame, axis: Axis, selected: Cell | None, size: tuple[float, int]) -> pd.DataFrame:
    """Add `place` of each name, "" where it would cover another and is left to the hover; the chosen one is first."""
    left, right = _range(points, axis)
    low, high = _heights(points)
    is_chosen = points["intermediate"] == (selected.intermediate if selected else None)
    order = points.assign(is_chosen=is_chosen).sort_values(["is_chosen", "counts"], ascending=False, kind="stable")
    named = [
        Named(r["similarity"], 100 * r["gain"], _name(r), RING_PX if r["is_chosen"] else _SIZE_PX)
        for r in order.to_dict("records")
    ]
    places = name_places(  # between the two bars of a point, where neither crosses its name
        named, window=((left, right), (low, high)), width_px=size[0], height_px=size[1] - _FRAME_PX, first="top right"
    )
    return points.assign(place=pd.Series([place or "" for place in places], index=order.index))


def _name(row: dict[Hashable, Any]) -> str:
    return f"{row['title']}{IN_TASK * bool(row['in_task'])}"


def _points(rows: pd.DataFrame, *, is_counted: bool, mode: Mode) -> go.Scatter:
    color = CATEGORICAL[mode][0] if is_counted else MUTED[mode]
    return go.Scatter(
        x=rows["similarity"].tolist(), y=(100 * rows["gain"]).tolist(), mode="markers+text",
        name="counted" if is_counted else "does not count",
        text=[_name(r) if r["place"] else "" for r in rows.to_dict("records")],
        textposition=[place or "top right" for place in rows["place"]],
        textfont={"size": 12, "color": INK[mode] if is_counted else MUTED[mode]},
        marker={"symbol": "circle" if is_counted else "circle-open", "size": _SIZE_PX, "color": color},
        selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}},
        error_x=_bars(rows["similarity"], rows["similarity_low"], rows["similarity_high"], color),
        error_y=_bars(100 * rows["gain"], 100 * rows["gain_low"], 100 * rows["gain_high"], color),
        customdata=[["", name] for name in rows["intermediate"]], cliponaxis=False,
        hovertext=[_hover(row) for row in rows.to_dict("records")], hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip


def _bars(middle: pd.Series, low: pd.Series, high: pd.Series, color: str) -> dict[str, Any]:
    return {
        "type": "data", "symmetric": False, "thickness": 1, "width": 3, "color": color,
        "array": [None if pd.isna(v) else max(float(v), 0.0) for v in high - middle],
        "arrayminus": [None if pd.isna(v) else max(float(v), 0.0) for v in middle - low],
    }  # fmt: skip


def _hover(row: dict[Hashable, Any]) -> str:
    gain = cell_text(row["gain"], quantity="gain")
    limits = "" if pd.isna(row["gain_low"]) else (
        f" [{cell_text(row['gain_low'], quantity='gain')}, {cell_text(row['gain_high'], quantity='gain')}]"
    )  # fmt: skip
    near = f"{row['similarity']:.3g}"
    if pd.notna(row["similarity_low"]):
        near += f" [{row['similarity_low']:.3g}, {row['similarity_high']:.3g}]"
    over = f"mean over {row['n_langs']} languages, " if row["n_langs"] > 1 else ""
    seeds = f"{row['n_seeds']} seed{'s' if row['n_seeds'] != 1 else ''}"
    return f"<b>{row['title']}</b><br>gain {gain} points{limits}<br>{over}{seeds}<br>similarity {near}"
