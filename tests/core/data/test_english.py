"""English means English: a training or development split of another language is refused, and no bundled task is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.datasets import load_split
from core.data.english import check_names
from core.data.locate import Located
from core.data.origin import DataOrigin
from core.errors import DataError, MissingSplit
from core.paths import AtlasPaths
from core.spec.run import DataSource
from core.spec.task import SplitRef, TaskSpec
from core.tasks import TASKS

Rows = dict[str, list[Any]]  # columns of any type
TEXTS: Rows = {"a": ["It rains.", "The sun is out.", "We stay."], "y": [0, 1, 1]}
GERMAN: Rows = {"a": ["Es regnet.", "Die Sonne scheint.", "Wir bleiben."], "y": [0, 1, 1]}


@pytest.fixture
def origin(tmp_path: Path) -> DataOrigin:
    return DataOrigin(DataSource(kind="mirror", root=str(tmp_path)), AtlasPaths(tmp_path / "home"))


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, Rows], None]:
    def write(name: str, rows: Rows) -> None:
        file = tmp_path / "me" / "data" / f"{name}-00000-of-00001.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(rows), file)

    return write


def _task(**changes: object) -> TaskSpec:
    place = {"path": "me/data", "config": "toy.{lang}", "split": "train"}
    fields: dict[str, object] = {
        "name": "toy",
        "title": "Toy",
        "type": "classification",
        "roles": ["target"],
        "summary": "For tests.",
        "languages": ["en", "de", "hi"],
        "labels": ["no", "yes"],
        "columns": {"text": "a", "label": "y"},
        "train": place,
        "dev": place | {"split": "validation"},
        "test": place | {"split": "test"},
        "metrics": ["accuracy"],
        "chance": 0.5,
        "licence": "none",
        "citation": "none",
    }
    return TaskSpec.model_validate(fields | changes)


def test_another_language_s_configuration_is_refused(origin: DataOrigin, put: Callable[[str, Rows], None]) -> None:
    put("toy.de/validation", TEXTS)
    task = _task(dev={"path": "me/data", "config": "toy.de", "split": "validation"})
    expected = r"The dev split of 'toy' .* is not English alone: configuration 'toy.de' is German. Models are trained"
    with pytest.raises(DataError, match=expected):
        load_split(task, role="dev", lang="en", origin=origin)
    put("toy.de/train", GERMAN)
    with pytest.raises(DataError, match="configuration 'toy.de' is German"):  # English called German
        load_split(_task(language_names={"en": "de"}), role="train", lang="en", origin=origin)
    put("toy.de/test", TEXTS)
    assert load_split(task, role="test", lang="de", origin=origin).lang == "de"


@pytest.mark.parametrize(
    ("config", "is_refused"),
    [
        ("PAN-X.de", True), ("udpos.German", True), ("deu_Latn", True), ("german", True), ("de", True),
        ("data_fr", True), ("PAN-X.en", False), ("MLQA.en.de", False), ("eng_Latn", False), ("english", False),
        ("plain_text", False), ("with_id", False), ("SQuAD", False), ("mnli", False), ("sst2", False), (None, False),
    ],
)  # fmt: skip
def test_names_of_configurations(config: str | None, is_refused: bool) -> None:
    place = Located(SplitRef(path="me/other", config=config, split="train"), None, (), "train", config, "en", "here")
    if is_refused:
        with pytest.raises(DataError, match="is not English alone"):
            check_names(_task(), place, GERMAN["a"], role="train")
    else:
        check_names(_task(), place, GERMAN["a"], role="train")
    check_names(_task(), place, TEXTS["a"], role="train")


@pytest.mark.parametrize("config", ["geo", "de-id", "arxiv-ml", "fin", "hr", "may"])
def test_english_text_is_english_whatever_its_names_may_mean(
    config: str, origin: DataOrigin, put: Callable[[str, Rows], None]
) -> None:
    """Geography, removal of names, machine learning, finance, human resources, a month."""
    also = {"domain": ["it", "hr", "it"], "lang": ["cs"] * 3, "target_lang": ["de", "fr", "de"], "pronoun": ["he"] * 3}
    put(f"{config}/train", TEXTS | also)
    ref = {"path": "me/data", "config": config, "split": "train"}
    assert len(load_split(_task(train=ref), role="train", lang="en", origin=origin).examples) == 3
    put(f"{config}/train", TEXTS | {"domain": ["it", "hr", "en"]})
    with pytest.raises(DataError, match="its column 'domain' names English, Croatian, Italian and is not filtered"):
        load_split(_task(train=ref), role="train", lang="en", origin=origin)


def test_a_forgotten_language_column_is_refused(origin: DataOrigin, put: Callable[[str, Rows], None]) -> None:
    put("all/train", TEXTS | {"language": ["en", "de", "hi"], "kind": ["it", "is", "other"]})
    ref = {"path": "me/data", "config": "all", "split": "train"}
    with pytest.raises(DataError, match=r"its column 'language' names German, English, Hindi and is not filtered"):
        load_split(_task(train=ref), role="train", lang="en", origin=origin)
    filtered = _task(train=ref | {"language_column": "language"})
    assert len(load_split(filtered, role="train", lang="en", origin=origin).examples) == 1
    put("all/train", TEXTS | {"language": ["english"] * 3})
    assert len(load_split(_task(train=ref), role="train", lang="en", origin=origin).examples) == 3
    put("all/train", GERMAN | {"source": ["German"] * 3})  # no column of languages by its name, one by its values
    named = _task(train=ref, language_names={"de": "German"})
    with pytest.raises(DataError, match="its column 'source' names German"):
        load_split(named, role="train", lang="en", origin=origin)


def test_text_in_another_script_is_refused(origin: DataOrigin, put: Callable[[str, Rows], None]) -> None:
    hindi = {"a": ["यह एक वाक्य है", "और यह भी", "3 x"], "y": [0, 1, 1]}
    put("toy.en/train", hindi)
    with pytest.raises(DataError, match=r"\d+ % of its letters are not Latin \(most are Devanagari\)"):
        load_split(_task(), role="train", lang="en", origin=origin)
    put("toy.hi/test", hindi)
    assert len(load_split(_task(), role="test", lang="hi", origin=origin).examples) == 3
    put("toy.en/train", {"a": ["The word नमस्ते", "𝓲𝓼 café 東京 𝓪𝓷𝓭 𝓼𝓸 𝓸𝓷", "Ｗｉｄｅ"], "y": [0, 1, 1]})
    assert len(load_split(_task(), role="train", lang="en", origin=origin).examples) == 3


@pytest.mark.parametrize("name", sorted(name for name, task in TASKS.items() if task.train or task.parts))
def test_bundled_tasks_are_english_on_the_sample_data(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.getbasetemp() / "sample"
    origin = DataOrigin(DataSource(kind="sample"), AtlasPaths(home), tasks=tuple(TASKS.values()))
    for role in ("train", "dev"):
        try:
            split = load_split(TASKS[name], role=role, lang="en", origin=origin)
        except MissingSplit:
            assert name == "ccg"  # licensed
            continue
        assert split.examples
