"""Curves, scores as they come, and lineage; colours of the theme."""

from __future__ import annotations

import pandas as pd
import pytest

from core.figures.curves import curves_together, dev_curve, loss_curve, use_curve
from core.figures.lineage import lineage
from core.figures.progress import language_dots
from core.figures.theme import CATEGORICAL, DIVERGING, INK, MUTED, SEQUENTIAL, SYMBOLS


def _luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("mode", "background"), [("light", "#FFFFFF"), ("dark", "#10171D")])
def test_text_and_lines_are_visible_on_their_background(mode: str, background: str) -> None:
    # WCAG 2.2: 4.5:1 for text, 3:1 for the parts of a figure.
    assert _contrast(INK[mode], background) >= 4.5
    assert _contrast(MUTED[mode], background) >= 4.5
    assert min(_contrast(c, background) for c in CATEGORICAL[mode]) >= 3


def test_palettes_have_the_length_streamlit_asks_for() -> None:
    assert {len(c) for c in (*DIVERGING.values(), *SEQUENTIAL.values())} == {10}
    assert {len(c) for c in CATEGORICAL.values()} == {len(SYMBOLS)}


def test_loss_curve_has_a_line_per_stage() -> None:
    steps = pd.DataFrame(
        [("mnli", 1, 1.1, 1e-5, 50.0), ("mnli", 2, 0.9, 2e-5, 52.0), ("xnli", 1, 1.0, 1e-5, 49.0)],
        columns=["stage", "step", "loss", "learning_rate", "examples_per_s"],
    )
    fig = loss_curve(steps)
    assert [t.name for t in fig.data] == ["mnli", "xnli"]
    assert list(fig.data[0].y) == [1.1, 0.9]


def test_dev_curve_tells_stages_apart_without_colour() -> None:
    scores = pd.DataFrame(
        [("intermediate mnli", 5, "accuracy", 0.4, 50), ("target xnli", 5, "accuracy", 0.5, 50)],
        columns=["stage", "step", "metric", "score", "n"],
    )
    fig = dev_curve(scores)
    assert len({t.marker.symbol for t in fig.data}) == 2


def test_language_dots_pair_a_score_with_its_baseline() -> None:
    scores = pd.DataFrame(
        [("en", 0.7, 0.65, 100, 0.35, "the majority"), ("sw", 0.4, None, 90, None, None)],
        columns=["lang", "score", "baseline_score", "n", "floor", "floor_rule"],
    )
    fig = language_dots(scores, chance=1 / 3, metric="accuracy")
    by_name = {t.name: t for t in fig.data if t.name}
    assert list(by_name["this run"].x) == pytest.approx([40, 70])  # sorted by score
    assert list(by_name["baseline"].x) == pytest.approx([65])  # only where it exists
    assert (list(by_name["floor"].x), list(by_name["floor"].customdata)) == ([pytest.approx(35)], ["the majority"])
    assert fig.layout.shapes[0].x0 == pytest.approx(100 / 3)


def test_lineage_draws_a_box_per_node_and_an_arrow_between() -> None:
    nodes = pd.DataFrame(
        [("encoder", "xlm-r-base", ""), ("target", "xnli", "finished"), ("languages", "15 languages", "15 scored")],
        columns=["kind", "name", "detail"],
    )
    fig = lineage(nodes)
    assert len(fig.layout.shapes) == 3
    assert sum(bool(a.showarrow) for a in fig.layout.annotations) == 2


@pytest.mark.parametrize(
    ("draw", "what"),
    [
        (loss_curve, "steps"),
        (dev_curve, "development scores"),
        (lambda rows: language_dots(rows, chance=0.5, metric="f1"), "scores"),
        (lineage, "lineage"),
    ],
)
def test_nothing_to_draw_is_an_error(draw: object, what: str) -> None:
    with pytest.raises(ValueError, match=f"No {what} to draw: found 0"):
        draw(pd.DataFrame())  # type: ignore[operator]  # each takes one table


def test_seeds_of_one_chain_share_a_colour_and_have_their_mean() -> None:
    rows = pd.DataFrame(
        [("a", 1, 1, 0.5), ("a", 1, 2, 0.7), ("a", 2, 1, 0.3), ("b", 1, 1, 0.9)],
        columns=["group", "seed", "step", "value"],
    )
    first, second, mean, alone, other = curves_together(rows, value="score").data
    assert first.line.color == second.line.color == mean.line.color != other.line.color
    # The second seed has no second step: a mean of one seed there would be no mean.
    assert (list(mean.x), list(mean.y), mean.name) == ([1], [0.4], "a (2 seeds)")
    assert (list(alone.y), other.name) == ([0.9], "b (1 seed)")


def test_speed_has_a_line_per_stage_from_zero() -> None:
    rows = pd.DataFrame({"stage": ["i", "i", "t"], "step": [1, 2, 1], "examples_per_s": [3.0, 4.0, 9.0]})
    fig = use_curve(rows, of="speed")
    assert [list(line.y) for line in fig.data] == [[3, 4], [9]] and fig.layout.yaxis.rangemode == "tozero"


def test_memory_and_cores_leave_out_what_an_earlier_version_did_not_report() -> None:
    rows = pd.DataFrame(
        {"stage": ["i", "i", "t"], "step": [1, 2, 1], "memory_mb": [None, 512.0, 2048.0], "cores": [None, 0.5, 1.9]}
    )
    assert [(list(line.x), list(line.y)) for line in use_curve(rows, of="memory").data] == [([2], [0.5]), ([1], [2.0])]
    assert [list(line.y) for line in use_curve(rows, of="cores").data] == [[0.5], [1.9]]
    with pytest.raises(ValueError, match="No steps to draw"):
        use_curve(rows.assign(memory_mb=None), of="memory")
