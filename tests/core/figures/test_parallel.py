"""Parallel coordinates, through their data."""

from __future__ import annotations

import pandas as pd
import pytest

from core.figures.parallel import Line, parallel_languages, parallel_settings
from core.figures.theme import CATEGORICAL, SYMBOLS, Mode

LINES = [Line("a1", "A", "none → xnli"), Line("b2", "B", "mnli → xnli"), Line("c3", "C", "qqp → xnli")]


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_languages_are_per_cent_in_order_and_gaps_stay_gaps(mode: Mode) -> None:
    scores = pd.DataFrame({"a1": [0.7, 0.5], "b2": [0.71, None], "c3": [0.6, 0.4]}, index=["en", "sw"])
    fig = parallel_languages(scores, LINES, metric="accuracy", mode=mode)
    assert [trace.name for trace in fig.data] == ["A", "B", "C"]
    assert [list(trace.y) for trace in fig.data] == [["en", "sw"]] * 3
    assert list(fig.layout.yaxis.range) == [1.5, -0.5]  # the first language on top
    assert list(fig.data[0].x) == pytest.approx([70, 50])
    assert fig.data[1].x[1] is None and fig.data[1].connectgaps is False
    assert list(fig.data[0].text) == ["English", "Swahili"]
    # Neither colour nor symbol alone tells them apart, in either theme.
    assert [trace.line.color for trace in fig.data] == list(CATEGORICAL[mode][:3])
    assert [trace.marker.symbol for trace in fig.data] == list(SYMBOLS[:3])


def test_numbers_run_from_the_smallest_up_and_words_are_spaced() -> None:
    settings = pd.DataFrame(
        [["1e-05", "3e-05", "2e-05"], ["none", "mnli", "qqp"], [60.0, None, 62.0]],
        index=["protocol.target.learning_rate", "intermediate", "mean"], columns=["a1", "b2", "c3"], dtype="object",
    )  # fmt: skip
    a, b, c = parallel_settings(settings, LINES).data
    assert [a.x[0], b.x[0], c.x[0]] == pytest.approx([0, 1, 0.5])  # by value, though the texts are not in order
    assert [a.x[1], b.x[1], c.x[1]] == [0, 0.5, 1]
    assert (a.x[2], b.x[2], c.x[2]) == (0, None, 1)  # no value, no line
    assert b.text[2] == "mean: –"


def test_every_axis_names_its_values_once_and_close_ones_give_way() -> None:
    settings = pd.DataFrame([[50.0, 60.0, 60.1]], index=["mean"], columns=["a1", "b2", "c3"], dtype="object")
    texts = [note.text for note in parallel_settings(settings, LINES).layout.annotations]
    assert texts == ["<b>mean</b>", "50.00", "60.10"]  # 60.00 lies under 60.10


def test_equal_values_lie_in_the_middle() -> None:
    settings = pd.DataFrame([["x", "x", "x"]], index=["name"], columns=["a1", "b2", "c3"], dtype="object")
    assert [trace.x[0] for trace in parallel_settings(settings, LINES).data] == [0.5] * 3


def test_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least one"):
        parallel_languages(pd.DataFrame(), LINES, metric="accuracy")
    with pytest.raises(ValueError, match="expected at least one"):
        parallel_settings(pd.DataFrame({"a1": ["x"]}, index=["name"]), [])
