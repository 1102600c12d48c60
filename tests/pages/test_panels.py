"""Panels say what the data says: the best language, the order, the counts, each from numbers made by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.analysis.answer import Answer
from core.analysis.next_cells import NO_PAIR
from core.jobs.records import JobState, JobStatus
from core.paths import AtlasPaths
from core.queries.evidence import AnalysisOptions, Evidence, PooledRuns, Units
from core.queries.runs.pace import Span
from core.store.connection import Store
from pages.widgets.analysis.choice import How
from pages.widgets.analysis.panels import show_answer, show_cells, show_next
from pages.widgets.runs import jobs
from pages.widgets.runs.listing import Known, ends, run_rows
from pages.widgets.runs.matched import show_matched
from tests.makers.tables import add_scores
from tests.pages.conftest import Open, checked

COLUMNS = ["intermediate", "target", "lang", "seed", "score"]
GAINS = {("mnli", "de"): 0.3, ("mnli", "sw"): 0.0, ("mnli", "zh"): -0.1, ("qqp", "de"): 0.05, ("qqp", "sw"): 0.05}
"""On SIB-200, above a baseline of 0.5."""


@pytest.fixture
def gained(home: Path) -> None:
    """A store with these gains, one seed each."""
    rows = [("none", "sib200", lang, 1, 0.5) for lang in ("de", "sw", "zh")]
    rows += [(name, "sib200", lang, 1, 0.5 + gain) for (name, lang), gain in GAINS.items()]
    with Store.open(home / "atlas.duckdb") as store:
        add_scores(store, pd.DataFrame(rows, columns=COLUMNS))


def words(at: AppTest) -> str:
    """All that is written, without the backslashes that keep it text."""
    kinds = (at.markdown, at.caption, at.info, at.warning)
    return "\n".join(str(element.value).replace("\\", "") for kind in kinds for element in kind)


def shown(panel: Callable[..., None], *values: object, **options: object) -> AppTest:
    """One panel alone, with its arguments."""
    script = AppTest.from_function(_draw, args=(panel.__module__, panel.__name__, values, options), default_timeout=120)
    return checked(script.run())


def _draw(module: str, name: str, values, options) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  # a script
    import importlib  # noqa: PLC0415

    getattr(importlib.import_module(module), name)(*values, **options)


def test_a_card_names_the_best_intermediate_and_its_best_and_worst_language(gained: None, open_page: Open) -> None:
    del gained
    at = open_page("pages/overview.py")
    assert [(m.label, m.value) for m in at.metric] == [("SIB-200, after MNLI", "+6.7 points")]  # (30 + 0 - 10) / 3
    text = words(at)
    assert "Mean gain in accuracy over 3 of 3 languages; it is above zero in 1." in text
    assert "From −10.0 in Mandarin (zh) to +30.0 in German (de)." in text
    assert "1 seed, best of 2 conditions" in text


def test_a_collection_says_how_much_of_it_is_finished(gained: None, home: Path, open_page: Open) -> None:
    del gained
    with Store.open(home / "atlas.duckdb") as store, store.write() as cur:
        cur.execute("UPDATE runs SET outcome = 'failed' WHERE intermediate = 'qqp'")
    text = words(open_page("pages/overview.py"))
    said = "3 runs, 2 finished: **0 on real data**, 3 on generated sentences; 8 scores and 5 gains in all metrics (5 "
    assert said in text
    assert "models: 1 · intermediates and parts: 2 · targets: 1" in text


def test_the_map_opens_with_the_view_of_most_scores_and_its_table_has_the_gains(
    gained: None, home: Path, open_page: Open
) -> None:
    del gained
    fewer = [("none", "udpos", "de", 1, 0.5), ("mnli", "udpos", "de", 1, 0.9)]
    with Store.open(home / "atlas.duckdb") as store:
        add_scores(store, pd.DataFrame(fewer, columns=COLUMNS))
    at = open_page("pages/transfer.py")
    assert next(s for s in at.selectbox if s.key == "target").value == "sib200"
    cells = next(d.value for d in at.dataframe if "q_value" in d.value.columns)
    table = {(row.intermediate, row.lang): row.shown for row in cells.itertuples() if pd.notna(row.shown)}
    assert table == {key: pytest.approx(100 * gain) for key, gain in GAINS.items()}
    empty = cells[cells["shown"].isna()]
    assert empty[["intermediate", "lang", "state"]].to_numpy().tolist() == [["qqp", "zh", "missing"]]
    assert "The row of means is over the 2 languages that all intermediates have, without Mandarin (zh)." in words(at)


def test_languages_are_ordered_by_what_is_asked_for(gained: None, open_page: Open) -> None:
    del gained

    def langs(order: str) -> list[str]:
        at = open_page("pages/transfer.py", order=order)
        cells = next(d.value for d in at.dataframe if "q_value" in d.value.columns)
        return list(dict.fromkeys(cells["lang"]))

    assert langs("name") == ["de", "zh", "sw"]  # German, Mandarin, Swahili
    assert langs("mean gain") == ["de", "sw", "zh"]


def test_ranks_are_within_a_language_the_largest_first(gained: None, open_page: Open) -> None:
    del gained
    at = open_page("pages/transfer.py", show="rank")
    cells = next(d.value for d in at.dataframe if "q_value" in d.value.columns).set_index(["lang", "intermediate"])
    assert cells.loc[("de", "mnli"), "shown"] == 1 and cells.loc[("de", "qqp"), "shown"] == 2
    assert cells.loc[("sw", "mnli"), "shown"] == 2 and cells.loc[("sw", "qqp"), "shown"] == 1


def test_differences_are_to_the_first_run_in_points(gained: None, home: Path, open_page: Open) -> None:
    del gained
    base = "atlas-mini|sib200|1|quick|sample|yours|"
    with Store.open(home / "atlas.duckdb") as store, store.write() as cur:  # ids that an address can hold
        for table in ("runs", "scores"):
            cur.execute(f"UPDATE {table} SET run_id = replace(run_id, '{base}', 'run')")
    at = open_page("pages/compare.py", ids="runqqp,runmnli")
    scores = next(d.value for d in at.dataframe if "B difference" in d.value.columns).set_index("language")
    assert scores["A"].dropna().to_dict() == pytest.approx({"German (de)": 55, "Swahili (sw)": 55})
    assert scores.loc["German (de)", "B difference"] == pytest.approx(25)
    assert scores.loc["Swahili (sw)", "B difference"] == pytest.approx(-5)
    assert pd.isna(scores.loc["Mandarin (zh)", "B difference"]), "the first run has no score in Mandarin"
    assert "**B − A:** +10.0 points on average over 2 languages" in words(at)
    assert "B is higher than A in 1 of them." in words(at)


def test_the_list_of_runs_is_narrowed_to_the_states_asked_for(ids: dict[str, str], open_page: Open) -> None:
    at = open_page("pages/runs.py")

    def listed() -> dict[str, str]:
        rows = next(d.value for d in at.dataframe if "chain" in d.value.columns)
        return dict(zip(rows["run"], rows["state"], strict=True))

    everything = listed()
    assert len(everything) == 15 and ids["damaged"] not in everything
    assert everything[ids["failed"]] == "✗ failed" and everything[ids["cancelled"]] == "■ cancelled"
    checked(at.get("button_group")[0].set_value(["failed"]).run())
    assert set(listed()) == {ids["failed"]}


def test_a_browser_that_has_not_heard_of_a_new_state_keeps_what_was_chosen(
    ids: dict[str, str], open_page: Open, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sends the pickers' words of before, as when the clock of the page ticks while a script is still at work."""
    monkeypatch.setattr(jobs, "SLOW_S", math.inf)  # a list that took long would be shown a little longer
    chosen = ids["cancelled"]
    at = open_page("pages/runs.py", run=chosen)
    checked(at.get("button_group")[0].set_value(["failed", "cancelled", "done"]).run())
    before = at._tree.get_widget_states()
    AtlasPaths(home=home).run(chosen).cancel.unlink()
    assert "schedule: queued" in words(checked(at.run()))
    checked(at._run(before))
    assert at.query_params["run"] == chosen
    assert any(element.value.startswith("## IMDB") for element in at.markdown)
    assert list(at.session_state["state"]) == ["failed", "cancelled", "done"]


def test_progress_is_of_the_run_and_time_left_of_what_runs() -> None:
    def job(name: str, state: JobState) -> JobStatus:
        spec = ("xlm-r-base", "mnli", "xnli", 1, "quick", "sample")
        return JobStatus(name, state, None, 1.0, None, None, 1, None, *spec)

    columns = ["run_id", "stage", "step", "total_steps", "done", "n_read"]
    rows = [("a", "target xnli", 5, 20, 0.25, 3), ("b", "target xnli", 10, 20, 0.5, 3)]
    rows += [("e", None, None, None, None, 0), ("f", None, None, None, None, 2), ("g", None, None, None, 0.5, 9)]
    rows += [("h", "evaluation xnli", 0, 15, 0.9, 9)]
    done = pd.DataFrame(rows, columns=columns)
    jobs = [job("c", JobState.DONE), job("a", JobState.RUNNING), job("b", JobState.FAILED), job("d", JobState.QUEUED)]
    left = {"a": Span(120, 240), "d": Span(300, 540)}
    rows = run_rows(jobs, Known(done, {"c": "target not learned"}, left)).astype(object)
    found = rows.where(rows.notna(), None)[["run", "progress", "stage", "left", "evidence"]].to_numpy().tolist()
    assert found == [
        ["c", 1.0, None, None, "no: target not learned"],
        ["a", 0.25, "training the target XNLI: step 5 of 20", "2–4 min", None],
        ["b", 0.5, None, None, None],  # it stopped half-way, and nothing is left that would end
        ["d", None, None, "5–9 min", None],
    ]
    # A run that executes says what it does before its first stage and between stages, too.
    early = [job(name, JobState.RUNNING) for name in "efghi"]
    assert run_rows(early, Known(done, {}, {}))["stage"].tolist() == [
        "looking up the data", "reading the data: 2 parts so far", "loading the model",
        "scoring XNLI: the first language", "starting",
    ]  # fmt: skip
    # Where several studies are open, each has its line; the middle of 300 and 540 s is 402 s.
    evening = datetime(2026, 11, 29, 23, 55, tzinfo=UTC)
    both = "All runs: 2 not finished, about 5–9 min left, done at about Mon 30 Nov 00:01."
    assert ends(jobs, left, now=evening) == [both]
    named = [*jobs[:3], jobs[3]._replace(study="grid")]
    assert ends(named, left, now=evening) == [
        "Runs without a study: 1 not finished, about 2–4 min left, done at about 23:57.",
        "Study grid: 1 not finished, about 5–9 min left, done at about Mon 30 Nov 00:01.",
        both,
    ]
    assert ends(jobs, {}, now=evening) == []


def test_the_match_of_a_third_is_a_table(home: Path) -> None:
    del home
    own = {"task": "mnli", "target": "udpos", "encoder": "tiny", "third": "near", "is_trained": True, "n": 500}
    own |= {"length": 80.0, "bits": 0.4, "similarity": 0.1, "word_overlap": 0.6}
    empty = {"label_gap": None, "d_length": None, "d_bits": None, "d_similarity": None}
    far = own | {"third": "far", "is_trained": False, "similarity": -0.1, "word_overlap": 0.5, "label_gap": 0.0}
    rows = pd.DataFrame([own | empty, far | {"d_length": 0.01, "d_bits": -0.02, "d_similarity": 2.5}])
    at = shown(show_matched, rows)
    assert [e.label for e in at.expander] == ["Thirds: trained on 'near', beside the others"]
    assert at.dataframe[0].value["word_overlap"].tolist() == [0.6, 0.5]
    assert "mean vector of UDPOS's English training texts in tiny before any training" in words(at)
    alone = shown(show_matched, rows.assign(target=None, encoder=None))
    assert "bits" in (order := alone.dataframe[0].proto.column_order) and "similarity" not in order
    assert "UDPOS" not in words(alone)
    assert not shown(show_matched, rows.head(0)).expander


@pytest.mark.parametrize(
    ("weight", "badge"), [("fair", "sufficient evidence"), ("thin", "thin evidence"), ("none", "no answer yet")]
)
def test_the_badge_says_how_much_an_answer_weighs_and_gaps_come_with_commands(weight: str, badge: str) -> None:
    remedy = "python -m core run --target xnli"
    rows = [("no gain", 4, "mnli", "no baseline", remedy), ("English", 9, "mnli", "left out", "")]
    missing = pd.DataFrame(rows, columns=["what", "cells", "names", "why", "remedy"])
    pooled = PooledRuns("yours", "m", None, "quick", "d", "sample")
    found = Evidence(
        pd.DataFrame(), missing, Units(0, 0, 0, 0, 0, 0, 0), pooled, AnalysisOptions(), {"difficulty": "measured"}
    )
    said = Answer("Harder goes with more.", ("One.", "Two."), weight, ())  # type: ignore[arg-type]
    at = shown(show_answer, said, found, missing)
    text = words(at)
    assert badge in text and "**Harder goes with more.**" in text and "- One." in text
    folded, *gaps = [e.label for e in at.expander]
    assert folded.startswith("How sure that is") and gaps == ["4 cells are left out: no baseline"], "others on purpose"
    assert [code.value for code in at.code] == [remedy]


def test_cells_that_differ_are_counted_among_those_that_were_tested() -> None:
    names = ("gain", "ci_low", "ci_high", "detectable", "p_value", "q_value")
    rows = pd.DataFrame(
        [(0.1, 0.05, 0.15, 0.02, 0.001, 0.003), (0.02, 0.0, 0.04, 0.03, 0.01, 0.05), (0.0, -0.1, 0.1, 0.1, 0.9, 0.9),
         (0.3, None, None, None, None, None)], columns=list(names),
    )  # fmt: skip
    rest = ("n_seeds", "n_examples", "gained", "lost", "p_mcnemar", "method", "note")
    rows = rows.assign(intermediate=["mnli", "qqp", "squad", "cola"], lang="de", **dict.fromkeys(rest))
    at = shown(show_cells, rows, target="xnli", how=How("python -m core analyse --cells", "sample"))
    assert "2 of 3 tested gains differ from zero" in words(at)
    table = at.dataframe[0].value
    assert table["gain"].tolist() == pytest.approx([10.0, 2.0, 0.0, 30.0]), "points, not fractions"


def test_proposals_are_shown_in_the_order_of_their_worth() -> None:
    rows = pd.DataFrame(
        {"kind": ["run", "seeds"], "intermediate": ["rte", "mnli"], "target": "xnli", "runs": [3, 6],
         "difficulty_narrower": [0.2, 0.1], "similarity_narrower": [0.1, 0.05], "worth": [0.05, 0.0125],
         "langs": 4, "why": "w", "command": ["one", "two"]}
    )  # fmt: skip
    at = shown(show_next, rows, how=How("python -m core next", "sample"))
    table = at.dataframe[0].value
    assert table["command"].tolist() == ["one", "two"]
    assert table["difficulty_narrower"].tolist() == pytest.approx([20.0, 10.0])
    assert NO_PAIR in [text.value for text in shown(show_next, rows.head(0), how=How("", "sample")).caption]


def test_a_figure_that_cannot_be_drawn_says_why_and_the_page_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    page = (
        "import streamlit as st\nfrom pages.widgets.show import chart\n"
        "def draw():\n    raise KeyError(\"no column 'gain' in <this> frame\")\n"
        "chart(draw, key='broken', alt='Nothing')\nst.markdown('The rest of the page.')"
    )
    at = AppTest.from_string(page, default_timeout=60).run()
    assert not at.exception and [text.value for text in at.markdown] == ["The rest of the page."]
    (box,) = at.error
    assert "no column 'gain' in" in box.value and "KeyError" in box.value
    assert "broken" in caplog.text and caplog.records[-1].exc_info
