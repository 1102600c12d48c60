"""Where figures come from: what must not be mixed is counted apart, seeds are in the order of numbers."""

from __future__ import annotations

import pandas as pd

from core.queries.filters import Filter
from core.queries.provenance import protocols, scored_sets, software
from core.store.connection import Store
from tests.synthetic import add_scores

COLUMNS = ["intermediate", "target", "lang", "seed", "score", "data_source"]
ROWS = [
    *(("none", "sib200", "de", seed, 0.5, "sample") for seed in (1, 2, 10)),
    ("mnli", "sib200", "de", 10, 0.5, "sample"),
    ("none", "sib200", "sw", 3, 0.5, "hub"),
]


def test_data_sources_are_counted_apart_and_seeds_ascend() -> None:
    with Store.open(":memory:") as store:
        add_scores(store, pd.DataFrame(ROWS, columns=COLUMNS))
        with store.cursor() as cur:
            found = protocols(cur, Filter()).set_index("data_source")
            sets = scored_sets(cur, Filter(langs=("de",)))
            assert software(cur, Filter()).empty  # no run here says what it was made with
            assert protocols(cur, Filter(data_source="mirror")).empty
    assert found.loc["sample", ["seeds", "runs", "intermediates"]].tolist() == ["1, 2, 10", 4, 2]
    assert found.loc["hub", ["seeds", "runs"]].tolist() == ["3", 1]
    assert sets[["data_source", "lang", "n", "runs"]].to_numpy().tolist() == [["sample", "de", 200, 4]]
