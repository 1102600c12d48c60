"""Runs side by side: what is differenced and what is not, by hand, and in which fields runs differ."""

from __future__ import annotations

import json
from collections.abc import Iterator

import duckdb
import numpy as np
import pandas as pd
import pytest

from core.analysis.compare import cautions, mean_differences, obstacles, paired_tests
from core.paths import AtlasPaths
from core.queries.compare import made_by, metrics, score_grid
from core.queries.runs.settings import run_settings
from core.spec.versions import CODE_VERSION
from core.store.connection import Store
from core.store.ingest import ingest
from tests.makers.home import fill, score_of, spec

NONE, MNLI, QQP = (spec(name, "xnli").run_id for name in ("none", "mnli", "qqp"))
SECOND = spec("mnli", "xnli", seed=2).run_id
SQUAD = spec("squad", "xquad").run_id


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> AtlasPaths:
    folder = tmp_path_factory.mktemp("home")
    fill(folder)
    return AtlasPaths(home=folder)


@pytest.fixture
def cur(home: AtlasPaths) -> Iterator[duckdb.DuckDBPyConnection]:
    """Each test has a store of its own, which it may change."""
    with Store.open(":memory:") as store:
        ingest(store, home)
        with store.cursor() as opened:
            yield opened


def test_the_headline_of_the_first_run_is_offered_first_then_its_other_metrics(cur: duckdb.DuckDBPyConnection) -> None:
    cur.execute("DELETE FROM scores WHERE lang <> 'de'")
    cur.execute("INSERT INTO scores BY NAME SELECT * REPLACE ('b_other' AS metric) FROM scores WHERE run_id = ? "
                "AND metric = 'accuracy'", [SQUAD])  # fmt: skip
    cur.execute("INSERT INTO scores BY NAME SELECT * REPLACE ('a_mine' AS metric) FROM scores WHERE run_id = ? "
                "AND metric = 'accuracy'", [MNLI])  # fmt: skip
    found = metrics(cur, [MNLI, NONE, SQUAD])
    assert found["metric"].tolist()[:3] == ["accuracy", "a_mine", "macro_f1"]
    assert found["is_headline"].tolist() == [True, *[False] * (len(found) - 1)]
    assert found.set_index("metric").loc[["accuracy", "a_mine"], "runs"].tolist() == [2, 1]
    assert metrics(cur, [SQUAD, MNLI])["metric"].iloc[0] != "accuracy", "another first run, another headline"


def test_other_code_and_other_threads_are_told(cur: duckdb.DuckDBPyConnection) -> None:
    letters = {NONE: "A", MNLI: "B", QQP: "C"}
    cur.execute("UPDATE runs SET threads = 2")
    assert cautions(made_by(cur, [NONE, MNLI, QQP]), letters=letters) == []
    cur.execute("UPDATE runs SET threads = 4 WHERE run_id = ?", [MNLI])
    cur.execute("UPDATE runs SET threads = NULL WHERE run_id = ?", [QQP])
    cur.execute("UPDATE stages SET code = 1 WHERE run_id = ? AND kind = 'target'", [MNLI])
    cur.execute("UPDATE stages SET code = NULL WHERE run_id = ? AND kind = 'target'", [QQP])
    now = CODE_VERSION["target"]
    assert cautions(made_by(cur, [NONE, MNLI, QQP]), letters=letters) == [
        f"The target stages are of different versions of the program (A: {now}, B: 1, C: unnumbered), which give other "
        "scores.",
        "Trained with different numbers of threads (A: 2, B: 4): equal runs agree only to rounding.",
    ]


def test_differences_are_to_the_first_run(cur: duckdb.DuckDBPyConnection) -> None:
    grid = score_grid(cur, [NONE, MNLI], metric="accuracy").set_index(["run_id", "lang"])
    want = score_of(spec("mnli", "xnli"), "de") - score_of(spec("none", "xnli"), "de")
    assert grid.loc[(MNLI, "de"), "difference"] == pytest.approx(want)
    turned = score_grid(cur, [MNLI, NONE], metric="accuracy").set_index(["run_id", "lang"])
    assert turned.loc[(NONE, "de"), "difference"] == pytest.approx(-want)
    assert grid.loc[NONE, "difference"].isna().all()
    assert grid.loc[MNLI].index[0] == "en"


def test_what_must_not_be_compared_is_said_and_not_differenced(cur: duckdb.DuckDBPyConnection) -> None:
    cur.execute("UPDATE runs SET data_source = 'mirror' WHERE run_id = ?", [SECOND])
    cur.execute("UPDATE scores SET fingerprint = 'other' WHERE run_id = ? AND lang IN ('de', 'fr')", [QQP])
    grid = score_grid(cur, [NONE, MNLI, QQP, SECOND, SQUAD], metric="accuracy")
    found = {(row.run_id, row.missing): (row.n_langs, row.whole) for row in obstacles(grid).itertuples()}
    assert found == {
        (QQP, "other test examples"): (2, False),
        (QQP, "not scored"): (1, False),  # Swahili was skipped
        (SECOND, "other data source: mirror"): (15, True),
        (SQUAD, "other target: xquad"): (15, True),
    }
    assert set(grid.loc[grid["difference"].notna(), "run_id"]) == {MNLI, QQP}
    assert grid["missing"].isna().eq(grid["difference"].notna()).all()


def test_another_metric_is_not_compared(cur: duckdb.DuckDBPyConnection) -> None:
    cur.execute("DELETE FROM scores WHERE metric = 'macro_f1' AND run_id = ?", [NONE])
    cur.execute("DELETE FROM scores WHERE metric = 'accuracy' AND run_id = ?", [MNLI])
    assert metrics(cur, [NONE, MNLI])["metric"].tolist() == ["accuracy", "macro_f1"]
    for metric, why in (("accuracy", "other metric: no accuracy"), ("macro_f1", "the first run has no macro_f1")):
        grid = score_grid(cur, [NONE, MNLI], metric=metric)
        assert obstacles(grid)["missing"].tolist() == [why]
        assert grid["difference"].isna().all()


def test_another_split_is_not_compared(cur: duckdb.DuckDBPyConnection) -> None:
    cur.execute("UPDATE scores SET split = 'dev' WHERE run_id = ? AND lang = 'de'", [MNLI])
    assert obstacles(score_grid(cur, [NONE, MNLI], metric="accuracy"))["missing"].tolist() == ["other split: dev"]


def test_means_by_hand_and_without_english() -> None:
    rows = [("a", lang, None, "is the first run") for lang in ("en", "de", "sw", "zh")]
    rows += [("b", "en", 0.5, None), ("b", "de", 0.01, None), ("b", "sw", 0.03, None), ("b", "zh", None, "not scored")]
    rows += [("c", "en", None, "other target: x"), ("c", "de", None, "other target: x")]
    grid = pd.DataFrame(rows, columns=["run_id", "lang", "difference", "missing"])
    means = mean_differences(grid).set_index("run_id")
    assert means.loc["b", "difference"] == pytest.approx(0.02)
    # sd = .0141421, error .01, t of one degree of freedom is 12.706.
    assert means.loc["b", "low"] == pytest.approx(0.02 - 0.12706, abs=1e-4)
    assert means.loc["b", ["n_langs", "higher"]].tolist() == [2, 2]
    assert np.isnan(means.loc["c", "difference"]) and means.loc["c", "n_langs"] == 0
    assert list(means.index) == ["b", "c"]


def test_paired_tests_where_credits_are(cur: duckdb.DuckDBPyConnection) -> None:
    """Nine of a hundred examples gained, one lost."""
    cur.execute("DELETE FROM credits")
    cur.execute("DELETE FROM scores WHERE lang <> 'de'")
    for run_id, right in ((NONE, range(50)), (MNLI, [*range(1, 50), *range(90, 99)])):
        credits = [float(i in right) for i in range(100)]
        cur.execute(
            "INSERT INTO credits (run_id, lang, metric, correct) VALUES (?, 'de', 'accuracy', ?)", [run_id, credits]
        )
    grid = score_grid(cur, [NONE, MNLI, QQP], metric="accuracy")
    found = paired_tests(cur, grid).set_index("run_id")
    assert found.loc[MNLI, ["gained", "lost", "n_examples"]].tolist() == [9, 1, 100]
    assert found.loc[MNLI, "method"] == "paired bootstrap"
    assert 0 < found.loc[MNLI, "ci_low"] < 0.08 < found.loc[MNLI, "ci_high"]
    assert found.loc[QQP].drop("lang").isna().all()  # it kept no credits
    assert NONE not in found.index


def test_settings_that_differ(cur: duckdb.DuckDBPyConnection) -> None:
    rows = run_settings(cur, [NONE, MNLI, SECOND])
    differs = rows[rows["differs"]].set_index("field")
    assert set(differs.index) == {"seed", "intermediate", "tasks"}
    assert differs.loc["seed", [NONE, MNLI, SECOND]].tolist() == ["1", "1", "2"]
    assert differs.loc["intermediate", [NONE, MNLI, SECOND]].tolist() == ["none", "mnli", "mnli"]
    same = rows.set_index("field")
    assert same.loc["target.learning_rate", MNLI] == "5e-05"
    assert same.loc["target.patience", MNLI] is None
    assert same.loc["torch", MNLI] == "2.13"
    assert same.loc["data source kind", MNLI] == "sample"
    assert same.loc["mnli", [NONE, MNLI]].tolist() == [None, "used"]  # follows from the intermediate: no difference


def test_data_that_was_read_is_shown_training_and_english_first(cur: duckdb.DuckDBPyConnection) -> None:
    rows = [
        (NONE, "xnli", "test", "en", 9, "abcdefghij", None), (NONE, "xnli", "test", "ar", 9, "abcdefghij", None),
        (NONE, "xnli", "train", "en", 5, "abcdefghij", None),
        (MNLI, "xnli", "train", "en", 5, "abcdefghij", "0123456789abcdef"),
    ]  # fmt: skip
    names = "run_id, task, role, lang, n, fingerprint, revision, split, n_available"
    for row in rows:
        cur.execute(f"INSERT INTO splits ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, 's', 10)", list(row))
    table = run_settings(cur, [NONE, MNLI]).set_index("field")
    read = [name for name in table[table["section"] == "data"].index if name.startswith("xnli")]
    assert read == ["xnli train en", "xnli test en", "xnli test ar"]
    assert table.loc["xnli train en", [NONE, MNLI]].tolist() == [
        "5 of 10 of s, abcdefgh", "5 of 10 of s, abcdefgh, revision 0123456789ab"
    ]  # fmt: skip
    assert table.loc["xnli train en", "differs"]
    assert not table.loc["xnli test en", "differs"], "that one run reads no test set is no other setting"


def test_a_task_that_is_defined_otherwise_is_written_out(cur: duckdb.DuckDBPyConnection) -> None:
    row = cur.execute("SELECT spec FROM runs WHERE run_id = ?", [MNLI]).fetchone()
    assert row is not None
    changed = json.loads(row[0])
    next(task for task in changed["tasks"] if task["name"] == "xnli")["title"] = "Another XNLI"
    changed["protocol"]["target"]["learning_rate"] = 1e-5
    cur.execute("UPDATE runs SET spec = ? WHERE run_id = ?", [json.dumps(changed), MNLI])
    rows = run_settings(cur, [NONE, MNLI])
    found = rows[rows["differs"]].set_index("field")
    assert found.loc["xnli.title", [NONE, MNLI]].tolist() == ["XNLI", "Another XNLI"]
    assert found.loc["target.learning_rate", MNLI] == "1e-05"
    assert "xnli.type" in rows["field"].tolist() and "xnli.type" not in found.index


def test_a_run_without_scores_is_not_said_to_have_another_metric(
    cur: duckdb.DuckDBPyConnection, home: AtlasPaths
) -> None:
    del home
    failed = spec("stsb", "xnli").run_id
    for run_ids, why in (([NONE, failed], "no scores"), ([failed, NONE], "the first run has no scores")):
        grid = score_grid(cur, run_ids, metric="accuracy")
        assert obstacles(grid)[["missing", "whole"]].to_numpy().tolist() == [[why, True]]
        assert paired_tests(cur, grid).empty
