"""The export popover: what it offers on each page, and files that are made when they are asked for."""

from __future__ import annotations

import io
from collections.abc import Callable

import pandas as pd
import plotly.graph_objects as go
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.widgets import export
from tests.pages.conftest import Open

FRAME = pd.DataFrame({"lang": ["en", "de"], "gain": [0.01, None], "n": [200, 200]})


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, Callable[[], bytes]]]:
    """Files that buttons offer, by name: label and what makes them."""
    found: dict[str, tuple[str, Callable[[], bytes]]] = {}

    def _note(label: str, data: Callable[[], bytes], file: str, *_: object, **__: object) -> bool:
        found[file] = (label, data)
        return False

    monkeypatch.setattr(st, "download_button", _note)
    return found


def _app() -> None:
    import pandas as pd  # noqa: PLC0415  # the function runs as a script of its own

    from pages.widgets.export import export_popover  # noqa: PLC0415

    def _never() -> None:
        raise AssertionError("a figure was drawn before anybody asked for it")

    rows = pd.DataFrame({"lang": ["en"], "gain": [0.01]})
    export_popover(
        "name", rows, what="gains by hand", figures={"Map of domains": _never}, command="python -m core runs"
    )


def test_nothing_is_made_before_a_button_is_pressed() -> None:
    at = AppTest.from_function(_app).run()
    assert not at.exception
    assert [button.label for button in at.get("download_button")] == [
        "CSV",
        "Parquet",
        "LaTeX",
        "HTML",
        "SVG",
        "PDF",
        "PNG",
    ]
    assert at.code[0].value == "python -m core runs"
    assert any("is missing, not zero" in caption.value for caption in at.caption)


def test_the_files_hold_the_rows(offered: dict[str, tuple[str, Callable[[], bytes]]]) -> None:
    figure = go.Figure(go.Scatter(x=[1], y=[2], mode="markers"), {"height": 200})
    export.export_popover("t", FRAME, what="gains by hand", figures={"A map": lambda: figure})
    made = {name: make() for name, (_, make) in offered.items()}
    assert list(made) == ["t.csv", "t.parquet", "t.tex", *(f"t-a-map.{e}" for e in ("html", "svg", "pdf", "png"))]
    assert made["t.csv"].decode().splitlines() == ['"lang","gain","n"', '"en",0.01,200', '"de",,200']
    assert pd.read_parquet(io.BytesIO(made["t.parquet"])).equals(FRAME)
    assert r"de & -- & 200 \\" in made["t.tex"].decode() and r"\toprule" in made["t.tex"].decode()
    assert b"<!doctype html>" in made["t-a-map.html"] and len(made["t-a-map.html"]) > 1_000_000
    assert b"<!-- A map -->" in made["t-a-map.svg"] and made["t-a-map.pdf"].startswith(b"%PDF")
    assert made["t-a-map.png"].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("page", "params", "files"),
    [
        ("pages/transfer.py", {"target": "xnli"}, {"transfer-xnli-gain.csv", "transfer-xnli-gain-heatmap.html"}),
        ("pages/transfer.py", {"target": "xnli", "show": "rank"}, {"transfer-xnli-rank.tex"}),
        ("pages/transfer.py", {"target": "xnli"}, {"transfer-xnli-gain-paper.tex", "transfer-xnli-gain-paper.pdf"}),
        ("pages/runs.py", {}, {"runs.csv", "runs.parquet", "runs.tex"}),
        ("pages/tasks.py", {}, {"tasks.csv", "tasks.parquet", "tasks.tex"}),
        ("pages/analysis.py", {"part": "Claims"}, {"transfer-atlas-claims.csv", "transfer-atlas-claims.tex"}),
    ],
)
def test_pages_offer_their_tables(
    page: str, params: dict[str, str], files: set[str], ids: dict[str, str], open_page: Open,
    offered: dict[str, tuple[str, Callable[[], bytes]]],
) -> None:  # fmt: skip
    del ids
    open_page(page, **params)
    assert files <= set(offered)
    for name, (_, make) in offered.items():
        assert len(make()) > 50, name


def test_limits_of_scores_stand_beside_scores(
    ids: dict[str, str], open_page: Open, offered: dict[str, tuple[str, Callable[[], bytes]]]
) -> None:
    """Where the Transfer page shows scores, low and high are limits of the score, not of the gain."""
    del ids
    open_page("pages/transfer.py", target="xnli", show="score")
    lines = offered["transfer-xnli-score.tex"][1]().decode().splitlines()
    head = next(line for line in lines if line.startswith("intermediate &"))
    assert "metric & score & low & high &" in head and "gain" not in head
    names = head.removesuffix(r" \\").split(" & ")
    rows = [
        dict(zip(names, line.removesuffix(r" \\").split(" & "), strict=True))
        for line in lines
        if line.startswith("none &")
    ]
    assert rows
    assert all(float(r["low"]) <= float(r["score"]) <= float(r["high"]) for r in rows if r["low"] != "--")
