"""The widget of published figures: caution, source, marks and the check of averages are on the screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.widgets.transfer.published import marked_text

_SCRIPT = """
from pages.widgets.transfer.published import has_published, show_published
from pages.widgets.shared import start, version

start()
assert has_published(version())
show_published()
"""


def _open(**params: str) -> AppTest:
    at = AppTest.from_string(_SCRIPT, default_timeout=60)
    for key, value in params.items():
        at.query_params[key] = value
    at.run()
    assert not at.exception, [e.value for e in at.exception]
    return at


def _text(at: AppTest) -> str:
    return "\n".join(str(e.value) for e in [*at.markdown, *at.warning, *at.caption, *at.header]).replace("\\", "")


def test_the_v1_table_says_what_it_is_and_which_average_is_wrong(home: Path) -> None:
    del home  # only its environment is needed
    text = _text(_open(published="phang2020v1-table2"))
    for part in ("v1 draft, May 2020", "2005.13013", "significantly underperforms", "intermediate_cross_lingual.pdf"):
        assert part in text
    assert "15 of 16 equal the average of their printed parts within rounding" in text
    assert "**QQP + multilingual MLM**, Avg: printed +5.1, the average of its 9 tasks is +7.1." in text
    assert "checked on the rendered page" in text


def test_every_table_can_be_shown(home: Path) -> None:
    del home
    at = _open()
    names = at.selectbox(key="published").options
    assert names[0] == "phang2020v1-table2"
    for name in ("phang2020v1-table2-derived", "xlmr-base-wikiann-seeds", "hu2020-table1", "stilts2018-models"):
        at.selectbox(key="published").set_value(name).run()
        assert not at.exception, (name, [e.value for e in at.exception])
        assert "Source: " in _text(at)
        if name.endswith("-derived"):
            assert "‡ derived: computed from printed figures" in _text(at)
            assert "Printed averages" not in _text(at)


@pytest.mark.parametrize(
    ("cell", "kind", "text"),
    [
        ({"value": -0.069, "printed": "-6.9", "derived": False, "agrees": None}, "gain", "−6.9"),
        ({"value": 0.051, "printed": "5.1", "derived": False, "agrees": False}, "gain", "+5.1≠"),
        ({"value": 0.0, "printed": "0.0", "derived": False, "agrees": None}, "gain", "+0.0"),
        ({"value": 0.7142, "printed": "0.7142", "derived": False, "agrees": True}, "score", "71.42"),
        ({"value": 0.793, "printed": "79.3", "derived": True, "agrees": None}, "score", "79.3‡"),
    ],
)
def test_cells_carry_sign_and_marks(cell: dict[str, object], kind: str, text: str) -> None:
    assert marked_text(cell, kind=kind) == text
