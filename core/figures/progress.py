"""Scores of one run, language by language, as they come."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from core.figures.theme import CATEGORICAL, MUTED, Mode, frame
from core.languages import language

ROW_PX = 26
"""Height of a language."""


def language_dots(scores: pd.DataFrame, *, chance: float, metric: str, mode: Mode = "light") -> go.Figure:
    """One row per language: the run's score, its baseline's and its floor where there are.

    Args:
        scores: Columns `lang`, `score`, `baseline_score`, `floor` (fractions or NULL), `floor_rule`, `n`.
        chance: Score of a model that knows nothing, a fraction, drawn as a line.
        metric: As people read it, for the axis.

    Raises:
        ValueError: There is no score.
    """
    if scores.empty:
        raise ValueError("No scores to draw: found 0 rows, expected at least one language.")
    rows = scores.sort_values("score")
    names = [f"{language(code).name} · {code}" for code in rows["lang"]]
    paired = rows["baseline_score"].notna()
    fig = go.Figure()
    if paired.any():
        for name, row in zip(names, rows.to_dict("records"), strict=True):
            if pd.notna(row["baseline_score"]):
                fig.add_scatter(
                    x=[100 * row["baseline_score"], 100 * row["score"]], y=[name, name], mode="lines",
                    line={"color": MUTED[mode], "width": 2}, hoverinfo="skip", showlegend=False,
                )  # fmt: skip
        fig.add_scatter(
            x=100 * rows["baseline_score"][paired], y=[n for n, p in zip(names, paired, strict=True) if p],
            name="baseline", mode="markers",
            marker={"symbol": "circle-open", "size": 10, "color": CATEGORICAL[mode][1], "line": {"width": 2}},
            hovertemplate="%{y}<br>baseline %{x:.1f} %<extra></extra>",
        )  # fmt: skip
    low = rows["floor"].notna()
    if low.any():
        fig.add_scatter(
            x=100 * rows["floor"][low], y=[n for n, p in zip(names, low, strict=True) if p], name="floor",
            mode="markers", marker={"symbol": "line-ns", "size": 14, "line": {"width": 2, "color": MUTED[mode]}},
            customdata=rows["floor_rule"][low], hovertemplate="%{y}<br>floor %{x:.1f} %: %{customdata}<extra></extra>",
        )  # fmt: skip
    fig.add_scatter(
        x=100 * rows["score"], y=names, name="this run", mode="markers", customdata=rows["n"],
        marker={"symbol": "circle", "size": 10, "color": CATEGORICAL[mode][0]},
        hovertemplate="%{y}<br>%{x:.1f} % on %{customdata} examples<extra></extra>",
    )  # fmt: skip
    frame(fig, height_px=ROW_PX * len(rows) + 110, mode=mode)
    fig.add_vline(x=100 * chance, line={"dash": "dot", "color": MUTED[mode]}, annotation_text="chance",
                  annotation_position="bottom right", annotation_font_color=MUTED[mode])  # fmt: skip
    fig.update_xaxes(title_text=f"{metric}, %")
    fig.update_yaxes(type="category", categoryorder="array", categoryarray=names)
    return fig
