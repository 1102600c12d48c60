"""The page Runs where there are many: a page of them at a time, and no list of all folders in a rerun."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from core.jobs.records import JobState
from core.paths import AtlasPaths
from pages.widgets import shared
from pages.widgets.runs import jobs as jobs_module
from pages.widgets.runs import listing
from pages.widgets.runs.jobs import Listing
from pages.widgets.shared import Look
from tests.makers.home import fill, spec
from tests.pages.conftest import Open, checked


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four runs a page."""
    monkeypatch.setattr(listing, "PAGE_ROWS", 4)


def test_long_lists_have_pages_and_files_hold_every_run(
    short_pages: None, ids: dict[str, str], open_page: Open
) -> None:
    del short_pages
    at = open_page("pages/runs.py")

    def listed() -> list[str]:
        return next(list(d.value["run"]) for d in at.dataframe if "chain" in d.value.columns)

    assert "Runs 1 to 4 of 15" in [c.value for c in at.caption]
    first = listed()
    assert at.selectbox(key="run_pick").options[0].endswith(f"seed 1 · {first[0]}")
    at.session_state["runs_page_4"] = 4
    checked(at.run())
    assert "Runs 13 to 15 of 15" in [c.value for c in at.caption]
    assert len(first) == 4 and len(listed()) == 3 and not set(first) & set(listed())
    # The filter leaves one page, which has no numbers below it.
    checked(at.get("button_group")[0].set_value(["failed"]).run())
    assert listed() == [ids["failed"]] and not any("of 15" in c.value for c in at.caption)


def test_a_run_of_another_page_opens_by_its_address(short_pages: None, ids: dict[str, str], open_page: Open) -> None:
    del short_pages
    at = open_page("pages/runs.py", run=ids["no_baseline"])
    shown = [d.value for d in at.dataframe if "chain" in d.value.columns]
    assert ids["no_baseline"] not in list(shown[0]["run"]), "it is on another page, or this shows nothing"
    assert at.selectbox(key="run_pick").value == ids["no_baseline"]
    assert any("MNLI → Tatoeba" in m.value for m in at.markdown)


def test_all_rows_of_a_long_list_are_exported(short_pages: None, ids: dict[str, str], home: Path) -> None:
    del short_pages, ids
    found = Listing(AtlasPaths(home=home)).now()
    rows = listing.exported(found.listed, listing.Known(pd.DataFrame(columns=["run_id"]), {}, {}))
    assert len(rows) == 15 and set(rows["state"]) == {"done", "failed", "cancelled"}


def test_slow_lists_are_made_once_and_open_runs_are_looked_at_each_time(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(home)
    paths, n_lists = AtlasPaths(home=home), []
    listed = jobs_module.list_runs
    monkeypatch.setattr(jobs_module, "list_runs", lambda where: n_lists.append(1) or listed(where))
    monkeypatch.setattr(jobs_module, "SLOW_S", 0.0)  # every list is slow,
    monkeypatch.setattr(jobs_module, "REST", 1e9)  # and none is due again
    waiting = paths.run(spec("imdb~mlm", "udpos").run_id)
    waiting.cancel.unlink()
    seen = Listing(paths)
    assert [job.run_id for job in seen.now().open] == [waiting.run_id]
    waiting.cancel.touch()
    after = seen.now()
    assert after.by_id[waiting.run_id].state is JobState.CANCELLED and not after.open
    assert after.counts["cancelled"] == 1 and len(n_lists) == 1
    # What is added is there at once, which takes a list.
    paths.run("0123456789ac").root.mkdir()
    assert seen.now().n_damaged == 2 and len(n_lists) == 2


def test_slow_looks_leave_the_processor_to_the_pages(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(home)
    look = Look(AtlasPaths(home=home))
    taken: list[int] = []
    monkeypatch.setattr(look, "_take", lambda: taken.append(1))
    monkeypatch.setattr(shared, "SLOW_S", 0.05)
    monkeypatch.setattr(shared, "Thread", lambda target, daemon: SimpleNamespace(start=target))
    look._took_s, look._again_at = 1.0, float("inf")
    look.take()
    assert not taken, "its time of rest has not passed"
    look._again_at = 0.0
    look.take()
    assert taken
    look.store.close()
