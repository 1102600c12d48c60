"""Selectors are ranked as the planted effects say, and proposals fill what would narrow the answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from core.analysis.model import analyse
from core.analysis.next_cells import COLUMNS, Plan, propose
from core.analysis.predictions import DIRECTIONS, QUALITY, explained, judge_selectors, selectors
from core.measures.inference.cells import Cells
from core.measures.inference.mixed import expected_half_widths, joined
from core.measures.inference.ranking import judge_ranking
from core.measures.transferability.table import SELECTORS
from core.queries.evidence import AnalysisOptions, Evidence, evidence, runs_to_pool
from core.queries.filters import Filter
from core.store.connection import Store
from core.tasks import TASKS
from tests.makers.tables import (
    INTERMEDIATES,
    TARGETS,
    Planted,
    add_difficulty,
    add_selectors,
    add_similarity,
    planted,
)

QUIET = {"spread": 0.001, "pair": 0.001, "noise": 0.001}


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open(":memory:") as opened:
        yield opened


def gather(store: Store, options: AnalysisOptions | None = None) -> Evidence:
    with store.cursor() as cur:
        return evidence(cur, runs_to_pool(cur, Filter()), options=options or AnalysisOptions())


def test_the_planted_selector_wins(store: Store) -> None:
    planted(store, Planted(similarity=0.03, **QUIET))
    with store.cursor() as cur:
        found = selectors(cur, gather(store))
    rows = judge_selectors(found).set_index("selector")
    assert rows.loc["centroid_cosine", "ndcg"] > 0.97
    assert rows.loc["centroid_cosine", "ndcg_low"] > rows.loc["random", "ndcg_high"]
    assert rows.loc["random", "kendall_tau"] == 0
    combined = rows.loc["combination"]
    assert set(combined["direction"]) == set(DIRECTIONS)
    assert (combined["ndcg_over_random_low"] > 0).all()
    by_direction = combined.set_index("direction")
    assert by_direction["ndcg_over_mean"].notna().tolist() == [name == DIRECTIONS[1] for name in by_direction.index]
    assert by_direction.loc[DIRECTIONS[1], "ndcg_over_mean_low"] > 0, (
        "selectors know more than the intermediates' means"
    )
    for name in QUALITY:
        judged = rows[rows[name].notna()]
        assert (judged[f"{name}_low"] <= judged[name] + 1e-9).all()
        assert (judged[name] <= judged[f"{name}_high"] + 1e-9).all()
    assert rows.loc["difficulty", "targets"] == len(TARGETS)
    assert rows.loc["centroid_cosine", "ndcg_over_random_low"] > 0
    assert rows.loc["random", [f"ndcg_over_random{end}" for end in ("", "_low", "_high")]].tolist() == [0, 0, 0]
    assert rows["ndcg_over_random"].dropna().is_monotonic_decreasing
    known = rows[rows["ndcg"].notna() & (rows["direction"] == "uses no gain")]
    assert (known["ndcg_random"] == rows.loc["random", "ndcg"]).all(), "all pairs are known to all of them here"
    assert known["kendall_tau_over_random"].tolist() == pytest.approx(known["kendall_tau"].tolist(), abs=1e-12)


def test_a_prediction_is_explained_by_what_each_selector_adds(store: Store) -> None:
    planted(store, Planted(similarity=0.03, **QUIET))
    with store.cursor() as cur:
        found = selectors(cur, gather(store))
    rows = explained(found, target="udpos")
    assert set(rows["intermediate"]) == set(INTERMEDIATES)
    sums = rows.groupby("intermediate")["contribution"].sum()
    predicted = rows.groupby("intermediate")["predicted"].first()
    assert sums.tolist() == pytest.approx(predicted.tolist())
    assert rows["predicted"].is_monotonic_decreasing
    assert rows.groupby("intermediate")["selector"].first().eq("centroid_cosine").mean() > 0.7
    few = found._replace(pairs=found.pairs.iloc[:2])
    assert "more of both" in explained(few, target="udpos")["note"].iloc[0]


def test_a_selector_that_knows_few_pairs_is_compared_with_chance_on_those(store: Store) -> None:
    """Chance looks better or worse on other pairs, so a row carries the chance of its own."""
    planted(store, Planted(similarity=0.03, **QUIET))
    with store.cursor() as cur:
        found = selectors(cur, gather(store))
    pairs, few = found.pairs, sorted(found.pairs["intermediate"].unique())[:4]
    known = pairs["intermediate"].isin(few) & pairs["target"].isin(TARGETS[:3])
    few_pairs = found._replace(
        pairs=pairs.assign(oracle=pairs["gain"].where(known)), labels=found.labels | {"oracle": "knows a few"}
    )
    rows = judge_selectors(few_pairs).set_index("selector")
    own = pairs[known]
    chance = judge_ranking(
        np.zeros(len(own)), gains=own["gain"], lists=own["target"], rng=np.random.default_rng(0)
    )  # fmt: skip
    row, everyone = rows.loc["oracle"], rows.loc["random"]
    assert (row["pairs"], row["targets"]) == (len(own), own["target"].nunique())
    assert row["pairs"] < everyone["pairs"]
    assert row["ndcg"] == pytest.approx(1)
    for name in ("ndcg", "regret_at_1", "regret_at_3", "kendall_tau"):
        assert row[f"{name}_random"] == pytest.approx(getattr(chance, name).estimate)
        assert row[f"{name}_over_random"] == pytest.approx(row[name] - row[f"{name}_random"], abs=1e-12)
    assert row["ndcg_random"] != pytest.approx(everyone["ndcg"])
    assert row["regret_at_1_over_random"] < 0 < row["ndcg_over_random"]
    assert "mnli" not in few and pd.isna(row["ndcg_mnli"]), "MNLI is in none of its lists"
    assert rows.loc["difficulty", "ndcg_mnli"] == pytest.approx(rows.loc["always_mnli", "ndcg"])


def test_selectors_without_features_say_so(store: Store) -> None:
    planted(store, Planted(intermediates=INTERMEDIATES[:6]))
    with store.cursor() as cur:
        found = selectors(cur, gather(store))
    assert set(SELECTORS) <= set(found.absent)
    assert "reads the encoder's features" in found.absent["logme"]
    assert "the same for every pair" in found.absent["size"]
    rows = judge_selectors(found)
    assert rows[rows["ndcg"].isna()]["note"].notna().all()


def test_features_of_a_profile_are_judged(store: Store) -> None:
    frame = planted(store, Planted(intermediates=INTERMEDIATES[:6], similarity=0.03, **QUIET))
    gains = frame.groupby(["intermediate", "target"])["score"].mean().reset_index()
    rows = gains.rename(columns={"score": "value"}).assign(selector="logme", n=500)
    add_selectors(store, rows)
    add_selectors(store, rows.assign(value=-rows["value"]), protocol="standard")
    with store.cursor() as cur:
        found = selectors(cur, gather(store))
    judged = judge_selectors(found).set_index("selector")
    assert judged.loc["logme", "ndcg"] > 0.95
    assert "logme" not in found.absent


def test_features_of_another_encoder_say_nothing(store: Store) -> None:
    frame = planted(store, Planted(intermediates=INTERMEDIATES[:6]))
    rows = frame.groupby(["intermediate", "target"])["score"].mean().reset_index(name="value")
    add_selectors(store, rows.assign(selector="logme", n=500), model="xlm-r-base")
    with store.cursor() as cur:
        found = selectors(cur, gather(store))
    assert "not measured: it reads the encoder's features" in found.absent["logme"]
    assert "logme" in found.unmeasured and "size" not in found.unmeasured
    assert (found.request.kind, found.request.model) == ("selectors", "atlas-mini")


def test_features_of_other_weights_say_nothing_and_another_protocol_is_named(store: Store) -> None:
    frame = planted(store, Planted(intermediates=INTERMEDIATES[:6]))
    rows = frame.groupby(["intermediate", "target"])["score"].mean().reset_index(name="value")
    add_selectors(store, rows.assign(selector="logme", n=500), protocol="standard")
    with store.cursor() as cur:
        assert "under protocol 'standard'" in selectors(cur, gather(store)).labels["logme"]
    with store.write() as cur:  # the bundled encoder was trained anew since
        cur.execute("UPDATE profiles SET model_fingerprint = 'of-then' WHERE kind = 'selectors'")
    with store.cursor() as cur:
        found = selectors(cur, gather(store))
    assert "logme" in found.absent
    assert "logme" not in found.labels


def test_nothing_to_rank_is_said_and_no_crash(store: Store) -> None:
    planted(store, Planted(intermediates=("paws",), targets=("pawsx",)))
    with store.cursor() as cur:
        found = selectors(cur, gather(store))  # every pair is in-task
    assert found.pairs.empty
    rows = judge_selectors(found)
    assert rows["ndcg"].isna().all()
    assert rows["note"].notna().all()


def test_proposals_fill_gaps_first_and_then_narrow(store: Store) -> None:
    planted(store, Planted(intermediates=INTERMEDIATES[:8], targets=TARGETS[:3]))
    add_difficulty(store, {"rte": -3.0, "swag": 0.0}, measure="headroom", model="atlas-mini-2")
    with store.write() as cur:  # the same profile measured two more intermediates
        cur.execute("UPDATE difficulties SET profile_id = 'difficulty-headroom-atlas-mini'")
        cur.execute("DELETE FROM difficulties WHERE intermediate = 'qqp'")
        for name, value in (("rte", 3.0), ("swag", 0.0)):
            for target in TARGETS[:3]:
                pair = ["domain-centroid_cosine-minilm", name, f"{target}:test:de", "centroid_cosine", True]
                cur.execute(
                    "INSERT INTO similarities (profile_id, a, b, measure, centred, value, n_a, n_b, resamples) "
                    "VALUES (?, ?, ?, ?, ?, ?, 9, 9, 9)", [*pair, value],
                )  # fmt: skip
            cur.execute(
                "INSERT INTO profile_texts SELECT profile_id, ?, ?, role, lang, split, n, n_available, fingerprint "
                "FROM profile_texts WHERE point = 'mnli'", [name, name],
            )  # fmt: skip
    found = gather(store)
    with store.cursor() as cur:
        rows = propose(cur, found, analyse(found), plan=Plan(TASKS, seeds=3))
    assert tuple(rows.columns) == COLUMNS
    assert rows.iloc[0]["kind"] == "fill"
    assert "qqp" in rows.iloc[0]["request"].intermediates
    runs = rows[rows["kind"] == "run"]
    # An extreme text and difficulty tell more than average ones.
    assert runs.iloc[0]["intermediate"] == "rte"
    assert runs["worth"].is_monotonic_decreasing
    assert (runs["similarity_narrower"] > 0).all()
    assert runs.iloc[0]["request"].intermediates == ("rte",)


def test_where_every_pair_was_run_more_seeds_are_proposed(store: Store) -> None:
    plan = Planted(intermediates=INTERMEDIATES, targets=TARGETS, seeds=(1,))
    planted(store, plan)
    found = gather(store)
    with store.cursor() as cur:
        rows = propose(cur, found, analyse(found), plan=Plan(TASKS, seeds=2))
        enough = propose(cur, found, analyse(found), plan=Plan(TASKS, seeds=1))
    seeds = rows[rows["kind"] == "seeds"]
    assert len(seeds) > 0 and not (enough["kind"] == "seeds").any()
    first = seeds.iloc[0]
    trained = set(found.frame["target"]) - {"tatoeba"}  # retrieval is not among the cells that the model compares
    assert first["target"] == " ".join(sorted(trained))
    assert first["runs"] == 2 * len(first["target"].split())  # one seed more of each pair, and of each baseline
    assert first["request"].seeds == (1, 2)
    # The same residual variance over two runs: narrower, and by less than the square root of two.
    assert ((seeds["difficulty_narrower"] > 0) & (seeds["difficulty_narrower"] < 1 - 0.5**0.5)).all()


def test_without_a_model_the_farthest_pair_is_proposed(store: Store) -> None:
    planted(store, Planted(intermediates=INTERMEDIATES[:2], targets=("sib200",)))
    add_similarity(store, {("rte", "sib200:test:de"): 9.0}, model="other")
    found = gather(store)
    with store.cursor() as cur:
        rows = propose(cur, found, analyse(found), plan=Plan(TASKS))
    assert rows["worth"].isna().all()


def test_expected_widths_by_hand() -> None:
    # Ten intermediates of one cell each, covariate -1 and 1 in halves, no random effect: a slope's variance is s2 / 10.
    x = np.repeat([-1.0, 1.0], 5)[:, None]
    levels = {"intermediate": np.arange(10).astype(str), "target": np.full(10, "t"), "language": np.full(10, "l")}
    cells = Cells(np.zeros(10), np.ones(10), levels, x, ("difficulty",))
    found = expected_half_widths(
        cells, components=(("target",),), ratios=np.zeros(1), residual_variance=4.0
    )  # fmt: skip
    assert found["difficulty"] == pytest.approx(2.306004 * np.sqrt(0.4), rel=1e-5)  # t of 8 degrees of freedom
    twice = expected_half_widths(
        joined(cells, more=cells), components=(("target",),), ratios=np.zeros(1), residual_variance=4.0
    )
    assert twice["difficulty"] == pytest.approx(found["difficulty"] / np.sqrt(2))


def test_no_list_is_long_enough(store: Store) -> None:
    planted(store, Planted(intermediates=INTERMEDIATES[:2]))
    with store.cursor() as cur:
        rows = judge_selectors(selectors(cur, gather(store)))
    assert rows["ndcg"].isna().all()
    assert rows["note"].str.contains("2 are needed|3 or more|features|same|known").all()
    assert isinstance(rows, pd.DataFrame)
