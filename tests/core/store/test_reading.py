"""The index opened by whoever wants to read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.paths import AtlasPaths
from core.queries.filters import Filter
from core.queries.gains import gains
from core.store.reading import StoreBusy, open_for_reading
from tests.makers.home import fill, held


def test_a_store_that_is_held_is_read_from_the_run_folders(tmp_path: Path) -> None:
    fill(tmp_path)
    paths = AtlasPaths(home=tmp_path)
    with open_for_reading(paths) as store, store.cursor() as cur:
        expected = gains(cur, Filter())
    assert not expected.empty
    warned = pytest.warns(StoreBusy, match="Reading the run folders instead")
    with held(paths.database), warned, open_for_reading(paths) as store, store.cursor() as cur:
        found = gains(cur, Filter())
    assert found.equals(expected)


def test_the_home_of_the_environment_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_HOME", str(tmp_path))
    with open_for_reading():
        assert AtlasPaths(home=tmp_path).database.exists()
