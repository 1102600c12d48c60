"""Published figures on their way into the store: the committed files are right, and wrong ones are named by line."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from core.errors import StoreError
from core.languages import check_language
from core.paths import REPO, AtlasPaths
from core.spec.run import IntermediateSpec
from core.store.connection import Store
from core.store.ingest import ingest
from core.store.published import CLAIMS, FIGURE_COLUMNS, INDEX, TABLE_COLUMNS, load_published, read_published
from core.tasks import TASKS

FOLDER = REPO / "data" / "published"
ORIGINALS = REPO.parent / "shared" / "published"


class Home(AtlasPaths):
    """Paths whose published figures are in the home too."""

    @property
    def published(self) -> Path:
        return self.home / "published"


def write(folder: Path, *, tables: list[dict[str, str]], figures: list[dict[str, str]], file: str = "a.csv") -> None:
    folder.mkdir(exist_ok=True)
    for name, columns, rows in ((INDEX, TABLE_COLUMNS, tables), (file, FIGURE_COLUMNS, figures)):
        with (folder / name).open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, columns)
            writer.writeheader()
            writer.writerows(rows)


def table(**changes: str) -> dict[str, str]:
    row = {
        "name": "t", "file": "a.csv", "title": "Gains", "paper": "A 2020", "arxiv": "", "version": "v1",
        "printed_table": "Table 1", "source": "a.pdf", "unit": "percent", "derived": "false", "confidence": "verified",
        "averages": "", "caution": "",
    }  # fmt: skip
    return row | changes


def figure(**changes: str) -> dict[str, str]:
    row = dict.fromkeys(FIGURE_COLUMNS, "")
    row |= {"table": "t", "model": "M", "intermediate": "none", "target": "XNLI", "metric": "acc", "kind": "score"}
    return row | {"printed": "80.1", "source": "a.pdf"} | changes


def test_every_file_parses_every_score_is_a_fraction_and_every_row_names_its_source() -> None:
    found = read_published(FOLDER)
    assert {f.name for f in FOLDER.glob("*.csv")} == {t["file"] for t in found.tables} | {INDEX, CLAIMS}
    for row in found.figures:
        assert row["source"], row
        if row["kind"] == "score":
            assert 0 <= row["value"] <= 1, row
        elif row["kind"] == "gain":
            assert -1 <= row["value"] <= 1, row
        if row["lang"] is not None and row["kind"] != "fact":
            check_language(row["lang"])
        assert row["target_task"] is None or row["target_task"] in TASKS, row
        if row["intermediate_task"] not in {None, "none"}:
            assert set(IntermediateSpec.parse(row["intermediate_task"]).tasks) <= set(TASKS), row


def test_every_table_says_which_version_of_what_it_is() -> None:
    tables = {t["name"]: t for t in read_published(FOLDER).tables}
    for row in tables.values():
        assert row["paper"] and row["version"] and row["source"] and row["printed_table"], row
    phang = [t for name, t in tables.items() if name.startswith("phang2020v1")]
    assert len(phang) > 5
    assert all(t["version"] == "v1 draft, May 2020" and "v1 draft" in t["caution"] for t in phang)
    assert [name for name, t in tables.items() if t["derived"]] == ["phang2020v1-table2-derived"]


def test_the_readme_carries_version_source_and_caution_of_every_table() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for row in read_published(FOLDER).tables:
        entry = next((line for line in text.splitlines() if line.startswith(f"- **{row['name']}** ")), "")
        for part in (
            row["title"],
            row["paper"],
            row["version"],
            row["source"],
            row["confidence"],
            row["caution"] or "",
        ):
            assert part in entry, f"data/published/README.md lacks '{part}' at {row['name']}"
        assert f"### `{row['file']}`" in text


def test_the_claims_have_their_columns() -> None:
    with (FOLDER / CLAIMS).open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 25
    assert all(row["id"] and row["claim"] and row["source"] and row["scope"] for row in rows)


@pytest.mark.skipif(not ORIGINALS.is_dir(), reason="the transcriptions lie beside the checkout in ../shared/published")
def test_no_figure_was_lost_or_changed_on_the_way_from_the_transcriptions() -> None:
    for original in ORIGINALS.glob("*.csv"):
        with original.open(encoding="utf-8", newline="") as handle:
            wanted = list(csv.DictReader(handle))
        with (FOLDER / original.name).open(encoding="utf-8", newline="") as handle:
            found = list(csv.DictReader(handle))
        if original.name == CLAIMS:
            assert found == wanted
            continue
        assert [(r["value"], r["intermediate"]) for r in wanted] == [(r["printed"], r["intermediate"]) for r in found]
        languages = Counter(r["language"] in {"", "mean"} or r["language"].startswith("avg") for r in wanted)
        assert languages[True] == sum(not r["lang"] for r in found), original.name


def test_a_store_takes_them_once_and_again_only_when_a_file_changes(tmp_path: Path) -> None:
    paths = Home(home=tmp_path)
    write(
        paths.published, tables=[table()], figures=[figure(), figure(intermediate="QQP", printed="-1.4", kind="gain")]
    )
    with Store.open(":memory:") as store:
        assert load_published(store, paths) == 1
        version = store.version()
        assert load_published(store, paths) == 0
        assert store.version() == version
        with store.cursor() as cur:
            rows = cur.execute("SELECT value, rounding, printed FROM published_figures ORDER BY position").fetchall()
        # 80.1 % is 0.801, known to half of 0.1 %.
        assert rows[0] == (0.801, 0.0005, "80.1")
        assert rows[1] == (-0.014, 0.0005, "-1.4")
        write(paths.published, tables=[table()], figures=[figure(printed="81")])
        assert load_published(store, paths) == 1
        with store.cursor() as cur:
            rows = cur.execute("SELECT value, rounding FROM published_figures").fetchall()
        assert rows == [(0.81, 0.005)]


def test_an_ingest_brings_them_and_leaves_runs_and_scores_alone(tmp_path: Path) -> None:
    with Store.open(":memory:") as store:
        ingest(store, AtlasPaths(home=tmp_path))
        with store.cursor() as cur:
            counts = cur.execute(
                "SELECT (SELECT count(*) FROM published_figures), (SELECT count(*) FROM runs), "
                "(SELECT count(*) FROM scores)"
            ).fetchone()
    assert counts == (len(read_published(FOLDER).figures), 0, 0)


def test_no_folder_is_no_figures(tmp_path: Path) -> None:
    with Store.open(":memory:") as store:
        assert load_published(store, Home(home=tmp_path)) == 0


@pytest.mark.parametrize(
    ("tables", "figures", "message"),
    [
        ([table()], [figure(source="b.pdf")], "figures of two documents are never in one table"),
        ([table()], [figure(source="")], "line 2 has the source ''"),
        ([table(source="")], [figure(source="")], "has no source: every table names its paper, version and source"),
        ([table(version="")], [figure()], "has no version"),
        ([table()], [figure(printed="120.5")], "as a fraction 1.205, expected a score from 0 to 1"),
        ([table()], [figure(printed="-3.0")], "expected a score from 0 to 1"),
        ([table(unit="fraction")], [figure(printed="80.1")], "as a fraction 80.1"),
        ([table()], [figure(printed="76.1/60.0")], "expected one number in per cent"),
        ([table(unit="none")], [figure()], "in a table of unit 'none'"),
        ([table()], [figure(printed="")], "a figure that was not printed has no row"),
        ([table()], [figure(), figure(printed="81.0")], "line 3 repeats the figure of a.csv, line 2"),
        ([table()], [figure(table="u")], "belongs to the table 'u', which tables.csv does not list for a.csv"),
        ([table()], [figure(kind="delta")], "has the kind 'delta', expected score, gain, fact"),
        ([table()], [figure(split="train")], "has the split 'train', expected nothing, dev, test"),
        ([table()], [figure(lang="avg8")], "has the language 'avg8'"),
        ([table()], [figure(seed="one")], "has the seed 'one'"),
        ([table(confidence="sure")], [figure()], "has the confidence 'sure', expected verified, second-hand, unclear"),
        ([table(), table()], [figure()], "line 3 repeats the table 't'"),
        ([table(), table(name="u")], [figure()], "Table 'u' of tables.csv has no row in a.csv"),
        ([table(file="b.csv")], [figure()], "belongs to no table"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(
    tmp_path: Path, tables: list[dict[str, str]], figures: list[dict[str, str]], message: str
) -> None:
    paths = Home(home=tmp_path)
    write(paths.published, tables=tables, figures=figures)
    with Store.open(":memory:") as store:
        with pytest.raises(StoreError, match=message.replace("(", r"\(")):
            load_published(store, paths)
        with store.cursor() as cur:
            assert cur.execute("SELECT count(*) FROM published_tables").fetchone() == (0,)


def test_other_columns_and_ragged_lines_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    write(folder, tables=[table()], figures=[figure()])
    (folder / "a.csv").write_text("table,value\nt,1\n", encoding="utf-8")
    with pytest.raises(StoreError, match="a.csv has the columns table, value; expected table, model"):
        read_published(folder)
    (folder / "a.csv").write_text(",".join(FIGURE_COLUMNS) + "\nt,1\n", encoding="utf-8")
    with pytest.raises(StoreError, match="a.csv, line 2 does not have 14 cells: quote texts that hold commas"):
        read_published(folder)
    (folder / "a.csv").unlink()
    with pytest.raises(StoreError, match="a.csv is named in tables.csv but is not there"):
        read_published(folder)
