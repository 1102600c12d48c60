"""A file of one's own from text: checked as the file would be, kept where the program looks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.actions.own import KINDS, own_protocols, read_own, save_own, template
from core.errors import NotWritable, SpecError
from core.models import load_models
from core.paths import AtlasPaths
from core.tasks import load_tasks, skipped_task_files


@pytest.fixture
def paths(tmp_path: Path) -> AtlasPaths:
    return AtlasPaths(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_can_be_kept_and_used(paths: AtlasPaths, kind: str) -> None:
    text = template(kind, paths=paths)
    named = save_own(kind, text, paths=paths)
    known = {"task": load_tasks, "model": load_models, "protocol": own_protocols}[kind](paths)
    assert known[named] != read_own(kind, text.replace("name: ", "name: other-", 1), paths=paths)
    if kind != "protocol":
        with pytest.raises(SpecError, match=f"'{named}' is already the name of a {kind}; choose another"):
            save_own(kind, text, paths=paths)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("chance: 0.5", "chance: 5"), "yours.yaml:\n  field 'chance'"),
        (("name: galician_topics", "name: mnli"), "'mnli' is already the name of a task"),
        (("labels:", "parts: [nothing]\nlabels:"), "field 'parts': No task named 'nothing'"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_kept(paths: AtlasPaths, change: tuple[str, str], said: str) -> None:
    text = template("task", paths=paths)
    assert change[0] in text
    with pytest.raises(SpecError) as refused:
        save_own("task", text.replace(*change), paths=paths)
    assert said in str(refused.value) and str(paths.home) not in str(refused.value)
    assert not list(paths.home.rglob("*.yaml")) and not skipped_task_files(paths)


def test_a_home_for_visitors_keeps_nothing(paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_READ_ONLY", "1")
    with pytest.raises(NotWritable):
        save_own("task", template("task", paths=paths), paths=paths)
    assert not paths.user_tasks.exists()
