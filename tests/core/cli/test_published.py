"""`python -m core published`: flat JSON, the caution beside it, and an unknown table in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.cli.main import app
from core.errors import UnknownName


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_HOME", str(tmp_path))


def _json(*words: str) -> list[dict[str, object]]:
    done = CliRunner().invoke(app, ["published", *words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    rows: list[dict[str, object]] = json.loads(done.stdout)
    assert all(not isinstance(value, dict | list) for row in rows for value in row.values())
    return rows


def test_tables_figures_and_averages_as_flat_json() -> None:
    assert _json()[0]["name"] == "phang2020v1-table2"
    first = _json("--table", "phang2020v1-table2")[0]
    assert (first["value"], first["printed"], first["lang"], first["version"]) == (0.801, "80.1", None, V1)
    rows = _json("--table", "phang2020v1-table2", "--averages")
    assert [row["intermediate"] for row in rows if not row["agrees"]] == ["QQP + multilingual MLM"]


def test_people_read_version_caution_and_source_first() -> None:
    done = CliRunner().invoke(app, ["published", "--table", "madx2020-table5"], catch_exceptions=False)
    assert "The printed average leaves out English. Source: github.com/JoPfeiff" in done.stderr
    assert "derived" in done.stdout.splitlines()[0]
    with pytest.raises(UnknownName, match="No published table named 'madx'"):
        CliRunner().invoke(app, ["published", "--table", "madx"], catch_exceptions=False)


V1 = "v1 draft, May 2020"
