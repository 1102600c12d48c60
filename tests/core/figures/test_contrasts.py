"""The forest of contrasts and the question at a glance, through their data."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import pytest

from core.figures.contrasts import at_a_glance, forest
from core.figures.theme import DIVERGING, MUTED, STAMP_PX, stamped

ROWS = pd.DataFrame(
    [("hardest instead of easiest third", "all", "other languages", -0.012, -0.03, 0.006, 5),
     ("hardest instead of easiest third", "target", "udpos", 0.02, None, None, 1),
     ("nearest instead of farthest third", "all", "other languages", None, None, None, 0)],
    columns=["label", "group_kind", "group", "estimate", "ci_low", "ci_high", "n"],
).assign(unit="% of the head-room", targets=2, langs=3, seeds=2)  # fmt: skip


def test_a_line_per_estimate_in_the_order_of_the_rows() -> None:
    order, whole, parts = forest(ROWS, factor=100).data
    assert [list(level) for level in order.y] == [
        ["hardest instead of easiest third"] * 2,
        ["other languages", "udpos"],
    ]
    assert list(whole.x) == [pytest.approx(-1.2)]
    assert list(whole.error_x.array) == [pytest.approx(1.8)]
    assert list(parts.error_x.array) == [0], "one base task has no interval"
    assert "no interval" in parts.hovertext[0] and "1 base tasks" in parts.hovertext[0]


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ValueError, match="No contrast to draw"):
        forest(ROWS.iloc[2:], factor=100)


def test_a_glance_has_a_diamond_per_row_and_dots_on_its_line() -> None:
    rows = pd.DataFrame(
        [("tasks", "all of them", 0.01, 0.005, 0.015, 2), ("tasks", "mnli", -0.02, -0.03, -0.01, 2),
         ("contrasts", "hard − easy", 0.0, float("nan"), float("nan"), 1)],
        columns=["part", "name", "estimate", "low", "high", "n"],
    )  # fmt: skip
    dots = pd.DataFrame([("tasks", "mnli", "xnli", -0.04)], columns=["part", "name", "target", "value"])
    fig = at_a_glance(rows, dots, factor=100, unit="% of it", title=str.upper)
    *diamonds, points = fig.data
    assert [trace.x[0] for trace in diamonds] == [1.0, -2.0, 0.0]
    assert diamonds[1].y[0] == points.y[0] and points.x[0] == -4.0
    colors = [trace.marker.color for trace in diamonds]
    assert colors == [DIVERGING["light"][7], DIVERGING["light"][2], MUTED["light"]]  # above zero, below, no telling
    assert list(fig.layout.yaxis.ticktext) == [
        "<b>After the English task …</b>", "ALL OF THEM", "MNLI", "<b>Inside one task …</b>", "HARD − EASY"
    ]  # fmt: skip
    low, high = fig.layout.xaxis.range
    assert low < -4 and high > 4
    # Over two targets the limits of one row are far beyond all others: an arrow at the edge, and how far it goes.
    wide = at_a_glance(rows.assign(low=[0.005, -0.9, None], high=[0.015, 0.88, None]), dots, factor=100, unit="% of it")
    *_, left, right = wide.data
    low, high = wide.layout.xaxis.range
    assert -6 < low < left.x[0] < -4 and 4 < right.x[0] < high < 6
    assert wide.data[1].error_x.array[0] == pytest.approx(right.x[0] + 2)  # the bar ends where the arrow stands
    assert (left.text, right.text) == (("−90",), ("+88",)) and left.y == right.y == wide.data[1].y
    with pytest.raises(ValueError, match="0 rows"):
        at_a_glance(rows.head(0), dots, factor=100, unit="")


def test_a_stamped_figure_says_what_its_data_are_and_the_original_does_not() -> None:
    fig = go.Figure(go.Scatter(x=[1], y=[1])).update_layout(height=200, margin={"t": 10})
    copy = stamped(fig, "generated sentences, known truth")
    assert copy.layout.title.text == "generated sentences, known truth" and fig.layout.title.text is None
    assert (copy.layout.height, copy.layout.margin.t) == (200 + STAMP_PX, 10 + STAMP_PX)
