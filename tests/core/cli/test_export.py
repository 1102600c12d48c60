"""The commands that write files: flat JSON for programs, a line for people, errors with what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from core.cli.main import app, spread
from core.errors import SpecError, StoreError, UnknownName
from core.store.connection import Store
from tests.makers.home import fill, profile


@pytest.fixture(scope="module")
def ids(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A filled home with a domain profile; ids of its runs."""
    home = tmp_path_factory.mktemp("home")
    known = fill(home)
    with Store.open(home / "atlas.duckdb") as store:
        profile(store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATLAS_HOME", str(home))
        yield known


def said(*words: object) -> str:
    done = CliRunner().invoke(app, spread([str(word) for word in words]), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def rows_of(*words: object) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(said(*words, "--json"))
    assert all(not isinstance(value, dict | list) for row in rows for value in row.values())
    return rows


def test_cells_in_every_format(ids: dict[str, str], tmp_path: Path) -> None:
    del ids
    words = ("--what", "cells", "--target", "xnli", "--lang", "de", "sw")
    for ending in ("csv", "parquet", "tex"):
        file = tmp_path / f"cells.{ending}"
        assert rows_of("export", file, *words) == [{"table": "cells", "rows": 10, "file": str(file)}]
    csv, parquet = pd.read_csv(tmp_path / "cells.csv"), pd.read_parquet(tmp_path / "cells.parquet")
    assert csv["gain"].tolist() == pytest.approx(parquet["gain"].tolist(), nan_ok=True)
    head = next(x for x in (tmp_path / "cells.tex").read_text().splitlines() if x.startswith("intermediate"))
    assert head == r"intermediate & target & lang & metric & gain & low & high & n\_seeds & n & q\_value \\"


def test_rows_and_columns_are_chosen(ids: dict[str, str], tmp_path: Path) -> None:
    del ids
    file = tmp_path / "g.csv"
    said("export", file, "--column", "lang", "metric", "--target", "xquad", "--lang", "de", "en")
    lines = [f'"{lang}","{metric}"' for lang in ("de", "en") for metric in ("exact_match", "f1")]
    assert file.read_text().splitlines() == ['"lang","metric"', *lines]
    with pytest.raises(UnknownName, match="No table named 'cell'"):
        said("export", file, "--what", "cell")
    with pytest.raises(StoreError, match="names no format"):
        said("export", tmp_path / "g.xls")


def test_report_gallery_and_figure(ids: dict[str, str], tmp_path: Path) -> None:
    del ids
    report = rows_of("report", tmp_path / "r.html", "--target", "xnli")[0]
    assert report["heatmaps"] == 1 and report["bytes"] == (tmp_path / "r.html").stat().st_size
    assert "python -m core report report.html --target xnli" in (tmp_path / "r.html").read_text(encoding="utf-8")
    with pytest.raises(SpecError, match="expected a name ending in .html"):
        said("report", tmp_path / "r.pdf")
    pages = rows_of("gallery", tmp_path / "g", "--collection", "yours")
    assert [page["file"] for page in pages] == ["yours-xnli.html", "yours-tatoeba.html", "yours-xquad.html"]
    assert "no server is needed" in said("gallery", tmp_path / "g", "--collection", "yours")
    figure = rows_of("figure", tmp_path / "f.html", "--kind", "scatter", "--target", "xnli")
    assert figure == [{"file": str(tmp_path / "f.html"), "kind": "scatter", "target": "xnli"}]
    title = "Centroid cosine of each intermediate to XNLI against its mean gain, XLM-R base, protocol quick, generated"
    assert f"<title>{title}" in (tmp_path / "f.html").read_text(encoding="utf-8")  # names, as pages have them
    assert "XNLI in each language, sentence encoder" in said(
        "figure", tmp_path / "m.svg", "--kind", "map", "--target", "xnli"
    )


def test_submission_names_what_stands_in_its_way(ids: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="the bundled sample data are not XTREME's"):
        said("submission", ids["finished"], tmp_path / "s")
    rows = rows_of("submission", ids["finished"], tmp_path / "s", "--partial")
    assert len(rows) == 15 and {row["n"] for row in rows} == {200}
    assert (tmp_path / "s" / "predictions" / "xnli" / "test-sw.tsv").read_text().count("\n") == 200
    with pytest.raises(SpecError, match="needs run ids and then a folder"):
        said("submission", tmp_path / "s")
