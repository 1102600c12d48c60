"""One question, one answer: page, command and report say the same words for the same filter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from core.actions.answer import EVERY_MEASURE, HELD_OUT
from core.analysis.answer import Answer
from core.cli.main import app
from core.jobs.fits import Fit
from core.jobs.records import JobState
from core.paths import AtlasPaths
from core.queries.evidence import AnalysisOptions
from core.queries.filters import Filter
from core.report.gathered import gather
from core.store.connection import Store
from pages.widgets import shared
from pages.widgets.analysis import data as analysis_data
from pages.widgets.show import md
from tests.commands import words_of
from tests.makers.tables import TARGETS, Planted, add_difficulty, planted
from tests.pages.conftest import Open

FILTERS = {
    "everything": ({}, AnalysisOptions()),
    "one target": ({"target": TARGETS[0]}, AnalysisOptions(wanted=Filter(target=(TARGETS[0],)))),
    "a family": ({"family": "Niger-Congo"}, AnalysisOptions(families=("Niger-Congo",))),
    "scripts": ({"script": ["Deva", "Hans"]}, AnalysisOptions(scripts=("Deva", "Hans"))),
    "other measures": ({"difficulty": "label_entropy", "anchor": "train"},
                       AnalysisOptions(difficulty="label_entropy", anchor="train")),
}  # fmt: skip
"""Addresses of the page, and the same filter."""


@pytest.fixture
def filled(home: Path) -> Path:
    """A store whose two measures of difficulty disagree, so that the sentences need every measure."""
    with Store.open(home / "atlas.duckdb") as store:
        found = planted(store, Planted(difficulty=0.03, spread=0.004, seeds=(1, 2), targets=TARGETS[:3]))
        means = found.groupby("intermediate")["score"].mean()
        add_difficulty(store, {str(name): -float(value) for name, value in means.items()}, measure="label_entropy")
    return home


def on_page(at: AppTest) -> str:
    return "\n".join(str(element.value) for element in at.markdown)


def from_command(command: str) -> tuple[list[str], str, list[str], str]:
    """Contrasts, headline, details and weight as the command prints them."""
    done = CliRunner().invoke(app, words_of(command), catch_exceptions=False)
    rows = [row for row in json.loads(done.stdout) if row["kind"] == "answer"]
    within = [row["label"] for row in rows if row["name"].startswith("contrast")]
    headline, *details = (row["label"] for row in rows[len(within) :])
    return within, headline, details, rows[0]["note"]


@pytest.mark.parametrize("name", list(FILTERS))
def test_page_command_and_report_say_the_same(filled: Path, open_page: Open, name: str) -> None:
    address, options = FILTERS[name]
    at = open_page("pages/analysis.py", part="Numbers", **address)
    printed = next(str(code.value) for code in at.code if "core analyse" in str(code.value))
    within, headline, details, weight = from_command(printed)
    again = from_command(printed.replace("--json", "--every-measure --json"))
    assert again == (within, headline, details, weight), "the option adds a table and no word"
    shown = on_page(at)
    assert f"**{md(headline)}**" in shown
    assert len(within) == 4 and all(f"- **{md(sentence)}**" in shown for sentence in within)
    assert all(f"- {md(detail)}" in shown for detail in details)
    said = reported(filled, options)
    assert (list(said.within), said.headline, list(said.details), said.weight) == (within, headline, details, weight)


def reported(home: Path, options: AnalysisOptions) -> Answer:
    with shared.store().cursor() as cur:
        return gather(cur, options, paths=AtlasPaths(home=home)).full.answer


def test_what_is_still_computed_is_named_in_the_answer(
    filled: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the page alone, which does not wait; the overview says so beside its sentence, too."""
    del filled
    monkeypatch.setattr(analysis_data, "MANY_CELLS", 100)
    monkeypatch.setattr(analysis_data, "ask", lambda *_, **__: Fit(JobState.RUNNING))
    shown = on_page(open_page("pages/analysis.py"))
    assert f"- {md(f'Not computed yet: {HELD_OUT}, {EVERY_MEASURE}.')}" in shown
    overview = open_page("pages/overview.py")
    assert any("is computed where it is asked for" in str(caption.value) for caption in overview.caption)


def test_the_overview_says_the_headline(filled: Path, open_page: Open) -> None:
    headline = md(reported(filled, AnalysisOptions()).headline)
    assert f"4. Across tasks: {headline}" in on_page(open_page("pages/overview.py"))
