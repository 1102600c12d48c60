"""Limits of a server: visitors at a time, memory, and what its operator is told."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.errors import SpecError
from pages.widgets import server
from pages.widgets.keeping import Bound, most_bytes, shared
from tests.makers.home import held
from tests.pages.conftest import Open


def test_above_the_bound_results_are_forgotten_once() -> None:
    """What the allocator does not give back is no reason to compute everything with each click."""
    calls, held = list[int](), [3e9]

    @shared(show_spinner=False)
    def square(x: int) -> int:
        calls.append(x)
        return x * x

    bound, usual = Bound(), dict[str, str]()
    assert square(3) == square(3) == 9 and calls == [3]
    assert bound.keep(usual, held=lambda: held[0]) and square(3) == 9 and calls == [3, 3]
    assert not bound.keep(usual, held=lambda: held[0]) and square(3) == 9 and calls == [3, 3]
    held[0] = 4e9
    assert bound.keep(usual, held=lambda: held[0])
    held[0] = 1e9
    assert not bound.keep(usual, held=lambda: held[0])
    held[0] = 2.1e9
    assert bound.keep(usual, held=lambda: held[0])
    assert not bound.keep({"ATLAS_MOST_MEMORY_GB": "3"}, held=lambda: held[0])


@pytest.mark.parametrize("said", ["", "many", "-1", "0", "nan", "inf", "9" * 400])
def test_a_bound_that_is_none_is_named(said: str) -> None:
    with pytest.raises(SpecError, match=r"ATLAS_MOST_MEMORY_GB is .*expected a number from 0.001 on: GB of memory"):
        most_bytes({"ATLAS_MOST_MEMORY_GB": said})


def test_a_setting_that_cannot_be_used_is_named_and_the_page_goes_on(
    home: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    del home
    monkeypatch.setenv("ATLAS_MOST_SESSIONS", "many")
    at = open_page("pages/runs.py")
    assert any("ATLAS\\_MOST\\_SESSIONS is 'many', expected a whole number" in e.value for e in at.error)
    assert at.title[0].value == "Runs" and not at.exception


def test_a_visitor_too_many_waits_until_one_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    here, me = {"a", "b", "c"}, SimpleNamespace(session_id="a")
    inside = set[str]()
    monkeypatch.setattr(server, "exists", lambda: True)
    monkeypatch.setattr(server, "get_instance", lambda: SimpleNamespace(is_active_session=here.__contains__))
    monkeypatch.setattr(server, "get_script_run_ctx", lambda: me)
    monkeypatch.setattr(server, "_inside", lambda: inside)

    def comes(who: str) -> bool:
        me.session_id = who
        return server._is_let_in(2)

    assert comes("a") and comes("b") and not comes("c") and comes("a")
    here.remove("a")
    assert comes("c") and not comes("a")


def test_the_operator_of_an_open_server_is_told_with_the_first_page(
    home: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    del home
    monkeypatch.setattr(server, "is_public", lambda _address: True)
    with caplog.at_level(logging.WARNING):
        open_page("pages/glossary.py")
        open_page("pages/runs.py")
        open_page("pages/tasks.py")
    assert [r.message for r in caplog.records].count(server.OPEN_TO_ALL) == 1


def test_a_second_application_on_a_home_shows_the_same(ids: dict[str, str], home: Path, open_page: Open) -> None:
    """The index is held by the first; the second reads the folders, and starts jobs as the first does."""
    with held(home / "atlas.duckdb"):
        at = open_page("pages/runs.py", run=ids["finished"])
        assert not at.error and not at.exception
        (said,) = [info.value for info in at.info if "Reading the run folders instead" in info.value]
        assert "is open in process" in said
        listed = {row for frame in at.dataframe for row in frame.value.astype(str).to_numpy().ravel()}
        assert {ids["finished"], ids["baseline"]} <= listed
        launch = open_page("pages/launch.py")
        assert not next(b for b in launch.button if b.label == "Start").disabled
