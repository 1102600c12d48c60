"""Sentences behind ids, read from a toy data set without a process and without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.data.texts import texts_of
from core.errors import DataError, SpecError
from core.paths import REPO, AtlasPaths
from core.spec.run import DataSource, DataSourceKind, RunSpec
from tests.fakes import toy_mirror, toy_run, toy_split
from tests.makers.folders import MODEL


def _run(source: DataSource) -> RunSpec:
    return toy_run(MODEL, target="classification", source=source)


def test_texts_come_by_id_and_unknown_ids_are_left_out(tmp_path: Path) -> None:
    run = _run(toy_mirror(tmp_path / "hub", kinds=("classification",)))
    example = toy_split("classification", role="test", lang="de", n=48).examples[3]
    found = texts_of(run, lang="de", ids=[example.id, "nobody"], paths=AtlasPaths(tmp_path / "home"))
    assert found == {example.id: f"{example.text} {example.text_pair}"}


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    run = _run(DataSource(kind=DataSourceKind.MIRROR, root=str(tmp_path / "gone")))
    with pytest.raises(DataError, match="The mirror .*gone is not a folder. Expected one in the hub's layout"):
        texts_of(run, lang="de", ids=["e1"], paths=AtlasPaths(tmp_path / "home"))


def test_a_language_that_is_not_there_is_said(tmp_path: Path) -> None:
    run = _run(toy_mirror(tmp_path / "hub", kinds=("classification",)))
    with pytest.raises(DataError, match="sw"):
        texts_of(run, lang="sw", ids=["e1"], paths=AtlasPaths(tmp_path / "home"))


def test_the_hub_is_not_asked(tmp_path: Path) -> None:
    run = _run(DataSource(kind=DataSourceKind.HUB))
    with pytest.raises(SpecError, match=f"The texts of run {run.run_id} are on the hub.*toy_classification's data set"):
        texts_of(run, lang="de", ids=["e1"], paths=AtlasPaths(tmp_path / "home"))


def test_reading_texts_loads_no_torch(tmp_path: Path) -> None:
    run = _run(toy_mirror(tmp_path / "hub", kinds=("classification",)))
    spec, home = tmp_path / "spec.json", tmp_path / "home"
    spec.write_text(run.canonical_json(), encoding="utf-8")
    code = (
        "import sys; from pathlib import Path\n"
        "from core.data.texts import texts_of; from core.paths import AtlasPaths; from core.spec.run import RunSpec\n"
        "assert 'datasets' not in sys.modules and 'huggingface_hub' not in sys.modules\n"
        f"run = RunSpec.model_validate_json(Path({str(spec)!r}).read_bytes())\n"
        f"assert not texts_of(run, lang='de', ids=['nobody'], paths=AtlasPaths(Path({str(home)!r})))\n"
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "set()"
