"""Numbers on a heatmap: readable on every colour of every scale, in the right place."""

from __future__ import annotations

import numpy as np
import plotly.colors
import plotly.graph_objects as go
import pytest

from core.figures.numbers import colour_bar, ink_on, luminance, write_numbers
from core.figures.theme import DIVERGING, SEQUENTIAL, Mode, colorscale


def _heat(**changed: object) -> go.Heatmap:
    plain = {"x": ["a", "b"], "y": ["de", "sw"], "z": [[-5.0, None], [0.0, 5.0]], "zmin": -5, "zmax": 5,
             "text": [["−5", ""], ["0", "+5"]], "colorscale": [[0, "#FFFFFF"], [1, "#000000"]]}  # fmt: skip
    return go.Heatmap(plain | changed)


def test_luminance_of_the_standard_cases() -> None:
    assert luminance((0, 0, 0)) == 0
    assert luminance((1, 1, 1)) == pytest.approx(1)
    # #777777, the darkest grey that misses 4.5 to 1 on white: 4.48.
    grey = 0x77 / 255
    assert 1.05 / (luminance((grey, grey, grey)) + 0.05) == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("colors", [DIVERGING, SEQUENTIAL])
def test_every_colour_of_a_scale_bears_its_number(colors: dict[Mode, tuple[str, ...]], mode: Mode) -> None:
    for color in plotly.colors.sample_colorscale(colorscale(colors[mode]), np.linspace(0, 1, 101), colortype="tuple"):
        ground = luminance(color) + 0.05
        contrast = 1.05 / ground if ink_on(color) == "#FFFFFF" else ground / 0.05
        assert contrast >= 4.5


def _white(text: str) -> str:
    return f'<span style="color:#FFFFFF">{text}</span>'


def _written(heat: go.Heatmap) -> list[list[str]]:
    return [list(line) for line in write_numbers(heat).text]


def test_a_number_has_the_ink_of_its_cell_and_a_hole_has_none() -> None:
    heat = _heat(text=[["−5", "a word of no value"], ["0", "+5"]])
    assert _written(heat) == [["−5", ""], ["0", _white("+5")]]  # on white, on mid-grey, on black
    assert (heat.texttemplate, heat.textfont.color) == ("%{text}", "#000000")


def test_a_reversed_scale_reverses_the_ink() -> None:
    assert _written(_heat(reversescale=True)) == [[_white("−5"), ""], ["0", "+5"]]


def test_a_value_beyond_the_scale_has_the_colour_of_its_end() -> None:
    assert _written(_heat(zmin=-1, zmax=1)) == [["−5", ""], ["0", _white("+5")]]


def test_one_value_and_none_at_all_are_drawn() -> None:
    assert _written(_heat(z=[[3.0, None], [None, None]], zmin=3, zmax=3)) == [["−5", ""], ["", ""]]
    assert _written(_heat(z=[[None, None], [None, None]])) == [["", ""], ["", ""]]


def test_the_scale_lies_below_and_takes_no_width() -> None:
    bar = go.Heatmap(colorbar=colour_bar("gain, points")).colorbar
    assert (bar.orientation, bar.xanchor, bar.yanchor, bar.title.text) == ("h", "left", "top", "gain, points")
    assert colour_bar("gain, points", above=True)["yanchor"] == "bottom"
