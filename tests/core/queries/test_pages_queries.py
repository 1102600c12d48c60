"""Questions of overview, transfer and the page of runs, on the hand-made runs of the fixture."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from core.paths import AtlasPaths
from core.queries.overview import counts, findings, published_counts
from core.queries.published import figures, tables
from core.queries.runs.detail import paired_scores, progress
from core.queries.transfer import View, cell_runs, choices
from core.store.connection import Store
from core.store.ingest import ingest
from tests.makers.home import fill, spec


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    home = tmp_path_factory.mktemp("home")
    fill(home)
    with Store.open(":memory:") as opened:
        ingest(opened, AtlasPaths(home=home))
        yield opened


@pytest.fixture
def cur(store: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    with store.cursor() as opened:
        yield opened


def _view(cur: duckdb.DuckDBPyConnection, target: str, metric: str) -> View:
    rows = choices(cur)
    row = rows[(rows["target"] == target) & (rows["metric"] == metric)].iloc[0]
    return View(**{name: row[name] for name in View._fields})


def test_counts_by_collection(cur: duckdb.DuckDBPyConnection) -> None:
    rows = counts(cur)
    rows = rows[rows["collection"] == "yours"].iloc[0]
    # 2 seeds × 5 conditions on XNLI, 2 on XQuAD, 1 on Tatoeba are finished; one failed, one was cancelled.
    assert (rows["runs"], rows["finished"], rows["targets"]) == (15, 13, 4)


def test_published_counts_are_those_of_the_tables(cur: duckdb.DuckDBPyConnection) -> None:
    row, there = published_counts(cur).iloc[0], tables(cur)
    assert row["tables"] == len(there) > 0
    assert row["scores"] == there["n_scores"].sum() and row["gains"] == there["n_gains"].sum() > 0
    assert row["documents"] == len(there.drop_duplicates(["paper", "version"]))
    everything = [figures(cur, name) for name in there["name"]]
    for column, counted in (("target", "targets"), ("lang", "langs")):
        assert row[counted] == len({value for rows in everything for value in rows[column].dropna()})
    cur.begin()
    cur.execute("DELETE FROM published_figures")
    nothing = published_counts(cur).iloc[0]
    cur.rollback()
    assert nothing.to_list() == [0] * 6


def test_cell_runs_name_both_runs(cur: duckdb.DuckDBPyConnection) -> None:
    rows = cell_runs(cur, _view(cur, "xnli", "accuracy"), lang="de", intermediate="mnli")
    assert rows["run_id"].tolist() == [spec("mnli", "xnli", seed=s).run_id for s in (1, 2)]
    assert rows["baseline_run_id"].tolist() == [spec("none", "xnli", seed=s).run_id for s in (1, 2)]


def test_findings_leave_in_task_pairs_out_and_count_languages(cur: duckdb.DuckDBPyConnection) -> None:
    rows = findings(cur)
    rows = rows[rows["collection"] == "yours"]
    assert rows[["target", "intermediate"]].to_numpy().tolist() == [["xnli", "mnli"]]
    assert rows[["langs", "target_langs", "rivals", "seeds"]].to_numpy().tolist() == [[14, 14, 4, 2]]


def test_paired_scores_put_the_headline_and_english_first(cur: duckdb.DuckDBPyConnection) -> None:
    rows = paired_scores(cur, spec("mnli", "xnli").run_id)
    assert rows.iloc[0][["lang", "metric"]].tolist() == ["en", "accuracy"]
    assert (rows["score"] - rows["baseline_score"] - rows["gain"]).abs().max() < 1e-12


def test_only_open_runs_have_progress(cur: duckdb.DuckDBPyConnection) -> None:
    assert progress(cur).empty
    cur.begin()
    cur.execute("UPDATE runs SET outcome = NULL WHERE run_id = ?", [spec("mnli", "xnli").run_id])
    cur.execute(
        """
        UPDATE stages SET state = 'running', step = 10, total_steps = 40, seconds = 20
        WHERE run_id = ? AND kind = 'target'
        """,
        [spec("mnli", "xnli").run_id],
    )
    row = progress(cur).iloc[0]
    cur.rollback()
    # Two of three stages are finished, the third is a quarter done.
    assert row["done"] == pytest.approx((1 + 0.25 + 1) / 3)
    assert row["stage"] == "target xnli"
