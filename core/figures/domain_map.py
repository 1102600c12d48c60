"""Where texts lie: tasks, and the languages of the chosen target, as points in two dimensions.

The window is that of all points of the profile, shown or not, so that a filter or another target never moves it.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from core.figures.heatmap import HIGHLIGHT, Cell
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
    "test": Style("target, test text by language", "square", 8, 1),
}
"""Every kind of point."""

HEIGHT_PX = 380
_MARGIN = 0.12
"""Of the range, on each side: room for names."""


def domain_map(points: pd.DataFrame, *, selected: Cell | None = None, mode: Mode = "light") -> go.Figure:
    """Scatter of texts by kind.

    Args:
        points: Columns `label` (what stands beside the point), `role` (intermediate, train, test), `task`, `lang`, `n`
            (texts), `x`, `y`, `key` (list `[lang, intermediate]` that a click chooses, "" for nothing), `is_shown`;
            those not shown widen the window only.
        selected: What is ringed, if anything.
        mode: Background.

    Raises:
        ValueError: No point is shown.
    """
    shown = points[points["is_shown"] & points["x"].notna()]
    if shown.empty:
        raise ValueError("No points to draw: found 0 that are shown, expected at least one.")
    fig = go.Figure(
        [_points(shown[shown["role"] == role], role, mode) for role in STYLES if role in set(shown["role"])]
    )
    ringed = shown[[_is_chosen(key, role, selected) for key, role in zip(shown["key"], shown["role"], strict=True)]]
    fig.add_trace(_rings(ringed, mode))
    frame(fig, height_px=HEIGHT_PX, mode=mode)
    placed = points[points["x"].notna()]
    for axis, update in (("x", fig.update_xaxes), ("y", fig.update_yaxes)):
        low, high = float(placed[axis].min()), float(placed[axis].max())
        room = _MARGIN * (high - low or 1.0)
        update(range=[low - room, high + room], showticklabels=False, zeroline=False)
    fig.update_layout(clickmode="event+select", margin={"l": 8, "r": 8, "t": 30, "b": 8})
    return fig


def _points(rows: pd.DataFrame, role: Kind, mode: Mode) -> go.Scatter:
    style = STYLES[role]
    return go.Scatter(
        x=rows["x"].tolist(), y=rows["y"].tolist(), mode="markers+text", name=style.name,
        text=rows["label"].tolist(), textposition="top center",
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
        marker={"symbol": "circle-open", "size": 22, "color": HIGHLIGHT[mode], "line": {"width": 3}},
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
