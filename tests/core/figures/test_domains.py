"""The map of domains and the scatter beside it: fixed window, what a click carries, what is ringed, errors."""

from __future__ import annotations

import math

import pandas as pd
import plotly.graph_objects as go
import pytest

from core.figures.domain_map import domain_map
from core.figures.heatmap import Cell
from core.figures.similarity_scatter import Axis, cut_bars, similarity_scatter
from core.figures.theme import Mode

COSINE, FRECHET = Axis("Centroid cosine", True), Axis("Fréchet distance", False)


def _points() -> pd.DataFrame:
    rows = [
        ("mnli", "intermediate", "mnli", "en", 0.0, 1.0, ["", "mnli"], True),
        ("qqp", "intermediate", "qqp", "en", 2.0, 0.0, ["", "qqp"], True),
        ("xnli", "train", "xnli", "en", 1.0, 1.0, ["", ""], True),
        ("de", "test", "xnli", "de", 1.0, 0.5, ["de", ""], True),
        ("sw", "test", "xnli", "sw", 1.5, 0.5, ["sw", ""], False),
        ("far", "test", "udpos", "de", -8.0, 4.0, ["de", ""], False),
        ("lost", "intermediate", "lost", "en", None, None, ["", ""], True),
    ]
    columns = ["label", "role", "task", "lang", "x", "y", "key", "is_shown"]
    return pd.DataFrame(rows, columns=columns).assign(n=500)


def _ring(fig: go.Figure) -> list[tuple[float, float]]:
    trace = next(t for t in fig.data if t.marker.size == 22)
    return list(zip(trace.x, trace.y, strict=True))


def test_points_by_kind_with_names_and_what_a_click_chooses() -> None:
    fig = domain_map(_points())
    assert [t.name for t in fig.data[:3]] == ["intermediates", "target, training text", "its test texts"]
    assert list(fig.data[0].text) == ["mnli", "qqp"]
    assert [list(c) for c in fig.data[2].customdata] == [["de", ""]]
    assert "test text in German" in fig.data[2].hovertext[0]


def test_names_that_would_cover_others_are_left_to_the_hover_but_not_the_chosen_ones() -> None:
    crowd = pd.concat(
        [_points().assign(label=f"task{i}", task=f"task{i}", key=[["", f"task{i}"]] * 7)[:1] for i in range(20)]
    )
    crowd = pd.concat([crowd, _points()], ignore_index=True)
    names = domain_map(crowd, selected=Cell("de", "task19")).data[0].text
    assert names[19] == "task19" and "" in names and len(names) == 22
    row = pd.concat([_points()[:1].assign(label=f"task{i}", x=i / 10) for i in range(10)], ignore_index=True)
    named = [sum(name != "" for name in domain_map(row, plot_px=px).data[0].text) for px in (1000, 400, 150)]
    assert named[0] == 10 > named[2] and named[1] >= named[2] > 0  # a narrow plot has room for fewer
    pairs = pd.concat([_pairs()[:1].assign(intermediate=f"task{i}") for i in range(20)], ignore_index=True)
    names = similarity_scatter(pairs, axis=COSINE, selected=Cell("de", "task19")).data[0].text
    assert names[19] == "task19" and "" in names and len(names) == 20


def test_the_window_is_that_of_all_points_shown_or_not() -> None:
    narrow = domain_map(_points())
    wide = domain_map(_points().assign(is_shown=True))
    for axis in ("xaxis", "yaxis"):
        assert narrow.layout[axis].range == wide.layout[axis].range
    # x runs from -8 to 2: 12 % of 10 on each side.
    assert narrow.layout.xaxis.range == pytest.approx((-9.2, 3.2))


def test_the_choice_is_ringed() -> None:
    assert _ring(domain_map(_points(), selected=Cell("de", "qqp"))) == [(2.0, 0.0), (1.0, 0.5)]
    assert _ring(domain_map(_points(), selected=Cell("sw", None))) == []  # not shown
    assert _ring(domain_map(_points())) == []


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_both_themes_draw(mode: Mode) -> None:
    assert domain_map(_points(), mode=mode).data
    assert similarity_scatter(_pairs(), axis=COSINE, mode=mode).data


def test_a_map_without_points_is_an_error() -> None:
    with pytest.raises(ValueError, match="found 0 that are shown"):
        domain_map(_points().assign(is_shown=False))


def _pairs() -> pd.DataFrame:
    rows = [
        ("mnli", 0.9, 0.8, 0.95, 0.02, 0.01, 0.03, True, False),
        ("qqp", 0.7, math.nan, math.nan, -0.01, math.nan, math.nan, True, False),
        ("squad", 0.5, math.nan, math.nan, 0.04, math.nan, math.nan, False, True),
    ]
    columns = ["intermediate", "similarity", "similarity_low", "similarity_high", "gain", "gain_low", "gain_high",
               "counts", "in_task"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns).assign(n_seeds=2, n_langs=14)


def test_gains_are_in_points_with_both_intervals() -> None:
    counted, others = similarity_scatter(_pairs(), axis=COSINE).data[:2]
    assert list(counted.y) == pytest.approx([2.0, -1.0])
    # 95 % limits of MNLI: gain 2 [1, 3], similarity 0.9 [0.8, 0.95]; QQP has none.
    assert counted.error_y.array[0] == pytest.approx(1.0) and counted.error_y.array[1] is None
    assert counted.error_x.arrayminus[0] == pytest.approx(0.1) and counted.error_x.array[0] == pytest.approx(0.05)
    assert list(others.text) == ["squad†"] and "does not count" in others.name
    assert [list(c) for c in counted.customdata] == [["", "mnli"], ["", "qqp"]]
    assert "mean over 14 languages, 2 seeds" in counted.hovertext[0]


def test_closer_is_always_to_the_right() -> None:
    low, high = similarity_scatter(_pairs(), axis=COSINE).layout.xaxis.range
    assert low < 0.5 and high > 0.95  # every point and limit is inside
    turned = similarity_scatter(_pairs(), axis=FRECHET).layout.xaxis
    assert turned.range[0] > 0.95 and turned.range[1] < 0.5
    assert "smaller is closer" in turned.title.text


def test_one_wide_interval_does_not_flatten_the_rest() -> None:
    names = [f"task{i}" for i in range(8)]
    pairs = pd.concat([_pairs()[:1].assign(intermediate=name) for name in names], ignore_index=True)
    assert cut_bars(pairs) == 0  # limits 1 to 3
    pairs.loc[0, ["gain_low", "gain_high"]] = [-0.48, 0.52]
    low, high = similarity_scatter(pairs, axis=COSINE).layout.yaxis.range
    # Seven bars of half width 1 around 2 points, one of 50: 1 to 3 with six hundredths of that on either side.
    assert (low, high) == pytest.approx((0.88, 3.12))
    assert cut_bars(pairs) == 1


def test_the_chosen_intermediate_is_ringed() -> None:
    assert _ring(similarity_scatter(_pairs(), axis=COSINE, selected=Cell("de", "qqp"))) == [(0.7, -1.0)]
    assert _ring(similarity_scatter(_pairs(), axis=COSINE, selected=Cell("de", None))) == []


def test_a_scatter_without_points_is_an_error() -> None:
    with pytest.raises(ValueError, match="found 0 rows"):
        similarity_scatter(_pairs().head(0), axis=COSINE)
