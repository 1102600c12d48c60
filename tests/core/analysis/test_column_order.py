"""The order of a heatmap's columns."""

from __future__ import annotations

import pandas as pd
import pytest

from core.analysis.cells import ColumnOrder, Grid, in_columns, ordered_columns


def _grid() -> Grid:
    floor = "baseline at the floor"
    english = [("en", "a", 0.1, None), ("en", "b", 0.3, None), ("en", "c", None, None), ("en", "d", 0.9, floor)]
    swahili = [("sw", "a", 0.4, None), ("sw", "b", 0.0, None), ("sw", "c", None, None), ("sw", "d", 0.9, floor)]
    rows = english + swahili
    cells = pd.DataFrame(rows, columns=["lang", "intermediate", "gain", "excluded"])
    means = pd.DataFrame({"intermediate": list("abcd"), "value": [0.25, 0.15, None, None]})
    return Grid(cells, means, ("en", "sw"), 0, 2)


@pytest.mark.parametrize(
    ("order", "lang", "wanted"),
    [
        ("name", None, "abcd"),
        ("mean gain", "en", "abcd"),  # 0.25, 0.15; d is no evidence, however large
        ("gain in the chosen language", "en", "bacd"),
        ("gain in the chosen language", "sw", "abcd"),
        ("gain in the chosen language", None, "abcd"),  # none is chosen: the mean
        ("similarity to the target", None, "dbac"),
    ],
)
def test_the_best_comes_first_and_what_has_no_value_last(order: ColumnOrder, lang: str | None, wanted: str) -> None:
    found = ordered_columns(_grid(), order=order, lang=lang, similarity={"d": 0.9, "b": 0.5, "a": -0.2})
    assert "".join(found) == wanted


def test_columns_move_and_rows_stay() -> None:
    before = _grid()
    found = in_columns(before, "dbac")
    assert list(found.cells["intermediate"]) == list("dbacdbac")
    assert list(found.cells["lang"]) == ["en"] * 4 + ["sw"] * 4
    assert list(found.means["intermediate"]) == list("dbac")
    assert found.cells.columns.equals(before.cells.columns) and found.means.columns.equals(before.means.columns)
    key = ["lang", "intermediate"]
    pd.testing.assert_frame_equal(
        found.cells.sort_values(key, ignore_index=True), before.cells.sort_values(key, ignore_index=True)
    )
