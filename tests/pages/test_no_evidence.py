"""Where no gain is evidence every page says so, and shows the values."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.store.connection import Store
from core.store.counted import EARLIER, INTERMEDIATE, REASONS
from tests.makers.worlds import KINDS, Chain, plant
from tests.pages.conftest import Open
from tests.pages.test_panels import words

SCORES = {"de": 0.5, "sw": 0.5}
OLD = dict.fromkeys(KINDS, None)


@pytest.fixture
def earlier(home: Path) -> None:
    """Two intermediates by an earlier version."""
    chains = [Chain(name, scores=SCORES, codes=OLD) for name in ("none", "mnli", "qqp")]
    with Store.open(home / "atlas.duckdb") as store:
        plant(store, chains)


@pytest.mark.usefixtures("earlier")
def test_the_overview_says_how_many_count_and_why_the_others_do_not(open_page: Open) -> None:
    text = words(open_page("pages/overview.py"))
    assert "No gain of the largest set of runs" in text
    assert "counts. All 4 gains do not count and are left out: 4 made by an earlier version" in text
    assert "4 gains in all metrics (0 gains count, 0 on real data)" in text
    assert "Nothing yet: no gain counts." in text


@pytest.mark.usefixtures("earlier")
def test_the_analysis_names_the_reason_and_counts_them_if_asked(open_page: Open) -> None:
    text = words(open_page("pages/analysis.py"))
    assert "no intermediate has a gain" in text
    assert "All 4 gains do not count and are left out: 4 made by an earlier version" in text
    assert "do not count and are left out" not in words(open_page("pages/analysis.py", excluded="true"))


@pytest.mark.usefixtures("earlier")
def test_the_map_shows_them_in_brackets_and_the_cell_says_why(open_page: Open) -> None:
    at = open_page("pages/transfer.py", target="xnli", cell="de~mnli")
    text = words(at)
    assert "4 of 4 values do not count: they stand in brackets, outside of averages and tests" in text
    assert f"Does not count: {EARLIER}" in text and REASONS[EARLIER] in text
    cells = next(d.value for d in at.dataframe if "q_value" in d.value.columns)
    assert cells["shown"].notna().all() and cells["q_value"].isna().all()
    assert set(cells["excluded"]) == {EARLIER}


def test_a_run_says_what_was_not_learned(home: Path, open_page: Open) -> None:
    chain = Chain(p=0.4, scores=SCORES)
    with Store.open(home / "atlas.duckdb") as store:
        plant(store, [Chain("none", scores=SCORES), chain])
    at = open_page("pages/runs.py", run=chain.run_id)
    assert f"Does not count: {INTERMEDIATE}" in words(at)
    rows = next(d.value for d in at.dataframe if "verdict" in d.value.columns)
    assert rows[["kind", "verdict"]].to_numpy().tolist() == [["intermediate", "not learned"], ["target", "learned"]]
    assert any("Learned 1 of 2 tasks" in e.label for e in at.expander)
    text = words(open_page("pages/compare.py", ids=f"{Chain('none', scores=SCORES).run_id},{chain.run_id}"))
    assert f"B does not count: {INTERMEDIATE}" in text and "A does not count" not in text
