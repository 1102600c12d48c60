"""Paired tests of a view's cells: every seed must have answered the same examples, with and without."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from core.queries.credits import paired_credits, stacked, view_tests
from core.queries.transfer import View
from core.store.connection import Store
from tests.makers.tables import add_rows, add_scores

VIEW = View("yours", "atlas-mini", None, "sib200", "accuracy", "quick-digest", "sample")
BASE = "atlas-mini|sib200|{}|quick|sample|yours|"


@pytest.fixture
def store() -> Iterator[Store]:
    """MNLI and QQP in German and Swahili, two seeds; ten examples, of which MNLI has all and the baseline half."""
    columns = ["intermediate", "target", "lang", "seed", "score"]
    rows = [(i, "sib200", lang, seed, 0.5) for i in ("none", "mnli", "qqp") for lang in ("de", "sw") for seed in (1, 2)]
    with Store.open(":memory:") as opened:
        add_scores(opened, pd.DataFrame(rows, columns=columns))
        with opened.cursor() as cur:
            scores = cur.execute("SELECT run_id, lang, metric FROM scores ORDER BY ALL").df()
        whole = scores["run_id"].str.endswith("mnli")
        lists = [[1.0] * 10 if right else [1.0, 0.0] * 5 for right in whole]
        add_rows(opened, "credits", scores.assign(correct=lists))
        yield opened


def cells(store: Store, *, seed: int | None = None) -> pd.DataFrame:
    with store.cursor() as cur:
        return view_tests(cur, VIEW, seed=seed).set_index(["intermediate", "lang"]).sort_index()


def change(store: Store, sql: str) -> None:
    with store.write() as cur:
        cur.execute(sql)


def test_cells_are_tested_over_seeds_and_examples(store: Store) -> None:
    rows = cells(store)
    assert rows.index.tolist() == [("mnli", "de"), ("mnli", "sw"), ("qqp", "de"), ("qqp", "sw")]
    assert (rows["n_tested"] == 2).all() and (rows["n_examples"] == 10).all()
    mnli, qqp = rows.loc[("mnli", "de")], rows.loc[("qqp", "de")]
    assert mnli["low"] < 0.5 < mnli["high"] and mnli["low"] > 0 and mnli["p_value"] < 0.05
    assert qqp["low"] <= 0 <= qqp["high"]
    assert (cells(store, seed=2)["n_tested"] == 1).all()


@pytest.mark.parametrize(
    "sql",
    [
        f"DELETE FROM credits WHERE lang = 'de' AND run_id = '{BASE.format(1)}mnli'",
        f"UPDATE credits SET correct = correct[:9] WHERE lang = 'de' AND run_id = '{BASE.format(2)}mnli'",
        "UPDATE credits SET correct = correct[:1] WHERE lang = 'de' AND run_id NOT LIKE '%qqp'",
        f"UPDATE scores SET fingerprint = 'others' WHERE lang = 'de' AND run_id LIKE '{BASE.format(2)}%'",
    ],
    ids=["none of one seed", "fewer of one seed", "a single example", "seeds of different examples"],
)
def test_a_cell_whose_runs_did_not_all_answer_the_same_is_not_tested(store: Store, sql: str) -> None:
    change(store, sql)
    rows = cells(store)
    assert ("mnli", "de") not in rows.index
    assert ("mnli", "sw") in rows.index and ("qqp", "sw") in rows.index


def test_a_baseline_without_credits_leaves_its_cells_out(store: Store) -> None:
    change(store, f"DELETE FROM credits WHERE lang = 'sw' AND run_id = '{BASE.format(1)}none'")
    assert cells(store).index.tolist() == [("mnli", "de"), ("qqp", "de")]


def test_pairs_are_read_in_the_headline_metric_and_of_the_same_examples(store: Store) -> None:
    change(store, "INSERT INTO scores BY NAME SELECT * REPLACE ('f1' AS metric) FROM scores")
    change(store, "INSERT INTO credits BY NAME SELECT * REPLACE ('f1' AS metric, [9.0, 9.0] AS correct) FROM credits")
    change(store, f"UPDATE scores SET fingerprint = 'others' WHERE lang = 'sw' AND run_id = '{BASE.format(1)}mnli'")
    run, baseline = BASE.format(1) + "mnli", BASE.format(1) + "none"
    pairs = pd.DataFrame({"run_id": run, "baseline_run_id": baseline, "lang": ["de", "sw"]})
    with store.cursor() as cur:
        (row,) = paired_credits(cur, pairs).to_dict("records")
    assert (row["run_id"], row["lang"], row["fingerprint"]) == (run, "de", "sib200de")
    assert list(row["after"]) == [1.0] * 10 and list(row["before"]) == [1.0, 0.0] * 5


def test_seeds_are_stacked_one_above_the_other() -> None:
    rows = pd.DataFrame({"fingerprint": "f", "after": [[1.0, 0.0], [1.0, 1.0]], "before": [[0.0, 0.0], [0.0, 1.0]]})
    found = stacked(rows)
    assert found is not None
    np.testing.assert_array_equal(found.after, [[1, 0], [1, 1]])
    np.testing.assert_array_equal(found.before, [[0, 0], [0, 1]])
    assert stacked(rows.assign(fingerprint=["f", "g"])) is None
