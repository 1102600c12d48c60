"""The Transfer page: choices in the URL, three figures that follow each other, filters, what lies behind a cell."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.analysis.cells import Grid, agreement
from core.analysis.map_points import ReferenceText, no_reference_text, placed, reference_text, scatter_points, sentence
from core.errors import DataError
from core.figures.heatmap import Cell
from core.languages import LANGUAGES, language
from core.measures.similarity.table import SIMILARITIES
from core.paths import AtlasPaths
from core.queries.transfer import View
from core.spec.run import RunSpec
from core.store.counted import FLOOR
from core.store.ingest import ingest
from pages.widgets import shared
from pages.widgets.transfer import cell as cell_panel
from pages.widgets.transfer import domain as domain_panel
from pages.widgets.transfer.cell import summary
from pages.widgets.transfer.domain import umap_advice
from pages.widgets.transfer.language_filter import DISTANCES, ORDERS, Wanted, ordered
from pages.widgets.transfer.onward import place_of
from pages.widgets.transfer.selection import NOTHING, clicked, on_pick, read, write
from tests.makers.home import bare, profile
from tests.pages.conftest import Open, checked


def _texts(at: AppTest) -> str:
    kinds = (at.markdown, at.caption, at.info, at.warning, at.error, at.header, at.code)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def _cells(at: AppTest) -> pd.DataFrame:
    return next(d.value for d in at.dataframe if "q_value" in d.value.columns)


def _grid(at: AppTest) -> dict[str, Any]:
    """What the heatmap's table was given."""
    (found,) = [json.loads(e.proto.json) for e in at.get("bidi_component") if e.proto.id.endswith("-heat")]
    return dict(found)


def _means(at: AppTest) -> list[str]:
    grid = _grid(at)
    assert grid["rows"][0] == ["", "mean"]
    return [cell["text"] for cell in grid["cells"][0]]


def _figures(at: AppTest) -> list[dict[str, Any]]:
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


def _rings(figure: dict[str, Any]) -> list[float]:
    """Where something is ringed in the map or the scatter."""
    return [x for t in figure["data"] if t["marker"].get("size") == 22 for x in t["x"]]


@pytest.fixture
def profiled(ids: dict[str, str], home: Path) -> dict[str, str]:
    """A filled home whose store holds a domain profile."""
    opened = shared._open(str(home)).store
    ingest(opened, AtlasPaths(home=home))
    profile(opened)
    return ids


def test_people_read_titles_and_the_address_keeps_ids(ids: dict[str, str], open_page: Open) -> None:
    at = open_page("pages/transfer.py", target="xnli")
    assert ["mnli", "MNLI"] in _grid(at)["columns"], "what a click names, and what people read"


def test_a_deep_link_opens_its_cell(ids: dict[str, str], open_page: Open) -> None:
    at = open_page("pages/transfer.py", target="xnli", cell="ru~mnli")
    assert "Russian (ru) after MNLI" in [s.value for s in at.header]
    shown = next(d.value for d in at.dataframe if "baseline_run_id" in d.value.columns)
    assert ids["finished"] in set(shown["run_id"])
    assert len(shown) == 2  # two seeds


def test_an_empty_cell_says_its_state_and_why(ids: dict[str, str], open_page: Open) -> None:
    del ids
    at = open_page("pages/transfer.py", target="xnli", cell="sw~stsb")
    cells = _cells(at).set_index(["lang", "intermediate"])
    assert pd.isna(cells.loc[("sw", "qqp"), "value"])
    assert cells.loc[("sw", "qqp"), ["state", "missing"]].tolist() == ["skipped", "no test split in this data source"]
    assert cells.loc[("sw", "stsb"), "state"] == "failed"
    assert "Choose a smaller model" in cells.loc[("sw", "stsb"), "missing"]
    assert "No value: **failed**" in _texts(at)


def test_without_a_baseline_there_are_scores_and_no_gains(ids: dict[str, str], open_page: Open) -> None:
    del ids
    at = open_page("pages/transfer.py", target="tatoeba")
    assert _cells(at)["value"].isna().all()
    assert set(_cells(at)["missing"]) == {"no baseline"}
    at = open_page("pages/transfer.py", target="tatoeba", show="score")
    assert _cells(at)["value"].notna().all()


def test_without_a_profile_the_page_says_what_to_run(ids: dict[str, str], open_page: Open) -> None:
    del ids
    at = open_page("pages/transfer.py", target="xnli")
    assert _grid(at)["cells"] and not _figures(at)  # the heatmap alone
    assert "No map of domains yet" in _texts(at)
    assert any(code.value.startswith("python -m core profile") for code in at.code)


def test_a_choice_is_marked_in_all_three_figures(profiled: dict[str, str], open_page: Open) -> None:
    del profiled
    at = open_page("pages/transfer.py", target="xnli", cell="de~mnli")
    places, scatter = _figures(at)
    assert _grid(at)["chosen"] == ["de", "mnli"]
    assert len(_rings(places)) == 2  # the intermediate, and the language of the target
    assert len(_rings(scatter)) == 1
    nothing = open_page("pages/transfer.py", target="xnli")
    assert _grid(nothing)["chosen"] == ["", ""]
    assert [_rings(figure) for figure in _figures(nothing)] == [[], []]


def test_pickers_choose_what_a_click_would(profiled: dict[str, str], open_page: Open) -> None:
    del profiled
    at = open_page("pages/transfer.py", target="xnli")
    checked(next(s for s in at.selectbox if s.key == "cell_intermediate").set_value("qqp").run())
    assert at.query_params["cell"] == "~qqp"
    checked(next(s for s in at.selectbox if s.key == "cell_lang").set_value("de").run())
    assert at.query_params["cell"] == "de~qqp"
    assert "German (de) after QQP" in [s.value for s in at.header]
    checked(next(s for s in at.selectbox if s.key == "cell_lang").set_value(None).run())
    checked(next(s for s in at.selectbox if s.key == "cell_intermediate").set_value(None).run())
    assert "cell" not in at.query_params


def test_a_click_on_the_table_goes_into_the_address(ids: dict[str, str], open_page: Open) -> None:
    del ids
    before = st.query_params.to_dict()
    try:
        for picked, wanted in (
            (["de", "qqp"], "de~qqp"),
            (["", "mnli"], "de~mnli"),
            (["sw", ""], "sw~mnli"),
            (None, "sw~mnli"),
        ):
            st.session_state["heat"] = {"picked": picked}
            on_pick("heat")
            assert st.query_params["cell"] == wanted
    finally:
        st.query_params.from_dict(before)


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        ("mean gain", ["mnli", "mnli~shuffled", "qqp", "cola", "stsb"]),  # STS-B failed
        ("name", ["cola", "mnli", "mnli~shuffled", "qqp", "stsb"]),
    ],
)
def test_columns_have_an_order(columns: str, wanted: list[str], ids: dict[str, str], open_page: Open) -> None:
    del ids
    at = open_page("pages/transfer.py", target="xnli", columns=columns)
    assert [name for name, _ in _grid(at)["columns"]] == wanted


def test_the_filter_recomputes_means_and_the_scatter(profiled: dict[str, str], open_page: Open) -> None:
    del profiled
    everything = open_page("pages/transfer.py", target="xnli")
    european = open_page("pages/transfer.py", target="xnli", family="IE: Germanic", script="Latn")
    assert set(_cells(european)["lang"]) == {"en", "de"}
    assert _means(everything) != _means(european)
    # Over German alone: the mean is the cell.
    cells = _cells(european).set_index(["lang", "intermediate"])["value"]
    place = [name for name, _ in _grid(european)["columns"]].index("cola")
    assert _means(european)[place] == f"{100 * cells['de', 'cola']:+.1f}".replace("-", "−")
    assert "mean gain over 13 languages" in _texts(everything)
    assert "mean gain over 1 language:" in _texts(european)
    assert "2 of 15 languages are kept" in _texts(european)


def test_a_filter_that_keeps_nothing_says_so(ids: dict[str, str], open_page: Open) -> None:
    del ids
    at = open_page("pages/transfer.py", target="xnli", family="Kra-Dai", script="Latn")
    assert "No language is left" in _texts(at)


BARE = ("bg", "th", "ur", "vi")
"""Languages in which nothing of XNLI is scored in `holed`."""


@pytest.fixture
def holed(profiled: dict[str, str], home: Path) -> dict[str, str]:
    """A filled home with languages without a value."""
    bare(shared._open(str(home)).store, *BARE)
    return profiled


def _shown_rows(at: AppTest) -> list[str]:
    return [str(code) for code, _ in _grid(at)["rows"]]


def test_languages_without_a_value_are_left_out_and_named(holed: dict[str, str], open_page: Open) -> None:
    del holed
    at = open_page("pages/transfer.py", target="xnli")
    assert "4 of 15 languages have no value here: bg, th, ur, vi." in _texts(at)
    assert len(_shown_rows(at)) == 1 + 11
    assert not set(_shown_rows(at)) & set(BARE)
    assert not set(_cells(at)["lang"]) & set(BARE), "the table and the export follow what is shown"
    places = [point[0] for t in _figures(at)[0]["data"] for point in t.get("customdata") or ()]
    assert "de" in places and not set(places) & set(BARE), "and so does the map"
    whole = open_page("pages/transfer.py", target="xnli", novalue="true")
    assert set(_shown_rows(whole)) > set(BARE)
    assert whole.toggle(key="novalue").value
    assert "4 of 15 languages have no value here: bg, th, ur, vi." in _texts(whole)
    reasons = _cells(whole).query("lang in @BARE and intermediate == 'mnli'")["missing"]
    assert set(reasons) == {"no test set"}
    assert _means(at) == _means(whole), "empty rows change no mean"
    assert "mean gain over 9 languages" in _texts(at) and "mean gain over 9 languages" in _texts(whole)


def test_a_chosen_language_without_a_value_stays_and_a_switch_shows_all(holed: dict[str, str], open_page: Open) -> None:
    del holed
    at = open_page("pages/transfer.py", target="xnli", cell="ur~mnli")
    assert "Urdu (ur) is shown because it is selected" in _texts(at)
    assert set(_cells(at)["lang"]) & set(BARE) == {"ur"}
    assert "No value: **skipped**, no test set" in _texts(at)
    assert _grid(at)["chosen"] == ["ur", "mnli"]
    checked(at.toggle(key="novalue").set_value(True).run())
    assert set(_cells(at)["lang"]) >= set(BARE)
    # The filter comes first: of what it keeps, all have values, and there is nothing to say.
    european = open_page("pages/transfer.py", target="xnli", family="IE: Germanic")
    assert "have no value here" not in _texts(european)
    for quantity in ("score", "rank", "z-score"):
        assert not set(_cells(open_page("pages/transfer.py", target="xnli", show=quantity))["lang"]) & set(BARE)


def test_ranks_and_single_seeds(ids: dict[str, str], open_page: Open) -> None:
    del ids
    ranks = _cells(open_page("pages/transfer.py", target="xnli", show="rank")).set_index(["lang", "intermediate"])
    assert ranks.loc[("de", "mnli"), "value"] == 1
    at = open_page("pages/transfer.py", target="xnli", seeds="2")
    assert set(_cells(at).dropna(subset="value")["seeds"]) == {"2"}
    # One seed has no spread: MNLI alone kept what every example gave.
    assert set(_cells(at).dropna(subset="q_value")["intermediate"]) == {"mnli"}
    assert "over the test examples of one seed, which says nothing of another seed" in _texts(at)
    assert "Seed 2 alone" in _texts(at)


def test_flipped_examples_are_those_that_one_run_got_right(ids: dict[str, str], open_page: Open, home: Path) -> None:
    at = open_page("pages/transfer.py", target="xnli", cell="de~mnli", cell_tab="Flipped examples")
    at.session_state["cell_tab"] = "Flipped examples"
    checked(at.run())
    found = next(d.value for d in at.dataframe if "change" in d.value.columns)
    one, other = (
        pd.read_parquet(home / "runs" / run / "predictions.parquet").query("lang == 'de'").set_index("example_id")
        for run in (ids["finished"], ids["baseline"])
    )
    assert set(found["example_id"]) == set(one.index[one["correct"] != other["correct"]])
    gained = int((one["correct"] > other["correct"]).sum())
    assert f"**{gained}** examples scored higher" in _texts(at)
    assert "exact mcnemar" in _texts(at).lower()


@pytest.mark.parametrize("there", [True, False])
def test_sentences_of_flipped_examples_are_read_when_asked_for(
    there: bool, ids: dict[str, str], open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(run: RunSpec, *, lang: str, ids: Collection[str], paths: AtlasPaths) -> dict[str, str]:
        del paths
        if not there:
            raise DataError("The mirror /gone is not a folder.")
        return {name: f"{name} of {run.target} in {lang}" for name in ids}

    del ids
    st.cache_data.clear()
    monkeypatch.setattr(cell_panel, "texts_of", read)
    at = open_page("pages/transfer.py", target="xnli", cell="de~mnli", cell_tab="Flipped examples")
    at.session_state["cell_tab"] = "Flipped examples"
    checked(at.run())
    assert "text" not in next(d.value for d in at.dataframe if "change" in d.value.columns)
    checked(at.toggle(key="flip_texts").set_value(True).run())
    found = next(d.value for d in at.dataframe if "change" in d.value.columns)
    if there:
        assert list(found["text"]) == [f"{name} of xnli in de" for name in found["example_id"]]
    else:
        assert "text" not in found and [w.value for w in at.warning] == ["The mirror /gone is not a folder."]


def test_a_committed_gallery_has_tests_and_flips_without_its_runs(home: Path, committed: str, open_page: Open) -> None:
    del committed
    assert not (home / "runs").exists()
    at = open_page("pages/transfer.py", collection="measured", target="xnli", cell="de~mnli")
    cells = _cells(at).set_index(["lang", "intermediate"])
    assert cells.loc[("de", "mnli"), "tested_by"] == "seeds and examples"
    assert pd.notna(cells.loc[("de", "mnli"), "q_value"])
    assert "gains differ from zero (paired test over seeds and test examples" in _texts(at)
    at.session_state["cell_tab"] = "Flipped examples"
    checked(at.run())
    found = next(d.value for d in at.dataframe if "change" in d.value.columns)
    assert len(found) > 0 and "example_id" not in found
    assert "exact mcnemar" in _texts(at).lower()
    assert "Runs that came with the program hold no answers" in _texts(at)
    at.session_state["cell_tab"] = "Run again"
    checked(at.run())
    assert any("--intermediate mnli --target xnli --seeds 1" in code.value for code in at.code)


def test_curves_of_a_cell_are_those_of_both_runs(ids: dict[str, str], open_page: Open) -> None:
    del ids
    at = open_page("pages/transfer.py", target="xnli", cell="de~mnli")
    at.session_state["cell_tab"] = "Curves"
    checked(at.run())
    scores, losses = _figures(at)[-2:]
    stages = ["run: intermediate MNLI", "run: target XNLI", "baseline: target XNLI"]
    assert [trace["name"] for trace in scores["data"]] == stages
    assert [trace["name"] for trace in losses["data"]] == stages


def test_the_command_of_a_cell(ids: dict[str, str], open_page: Open) -> None:
    del ids
    at = open_page("pages/transfer.py", target="xnli", cell="de~mnli")
    at.session_state["cell_tab"] = "Run again"
    checked(at.run())
    assert any("--intermediate mnli --target xnli --seeds 1" in code.value for code in at.code)


def test_published_figures_are_a_collection_of_their_own(ids: dict[str, str], open_page: Open) -> None:
    del ids
    at = open_page("pages/transfer.py", collection="published")
    assert [s.label for s in at.selectbox][0] == "Collection"
    assert "Published table" in [s.label for s in at.selectbox]
    assert "Target" not in [s.label for s in at.selectbox]


def test_reading_and_writing_a_choice() -> None:
    langs, names = ["sw", "de"], ["mnli~shuffled", "mnli"]
    assert read("sw~mnli~shuffled", langs=langs, intermediates=names) == Cell("sw", "mnli~shuffled")
    assert read("sw~", langs=langs, intermediates=names) == Cell("sw", None)
    assert read("~mnli", langs=langs, intermediates=names) == Cell(None, "mnli")
    assert read("xx~squad", langs=langs, intermediates=names) == NOTHING
    assert read(None, langs=langs, intermediates=names) == NOTHING
    for cell in (Cell("sw", "mnli~shuffled"), Cell("sw", None), Cell(None, "mnli"), NOTHING):
        assert read(write(cell), langs=langs, intermediates=names) == cell
    assert write(NOTHING) == ""


def test_a_click_changes_what_it_names_and_nothing_else() -> None:
    before = Cell("de", "mnli")

    def click(*points: dict[str, Any]) -> Cell:
        return clicked({"selection": {"points": list(points)}}, before=before)

    assert click({"customdata": ["sw", "qqp"]}) == Cell("sw", "qqp")  # a cell of the heatmap
    assert click({"customdata": ["", "qqp"]}) == Cell("de", "qqp")  # an intermediate on the map or in the scatter
    assert click({"customdata": ["sw", ""]}) == Cell("sw", "mnli")  # a language on the map
    assert click() == click({"x": 1}) == clicked(None, before=before) == before


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_keeps_all_languages_and_english_first(order: str) -> None:
    codes = [*LANGUAGES, "gl"]  # Galician has no family, size or distance here
    found = ordered(codes, order=order, gains={"th": 0.3, "sw": 0.1})
    assert sorted(found) == sorted(codes)
    assert found[0] == "en"


def test_orders_by_hand() -> None:
    codes = ["sw", "de", "hi", "gl"]
    assert ordered(codes, order="distance from English", gains={}) == ("de", "hi", "sw", "gl")  # unknown last
    assert ordered(codes, order="size of Wikipedia", gains={}) == ("de", "hi", "sw", "gl")  # 2.37, 0.13, 0.05
    assert ordered(codes, order="mean gain", gains={"sw": 0.2, "de": 0.1}) == ("sw", "de", "gl", "hi")


def test_a_narrowed_range_drops_what_is_not_known() -> None:
    assert Wanted().keeps(language("gl"))
    assert not Wanted(distance=(DISTANCES[0], 0.5)).keeps(language("gl"))
    assert Wanted(distance=(0.0, 0.2)).keeps(language("de"))
    assert not Wanted(distance=(0.2, 0.5)).keeps(language("de"))  # 0.097
    assert not Wanted(millions=(1.0, 6.0)).keeps(language("sw"))
    assert max(entry.syntax_distance or 0.0 for entry in LANGUAGES.values()) < DISTANCES[1]


def _points(rows: list[tuple[str, float, float, bool]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["intermediate", "similarity", "gain", "counts"])
    return frame.assign(n_langs=3)


def test_the_scatter_says_its_n_and_turns_distances_round() -> None:
    points = _points([("a", 1, 0.4, True), ("b", 2, 0.3, True), ("c", 3, 0.1, True), ("d", 4, 0.2, True),
                      ("e~shuffled", 0, 9.0, False)])  # fmt: skip
    near = agreement(points, larger_is_closer=False)
    assert near is not None
    # Ranks of the distance 1 2 3 4, of the gain 4 3 1 2: d = -3 -1 2 2, 1 - 6 * 18 / 60 = -0.8; turned round +0.8.
    assert near.estimate == pytest.approx(0.8)
    text = sentence(points, measure=SIMILARITIES["frechet"], text=ReferenceText("train", "en"), lang=None)
    assert "rank correlation +0.80 over 4 intermediates; too few for an interval" in text
    six = pd.concat([points, _points([("f", 5, 0.05, True), ("g", 6, 0.35, True)])])
    # Ranks of the gain 6 4 2 3 1 5 against 1 2 3 4 5 6: d² sums to 48, 1 - 6 * 48 / 210 = -0.37; turned round +0.37.
    # artanh 0.3714 = 0.3901; 0.3901 - 1.1316 * sqrt(1 + 0.70² / 2) = -0.872 = artanh -0.70; likewise +0.94.
    told = sentence(six, measure=SIMILARITIES["frechet"], text=ReferenceText("train", "en"), lang=None)
    assert "+0.37 (95 % interval −0.70 to +0.94) over 6 intermediates; zero is inside, so before this target" in told
    assert "Placebos, intermediates that train the target's own task (†) and gains that do not count are left" in text
    perfect = six.assign(gain=[0.4, 0.3, 0.2, 0.1, 9.0, 0.05, 0.01])
    assert "a perfect rank correlation has no interval" in sentence(
        perfect, measure=SIMILARITIES["frechet"], text=ReferenceText("train", "en"), lang=None
    )
    two = points.assign(similarity=[1, 1, 2, 2, 9])
    assert agreement(two, larger_is_closer=True) is not None, "two values are an order"
    assert agreement(two.assign(similarity=1), larger_is_closer=True) is None
    assert agreement(two.assign(gain=0.1), larger_is_closer=True) is None
    few = sentence(points.head(2), measure=SIMILARITIES["frechet"], text=ReferenceText("test", "de"), lang="de")
    assert "2 intermediates are too few" in few


def test_the_text_that_is_compared_with() -> None:
    rows = pd.DataFrame({"role": ["train", "test", "test"], "lang": ["en", "en", "de"]})
    assert reference_text(rows, lang="de") == ReferenceText("test", "de")
    assert reference_text(rows, lang="sw") == reference_text(rows, lang=None) == ReferenceText("train", "en")
    assert reference_text(rows[rows["role"] == "test"], lang=None) == ReferenceText("test", "en")
    assert reference_text(rows.head(0), lang=None) is None
    others = rows[(rows["role"] == "test") & (rows["lang"] != "en")]
    assert reference_text(others, lang=None) is None
    assert "Choose a language" in no_reference_text(others, target="tatoeba")
    assert "was not measured" in no_reference_text(rows.head(0), target="tatoeba")


def test_a_placebo_has_the_place_and_similarity_of_its_task() -> None:
    view = View("yours", "m", None, "xnli", "accuracy", "p", "sample")
    points = pd.DataFrame(
        [("mnli", "mnli", "intermediate", "en"), ("qqp@food", "qqp", "intermediate", "en"),
         ("xnli:test:de", "xnli", "test", "de"), ("xnli:test:sw", "xnli", "test", "sw"),
         ("udpos:train", "udpos", "train", "en")],
        columns=["point", "task", "role", "lang"],
    )  # fmt: skip
    drawn = placed(points, target=view.target, names=["mnli~shuffled"], langs=["de"])
    assert drawn["is_shown"].tolist() == [True, False, True, False, False]
    assert drawn["key"].tolist()[0] == ["", "mnli~shuffled"]
    assert drawn["key"].tolist()[2] == ["de", ""]
    means = pd.DataFrame({"intermediate": ["mnli~shuffled", "mnli"], "value": [0.1, 0.2], "low": [None, 0.1],
                          "high": [None, 0.3], "n_seeds": 2, "n_langs": 3, "in_task": [False, True]})  # fmt: skip
    rows = pd.DataFrame({"intermediate": ["mnli"], "value": [0.9], "ci_low": [0.8], "ci_high": [1.0]})
    found = scatter_points(Grid(pd.DataFrame(), means, (), 0, 0), rows, lang=None)
    cells = means.rename(columns={"value": "gain"}).assign(lang="de", in_task=False, excluded=[None, FLOOR])
    of_german = scatter_points(Grid(cells, means, (), 0, 1), rows, lang="de")
    assert of_german[["intermediate", "counts"]].to_numpy().tolist() == [["mnli~shuffled", False], ["mnli", False]]
    assert scatter_points(Grid(cells.assign(excluded=None), means, (), 0, 0), rows, lang="de")["counts"].tolist() == [
        False, True
    ]  # fmt: skip
    assert found["similarity"].tolist() == [0.9, 0.9]
    assert found["counts"].tolist() == [False, False]  # a placebo, and an in-task pair


def test_umap_says_how_to_get_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_panel, "has_umap", lambda: False)
    text = umap_advice("gallery-p1", data_source="sample")
    assert "pip install umap-learn==0.5.12" in text
    assert "python -m core profile --kind domain --data-source sample" in text
    monkeypatch.setattr(domain_panel, "has_umap", lambda: True)
    (home / "profiles" / "p1").mkdir(parents=True)
    text = umap_advice("p1", data_source="mirror")
    assert "pip install" not in text
    assert f"Move the folder `{home / 'profiles' / 'p1'}` away" in text and "--mirror FOLDER" in text


def test_umap_falls_back_on_pca_and_says_so(profiled: dict[str, str], open_page: Open) -> None:
    del profiled
    at = open_page("pages/transfer.py", target="xnli", map="UMAP")
    assert any("This is PCA" in info.value for info in at.info)
    assert len(_figures(at)) == 2


def test_a_summary_has_interval_and_significance() -> None:
    cell = {"value": 0.02, "gain": 0.02, "low": 0.01, "high": 0.03, "score": 0.7, "q_value": 0.01, "significant": True,
            "n_seeds": 3, "in_task": False, "state": "done", "missing": None,
            "tested_by": "seeds and examples"}  # fmt: skip
    text = summary(cell)
    for part in ("**+2.0** points", "+1.0 to +3.0, paired test over seeds and test examples",
                 "differs from zero, corrected for the number of cells (q = 0.01)", "3 seeds"):  # fmt: skip
        assert part in text
    assert "may be nothing" in summary(cell | {"significant": False})


def test_the_way_from_a_run_to_its_gain() -> None:
    """Beside the gallery's where it has the same model, weights, target and data; else among one's own runs."""
    same = {"model": "atlas-mini", "model_fingerprint": "f00d", "target": "xnli", "metric": "accuracy"}
    same |= {"data_source": "sample", "protocol": "quick", "model_address": "atlas-mini", "is_headline": True}
    rows = pd.DataFrame(
        [
            same | {"collection": "yours", "protocol_digest": "b", "protocol_address": "quick~b", "intermediates": 1},
            same
            | {"collection": "measured", "protocol_digest": "a", "protocol_address": "quick~a", "intermediates": 9},
        ]
    )
    run = same | {"collection": "yours", "protocol_digest": "b", "intermediate": "qqp", "headline_metric": "accuracy"}
    place = place_of(rows, run, lang="en")
    assert place is not None and place.n_beside == 9
    assert (place.address["collection"], place.address["protocol"]) == ("measured", "quick~a")
    assert place.address["cell"] == "en~yours/qqp"
    baseline = place_of(rows, run | {"intermediate": "none"}, lang="en")
    assert baseline is not None and "cell" not in baseline.address
    for change in ({"model_fingerprint": "cafe"}, {"data_source": "mirror"}, {"target": "pawsx"}):
        mine = rows.assign(**change).head(1)
        alone = place_of(pd.concat([mine, rows.tail(1)]), run | change, lang="de")
        assert alone is not None and alone.n_beside == 0, change
        assert (alone.address["collection"], alone.address["cell"]) == ("yours", "de~qqp")
    assert place_of(rows.tail(1), run, lang="en") is None, "nothing of it has been read yet"
    # A view holds one protocol of one's own: a run by another one stands among its own.
    more = pd.concat([rows.assign(protocol_digest="a", protocol_address="quick~a"), rows.head(1)])
    other = place_of(more, run, lang="en")
    assert other is not None and other.address["collection"] == "yours"
