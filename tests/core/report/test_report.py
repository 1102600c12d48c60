"""The report and the static gallery: what the store says is on the page, and the page asks nothing of anybody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from core.analysis.every_cell import CELL_COLUMNS, every_cell, every_view
from core.errors import DataError, SpecError, StoreError, UnknownName
from core.paths import AtlasPaths
from core.queries.evidence import AnalysisOptions
from core.queries.filters import Filter
from core.report.chapters import draw
from core.report.drawn import FOLDER_POLICY, POLICY, drawn, in_script, plotly_js
from core.report.gallery import write_gallery
from core.report.gathered import Chapter, Gathered, commands, gather, one_chapter
from core.report.image import write_figure
from core.report.onefile import Made, made, report_html
from core.report.tables import Column, points, table
from core.store.connection import Store
from core.store.ingest import ingest
from tests.makers.home import bare, fill, profile, score_of, spec
from tests.makers.tables import INTERMEDIATES, TARGETS, Planted, planted

MADE = Made("2026-01-02 03:04 UTC", "3.11", (("plotly", "7"),), "0123456789abcdef")
PATHS = AtlasPaths(home=Path("unwritten"))
"""No command of these runs needs a file of its own."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The runs of the fixture, with their domain profile."""
    home = tmp_path_factory.mktemp("home")
    fill(home)
    with Store.open(":memory:") as opened:
        ingest(opened, AtlasPaths(home=home))
        profile(opened)
        yield opened


@pytest.fixture
def cur(store: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    with store.cursor() as opened:
        yield opened


@pytest.fixture(scope="module")
def found(store: Store) -> Gathered:
    with store.cursor() as opened:
        return gather(opened, AnalysisOptions(), paths=PATHS)


@pytest.fixture(scope="module")
def report(found: Gathered) -> str:
    return report_html(found, made=MADE)


class Reader(HTMLParser):
    """Elements, ids and what a page would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.figures: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.ids += [named["id"]] if "id" in named else []
        self.figures += [named["data-figure"]] if "data-figure" in named else []
        if tag == "a":
            self.links.append(named["href"])
        elif named.get("rel") != "icon":
            self.fetched += [named[name] for name in ("src", "href") if name in named]
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"


def json_of(text: str, name: str) -> dict[str, dict[str, object]]:
    body = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text, flags=re.DOTALL)
    assert body is not None, name
    both: dict[str, dict[str, object]] = json.loads(body[1])
    return both


def test_the_report_fetches_nothing_and_is_well_formed(report: str) -> None:
    page = report.replace(plotly_js(), "")
    reader = Reader(page)
    assert (reader.open, reader.fetched) == ([], [])
    assert len(set(reader.ids)) == len(reader.ids)
    assert {link.removeprefix("#") for link in reader.links} <= set(reader.ids)
    assert "http://" not in page and "https://" not in page and "url(" not in page
    assert f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">' in page


def test_no_folder_of_this_machine_is_in_a_report(found: Gathered) -> None:
    """A sentence, a text of a figure and an argument of a command; arrays, which plotly writes as base64, are kept."""
    said = found.full._replace(answer=found.full.answer._replace(details=("It lies in /home/me/hub/x.tsv.",)))
    chapter = found.chapters[0]._replace(command="python -m core run --model /home/me/models/own --seeds 1")
    text = report_html(found._replace(full=said, chapters=(chapter,)), made=MADE).replace(plotly_js(), "")
    assert "/home/me" not in text and "…/x.tsv" in text and "--model …/own --seeds 1" in text
    figure = go.Figure(go.Scatter(x=np.linspace(-1e9, 1, 50), text=["/home/me/hub/x"], hovertext="</script>"))
    figure.update_layout(height=100)
    data = json.loads(drawn("f", lambda _: figure, alt="").data)["light"]["data"][0]
    assert data["text"] == ["…/x"] and data["x"] == json.loads(figure.to_json())["data"][0]["x"]


def test_the_heatmap_of_the_report_holds_the_gains_of_the_store(report: str) -> None:
    both = json_of(report, "heatmap-1-xnli")
    assert set(both) == {"light", "dark"}
    for mode in both.values():
        heat = mode["data"][0]  # type: ignore[index]  # plotly's JSON
        column, row = heat["x"].index("mnli"), heat["y"].index("de")
        pairs = [score_of(spec("mnli", "xnli", seed=s), "de") - score_of(spec("none", "xnli", seed=s), "de")
                 for s in (1, 2)]  # fmt: skip
        assert heat["z"][row][column] == pytest.approx(100 * sum(pairs) / 2)
    colours = [str(mode["data"][0]["colorscale"]) for mode in both.values()]  # type: ignore[index]
    assert colours[0] != colours[1]


def test_languages_without_a_value_are_not_drawn_but_said_and_in_the_table(tmp_path: Path) -> None:
    fill(tmp_path)
    with Store.open(":memory:") as own:
        ingest(own, AtlasPaths(home=tmp_path))
        whole = one_chapter_of(own)
        bare(own, "th", "ur")
        fewer = one_chapter_of(own)
    rows = [draw(chapter, kind="heatmap").figure.data[0] for chapter in (whole, fewer)]
    assert set(rows[0].y) - set(rows[1].y) == {"th", "ur"}
    assert "2 of 15 languages have no value and are not drawn: th, ur; the table says why." in fewer.notes
    assert not [text for text in whole.notes if "not drawn" in text]
    assert set(fewer.heatmap.grid.cells["lang"]) == set(whole.heatmap.grid.cells["lang"])


def one_chapter_of(store: Store) -> Chapter:
    with store.cursor() as cur:
        return one_chapter(cur, Filter(target="xnli"), similarity="centroid_cosine", paths=PATHS)


def test_every_figure_has_its_data_a_name_and_a_twin(report: str, found: Gathered) -> None:
    reader = Reader(report.replace(plotly_js(), ""))
    assert (
        len(reader.figures) == len(set(reader.figures)) == 8
    )  # the contrasts, three heatmaps, two targets in the profile
    for name in reader.figures:
        json_of(report, name)
    assert report.count("The table below holds the same numbers.") == 7
    assert report.count("Every cell as a table") == len(found.chapters) == 3


def test_the_report_says_what_it_is_about_and_how_to_have_it_again(report: str, found: Gathered) -> None:
    assert "How do the difficulty of an English intermediate task" in report
    assert found.full.answer.headline.split(":")[0] in report
    for text in ("Benjamini–Hochberg", "python -m core report report.html", "commit 0123456789ab", "0365a02f0c12",
                 "not measured on", "--data-source sample --model xlm-r-base"):  # fmt: skip
        assert text in report, text
    assert found.chapters[0].command.endswith("--target xnli --seeds 1 2 --protocol quick")


def test_an_answer_with_intervals_and_every_number_behind_it() -> None:
    with Store.open(":memory:") as store:
        plan = Planted(
            difficulty=0.02, spread=0.005, seeds=(1, 2), intermediates=INTERMEDIATES[:8], targets=TARGETS[1:4]
        )
        planted(store, plan)
        with store.cursor() as cur:
            found = gather(cur, AnalysisOptions(wanted=Filter(target=TARGETS[1])), paths=PATHS)
            everything = gather(cur, AnalysisOptions(), paths=PATHS)
    text = report_html(everything, made=MADE)
    assert "8 intermediates" in text and "95 % interval" in text
    assert {"term", "naive", "share", "null"} <= set(everything.full.estimates["kind"])
    assert text.count("<tr>") > len(everything.full.estimates)
    assert {c.heatmap.view.target for c in found.chapters} == {TARGETS[1]}
    assert len(everything.chapters) == 3


def test_an_empty_store_has_a_report_that_says_what_to_do() -> None:
    with Store.open(":memory:") as store, store.cursor() as cur:
        found = gather(cur, AnalysisOptions(), paths=PATHS)
        text = report_html(found, made=MADE)
        assert "There is no answer yet." in text and "python -m core run --data-source sample" in text
        assert found.chapters == () and every_cell(cur, Filter()).empty


def test_names_cannot_leave_their_place() -> None:
    """A user's names are text on the page, and the JSON of a figure cannot end its script."""
    assert in_script('{"a": "</script><!--"}') == '{"a": "<\\/script><\\u0021--"}'
    assert json.loads(in_script('{"a": "</script><!--"}')) == {"a": "</script><!--"}
    found = table(pd.DataFrame({"a": ["<b>"]}), {"a": Column("a")}, caption="c")
    assert found.rows == [["<b>"]] and found.caption == "c, 1 row"
    from core.report.onefile import rendered  # noqa: PLC0415

    text = rendered("report.html", **_context(title="<script>alert(1)</script>"))
    assert "<script>alert(1)" not in text and "&lt;script&gt;alert(1)" in text


def _context(**changes: object) -> dict[str, object]:
    with Store.open(":memory:") as store, store.cursor() as cur:
        found = gather(cur, AnalysisOptions(), paths=PATHS)
    from core.report.onefile import answered, sources  # noqa: PLC0415

    usual = {"made": MADE, "kept": "", "forest": None, "chapters": [], "style": "", "script": "", "plotly_js": ""}
    return usual | answered(found) | sources(found) | changes


def test_cells_of_every_view_narrowed(cur: duckdb.DuckDBPyConnection) -> None:
    whole = every_cell(cur, Filter())
    assert tuple(whole.columns) == CELL_COLUMNS
    assert set(whole["target"]) == {"xnli", "xquad", "tatoeba"} and set(whole["metric"]) == {"accuracy", "f1"}
    narrow = every_cell(cur, Filter(target="xnli", langs=("de", "sw"), intermediate=("mnli", "qqp")))
    assert set(zip(narrow["intermediate"], narrow["lang"], strict=True)) == {
        (name, code) for name in ("mnli", "qqp") for code in ("de", "sw")
    }
    hole = narrow[(narrow["intermediate"] == "qqp") & (narrow["lang"] == "sw")].iloc[0]
    assert pd.isna(hole["gain"]) and "no test split" in hole["missing"]
    assert [heatmap.seeds for heatmap in every_view(cur, Filter(target="xnli"))] == [(1, 2)]
    assert every_view(cur, Filter(model="other")) == []
    assert {heatmap.view.metric for heatmap in every_view(cur, Filter(target="xquad", metric="exact_match"))} == {
        "exact_match"
    }


def test_commands_repeat_the_filter() -> None:
    options = AnalysisOptions(wanted=Filter(target=("xnli",)), similarity="frechet", scripts=("Deva",))
    by_name = {what: str(command) for what, command in commands(options)}
    assert by_name["This report"] == (
        "python -m core report report.html --target xnli --script Deva --similarity frechet"
    )
    assert by_name["Every gain by seed"] == (
        "python -m core export gains.csv --what gains --target xnli --lang hi --lang mr"
    )


def test_numbers_as_people_read_them() -> None:
    assert (points(-0.01234), points(0.1)) == ("−1.23", "+10.00")
    assert made(datetime(2026, 1, 2, tzinfo=UTC)).at == "2026-01-02 00:00 UTC"


# -------------------------------------------------------------------------------------------------- static gallery


def test_the_gallery_is_whole(cur: duckdb.DuckDBPyConnection, found: Gathered, tmp_path: Path) -> None:
    """Every link leads to a file of the folder, every page fetches from it alone, CSV holds the cells."""
    wanted = found._replace(options=AnalysisOptions(wanted=Filter(collection="yours")))
    pages = write_gallery(cur, wanted, folder=tmp_path, made=MADE)
    assert [page.file for page in pages] == ["yours-xnli.html", "yours-tatoeba.html", "yours-xquad.html"]
    listed = json.loads((tmp_path / "gallery.json").read_text())
    there = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert set(listed) == there - {"gallery.json"}
    reached = set()
    for file in sorted(tmp_path.glob("*.html")):
        reader = Reader(file.read_text(encoding="utf-8"))
        assert reader.open == [] and len(set(reader.ids)) == len(reader.ids), file.name
        for link in (*reader.links, *reader.fetched):
            target, _, place = link.partition("#")
            assert (tmp_path / target).is_file() if target else place in reader.ids, f"{file.name}: {link}"
            reached.add(target)
        assert f'content="{FOLDER_POLICY}"' in file.read_text(encoding="utf-8")
        inline = re.findall(r"<script(?![^>]* src=)([^>]*)>", file.read_text(encoding="utf-8"))
        assert inline and all('type="application/json"' in kind for kind in inline), "the policy lets none run"
    assert set(listed) <= reached
    cells = pd.read_csv(tmp_path / "data" / "yours-xnli.csv")
    assert len(cells) == 75 and cells["gain"].isna().sum() == 16
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Largest mean gain: +" in index and "best of 4" in index


def test_a_page_that_is_no_longer_made_is_taken_away_and_nothing_else(
    cur: duckdb.DuckDBPyConnection, found: Gathered, tmp_path: Path
) -> None:
    wanted = found._replace(options=AnalysisOptions(wanted=Filter(collection="yours")))
    write_gallery(cur, wanted, folder=tmp_path / "g", made=MADE)
    (tmp_path / "g" / "mine.txt").write_text("mine")
    fewer = wanted._replace(chapters=wanted.chapters[:1])
    write_gallery(cur, fewer, folder=tmp_path / "g", made=MADE)
    assert not (tmp_path / "g" / "yours-xquad.html").exists() and not (tmp_path / "g/data/yours-xquad.csv").exists()
    assert (tmp_path / "g" / "mine.txt").read_text() == "mine"
    (tmp_path / "g" / "gallery.json").write_text('["yours-xquad.html"')
    with pytest.raises(StoreError, match="is not a valid list of a gallery's files"):
        write_gallery(cur, fewer, folder=tmp_path / "g", made=MADE)
    (tmp_path / "outside.txt").write_text("keep")
    (tmp_path / "g" / "gallery.json").write_text('["../outside.txt"]')
    write_gallery(cur, fewer, folder=tmp_path / "g", made=MADE)
    assert (tmp_path / "outside.txt").exists()


def test_tasks_of_like_names_have_a_page_each(cur: duckdb.DuckDBPyConnection, found: Gathered, tmp_path: Path) -> None:
    first = found.chapters[0]
    chapters = tuple(
        first._replace(heatmap=first.heatmap._replace(view=first.heatmap.view._replace(target=name)))
        for name in ("my_task", "my-task", "my.task")
    )
    wanted = found._replace(options=AnalysisOptions(wanted=Filter(collection="yours")), chapters=chapters)
    write_gallery(cur, wanted, folder=tmp_path, made=MADE)
    pages = {p.stem for p in tmp_path.glob("yours-*.html")}
    assert pages == {p.stem for p in tmp_path.glob("data/*.csv")} == {"yours-my_task", "yours-my-task", "yours-my.task"}


def test_protocols_of_one_name_are_told_apart_in_the_cells(cur: duckdb.DuckDBPyConnection) -> None:
    cur.execute("BEGIN")
    cur.execute(
        "UPDATE runs SET protocol_digest = 'other', pair_key = pair_key || 'x' WHERE target = 'xnli' AND seed = 2"
    )
    cells = every_cell(cur, Filter(target="xnli"))
    cur.execute("ROLLBACK")
    assert cells["protocol"].nunique() == 1 and cells["protocol_digest"].nunique() == 2
    assert not cells.duplicated(["protocol_digest", "intermediate", "lang"]).any()


def test_a_folder_with_something_else_is_left_alone(
    cur: duckdb.DuckDBPyConnection, found: Gathered, tmp_path: Path
) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match=r"is not empty and holds no gallery \(no gallery.json\)"):
        write_gallery(cur, found, folder=tmp_path, made=MADE)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_published_tables_have_pages_of_their_own(
    cur: duckdb.DuckDBPyConnection, found: Gathered, tmp_path: Path
) -> None:
    wanted = found._replace(options=AnalysisOptions(wanted=Filter(collection="published")), chapters=())
    pages = write_gallery(cur, wanted, folder=tmp_path, made=MADE)
    page = next(p for p in pages if p.file == "published-phang2020v1-table2.html")
    assert "v1 draft, May 2020" in page.html and "Numbers as printed" in page.html
    heat = json_of(page.html, "sheet-1")["light"]["data"][0]  # type: ignore[index]  # plotly's JSON
    assert heat["type"] == "heatmap"
    assert all(p.collection == "published" for p in pages)


# ---------------------------------------------------------------------------------------------------- single figures


def test_a_figure_brings_its_own_plotly_or_its_letters(cur: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    chapter = one_chapter(cur, Filter(target="xnli"), similarity="centroid_cosine", paths=PATHS)
    for kind in ("heatmap", "map", "scatter"):
        write_figure(draw(chapter, kind=kind).figure, file=tmp_path / f"{kind}.html", title="<t>")
        text = (tmp_path / f"{kind}.html").read_text(encoding="utf-8")
        assert plotly_js()[:2000] in text and "cdn.plot.ly/plotly" not in text.replace(plotly_js(), "")
        assert "<title>&lt;t&gt;</title>" in text and "sendChartToCloud" in text
        assert f'content="{POLICY}"' in text
        write_figure(draw(chapter, kind=kind).figure, file=tmp_path / f"{kind}.svg", title="<t>", notes=["One note."])
        text = (tmp_path / f"{kind}.svg").read_text(encoding="utf-8")
        assert "<!-- &lt;t&gt; -->" in text and "<!-- One note. -->" in text and "<!-- MNLI -->" in text


def test_what_cannot_be_drawn_says_why_and_what_to_do(cur: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="matches 3 heatmaps; a figure shows one: yours · xnli · .* Narrow it with"):
        one_chapter(cur, Filter(), similarity="centroid_cosine", paths=PATHS)
    with pytest.raises(SpecError, match="matches 0 heatmaps"):
        one_chapter(cur, Filter(model="none"), similarity="centroid_cosine", paths=PATHS)
    lone = one_chapter(cur, Filter(target="tatoeba"), similarity="centroid_cosine", paths=PATHS)
    with pytest.raises(DataError, match="no map of tatoeba.*profile --kind domain --data-source sample"):
        draw(lone, kind="map")
    with pytest.raises(UnknownName, match="No figure named 'heat'"):
        draw(lone, kind="heat")
    drawn = draw(lone, kind="heatmap").figure
    with pytest.raises(StoreError, match=r"names no format of a figure: expected .html, .svg, .pdf, .png"):
        write_figure(drawn, file=tmp_path / "x.gif", title="x")


def test_an_unknown_measure_is_named_and_not_taken_for_a_missing_profile(cur: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(UnknownName, match="No similarity measure named 'centroid'. Did you mean 'centroid_cosine'"):
        one_chapter(cur, Filter(target="xnli"), similarity="centroid", paths=PATHS)
    with Store.open(":memory:") as store, store.cursor() as nothing, pytest.raises(UnknownName):
        gather(nothing, AnalysisOptions(similarity="centroid"), paths=PATHS)
