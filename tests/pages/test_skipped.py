"""A task file that cannot be used is named where tasks are listed and chosen; the page goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.paths import AtlasPaths
from tests.pages.conftest import Open


@pytest.mark.parametrize("page", ["pages/tasks.py", "pages/launch.py"])
def test_a_bad_task_file_is_named_and_nothing_stops(page: str, home: Path, open_page: Open) -> None:
    folder = AtlasPaths(home).user_tasks
    folder.mkdir(parents=True)
    (folder / "half.yaml").write_text("name: half\n", encoding="utf-8")
    at = open_page(page)
    assert not at.exception
    (warning,) = [w.value for w in at.warning if "half.yaml" in w.value]
    assert "field 'title' is missing" in warning
    assert any(
        "XNLI" in f"{getattr(e, 'value', '')} {getattr(e, 'options', '')}"
        for e in [*at.multiselect, *at.markdown, *at.caption]
    ), "listed"
