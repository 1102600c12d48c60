"""Numbers on a heatmap: readable on every colour of every scale, in the right place."""

from __future__ import annotations

import numpy as np
import plotly.colors
import plotly.graph_objects as go
import pytest

from core.figures.numbers import colour_bar, ink_on, luminance, numbers
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


def test_a_number_lies_on_its_cell_and_a_hole_has_none() -> None:
    layer = numbers(_heat())
    assert list(zip(layer.x, layer.y, layer.text, strict=True)) == [
        ("a", "de", "−5"), ("a", "sw", "0"), ("b", "sw", "+5")
    ]  # fmt: skip
    assert layer.textfont.color == ("#000000", "#000000", "#FFFFFF")  # on white, on mid-grey, on black
    assert layer.hoverinfo == "skip"


def test_a_reversed_scale_reverses_the_ink() -> None:
    assert numbers(_heat(reversescale=True)).textfont.color[0] == "#FFFFFF"


def test_a_value_beyond_the_scale_has_the_colour_of_its_end() -> None:
    assert numbers(_heat(zmin=-1, zmax=1)).textfont.color == ("#000000", "#000000", "#FFFFFF")


def test_one_value_and_none_at_all_are_drawn() -> None:
    assert len(numbers(_heat(z=[[3.0, None], [None, None]], zmin=3, zmax=3)).text) == 1
    assert numbers(_heat(z=[[None, None], [None, None]])).text == ()


def test_the_scale_lies_below_and_takes_no_width() -> None:
    bar = go.Heatmap(colorbar=colour_bar("gain, points")).colorbar
    assert (bar.orientation, bar.xanchor, bar.yanchor, bar.title.text) == ("h", "left", "top", "gain, points")
    assert colour_bar("gain, points", above=True)["yanchor"] == "bottom"
