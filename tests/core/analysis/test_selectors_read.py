"""What selectors are made from: which text a nearness reads, and which selectors a combination learns from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from core.analysis.predictions import judge_selectors, learnable, selectors
from core.queries.evidence import AnalysisOptions, evidence, runs_to_pool
from core.queries.filters import Filter
from core.store.connection import Store
from tests.makers.tables import Planted, planted


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open(":memory:") as opened:
        yield opened


def pairs_of(store: Store) -> pd.DataFrame:
    with store.cursor() as cur:
        found = selectors(cur, evidence(cur, runs_to_pool(cur, Filter()), options=AnalysisOptions()))
    return found.pairs.set_index(["intermediate", "target"])


def test_nearness_is_to_the_training_text_and_to_the_english_test_text_where_nothing_is_trained(store: Store) -> None:
    planted(store, Planted(intermediates=("mnli", "cola"), targets=("pawsx", "tatoeba"), langs=("de",), seeds=(1,)))
    values = {"train": {"mnli": 0.1, "cola": 0.2}, "test:en": {"mnli": 0.3, "cola": 0.4}, "test:de": {"mnli": 0.5}}
    with store.write() as cur:
        for text, near in values.items():
            for name, value in near.items():
                sql = "UPDATE similarities SET value = ? WHERE a = ? AND b IN ('pawsx:' || ?, 'tatoeba:' || ?)"
                cur.execute(sql, [value, name, text, text])
        cur.execute("DELETE FROM similarities WHERE b = 'tatoeba:train'")
    column = pairs_of(store)["centroid_cosine"]
    assert column["mnli", "pawsx"] == 0.1 and column["cola", "pawsx"] == 0.2
    assert column["mnli", "tatoeba"] == 0.3 and column["cola", "tatoeba"] == 0.4


def test_pairs_average_the_gains_of_other_languages_alone(store: Store) -> None:
    planted(store, Planted(intermediates=("mnli", "paws"), targets=("pawsx",), langs=("de", "sw", "en"), seeds=(1, 2)))
    with store.write() as cur:
        cur.execute("UPDATE scores SET score = CASE lang WHEN 'en' THEN 0.9 WHEN 'de' THEN 0.7 ELSE 0.6 END")
        cur.execute("UPDATE scores SET score = 0.5 WHERE run_id LIKE '%|none'")
    pairs = pairs_of(store)
    assert pairs.index.tolist() == [("mnli", "pawsx")], "PAWS before PAWS-X is more training on the target's task"
    assert pairs["gain"].iloc[0] == pytest.approx(0.15)  # German 0.2, Swahili 0.1, English is not counted
    assert pairs["cells"].iloc[0] == 4


def test_what_is_not_judged_comes_last_and_a_combination_needs_six_pairs(store: Store) -> None:
    planted(store, Planted(intermediates=("mnli", "squad", "cola"), targets=("pawsx", "udpos"), langs=("de",)))

    def judged() -> pd.DataFrame:
        with store.cursor() as cur:
            return judge_selectors(
                selectors(cur, evidence(cur, runs_to_pool(cur, Filter()), options=AnalysisOptions()))
            )

    rows = judged()
    known = rows["ndcg_over_random"].notna()
    assert known.any() and not known.all() and known.is_monotonic_decreasing, "what was not judged comes last"
    combined = rows[rows["selector"] == "combination"].set_index("direction")["note"]
    assert pd.isna(combined["leave one intermediate out"]), "six pairs are enough"
    assert "2 groups" in combined["leave one target out"]
    with store.write() as cur:
        cur.execute("DELETE FROM scores WHERE run_id LIKE '%|udpos|%|cola'")
    rows = judged()
    assert rows.loc[rows["selector"] == "combination", "note"].str.contains("are known for 5 pairs").all()


def test_a_selector_is_learned_from_where_it_is_known_for_more_than_nine_in_ten_pairs() -> None:
    known = {"all": 20, "nineteen": 19, "eighteen": 18, "half": 10, "none": 0}
    pairs = pd.DataFrame({name: [1.0] * n + [np.nan] * (20 - n) for name, n in known.items()})
    pairs["random"] = pairs["always_mnli"] = 0.0
    assert learnable(pairs, names=pairs.columns) == ["all", "nineteen"]
    assert learnable(pairs, names=["nineteen", "half"]) == ["nineteen"]
