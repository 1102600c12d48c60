"""The compare page: the link opens the choice, differences stand beside scores, and nothing wrong is differenced."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from core.analysis.compare import MOST
from tests.makers.home import spec
from tests.pages.conftest import Open, checked

PAGE = "pages/compare.py"


def _ids(*runs: tuple[str, str, int]) -> str:
    return ",".join(spec(name, target, seed=seed).run_id for name, target, seed in runs)


def _words(at: AppTest) -> str:
    kinds = (at.markdown, at.caption, at.warning, at.info)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def _tables(at: AppTest) -> tuple[list[str], list[str]]:
    """Fields that are listed, and columns of the scores."""
    settings, scores = at.dataframe[0].value, at.dataframe[1].value
    return settings["field"].tolist(), list(scores.columns)


def test_a_link_opens_the_comparison(ids: dict[str, str], open_page: Open) -> None:
    at = open_page(PAGE, ids=f"{ids['baseline']},{ids['finished']}")
    assert at.multiselect[0].value == [ids["baseline"], ids["finished"]]
    text = _words(at)
    assert "**B − A:** +2.0 points on average over 14 languages" in text
    assert "corrected for the 15 differences" in text  # the fixture keeps predictions of both
    assert "The average above leaves English out" in text
    fields, columns = _tables(at)
    assert fields == ["intermediate", "intermediate · tasks"]
    assert columns == ["language", "A", "B", "B difference", "B interval", "B q", "B flips", "n"]
    checked(at.toggle[0].set_value(True).run())
    assert "protocol · target.learning_rate" in at.dataframe[0].value["field"].tolist()


def test_another_first_run_turns_the_sign(ids: dict[str, str], open_page: Open) -> None:
    at = open_page(PAGE, ids=f"{ids['baseline']},{ids['finished']}")
    first = next(s for s in at.selectbox if s.label == "Compared with")
    checked(first.set_value(ids["finished"]).run())
    assert "**B − A:** −2.0 points" in _words(at)
    assert at.multiselect[0].value == [ids["finished"], ids["baseline"]]


def test_incomparable_runs_are_named_and_not_differenced(ids: dict[str, str], open_page: Open) -> None:
    del ids
    at = open_page(PAGE, ids=_ids(("none", "xnli", 1), ("squad", "xquad", 1), ("mnli", "xnli", 2)))
    text = _words(at)
    assert "**B is not compared with A:** other target\\: xquad" in text
    assert "B − A" not in text and "**C − A:**" in text
    assert "Not drawn, because not comparable with A: B." in text
    assert "B difference" not in at.dataframe[1].value.columns


def test_other_metrics_have_no_test_and_runs_without_predictions_say_so(ids: dict[str, str], open_page: Open) -> None:
    del ids
    at = open_page(PAGE, ids=_ids(("none", "xnli", 1), ("qqp", "xnli", 1)))
    assert "needs stored scores of single examples of both runs" in _words(at)
    checked(next(s for s in at.selectbox if s.label == "Metric").set_value("macro_f1").run())
    assert "Only the main metric has intervals" in _words(at)


def test_settings_as_axes(ids: dict[str, str], open_page: Open) -> None:
    del ids
    at = open_page(PAGE, axes="Settings", ids=_ids(("none", "xnli", 1), ("mnli", "xnli", 1), ("mnli", "xnli", 2)))
    assert "mean over the 15 languages" in _words(at)


def test_strangers_too_many_and_too_few(ids: dict[str, str], open_page: Open) -> None:
    at = open_page(PAGE, ids="<b>nonsense</b>,~;DROP TABLE runs")
    assert "the link may come from another installation" in _words(at) and "Choose two runs to compare" in _words(at)
    assert "Choose one more run" in _words(open_page(PAGE, ids=ids["finished"]))
    every = [(name, "xnli", seed) for seed in (1, 2) for name in ("none", "mnli", "qqp", "cola")]
    assert len(open_page(PAGE, ids=_ids(*every)).multiselect[0].value) == MOST


def test_a_run_without_scores_is_compared_in_its_settings(ids: dict[str, str], open_page: Open) -> None:
    at = open_page(PAGE, ids=f"{ids['failed']},{ids['cancelled']}")
    assert "None of these runs has been scored" in _words(at)
    assert "intermediate" in at.dataframe[0].value["field"].tolist()


def test_runs_are_sent_from_the_page_of_runs(ids: dict[str, str], open_page: Open) -> None:
    at = open_page("pages/runs.py", run=ids["finished"])
    add = next(b for b in at.button if b.label == "Add to comparison")
    checked(add.click().run())
    assert at.session_state["_compare_list"] == [ids["finished"]]
    remove = next(b for b in at.button if b.label == "Remove from comparison")
    checked(remove.click().run())
    assert at.session_state["_compare_list"] == []
