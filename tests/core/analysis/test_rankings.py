"""Rankings that are frozen before the runs: what they may know, that they stay, and how they are scored after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.analysis.rankings import COLUMNS, COMBINATION, EVERY, frozen_rankings, rank_launch
from core.measures.inference.ranking import kendall_tau, ndcg, relative_regret
from core.models import MODELS
from core.paths import AtlasPaths
from core.protocols import PROTOCOLS
from core.queries.filters import Filter
from core.spec.ranking import FrozenRanking, SelectorRanking
from core.spec.run import DataSource, DataSourceKind, IntermediateSpec, RunSpec, StudySpec
from core.spec.task import closure
from core.store.connection import Store
from core.store.ingest import ingest
from core.store.rankings import ingest_rankings, save_ranking
from core.tasks import TASKS
from tests.makers.tables import Planted, add_selectors, planted

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
WANTED = ("mnli", "qqp", "sst2", "cola")


def launch(*, targets: tuple[str, ...] = ("pawsx", "sib200"), intermediates: tuple[str, ...] = WANTED) -> StudySpec:
    return StudySpec(
        name="trial",
        models=(MODELS["atlas-mini"],),
        intermediates=(None, *(IntermediateSpec.parse(text) for text in intermediates)),
        targets=targets,
        seeds=(7, 8),
        protocol=PROTOCOLS["quick"],
        data_source=DataSource(kind=DataSourceKind.SAMPLE),
        tasks=closure((*targets, *(n for i in intermediates for n in i.split("+"))), tasks=tuple(TASKS.values())),
    )


@pytest.fixture
def store() -> Iterator[Store]:
    """Similarity decides the gains of five targets; nothing of the launch has been run."""
    with Store.open(":memory:") as opened:
        planted(opened, Planted(similarity=0.03, spread=0.001, pair=0.001, noise=0.001))
        yield opened


def frozen(store: Store, study: StudySpec | None = None) -> FrozenRanking:
    with store.cursor() as cur:
        found = rank_launch(cur, study or launch(), now=NOW)
    assert found is not None
    return found


def one(found: FrozenRanking, selector: str, *, target: str = "sib200") -> SelectorRanking:
    (only,) = (r for r in found.rankings if (r.selector, r.target) == (selector, target))
    return only


def finish(store: Store, runs: list[RunSpec], gains: dict[tuple[str, str], float]) -> None:
    """The runs and their baselines, as if they had ended."""
    rows = []
    for run in runs:
        for lang in ("en", "de", "sw"):
            gain = gains.get((run.intermediate_name, run.target), 0.0) + (0.4 if lang == "en" else 0.0)
            rows.append((run, lang, 0.5 + gain))
    with store.write() as cur:
        for run in {r.run_id: r for r in runs}.values():
            metric = str(run.task(run.target).headline)
            cur.execute(
                "INSERT INTO runs (run_id, collection, model, intermediate, target, task_type, seed, protocol, "
                "protocol_digest, data_source, pair_key, headline_metric, chance, attempts, outcome, spec) "
                "VALUES (?, 'yours', ?, ?, ?, 'x', ?, 'quick', 'd', 'sample', ?, ?, 0, 1, 'finished', '{}')",
                [run.run_id, run.model.name, run.intermediate_name, run.target, run.seed, run.pair_key(), metric],
            )
        for run, lang, score in rows:
            metric = str(run.task(run.target).headline)
            cur.execute(
                "INSERT INTO scores (run_id, lang, metric, score, n, split, fingerprint) "
                "VALUES (?, ?, ?, ?, 100, 'test', ?)",
                [run.run_id, lang, metric, score, f"{run.target}{lang}"],
            )


def test_every_selector_of_the_store_speaks_or_says_why_not(store: Store) -> None:
    found = frozen(store)
    assert {(r.target, r.selector) for r in found.rankings} >= {
        (t, s) for t in ("pawsx", "sib200") for s in ("difficulty", "centroid_cosine", "random", COMBINATION, "logme")
    }
    near = one(found, "centroid_cosine")
    assert {i.intermediate for i in near.items} == set(WANTED)
    assert all(i.score is not None for i in near.items)
    assert one(found, "logme").items == ()
    assert "not measured: it reads the encoder's features" in str(one(found, "logme").why)
    assert one(found, "type_match").why == "the same for every pair"
    assert (found.n_done, found.seeds, found.protocol) == (0, (7, 8), "quick")
    assert found.frozen_at == "2026-11-25T08:00:00.000Z"
    study = launch()
    assert set(found.runs) == {run.run_id for run in study.runs() if run.intermediate}


def test_the_combination_has_learned_from_other_targets_alone(store: Store) -> None:
    before = one(frozen(store), COMBINATION)
    near = {i.intermediate: i.score for i in one(frozen(store), "centroid_cosine").items}
    said = {i.intermediate: i.score for i in before.items}
    order = sorted(WANTED, key=lambda i: float(near[i] or 0))
    assert sorted(WANTED, key=lambda i: float(said[i] or 0)) == order, "similarity was planted"
    turn = "UPDATE scores SET score = 1 - score WHERE run_id IN"
    with store.write() as cur:  # the target's own gains turned round: nothing changes
        cur.execute(f"{turn} (SELECT run_id FROM runs WHERE target = 'sib200')")
    assert one(frozen(store), COMBINATION) == before
    with store.write() as cur:  # those of the others: the ranking turns round
        cur.execute(f"{turn} (SELECT run_id FROM runs WHERE target <> 'sib200')")
    turned = {i.intermediate: i.score for i in one(frozen(store), COMBINATION).items}
    assert sorted(WANTED, key=lambda i: -float(turned[i] or 0)) == order


def test_features_of_a_profile_are_ranked(store: Store) -> None:
    values = pd.DataFrame({"intermediate": WANTED, "target": "sib200", "selector": "logme", "value": [4.0, 3, 2, 1]})
    add_selectors(store, values.assign(n=100))
    ranked = one(frozen(store), "logme")
    assert [(i.intermediate, i.score) for i in sorted(ranked.items, key=lambda i: -(i.score or 0))] == [
        ("mnli", 4.0), ("qqp", 3.0), ("sst2", 2.0), ("cola", 1.0)
    ]  # fmt: skip
    assert one(frozen(store), "logme", target="pawsx").why == "known for 0 of 4 intermediates"


def test_an_empty_store_still_ranks_by_size(tmp_path: Path) -> None:
    del tmp_path
    with Store.open(":memory:") as empty:
        found = frozen(empty, launch(targets=("sib200",), intermediates=("mnli", "rte", "cola")))
    assert one(found, "difficulty").why == "not known for any pair"
    assert one(found, COMBINATION).why == "no measured pair of this model, protocol and data source to learn from"
    assert {i.intermediate: i.score for i in one(found, "always_mnli").items} == {"mnli": 1, "rte": 0, "cola": 0}
    size = one(found, "size")
    assert size.items or size.why == "the same for every pair"


def test_nothing_to_choose_between_is_not_frozen(store: Store) -> None:
    with store.cursor() as cur:
        assert rank_launch(cur, launch(intermediates=("mnli",)), now=NOW) is None
        # MNLI is more training on XNLI's task, so only one intermediate is transfer.
        assert rank_launch(cur, launch(targets=("xnli",), intermediates=("mnli", "qqp")), now=NOW) is None


def test_a_ranking_is_written_once_and_comes_back_after_the_database_is_lost(store: Store, tmp_path: Path) -> None:
    paths, study = AtlasPaths(tmp_path), launch()
    file = save_ranking(frozen(store, study), paths=paths)
    before = file.read_bytes()
    with store.cursor() as cur:
        later = rank_launch(cur, study, now=NOW + timedelta(days=1))
    assert later is not None
    assert save_ranking(later, paths=paths) == file
    assert file.read_bytes() == before, "what was predicted stays predicted"
    for _ in range(2):
        with Store.open(":memory:") as other:
            assert ingest_rankings(other, paths) == 1
            assert ingest_rankings(other, paths) == 0
            with other.cursor() as cur:
                row = cur.execute("SELECT DISTINCT frozen_at, study, seeds, n_done FROM rankings").fetchall()
            assert row == [(NOW.replace(tzinfo=None), "trial", [7, 8], 0)]


def test_a_changed_file_is_listed_as_damaged(store: Store, tmp_path: Path) -> None:
    paths = AtlasPaths(tmp_path)
    file = save_ranking(frozen(store), paths=paths)
    raw = json.loads(file.read_text())
    file.rename(file.with_name("other.json"))
    (paths.rankings / "half.json").write_text('{"ranking')
    with Store.open(":memory:") as other:
        ingest(other, paths)
        with other.cursor() as cur:
            rows = dict(cur.execute("SELECT folder, reason FROM damaged ORDER BY ALL").fetchall())
            assert cur.execute("SELECT count(*) FROM rankings").fetchone() == (0,)
        assert set(rows) == {"rankings/half.json", "rankings/other.json"}
        assert raw["ranking_id"] in rows["rankings/other.json"]
        for stray in paths.rankings.glob("*.json"):
            stray.unlink()
        ingest(other, paths)
        with other.cursor() as cur:
            assert cur.execute("SELECT count(*) FROM damaged").fetchone() == (0,)


def test_it_waits_for_its_runs_and_is_scored_by_them(store: Store, tmp_path: Path) -> None:
    paths, study = AtlasPaths(tmp_path), launch()
    ranking = frozen(store, study)
    save_ranking(ranking, paths=paths)
    runs = list(study.runs())
    rng = np.random.default_rng(0)
    gains = {(i, t): float(rng.normal(0, 0.05)) for i in WANTED for t in study.targets}
    ingest_rankings(store, paths)
    with store.cursor() as cur:
        waiting = frozen_rankings(cur)
    assert tuple(waiting.columns) == COLUMNS
    assert set(waiting.loc[waiting["selector"] == "random", "state"]) == {"waiting"}
    assert waiting["ndcg"].isna().all()
    first = [r for r in runs if r.seed == 7 or r.target == "pawsx"]
    finish(store, first, gains)
    with store.cursor() as cur:
        half = frozen_rankings(cur).set_index(["target", "selector"])
    assert half.loc[("sib200", "centroid_cosine"), "state"] == "waiting"
    assert half.loc[("sib200", "centroid_cosine"), "note"] == "0 of 4 intermediates have their gains"
    assert half.loc[("pawsx", "centroid_cosine"), "state"] == "scored"
    assert EVERY not in half.index.get_level_values("target")
    finish(store, [r for r in runs if r not in first], gains)
    with store.cursor() as cur:
        done = frozen_rankings(cur, Filter(model="atlas-mini")).set_index(["target", "selector"])
        assert set(frozen_rankings(cur, Filter(target=("sib200",)))["target"]) == {"sib200"}
        for other in (Filter(model="xlm-r-base"), Filter(protocol="standard"), Filter(data_source="hub")):
            assert frozen_rankings(cur, other).empty, other
        assert frozen_rankings(cur, Filter(collection="measured")).empty, "a launch is yours"
        same = Filter(protocol="quick", data_source="sample", collection=("measured", "yours"))
        assert len(frozen_rankings(cur, same)) == len(done)
    for target in study.targets:
        said = {i.intermediate: i.score for i in one(ranking, "centroid_cosine", target=target).items}
        score, gain = [float(said[i] or 0) for i in WANTED], [gains[i, target] for i in WANTED]
        row = done.loc[(target, "centroid_cosine")]
        assert row["ndcg"] == pytest.approx(ndcg(score, gains=gain)), "English does not count"
        assert row["regret_at_1"] == pytest.approx(relative_regret(score, gains=gain))
        assert row["kendall_tau"] == pytest.approx(kendall_tau(score, other=gain))
        assert row["best"] == max(WANTED, key=lambda i: gains[i, target])
        assert row["choice"] == max(WANTED, key=lambda i: float(said[i] or 0))
        assert done.loc[(target, "random"), "ndcg"] == pytest.approx(row["ndcg_random"])
        assert done.loc[(target, "random"), "regret_at_1"] == pytest.approx(row["regret_at_1_random"])
        assert row["ndcg_over_random"] == pytest.approx(row["ndcg"] - row["ndcg_random"])
        assert pd.isna(row["ndcg_low"]), "one target has no interval over targets"
    both = done.loc[(EVERY, "centroid_cosine")]
    assert both["ndcg"] == pytest.approx(done.loc[(["pawsx", "sib200"], "centroid_cosine"), "ndcg"].mean())
    assert both["ndcg_low"] <= both["ndcg"] <= both["ndcg_high"]
    assert both["ndcg_over_random"] == pytest.approx(both["ndcg"] - both["ndcg_random"])
    assert both["ndcg_over_random_low"] <= both["ndcg_over_random"] <= both["ndcg_over_random_high"]
    assert both["targets"] == 2
    assert done.loc[("sib200", "logme"), "state"] == "unscored"
    with store.cursor() as cur:
        assert rank_launch(cur, study, now=NOW) is None, "nothing is left to predict"


def test_the_newest_launch_comes_first_and_then_the_means_and_the_best_selector(store: Store, tmp_path: Path) -> None:
    paths = AtlasPaths(tmp_path)
    old, new = launch(), launch(targets=("sib200", "tydiqa"))
    with store.cursor() as cur:
        for study, now in ((old, NOW), (new, NOW + timedelta(hours=1))):
            ranking = rank_launch(cur, study, now=now)
            assert ranking is not None
            save_ranking(ranking, paths=paths)
    ingest_rankings(store, paths)
    rng = np.random.default_rng(0)
    runs = {run.run_id: run for study in (old, new) for run in study.runs()}
    finish(store, list(runs.values()), {(r.intermediate_name, r.target): float(rng.normal()) for r in runs.values()})
    with store.cursor() as cur:
        rows = frozen_rankings(cur)
    targets = list(dict.fromkeys(zip(rows["frozen_at"].dt.hour, rows["target"], strict=True)))
    assert targets == [(9, EVERY), (9, "sib200"), (9, "tydiqa"), (8, EVERY), (8, "pawsx"), (8, "sib200")]
    for _, part in rows.groupby(["ranking_id", "target"]):
        over = part["ndcg_over_random"]
        assert over.notna().is_monotonic_decreasing and over.dropna().is_monotonic_decreasing
        unscored = part[part["state"] == "unscored"]
        assert (unscored["intermediates"] == 0).all() and unscored["note"].notna().all()


def test_a_run_that_failed_is_left_out_with_a_note(store: Store, tmp_path: Path) -> None:
    paths, study = AtlasPaths(tmp_path), launch(targets=("sib200",))
    save_ranking(frozen(store, study), paths=paths)
    ingest_rankings(store, paths)
    finish(store, list(study.runs()), {(i, "sib200"): 0.01 * k for k, i in enumerate(WANTED)})
    with store.write() as cur:
        cur.execute("UPDATE runs SET outcome = 'failed' WHERE intermediate = 'qqp' AND seed = 8 AND target = 'sib200'")
        cur.execute("DELETE FROM scores WHERE run_id IN (SELECT run_id FROM runs WHERE outcome = 'failed')")
    with store.cursor() as cur:
        row = frozen_rankings(cur).set_index("selector").loc["centroid_cosine"]
    assert (row["state"], row["intermediates"], row["ended"]) == ("scored", 4, 3)
    assert row["note"] == "1 intermediates without a gain are left out"


def test_a_folder_that_was_named_twice_is_ranked_once(store: Store, tmp_path: Path) -> None:
    paths, study = AtlasPaths(tmp_path), launch()
    again = study.models[0].model_copy(update={"path": f"./{study.models[0].path}"})
    ranking = frozen(store, study.model_copy(update={"models": (*study.models, again)}))
    save_ranking(ranking, paths=paths)
    with Store.open(":memory:") as other:
        assert ingest_rankings(other, paths) == 1
        with other.cursor() as cur:
            assert cur.execute("SELECT count(*) FROM damaged").fetchone() == (0,)


def test_a_file_that_ranks_one_thing_twice_is_damaged_and_stops_nothing(store: Store, tmp_path: Path) -> None:
    paths = AtlasPaths(tmp_path)
    found = frozen(store)
    save_ranking(found.model_copy(update={"rankings": (*found.rankings, found.rankings[0])}), paths=paths)
    with Store.open(":memory:") as other:
        ingest(other, paths)
        with other.cursor() as cur:
            (reason,) = cur.execute("SELECT reason FROM damaged").fetchone() or ("",)
    assert "twice" in reason


def test_runs_of_the_committed_gallery_are_no_prediction(store: Store) -> None:
    study = launch(targets=("sib200",))
    runs = list(study.runs())
    finish(store, runs, {})
    with store.write() as cur:  # as `load_family` brings them
        cur.execute("DELETE FROM scores WHERE run_id IN (SELECT run_id FROM runs WHERE protocol_digest = 'd')")
        cur.execute(
            "UPDATE runs SET run_id = 'gallery-' || run_id, collection = 'measured' "
            "WHERE protocol_digest = 'd' AND seed = 7"
        )
        cur.execute("DELETE FROM runs WHERE protocol_digest = 'd' AND seed = 8")
    assert (frozen(store, study).n_done, len(frozen(store, study).runs)) == (4, 8)


def test_gains_of_other_weights_teach_nothing(store: Store) -> None:
    assert one(frozen(store), COMBINATION).items
    with store.write() as cur:
        cur.execute("UPDATE runs SET model_fingerprint = 'of-then'")
    assert "no measured pair of this model" in str(one(frozen(store), COMBINATION).why)


def test_a_selector_that_is_known_here_alone_does_not_cost_the_others(store: Store) -> None:
    before = one(frozen(store), COMBINATION)
    values = pd.DataFrame({"intermediate": WANTED, "target": "sib200", "selector": "logme", "value": [4.0, 3, 2, 1]})
    add_selectors(store, values.assign(n=100))
    assert one(frozen(store), COMBINATION) == before
