"""What is missing is known before anything is read, and said once with every language's reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.data.lookup import look_up_studied, missing_tests, nothing_there
from core.data.origin import DataOrigin
from core.errors import MissingSplit
from core.paths import AtlasPaths
from core.spec.run import DataSource
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


def test_mining_needs_development_pairs(origin: DataOrigin) -> None:
    (Path(str(origin.source.root)) / "google/xtreme/bucc18.ru/validation-00000-of-00001.parquet").unlink()
    assert "has no split 'validation'" in missing_tests(TASKS["bucc2018"], origin=origin)["ru"]


def test_training_data_are_looked_for(origin: DataOrigin) -> None:
    with pytest.raises(MissingSplit, match="no data set 'nyu-mll/glue'"):
        look_up_studied(TASKS["xnli"], origin=origin)
