"""A build is whole, valid, the same every time, and reads like the hub."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pydantic import ValidationError

from core.paths import REPO
from core.sample import build as build_module
from core.sample.build import MARKER, ensure_sample, fingerprint
from core.sample.layout import INTERMEDIATES, XTREME_LANGUAGES
from core.sample.spec import GENERATOR_VERSION, SampleSpec
from tests.core.sample.check import Split, check_sample, splits

from .conftest import SMALL, STUDY

HUB = build_module.SOURCES.parents[1].parent / "shared" / "hub"


def _digest(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _rows(root: Path, *parts: str, split: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(root.joinpath(*parts) / f"{split}-00000-of-00001.parquet").to_pylist()
    return rows


def test_the_check_finds_nothing(built: Path) -> None:
    assert check_sample(built) == []


def test_sizes_are_what_a_target_and_an_intermediate_need(built: Path) -> None:
    counts = json.loads((built / MARKER).read_text(encoding="utf-8"))["counts"]
    tests = {k: n for k, n in counts.items() if k.startswith("google/xtreme") and k.endswith("/test")}
    assert min(tests.values()) >= 200
    assert counts["google/xtreme/XNLI/test"] >= 200 * len(XTREME_LANGUAGES["XNLI"])
    assert len(INTERMEDIATES) >= 10
    # At full scale an intermediate has 4,000 training rows; a small build has that share of them.
    assert counts["nyu-mll/glue/mnli/train"] == round(build_module.TRAIN * SMALL.scale)


_BUILD = """
import pathlib, sys
from core.sample.build import ensure_sample
from core.sample.spec import SampleSpec

print(ensure_sample(pathlib.Path(sys.argv[1]), SampleSpec.model_validate_json(sys.argv[2])))
"""


@pytest.mark.parametrize("hashes", ["1", "2"])
def test_another_process_gives_the_same_bytes(built: Path, tmp_path: Path, hashes: str) -> None:
    """The order in which Python reads a set of texts changes from process to process, and must not show."""
    found = subprocess.run(
        [sys.executable, "-c", _BUILD, str(tmp_path), SMALL.model_dump_json()],
        env=os.environ | {"PYTHONHASHSEED": hashes},
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    assert _digest(Path(found.stdout.strip())) == _digest(built)


def test_a_study_is_the_same_bytes_too_and_another_seed_is_not(study: Path, tmp_path: Path) -> None:
    spec = STUDY.model_copy(update={"seed": 1})
    assert _digest(ensure_sample(tmp_path, STUDY)) == _digest(study)
    assert _digest(ensure_sample(tmp_path, spec)) != _digest(study)


def test_languages_are_parallel_and_differ(built: Path) -> None:
    english = _rows(built, "google/xtreme/PAWS-X.en", split="test")
    german = _rows(built, "google/xtreme/PAWS-X.de", split="test")
    assert [row["label"] for row in english] == [row["label"] for row in german]
    assert all(e["sentence1"] != g["sentence1"] for e, g in zip(english, german, strict=True))


def test_a_study_draws_the_intermediates_from_its_domain_alone(study: Path) -> None:
    assert not (study / "google" / "xtreme").exists()
    titles = {row["title"] for row in _rows(study, "rajpurkar/squad/plain_text", split="train")}
    assert titles == {"food"}


def test_a_second_call_builds_nothing(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("built again")

    monkeypatch.setattr(build_module, "_build", never)
    assert ensure_sample(built.parent.parent, SMALL) == built


def test_a_build_that_was_cut_off_is_made_again_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quick(root: Path, **_kwargs: object) -> None:
        (root / MARKER).write_text("{}", encoding="utf-8")

    monkeypatch.setattr(build_module, "_build", quick)
    folder = tmp_path / "sample" / fingerprint(STUDY)
    (folder / "nyu-mll").mkdir(parents=True)
    assert ensure_sample(tmp_path, STUDY) == folder
    assert [path.name for path in folder.iterdir()] == [MARKER]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_another_process_that_was_faster_is_as_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "sample" / fingerprint(STUDY)

    def overtaken(root: Path, **_kwargs: object) -> None:
        (root / MARKER).write_text("mine", encoding="utf-8")
        folder.mkdir()
        (folder / MARKER).write_text("theirs", encoding="utf-8")

    monkeypatch.setattr(build_module, "_build", overtaken)
    assert (ensure_sample(tmp_path, STUDY) / MARKER).read_text(encoding="utf-8") == "theirs"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_failure_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build_module, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        ensure_sample(tmp_path, STUDY)
    assert list((tmp_path / "sample").iterdir()) == []


def test_the_check_sees_a_damaged_build(study: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(study, root)
    path = root / "rajpurkar/squad/plain_text/train-00000-of-00001.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[0]["answers"]["answer_start"] = [0 if rows[0]["answers"]["answer_start"] != [0] else 1]
    rows[1] = rows[2]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    found = check_sample(root)
    assert any("is not at" in line for line in found)
    assert any("twice" in line for line in found)


def test_cards_name_every_file_and_say_whose_they_are(built: Path) -> None:
    card = (built / "google" / "xtreme" / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(card.split("---")[1])
    assert {"split": "test", "path": "PAN-X.de/test-*"} in next(
        config["data_files"] for config in front["configs"] if config["config_name"] == "PAN-X.de"
    )
    assert "sample tasks, written for this project" in card


@pytest.mark.skipif(not HUB.is_dir(), reason="needs the mirror ../shared/hub")
def test_columns_are_those_of_the_mirror(built: Path) -> None:
    compared = 0
    for split in splits(built):
        path = HUB / split.path.relative_to(built)
        folder = sorted(path.parent.glob("*.parquet"))
        if folder:
            compared += 1
            assert _types(split.path) == _types(path if path.exists() else folder[0]), str(split)
    assert compared > 50


def _types(path: Path) -> dict[str, object]:
    """Types by column; the order of a struct's fields does not matter to a reader."""
    found: dict[str, object] = {}
    for field in pq.read_schema(path):
        struct = pa.types.is_struct(field.type)
        found[field.name] = {f.name: str(f.type) for f in field.type} if struct else str(field.type)
    return found


def test_a_split_says_where_it_is(built: Path) -> None:
    first: Split = next(iter(splits(built)))
    assert str(first).count("/") >= 3


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("domain", "cinema", "Domains: films, food, travel, sport, health, money"),
        ("difficulty", "impossible", "'easy', 'medium' or 'hard'"),
        ("version", GENERATOR_VERSION + 1, "has version"),
        ("scale", 0.0, "greater than 0"),
    ],
)
def test_a_wrong_spec_says_what_there_is(field: str, value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SampleSpec.model_validate({field: value})
