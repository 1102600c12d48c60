"""Figures of the analysis, through their data."""

from __future__ import annotations

from functools import partial

import pandas as pd
import pytest

from core.figures.analysis import (
    Side,
    gain_bins,
    group_effects,
    group_shares,
    marginal_effect,
    scatter_of_cells,
    specification_curve,
    variance_shares,
)
from core.report.drawn import IMAGES
from core.report.image import image
from tests.core.figures import plain

UNIT = {"unit": "points", "factor": 100.0}
BINS = pd.DataFrame(
    [(0, 0, 0.0, 0.1, 0.2, 0.3, 0.012, 0.002, 0.022, 3, 12), (1, 1, 0.2, 0.3, 0.4, 0.5, -0.02, None, None, 1, 4)],
    columns=["difficulty_bin", "similarity_bin", "difficulty_low", "difficulty_high", "similarity_low",
             "similarity_high", "gain", "ci_low", "ci_high", "intermediates", "cells"],
)  # fmt: skip
SHARES = pd.DataFrame(
    [("difficulty", "difficulty", 0.2, 0.1, 0.4, 12, "intermediates", "m"),
     ("residual", "rest", 0.1, None, None, 9, "cells", "m")],
    columns=["name", "label", "estimate", "ci_low", "ci_high", "n", "n_unit", "method"],
)  # fmt: skip


def test_bins_are_points_around_zero_with_limits_and_n() -> None:
    heat = gain_bins(BINS, x_title="cosine", y_title="headroom", **UNIT).data[0]
    assert [list(line) for line in heat.z] == [[1.2, None], [None, -2.0]]
    assert (heat.zmin, heat.zmid, heat.zmax) == (-2.0, 0, 2.0)
    assert plain(heat.text[0][0]) == "<b>+1.2</b><br>+0.2 to +2.2<br>n = 3"
    assert plain(heat.text[1][1]) == "<b>−2.0</b><br>n = 1"  # one intermediate has no interval
    assert heat.texttemplate == "%{text}"
    assert heat.hovertext[0][1] == "no cell"


def test_shares_are_per_cent_with_whiskers() -> None:
    dots = variance_shares(SHARES).data[0]
    assert list(dots.x) == [20.0, 10.0]
    assert list(dots.error_x.array) == [20.0, 0.0]
    assert "n 12 intermediates" in dots.hovertext[0]
    assert "no interval" in dots.hovertext[1]


def test_groups_have_a_trace_for_each_term() -> None:
    rows = pd.concat([SHARES.iloc[:1].assign(group="xnli"), SHARES.iloc[:1].assign(group="udpos", name="similarity")])
    assert [t.name for t in group_effects(rows, **UNIT).data] == ["difficulty", "similarity"]
    assert [t.name for t in group_shares(rows).data] == ["difficulty", "similarity"]


def test_the_marginal_band_closes() -> None:
    line = pd.DataFrame({"x": [0.0, 1.0], "gain": [0.0, 0.01], "low": [-0.01, 0.0], "high": [0.01, 0.02]})
    points = pd.DataFrame({"intermediate": ["mnli"], "x": [0.5], "gain": [0.004], "cells": [20]})
    band, drawn, dots = marginal_effect(line, points, x_title="headroom", **UNIT).data
    assert list(band.x) == [0.0, 1.0, 1.0, 0.0]
    assert list(band.y) == pytest.approx([1.0, 2.0, 0.0, -1.0])
    assert list(drawn.y) == pytest.approx([0.0, 1.0])
    assert dots.customdata[0][0] == "mnli"


def test_a_band_for_each_measure_of_the_term_and_the_chosen_pair_apart() -> None:
    rows = pd.DataFrame(
        [("headroom", "mmd", 0.01, 0.0, 0.02), ("headroom", "cosine", 0.02, 0.01, 0.03),
         ("entropy", "mmd", -0.01, -0.02, 0.0), ("entropy", "cosine", None, None, None)],
        columns=["difficulty_measure", "similarity_measure", "estimate", "ci_low", "ci_high"],
    ).assign(n=12)  # fmt: skip
    fig = specification_curve(rows, term="difficulty", chosen=("headroom", "cosine"), **UNIT)
    others, chosen = fig.data
    assert list(fig.layout.yaxis.ticktext) == ["entropy", "headroom"]  # the lowest estimate below
    assert list(others.x) == [1.0, -1.0] and list(chosen.x) == [2.0]
    assert [round(y) for y in others.y] == [1, 0] and [round(y) for y in chosen.y] == [1]
    assert chosen.y[0] != others.y[0]
    assert list(chosen.error_x.array) == pytest.approx([1.0])
    across = specification_curve(rows, term="similarity", chosen=("headroom", "cosine"), **UNIT)
    assert list(across.layout.yaxis.ticktext) == ["mmd", "cosine"]
    with pytest.raises(ValueError, match="found 0 rows"):
        specification_curve(rows[3:], term="difficulty", chosen=("", ""), **UNIT)


@pytest.mark.parametrize("draw", [variance_shares, partial(group_effects, **UNIT)])
def test_nothing_is_refused(draw: object) -> None:
    with pytest.raises(ValueError, match="found 0 rows"):
        draw(SHARES.iloc[:0].assign(group=""))  # type: ignore[operator]


def test_a_scatter_has_one_line_of_words_a_point_and_goes_into_every_file() -> None:
    rows = pd.DataFrame(
        [
            ("qqp", "xnli", "sw", 2, 1000.0, -1.25),
            ("mnli", "xnli", "de", 1, 50.0, 2.0),
            ("mnli", "xnli", "en", 1, None, 9),
        ],
        columns=["intermediate", "target", "lang", "n_seeds", "x", "y"],
    )
    sides = {"x": Side("training examples", is_log=True), "y": Side("gain, points")}
    fig = scatter_of_cells(rows, colour="intermediate", title=str.upper, **sides)
    assert [(dots.name, list(dots.x)) for dots in fig.data] == [
        ("MNLI", [pytest.approx(1.699, abs=1e-3)]),
        ("QQP", [3.0]),
    ]
    assert fig.data[0].marker.color != fig.data[1].marker.color
    assert list(fig.data[1].hovertext) == [
        "QQP → XNLI, Swahili (sw): gain, points −1.25, training examples 1e+03, 2 seeds"
    ]
    ticks = dict(zip(fig.layout.xaxis.ticktext, fig.layout.xaxis.tickvals, strict=True))
    assert ticks["100"] == 2 and {"50", "200", "1,000"} < set(ticks) and fig.layout.yaxis.tickvals is None
    for form in IMAGES:
        assert len(image(fig, form=form, title="Any two", width_px=760)) > 1000
    many = scatter_of_cells(rows.loc[[0] * 60].assign(intermediate=[f"i{n:02}" for n in range(60)]),
                            colour="intermediate", **sides)  # fmt: skip
    looks = {(dots.marker.color, dots.marker.symbol) for dots in many.data}
    assert len(looks) == 49  # seven colours, seven symbols: more look like others, and the words tell them apart
    with pytest.raises(ValueError, match="No cells with both values"):
        scatter_of_cells(rows.assign(x=None), **sides)
