"""Bad folders and files beside good ones: every page works and names what is left out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from core.errors import StoreError
from core.events import RunFailed
from core.paths import AtlasPaths
from core.spec.base import run_id_of
from pages.widgets import shared
from tests.makers.folders import history, run_spec, scored, write_run
from tests.pages.conftest import Open

PAGES = ("overview", "transfer", "analysis", "launch", "runs", "compare", "tasks", "glossary")


def with_unknown_language(paths: AtlasPaths) -> str:
    """A run whose specification names a language that there is not, under its own digest."""
    spec = run_spec("mnli").model_dump(mode="json")
    spec["tasks"][0]["languages"] = ["en", "english!"]
    run = paths.run(run_id_of(spec))
    run.root.mkdir(parents=True)
    run.spec.write_text(json.dumps(spec))
    return run.run_id


def test_every_page_works_beside_a_bad_run_and_a_bad_task_file(home: Path, open_page: Open) -> None:
    paths = AtlasPaths(home)
    bad = with_unknown_language(paths)
    good = run_spec("mnli", seed=5)
    write_run(paths, good, history(good, [scored("en", 0.5)]))
    paths.user_tasks.mkdir()
    (paths.user_tasks / "mine.yaml").write_text("name: mytask\ntitle: 2026-13-45\ntyp: classification\n")
    for folder in (paths.user_tasks, paths.user_models, paths.protocols, paths.imported, paths.notes):
        folder.mkdir(exist_ok=True)
        (folder / os.fsdecode(b"\xff.yaml")).write_text("x")
    (paths.runs / "circle").symlink_to("circle")
    for page in PAGES:
        at = open_page(f"pages/{page}.py")
        if page == "runs":
            assert bad in str([table.value for table in at.dataframe]), "the folder is named"
            assert "No language named 'english!'" in str([table.value.to_dict() for table in at.dataframe])
            assert good.run_id in str([table.value.to_dict() for table in at.dataframe])
        if page == "tasks":
            assert "Did you mean 'type'" in str([box.value for box in at.warning])
            assert r"xff.yaml: no file here can have such a name" in str([box.value for box in at.warning]).replace(
                "\\", ""
            )


def test_runs_work_where_something_else_lies_in_the_place_of_their_folder(home: Path, open_page: Open) -> None:
    AtlasPaths(home).runs.symlink_to("runs")
    at = open_page("pages/runs.py")
    assert "symbolic links" in str([table.value.to_dict() for table in at.dataframe])


@pytest.mark.parametrize("page", ["overview", "runs"])
def test_what_the_index_refuses_is_said_with_its_words(
    page: str, home: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The good message was hidden behind "This app has encountered an error"."""

    def refuse(*_: object) -> None:
        raise StoreError("The index cannot be brought up to date: tea. Wait for the kettle.")

    del home
    monkeypatch.setattr(shared, "ingest", refuse)
    at = open_page(f"pages/{page}.py")
    assert any("Wait for the kettle" in box.value for box in at.warning)


def test_what_needs_somebody_stands_above_the_runs_as_text(
    home: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_KEEP_FREE_GB", "1e9")
    paths, spec = AtlasPaths(home), run_spec("mnli", seed=5)
    said = RunFailed(error="Diverged", message="The loss is ![nan](http://example.org/x.png).", traceback="")
    write_run(paths, spec, [*history(spec, [])[:-1], said], finished=False)
    paths.run(spec.run_id).failed.write_text(json.dumps({"error": "Diverged", "message": said.message}))
    at = open_page("pages/runs.py")
    assert [box.label for box in at.expander if box.label.startswith("Needs a look")] == [
        "Needs a look: 1 diverged, disk low"
    ]
    lines = [str(text.value) for text in at.markdown]
    assert any(spec.run_id in line and r"\!\[nan\]\(http" in line for line in lines)
    assert any("are free, fewer than 1,000,000,000" in line for line in lines)
