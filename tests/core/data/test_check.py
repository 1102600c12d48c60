"""The dry run of a task: what is reported, what counts as a problem, and that torch stays out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.check import check_task, check_task_file
from core.data.origin import DataOrigin
from core.paths import REPO, AtlasPaths
from core.spec.run import DataSource
from core.spec.task import TaskSpec

TASK = TaskSpec.model_validate(
    {
        "name": "toy",
        "title": "Toy",
        "type": "classification",
        "roles": ["target"],
        "summary": "For tests.",
        "languages": ["en", "de"],
        "labels": ["no", "yes"],
        "columns": {"text": "a", "label": "y"},
        "train": {"path": "me/data", "config": "toy", "split": "train"},
        "dev": {"path": "me/data", "config": "toy", "split": "validation"},
        "test": {"path": "me/data", "config": "toy.{lang}", "split": "test"},
        "metrics": ["accuracy"],
        "chance": 0.5,
        "licence": "none",
        "citation": "none",
    }
)


@pytest.fixture
def origin(tmp_path: Path) -> DataOrigin:
    root = tmp_path / "mirror"
    for name, n in (("toy/train", 80), ("toy/validation", 4), ("toy.en/test", 20)):
        file = root / "me" / "data" / f"{name}-00000-of-00001.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        first = 0 if name == "toy/train" else 78  # two test sentences are training sentences too
        rows = {"a": [f"sentence {first + i} " + "x" * 300 for i in range(n)], "y": [i % 2 for i in range(n)]}
        pq.write_table(pa.table(rows), file)
    return DataOrigin(DataSource(kind="mirror", root=str(root)), AtlasPaths(tmp_path / "home"))


def test_a_sound_task_is_reported(origin: DataOrigin) -> None:
    report = check_task(TASK, origin=origin)
    assert (report.problems, report.missing_languages) == ((), ("de",))
    train, dev, test = report.splits
    assert [(s.role, s.lang, s.split, s.n_available, s.n_checked) for s in report.splits] == [
        ("train", "en", "train", 80, 50),
        ("dev", "en", "validation", 4, 4),
        ("test", "en", "test", 20, 20),
    ]
    assert sum(train.labels.values()) == 50
    assert dev.labels == {"no": 2, "yes": 2}
    assert dev.longest_text == len("sentence 78 ") + 300
    assert dev.first.startswith("sentence 78 xxx")
    assert dev.first.endswith("x… → no")
    assert test.flags == (
        "overlap: 2 of 20 toy test texts (en) occur in the training data.",
        "dev_overlap: 4 of 20 toy test texts (en) occur in the development data, which select the model.",
    )


def test_problems_are_listed_and_rows_are_flat(origin: DataOrigin) -> None:
    wrong = TASK.model_copy(update={"columns": TASK.columns.model_copy(update={"text": "sentence"})})
    report = check_task(wrong, origin=origin)
    assert report.problems
    assert len(report.problems) == 3  # train, dev and the English test; the German one is merely missing
    assert "no column 'sentence', only a, y" in report.problems[0]
    rows = check_task_file(wrong, source=origin.source, paths=origin.paths)
    assert len({tuple(row) for row in rows}) == 1
    assert [bool(row["problem"]) for row in rows] == [False, True, True, True]
    sound = check_task_file(TASK, source=origin.source, paths=origin.paths)
    assert not any(row["problem"] for row in sound)
    assert sound[1]["labels"] == "no 2, yes 2"


def test_another_task_s_test_set_is_named(origin: DataOrigin) -> None:
    ref = {"path": "me/data", "config": "toy", "split": "validation"}
    other = TaskSpec.model_validate(TASK.model_dump() | {"name": "other", "test": ref, "languages": ("en",)})
    known = DataOrigin(origin.source, origin.paths, tasks=(TASK, other))
    train, dev, *_ = check_task(TASK, origin=known).splits
    assert train.flags == ()
    assert dev.flags[0].startswith("is_a_test: toy dev: these are the English test examples of 'other'")


def test_no_torch_is_loaded() -> None:
    code = "import sys, core.data.check; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPO, check=False).returncode == 0
