"""Every kind of figure that a page offers as a file is drawn again for paper; what cannot be is refused."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import pandas as pd
import plotly.graph_objects as go
import pytest

from core.figures.contrasts import at_a_glance
from core.figures.multiples import gain_strips
from core.figures.parallel import parallel_languages, parallel_settings
from core.figures.progress import language_dots
from core.figures.theme import stamped
from core.report.image import image
from tests.core.figures.test_multiples import PAIRS
from tests.core.figures.test_parallel import LINES

SETTINGS = pd.DataFrame([["1e-05", "3e-05", "2e-05"], ["none", "mnli", "qqp"]], index=["rate", "intermediate"],
                        columns=["a1", "b2", "c3"], dtype="object")  # fmt: skip
SCORES = pd.DataFrame({"a1": [0.7, 0.5], "b2": [0.71, None], "c3": [0.6, 0.4]}, index=["en", "sw"])
DOTS = pd.DataFrame({"lang": ["en", "sw"], "score": [0.7, 0.4], "baseline_score": [0.65, None], "n": 90,
                     "floor": [0.35, None], "floor_rule": ["the majority", None]})  # fmt: skip
GLANCE = pd.DataFrame([("tasks", "mnli", 0.02, -0.01, 0.05, 5), ("tasks", "qqp", -0.03, -0.5, -0.01, 5),
                       ("contrasts", "hardest − easiest", 0.01, None, None, 3)],
                      columns=["part", "name", "estimate", "low", "high", "n"])  # fmt: skip
RINGS = pd.DataFrame([("tasks", "mnli", "xnli", 0.03)], columns=["part", "name", "target", "value"])


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (lambda: gain_strips(PAIRS), ("xnli", "pawsx", "squad", "−5", "+1")),
        (lambda: parallel_languages(SCORES, LINES, metric="accuracy"), ("English · en", "A", "C", "accuracy, %")),
        (lambda: parallel_settings(SETTINGS, LINES), ("rate", "1e-05", "qqp")),
        (lambda: language_dots(DOTS, chance=1 / 3, metric="f1"), ("Swahili · sw", "baseline", "floor", "chance")),
        (lambda: at_a_glance(GLANCE, RINGS, factor=100, unit="%"), ("After the English task …", "−50", "change, %")),
    ],
)
def test_what_a_figure_says_stands_on_paper(draw: Callable[[], go.Figure], says: tuple[str, ...]) -> None:
    text = image(stamped(draw(), "real data"), form="svg", title="A < B", notes=["One note."]).decode()
    ElementTree.fromstring(text)  # noqa: S314  # made above
    for part in (*says, "A &lt; B", "One note.", "Data: real data."):
        assert f"<!-- {part} -->" in text, part


def _at(figure: go.Figure) -> str:
    return image(figure.update_layout(height=200, template="none"), form="svg").decode()


@pytest.mark.parametrize(("ends", "step_pt"), [([0, 10], 75), ([10, 0], -75)])
def test_a_dot_lies_where_its_axes_put_it(ends: list[float], step_pt: float) -> None:
    """A tenth of 1,000 pixels, which are 750 points, to the right; on an axis that is turned round to the left."""
    dots = go.Scatter(x=[1.0, 2.0], y=[0.0, 0.0], mode="markers", marker={"color": "#123456"})
    root = ElementTree.fromstring(_at(go.Figure(dots).update_xaxes(range=ends)))  # noqa: S314  # made here
    paths = [node for node in root.iter("{http://www.w3.org/2000/svg}path") if "#123456" in node.get("style", "")]
    first, second = (float(node.attrib["d"].split()[1]) for node in paths)  # "M x y …": the same place of each dot
    assert second - first == pytest.approx(step_pt)


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        (go.Figure(go.Pie(values=[1])), "A trace 'pie' is drawn on a screen alone: expected scatter or heatmap"),
        (go.Figure(go.Scatter(x=[1], y=[1], mode="markers", marker={"symbol": "hash"})), "The marker 'hash'"),
        (go.Figure(go.Scatter(x=[1], y=[1])).update_xaxes(type="log"), "A logarithmic axis"),
    ],
)
def test_what_is_for_a_screen_alone_is_refused(figure: go.Figure, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        _at(figure)
