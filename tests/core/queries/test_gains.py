"""Gains, means and lists against rows made by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from core.events import Flagged, LanguageSkipped
from core.paths import AtlasPaths
from core.queries.filters import Filter
from core.queries.gains import gains
from core.queries.runs import listing as run_queries
from core.queries.runs import stages as stage_queries
from core.spec.task import Metric
from core.store.connection import Store
from core.store.ingest import ingest
from tests.makers.folders import history, run_spec, scored, write_run
from tests.makers.tables import add_rows, add_scores

COLUMNS = (
    *("model", "intermediate", "target", "lang", "metric", "protocol", "data_source", "seed"),
    *("score", "baseline_score", "gain", "n", "run_id", "baseline_run_id"),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return filled(tmp_path_factory.mktemp("home"))


def filled(home: Path) -> Store:
    """Baselines and two intermediates, two seeds; qqp has no German, seed 2 of qqp scored other English examples."""
    paths = AtlasPaths(home=home)
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


def test_the_order_of_rows_is_stated(store: Store) -> None:
    with store.cursor() as cur:
        frame = gains(cur, Filter(metric=("accuracy", "f1"), seeds=(1,)))
    assert frame[["intermediate", "lang", "metric"]].to_numpy().tolist() == [
        ["mnli", "de", "accuracy"], ["mnli", "en", "accuracy"], ["qqp", "en", "accuracy"]
    ]  # fmt: skip


def test_models_come_one_after_the_other() -> None:
    rows = pd.DataFrame(
        [(name, target, "de", 1, 0.5) for name in ("none", "mnli") for target in ("sib200", "pawsx")],
        columns=["intermediate", "target", "lang", "seed", "score"],
    )
    with Store.open(":memory:") as opened:
        for model in ("mbert", "atlas-mini"):
            add_scores(opened, rows.assign(model=model))
        with opened.cursor() as cur:
            found = gains(cur, Filter())
    assert found[["model", "target"]].to_numpy().tolist() == [
        ["atlas-mini", "pawsx"], ["atlas-mini", "sib200"], ["mbert", "pawsx"], ["mbert", "sib200"]
    ]  # fmt: skip


def test_filters_keep_what_they_name(store: Store) -> None:
    with store.cursor() as cur:
        assert len(gains(cur, Filter(langs=("de",), seeds=(2,)))) == 1
        assert len(gains(cur, Filter(model="'; DROP TABLE runs"))) == 0
        assert len(run_queries.runs(cur, Filter(intermediate="none", target="xnli"))) == 2


def test_lists_of_runs(store: Store) -> None:
    with store.cursor() as cur:
        assert run_queries.damaged(cur).values.tolist() == [["empty", "There is no spec.json."]]
        assert run_queries.run(cur, run_spec("mnli").run_id).iloc[0].headline_metric == "accuracy"


def test_lineage_names_baseline_and_children(store: Store) -> None:
    with store.cursor() as cur:
        down = run_queries.lineage(cur, run_spec("mnli").run_id)
        up = run_queries.lineage(cur, run_spec().run_id)
    assert down.outcome.tolist() == ["finished", "finished"]
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
        assert stage_queries.dev_scores(cur, run_id).empty


def test_relatives_share_a_stage_or_a_pair_within_one_collection() -> None:
    """MNLI's intermediate stage of seed 1 serves two targets; a copy in another collection is no relative."""
    columns = ["intermediate", "target", "lang", "seed", "score"]
    rows = [(i, t, "de", s, 0.5) for i in ("none", "mnli") for t in ("sib200", "pawsx") for s in (1, 2)]
    with Store.open(":memory:") as opened:
        add_scores(opened, pd.DataFrame(rows, columns=columns))
        add_scores(opened, pd.DataFrame(rows, columns=columns).assign(collection="measured"))
        with opened.write() as cur:
            cur.execute("INSERT INTO scores BY NAME SELECT * REPLACE ('sw' AS lang) FROM scores "
                        "WHERE run_id LIKE '%sib200|2%mnli'")  # fmt: skip
            cur.execute("INSERT INTO scores BY NAME SELECT * REPLACE ('a_f1' AS metric) FROM scores "
                        "WHERE run_id LIKE '%yours%' AND run_id LIKE '%sib200%'")  # fmt: skip
            cur.execute("""
                INSERT INTO stages BY NAME
                SELECT run_id, kind || CASE kind WHEN 'intermediate' THEN seed::VARCHAR ELSE run_id END AS key,
                       1 AS position, kind, 'n' AS name, 'finished' AS state
                FROM runs, (VALUES ('intermediate'), ('target'), ('evaluation')) kinds (kind)
                WHERE kind <> 'intermediate' OR intermediate = 'mnli'
            """)
        me = "atlas-mini|sib200|2|quick|sample|yours|"
        with opened.cursor() as cur:
            found = run_queries.lineage(cur, me + "mnli")
            base = run_queries.lineage(cur, me + "none")
    assert found[["relation", "intermediate", "target", "seed", "n_langs"]].to_numpy().tolist() == [
        ["self", "mnli", "sib200", 2, 2], ["baseline", "none", "sib200", 2, 1], ["sibling", "mnli", "pawsx", 2, 1]
    ]  # fmt: skip
    assert found.loc[0, ["intermediate_key", "target_key", "evaluation_key"]].tolist() == [
        "intermediate2", f"target{me}mnli", f"evaluation{me}mnli"
    ]  # fmt: skip
    assert base[["relation", "intermediate", "target", "seed"]].to_numpy().tolist() == [
        ["self", "none", "sib200", 2], ["child", "mnli", "sib200", 2]
    ]  # fmt: skip


def test_curves_and_data_of_a_run_in_the_order_of_its_stages(tmp_path: Path) -> None:
    """Keys in the order of the alphabet would put the evaluation and the target first."""
    store = filled(tmp_path)
    run_id = run_spec("mnli").run_id
    stage = {"run_id": run_id, "key": ["i-mnli-1", f"t-{run_id}"]}
    with store.write() as cur:
        cur.execute("UPDATE stages SET key = 'z-first' WHERE run_id = ? AND kind = 'intermediate'", [run_id])
        cur.execute("UPDATE steps SET key = 'z-first' WHERE run_id = ? AND key = 'i-mnli-1'", [run_id])
        cur.execute("UPDATE steps SET examples_per_s = 10 * step WHERE run_id = ?", [run_id])
        cur.execute("UPDATE stages SET state = 'running', step = NULL WHERE run_id = ? AND kind = 'target'", [run_id])
        cur.execute("UPDATE stages SET total_steps = NULL WHERE run_id = ? AND kind = 'target'", [run_id])
        cur.execute("UPDATE stages SET state = 'running', step = NULL, total_steps = 8 WHERE run_id = ? AND kind = "
                    "'evaluation'", [run_id])  # fmt: skip
    dev = pd.DataFrame(stage | {"key": ["z-first", f"t-{run_id}"], "step": [2, 1], "metric": "accuracy", "score": 0.5})
    add_rows(store, "dev_scores", dev.assign(n=9))
    with store.cursor() as cur:
        found = stage_queries.stages(cur, run_id)
        assert found["kind"].tolist() == ["intermediate", "target", "evaluation"]
        assert found["examples_per_s"].tolist()[:2] == [20.0, 20.0], "of the last report"
        assert pd.isna(found["examples_per_s"][2]) and pd.isna(found["fraction"][1])
        assert found["fraction"][2] == 0, "it has begun and not yet said how far it is"
        steps = stage_queries.steps(cur, run_id)
        assert steps[["key", "step"]].to_numpy().tolist() == [
            ["z-first", 1], ["z-first", 2], [f"t-{run_id}", 1], [f"t-{run_id}", 2]
        ]  # fmt: skip
        assert stage_queries.dev_scores(cur, run_id)["kind"].tolist() == ["intermediate", "target"]
        assert len(stage_queries.steps(cur, run_spec("qqp").run_id)) == 4, "the curve of one run alone"
    remarks = pd.DataFrame({"run_id": run_id, "flag": ["a", "b"], "message": ["z", "a"]})
    add_rows(store, "flags", remarks)
    with store.cursor() as cur:
        assert stage_queries.flags(cur, run_id)["flag"].tolist() == ["a", "b", "in_task"]
