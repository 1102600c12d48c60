"""The transfer heatmap: values, holes, colours, clicks."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import pytest

from core.figures.heatmap import Cell, Quantity, cell_text, transfer_heatmap
from core.figures.theme import DIVERGING, Mode
from tests.core.figures import plain


def _cells() -> pd.DataFrame:
    columns = ["lang", "intermediate", "value", "low", "high", "q_value", "significant", "n_seeds", "seeds", "n",
               "in_task", "state", "missing"]  # fmt: skip
    rows = [
        ("en", "mnli", 0.012, 0.002, 0.022, 0.03, True, 2, "1, 2", 100, False, "done", None),
        ("en", "squad", -0.035, None, None, None, False, 1, "1", 100, True, "done", None),
        ("sw", "mnli", 0.0, -0.01, 0.01, 0.9, False, 2, "1, 2", 90, False, "done", None),
        ("sw", "squad", None, None, None, None, False, 0, "", 0, False, "failed", "out of memory " * 20),
    ]
    found = pd.DataFrame(rows, columns=columns)
    return found.assign(gain=found["value"], score=0.5, sd=0.004, tested_by="seeds", excluded=None)


def _means() -> pd.DataFrame:
    return pd.DataFrame({"intermediate": ["mnli", "squad"], "value": [0.006, None], "low": [0.001, None],
                         "high": [0.011, None], "n_seeds": [2, 0], "n_langs": 2, "in_task": False})  # fmt: skip


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
    assert "no gain: failed, out of memory" in clicks.text[3]
    assert len(clicks.text[3]) < 200, "a message may be a page long"


def test_zero_is_a_value_and_not_a_hole() -> None:
    heat = _draw().data[0]
    assert heat.z[1][0] == 0.0
    assert heat.text[1][0] == "+0.0"


def test_in_task_cells_are_marked() -> None:
    heat, _, clicks = _draw().data
    assert plain(heat.text[0][1]) == "−3.5†"
    assert "in-task" in clicks.text[1]


def test_a_value_that_is_no_evidence_stands_in_brackets_and_says_why() -> None:
    cells = _cells().assign(excluded=["baseline at the floor", None, None, "baseline at the floor"])
    heat, dashes, clicks = transfer_heatmap(cells, quantity="gain").data
    assert [plain(text) for text in heat.text[0]] == ["(+1.2*)", "−3.5†"]
    assert "(does not count: baseline at the floor)" in clicks.text[0]
    assert list(dashes.text) == ["–"], "a hole has nothing to put in brackets"


def test_hover_tells_mean_interval_seeds_test_and_examples() -> None:
    text = _draw().data[2].text[0]
    for part in ("English", "mnli", "+1.2 points [+0.2, +2.2]", "2 seeds: 1, 2", "q = 0.03", "100 test examples"):
        assert part in text
    assert "[" not in _draw().data[2].text[1]  # one seed has no interval


def test_a_gain_that_differs_from_zero_has_a_star() -> None:
    heat = _draw().data[0]
    assert [plain(text) for text in heat.text[0]] == ["+1.2*", "−3.5†"]
    assert heat.texttemplate == "%{text}"  # or nothing would be written


def test_the_row_of_means_stands_first_and_chooses_no_language() -> None:
    fig = transfer_heatmap(_cells(), quantity="gain", means=_means(), selected=Cell("sw", "mnli"))
    heat, dashes, clicks = fig.data
    assert heat.z[0] == pytest.approx((0.6, None))
    assert list(fig.layout.yaxis.categoryarray) == ["mean", "en", "sw"]
    assert list(dashes.y) == ["mean", "sw"]
    assert [list(c) for c in clicks.customdata[:2]] == [["", "mnli"], ["", "squad"]]
    assert "mean over 2 languages" in clicks.text[0] and "+0.6 points [+0.1, +1.1]" in clicks.text[0]
    assert "it lacks a value in one of them" in clicks.text[1]
    box = next(s for s in fig.layout.shapes if s.type == "rect")
    assert (box.y0, box.y1) == pytest.approx((1.53, 2.47))  # below the means and English


def test_a_language_or_an_intermediate_alone_frames_its_row_or_column() -> None:
    row, column = (_draw(selected=cell).layout.shapes[0] for cell in (Cell("sw", None), Cell(None, "squad")))
    assert (row.x0, row.x1, row.y0, row.y1) == pytest.approx((-0.5, 1.5, 0.53, 1.47))
    assert (column.x0, column.x1, column.y0, column.y1) == pytest.approx((0.52, 1.48, -0.5, 1.5))
    assert not _draw(selected=Cell(None, None)).layout.shapes


def test_ranks_colour_the_first_place_strongest_and_z_scores_around_zero() -> None:
    assert _draw("rank").data[0].reversescale
    assert _draw("z").data[0].zmid == 0
    assert "gain +1.2 points [+0.2, +2.2]" in _draw("rank").data[2].text[0]


def test_scores_are_per_cent_on_a_sequential_scale() -> None:
    heat = _draw("score").data[0]
    assert heat.zmid is None
    assert plain(heat.text[0][0]) == "1.2*"


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
    ("value", "quantity", "marks", "text"),
    [
        (0.1234, "gain", "", "+12.3"),
        (-0.001, "gain", "", "−0.1"),
        (0.5, "score", "†", "50.0†"),
        (2.5, "rank", "", "2.5"),
        (-1.26, "z", "", "−1.3"),
        (None, "gain", "†", "–"),
    ],
)
def test_cell_text(value: float | None, quantity: Quantity, marks: str, text: str) -> None:
    assert cell_text(value, quantity=quantity, marks=marks) == text
