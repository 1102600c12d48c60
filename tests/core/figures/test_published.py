"""The heatmap of a published sheet: figures as printed, holes, colour that outliers do not wash out."""

from __future__ import annotations

import pandas as pd
import pytest

from core.figures.published import colour_limit, published_heatmap, sheet_width_px
from core.figures.theme import DIVERGING, SEQUENTIAL
from tests.core.figures import plain


def _cells() -> pd.DataFrame:
    rows = [
        ("QQP", "XNLI", -0.014, "−1.4", "hover 1"),
        ("QQP", "Tatoeba", 0.517, "+51.7", "hover 2"),
        ("CCG", "XNLI", -0.026, "−2.6", "hover 3"),
    ]
    return pd.DataFrame(rows, columns=["row", "column", "value", "text", "hover"])


def test_gains_are_in_points_and_what_was_not_printed_is_a_dash() -> None:
    heat, dashes = published_heatmap(_cells(), kind="gain").data
    assert heat.z[0] == pytest.approx((-1.4, 51.7))
    assert list(heat.z[1]) == [pytest.approx(-2.6), None]
    assert [plain(text) for text in heat.text[0]] == ["−1.4", "+51.7"]
    assert heat.texttemplate == "%{text}"
    assert heat.customdata[1].tolist() == ["hover 3", "not printed"]
    assert (list(dashes.x), list(dashes.y)) == (["Tatoeba"], ["CCG"])
    assert (heat.zmin, heat.zmid) == (-heat.zmax, 0)
    assert [c for _, c in heat.colorscale] == list(DIVERGING["light"])


def test_scores_have_one_hue() -> None:
    heat = published_heatmap(_cells().assign(value=[0.8, 0.3, 0.9]), kind="score", mode="dark").data[0]
    assert heat.zmid is None
    assert [c for _, c in heat.colorscale] == list(SEQUENTIAL["dark"])


def test_the_colour_is_full_from_the_80th_percentile() -> None:
    # Sizes 1, 2, 3, 4, 50 points: the 80th percentile lies at place 3.2 of 0 … 4: 4 + 0.2 × 46 = 13.2.
    assert colour_limit(pd.Series([0.01, -0.02, 0.03, -0.04, 0.50])) == 13
    assert colour_limit(pd.Series([0.001, -0.002])) == 1
    assert colour_limit(pd.Series([], dtype="float64")) == 1


def test_rows_and_columns_keep_their_order_and_names_have_room() -> None:
    fig = published_heatmap(_cells(), kind="gain")
    assert fig.layout.yaxis.categoryarray == ("QQP", "CCG")
    assert fig.layout.xaxis.categoryarray == ("XNLI", "Tatoeba")
    longer = _cells().assign(row=["a very long name of a model", "a very long name of a model", "b"])
    assert sheet_width_px(longer) > sheet_width_px(_cells())


def test_no_cells_is_an_error() -> None:
    with pytest.raises(ValueError, match="found 0 figures"):
        published_heatmap(_cells().head(0), kind="gain")
