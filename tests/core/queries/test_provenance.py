"""Where numbers come from: what must not be mixed is counted apart, seeds are in the order of numbers."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest

from core.queries.filters import Filter
from core.queries.provenance import protocols, scored_sets, software
from core.store.connection import Store
from tests.makers.tables import add_rows, add_scores

COLUMNS = ["intermediate", "target", "lang", "seed", "score", "data_source"]
ROWS = [
    *(("none", "sib200", "de", seed, 0.5, "sample") for seed in (1, 2, 10)),
    ("mnli", "sib200", "de", 10, 0.5, "sample"),
    ("none", "sib200", "sw", 3, 0.5, "hub"),
]


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open(":memory:") as opened:
        add_scores(opened, pd.DataFrame(ROWS, columns=COLUMNS))
        yield opened


def test_data_sources_are_counted_apart_and_seeds_ascend(store: Store) -> None:
    with store.cursor() as cur:
        found = protocols(cur, Filter()).set_index("data_source")
        sets = scored_sets(cur, Filter(langs=("de",)))
        assert software(cur, Filter()).empty  # no run here says what it was made with
        assert protocols(cur, Filter(data_source="mirror")).empty
    assert found.loc["sample", ["seeds", "runs", "intermediates", "targets"]].tolist() == ["1, 2, 10", 4, 2, 1]
    assert found.loc["hub", ["seeds", "runs"]].tolist() == ["3", 1]
    assert sets[["data_source", "lang", "n", "runs"]].to_numpy().tolist() == [["sample", "de", 200, 4]]


def test_dates_are_of_the_first_and_last_finished_run(store: Store) -> None:
    with store.write() as cur:
        for seed, month in ((1, 3), (2, 1), (10, 2)):
            day = f"2026-0{month}-05 10:00:00"
            cur.execute("UPDATE runs SET finished_at = ? WHERE seed = ? AND intermediate = 'none'", [day, seed])
        cur.execute("UPDATE runs SET outcome = 'failed', finished_at = '2027-01-01' WHERE intermediate = 'mnli'")
    with store.cursor() as cur:
        row = protocols(cur, Filter(data_source="sample")).iloc[0]
    assert (str(row["first"])[:10], str(row["last"])[:10]) == ("2026-01-05", "2026-03-05")
    assert (row["runs"], row["intermediates"]) == (3, 1), "a run that failed is not among them"


def test_rows_are_in_the_order_of_what_must_not_be_mixed(store: Store) -> None:
    one = pd.DataFrame([ROWS[0]], columns=COLUMNS)
    add_scores(store, one.assign(collection="measured", model="xlm-r-base"))
    add_scores(store, one.assign(model="mbert", protocol="standard"))
    with store.cursor() as cur:
        rows = protocols(cur, Filter())
    assert rows[["collection", "model", "protocol", "data_source"]].to_numpy().tolist() == [
        ["measured", "xlm-r-base", "quick", "sample"],
        ["yours", "atlas-mini", "quick", "hub"],
        ["yours", "atlas-mini", "quick", "sample"],
        ["yours", "mbert", "standard", "sample"],
    ]


def test_the_commonest_software_comes_first_and_both_forms_are_read(store: Store) -> None:
    with store.write() as cur:
        cur.execute("""UPDATE runs SET environment = '{"python": "3.12", "versions": {"torch": "2.1"}}'""")
        cur.execute("""UPDATE runs SET environment = '{"python": "3.11", "torch": "2.0"}' WHERE data_source = 'hub'""")
        cur.execute("UPDATE runs SET outcome = 'failed' WHERE seed = 1")
    with store.cursor() as cur:
        rows = software(cur, Filter())
    assert rows[["python", "torch", "runs"]].to_numpy().tolist() == [["3.12", "2.1", 3], ["3.11", "2.0", 1]]


def test_a_test_set_is_counted_once_per_run_and_other_examples_apart(store: Store) -> None:
    with store.cursor() as cur:
        second = cur.execute("SELECT * REPLACE ('f1' AS metric) FROM scores").df()
    add_rows(store, "scores", second)
    with store.write() as cur:
        cur.execute("UPDATE scores SET fingerprint = 'others' WHERE run_id LIKE '%|10|%|mnli'")
    with store.cursor() as cur:
        rows = scored_sets(cur, Filter())
    assert rows[["data_source", "lang", "fingerprint", "runs"]].to_numpy().tolist() == [
        ["hub", "sw", "sib200sw", 1],
        ["sample", "de", "others", 1],
        ["sample", "de", "sib200de", 3],
    ]
