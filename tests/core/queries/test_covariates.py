"""What explains a gain: sizes and types from the runs themselves, measures turned so that large means hard or near."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from core.measures.similarity.table import SIMILARITIES
from core.queries.covariates import (
    difficulties,
    intermediates,
    planned_intermediates,
    similarities,
)
from core.queries.difficulty import ProfileView
from core.store.connection import Store
from tests.makers.tables import add_difficulty, add_rows, add_scores, add_similarity


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open(":memory:") as opened:
        yield opened


def spec(*tasks: dict[str, Any], stage: dict[str, Any] | None = None, **between: object) -> dict[str, Any]:
    """The parts of a run's JSON that sizes are read from."""
    named = {"tasks": [task["name"] for task in tasks if "part" not in task]} | between
    return {"intermediate": named, "tasks": list(tasks), "protocol": {"intermediate": stage or {}}}


def planned(name: str, found: dict[str, Any]) -> tuple[str, float | None]:
    row = planned_intermediates({name: found}).iloc[0]
    return row["types"], None if pd.isna(row["log_size"]) else round(10 ** row["log_size"], 6)


MNLI = {"name": "mnli", "type": "classification", "train_examples": 1000}
SQUAD = {"name": "squad", "type": "span_qa", "train_examples": 200}


def test_the_protocol_takes_a_share_and_no_more_than_its_limit() -> None:
    assert planned("mnli", spec(MNLI)) == ("classification", 1000)
    assert planned("mnli", spec(MNLI, stage={"train_share": 0.25})) == ("classification", 250)
    assert planned("mnli", spec(MNLI, stage={"train_share": 0.25, "max_train_examples": 100})) == (
        "classification",
        100,
    )
    assert planned("mnli", spec(MNLI, stage={"max_train_examples": 5000})) == ("classification", 1000)


def test_tasks_of_a_mixture_add_up_and_one_of_unknown_size_makes_it_unknown() -> None:
    assert planned("mnli+squad", spec(MNLI, SQUAD)) == ("classification+span_qa", 1200)
    unknown = {"name": "x", "type": "tagging"}
    assert planned("mnli+x", spec(MNLI, unknown)) == ("classification+tagging", None)
    assert planned("mnli~mlm", spec(MNLI, placebo="mlm")) == ("mlm", 1000)
    assert planned("mnli~shuffled", spec(MNLI, placebo="shuffled")) == ("classification", 1000)


def test_a_task_made_of_parts_is_as_large_as_all_of_them() -> None:
    both = {"name": "both", "type": "multi_task", "parts": ["mnli", "squad"]}
    parts = ({**MNLI, "part": True}, {**SQUAD, "part": True})
    assert planned("both", spec(both, *parts)) == ("multi_task", 1200)
    unknown = ({**MNLI, "part": True}, {"name": "squad", "type": "span_qa", "part": True})
    assert planned("both", spec(both, *unknown)) == ("multi_task", None)


def test_what_a_run_read_counts_before_what_its_protocol_would_take(store: Store) -> None:
    columns = ["intermediate", "target", "lang", "seed", "score"]
    rows = [(name, "sib200", "de", seed, 0.5) for name in ("none", "mnli", "qqp") for seed in (1, 2)]
    add_scores(store, pd.DataFrame(rows, columns=columns))
    with store.write() as cur:
        cur.execute("UPDATE runs SET spec = ?", [json.dumps(spec(MNLI))])
    with store.cursor() as cur:
        runs = cur.execute("SELECT run_id FROM runs WHERE intermediate = 'mnli' ORDER BY seed").df()
        named = cur.execute("SELECT list(run_id) FROM runs").fetchone()
    read = pd.DataFrame({"run_id": [*runs["run_id"], runs["run_id"][0]], "task": "mnli", "n": [60, 80, 900]})
    fixed = {"lang": "en", "split": "s", "n_available": 9, "fingerprint": "f"}
    add_rows(store, "splits", read.assign(role=["train", "train", "dev"], **fixed))
    with store.cursor() as cur:
        found = intermediates(cur, run_ids=named[0] if named else [])
        first = intermediates(cur, run_ids=[runs["run_id"][0]])
    assert found["intermediate"].tolist() == ["mnli", "qqp"]
    assert (10 ** found["log_size"]).round(6).tolist() == [80, 1000], "the most that any run read; QQP's did not say"
    assert (10 ** first["log_size"]).round(6).tolist() == [60]


def test_measures_of_distance_are_turned_and_say_so(store: Store) -> None:
    assert SIMILARITIES["centroid_cosine"].direction == 1 and SIMILARITIES["mmd"].direction == -1
    turned = {name for name, measure in SIMILARITIES.items() if "sign turned" in measure.label}
    assert turned == {name for name, measure in SIMILARITIES.items() if measure.direction < 0}
    add_similarity(store, {("mnli", "sib200:test:de"): 0.75}, measure="mmd")
    with store.cursor() as cur:
        found = similarities(cur, measure="mmd", data_source="sample")
    assert found.frame.to_numpy().tolist() == [["mnli", "sib200", "test", "de", -0.75]]


def test_a_pair_is_found_whichever_text_comes_first_and_intermediates_are_no_targets(store: Store) -> None:
    pairs = {("mnli", "sib200:test:de"): 0.1, ("squad", "pawsx:train"): 0.2, ("mnli", "squad"): 0.9}
    add_similarity(store, pairs)  # 'pawsx:train' comes before 'squad'
    with store.cursor() as cur:
        cur.execute("UPDATE similarities SET centred = FALSE WHERE b = 'squad' AND a = 'pawsx:train'")
        both = similarities(cur, measure="centroid_cosine", data_source="sample")
        kept = similarities(cur, measure="centroid_cosine", data_source="sample", centred=False)
        none = similarities(cur, measure="centroid_cosine", data_source="hub")
    assert both.frame.to_numpy().tolist() == [["mnli", "sib200", "test", "de", 0.1]]
    assert kept.frame.to_numpy().tolist() == [["squad", "pawsx", "train", "en", 0.2]]
    assert "each language's mean subtracted" in both.origin and "languages' means kept" in kept.origin
    assert none.frame.empty and none.origin == "not measured on real data, hub"


@pytest.mark.parametrize(
    ("model", "weights", "words"),
    [
        ("atlas-mini", None, "by the runs' own model, trained by protocol quick on generated sentences"),
        ("atlas-mini", "new", "by the runs' model with other weights, trained by"),
        ("mbert", None, "by atlas-mini, as that of mbert was not measured, trained by"),
    ],
)
def test_whose_difficulty_it_is_is_told(store: Store, model: str, weights: str | None, words: str) -> None:
    add_difficulty(store, {"mnli": 0.2, "qqp": 0.6})
    like = ProfileView("yours", model, weights, "quick", "sample")
    with store.cursor() as cur:
        found = difficulties(cur, measure="headroom", like=like)
        none = difficulties(cur, measure="headroom", like=like._replace(data_source="hub"))
    assert words in found.origin
    assert found.frame.to_numpy().tolist() == [["mnli", -0.2], ["qqp", -0.6]], "hardest first"
    assert none.frame.empty and none.origin == "not measured on real data, hub"
