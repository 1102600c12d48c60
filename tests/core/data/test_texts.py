"""Sentences behind ids, through a real process over a toy data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import JobError
from core.jobs.texts import example_texts
from core.paths import AtlasPaths
from core.spec.run import DataSource, DataSourceKind
from core.spec.task import TaskType
from tests.core.store.makers import MODEL
from tests.fakes import toy_mirror, toy_run, toy_split


def _place(home: Path, source: DataSource) -> tuple[AtlasPaths, str]:
    run = toy_run(MODEL, target=TaskType.CLASSIFICATION, source=source)
    paths = AtlasPaths(home)
    paths.run(run.run_id).root.mkdir(parents=True)
    paths.run(run.run_id).spec.write_text(run.canonical_json(), encoding="utf-8")
    return paths, run.run_id


def test_texts_come_by_id_and_unknown_ids_are_left_out(tmp_path: Path) -> None:
    paths, run_id = _place(tmp_path / "home", toy_mirror(tmp_path / "hub", kinds=(TaskType.CLASSIFICATION,)))
    example = toy_split(TaskType.CLASSIFICATION, role="test", lang="de", n=48).examples[3]
    found = example_texts(run_id, lang="de", ids=[example.id, "nobody"], paths=paths)
    assert found == {example.id: f"{example.text} {example.text_pair}"}


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    gone = DataSource(kind=DataSourceKind.MIRROR, root=str(tmp_path / "gone"))
    paths, run_id = _place(tmp_path / "home", gone)
    with pytest.raises(JobError, match=f"The texts of run {run_id} cannot be read: .*gone"):
        example_texts(run_id, lang="de", ids=["e1"], paths=paths)
