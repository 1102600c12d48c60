"""Forests: contrasts inside data sets, and the question at a glance; a line each, with limits and zero as the guide."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from core.figures.theme import CATEGORICAL, DIVERGING, INK, MUTED, SYMBOLS, Mode, frame

_ROW_PX = 23
_REACH = 1.3
"""Limits beyond this multiple of the farthest dot are cut: over two targets they would flatten everything else. An
arrow stands where one is cut, and the limit beside it."""


def forest(rows: pd.DataFrame, *, factor: float, mode: Mode = "light") -> go.Figure:
    """Every contrast and group that has an estimate, from top to bottom as the rows are.

    Args:
        rows: As `core.analysis.contrasts.table.contrast_rows` returns them.
        factor: What numbers are multiplied by, as `core.queries.scales.UNITS` says.
        mode: Background it will lie on.

    Raises:
        ValueError: No row has an estimate.
    """
    drawn = rows[rows["estimate"].notna()]
    if drawn.empty:
        raise ValueError("No contrast to draw: found 0 estimates, expected at least one.")
    # An axis of two levels takes its order from what it meets first.
    order = [drawn["label"].tolist(), drawn["group"].tolist()]
    fig = go.Figure(go.Scatter(x=[None] * len(drawn), y=order, showlegend=False, hoverinfo="skip"))
    for is_whole, name in ((True, "all targets"), (False, "a part of them, or English")):
        part = drawn[(drawn["group_kind"] == "all") == is_whole]
        middle, low, high = (factor * part[n].astype("float64") for n in ("estimate", "ci_low", "ci_high"))
        color = CATEGORICAL[mode][0 if is_whole else 1]
        fig.add_scatter(
            x=middle.tolist(), y=[part["label"].tolist(), part["group"].tolist()], mode="markers", name=name,
            marker={"color": color, "size": 11 if is_whole else 7, "symbol": SYMBOLS[2 if is_whole else 0]},
            error_x={"type": "data", "symmetric": False, "array": (high - middle).fillna(0).tolist(),
                     "arrayminus": (middle - low).fillna(0).tolist(), "color": color, "thickness": 1.6},
            hovertext=[_hover(row, factor) for row in part.to_dict("records")],
            hovertemplate="%{hovertext}<extra></extra>",
        )  # fmt: skip
    frame(fig, height_px=26 * len(drawn) + 100, mode=mode)
    fig.update_xaxes(
        title_text=f"difference of scores, {drawn['unit'].iloc[0]}", zeroline=True,
        zerolinecolor=MUTED[mode], zerolinewidth=2,
    )  # fmt: skip
    fig.update_yaxes(autorange="reversed")
    fig.update_layout(margin={"l": 8, "r": 8, "t": 40, "b": 8})
    return fig


def at_a_glance(
    rows: pd.DataFrame,
    dots: pd.DataFrame,
    *,
    factor: float,
    unit: str,
    title: Callable[[str], str] = str,
    mode: Mode = "light",
) -> go.Figure:
    """A diamond with its limits per row, and a ring per target; two parts, one above the other, on one axis.

    Args:
        rows: As `core.analysis.contrasts.glance.Glance` holds them: `part`, `name`, `estimate`, `low`, `high`, `n`.
        dots: The same: `part`, `name`, `target`, `value`.
        factor: What numbers are multiplied by.
        unit: Of the axis.
        title: From a task to what people read.
        mode: Background it will lie on.

    Raises:
        ValueError: There is no row.
    """
    if rows.empty:
        raise ValueError("Nothing to draw at a glance: found 0 rows, expected at least one.")
    lines = [(str(part), str(name)) for part, name in rows[["part", "name"]].itertuples(index=False)]
    # A line of its own heads each part.
    heads = {"tasks": "After the English task …", "contrasts": "Inside one task …"}
    order: list[tuple[str, str]] = []
    for part, head in heads.items():
        of_part = [line for line in lines if line[0] == part]
        order += [(part, head), *of_part] if of_part else []
    place = {line: -i for i, line in enumerate(order)}
    y = [place[line] for line in lines]
    middle, low, high = (factor * rows[n].astype("float64") for n in ("estimate", "low", "high"))
    colors = [_telling(a, b, mode) for a, b in zip(low, high, strict=True)]
    farthest = max(float((factor * dots["value"]).abs().max()) if len(dots) else 0.0, float(middle.abs().max()), 0.1)
    widest = float(pd.concat([low.abs(), high.abs(), middle.abs()]).max())
    reach = min(max(widest, farthest), _REACH * farthest) * 1.05
    left, right = (middle - low.clip(lower=-reach)).fillna(0), (high.clip(upper=reach) - middle).fillna(0)
    fig = go.Figure()
    for i, row in enumerate(rows.to_dict("records")):
        limits = "no interval" if pd.isna(row["low"]) else f"95 % {low.iloc[i]:+.1f} to {high.iloc[i]:+.1f}"
        fig.add_scatter(
            x=[middle.iloc[i]], y=[y[i]], mode="markers", name="mean, 95 % interval", showlegend=i == 0,
            marker={"color": colors[i], "size": 10, "symbol": "diamond"},
            error_x={"type": "data", "symmetric": False, "array": [right.iloc[i]],
                     "arrayminus": [left.iloc[i]], "color": colors[i], "thickness": 1.8, "width": 3},
            hovertext=[f"<b>{title(str(row['name']))}</b><br>{middle.iloc[i]:+.1f} {unit}, {limits}".replace("-", "−")],
            hovertemplate="%{hovertext}<extra></extra>",
        )  # fmt: skip
    fig.add_scatter(
        x=(factor * dots["value"]).tolist(), mode="markers", name="one target",
        y=[place[str(part), str(name)] for part, name in dots[["part", "name"]].itertuples(index=False)],
        marker={"color": INK[mode], "size": 7, "symbol": "circle-open"},
        hovertext=[f"{title(str(name))}, {title(str(target))}: {_said(value, factor)} {unit}" for name, target, value
                   in dots[["name", "target", "value"]].itertuples(index=False)],
        hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip
    frame(fig, height_px=_ROW_PX * len(order) + 78, mode=mode)
    _arrows(fig, y, (low, high), reach=reach, colors=colors)
    fig.update_xaxes(
        title={"text": f"change, {unit}", "font": {"size": 13}}, range=[-1.04 * reach, 1.04 * reach], zeroline=True,
        zerolinecolor=INK[mode], zerolinewidth=1.5, fixedrange=True,
    )  # fmt: skip
    fig.update_yaxes(
        tickvals=[place[line] for line in order], range=[-len(order) + 0.4, 0.6], showgrid=False, fixedrange=True,
        ticktext=[f"<b>{line[1]}</b>" if line[1] in heads.values() else title(line[1]) for line in order],
        tickfont={"size": 12},
    )  # fmt: skip
    fig.update_layout(margin={"l": 8, "r": 8, "t": 26, "b": 8})
    return fig


def _arrows(
    fig: go.Figure, y: list[int], limits: tuple[pd.Series, pd.Series], *, reach: float, colors: list[str]
) -> None:
    """An arrow at each end of the axis that an interval passes, and how far it goes."""
    is_first = True
    for ends, side, symbol, place in (
        (limits[0], -1, "triangle-left", "top right"), (limits[1], 1, "triangle-right", "top left"),
    ):  # fmt: skip
        cut = [i for i, end in enumerate(ends) if side * end > reach]
        if cut:
            fig.add_scatter(
                x=[side * reach] * len(cut), y=[y[i] for i in cut], mode="markers+text", showlegend=is_first,
                name="interval goes on to", cliponaxis=False, hoverinfo="skip", textposition=place,
                text=[f"{ends.iloc[i]:+.0f}".replace("-", "−") for i in cut], textfont={"size": 11},
                marker={"symbol": symbol, "size": 10, "color": [colors[i] for i in cut]},
            )  # fmt: skip
            is_first = False


def _telling(low: float, high: float, mode: Mode) -> str:
    """Strong where zero lies outside the limits."""
    up, down = (DIVERGING[mode][7], DIVERGING[mode][2]) if mode == "light" else (DIVERGING[mode][8], DIVERGING[mode][1])
    return up if low > 0 else down if high < 0 else MUTED[mode]


def _hover(row: dict[Hashable, Any], factor: float) -> str:
    low, high = (_said(row[n], factor) for n in ("ci_low", "ci_high"))
    limits = "no interval" if pd.isna(row["ci_low"]) else f"{low} to {high}"
    return (
        f"<b>{row['label']}</b>, {row['group']}<br>{_said(row['estimate'], factor)} {row['unit']} ({limits})<br>"
        f"{row['n']} base tasks, {row['targets']} targets, {row['langs']} languages, {row['seeds']} seeds"
    )


def _said(value: float, factor: float) -> str:
    return f"{factor * value:+.2f}".replace("-", "−")
