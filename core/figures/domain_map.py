"""Where texts lie: tasks, and the languages of the chosen target, as points in two dimensions.

The window is that of all points of the profile, shown or not, so that a filter or another target never moves it. A name
that would cover another is left to the hover.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from core.figures.heatmap import HIGHLIGHT, Cell
from core.figures.labels import WIDTH_PX, Named, name_places
from core.figures.theme import CATEGORICAL, INK, MUTED, Mode, frame
from core.languages import language

Kind = Literal["intermediate", "train", "test"]


class Style(NamedTuple):
    """How points of one kind look."""

    name: str
    """In the legend."""
    symbol: str
    """Plotly's name."""
    size: int
    """Of the marker."""
    color: int
    """Place in `CATEGORICAL`."""


STYLES: dict[Kind, Style] = {
    "intermediate": Style("intermediates", "circle", 13, 0),
    "train": Style("target, training text", "diamond", 14, 1),
    "test": Style("its test texts", "square", 8, 1),
}
"""Every kind of point."""

_FIRST: list[Kind] = ["train", "intermediate", "test"]
"""Whose names choose their places first."""

RING_PX = 22
"""Of the ring around what is chosen."""
HEIGHT_PX = 380
_FRAME_PX = 38
"""Of the height, not the plot itself."""
_MARGIN = 0.12
"""Of the range, on each side: room for names."""


def domain_map(
    points: pd.DataFrame,
    *,
    selected: Cell | None = None,
    title: Callable[[str], str] = str,
    mode: Mode = "light",
    height_px: int = HEIGHT_PX,
    plot_px: float = WIDTH_PX,
) -> go.Figure:
    """Scatter of texts by kind.

    Args:
        points: Columns `label` (task, intermediate or language beside the point), `role` (intermediate, train, test),
            `task`, `lang`, `n` (texts), `x`, `y`, `key` (list `[lang, intermediate]` that a click chooses, "" for
            nothing), `is_shown`; those not shown widen the window only.
        selected: What is ringed, if anything.
        title: From a task or an intermediate to what people read.
        mode: Theme.
        height_px: Of the whole figure.
        plot_px: Width of the plot that names of points are placed for.

    Raises:
        ValueError: No point is shown.
    """
    points = points.assign(label=points["label"].map(title), task=points["task"].map(title))
    shown = points[points["is_shown"] & points["x"].notna()]
    if shown.empty:
        raise ValueError("No points to draw: found 0 that are shown, expected at least one.")
    chosen = [_is_chosen(key, role, selected) for key, role in zip(shown["key"], shown["role"], strict=True)]
    window = (_ends(points["x"].dropna()), _ends(points["y"].dropna()))
    shown = _with_places(shown.assign(is_chosen=chosen), window, (plot_px, height_px))
    fig = go.Figure(
        [_points(shown[shown["role"] == role], role, mode) for role in STYLES if role in set(shown["role"])]
    )
    fig.add_trace(_rings(shown[shown["is_chosen"]], mode))
    frame(fig, height_px=height_px, mode=mode)
    fig.update_xaxes(range=list(window[0]), showticklabels=False, zeroline=False)
    fig.update_yaxes(range=list(window[1]), showticklabels=False, zeroline=False)
    fig.update_layout(clickmode="event+select", margin={"l": 8, "r": 8, "t": 30, "b": 8})
    return fig


def _ends(values: pd.Series) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = _MARGIN * (high - low or 1.0)
    return low - room, high + room


def _with_places(
    shown: pd.DataFrame, window: tuple[tuple[float, float], tuple[float, float]], size: tuple[float, int]
) -> pd.DataFrame:
    """Add `place` of each name ("" for none): the chosen ones choose first, then the target, tasks, languages."""
    order = shown.assign(rank=[_FIRST.index(role) for role in shown["role"]])
    order = order.sort_values(["is_chosen", "rank"], ascending=[False, True], kind="stable")
    named = [
        Named(r["x"], r["y"], r["label"], RING_PX if r["is_chosen"] else STYLES[r["role"]].size)
        for r in order.to_dict("records")
    ]
    places = name_places(named, window=window, width_px=size[0], height_px=size[1] - _FRAME_PX)
    return shown.assign(place=pd.Series([place or "" for place in places], index=order.index))


def _points(rows: pd.DataFrame, role: Kind, mode: Mode) -> go.Scatter:
    style = STYLES[role]
    return go.Scatter(
        x=rows["x"].tolist(), y=rows["y"].tolist(), mode="markers+text", name=style.name,
        text=rows["label"].where(rows["place"] != "", "").tolist(),
        textposition=[place or "top center" for place in rows["place"]],
        textfont={"size": 11 if role == "test" else 12, "color": MUTED[mode] if role == "test" else INK[mode]},
        marker={"symbol": style.symbol, "size": style.size, "color": CATEGORICAL[mode][style.color],
                "opacity": 0.75 if role == "test" else 1.0, "line": {"width": 0}},
        selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 0.75 if role == "test" else 1.0}},
        customdata=rows["key"].tolist(),
        hovertext=[_hover(row) for row in rows.to_dict("records")], hovertemplate="%{hovertext}<extra></extra>",
        cliponaxis=False,
    )  # fmt: skip


def _rings(rows: pd.DataFrame, mode: Mode) -> go.Scatter:
    return go.Scatter(
        x=rows["x"].tolist(), y=rows["y"].tolist(), mode="markers", showlegend=False, hoverinfo="skip",
        marker={"symbol": "circle-open", "size": RING_PX, "color": HIGHLIGHT[mode], "line": {"width": 3}},
        selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}},
    )  # fmt: skip


def _is_chosen(key: list[str], role: str, selected: Cell | None) -> bool:
    if selected is None:
        return False
    lang, intermediate = key
    return intermediate == selected.intermediate if role == "intermediate" else bool(lang) and lang == selected.lang


def _hover(row: dict[Any, Any]) -> str:
    """The values come from a frame, so their types are whatever it holds."""
    what = {
        "intermediate": f"<b>{row['label']}</b>, English training text",
        "train": f"<b>{row['task']}</b>, English training text",
        "test": f"<b>{row['task']}</b>, test text in {language(row['lang']).name}",
    }[row["role"]]
    return f"{what}<br>{row['n']} texts"
