"""Addresses: they hold every choice, open the same on a home with other runs, and say what is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from streamlit.testing.v1 import AppTest

from core.store.connection import Store
from pages.widgets.address import resolved
from tests.makers.tables import add_scores
from tests.pages.conftest import Open, checked

PAGE = "pages/transfer.py"


def _scores(
    home: Path,
    *,
    targets: tuple[str, ...] = ("xnli", "udpos"),
    names: tuple[str, ...] = ("none", "mnli", "qqp"),
    **setting: str,
) -> None:
    rows = [
        (name, target, lang, seed, 0.5 + place / 50)
        for place, name in enumerate(names)
        for target in targets
        for lang in ("en", "de", "sw")
        for seed in (1, 2)
    ]
    frame = pd.DataFrame(rows, columns=["intermediate", "target", "lang", "seed", "score"])
    with Store.open(home / "atlas.duckdb") as store:
        add_scores(store, frame.assign(**setting))


def _address(at: AppTest) -> dict[str, str]:
    """What the link of the page holds."""
    (link,) = [each for each in at.get("bidi_component") if each.proto.component_name.endswith("copy_link")]
    found: dict[str, str] = json.loads(link.proto.json)["address"]
    return found


def _heat(at: AppTest) -> dict[str, Any]:
    """What the heatmap's table was given."""
    (found,) = [json.loads(e.proto.json) for e in at.get("bidi_component") if e.proto.id.endswith("-heat")]
    return dict(found)


def _warnings(at: AppTest) -> str:
    return " ".join(str(warning.value).replace("\\", "") for warning in at.warning)


def test_the_link_holds_what_was_chosen_by_itself(home: Path, open_page: Open) -> None:
    _scores(home, protocol_digest="0123456789")
    at = open_page(PAGE, cell="sw~mnli")
    assert _address(at) == {
        "collection": "yours", "target": "udpos", "model": "atlas-mini", "metric": "f1", "protocol": "quick~012345",
        "source": "sample", "cell": "sw~mnli",
    }  # fmt: skip


def test_a_link_opens_the_same_cell_where_other_runs_stand_first(home: Path, open_page: Open) -> None:
    """The link of a home with one collection, on a home whose own runs would be chosen otherwise."""
    _scores(home, targets=("xnli",), collection="measured", data_source="mirror", protocol_digest="gallerydigest")
    link = _address(open_page(PAGE, cell="sw~qqp"))
    assert (link["collection"], link["source"]) == ("measured", "mirror")
    _scores(home, targets=("udpos", "pawsx"), data_source="hub")
    assert _address(open_page(PAGE))["target"] != "xnli"
    at = open_page(PAGE, **link)
    assert _address(at) == link and not at.warning


def test_a_name_that_is_not_there_is_said_with_the_nearest(home: Path, open_page: Open) -> None:
    _scores(home, protocol_digest="0123456789")
    at = open_page(PAGE, target="xnlii", source="mirror", cell="xx~mnlo", family="Klingon", protocol="quick~999999")
    text = _warnings(at)
    for part in ("No target named 'xnlii'. Did you mean 'xnli'?", "No data source named 'mirror'",
                 "No language named 'xx'", "No intermediate named 'mnlo'. Did you mean 'mnli'?",
                 "No language family named 'Klingon'", "protocol 'quick' with settings or weights 999999"):  # fmt: skip
        assert part in text, part
    assert not open_page(PAGE, target="xnli", cell="sw~mnli", protocol="quick").warning


def test_a_choice_of_the_reader_takes_others_away_in_silence(home: Path, open_page: Open) -> None:
    _scores(home)
    at = open_page(PAGE, target="udpos", metric="f1")
    checked(next(box for box in at.selectbox if box.key == "target").set_value("xnli").run())
    assert at.query_params["target"] in ("xnli", ["xnli"]) and not at.warning
    assert _address(at)["metric"] == "accuracy"


def test_details_of_an_address() -> None:
    assert resolved("quick~0123", {"quick~0123", "quick~9"}) == "quick~0123"
    assert resolved("quick", ["slow~1", "quick~9", "quick~1"]) == "quick~9"
    assert resolved("quick~5", ["quick~9"]) == "quick~9"
    assert resolved("other", ["quick~9"]) is None


def test_the_analysis_says_what_it_pools(home: Path, open_page: Open) -> None:
    _scores(home, protocol_digest="0123456789")
    runs = "yours atlas-mini quick-012345 sample"
    assert _address(open_page("pages/analysis.py")) == {"runs": runs}
    assert not open_page("pages/analysis.py", runs=runs).warning
    assert "No set of runs named 'somebody" in _warnings(open_page("pages/analysis.py", runs="somebody else's"))


def test_switches_and_filters_are_read_from_the_address_and_written_to_it(home: Path, open_page: Open) -> None:
    """Each by the server: an entry of the history, which Back takes out; what is chosen by itself stands in none."""
    _scores(home)
    at = open_page(PAGE, show="rank", seeds="2", novalue="true", script="Latn", distance=["0.0", "0.3"])
    found = {box.key: box.value for box in (*at.selectbox, *at.multiselect, *at.toggle, *at.slider)}
    assert (found["seeds"], found["novalue"], found["script"]) == ("2", True, ["Latn"])
    assert found["distance"] == (0.0, 0.3)
    assert at.get("button_group")[0].value == "rank"
    next(box for box in at.multiselect if box.key == "script").set_value([])
    next(box for box in at.slider if box.key == "distance").set_value((0.1, 0.4))
    checked(next(box for box in at.selectbox if box.key == "seeds").set_value("mean").run())
    assert not {"script", "seeds"} & set(at.query_params) and at.query_params["distance"] == ["0.1", "0.4"]
    for nonsense in (["0.3"], ["a", "b"], ["0.5", "0.1"], ["0.0", "9"]):
        again = open_page(PAGE, distance=nonsense)
        assert next(box for box in again.slider if box.key == "distance").value == (0.0, 0.7)


def test_own_runs_stand_beside_the_gallerys_as_marked_columns_and_change_none_of_its_numbers(
    home: Path, open_page: Open
) -> None:
    _scores(home, targets=("xnli",), collection="measured", protocol_digest="same")
    alone = _heat(open_page(PAGE, collection="measured"))
    _scores(home, targets=("xnli",), names=("none", "qqp", "stsb"), protocol_digest="same")
    both = open_page(PAGE, collection="measured", cell="sw~yours/qqp")
    grid = _heat(both)
    assert [name for name, _ in grid["columns"]] == ["yours/stsb", "qqp", "yours/qqp", "mnli"]
    assert grid["own"] == ["yours/stsb", "yours/qqp"] and ["yours/qqp", "QQP (yours)"] in grid["columns"]
    places = [place for place, (name, _) in enumerate(grid["columns"]) if name not in grid["own"]]
    of_gallery = [[row[place]["text"] for place in places] for row in grid["cells"]]
    assert of_gallery == [[cell["text"] for cell in row] for row in alone["cells"]]
    assert "Swahili (sw) after QQP (yours)" in [head.value for head in both.header] and not both.warning
    assert any("in no mean, test or rank of the other columns" in caption.value for caption in both.caption)
    hidden = checked(next(box for box in both.toggle if box.key == "hideown").set_value(True).run())
    assert _heat(hidden)["columns"] == alone["columns"] and "true" in hidden.query_params["hideown"]


def test_own_runs_of_another_protocol_say_so(home: Path, open_page: Open) -> None:
    _scores(home, targets=("xnli",), collection="measured", protocol_digest="one", protocol="gallery")
    _scores(home, targets=("xnli",), protocol_digest="two", protocol="quick")
    at = open_page(PAGE, collection="measured")
    assert _heat(at)["own"] and any("another protocol (quick)" in caption.value for caption in at.caption)
