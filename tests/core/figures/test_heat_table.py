"""The heatmap as a table: texts, colours that can be read on, tooltips without markup."""

from __future__ import annotations

import pytest

from core.figures.heat_table import heat_table
from core.figures.heatmap import Cell, Quantity, transfer_heatmap
from core.figures.numbers import luminance
from core.figures.theme import DIVERGING, Mode
from tests.core.figures.test_heatmap import _cells, _means


def _luminance(css: str) -> float:
    red, green, blue = (int(css[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return luminance((red, green, blue))


def test_rows_columns_and_cells_in_their_order() -> None:
    found = heat_table(_cells(), quantity="gain", means=_means(), selected=Cell("sw", None), title=str.upper)
    assert found["columns"] == [["mnli", "MNLI"], ["squad", "SQUAD"]]
    assert found["rows"] == [["", "mean"], ["en", "English"], ["sw", "Swahili"]]
    assert [[cell["text"] for cell in row] for row in found["cells"]] == [
        ["+0.6", "–"],
        ["+1.2", "−3.5"],
        ["+0.0", "–"],
    ]
    assert [[cell["short"] for cell in row] for row in found["cells"]] == [["1", "–"], ["1", "−4"], ["0", "–"]]
    assert [cell.get("marks") for cell in found["cells"][1]] == ["*", "†"]
    assert found["chosen"] == ["sw", ""]
    assert (found["scale"]["low"], found["scale"]["high"]) == ("−3.5", "+3.5")


def test_a_missing_cell_has_no_colour_and_says_why() -> None:
    cell = heat_table(_cells(), quantity="gain")["cells"][1][1]
    assert "background" not in cell and cell["hover"].splitlines()[1].startswith("no gain: failed, out of memory")


def test_what_is_no_evidence_is_told_apart() -> None:
    cells = _cells().assign(excluded=["baseline at the floor", None, None, None])
    found = heat_table(cells, quantity="gain")["cells"]
    assert [cell["excluded"] for row in found for cell in row] == [True, False, False, False]


def test_the_colours_end_at_what_counts() -> None:
    """One stage that was not learned, 51 points below, would make every gain of the page white."""
    cells = _cells().assign(value=[0.012, -0.51, 0.02, None], excluded=[None, "not learned", None, None])
    found = heat_table(cells, quantity="gain", means=_means())
    assert (found["scale"]["low"], found["scale"]["high"]) == ("−2.0", "+2.0")
    assert found["cells"][1][1]["background"] == DIVERGING["light"][0]
    heat = transfer_heatmap(cells, quantity="gain", means=_means()).data[0]
    assert (heat.zmin, heat.zmid, heat.zmax) == (-2, 0, 2)
    alone = heat_table(cells.assign(excluded="not learned"), quantity="gain")
    assert alone["scale"]["high"] == "+51.0"


def test_tooltips_are_text() -> None:
    cell = heat_table(_cells(), quantity="gain", title=lambda name: f"{name} & co")["cells"][0][0]
    assert cell["hover"].splitlines()[0] == "English after mnli & co"
    assert "<" not in cell["hover"]


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_colours_are_those_of_the_drawing_and_numbers_can_be_read(mode: Mode) -> None:
    found = heat_table(_cells(), quantity="gain", mode=mode)
    least = found["cells"][0][1]  # −3.5, the end of the scale
    assert least["background"] == DIVERGING[mode][0] == found["scale"]["colors"][0]
    for row in found["cells"]:
        for cell in row:
            if "background" in cell:
                light, dark = sorted((_luminance(cell["background"]), _luminance(cell["ink"])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize(
    ("quantity", "value", "text", "short"),
    [("score", 0.513, "51.3", "51"), ("rank", 2.0, "2", "2"), ("z", 1.26, "+1.3", "+1.3")],
)
def test_other_quantities(quantity: Quantity, value: float, text: str, short: str) -> None:
    cell = heat_table(_cells().assign(value=[value, 0.1, 0.2, 0.3]), quantity=quantity)["cells"][0][0]
    assert (cell["text"], cell["short"]) == (text, short)


def test_the_best_rank_has_the_strongest_colour() -> None:
    cells = heat_table(_cells().assign(value=[1.0, 2.0, 3.0, 4.0]), quantity="rank")["cells"]
    assert _luminance(cells[0][0]["background"]) < _luminance(cells[1][1]["background"])


def test_nothing_to_show_is_an_error() -> None:
    with pytest.raises(ValueError, match="found 0 rows"):
        heat_table(_cells().head(0), quantity="gain")
