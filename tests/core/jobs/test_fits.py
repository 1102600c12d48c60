"""Long fits: the same figures as at once, computed once, watched, and honest about how they ended."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from core.actions.fit_worker import main
from core.analysis.model import additive_null, analyse, by_group, cell_means
from core.analysis.sensitivity import measured_cells, sensitivity
from core.jobs import fits
from core.jobs.fits import Fit, FitKind, ask, fit_key, known, write_result
from core.jobs.records import JobState
from core.paths import AtlasPaths, FitPaths
from core.processes import ProcessRecord, read_process, stop_tree
from core.queries.evidence import AnalysisOptions, Evidence, evidence, runs_to_pool
from core.store.connection import Store
from tests.makers.tables import TARGETS, Planted, planted


@pytest.fixture(scope="module")
def found() -> Evidence:
    with Store.open(":memory:") as store:
        planted(store, Planted(difficulty=0.02, seeds=(1,), targets=TARGETS[:3]))
        with store.cursor() as cur:
            return evidence(cur, runs_to_pool(cur, AnalysisOptions().wanted), options=AnalysisOptions())


@pytest.fixture(scope="module")
def cells(found: Evidence) -> pd.DataFrame:
    return cell_means(found.complete)


@pytest.fixture
def paths(tmp_path: Path) -> AtlasPaths:
    return AtlasPaths(tmp_path)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    """What would have been started; the process of each is this one, which lives."""
    seen: list[list[str]] = []

    def start(module: str, *words: str, record: Path, **_: object) -> None:
        seen.append([module, *words])
        me = psutil.Process()
        record.write_text(ProcessRecord(pid=me.pid, started=me.create_time()).model_dump_json())

    monkeypatch.setattr(fits, "start_detached", start)
    return seen


def ended(files: FitPaths) -> None:
    """The pid of its process belongs to another one by now."""
    files.process.write_text(ProcessRecord(pid=os.getpid(), started=1.0).model_dump_json())


def until_done(kind: FitKind, cells: pd.DataFrame, paths: AtlasPaths) -> Fit:
    deadline = time.monotonic() + 120
    while (fit := ask(kind, cells, paths=paths)).state is JobState.RUNNING:
        assert time.monotonic() < deadline, (paths.fit(fit_key(kind, cells)).log).read_text()
        time.sleep(0.1)
    return fit


def test_a_process_of_its_own_finds_the_same_figures(found: Evidence, cells: pd.DataFrame, paths: AtlasPaths) -> None:
    fit = until_done(FitKind.ADDITIVE_NULL, cells, paths)
    assert fit.frame is not None, fit.message
    expected = additive_null(analyse(found))
    assert not expected.empty
    pd.testing.assert_frame_equal(fit.frame, expected, check_dtype=False, rtol=1e-9)
    files = paths.fit(fit_key(FitKind.ADDITIVE_NULL, cells))
    assert json.loads(files.progress.read_text())["total"] == 10
    assert "cells in" in files.log.read_text()


@pytest.mark.parametrize("kind", [FitKind.BY_TARGET, FitKind.BY_SCRIPT])
def test_groups_are_the_same_from_cells_as_from_rows(
    found: Evidence, cells: pd.DataFrame, paths: AtlasPaths, kind: FitKind, starts: list[list[str]]
) -> None:
    assert ask(kind, cells, paths=paths).state is JobState.RUNNING
    assert [words[-2:] for words in starts] == [[str(kind), fit_key(kind, cells)]]
    assert main(kind, paths.fit(fit_key(kind, cells))) == 0
    fit = ask(kind, cells, paths=paths)
    assert fit.frame is not None
    pd.testing.assert_frame_equal(fit.frame, by_group(found, kind=str(kind)), check_dtype=False, rtol=1e-9)


def test_it_is_started_once_and_watched(cells: pd.DataFrame, paths: AtlasPaths, starts: list[list[str]]) -> None:
    files = paths.fit(fit_key(FitKind.BY_TARGET, cells))
    assert ask(FitKind.BY_TARGET, cells, paths=paths) == Fit(JobState.RUNNING)
    files.progress.write_text('{"done": 2, "total": 5}')
    assert ask(FitKind.BY_TARGET, cells, paths=paths) == Fit(JobState.RUNNING, done=2, total=5)
    assert len(starts) == 1
    ask(FitKind.BY_SCRIPT, cells, paths=paths)
    ask(FitKind.BY_TARGET, cells.iloc[:-1], paths=paths)
    ask(FitKind.BY_TARGET, cells.assign(gain=cells["gain"] + 1e-9), paths=paths)
    assert len({words[-1] for words in starts}) == 4, "another fit, other cells, another gain: another result"


def test_a_failure_is_told_and_tried_again_only_when_asked(
    cells: pd.DataFrame, paths: AtlasPaths, starts: list[list[str]]
) -> None:
    few = cells[cells["intermediate"].isin(cells["intermediate"].unique()[:3])]
    files = paths.fit(fit_key(FitKind.ADDITIVE_NULL, few))
    ask(FitKind.ADDITIVE_NULL, few, paths=paths)
    assert main(FitKind.ADDITIVE_NULL, files) == 1
    ended(files)
    fit = ask(FitKind.ADDITIVE_NULL, few, paths=paths)
    assert fit.state is JobState.FAILED
    assert "3 intermediates" in str(fit.message)
    assert len(starts) == 1
    assert ask(FitKind.ADDITIVE_NULL, few, paths=paths, again=True).state is JobState.RUNNING
    assert len(starts) == 2


def test_two_sessions_that_try_again_start_one(cells: pd.DataFrame, paths: AtlasPaths, starts: list[list[str]]) -> None:
    files = paths.fit(fit_key(FitKind.BY_TARGET, cells))
    ask(FitKind.BY_TARGET, cells, paths=paths)
    files.failed.write_text('{"error": "MemoryError", "message": "none left"}')
    ended(files)
    for _ in range(2):
        assert ask(FitKind.BY_TARGET, cells, paths=paths, again=True).state is JobState.RUNNING
    assert len(starts) == 2


def test_a_process_that_was_killed_is_no_running_one(
    cells: pd.DataFrame, paths: AtlasPaths, starts: list[list[str]]
) -> None:
    files = paths.fit(fit_key(FitKind.BY_TARGET, cells))
    ask(FitKind.BY_TARGET, cells, paths=paths)
    ended(files)
    fit = ask(FitKind.BY_TARGET, cells, paths=paths)
    assert fit.state is JobState.FAILED
    assert "ended without a result" in str(fit.message)
    assert len(starts) == 1


@pytest.mark.parametrize("damage", ["cut", "a flipped byte", "a folder", "no process"])
def test_a_damaged_fit_is_computed_again(
    cells: pd.DataFrame, paths: AtlasPaths, starts: list[list[str]], damage: str
) -> None:
    files = paths.fit(fit_key(FitKind.BY_TARGET, cells))
    ask(FitKind.BY_TARGET, cells, paths=paths)
    write_result(pd.DataFrame({"estimate": [0.25] * 50}), fit=files)
    whole = files.finished.read_bytes()
    assert ask(FitKind.BY_TARGET, cells, paths=paths).state is JobState.DONE
    match damage:
        case "cut":
            files.finished.write_bytes(b"PAR1 cut")
        case "a flipped byte":  # of a number, which Parquet itself would not notice
            at = whole.index(np.float64(0.25).tobytes()) + 7
            files.finished.write_bytes(whole[:at] + b"\x40" + whole[at + 1 :])
        case "a folder":
            files.finished.unlink()
            files.finished.mkdir()
        case _:
            files.finished.unlink()
            files.process.write_text("{")
    assert ask(FitKind.BY_TARGET, cells, paths=paths).state is JobState.RUNNING
    assert len(starts) == 2 and not files.finished.exists()


def test_the_oldest_go_first_and_none_that_runs(
    cells: pd.DataFrame, paths: AtlasPaths, starts: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fits, "MOST_KEPT", 2)
    for n in range(3):
        ask(FitKind.BY_TARGET, cells.iloc[n:], paths=paths)
        os.utime(paths.fit(fit_key(FitKind.BY_TARGET, cells.iloc[n:])).root, (n, n))
    assert len(list(paths.fits.iterdir())) == 3, "all of them run"
    first = paths.fit(fit_key(FitKind.BY_TARGET, cells))
    first.process.unlink()
    os.utime(first.root, (0, 0))
    ask(FitKind.BY_SCRIPT, cells, paths=paths)
    assert not first.root.exists()
    assert len(starts) == 4


def test_a_process_can_be_stopped_like_a_job(cells: pd.DataFrame, paths: AtlasPaths) -> None:
    ask(FitKind.BY_TARGET, cells, paths=paths)
    record = read_process(paths.fit(fit_key(FitKind.BY_TARGET, cells)).process)
    assert record is not None
    stop_tree(record)
    fit = ask(FitKind.BY_TARGET, cells, paths=paths)
    assert fit.state in {JobState.FAILED, JobState.DONE}, "done where it was quicker than the signal"


def test_what_is_known_is_read_and_nothing_is_started(
    cells: pd.DataFrame, paths: AtlasPaths, starts: list[list[str]]
) -> None:
    assert known(FitKind.BY_TARGET, cells, paths=paths) is None
    assert starts == [] and not paths.fits.exists()
    there = paths.fit(fit_key(FitKind.BY_TARGET, cells))
    there.root.mkdir(parents=True)
    pd.DataFrame({"estimate": [0.5]}).to_parquet(there.finished)
    found = known(FitKind.BY_TARGET, cells, paths=paths)
    assert found is not None and found["estimate"].tolist() == [0.5]
    there.finished.write_bytes(b"half")
    assert known(FitKind.BY_TARGET, cells, paths=paths) is None
    assert starts == []


def test_every_measure_is_fitted_by_the_process(found: Evidence, paths: AtlasPaths) -> None:
    with Store.open(":memory:") as store:
        planted(store, Planted(difficulty=0.02, seeds=(1,), targets=TARGETS[:3]))
        with store.cursor() as cur:
            cells = measured_cells(cur, found)
    fit = paths.fit(fit_key(FitKind.EVERY_MEASURE, cells))
    fit.root.mkdir(parents=True)
    cells.to_parquet(fit.cells, index=False)
    assert main(FitKind.EVERY_MEASURE, fit) == 0
    done = known(FitKind.EVERY_MEASURE, cells, paths=paths)
    assert done is not None
    pd.testing.assert_frame_equal(done, sensitivity(cells), check_dtype=False)
