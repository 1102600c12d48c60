"""Small multiples: mean gains of all intermediates, one small strip a target, all on one scale.

The scale is that of signed square roots: retrieval can lose fifty points where tagging gains one, and both must be
seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.figures.theme import DIVERGING, INK, MUTED, Mode, frame

COLUMNS, MANY_COLUMNS = 3, 4
"""Strips beside each other, of a few targets and of more than fit three rows of them."""
_ROW_PX, _HEAD_PX = 14, 46
_REACH = 1.6
"""Limits beyond this multiple of the largest gain are cut: with two seeds they would flatten everything else."""
_TICKS = (1, 2, 5, 10, 20, 50)
"""Where the scale may carry a number, in points."""


def gain_strips(pairs: pd.DataFrame, *, title: Callable[[str], str] = str, mode: Mode = "light") -> go.Figure:
    """A dot with its limits per intermediate, a strip per target; positions are signed square roots of points.

    Args:
        pairs: As `core.analysis.standing.pair_gains` returns them: `target`, `intermediate`, `gain`, `low`, `high`,
            `q_value`, `n_seeds`, `n_langs`, `in_task`. Targets and intermediates keep their order.
        title: From a task or an intermediate to what people read.

    Raises:
        ValueError: There is no pair.
    """
    if pairs.empty:
        raise ValueError("No gains to draw: found 0 pairs, expected at least one.")
    targets, names = list(dict.fromkeys(pairs["target"])), _names(pairs)
    n_columns = min(COLUMNS if len(targets) <= COLUMNS**2 else MANY_COLUMNS, len(targets))
    n_rows = math.ceil(len(targets) / n_columns)
    height = n_rows * (_ROW_PX * len(names) + _HEAD_PX) + 36
    fig = make_subplots(
        rows=n_rows, cols=n_columns, shared_xaxes=True, shared_yaxes=True, subplot_titles=[*map(title, targets)],
        horizontal_spacing=0.025, vertical_spacing=min(30 / height, 1 / max(n_rows - 1, 1)),
    )  # fmt: skip
    for i, target in enumerate(targets):
        place = {"row": i // n_columns + 1, "col": i % n_columns + 1}
        fig.add_trace(_dots(pairs[pairs["target"] == target], title, mode), **place)
        # The last row may not be full: numbers stand below the lowest strip of each column.
        fig.update_xaxes(showticklabels=i + n_columns >= len(targets), **place)
    frame(fig, height_px=height, mode=mode)
    reach = _REACH * max(100 * float(pairs["gain"].abs().max()), 0.1)
    ticks = _ticks(reach / _REACH)
    fig.update_xaxes(range=[-(reach**0.5), reach**0.5], tickvals=_rooted(pd.Series(ticks)).tolist(),
                     ticktext=[f"{tick:+g}".replace("-", "−") if tick else "0" for tick in ticks], tickangle=0,
                     zeroline=True, zerolinecolor=MUTED[mode], zerolinewidth=1.5, tickfont={"size": 11},
                     fixedrange=True)  # fmt: skip
    fig.update_yaxes(type="category", categoryorder="array", categoryarray=names, tickvals=names,
                     ticktext=[title(name) for name in names], tickfont={"size": 10},
                     range=[len(names) - 0.5, -0.5], fixedrange=True)  # fmt: skip
    fig.update_annotations(font={"size": 12, "color": INK[mode]}, yshift=-2)
    fig.update_layout(showlegend=False, margin={"l": 8, "r": 8, "t": 26, "b": 8})
    return fig


def _names(pairs: pd.DataFrame) -> list[str]:
    """Intermediates of all strips, by mean gain."""
    return [str(name) for name in pairs.groupby("intermediate")["gain"].mean().sort_values(ascending=False).index]


def _rooted(points: pd.Series) -> pd.Series:
    """Where a number of points stands on the scale."""
    values = points.to_numpy()
    return pd.Series(np.sign(values) * np.abs(values) ** 0.5)


def _ticks(largest: float) -> list[float]:
    """Zero, a large and a small number on both sides; `largest` is the largest gain, in points."""
    large = max((tick for tick in _TICKS if tick <= largest), default=0.1)
    small = min(_TICKS, key=lambda tick: abs(tick - large / 10))
    sides = sorted({large, small} if small < large else {large})
    return [*(-tick for tick in reversed(sides)), 0, *sides]


def _dots(part: pd.DataFrame, title: Callable[[str], str], mode: Mode) -> go.Scatter:
    gains, low, high = (_rooted(100 * part[name].astype("float64")) for name in ("gain", "low", "high"))
    colors = [_color(row, mode) for row in part.to_dict("records")]
    return go.Scatter(
        x=gains.tolist(), y=part["intermediate"].tolist(), mode="markers",
        marker={"color": colors, "size": 7, "line": {"width": 1.5, "color": colors},
                "symbol": ["circle-open" if t else "circle" for t in part["in_task"]]},
        error_x={"type": "data", "symmetric": False, "array": (high - gains).fillna(0).tolist(),
                 "arrayminus": (gains - low).fillna(0).tolist(), "color": MUTED[mode], "thickness": 1.3, "width": 2},
        text=[_hover(row, title) for row in part.to_dict("records")], hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


def _color(row: dict[Hashable, Any], mode: Mode) -> str:
    """Strong where the gain differs from zero after correction, grey elsewhere."""
    if pd.isna(row["q_value"]) or row["q_value"] >= 0.05:
        return MUTED[mode]
    up, down = (DIVERGING[mode][7], DIVERGING[mode][2]) if mode == "light" else (DIVERGING[mode][8], DIVERGING[mode][1])
    return up if row["gain"] > 0 else down


def _hover(row: dict[Hashable, Any], title: Callable[[str], str]) -> str:
    limits = "no interval" if pd.isna(row["low"]) else f"95 % {_signed(row['low'])} to {_signed(row['high'])}"
    lines = [
        f"<b>{title(row['intermediate'])}</b> before <b>{title(row['target'])}</b>",
        f"mean gain {_signed(row['gain'])} points, {limits}",
        f"{row['n_langs']} languages, {row['n_seeds']} seed{'s' if row['n_seeds'] != 1 else ''}",
    ]
    lines += [f"q = {row['q_value']:.2g} (below 0.05: differs from zero)"] if pd.notna(row["q_value"]) else []
    return "<br>".join([*lines, *(["in-task: trains the target's own task"] if row["in_task"] else [])])


def _signed(fraction: float) -> str:
    return f"{100 * fraction:+.2f}".replace("-", "−")
