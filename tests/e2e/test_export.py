"""Export from the running application: a press on a button of the popover makes the file and the browser saves it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.e2e.test_browser import browser, filled
from tests.e2e.visiting import CHROMIUM, Server, Visit

__all__ = ["browser", "filled"]  # fixtures
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")


def _saved(visit: Visit, label: str) -> tuple[str, bytes]:
    with visit.tab.expect_download() as found:
        visit.tab.get_by_role("button", name=label, exact=True).first.click()
    return found.value.suggested_filename, Path(found.value.path()).read_bytes()


def test_the_heatmap_is_exported_in_every_form(filled: Server, browser: object) -> None:  # noqa: F811  # the fixtures
    visit = Visit(browser)
    visit.go(f"{filled.url}/transfer?target=xnli")
    visit.tab.get_by_role("button", name="Export").first.click()
    name, content = _saved(visit, "CSV")
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert name == "transfer-xnli-gain.csv" and len(rows) == 75
    assert {row["target"] for row in rows} == {"xnli"} and any(row["low"] for row in rows)
    assert _saved(visit, "Parquet")[1][:4] == b"PAR1"
    assert rb"\toprule" in _saved(visit, "LaTeX")[1]
    name, content = _saved(visit, "HTML")
    assert name == "transfer-xnli-gain-heatmap.html" and content.startswith(b"<!doctype html>")
    visit.check("after four exports")
    visit.tab.close()


def test_a_phone_can_export(filled: Server, browser: object) -> None:  # noqa: F811  # the fixtures
    visit = Visit(browser, scheme="dark", width_px=390)
    visit.go(f"{filled.url}/runs")
    visit.tab.get_by_role("button", name="Export").first.click()
    assert _saved(visit, "LaTeX")[0] == "runs.tex"
    visit.check("phone")
    visit.tab.close()
