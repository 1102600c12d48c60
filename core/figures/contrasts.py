"""Contrasts inside data sets as a forest: one line each, with its limits, its n and zero as the guide."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from core.figures.theme import CATEGORICAL, MUTED, SYMBOLS, Mode, frame


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
    for is_whole, name in ((True, "over targets"), (False, "part of them")):
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
        title_text=f"difference of zero-shot scores, {drawn['unit'].iloc[0]}", zeroline=True,
        zerolinecolor=MUTED[mode], zerolinewidth=2,
    )  # fmt: skip
    fig.update_yaxes(autorange="reversed")
    fig.update_layout(margin={"l": 8, "r": 8, "t": 40, "b": 8})
    return fig


def _hover(row: dict[Hashable, Any], factor: float) -> str:
    low, high = (_said(row[n], factor) for n in ("ci_low", "ci_high"))
    limits = "no interval" if pd.isna(row["ci_low"]) else f"{low} to {high}"
    return (
        f"<b>{row['label']}</b>, {row['group']}<br>{_said(row['estimate'], factor)} {row['unit']} ({limits})<br>"
        f"{row['n']} base tasks, {row['targets']} targets, {row['langs']} languages, {row['seeds']} seeds"
    )


def _said(value: float, factor: float) -> str:
    return f"{factor * value:+.2f}".replace("-", "−")
