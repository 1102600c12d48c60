"""Tests of single cells: which test is used, by hand where it can be, and what is said without examples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.analysis.cell_tests import COLUMNS, cell_tests
from core.measures.metrics.corpus import linearised
from core.paths import REPO, AtlasPaths
from core.queries.evidence import AnalysisOptions, evidence, runs_to_pool
from core.queries.filters import Filter
from core.store.connection import Store
from core.store.gallery import FAMILIES, MEASURED, Collection, load_family
from tests.makers.tables import add_difficulty, add_rows, add_scores


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open(":memory:") as opened:
        yield opened


def fill(store: Store, *, seeds: tuple[int, ...], flips: int, with_credits: bool = True) -> pd.DataFrame:
    """MNLI before SIB-200 in German: `flips` of 100 examples become right, none wrong; cells as evidence has them."""
    rows = [
        (name, "sib200", "de", s, 0.5 + (flips / 100 if name == "mnli" else 0))
        for name in ("none", "mnli")
        for s in seeds
    ]
    add_scores(store, pd.DataFrame(rows, columns=["intermediate", "target", "lang", "seed", "score"]))
    add_difficulty(store, {"mnli": 0.5})
    with store.cursor() as cur:
        frame = evidence(cur, runs_to_pool(cur, Filter()), options=AnalysisOptions()).frame
    for row in frame.to_dict("records") if with_credits else []:
        for run_id, right in ((row["run_id"], 50 + flips), (row["baseline_run_id"], 50)):
            add_credits(store, run_id, [1.0] * right + [0.0] * (100 - right))
    return frame


def add_credits(store: Store, run_id: str, credits: list[float], *, metric: str = "accuracy") -> None:
    rows = pd.DataFrame({"run_id": [run_id], "lang": "de", "metric": metric, "correct": [credits]})
    add_rows(store, "credits", rows)


def run(store: Store, cells: pd.DataFrame) -> dict[str, object]:
    with store.cursor() as cur:
        found = cell_tests(cur, cells)
    assert tuple(found.columns) == COLUMNS
    return {str(k): v for k, v in found.iloc[0].to_dict().items()}


def test_one_seed_by_hand(store: Store) -> None:
    row = run(store, fill(store, seeds=(1,), flips=10))
    # Ten examples gained, none lost: 2 x 0.5^10.
    assert (row["gained"], row["lost"]) == (10, 0)
    assert row["p_mcnemar"] == pytest.approx(2 * 0.5**10)
    assert row["method"] == "paired bootstrap"
    assert row["ci_low"] > 0  # type: ignore[operator]
    assert row["q_value"] == row["p_value"]  # a family of one
    # sd of a 10 % / 90 % difference is .3015, over ten; 1.96 + 0.84 of it.
    assert row["detectable"] == pytest.approx(2.8016 * 0.030151, rel=1e-3)
    assert "that seed alone" in str(row["note"])


def test_several_seeds_count_as_a_source(store: Store) -> None:
    row = run(store, fill(store, seeds=(1, 2, 3), flips=10))
    assert row["method"] == "crossed t, seeds x examples"
    assert (row["n_seeds"], row["n_examples"]) == (3, 100)
    assert row["p_value"] < 0.05  # type: ignore[operator]


def test_without_examples_seeds_are_all_there_is(store: Store) -> None:
    cells = fill(store, seeds=(1, 2, 3), flips=10, with_credits=False)
    cells = cells.assign(gain=[0.1, 0.12, 0.14])
    row = run(store, cells)
    assert row["method"] == "t over seeds"
    # t = .12 / (.02 / sqrt 3) = 10.39 on 2 degrees of freedom: p = .00913.
    assert row["p_value"] == pytest.approx(0.00913, abs=5e-5)


def test_one_seed_without_examples_has_no_test(store: Store) -> None:
    row = run(store, fill(store, seeds=(1,), flips=10, with_credits=False))
    assert pd.isna(row["p_value"])
    assert "no test is possible" in str(row["note"])


def test_nothing_changed_is_no_difference(store: Store) -> None:
    row = run(store, fill(store, seeds=(1, 2), flips=0))
    assert row["p_value"] == 1.0


@pytest.mark.parametrize(("gain", "p_value"), [(0.0, 1.0), (0.1, 0.0)])
def test_equal_gains_of_all_seeds_are_beyond_doubt_or_nothing(store: Store, gain: float, p_value: float) -> None:
    cells = fill(store, seeds=(1, 2), flips=10, with_credits=False).assign(gain=gain)
    row = run(store, cells)
    assert (row["p_value"], row["ci_low"], row["ci_high"]) == (p_value, gain, gain)


def test_every_cell_has_its_own_test_in_the_order_given_and_the_family_is_all_of_them(store: Store) -> None:
    """P-values of t = 10.39 and 1.732 on two degrees of freedom, .00913 and .2254; the third has no test."""
    gains = {"sw": [0.1, 0.12, 0.14], "de": [0.0, 0.01, 0.02], "zh": [0.5]}
    rows = [("mnli", "sib200", lang, seed, gain, f"{lang}{seed}", "b") for lang, found in gains.items()
            for seed, gain in enumerate(found)]  # fmt: skip
    columns = ["intermediate", "target", "lang", "seed", "gain", "run_id", "baseline_run_id"]
    with store.cursor() as cur:
        found = cell_tests(cur, pd.DataFrame(rows, columns=columns)).set_index("lang")
    assert found.index.tolist() == ["sw", "de", "zh"]
    assert found["n_seeds"].tolist() == [3, 3, 1]
    assert found["q_value"].tolist()[:2] == pytest.approx([2 * 0.00913, 0.2254], abs=1e-4)
    assert pd.isna(found.loc["zh", "q_value"])
    # Error .02 / sqrt 3 of two degrees of freedom: 4.3027 + 1.0607 (the 80 % point) times .011547.
    assert found.loc["sw", "detectable"] == pytest.approx((4.30265 + 1.06066) * 0.0115470, rel=1e-4)


def test_runs_on_other_examples_or_without_credits_are_not_paired(store: Store) -> None:
    cells = fill(store, seeds=(1, 2, 3), flips=10)
    with store.write() as cur:
        cur.execute("UPDATE scores SET fingerprint = 'other' WHERE run_id = ?", [cells["run_id"].iloc[0]])
    assert run(store, cells)["method"] == "t over seeds"
    with store.write() as cur:
        cur.execute("UPDATE scores SET fingerprint = 'sib200de'")
    assert run(store, cells)["method"] == "crossed t, seeds x examples"
    with store.write() as cur:
        cur.execute("DELETE FROM credits WHERE run_id = ?", [cells["baseline_run_id"].iloc[0]])
    assert run(store, cells)["method"] == "t over seeds"


def test_mcnemars_test_is_of_right_and_wrong_alone(store: Store) -> None:
    """Values of a metric that is no mean over examples may all be 0 or 1, and no example was gained or lost."""
    cells = fill(store, seeds=(1,), flips=10)
    with store.write() as cur:
        cur.execute("UPDATE credits SET functional = 'f1' WHERE run_id = ?", [cells["run_id"].iloc[0]])
    row = run(store, cells)
    assert row["method"] == "paired bootstrap" and row["ci_low"] > 0  # type: ignore[operator]
    assert pd.isna(row["p_mcnemar"]) and pd.isna(row["gained"])  # type: ignore[call-overload]


def test_limits_of_entity_f1_hold_its_gain_where_those_of_sentences_do_not(store: Store) -> None:
    """A long sentence lost, many short ones won: entity F1 falls, and the mean F1 of sentences rises."""
    before = np.array([[2.0, 2, 2]] * 20 + [[1, 2, 2]] * 20 + [[40, 40, 40]] * 5)
    after = np.array([[2.0, 2, 2]] * 40 + [[10, 40, 40]] * 5)
    f1 = [float(linearised("f1", counts).mean()) for counts in (before, after)]
    own = [counts[:, 0] / counts[:, 1] for counts in (before, after)]
    assert f1[1] < f1[0] and own[1].mean() > own[0].mean()
    rows = [(name, "panx", "de", 1, score) for name, score in zip(("none", "mnli"), f1, strict=True)]
    add_scores(store, pd.DataFrame(rows, columns=["intermediate", "target", "lang", "seed", "score"]))
    add_difficulty(store, {"mnli": 0.5})
    with store.cursor() as cur:
        cells = evidence(cur, runs_to_pool(cur, Filter()), options=AnalysisOptions()).frame
    for column, counts in (("baseline_run_id", before), ("run_id", after)):
        add_credits(store, cells[column].iloc[0], linearised("f1", counts).tolist(), metric="f1")
    row = run(store, cells)
    assert row["gain"] == pytest.approx(f1[1] - f1[0])
    assert row["ci_low"] < row["gain"] < row["ci_high"]  # type: ignore[operator]


class Committed(AtlasPaths):
    """Paths with the gallery of the repository."""

    @property
    def gallery(self) -> Path:
        return REPO / "data" / "gallery"


def test_no_committed_cell_has_limits_without_its_gain(store: Store, tmp_path: Path) -> None:
    """All runs in five languages, those of earlier versions too; three cells of PAN-X were once outside."""
    load_family(store, FAMILIES[0], collection=Collection(MEASURED, Committed(tmp_path).gallery))
    with store.cursor() as cur:
        cells = cur.execute("""
            SELECT concat_ws(' ', r.model, r.protocol, r.data_source, r.target) AS target, r.intermediate,
                   s.lang, r.seed, s.score - b.score AS gain, r.run_id, o.run_id AS baseline_run_id
            FROM runs r JOIN runs o ON o.intermediate = 'none' AND o.pair_key = r.pair_key
            JOIN scores s ON s.run_id = r.run_id AND s.metric = r.headline_metric
            JOIN scores b ON b.run_id = o.run_id AND b.lang = s.lang AND b.metric = s.metric
                AND b.fingerprint = s.fingerprint
            WHERE r.intermediate <> 'none' AND s.lang IN ('ar', 'de', 'en', 'sw', 'zh')
        """).df()
        found = cell_tests(cur, cells)
    tested = found[found["ci_low"].notna()]
    assert set(tested["method"]) == {"crossed t, seeds x examples", "paired bootstrap", "t over seeds"}
    assert (tested["ci_low"] - 1e-12 <= tested["gain"]).all() and (tested["gain"] <= tested["ci_high"] + 1e-12).all()
    # Of sentences' F1, which earlier versions kept and is another quantity, no list is left: tested over seeds.
    by_method = tested.groupby(tested["target"].str.contains("sample (?:panx|udpos)"))["method"].unique()
    assert set(by_method[True]) == {"t over seeds"}
    real = tested.loc[tested["target"].str.endswith("mirror udpos"), "method"]
    assert set(real) == {"paired bootstrap"}, "one seed, with the linearised F1 of each sentence"
