"""Languages × intermediates: gains in percentage points around zero, or scores in per cent.

A missing cell has no colour and shows "–"; its reason is in the hover. A cell that is more training on the same task is
marked "†". Above the coloured layer lies an invisible one of squares, because a heatmap itself reports no clicks.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Literal, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from core.figures.theme import DIVERGING, MUTED, SEQUENTIAL, Mode, colorscale, frame
from core.languages import language

Quantity = Literal["gain", "score"]
"""What the colour shows."""

LABEL_WIDTH_PX = 130
"""Room for the names of the languages."""
ROW_PX = 30
"""Height of a language."""
COLUMN_PX = 74
"""Least width of an intermediate: room for "+12.3†"."""
HIGHLIGHT = "#009E73"
"""Frame of the chosen cell; neither colour of the scale."""
IN_TASK = "†"
"""Mark of a cell whose intermediate is more training on the same task."""
MISSING = "–"
"""Text of a cell without a value."""


class Cell(NamedTuple):
    """One cell of the map."""

    lang: str
    """XTREME's code."""
    intermediate: str
    """Text form of the intermediate."""


def width_px(n_intermediates: int) -> int:
    """Width at which every number is readable.

    Args:
        n_intermediates: Number of columns.
    """
    return LABEL_WIDTH_PX + 70 + COLUMN_PX * n_intermediates


def transfer_heatmap(
    cells: pd.DataFrame, *, quantity: Quantity, selected: Cell | None = None, mode: Mode = "light"
) -> go.Figure:
    """Heatmap of one target.

    Args:
        cells: Columns `lang`, `intermediate`, `value` (fraction; NULL where missing), `sd` (fraction or NULL),
            `n_seeds`, `seeds` (text), `n` (test examples), `in_task` (bool), `missing` (reason or NULL). Languages and
            intermediates appear in the order of their first row.
        quantity: Whether `value` is a gain (diverging scale, symmetric about zero) or a score (sequential).
        selected: Cell to frame, if any.
        mode: Background.

    Raises:
        ValueError: There is no cell.
    """
    if cells.empty:
        raise ValueError("No cells to draw: found 0 rows, expected at least one language and one intermediate.")
    langs, columns = list(dict.fromkeys(cells["lang"])), list(dict.fromkeys(cells["intermediate"]))
    fig = go.Figure([_colours(cells, langs, columns, quantity, mode), _dashes(cells, mode), _clicks(cells, quantity)])
    frame(fig, height_px=ROW_PX * len(langs) + 96, mode=mode)
    short = len(columns) < 8 and max(map(len, columns)) < 10  # noqa: PLR2004
    fig.update_xaxes(
        side="top", tickangle=0 if short else -35, showgrid=False, type="category",
        categoryorder="array", categoryarray=columns, range=[-0.5, len(columns) - 0.5],
    )  # fmt: skip
    fig.update_yaxes(
        showgrid=False, type="category", categoryorder="array", categoryarray=langs, range=[len(langs) - 0.5, -0.5],
        tickvals=langs, ticktext=[f"{language(code).name} · {code}" for code in langs],
    )  # fmt: skip
    fig.update_layout(clickmode="event+select", margin={"l": 8, "r": 8, "t": 8, "b": 8})
    if selected and selected.lang in langs and selected.intermediate in columns:
        _frame_cell(fig, row=langs.index(selected.lang), column=columns.index(selected.intermediate))
    return fig


def cell_text(value: float | None, *, quantity: Quantity, in_task: bool) -> str:
    """What a cell says: a gain with its sign in points, a score in per cent, or a dash.

    Args:
        value: Fraction, or None where missing.
        quantity: What the value is.
        in_task: Whether the mark is appended.
    """
    if value is None or pd.isna(value):
        return MISSING
    number = f"{100 * value:+.1f}" if quantity == "gain" else f"{100 * value:.1f}"
    return number.replace("-", "−") + (IN_TASK if in_task else "")


def _colours(cells: pd.DataFrame, langs: list[str], columns: list[str], quantity: Quantity, mode: Mode) -> go.Heatmap:
    values = cells.pivot(index="lang", columns="intermediate", values="value").reindex(index=langs, columns=columns)
    texts = cells.assign(
        text=[cell_text(r["value"], quantity=quantity, in_task=r["in_task"]) for r in cells.to_dict("records")]
    ).pivot(index="lang", columns="intermediate", values="text").reindex(index=langs, columns=columns)  # fmt: skip
    percent = values.astype("float64") * 100
    texts = texts.where(values.notna(), "").fillna("")
    largest = percent.abs().max().max()
    bound = max(float(largest), 0.1) if pd.notna(largest) else 1.0
    scale = DIVERGING[mode] if quantity == "gain" else SEQUENTIAL[mode]
    limits = {"zmin": -bound, "zmid": 0, "zmax": bound} if quantity == "gain" else {}
    title = "gain, points" if quantity == "gain" else "score, %"
    return go.Heatmap(
        z=[[None if pd.isna(v) else float(v) for v in row] for row in percent.to_numpy()],
        x=columns, y=langs, text=texts.to_numpy(), texttemplate="%{text}", textfont={"size": 12},
        colorscale=colorscale(scale), xgap=2, ygap=2, hoverinfo="skip",
        colorbar={"title": {"text": title, "side": "right", "font": {"size": 12}}, "thickness": 12, "outlinewidth": 0},
        **limits,
    )  # fmt: skip


def _dashes(cells: pd.DataFrame, mode: Mode) -> go.Scatter:
    empty = cells[cells["value"].isna()]
    return go.Scatter(
        x=empty["intermediate"].tolist(), y=empty["lang"].tolist(), mode="markers+text", text=[MISSING] * len(empty),
        textfont={"color": MUTED[mode], "size": 13}, hoverinfo="skip", showlegend=False,
        marker={"symbol": "line-ne", "size": 24, "opacity": 0.45, "line": {"width": 1, "color": MUTED[mode]}},
        selected={"marker": {"opacity": 0.45}}, unselected={"marker": {"opacity": 0.45}},
    )  # fmt: skip


def _clicks(cells: pd.DataFrame, quantity: Quantity) -> go.Scatter:
    return go.Scatter(
        x=cells["intermediate"].tolist(), y=cells["lang"].tolist(), mode="markers", showlegend=False,
        marker={"symbol": "square", "size": 26, "opacity": 0},
        selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}},
        text=[_hover(row, quantity) for row in cells.to_dict("records")],
        customdata=cells[["lang", "intermediate"]].to_numpy().tolist(),
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


def _hover(row: dict[Hashable, Any], quantity: Quantity) -> str:
    head = f"<b>{language(row['lang']).name}</b> after <b>{row['intermediate']}</b>"
    if pd.isna(row["value"]):
        return f"{head}<br>no {quantity}: {row['missing'] or 'not run'}"
    text = cell_text(row["value"], quantity=quantity, in_task=False)
    unit = "points" if quantity == "gain" else "%"
    spread = "" if pd.isna(row["sd"]) else f"<br>sd over seeds {100 * float(str(row['sd'])):.2f}"
    seeds = f"<br>{row['n_seeds']} seed{'s' if row['n_seeds'] != 1 else ''}: {row['seeds']}"
    note = f"<br>{IN_TASK} in-task: more training on the same task" if row["in_task"] else ""
    return f"{head}<br>mean {quantity} {text} {unit}{spread}{seeds}<br>{row['n']} test examples{note}"


def _frame_cell(fig: go.Figure, *, row: int, column: int) -> None:
    fig.add_shape(
        type="rect", x0=column - 0.48, x1=column + 0.48, y0=row - 0.47, y1=row + 0.47,
        line={"width": 3, "color": HIGHLIGHT},
    )  # fmt: skip
