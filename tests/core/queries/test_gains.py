"""Gains, means and lists against rows made by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from core.events import Flagged, LanguageSkipped
from core.paths import AtlasPaths
from core.queries.filters import Filter
from core.queries.gains import baseline_scores, gain_matrix, gains, mean_gains
from core.queries.runs import listing as run_queries
from core.queries.runs import stages as stage_queries
from core.spec.task import Metric
from core.store.connection import Store
from core.store.ingest import ingest
from tests.core.store.makers import history, run_spec, scored, write_run

COLUMNS = (
    *("model", "intermediate", "target", "lang", "metric", "protocol", "data_source", "seed"),
    *("score", "baseline_score", "gain", "n", "run_id", "baseline_run_id"),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Baselines and two intermediates, two seeds; qqp has no German, seed 2 of qqp scored other English examples."""
    paths = AtlasPaths(home=tmp_path_factory.mktemp("home"))
    results = {
        (None, 1): [scored("en", 0.50), scored("de", 0.40), scored("en", 0.3, metric=Metric.F1)],
        (None, 2): [scored("en", 0.60), scored("de", 0.50)],
        ("mnli", 1): [scored("en", 0.75), scored("de", 0.50), Flagged(flag="in_task", message="same task")],
        ("mnli", 2): [scored("en", 0.65), scored("de", 0.70, n=80)],
        ("qqp", 1): [scored("en", 0.50), LanguageSkipped(lang="de", reason="no test split")],
        ("qqp", 2): [scored("en", 0.90, fingerprint="other")],
        ("stsb", 3): [scored("en", 0.10)],
    }
    for (intermediate, seed), events in results.items():
        spec = run_spec(intermediate, seed=seed)
        write_run(paths, spec, history(spec, events), study="s")
    (paths.runs / "empty").mkdir()
    store = Store.open(":memory:")
    ingest(store, paths)
    return store


def test_a_gain_names_both_runs_and_is_missing_without_a_pair(store: Store) -> None:
    with store.cursor() as cur:
        frame = gains(cur, Filter(metric="accuracy"))
    assert list(frame.columns[:14]) == list(COLUMNS)
    row = frame[(frame.intermediate == "mnli") & (frame.lang == "en") & (frame.seed == 1)].iloc[0]
    assert row.gain == pytest.approx(0.25)  # 0.75 - 0.50
    assert (row.run_id, row.baseline_run_id) == (run_spec("mnli").run_id, run_spec().run_id)
    assert bool(row.in_task) is True
    other = frame[(frame.intermediate == "qqp") & (frame.seed == 2)].iloc[0]
    assert pd.isna(other.gain) and pd.isna(other.baseline_score) and other.missing == "baseline scored other examples"
    alone = frame[frame.intermediate == "stsb"].iloc[0]
    assert pd.isna(alone.gain) and alone.missing == "no baseline"
    assert len(frame) == 7


def test_gains_of_named_runs_list_baselines_too(store: Store) -> None:
    with store.cursor() as cur:
        frame = gains(
            cur, Filter(metric="accuracy", langs=("en",)), run_ids=(run_spec().run_id, run_spec("mnli").run_id)
        )
    assert list(zip(frame.intermediate, frame.score, strict=True)) == [("mnli", 0.75), ("none", 0.5)]
    assert pd.isna(frame.gain.iloc[1])


def test_matrix_means_over_seeds_and_says_what_is_missing(store: Store) -> None:
    with store.cursor() as cur:
        frame = gain_matrix(cur, target="xnli", metric="accuracy", wanted=Filter()).set_index(["intermediate", "lang"])
    mnli = frame.loc["mnli", "de"]
    assert mnli.gain == pytest.approx(0.15)  # (0.50 - 0.40 + 0.70 - 0.50) / 2
    assert mnli.gain_sd == pytest.approx(0.0707107, abs=1e-6)  # of 0.1 and 0.2: 0.05 * sqrt 2
    assert (mnli.n_seeds, mnli.seeds, mnli.n) == (2, "1, 2", 80)
    qqp = frame.loc["qqp", "en"]
    assert qqp.gain == pytest.approx(0.0) and (qqp.n_seeds, qqp.n_scored) == (1, 2)  # seed 1 alone has a pair
    assert qqp.missing == "baseline scored other examples" and pd.isna(qqp.gain_sd)
    assert pd.isna(frame.loc["qqp", "de"].gain) and frame.loc["qqp", "de"].missing == "skipped: no test split"
    assert frame.loc["stsb", "de"].missing == "not scored"
    assert len(frame) == 6  # three intermediates, two languages


def test_means_over_languages_take_only_those_that_all_have(store: Store) -> None:
    with store.cursor() as cur:
        frame = mean_gains(cur, target="xnli", metric="accuracy", wanted=Filter(intermediate=("mnli", "qqp")))
    mnli = frame.set_index("intermediate").loc["mnli"]
    # English alone is common: (0.25 + 0.05) / 2; German stays out of the mean, and the row says so.
    assert mnli.gain == pytest.approx(0.15)
    assert (mnli.n_langs, mnli.langs, mnli.langs_left_out) == (1, "en", "de")
    with store.cursor() as cur:
        alone = mean_gains(cur, target="xnli", metric="accuracy", wanted=Filter(intermediate="mnli")).iloc[0]
    assert (alone.n_langs, alone.langs, alone.n_seeds) == (2, "de, en", 2)


def test_filters_keep_what_they_name(store: Store) -> None:
    with store.cursor() as cur:
        assert len(baseline_scores(cur, Filter())) == 5
        assert len(baseline_scores(cur, Filter(metric="f1"))) == 1
        assert len(gains(cur, Filter(langs=("de",), seeds=(2,)))) == 1
        assert len(gains(cur, Filter(model="'; DROP TABLE runs"))) == 0
        assert len(run_queries.runs(cur, Filter(intermediate="none", target="xnli"))) == 2


def test_lists_of_runs(store: Store) -> None:
    with store.cursor() as cur:
        assert run_queries.counts_by_outcome(cur).values.tolist() == [["yours", "finished", 7]]
        assert run_queries.damaged(cur).values.tolist() == [["empty", "There is no spec.json."]]
        assert len(run_queries.recent_runs(cur, limit=3)) == 3
        assert run_queries.run(cur, run_spec("mnli").run_id).iloc[0].headline_metric == "accuracy"
        assert run_queries.run_scores(cur, run_spec().run_id).metric.tolist() == ["accuracy", "accuracy", "f1"]
        assert run_queries.choices(cur).n_runs.tolist() == [7, 1]


def test_lineage_names_baseline_and_children(store: Store) -> None:
    with store.cursor() as cur:
        down = run_queries.lineage(cur, run_spec("mnli").run_id)
        up = run_queries.lineage(cur, run_spec().run_id)
    assert list(zip(down.relation, down.intermediate, strict=True)) == [("self", "mnli"), ("baseline", "none")]
    assert down.intermediate_key.iloc[0] == "i-mnli-1" and down.n_langs.iloc[0] == 2
    assert list(zip(up.relation, up.intermediate, strict=True)) == [
        ("self", "none"),
        ("child", "mnli"),
        ("child", "qqp"),
    ]


def test_stages_steps_and_remarks_of_a_run(store: Store, tmp_path: Path) -> None:
    run_id = run_spec("mnli").run_id
    with store.cursor() as cur:
        stages = stage_queries.stages(cur, run_id)
        assert stages.kind.tolist() == ["intermediate", "target", "evaluation"]
        assert stages.fraction.tolist() == [1.0, 1.0, 1.0]
        assert stages.seconds.tolist() == [10.0, 10.0, 4.0]
        assert len(stage_queries.steps(cur, run_id)) == 4
        assert stage_queries.steps(cur, run_id, key="i-mnli-1").loss.tolist() == [1.0, 0.5]
        assert stage_queries.flags(cur, run_id).flag.tolist() == ["in_task"]
        assert stage_queries.skips(cur, run_spec("qqp").run_id).reason.tolist() == ["no test split"]
        assert stage_queries.dev_scores(cur, run_id).empty and stage_queries.splits(cur, run_id).empty
