"""The transfer heatmap: values, holes, colours, clicks."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import pytest

from core.figures.heatmap import Cell, Quantity, cell_text, transfer_heatmap
from core.figures.theme import DIVERGING, Mode


def _cells() -> pd.DataFrame:
    columns = ["lang", "intermediate", "value", "sd", "n_seeds", "seeds", "n", "in_task", "missing"]
    rows = [
        ("en", "mnli", 0.012, 0.004, 2, "1, 2", 100, False, None),
        ("en", "squad", -0.035, None, 1, "1", 100, True, None),
        ("sw", "mnli", 0.0, 0.0, 2, "1, 2", 90, False, None),
        ("sw", "squad", None, None, 0, "", 0, False, "no baseline"),
    ]
    return pd.DataFrame(rows, columns=columns)


def _draw(quantity: Quantity = "gain", *, selected: Cell | None = None, mode: Mode = "light") -> go.Figure:
    return transfer_heatmap(_cells(), quantity=quantity, selected=selected, mode=mode)


def test_gains_are_in_points_and_symmetric_about_zero() -> None:
    heat = _draw().data[0]
    # 0.012 → +1.2 points; the largest absolute value, 3.5, bounds both sides.
    assert heat.z[0] == pytest.approx((1.2, -3.5))
    assert (heat.zmin, heat.zmid, heat.zmax) == pytest.approx((-3.5, 0, 3.5))
    assert [c for _, c in heat.colorscale] == list(DIVERGING["light"])


def test_a_missing_cell_is_empty_and_says_why() -> None:
    fig = _draw()
    heat, dashes, clicks = fig.data
    assert heat.z[1][1] is None
    assert heat.text[1][1] == ""
    assert (list(dashes.x), list(dashes.y), list(dashes.text)) == (["squad"], ["sw"], ["–"])
    assert "no gain: no baseline" in clicks.text[3]


def test_zero_is_a_value_and_not_a_hole() -> None:
    heat = _draw().data[0]
    assert heat.z[1][0] == 0.0
    assert heat.text[1][0] == "+0.0"


def test_in_task_cells_are_marked() -> None:
    heat, _, clicks = _draw().data
    assert heat.text[0][1] == "−3.5†"
    assert "in-task" in clicks.text[1]


def test_hover_tells_mean_spread_seeds_and_examples() -> None:
    text = _draw().data[2].text[0]
    for part in ("English", "mnli", "+1.2 points", "sd over seeds 0.40", "2 seeds: 1, 2", "100 test examples"):
        assert part in text


def test_scores_are_per_cent_on_a_sequential_scale() -> None:
    heat = _draw("score").data[0]
    assert heat.zmid is None
    assert heat.text[0][0] == "1.2"


def test_clicks_carry_the_cell() -> None:
    clicks = _draw().data[2]
    assert [list(c) for c in clicks.customdata] == [["en", "mnli"], ["en", "squad"], ["sw", "mnli"], ["sw", "squad"]]
    assert clicks.marker.opacity == 0


def test_the_chosen_cell_is_framed_and_an_unknown_one_is_not() -> None:
    shape = _draw(selected=Cell("sw", "mnli")).layout.shapes[0]
    assert (shape.x0, shape.x1) == pytest.approx((-0.48, 0.48))  # first column
    assert (shape.y0, shape.y1) == pytest.approx((0.53, 1.47))  # second row
    assert not _draw(selected=Cell("xx", "mnli")).layout.shapes


def test_no_cells_is_an_error() -> None:
    with pytest.raises(ValueError, match="found 0 rows"):
        transfer_heatmap(_cells().iloc[:0], quantity="gain")


def test_all_missing_still_draws() -> None:
    heat = transfer_heatmap(_cells().assign(value=None), quantity="gain").data[0]
    assert heat.zmax == 1.0
    assert all(v is None for row in heat.z for v in row)


@pytest.mark.parametrize(
    ("value", "quantity", "in_task", "text"),
    [
        (0.1234, "gain", False, "+12.3"),
        (-0.001, "gain", False, "−0.1"),
        (0.5, "score", True, "50.0†"),
        (None, "gain", True, "–"),
    ],
)
def test_cell_text(value: float | None, quantity: Quantity, in_task: bool, text: str) -> None:
    assert cell_text(value, quantity=quantity, in_task=in_task) == text
