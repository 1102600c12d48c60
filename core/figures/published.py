"""One sheet of a published table: gains in points around zero, or scores in per cent, as they were printed.

A few columns of such tables are many times larger than the rest (retrieval gains of 50 points beside tagging losses of
one), so the colour of gains is full from `colour_limit` on; the number stands in every cell.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go

from core.figures.heatmap import COLUMN_PX, MISSING, ROW_PX
from core.figures.numbers import SCALE_ROOM_PX, colour_bar, write_numbers
from core.figures.theme import DIVERGING, MUTED, SEQUENTIAL, Mode, colorscale, frame
from core.languages import language

Kind = Literal["gain", "score"]
"""What was printed."""

DERIVED = "‡"
"""Mark of a figure that was computed from printed ones."""
DISAGREES = "≠"
"""Mark of a printed average that is not the average of its printed parts."""

UNITS: dict[Kind, str] = {
    "gain": "Percentage points against the baseline printed in the same table.",
    "score": "Per cent.",
}
"""What the numbers of a sheet are, in a sentence."""

_CHARACTER_PX = 7


def printed_text(cell: Mapping[Hashable, Any], *, kind: Kind) -> str:
    """What a cell says: the figure with as many decimals as were printed, its sign, and the mark of a derived one.

    Args:
        cell: `value` (fraction), `printed` (text), `derived`.
        kind: Of the sheet.
    """
    number = 100 * float(cell["value"])
    decimals = max(len(str(cell["printed"]).partition(".")[2]), 1)
    text = f"{number:+.{decimals}f}" if kind == "gain" else f"{number:.{min(decimals, 2)}f}"
    return text.replace("-", "−") + DERIVED * bool(cell["derived"])


def languages_down(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells whose columns are languages, turned: languages go down, with their names, as on maps of measured gains.

    Args:
        cells: Columns `row`, `column` (codes, or `average`).
    """
    turned = cells.rename(columns={"row": "column", "column": "row"})
    return turned.assign(row=[c if c == "average" else f"{language(c).name} ({c})" for c in turned["row"]])


def published_heatmap(cells: pd.DataFrame, *, kind: Kind, mode: Mode = "light") -> go.Figure:
    """Heatmap of one sheet.

    Args:
        cells: Columns `row`, `column` (text; in the order of their first appearance), `value` (fraction), `text` (what
            the cell says), `hover` (HTML). What was not printed has no row.
        kind: Whether `value` is a gain (diverging scale, symmetric about zero) or a score (sequential).

    Raises:
        ValueError: There is no cell.
    """
    if cells.empty:
        raise ValueError("No cells to draw: found 0 figures, expected at least one.")
    rows, columns = list(dict.fromkeys(cells["row"])), list(dict.fromkeys(cells["column"]))
    tables = {
        name: cells.pivot(index="row", columns="column", values=name).reindex(index=rows, columns=columns)
        for name in ("value", "text", "hover")
    }
    percent = 100 * tables["value"].astype("float64")
    limit = colour_limit(cells["value"])
    scale = DIVERGING[mode] if kind == "gain" else SEQUENTIAL[mode]
    ends = (-limit, limit) if kind == "gain" else (float(percent.min().min()), float(percent.max().max()))
    title = f"gain, points; full from ±{limit:.0f}" if kind == "gain" else "score, %"
    heat = go.Heatmap(
        z=[[None if pd.isna(v) else float(v) for v in line] for line in percent.to_numpy()],
        x=columns, y=rows, text=tables["text"].fillna("").to_numpy(), colorscale=colorscale(scale), xgap=2, ygap=2,
        customdata=tables["hover"].fillna("not printed").to_numpy(), hovertemplate="%{customdata}<extra></extra>",
        colorbar=colour_bar(title), zmin=ends[0], zmax=ends[1], zmid=0 if kind == "gain" else None,
    )  # fmt: skip
    fig = go.Figure([write_numbers(heat), _dashes(tables["value"], mode)])
    frame(fig, height_px=ROW_PX * len(rows) + 110 + SCALE_ROOM_PX, mode=mode)
    fig.update_xaxes(
        side="top", tickangle=-35, showgrid=False, type="category", categoryorder="array", categoryarray=columns,
        range=[-0.5, len(columns) - 0.5],
    )  # fmt: skip
    fig.update_yaxes(
        showgrid=False, type="category", categoryorder="array", categoryarray=rows, range=[len(rows) - 0.5, -0.5]
    )
    return fig.update_layout(margin={"l": 8, "r": 8, "t": 8, "b": 8})


def colour_limit(values: pd.Series) -> float:
    """Percentage points from which the colour of a gain is full: the 80th percentile of their sizes, at least one.

    Args:
        values: Gains, fractions.
    """
    sizes = 100 * values.dropna().astype("float64").abs()
    return max(1.0, float(round(sizes.quantile(0.8)))) if len(sizes) else 1.0


def sheet_width_px(cells: pd.DataFrame) -> int:
    """Width at which every number and name is readable.

    Args:
        cells: As for `published_heatmap`.
    """
    return 110 + _CHARACTER_PX * int(cells["row"].str.len().max()) + COLUMN_PX * cells["column"].nunique()


def _dashes(values: pd.DataFrame, mode: Mode) -> go.Scatter:
    empty = [(row, column) for row in values.index for column in values.columns if pd.isna(values.loc[row, column])]
    return go.Scatter(
        x=[column for _, column in empty], y=[row for row, _ in empty], mode="text", text=[MISSING] * len(empty),
        textfont={"color": MUTED[mode], "size": 13}, hoverinfo="skip", showlegend=False,
    )  # fmt: skip
