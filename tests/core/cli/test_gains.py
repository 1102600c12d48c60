"""`gains`: rows of two protocols or data sources are told apart, and can be filtered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.cli.main import app
from core.store.connection import Store
from tests.makers.tables import Planted, planted


@pytest.fixture
def _filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_HOME", str(tmp_path))
    with Store.open(tmp_path / "atlas.duckdb") as store:
        planted(store, Planted(difficulty=0.02, seeds=(1,)))
        with store.write() as cur:
            cur.execute("UPDATE runs SET protocol = 'standard' WHERE target = 'pawsx'")


@pytest.mark.usefixtures("_filled")
def test_protocols_are_told_apart_and_chosen() -> None:
    table = CliRunner().invoke(app, ["gains"]).stdout.splitlines()[0]
    assert "protocol" in table and "data_source" not in table and "collection" not in table
    chosen = json.loads(CliRunner().invoke(app, ["gains", "--protocol", "standard", "--json"]).stdout)
    assert {row["protocol"] for row in chosen} == {"standard"}
    alone = CliRunner().invoke(app, ["gains", "--protocol", "standard"]).stdout.splitlines()[0]
    assert "protocol" not in alone


@pytest.mark.usefixtures("_filled")
def test_rows_without_a_gain_say_why(tmp_path: Path) -> None:
    with Store.open(tmp_path / "atlas.duckdb") as store, store.write() as cur:
        cur.execute("DELETE FROM scores WHERE run_id IN (SELECT run_id FROM runs WHERE intermediate = 'none')")
    said = CliRunner().invoke(app, ["gains"])
    n = len(json.loads(CliRunner().invoke(app, ["gains", "--json"]).stdout))
    assert f"{n} of {n} rows have no gain: no baseline." in said.output
