"""Data in odd shapes: each gives one clear line, or a note with a count."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest

from core.data.datasets import load_split
from core.data.origin import DataOrigin
from core.errors import AtlasError, DataError
from core.examples import Split
from core.paths import AtlasPaths
from core.spec.run import DataSource
from core.spec.task import TaskSpec

Load = Callable[..., Split]
TEXTS = [f"example {i}" for i in range(30)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "hub" / "me" / "data"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def load(tmp_path: Path, folder: Path) -> Load:
    del folder

    def read(**changes: object) -> Split:
        fields: dict[str, object] = {
            "name": "toy",
            "title": "Toy",
            "type": "classification",
            "roles": ["intermediate"],
            "summary": "For tests.",
            "languages": ["en"],
            "labels": ["bad", "fair", "good"],
            "columns": {"text": "text", "label": "label"},
            "train": {"path": "me/data", "split": "train"},
            "dev": {"path": "me/data", "split": "validation"},
            "metrics": ["accuracy"],
            "chance": 0.3,
            "licence": "none",
            "citation": "none",
        }
        origin = DataOrigin(DataSource(kind="mirror", root=str(tmp_path / "hub")), AtlasPaths(tmp_path / "home"))
        return load_split(TaskSpec.model_validate(fields | changes), role="train", lang="en", origin=origin)

    return read


def _write(folder: Path, labels: list[Any], texts: list[str] = TEXTS) -> None:
    rows = [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def test_classes_from_minus_one_on_are_not_taken_for_a_mark(folder: Path, load: Load) -> None:
    _write(folder, [-1, 0, 1] * 10)
    expected = r"holds -1, 0, 1: with -1 for \"no label\", 'good' would never occur; expected ids from 0 to 2, or"
    with pytest.raises(DataError, match=expected):
        load()
    labels = [e[3] for e in load(label_values=[-1, 0, 1]).examples]
    assert labels == [0, 1, 2] * 10
    _write(folder, [-1, 0, 1, 2, 0] * 6)
    assert [f.flag for f in load().flags] == ["unlabelled_dropped"]


@pytest.mark.parametrize("ids", [["-1", "0", "1"], [-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0, float("nan"), None]])
def test_classes_from_minus_one_on_as_texts_and_with_empty_cells(folder: Path, load: Load, ids: list[Any]) -> None:
    labels = (ids * 10)[: len(TEXTS)]
    _write(folder, labels)
    with pytest.raises(DataError, match=r"holds -1, 0, 1: .* or `label_values: \[-1, 0, 1\]`"):
        load()
    usable = [label for label in labels if label is not None and str(label) != "nan"]
    assert [e[3] for e in load(label_values=[-1, 0, 1]).examples] == [int(label) + 1 for label in usable]


def test_labels_that_are_no_number_are_none(folder: Path, load: Load) -> None:
    _write(folder, [float("nan"), 0.0, 1.0] * 10)
    assert load().flags[0][0] == "unlabelled_dropped"
    _write(folder, [float("inf"), 0.0, 1.0] * 10)
    with pytest.raises(DataError, match="holds the label inf; expected one of"):
        load()


def test_a_label_that_never_occurs_is_noted(folder: Path, load: Load) -> None:
    _write(folder, [0, 1] * 15)
    (flag,) = load().flags
    assert flag == ("unused_labels", "toy train (en): no example has the label good.")


def test_names_of_classes_must_be_those_of_the_definition(folder: Path, load: Load) -> None:
    def put(names: list[str]) -> None:
        features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)})
        made = datasets.Dataset.from_dict({"text": TEXTS, "label": [0, 1, 2] * 10}, features=features)
        made.to_parquet(folder / "train-00000-of-00001.parquet")

    put(["poor", "fair", "good"])
    expected = r"names the classes of column 'label' poor, fair, good; expected bad, fair, good, as `labels` says"
    with pytest.raises(DataError, match=expected):
        load()
    assert [e[3] for e in load(label_values=[0, 1, 2]).examples][:3] == [0, 1, 2]
    put(["good", "fair", "bad"])
    assert [e[3] for e in load().examples][:3] == [2, 1, 0]
    put(["0", "1", "2"])  # numbers name nothing
    assert [e[3] for e in load().examples][:3] == [0, 1, 2]


@pytest.mark.parametrize(
    ("labels", "texts", "part"),
    [
        ([1] * 30, TEXTS, "cannot be learned from: all 30 examples have the label 'fair'. Expected two labels"),
        ([0, 1, 2] * 10, [" "] * 30, "has no text: all 30 are empty"),
    ],
    ids=["one label", "no text"],
)
def test_what_cannot_be_learned_from_is_refused(
    folder: Path, load: Load, labels: list[int], texts: list[str], part: str
) -> None:
    _write(folder, labels, texts)
    with pytest.raises(DataError, match=part):
        load()


def test_empty_texts_are_counted(folder: Path, load: Load) -> None:
    _write(folder, [0, 1, 2] * 10, ["", " ", *TEXTS[2:]])
    assert load().flags == (("empty_texts", "toy train (en): 2 of 30 texts are empty."),)


@pytest.mark.parametrize("text", ["", "\n\n"], ids=["0 bytes", "blank lines"])
def test_an_empty_file_is_named(folder: Path, load: Load, text: str) -> None:
    (folder / "train.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"train.jsonl (is empty \(0 bytes\)|holds no row). Expected a json file"):
        load()


def test_csv_in_latin_1_is_not_called_damaged(folder: Path, load: Load) -> None:
    (folder / "train.csv").write_text("text,label\n" + "café,1\n" * 9, encoding="latin-1")
    with pytest.raises(DataError, match="is not UTF-8. Save the file as UTF-8") as caught:
        load()
    assert "cut off" not in str(caught.value)


def test_the_language_nan_is_text_in_csv(folder: Path, load: Load) -> None:
    lines = [f"example {i},{i % 3},{'nan' if i % 2 else 'en'}" for i in range(30)]
    (folder / "train.csv").write_text("text,label,lang\n" + "\n".join(lines), encoding="utf-8")
    with pytest.raises(DataError, match="column 'lang' names English, Min Nan Chinese and is not filtered"):
        load(languages=["en", "nan"])


def test_a_folder_of_save_to_disk_is_told_how_to_convert(folder: Path, load: Load, tmp_path: Path) -> None:
    made = datasets.Dataset.from_dict({"text": TEXTS, "label": [0, 1, 2] * 10})
    datasets.DatasetDict({"train": made}).save_to_disk(folder)
    with pytest.raises(AtlasError, match="save_to_disk; they are not read here. Convert them to Parquet") as caught:
        load()
    code = str(caught.value).split('python -c "')[1].split('"')[0]
    new = tmp_path / "new"
    new.mkdir()
    subprocess.run([sys.executable, "-c", code, str(folder), str(new)], check=True, capture_output=True)
    assert [file.name for file in new.iterdir()] == ["train-00000-of-00001.parquet"]


def test_a_card_that_hides_a_folder_is_blamed(folder: Path, load: Load) -> None:
    for name in ("shown", "hidden"):
        (folder / name).mkdir()
        _write(folder / name, [0, 1, 2] * 10)
    card = "---\nconfigs:\n- config_name: shown\n  data_files:\n  - {split: train, path: shown/train.jsonl}\n---\n"
    (folder / "README.md").write_text(card, encoding="utf-8")
    with pytest.raises(DataError, match=r"has files of configuration 'hidden' \(train\), but its card README.md lists"):
        load(train={"path": "me/data", "config": "hidden", "split": "train"})
