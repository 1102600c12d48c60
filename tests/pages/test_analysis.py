"""The analysis page over planted effects: the sentence, every part, the filter, and what to do on little."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.store.connection import Store
from tests.pages.conftest import Open, checked
from tests.synthetic import INTERMEDIATES, TARGETS, Planted, planted

PAGE = "pages/analysis.py"


def fill(home: Path, plan: Planted) -> None:
    with Store.open(home / "atlas.duckdb") as store:
        planted(store, plan)


def words(at: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*at.markdown, *at.caption])


def test_the_answer_and_every_part(home: Path, open_page: Open) -> None:
    fill(home, Planted(difficulty=0.02, similarity=0.012, spread=0.005, seeds=(1, 2), targets=TARGETS[:3]))
    for part, sign in {
        "Effects": "Mean gain in points", "Variance": "By target", "Predictions": "NDCG",
        "Claims": "supported if the whole", "Next": "missing", "Numbers": "Fractions, not points",
    }.items():  # fmt: skip
        at = open_page(PAGE, part=part)
        assert "Over 12 intermediate conditions" in words(at)
        text = words(at) + "".join(str(i.value) for i in at.info)
        assert sign.lower() in text.lower(), part


def test_a_launch_freezes_its_ranking_and_the_page_shows_it(home: Path, open_page: Open) -> None:
    fill(home, Planted(difficulty=0.02, seeds=(1,), targets=TARGETS[:3]))
    at = open_page(PAGE, part="Predictions")
    assert "None yet: a launch of two or more intermediates" in words(at)
    at = open_page("pages/launch.py", target="sib200", intermediate="qqp")
    picked = next(m for m in at.multiselect if m.label == "Intermediates")
    checked(picked.set_value(["qqp", "sst2"]).run())
    checked(next(b for b in at.button if b.label == "Start").click().run())
    assert len(list((home / "rankings").iterdir())) == 1
    at = open_page(PAGE, part="Predictions")
    shown = next(frame.value for frame in at.dataframe if "choice" in frame.value)
    assert set(shown["target"]) == {"sib200"}
    assert set(shown.loc[shown["selector"] == "difficulty", "state"]) == {"waiting"}
    assert set(shown.loc[shown["selector"] == "difficulty", "choice"]) <= {"qqp", "sst2"}


def test_the_sentence_follows_the_filter(home: Path, open_page: Open) -> None:
    fill(home, Planted(difficulty=0.02, spread=0.005, seeds=(1, 2), targets=TARGETS[:2]))
    assert "2 targets" in words(open_page(PAGE))
    one = words(open_page(PAGE, target=TARGETS[0]))
    assert "1 target," in one
    assert "one target, so that nothing is said of others" in one


@pytest.mark.parametrize("n", [3])
def test_too_few_conditions_say_so(home: Path, open_page: Open, n: int) -> None:
    fill(home, Planted(intermediates=INTERMEDIATES[:n], targets=TARGETS[:2]))
    assert f"{n} intermediate conditions have gain, difficulty and similarity" in words(open_page(PAGE))


def test_an_empty_store_shows_the_claims_and_what_they_need(home: Path, open_page: Open) -> None:
    del home
    at = open_page(PAGE, claim="P1")
    assert "24 not testable" in words(at)  # P4 is tested on the paper's own table, which is always there
    assert any("python -m core run" in str(code.value) for code in at.code)
