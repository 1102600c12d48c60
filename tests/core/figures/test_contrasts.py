"""The forest of contrasts, through its data."""

from __future__ import annotations

import pandas as pd
import pytest

from core.figures.contrasts import forest

ROWS = pd.DataFrame(
    [("hardest − easiest third", "all", "other languages", -0.012, -0.03, 0.006, 5),
     ("hardest − easiest third", "target", "udpos", 0.02, None, None, 1),
     ("nearest − farthest third", "all", "other languages", None, None, None, 0)],
    columns=["label", "group_kind", "group", "estimate", "ci_low", "ci_high", "n"],
).assign(unit="% of the head-room", targets=2, langs=3, seeds=2)  # fmt: skip


def test_a_line_per_estimate_in_the_order_of_the_rows() -> None:
    order, whole, parts = forest(ROWS, factor=100).data
    assert [list(level) for level in order.y] == [["hardest − easiest third"] * 2, ["other languages", "udpos"]]
    assert list(whole.x) == [pytest.approx(-1.2)]
    assert list(whole.error_x.array) == [pytest.approx(1.8)]
    assert list(parts.error_x.array) == [0], "one base task has no interval"
    assert "no interval" in parts.hovertext[0] and "1 base tasks" in parts.hovertext[0]


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ValueError, match="No contrast to draw"):
        forest(ROWS.iloc[2:], factor=100)
