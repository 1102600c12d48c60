"""The first page: three sentences from the store, strips, the three collections, and what to do next."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from streamlit.testing.v1 import AppTest

from core.store.connection import Store
from tests.makers.tables import INTERMEDIATES, TARGETS, Planted, add_scores, planted
from tests.pages.conftest import Open

PAGE = "pages/overview.py"


def _fill(home: Path, plan: Planted) -> None:
    with Store.open(home / "atlas.duckdb") as store:
        planted(store, plan)


def _words(at: AppTest) -> str:
    kinds = (at.markdown, at.caption, at.header)
    return "\n".join(str(element.value).replace("\\", "") for kind in kinds for element in kind)


def _charts(at: AppTest) -> list[str]:
    return [str(element.proto.id) for element in at.get("plotly_chart")]


def test_three_sentences_of_the_fullest_collection(home: Path, open_page: Open) -> None:
    _fill(home, Planted(difficulty=0.02, spread=0.005, seeds=(1, 2), targets=TARGETS[:3],
                        setting={"collection": "measured"}))  # fmt: skip
    at = open_page(PAGE)
    text = _words(at)
    assert "Model: Atlas mini. Targets with gains: PAWS-X, TyDiQA-GoldP, UDPOS (of XTREME). " in text
    assert (
        "1. The largest set of runs (Atlas mini, protocol quick, generated sentences, known truth, came with the "
        "program) "
        "tries 12" in text
    )
    assert "2. Of 35 pairs of condition and target with 2 seeds" in text  # PAWS before PAWS-X is in-task
    assert "This compares 12 intermediates" in text
    assert "with one standard deviation more difficulty, the gain is" in text
    assert len(_charts(at)) == 2


def test_the_answer_warns_where_the_sign_hangs_on_the_measure(home: Path, open_page: Open) -> None:
    """Two measures of the same values, large where easy in one and where hard in the other: one must be wrong."""
    _fill(home, Planted(difficulty=0.02, spread=0.005, seeds=(1, 2), targets=TARGETS[:3]))
    assert "depends on the measure" not in _words(open_page(PAGE))
    with Store.open(home / "atlas.duckdb") as store, store.write() as cur:
        cur.execute("""
            INSERT INTO difficulties BY NAME
            SELECT * REPLACE ('label_entropy' AS measure) FROM difficulties WHERE measure = 'headroom'
        """)
    assert "whether difficulty helps or hurts depends on the measure" in _words(open_page(PAGE))


def test_the_three_collections_are_named_the_empty_ones_too(home: Path, open_page: Open) -> None:
    _fill(home, Planted(seeds=(1,), targets=TARGETS[:2], setting={"collection": "measured"}))
    text = _words(open_page(PAGE))
    assert "tables of" in text and "gains as printed" in text
    assert "26 runs, 26 finished" in text  # (12 intermediates + none) × 2 targets
    assert "**Yours** · runs made here\nNone yet." in text.replace("\n\n", "\n")
    assert "All are grey and without an interval, as no pair has results of two seeds" in text
    assert "All is of one seed: the intervals leave out what another seed would change." in text


def test_too_little_for_a_model_says_so_and_proposes_runs(home: Path, open_page: Open) -> None:
    _fill(home, Planted(intermediates=INTERMEDIATES[:3], seeds=(1, 2), targets=TARGETS[:2]))
    at = open_page(PAGE)
    assert "The evidence does not answer the question yet: 3 intermediates" in _words(at)


def test_gaps_come_with_the_command_that_fills_them(ids: dict[str, str], open_page: Open) -> None:
    del ids
    at = open_page(PAGE)
    assert "Fill a gap: 36 cells are left out" in _words(at)
    assert "Parts and placebos of tasks (1) are in the export and on Transfer, not here." in _words(at)
    assert any("--intermediate none --target tatoeba" in str(code.value) for code in at.code)


def test_an_empty_store_names_the_published_figures(open_page: Open) -> None:
    text = _words(open_page(PAGE))
    assert "There is no gain yet, so the question has no answer" in text
    assert "tables of" in text and text.count("None yet.") == 2


def test_real_data_open_the_page_and_the_laboratory_stands_apart(home: Path, open_page: Open) -> None:
    real = {"data_source": "mirror", "protocol": "gallery", "model": "e5-small-q4"}
    _fill(home, Planted(difficulty=0.02, seeds=(1, 2), targets=TARGETS[:3]))
    runs = [(name, target, lang, seed, 0.5 + place / 100 + seed / 1000)
            for place, name in enumerate(("none", *INTERMEDIATES[:5])) for target in TARGETS[:3]
            for lang in ("en", "de", "sw") for seed in (1, 2)]  # fmt: skip
    with Store.open(home / "atlas.duckdb") as store:
        frame = pd.DataFrame(runs, columns=["intermediate", "target", "lang", "seed", "score"])
        add_scores(store, frame.assign(**real))
    text = _words(open_page(PAGE))
    assert "real data" in text.split("On real data, training on one more English task first (5 were tried")[0]
    assert "1. The largest set of runs (Multilingual E5 small, 4-bit, protocol gallery, real data, run here)" in text
    assert "Other runs were made on sentences that this program generates" in text
    assert "say nothing about XTREME" not in text
    assert "**36 on real data**, 78 on generated sentences" in text  # (5 + 1) × 3 × 2 and (12 + 1) × 3 × 2


def test_where_no_real_gain_counts_it_says_so_and_names_the_laboratory(home: Path, open_page: Open) -> None:
    _fill(home, Planted(seeds=(1, 2), targets=TARGETS[:3]))
    text = _words(open_page(PAGE))
    assert "There is no gain on real data here. What follows is from the laboratory" in text
    assert "On generated sentences, training on one more English task first (12 were tried before 3 targets)" in text
