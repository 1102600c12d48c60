"""What two runs answered differently: the same examples alone are compared, in the language and metric asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from core.queries.flips import credit_flips, flips
from core.store.connection import Store
from tests.makers.tables import add_rows

BEFORE, AFTER = [1.0, 1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 1.0, 1.0, 1.0]


@pytest.fixture
def store() -> Iterator[Store]:
    """German and Swahili in accuracy and f1; German f1 is of other examples, Swahili of fewer."""
    lists = {
        ("de", "accuracy"): ("x", BEFORE, "x", AFTER),
        ("de", "f1"): ("x", BEFORE, "y", AFTER),
        ("sw", "accuracy"): ("x", BEFORE, "x", AFTER[:4]),
        ("sw", "f1"): ("z", [0.5, 0.25, 0.0], "z", [0.75, 0.0, 0.5]),
    }
    with Store.open(":memory:") as opened:
        for (lang, metric), (old, before, new, after) in lists.items():
            runs = pd.DataFrame({"run_id": ["before", "after"], "lang": lang, "metric": metric})
            credits = runs.assign(correct=[before, after])
            add_rows(opened, "credits", credits)
            add_rows(opened, "scores", runs.assign(score=0.5, n=5, split="test", fingerprint=[old, new]))
        yield opened


def test_changed_places_and_the_exact_test_by_hand(store: Store) -> None:
    with store.cursor() as cur:
        found = credit_flips(cur, after="after", before="before", lang="de", metric="accuracy")
    assert found is not None and found.test is not None
    assert found.rows.to_numpy().tolist() == [[1, -1.0], [2, 1.0], [3, 1.0]]
    assert (found.n, found.test.gained, found.test.lost) == (5, 2, 1)
    assert found.test.p_value == 1.0  # two of three, two-sided: (1 + 3) / 8 on either side


def test_credit_that_is_not_all_or_nothing_has_no_exact_test_and_the_largest_change_first(store: Store) -> None:
    with store.cursor() as cur:
        found = credit_flips(cur, after="after", before="before", lang="sw", metric="f1")
    assert found is not None and found.test is None
    # Equal changes stay in the order of the test set.
    assert found.rows.to_numpy().tolist() == [[2, 0.5], [0, 0.25], [1, -0.25]]


def test_values_of_a_metric_that_is_no_mean_over_examples_do_not_flip(store: Store) -> None:
    """One example moves the values of all others."""
    with store.write() as cur:
        cur.execute("UPDATE credits SET functional = 'f1' WHERE lang = 'sw' AND metric = 'f1' AND run_id = 'after'")
    with store.cursor() as cur:
        assert credit_flips(cur, after="after", before="before", lang="sw", metric="f1") is None


@pytest.mark.parametrize(
    ("lang", "metric", "after"),
    [("de", "f1", "after"), ("sw", "accuracy", "after"), ("zh", "accuracy", "after"), ("de", "accuracy", "nobody")],
    ids=["other examples", "another number of them", "no such language", "no such run"],
)
def test_runs_of_other_examples_are_not_compared(store: Store, lang: str, metric: str, after: str) -> None:
    with store.cursor() as cur:
        assert credit_flips(cur, after=after, before="before", lang=lang, metric=metric) is None


def test_predictions_are_matched_by_id_language_and_metric(store: Store, tmp_path: Path) -> None:
    def write(name: str, correct: dict[str, float | None], answer: str) -> Path:
        rows = [
            {"lang": lang, "metric": metric, "index": i, "example_id": key, "prediction": f"{answer}{key}",
             "correct": value if (lang, metric) == ("de", "accuracy") else 1.0}
            for lang in ("de", "sw") for metric in ("accuracy", "f1") for i, (key, value) in enumerate(correct.items())
        ]  # fmt: skip
        pd.DataFrame(rows).to_parquet(tmp_path / name)
        return tmp_path / name

    before = write("before.parquet", {"a": 1.0, "b": 0.0, "c": 0.0, "d": None, "e": 0.0}, "old")
    after = write("after.parquet", {"c": 0.5, "b": 1.0, "a": 1.0, "d": 1.0, "f": 1.0}, "new")
    with store.cursor() as cur:
        found = flips(cur, after=after, before=before, lang="de", metric="accuracy")
        same = flips(cur, after=after, before=before, lang="sw", metric="f1")
        none = flips(cur, after=after, before=before, lang="zh", metric="accuracy")
    assert found is not None and same is not None and none is None
    assert found.n == 3, "d has no credit before, e and f are in one file alone"
    assert found.rows[["example_id", "index", "before", "after", "change"]].to_numpy().tolist() == [
        ["b", 1, "oldb", "newb", 1.0],
        ["c", 0, "oldc", "newc", 0.5],
    ]
    assert same.rows.empty and same.n == 4
