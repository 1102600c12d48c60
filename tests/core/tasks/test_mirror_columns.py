"""Every configuration that the mirror holds has the columns that its task declares (schemas alone are read)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.paths import REPO
from core.spec.task import Columns, SplitRef, TaskSpec
from core.tasks import TASKS

HUB = REPO.parent / "shared" / "hub"
pytestmark = pytest.mark.skipif(not HUB.is_dir(), reason="needs the mirror ../shared/hub")


def _files(split: SplitRef, *, own_name: str) -> list[Path]:
    config = (split.config or "default").replace("{lang}", own_name)
    folder = HUB / split.path / ("data" if config == "default" else config)
    names = [n for joined in (split.split, *split.fallbacks) for n in joined.split("+")]
    return [f for name in names for f in sorted(folder.glob(f"{name}-*.parquet"))]


def _present() -> Iterator[tuple[TaskSpec, SplitRef, Path]]:
    for task in TASKS.values():
        for split in filter(None, (task.train, task.dev, task.test)):
            for lang in task.languages:
                for file in _files(split, own_name=task.own_name(lang)):
                    yield task, split, file


def _wanted(columns: Columns) -> Iterator[str]:
    for value in columns.model_dump().values():
        yield from (value,) if isinstance(value, str) else value or ()


def _type_of(schema: pa.Schema, column: str) -> pa.DataType:
    first, *rest = column.split(".")
    assert first in schema.names, f"no column '{first}' among {schema.names}"
    found = schema.field(first).type
    for part in rest:
        found = found.field(part).type
    return found


def test_declared_columns_are_there() -> None:
    seen = set()
    for task, split, file in _present():
        schema = pq.read_schema(file)
        columns = split.columns or task.columns
        for column in _wanted(columns):
            _type_of(schema, column)
        if split.language_column:
            _type_of(schema, split.language_column)
        if task.type == "tagging":
            assert pa.types.is_list(_type_of(schema, columns.tags or ""))
        seen.add(task.name)
    # Eight tasks have no file in the mirror (and MLQA its training set alone): their schemas come from cards.
    assert set(TASKS) - seen == {"tydiqa", "bucc2018", "multi_eurlex", "paws", "swag", "ccg", "copa", "xcopa"}


def _class_names(schema: pa.Schema, column: str) -> list[str] | None:
    feature = json.loads((schema.metadata or {}).get(b"huggingface", b'{"info":{"features":{}}}'))["info"]["features"]
    feature = feature.get(column, {})
    return feature.get("names") or feature.get("feature", {}).get("names")


def test_label_order_is_that_of_the_files() -> None:
    checked = set()
    for task, split, file in _present():
        columns = split.columns or task.columns
        names = _class_names(pq.read_schema(file), columns.tags or columns.label or "")
        if names and task.name != "piqa":  # its classes are "0" and "1", which the choices name
            assert tuple(names) == task.labels, f"{task.name}: {file}"
            checked.add(task.name)
    assert {"udpos", "panx", "mnli", "qnli", "mrpc", "cola", "ag_news", "imdb"} <= checked


@pytest.mark.parametrize("name", ["xnli", "pawsx", "socialiqa", "hellaswag", "commonsenseqa"])
def test_raw_string_labels_are_the_declared_ones(name: str) -> None:
    task = TASKS[name]
    assert task.dev is not None
    files = _files(task.dev, own_name="en")
    column = task.columns.label or ""
    raw = set(pq.read_table(files[0], columns=[column])[column].unique().to_pylist())
    assert raw == set(task.label_values or task.labels)
