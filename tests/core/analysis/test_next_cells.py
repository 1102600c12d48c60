"""What a proposal costs: seeds of the pair, and of its baselines where the target has too few of them."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest

from core.analysis.model import analyse
from core.analysis.next_cells import Plan, propose
from core.queries.evidence import AnalysisOptions, evidence, runs_to_pool
from core.queries.filters import Filter
from core.store.connection import Store
from core.tasks import TASKS
from tests.makers.tables import INTERMEDIATES, Planted, add_difficulty, add_scores, add_similarity, planted

TARGETS = ("pawsx", "udpos", "tydiqa")


@pytest.fixture
def store() -> Iterator[Store]:
    """Eight intermediates on three targets with three seeds; the pair of MNLI and PAWS-X was not run."""
    with Store.open(":memory:") as opened:
        planted(opened, Planted(intermediates=INTERMEDIATES[:8], targets=TARGETS, spread=0.002, seeds=(1, 2, 3)))
        with opened.write() as cur:
            cur.execute("DELETE FROM scores WHERE run_id LIKE '%|pawsx|%|mnli'")
            cur.execute("DELETE FROM runs WHERE run_id LIKE '%|pawsx|%|mnli'")
        yield opened


def proposals(store: Store, *, seeds: int, limit: int = 10) -> pd.DataFrame:
    with store.cursor() as cur:
        found = evidence(cur, runs_to_pool(cur, Filter()), options=AnalysisOptions())
        return propose(cur, found, analyse(found), plan=Plan(TASKS, seeds=seeds, limit=limit))


def test_a_pair_costs_its_seeds_where_the_baselines_are_there(store: Store) -> None:
    rows = proposals(store, seeds=3)
    assert rows[["kind", "intermediate", "target", "langs", "runs"]].values.tolist() == [["run", "mnli", "pawsx", 4, 3]]


def test_a_pair_costs_its_seeds_and_the_baselines_that_its_target_lacks(store: Store) -> None:
    rows = proposals(store, seeds=4)
    assert rows[rows["kind"] == "run"]["runs"].tolist() == [4 + 1]
    # A fourth seed of an intermediate: one run and one baseline for each target that it was run with.
    seeds = rows[rows["kind"] == "seeds"].set_index("intermediate")
    assert seeds.loc["mnli", ["target", "runs"]].tolist() == ["tydiqa udpos", 4]
    assert seeds.loc["qqp", ["target", "runs"]].tolist() == ["pawsx tydiqa udpos", 6]
    assert rows["worth"].is_monotonic_decreasing


def test_the_request_is_for_the_seeds_of_the_plan(store: Store) -> None:
    (row,) = proposals(store, seeds=3).to_dict("records")
    assert row["request"].seeds == (1, 2, 3)


@pytest.mark.parametrize("measure", ["difficulties", "similarities"])
def test_where_a_measure_has_its_zero_changes_no_proposal(store: Store, measure: str) -> None:
    """Covariates are centred before a candidate is weighed: a constant added to all of them says nothing."""
    before = proposals(store, seeds=4)
    with store.write() as cur:
        cur.execute(f"UPDATE {measure} SET value = value + 100")
    after = proposals(store, seeds=4)
    pd.testing.assert_frame_equal(after, before, rtol=1e-6)


def test_without_a_model_the_farthest_pair_comes_first() -> None:
    """Two intermediates are no model. RTE lies far from both, SWAG near one: difficulty and similarity count alike."""
    hard = {"mnli": 0.0, "qqp": 1.0, "swag": 0.2, "rte": 5.0}
    near = {"mnli": 0.0, "qqp": 1.0, "swag": 0.1, "rte": 0.5}
    rows = [(name, "sib200", "de", 1, 0.5) for name in ("none", "mnli", "qqp")]
    with Store.open(":memory:") as store:
        add_scores(store, pd.DataFrame(rows, columns=["intermediate", "target", "lang", "seed", "score"]))
        add_difficulty(store, hard)
        add_similarity(store, {(name, "sib200:test:de"): value for name, value in near.items()})
        found = proposals(store, seeds=2)
        none_left = proposals(store, seeds=2, limit=0)
    assert found[["kind", "intermediate", "target"]].to_numpy().tolist() == [
        ["run", "rte", "sib200"], ["run", "swag", "sib200"]
    ]  # fmt: skip
    assert found["worth"].isna().all() and set(found["why"]) == {
        "its difficulty and similarity are unlike those of what was run"
    }
    assert none_left.empty


def test_a_measure_that_is_the_same_for_all_pairs_decides_nothing() -> None:
    """All are equally hard, so that similarity alone says how far a pair lies from what was run."""
    near = {"mnli": 0.0, "qqp": 1.0, "swag": 0.5, "rte": 9.0, "cola": 3.0}
    rows = [(name, "sib200", "de", 1, 0.5) for name in ("none", "mnli", "qqp")]
    with Store.open(":memory:") as store:
        add_scores(store, pd.DataFrame(rows, columns=["intermediate", "target", "lang", "seed", "score"]))
        add_difficulty(store, dict.fromkeys(near, 2.0))
        add_similarity(store, {(name, "sib200:test:de"): value for name, value in near.items()})
        found = proposals(store, seeds=2)
    assert found["intermediate"].tolist() == ["rte", "cola", "swag"]


def test_no_more_than_the_limit_is_proposed_and_the_best_are_kept(store: Store) -> None:
    everything = proposals(store, seeds=4)
    two = proposals(store, seeds=4, limit=2)
    pd.testing.assert_frame_equal(two, everything.head(2))
