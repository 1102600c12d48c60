"""What is missing is known before anything is read, and said once with every language's reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.data.layout import open_local
from core.data.lookup import look_up_studied, missing_tests, nothing_there
from core.data.origin import DataOrigin
from core.data.there import lacking, tasks_there
from core.errors import MissingSplit
from core.paths import AtlasPaths
from core.spec.run import DataSource
from core.studies import StudyRequest, build_study
from core.tasks import TASKS


@pytest.fixture
def origin(tmp_path: Path) -> DataOrigin:
    """A mirror of BUCC as it often is: development pairs of two languages, test pairs of one."""
    for name in ("bucc18.de/validation", "bucc18.fr/validation", "bucc18.ru/validation", "bucc18.ru/test"):
        file = tmp_path / "google" / "xtreme" / f"{name}-00000-of-00001.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"never read")
    for n in range(30):
        other = tmp_path / "google" / "xtreme" / f"PAN-X.{n}" / "test-00000-of-00001.parquet"
        other.parent.mkdir()
        other.write_bytes(b"never read")
    return DataOrigin(DataSource(kind="mirror", root=str(tmp_path)), AtlasPaths(tmp_path / "home"))


def test_languages_without_test_data_are_found_and_equal_reasons_said_once(origin: DataOrigin) -> None:
    bucc = TASKS["bucc2018"]
    reasons = missing_tests(bucc, origin=origin)
    assert list(reasons) == ["de", "fr", "zh"]
    text = nothing_there(bucc, reasons)
    assert "de, fr: " in text and text.count("has no split 'test' in configuration 'bucc18.{lang}'") == 1
    assert "zh: " in text and "PAN-X.7" not in text and "and 25 more" in text
    assert len(text) < 900


@pytest.mark.parametrize("path", ["../outside", "/etc", "a/../../outside", "a\0b"])
def test_a_data_set_is_looked_for_in_its_mirror_alone(tmp_path: Path, path: str) -> None:
    """A task that a visitor brings could list any folder of the server."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("x")
    (tmp_path / "hub").mkdir()
    with pytest.raises(MissingSplit, match="points outside of the mirror") as refused:
        open_local(tmp_path / "hub", path=path)
    assert "secret" not in str(refused.value)


def test_mining_needs_development_pairs(origin: DataOrigin) -> None:
    (Path(str(origin.source.root)) / "google/xtreme/bucc18.ru/validation-00000-of-00001.parquet").unlink()
    assert "has no split 'validation'" in missing_tests(TASKS["bucc2018"], origin=origin)["ru"]


def test_training_data_are_looked_for(origin: DataOrigin) -> None:
    with pytest.raises(MissingSplit, match="no data set 'nyu-mll/glue'"):
        look_up_studied(TASKS["xnli"], origin=origin)


def _glue(root: Path, config: str, *splits: str) -> None:
    for split in splits:
        file = root / "nyu-mll" / "glue" / config / f"{split}-00000-of-00001.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"never read")


def test_the_tasks_that_a_mirror_has_are_those_that_can_start(origin: DataOrigin) -> None:
    """RTE can be trained on, COLA lacks its development set; BUCC is scored without training; SIB-200 is not there."""
    root = Path(str(origin.source.root))
    _glue(root, "rte", "train", "validation"), _glue(root, "cola", "train")
    assert set(tasks_there(TASKS, source=origin.source, paths=origin.paths)) == {"rte", "bucc2018"}
    asked = {"data_source": "mirror", "mirror": str(root), "models": ("atlas-mini",)}
    both = StudyRequest.model_validate({"intermediates": ("rte", "cola"), "targets": ("bucc2018", "sib200"), **asked})
    cola, sib = lacking(build_study(both, paths=origin.paths), paths=origin.paths)
    assert cola.startswith("'cola' has no English training data here. ") and "no split 'validation'" in cola
    assert sib.startswith("'sib200' has no English training data here. ")
    can = both.model_copy(update={"intermediates": ("none", "rte"), "targets": ("bucc2018",)})
    assert lacking(build_study(can, paths=origin.paths), paths=origin.paths) == []


def test_what_is_not_at_hand_is_not_built_to_be_looked_at(tmp_path: Path) -> None:
    """Generated sentences have the data sets of built-in tasks; those that a licence keeps are files of the user."""
    own = TASKS["rte"].model_copy(
        update={"name": "own", "train": TASKS["rte"].train.model_copy(update={"path": "me/own"})}  # type: ignore[union-attr]  # it has one
    )
    asked = {**TASKS, "own": own}
    sample = tasks_there(asked, source=DataSource(kind="sample"), paths=AtlasPaths(tmp_path))
    assert set(asked) - set(sample) == {"own", "ccg"}
    hub = tasks_there(asked, source=DataSource(kind="hub"), paths=AtlasPaths(tmp_path))
    assert set(asked) - set(hub) == {"ccg"}
    assert not (tmp_path / "cache").exists()
