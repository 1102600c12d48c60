"""Small multiples, through their data."""

from __future__ import annotations

import pandas as pd
import pytest

from core.figures.multiples import gain_strips
from core.figures.theme import MUTED

PAIRS = pd.DataFrame(
    [("xnli", "mnli", 0.02, 0.01, 0.03, 0.01, 3, 14, False), ("xnli", "qqp", -0.01, -0.2, 0.18, 0.6, 3, 14, False),
     ("udpos", "mnli", 0.01, None, None, None, 1, 30, False), ("xquad", "squad", 0.05, None, None, None, 1, 10, True),
     ("pawsx", "qqp", -0.03, -0.04, -0.02, 0.01, 3, 6, False)],
    columns=["target", "intermediate", "gain", "low", "high", "q_value", "n_seeds", "n_langs", "in_task"],
)  # fmt: skip


def test_a_strip_a_target_on_one_scale_of_signed_roots() -> None:
    fig = gain_strips(PAIRS)
    assert [note.text for note in fig.layout.annotations] == ["xnli", "udpos", "xquad", "pawsx"]
    places = [[2**0.5, -1.0], [1.0], [5**0.5], [-(3**0.5)]]
    assert [list(trace.x) for trace in fig.data] == [pytest.approx(place) for place in places]
    ranges = {tuple(axis.range) for axis in fig.select_xaxes()}
    assert len(ranges) == 1 and next(iter(ranges)) == pytest.approx((-(8**0.5), 8**0.5))
    # From 2 to 3 points, and from −1 to 18.
    assert list(fig.data[0].error_x.array) == pytest.approx([3**0.5 - 2**0.5, 18**0.5 + 1])
    assert list(fig.layout.xaxis.ticktext) == ["−5", "−1", "0", "+1", "+5"]
    assert list(fig.layout.xaxis.tickvals) == pytest.approx([-(5**0.5), -1, 0, 1, 5**0.5])
    assert list(fig.layout.yaxis.categoryarray) == ["squad", "mnli", "qqp"]  # by mean gain: 5, 1.5, −2


def test_colour_is_kept_for_what_differs_from_zero() -> None:
    strips = {trace.text[0].split("<b>")[2].split("<")[0]: trace for trace in gain_strips(PAIRS).data}
    up, unsure = strips["xnli"].marker.color
    (down,) = strips["pawsx"].marker.color
    assert unsure == MUTED["light"] and len({up, down, unsure}) == 3
    assert strips["udpos"].marker.color[0] == MUTED["light"]  # no interval
    assert strips["xquad"].marker.symbol[0] == "circle-open" and strips["xnli"].marker.symbol[0] == "circle"
    assert "no interval" in strips["udpos"].text[0] and "1 seed<" not in strips["xnli"].text[0]


def test_numbers_stand_below_every_column() -> None:
    shown = [axis.showticklabels for axis in gain_strips(PAIRS).select_xaxes()]
    assert shown[:4] == [False, True, True, True]  # three columns, the second row has one strip


def test_many_targets_stand_in_four_columns() -> None:
    many = pd.concat([PAIRS[:1].assign(target=f"t{i}") for i in range(13)])
    shown = [axis.showticklabels for axis in gain_strips(many).select_xaxes()]
    assert shown[:13] == [False] * 9 + [True] * 4


def test_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="found 0 pairs"):
        gain_strips(PAIRS[:0])
