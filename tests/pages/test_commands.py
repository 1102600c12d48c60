"""Every command that a page prints is one that the program takes; what asks for runs or a profile starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.store.connection import Store
from tests.commands import commands_in, parse, start
from tests.makers.tables import INTERMEDIATES, TARGETS, Planted, planted
from tests.pages.conftest import Open


def printed(at: AppTest) -> list[str]:
    """Commands in code blocks, tables and sentences."""
    texts = [element.value for element in (*at.code, *at.info, *at.warning, *at.caption, *at.markdown)]
    for frame in at.dataframe:
        texts += [cell for column in frame.value.columns for cell in frame.value[column]]
    return commands_in(texts)


def check(commands: list[str], *, names: set[str]) -> None:
    """They are of these names, and those that start something do."""
    assert {parse(command) for command in commands} == names
    for command in commands:
        if parse(command) in {"run", "profile"}:
            assert start(command), command


@pytest.fixture
def analysed(home: Path) -> None:
    few = Planted(intermediates=INTERMEDIATES[:8], targets=TARGETS[:2], langs=("de", "ru"), seeds=(1,))
    with Store.open(home / "atlas.duckdb") as store:
        planted(store, few)
        with store.write() as cur:
            cur.execute("DELETE FROM difficulties WHERE intermediate = 'qqp'")


@pytest.mark.usefixtures("analysed")
@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("Measures", {"profile", "analyse"}),
        ("Cells", {"profile", "analyse"}),
        ("Predictions", {"profile", "predict"}),
        ("Claims", {"profile", "run", "claims"}),
        ("Next", {"profile", "run", "next"}),
        ("Numbers", {"profile", "analyse"}),
    ],
)
def test_the_analysis(open_page: Open, part: str, names: set[str]) -> None:
    check(printed(open_page("pages/analysis.py", part=part, claim="P1")), names=names | {"contrasts"})


def test_a_run(ids: dict[str, str], open_page: Open) -> None:
    at = open_page("pages/runs.py", run=next(iter(ids.values())))
    check(printed(at), names={"run"})


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("page", "names"),
    [("overview", {"run"}), ("launch", {"run"}), ("tasks", {"tasks"}), ("analysis", {"run", "claims"})],
)
def test_an_empty_home(open_page: Open, page: str, names: set[str]) -> None:
    check(printed(open_page(f"pages/{page}.py")), names=names)


@pytest.mark.usefixtures("ids")
def test_a_data_source_without_profile(open_page: Open) -> None:
    at = open_page("pages/transfer.py", lang="de", intermediate="mnli")
    check(printed(at), names={"profile"})
