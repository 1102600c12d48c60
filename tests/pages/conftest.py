"""An application over an empty or a filled home, for `AppTest`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.jobs.local import LocalBackend
from core.paths import REPO, AtlasPaths
from core.store.connection import Store
from core.store.exchange.tables import save_gallery
from core.store.ingest import ingest
from pages.widgets import shared
from tests.makers.home import fill, profile, spec

Open = Callable[..., AppTest]
"""Opens a page: `open_page("pages/runs.py", run="…")`."""


@pytest.fixture(autouse=True)
def _no_job_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages may queue runs; nothing executes them here."""
    monkeypatch.setattr(LocalBackend, "wake", lambda _self: False)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home, its store closed afterwards."""
    monkeypatch.setenv("ATLAS_HOME", str(tmp_path))
    monkeypatch.chdir(REPO)
    monkeypatch.setattr(shared, "SLOW_S", float("inf"))  # a look beside the page would come too late on a slow machine
    yield tmp_path
    if (tmp_path / "atlas.duckdb").exists():
        shared._open(str(tmp_path)).store.close()
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def ids(home: Path) -> dict[str, str]:
    """A filled home; ids of its runs by what they are."""
    return fill(home)


@pytest.fixture
def committed(home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty home beside a gallery of the fixture's finished runs; committed id of MNLI before XNLI."""
    made, folder = AtlasPaths(home=tmp_path_factory.mktemp("made")), home / "gallery"
    fill(made.home)
    with Store.open(":memory:") as store:
        ingest(store, made)
        profile(store)
        with store.cursor() as cur:
            ids = [row[0] for row in cur.execute("SELECT run_id FROM runs WHERE outcome = 'finished'").fetchall()]
        save_gallery(store, folder=folder, ids=ids)
    monkeypatch.setenv("ATLAS_GALLERY", str(folder))
    return f"gallery-{spec('mnli', 'xnli').run_id}"


@pytest.fixture
def open_page(home: Path) -> Open:
    """Open a page through `app.py`, with URL parameters; it must not raise."""
    del home  # only its environment is needed

    def _open(page: str, **params: str) -> AppTest:
        at = AppTest.from_file(str(REPO / "app.py"), default_timeout=120)
        for key, value in params.items():
            at.query_params[key] = value
        at.run()
        assert not at.exception, at.exception
        at.switch_page(page)
        for key, value in params.items():
            at.query_params[key] = value
        return checked(at.run())

    return _open


def checked(at: AppTest) -> AppTest:
    """The same application, which must not have raised.

    Args:
        at: After a run.
    """
    assert not at.exception, [e.value for e in at.exception]
    return at
