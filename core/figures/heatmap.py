"""Languages × intermediates: gains in points around zero, scores in per cent, ranks, or z-scores.

Above the languages stands the mean over them. A cell without a value has no colour and shows "–"; its state is in the
hover. "*" marks a gain that differs from zero after correction, "†" an intermediate that trains the target's own task,
brackets a value that is no evidence: nothing was learned, the baseline is at its floor, the program has changed. Above
the coloured layer lies an invisible one of squares, because a heatmap itself reports no clicks.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Literal, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from core.figures.numbers import SCALE_ROOM_PX, colour_bar, write_numbers
from core.figures.theme import DIVERGING, GRID, MUTED, SEQUENTIAL, Mode, colorscale, frame
from core.languages import language

Quantity = Literal["gain", "score", "rank", "z"]
"""What the colour shows."""

LABEL_WIDTH_PX = 130
"""Room for the names of the languages."""
ROW_PX = 27
"""Height of a language."""
COLUMN_PX = 54
"""Least width of an intermediate: room for "+12.3*†"."""
HIGHLIGHT: dict[Mode, str] = {"light": "#00795A", "dark": "#33C49A"}
"""Frame of what is chosen, here and in the figures beside it; neither colour of the scale."""
IN_TASK = "†"
"""Mark of a cell whose intermediate trains the target's own task."""
SIGNIFICANT = "*"
"""Mark of a gain that differs from zero after correction over the cells shown."""
MISSING = "–"
"""Text of a cell without a value."""
MEAN = "mean"
"""Stands for the language in the row of means."""
_LONGEST_REASON = 120


class Cell(NamedTuple):
    """What is chosen: a cell, a language or an intermediate."""

    lang: str | None
    """XTREME's code; None: no language."""
    intermediate: str | None
    """Text form of the intermediate; None: none."""


class Look(NamedTuple):
    """How a quantity is written and coloured."""

    title: str
    """Of the colour scale."""
    unit: str
    """Behind a number in a sentence."""
    factor: float
    """From the stored value to the shown one."""
    form: str
    """Format of a number."""
    is_diverging: bool
    """Coloured around zero."""


LOOKS: dict[Quantity, Look] = {
    "gain": Look("gain, points", " points", 100, "+.1f", True),
    "score": Look("score, %", " %", 100, ".1f", False),
    "rank": Look("rank of the gain", "", 1, ".3g", False),
    "z": Look("z-score of the gain", "", 1, "+.1f", True),
}
"""Every quantity."""


def width_px(n_intermediates: int) -> int:
    """Width at which every number is readable.

    Args:
        n_intermediates: Number of columns.
    """
    return LABEL_WIDTH_PX + 20 + COLUMN_PX * n_intermediates


def transfer_heatmap(
    cells: pd.DataFrame,
    *,
    quantity: Quantity,
    means: pd.DataFrame | None = None,
    selected: Cell | None = None,
    title: Callable[[str], str] = str,
    mode: Mode = "light",
) -> go.Figure:
    """Heatmap of one target.

    Args:
        cells: As `core.analysis.cells.cell_table` returns them: `lang`, `intermediate`, `value`, `gain`, `score`,
            `low`, `high`, `sd`, `n_seeds`, `seeds`, `n`, `in_task`, `tested_by`, `q_value`, `significant`, `state`,
            `missing`, `excluded`. Languages and intermediates appear in the order of their first row.
        quantity: What `value` is.
        means: As `core.analysis.cells.mean_row` returns them; None draws no row of means.
        selected: What to frame, if anything.
        title: From an intermediate to what people read.

    Raises:
        ValueError: There is no cell.
    """
    if cells.empty:
        raise ValueError("No cells to draw: found 0 rows, expected at least one language and one intermediate.")
    langs, columns = list(dict.fromkeys(cells["lang"])), list(dict.fromkeys(cells["intermediate"]))
    drawn = cells.assign(text=[_text(row, quantity) for row in cells.to_dict("records")],
                         hover=[cell_hover(row, quantity, title) for row in cells.to_dict("records")])  # fmt: skip
    rows = langs
    if means is not None:
        drawn, rows = pd.concat([_mean_cells(means, quantity, title), drawn], ignore_index=True), [MEAN, *langs]
    heat = _colours(drawn, rows, columns, quantity, mode)
    fig = go.Figure([write_numbers(heat), _dashes(drawn, mode), _clicks(drawn)])
    _axes(fig, rows, columns, title, mode)
    fig.update_layout(clickmode="event+select", margin={"l": 8, "r": 8, "t": 8, "b": 8})
    if selected:
        _frame(fig, selected, rows=rows, columns=columns, color=HIGHLIGHT[mode])
    return fig


def cell_text(value: float | None, *, quantity: Quantity, marks: str = "") -> str:
    """What a cell says: a number in the quantity's form with its marks, or a dash.

    Args:
        value: As stored, or None where missing.
        quantity: What the value is.
        marks: Appended to a number.
    """
    if value is None or pd.isna(value):
        return MISSING
    look = LOOKS[quantity]
    return format(look.factor * value, look.form).replace("-", "−") + marks


def scale_ends(values: pd.Series, excluded: pd.Series, *, quantity: Quantity) -> tuple[float, float]:
    """Values as they are shown at which the colours end: of what counts, so that one odd value does not pale the rest.

    What lies beyond has the colour of the end. Where nothing counts, all values do.

    Args:
        values: As stored, missing ones included.
        excluded: Of each value why it does not count, missing where it does.
        quantity: What the values are.
    """
    look, there = LOOKS[quantity], values.notna()
    counted = there & excluded.isna()
    shown = values[counted if counted.any() else there].astype("float64") * look.factor
    if look.is_diverging:
        high = max(float(shown.abs().max()), 0.1) if len(shown) else 1.0
        return -high, high
    return (float(shown.min()), float(shown.max())) if len(shown) else (0.0, 1.0)


def cell_marks(row: dict[Hashable, Any]) -> str:
    """Signs behind a cell's number: that it differs from zero, that it is in-task.

    Args:
        row: Of `cell_table`.
    """
    return SIGNIFICANT * bool(row["significant"]) + IN_TASK * bool(row["in_task"])


def _text(row: dict[Hashable, Any], quantity: Quantity) -> str:
    text = cell_text(row["value"], quantity=quantity, marks=cell_marks(row))
    return text if text == MISSING or pd.isna(row["excluded"]) else f"({text})"


def _axes(fig: go.Figure, rows: list[str], columns: list[str], title: Callable[[str], str], mode: Mode) -> None:
    frame(fig, height_px=ROW_PX * len(rows) + 96 + SCALE_ROOM_PX, mode=mode)
    heads = [title(name) for name in columns]
    short = len(columns) < 8 and max(map(len, heads)) < 10
    fig.update_xaxes(
        side="top", tickangle=0 if short else -35, showgrid=False, type="category",
        categoryorder="array", categoryarray=columns, range=[-0.5, len(columns) - 0.5], tickvals=columns,
        ticktext=heads,
    )  # fmt: skip
    names = ["<b>mean</b>" if code == MEAN else f"{language(code).name} · {code}" for code in rows]
    fig.update_yaxes(
        showgrid=False, type="category", categoryorder="array", categoryarray=rows, range=[len(rows) - 0.5, -0.5],
        tickvals=rows, ticktext=names,
    )  # fmt: skip
    if rows[0] == MEAN:
        fig.add_shape(type="line", xref="paper", x0=0, x1=1, y0=0.5, y1=0.5, line={"width": 1.5, "color": GRID[mode]})


def mean_hovers(means: pd.DataFrame, quantity: Quantity, title: Callable[[str], str]) -> list[str]:
    """What the pointer reads of each mean, lines parted by `<br>`.

    Args:
        means: As `mean_row` returns them.
        quantity: What `value` is.
        title: From an intermediate to what people read.
    """
    hovers = []
    for row in means.to_dict("records"):
        head = f"<b>{title(row['intermediate'])}</b>, mean over {row['n_langs']} languages"
        if pd.isna(row["value"]):
            hovers.append(f"{head}<br>no mean: it lacks a value in one of them")
            continue
        text = cell_text(row["value"], quantity=quantity, marks=IN_TASK * bool(row["in_task"]))
        seeds = f"<br>{row['n_seeds']} seed{'s' if row['n_seeds'] != 1 else ''} with all of them"
        hovers.append(f"{head}<br>{quantity} {text}{LOOKS[quantity].unit}{_limits(row, quantity)}{seeds}")
    return hovers


def _mean_cells(means: pd.DataFrame, quantity: Quantity, title: Callable[[str], str]) -> pd.DataFrame:
    marks = [IN_TASK * bool(t) for t in means["in_task"]]
    texts = [cell_text(v, quantity=quantity, marks=m) for v, m in zip(means["value"], marks, strict=True)]
    hovers = mean_hovers(means, quantity, title)
    return means[["intermediate", "value"]].assign(lang=MEAN, text=texts, hover=hovers)


def _colours(drawn: pd.DataFrame, rows: list[str], columns: list[str], quantity: Quantity, mode: Mode) -> go.Heatmap:
    look = LOOKS[quantity]
    shape = {"index": "lang", "columns": "intermediate"}
    values = drawn.pivot(**shape, values="value").reindex(index=rows, columns=columns).astype("float64") * look.factor
    low, high = scale_ends(drawn["value"], drawn["excluded"], quantity=quantity)
    texts = drawn.pivot(**shape, values="text").reindex(index=rows, columns=columns)
    texts = texts.where(values.notna(), "").fillna("")
    scale = colorscale((DIVERGING if look.is_diverging else SEQUENTIAL)[mode])
    middle = {"zmid": 0} if look.is_diverging else {}
    return go.Heatmap(
        z=[[None if pd.isna(v) else float(v) for v in row] for row in values.to_numpy()],
        x=columns, y=rows, text=texts.to_numpy(), colorscale=scale, reversescale=quantity == "rank", xgap=2, ygap=2,
        hoverinfo="skip", colorbar=colour_bar(look.title), zmin=low, zmax=high, **middle,
    )  # fmt: skip


def _dashes(drawn: pd.DataFrame, mode: Mode) -> go.Scatter:
    empty = drawn[drawn["value"].isna()]
    return go.Scatter(
        x=empty["intermediate"].tolist(), y=empty["lang"].tolist(), mode="markers+text", text=[MISSING] * len(empty),
        textfont={"color": MUTED[mode], "size": 13}, hoverinfo="skip", showlegend=False,
        marker={"symbol": "line-ne", "size": 22, "opacity": 0.45, "line": {"width": 1, "color": MUTED[mode]}},
        selected={"marker": {"opacity": 0.45}}, unselected={"marker": {"opacity": 0.45}},
    )  # fmt: skip


def _clicks(drawn: pd.DataFrame) -> go.Scatter:
    return go.Scatter(
        x=drawn["intermediate"].tolist(), y=drawn["lang"].tolist(), mode="markers", showlegend=False,
        marker={"symbol": "square", "size": 24, "opacity": 0},
        selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}},
        text=drawn["hover"].tolist(),
        customdata=[["" if lang == MEAN else lang, name]
                    for lang, name in zip(drawn["lang"], drawn["intermediate"], strict=True)],
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip


def cell_hover(row: dict[Hashable, Any], quantity: Quantity, title: Callable[[str], str]) -> str:
    """What the pointer reads of a cell, lines parted by `<br>`.

    Args:
        row: Of `cell_table`.
        quantity: What `value` is.
        title: From an intermediate to what people read.
    """
    after = "no intermediate" if row["intermediate"] == "none" else f"<b>{title(row['intermediate'])}</b>"
    head = f"<b>{language(row['lang']).name}</b> after {after}"
    if pd.isna(row["value"]):
        reason = str(row["missing"])
        short = reason if len(reason) <= _LONGEST_REASON else reason[:_LONGEST_REASON] + " …"
        return f"{head}<br>no {quantity}: {row['state']}, {short}"
    lines = [head, f"{quantity} {cell_text(row['value'], quantity=quantity)}{LOOKS[quantity].unit}"]
    if quantity in ("gain", "score"):
        lines[1] += _limits(row, quantity)
    else:
        lines.append(f"gain {cell_text(row['gain'], quantity='gain')} points{_limits(row, 'gain')}")
    if quantity != "score":
        lines.append(f"score {cell_text(row['score'], quantity='score')} %")
    lines.append(f"{row['n_seeds']} seed{'s' if row['n_seeds'] != 1 else ''}: {row['seeds']}")
    if pd.notna(row["q_value"]):
        verdict = "differs from zero" if row["significant"] else "may be nothing"
        lines.append(f"{verdict}: q = {row['q_value']:.2g}, over {row['tested_by']}, corrected over the cells shown")
    lines.append(f"{row['n']} test examples")
    lines += [f"(does not count: {row['excluded']})"] if pd.notna(row["excluded"]) else []
    lines += [f"{IN_TASK} in-task: trains the target's own task"] if row["in_task"] else []
    return "<br>".join(lines)


def _limits(row: dict[Hashable, Any], quantity: Quantity) -> str:
    if pd.isna(row["low"]):
        return ""
    low, high = (cell_text(row[name], quantity=quantity) for name in ("low", "high"))
    return f" [{low}, {high}]"


def _frame(fig: go.Figure, selected: Cell, *, rows: list[str], columns: list[str], color: str) -> None:
    if (selected.lang or rows[0]) not in rows or (selected.intermediate or columns[0]) not in columns:
        return
    y = rows.index(selected.lang) if selected.lang else None
    x = columns.index(selected.intermediate) if selected.intermediate else None
    if x is None and y is None:
        return
    fig.add_shape(
        type="rect", x0=-0.5 if x is None else x - 0.48, x1=len(columns) - 0.5 if x is None else x + 0.48,
        y0=-0.5 if y is None else y - 0.47, y1=len(rows) - 0.5 if y is None else y + 0.47,
        line={"width": 3, "color": color},
    )  # fmt: skip
