"""The heatmap of `core.figures.heatmap` as plain data for a table in the page: texts, colours, tooltips.

A table is on the screen before a drawing library has arrived, keeps the names of its rows and columns in view, fits
its columns to the width there is, and works by keyboard. The drawing of `transfer_heatmap` shows the same and is what
is exported.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import plotly.colors

from core.figures.heatmap import (
    LOOKS,
    MEAN,
    MISSING,
    Cell,
    Quantity,
    cell_hover,
    cell_marks,
    cell_text,
    mean_hovers,
    scale_ends,
)
from core.figures.numbers import ink_on
from core.figures.theme import DIVERGING, SEQUENTIAL, Mode, colorscale
from core.languages import language

_TAG = re.compile(r"<[^>]*>")
_STOPS = 9
"""Colours of the bar that explains them."""


def heat_table(
    cells: pd.DataFrame,
    *,
    quantity: Quantity,
    means: pd.DataFrame | None = None,
    selected: Cell | None = None,
    title: Callable[[str], str] = str,
    mode: Mode = "light",
) -> dict[str, Any]:
    """Everything that the table shows, as JSON values.

    Keys: columns ([id, head]), rows ([code, name], "" for the means), cells (a list a row of {text, short, hover} with
    background and ink where there is a value, and flags), scale (title, colours, low and high in words), chosen.

    Args:
        cells: As `core.analysis.cells.cell_table` returns them; rows and columns in the order of their first cell.
        quantity: What `value` is.
        means: As `core.analysis.cells.mean_row` returns them; None: no row of means.
        selected: What is chosen.
        title: From an intermediate to what people read.
        mode: Theme.

    Raises:
        ValueError: There is no cell.
    """
    if cells.empty:
        raise ValueError("No cells to show: found 0 rows, expected at least one language and one intermediate.")
    columns = list(dict.fromkeys(cells["intermediate"]))
    langs = list(dict.fromkeys(cells["lang"]))
    drawn = cells if means is None else pd.concat([cells, means.assign(excluded=None)], ignore_index=True)
    scale = _Scale(scale_ends(drawn["value"], drawn["excluded"], quantity=quantity), quantity, mode)
    rows: dict[str, dict[str, Any]] = {lang: {} for lang in langs}
    for row in cells.to_dict("records"):
        text = cell_text(row["value"], quantity=quantity)
        found = _cell(row["value"], text, hover=cell_hover(row, quantity, title), quantity=quantity, scale=scale)
        found |= {"marks": cell_marks(row), "excluded": text != MISSING and pd.notna(row["excluded"])}
        rows[str(row["lang"])][str(row["intermediate"])] = found
    if means is not None:
        hovers = mean_hovers(means, quantity, title)
        mean = {
            str(row["intermediate"]): _cell(
                row["value"], cell_text(row["value"], quantity=quantity), hover=hover, quantity=quantity, scale=scale
            )
            for row, hover in zip(means.to_dict("records"), hovers, strict=True)
        }
        rows = {MEAN: mean} | rows
    return {
        "columns": [[name, title(name)] for name in columns],
        "rows": [["", MEAN] if code == MEAN else [code, language(code).name] for code in rows],
        "cells": [[rows[code].get(name) for name in columns] for code in rows],
        "scale": scale.bar(),
        "chosen": [selected.lang or "", selected.intermediate or ""] if selected else ["", ""],
    }


class _Scale:
    """Colours of values, the same as those of the drawing."""

    def __init__(self, ends: tuple[float, float], quantity: Quantity, mode: Mode) -> None:
        look = LOOKS[quantity]
        self.low, self.high = ends
        self._look, self._reversed = look, quantity == "rank"
        self._stops = colorscale((DIVERGING if look.is_diverging else SEQUENTIAL)[mode])

    def color(self, value: float) -> tuple[float, float, float]:
        """Red, green and blue, each 0 to 1, of a value as it is shown."""
        spread = self.high - self.low
        place = min(max((value - self.low) / spread, 0.0), 1.0) if spread else 0.5
        return self._at(1 - place if self._reversed else place)

    def bar(self) -> dict[str, Any]:
        """The bar that explains the colours."""
        places = [i / (_STOPS - 1) for i in range(_STOPS)]
        ends = [format(end, self._look.form).replace("-", "−") for end in (self.low, self.high)]
        colors = [_css(self._at(1 - place if self._reversed else place)) for place in places]
        return {"title": self._look.title, "colors": colors, "low": ends[0], "high": ends[1]}

    def _at(self, place: float) -> tuple[float, float, float]:
        (found,) = plotly.colors.sample_colorscale(self._stops, [place], colortype="tuple")
        red, green, blue = found
        return float(red), float(green), float(blue)


def _cell(value: float | None, text: str, *, hover: str, quantity: Quantity, scale: _Scale) -> dict[str, Any]:
    found: dict[str, Any] = {"text": text, "short": text, "hover": _TAG.sub("", hover.replace("<br>", "\n"))}
    if value is None or pd.isna(value):
        return found
    shown = LOOKS[quantity].factor * float(value)
    if quantity != "z":
        found["short"] = f"{round(shown)}".replace("-", "−")
    color = scale.color(shown)
    return found | {"background": _css(color), "ink": ink_on(color)}


def _css(color: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(255 * part):02X}" for part in color)
