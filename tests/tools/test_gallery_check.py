"""Committed cells against reruns: what is drawn, how it is made again, and what holds."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from core.paths import REPO, AtlasPaths
from core.spec.run import RunSpec
from core.store.exchange.tables import save_gallery
from core.store.reading import open_for_reading
from tests.makers.home import fill, spec
from tools.gallery_check import Cell, check, committed, compare, draw

SCORES = {("en", "accuracy"): 0.5, ("sw", "accuracy"): 0.4, ("en", "f1"): 0.6, ("sw", "f1"): 0.3}


def _moved(**changes: float) -> dict[tuple[str, str], float]:
    return {key: score + changes.get(f"{key[0]}_{key[1]}", 0.0) for key, score in SCORES.items()}


@pytest.mark.parametrize(
    ("now", "differs", "holds", "said"),
    [
        (SCORES, [], True, "4 scores are equal"),
        (SCORES, ["versions"], True, "4 scores are equal"),
        (_moved(sw_f1=0.005), [], False, "largest difference 0.0050, by the same processor and versions"),
        (_moved(sw_accuracy=0.04), ["threads"], True, r"mean \+0.0200 \(tolerance 0.03\); not the same: threads"),
        (_moved(sw_accuracy=0.04, en_accuracy=0.04), ["threads"], False, r"mean \+0.0400"),
        (_moved(sw_f1=0.4), ["threads"], True, r"mean \+0.0000"),
        ({("en", "accuracy"): 0.5}, ["threads"], False, "other languages or metrics"),
    ],
)  # fmt: skip
def test_what_holds(now: dict[tuple[str, str], float], differs: list[str], holds: bool, said: str) -> None:
    found = compare(SCORES, now, headline="accuracy", differs=differs, tolerance=0.03)
    assert found.holds is holds and re.search(said, found.words), found.words


def _cells(*specs: RunSpec) -> dict[str, Cell]:
    return {each.run_id: Cell(each, {}, "accuracy", SCORES) for each in specs}


def test_a_cell_is_drawn_with_its_baseline_and_each_run_once() -> None:
    there = _cells(*(spec(i, "xnli") for i in ("none", "mnli", "qqp")), spec("mnli", "udpos"), spec("none", "panx"))
    drawn = [cell.title.split(": ")[1] for cell in draw(there, n=5, seed=1, only=None)]
    assert drawn[0] == "none → xnli, seed 1" and sorted(drawn[1:]) == ["mnli → xnli, seed 1", "qqp → xnli, seed 1"]
    assert draw(there, n=5, seed=1, only="mirror") == []
    assert len(draw(there, n=1, seed=2, only="sample")) == 2


@pytest.mark.parametrize(("moved", "holds"), [(0.0, True), (0.1, False)])
def test_a_committed_run_is_made_again_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: float, holds: bool
) -> None:
    asked, made = spec("none", "xnli"), AtlasPaths(home=tmp_path / "made")
    fill(made.home)
    with open_for_reading(made) as store:
        save_gallery(store, folder=tmp_path / "gallery", ids={asked.run_id})
        with store.cursor() as cur:
            rows = cur.execute("SELECT lang, metric, score FROM scores WHERE run_id = ?", [asked.run_id]).fetchall()
    scores = {(lang, metric): score + moved for lang, metric, score in rows}
    cell = Cell(asked, {"threads": 3, "precision": "bf16"}, "accuracy", scores)
    home, seen = tmp_path / "again", []

    def worker(words: list[str], *, env: dict[str, str], **_: object) -> subprocess.CompletedProcess[str]:
        assert RunSpec.model_validate_json((Path(words[-1]) / "spec.json").read_text()) == asked
        seen.append((words[-1], env["ATLAS_HOME"], env["ATLAS_THREADS"], env["ATLAS_PRECISION"]))
        shutil.copytree(made.run(asked.run_id).root, home / "runs" / asked.run_id, dirs_exist_ok=True)
        (home / "runs" / asked.run_id / "environment.json").write_text('{"threads": 3, "precision": "bf16"}')
        return subprocess.CompletedProcess(words, 0, "", "")

    monkeypatch.setattr(subprocess, "run", worker)
    found = check(cell, home=home, tolerance=0.03)
    assert found.holds is holds, found.words
    assert seen == [(str(home / "runs" / asked.run_id), str(home), "3", "bf16")]


def test_a_run_that_cannot_be_made_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "one\nModelError: the folder has changed\n")
    monkeypatch.setattr(subprocess, "run", lambda *_words, **_how: failed)
    found = check(Cell(spec("none", "xnli"), {}, "accuracy", SCORES), home=tmp_path, tolerance=0.03)
    assert found == (False, "could not be made: ModelError: the folder has changed")


def test_runs_of_an_earlier_version_and_data_that_lie_elsewhere_are_left_out(tmp_path: Path) -> None:
    there = committed(REPO / "data" / "gallery", mirror=None)
    kinds = {cell.spec.data_source.kind for cell in there.values()}
    assert kinds <= {"sample"}
    n = pq.read_metadata(REPO / "data" / "gallery" / "runs.parquet").num_rows
    assert len(there) < n
