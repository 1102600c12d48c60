"""Bins, shares and marginal effects by hand; which views of a filter are written, and in which order."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest

from core.analysis.every_cell import every_cell, every_view
from core.analysis.surfaces import KNOWN, adjusted, any_two, binned
from core.queries.evidence import AnalysisOptions, Evidence, PooledRuns, Units
from core.queries.filters import Filter
from core.store.connection import Store
from tests.makers.tables import add_scores

SETTING = PooledRuns("yours", "m", None, "quick", "d", "sample")


def cells(*rows: tuple[str, str, str, float, float, float]) -> Evidence:
    """Evidence of (intermediate, target, language, gain, difficulty, similarity), one seed each."""
    frame = pd.DataFrame(rows, columns=["intermediate", "target", "lang", "gain", "difficulty", "similarity"])
    frame = frame.assign(
        type_match=0.0,
        log_size=3.0,
        distance=0.1,
        family="f",
        script="s",
        seed=1,
        complete=True,
        divisor=1.0,
        task=frame["intermediate"],
    )
    return Evidence(frame, pd.DataFrame(), Units(0, 0, 0, 0, 0, 0, 0), SETTING, AnalysisOptions(), {})


def test_the_level_of_a_target_and_language_is_taken_out() -> None:
    found = adjusted(cells(("a", "t", "de", 0.3, 0, 0), ("b", "t", "de", 0.1, 0, 0),
                           ("a", "t", "sw", 0.1, 0, 0), ("b", "t", "sw", 0.0, 0, 0)))  # fmt: skip
    # Means 0.2 in German and 0.05 in Swahili, 0.125 in all: 0.3 - 0.2 + 0.125, and so on.
    assert found["adjusted"].tolist() == pytest.approx([0.225, 0.175, 0.025, 0.075])
    assert found[["intermediate", "lang"]].to_numpy().tolist() == [["a", "de"], ["a", "sw"], ["b", "de"], ["b", "sw"]]


def test_bins_hold_equal_numbers_and_intervals_are_over_intermediates() -> None:
    found = binned(
        cells(("a", "t", "de", 0.0, 1, 10), ("b", "t", "de", 0.2, 2, 20), ("c", "t", "de", 0.4, 3, 30),
              ("d", "t", "de", 0.6, 4, 40)), bins=2,
    )  # fmt: skip
    assert found[["difficulty_bin", "similarity_bin", "intermediates", "cells"]].to_numpy().tolist() == [
        [0, 0, 2, 2], [1, 1, 2, 2]
    ]  # fmt: skip
    assert found[["difficulty_low", "difficulty_high", "similarity_low", "similarity_high"]].to_numpy().tolist() == [
        [1, 2, 10, 20], [3, 4, 30, 40]
    ]  # fmt: skip
    assert found["gain"].tolist() == pytest.approx([0.1, 0.5])
    # Gains 0 and 0.2: error 0.1, t of one degree of freedom 12.706.
    assert found["ci_high"][0] - found["gain"][0] == pytest.approx(1.2706, abs=1e-4)


def test_a_bin_of_one_intermediate_has_no_interval_however_many_cells_it_has() -> None:
    found = binned(cells(("a", "t", "de", 0.0, 1, 1), ("a", "t", "sw", 0.2, 1, 1), ("b", "t", "de", 0.4, 2, 2),
                         ("b", "t", "sw", 0.4, 2, 2)), bins=2)  # fmt: skip
    assert found[["intermediates", "cells"]].to_numpy().tolist() == [[1, 2], [1, 2]]
    assert found[["ci_low", "ci_high"]].isna().all().all()


@pytest.fixture
def store() -> Iterator[Store]:
    """MNLI and QQP before two targets in English, German and Swahili; baselines alone before a third."""
    rows = [(name, target, lang, seed, 0.5 + 0.1 * (name == "mnli"))
            for name in ("none", "mnli", "qqp") for target in ("sib200", "pawsx") for lang in ("en", "de", "sw")
            for seed in (1, 2)]  # fmt: skip
    rows += [("none", "udpos", "de", 1, 0.5)]
    with Store.open(":memory:") as opened:
        frame = pd.DataFrame(rows, columns=["intermediate", "target", "lang", "seed", "score"])
        add_scores(opened, frame)
        add_scores(opened, frame[frame["target"] == "sib200"].assign(collection="measured", protocol="standard"))
        with opened.write() as cur:
            cur.execute("INSERT INTO scores BY NAME SELECT * REPLACE ('a_f1' AS metric) FROM scores")
        yield opened


def test_views_are_those_of_the_filter_with_a_gain_in_the_headline_metric(store: Store) -> None:
    def views(wanted: Filter) -> list[tuple[str, str, str]]:
        with store.cursor() as cur:
            return [
                (heatmap.view.collection, heatmap.view.target, heatmap.view.metric)
                for heatmap in every_view(cur, wanted)
            ]

    # PAWS-X before SIB-200: of equal numbers of runs and languages the name decides. UD-POS has no gain.
    assert views(Filter()) == [
        ("yours", "pawsx", "accuracy"), ("yours", "sib200", "accuracy"), ("measured", "sib200", "accuracy")
    ]  # fmt: skip
    assert views(Filter(target="sib200", collection="yours")) == [("yours", "sib200", "accuracy")]
    assert views(Filter(target=("sib200",), protocol=("standard",))) == [("measured", "sib200", "accuracy")]
    assert views(Filter(metric="a_f1", target="pawsx")) == [("yours", "pawsx", "a_f1")]
    assert views(Filter(data_source="hub")) == views(Filter(model="mbert")) == []
    with store.cursor() as cur:
        scored = [heatmap.view.target for heatmap in every_view(cur, Filter(), quantity="score")]
    assert "udpos" in scored, "a baseline has scores"


def test_cells_are_narrowed_to_intermediates_and_languages_english_first(store: Store) -> None:
    with store.cursor() as cur:
        rows = every_cell(cur, Filter(target="pawsx"))
        some = every_cell(cur, Filter(target="pawsx", intermediate="mnli", langs=("sw", "en")))
        several = every_cell(cur, Filter(target="pawsx", intermediate=("mnli", "qqp"), langs=("sw",)))
    assert rows[["intermediate", "lang"]].to_numpy().tolist() == [
        [name, lang] for name in ("mnli", "qqp") for lang in ("en", "de", "sw")
    ]
    assert some[["intermediate", "lang", "n_seeds"]].to_numpy().tolist() == [["mnli", "en", 2], ["mnli", "sw", 2]]
    assert some["gain"].tolist() == pytest.approx([0.1, 0.1])
    assert several["intermediate"].tolist() == ["mnli", "qqp"]


def test_any_two_is_the_mean_over_seeds_of_cells_that_count_and_asks_for_the_measures_of_its_axes() -> None:
    found = cells(
        ("a", "t", "de", 0.2, 1, 10), ("a", "t", "de", 0.4, 1, 10), ("a", "t", "en", 0.9, 1, 10),
        ("b", "t", "sw", 0.1, 2, 20), ("c", "t", "sw", 0.3, 3, None),
    )  # fmt: skip
    found.frame["seed"] = [1, 2, 1, 1, 1]
    found.frame["why"] = [None, None, "English", None, "no similarity"]
    found.frame["complete"] = found.frame["why"].isna()
    asked: list[AnalysisOptions] = []

    def read(options: AnalysisOptions) -> Evidence:
        asked.append(options)
        return found

    rows = any_two(read, AnalysisOptions(), x="similarity-mmd", y="gain")
    assert [options.similarity for options in asked] == ["mmd", AnalysisOptions().similarity]
    there = rows[["intermediate", "lang", "n_seeds"]].to_numpy().tolist()
    assert there == [["a", "de", 2], ["b", "sw", 1], ["c", "sw", 1]]
    # English is out; what lacks a similarity stays for other axes, without a value here.
    assert rows["x"].tolist()[:2] == [10, 20] and pd.isna(rows["x"][2])
    assert rows["y"].tolist() == pytest.approx([30, 10, 30])
    sizes = any_two(read, AnalysisOptions(), x="size", y="wikipedia")
    assert sizes["x"].tolist() == pytest.approx([1000] * 3)  # log10 is 3
    assert sizes["y"].tolist() == [2.37, 0.05, 0.05]
    assert {known.column for known in KNOWN.values()} - {"wikipedia", "n", "score", "baseline_score"} <= set(
        found.frame
    )
