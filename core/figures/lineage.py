"""Where the scores of a run come from: pretrained encoder → intermediate → target → languages."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from core.figures.theme import CATEGORICAL, GRID, INK, MUTED, Mode, frame

_GAP = 0.06
"""Share of a box's place that the arrow takes, on each side."""


def lineage(nodes: pd.DataFrame, *, mode: Mode = "light") -> go.Figure:
    """Boxes in a row, joined by arrows.

    Args:
        nodes: In order of the chain; columns `kind` ("encoder", "intermediate", "target", "languages"), `name`,
            `detail` (one short line, such as a state or a number of steps).

    Raises:
        ValueError: There is no node.
    """
    if nodes.empty:
        raise ValueError("No lineage to draw: found 0 nodes, expected at least the encoder.")
    colors = dict(zip(("encoder", "intermediate", "target", "languages"), (6, 1, 0, 2), strict=True))
    fig = go.Figure(
        go.Scatter(
            x=[i + 0.5 for i in range(len(nodes))], y=[0.5] * len(nodes), mode="markers", showlegend=False,
            marker={"size": 60, "opacity": 0}, text=nodes["name"], customdata=nodes[["kind", "detail"]],
            hovertemplate="<b>%{text}</b><br>%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
        )
    )  # fmt: skip
    frame(fig, height_px=118, mode=mode)
    for i, node in enumerate(nodes.itertuples()):
        fig.add_shape(
            type="rect", x0=i + _GAP, x1=i + 1 - _GAP, y0=0.05, y1=0.95, layer="below",
            line={"color": CATEGORICAL[mode][colors.get(str(node.kind), 6)], "width": 2}, fillcolor="rgba(0,0,0,0)",
        )  # fmt: skip
        fig.add_annotation(x=i + 0.5, y=0.5, text=_label(node), showarrow=False, font={"color": INK[mode], "size": 12})
        if i:
            fig.add_annotation(
                x=i + _GAP, ax=i - _GAP, y=0.5, ay=0.5, xref="x", yref="y", axref="x", ayref="y", text="",
                showarrow=True, arrowhead=2, arrowsize=1.2, arrowcolor=MUTED[mode],
            )  # fmt: skip
    fig.update_xaxes(visible=False, range=[0, len(nodes)], fixedrange=True)
    fig.update_yaxes(visible=False, range=[0, 1], fixedrange=True, gridcolor=GRID[mode])
    return fig


def _label(node: object) -> str:
    name = str(getattr(node, "name", ""))
    lines = [name[i : i + 16] for i in range(0, min(len(name), 32), 16)]
    if len(name) > 32:
        lines[-1] = lines[-1][:-1] + "…"
    detail = getattr(node, "detail", "")
    return f"{getattr(node, 'kind', '')}<br><b>{'<br>'.join(lines)}</b>" + (f"<br>{detail}" if detail else "")
