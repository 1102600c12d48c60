"""How far open runs are, scores beside their baseline, and lists of runs, on rows made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan

import pandas as pd
import pytest

from core.queries.filters import Filter
from core.queries.runs.detail import paired_scores, progress
from core.queries.runs.listing import no_evidence, run, runs
from core.queries.runs.stages import curves, judgements, stages
from core.store.connection import Store
from core.store.counted import INTERMEDIATE
from tests.makers.tables import add_rows, add_scores
from tests.makers.worlds import LEARNED, Chain, plant

MNLI, NONE, QQP = (f"atlas-mini|sib200|1|quick|sample|yours|{name}" for name in ("mnli", "none", "qqp"))


@pytest.fixture
def store() -> Iterator[Store]:
    """Three runs in English, German and Swahili; QQP scored German alone, and every run an F1 that is low."""
    columns = ["intermediate", "target", "lang", "seed", "score"]
    rows = [("none", "sib200", lang, 1, 0.5) for lang in ("sw", "de", "en")]
    rows += [("mnli", "sib200", lang, 1, 0.7) for lang in ("sw", "de", "en")] + [("qqp", "sib200", "de", 1, 0.6)]
    with Store.open(":memory:") as opened:
        add_scores(opened, pd.DataFrame(rows, columns=columns))
        with opened.write() as cur:
            cur.execute("INSERT INTO scores BY NAME SELECT * REPLACE ('a_f1' AS metric, 0.1 AS score) FROM scores")
        yield opened


def open_run(store: Store, run_id: str, *stages: tuple[str, int | None, int | None, float | None]) -> None:
    """A run that goes on, with (state, step, total steps, seconds) of its stages."""
    with store.write() as cur:
        cur.execute("UPDATE runs SET outcome = NULL WHERE run_id = ?", [run_id])
    rows = pd.DataFrame(stages, columns=["state", "step", "total_steps", "seconds"])
    rows = rows.astype({"step": "Int64", "total_steps": "Int64", "seconds": "Float64"})
    kinds = ["intermediate", "target", "evaluation"][: len(rows)]
    add_rows(store, "stages", rows.assign(run_id=run_id, key=kinds, kind=kinds, name="n", position=range(len(rows))))


def test_stages_count_alike_and_the_rest_of_the_stage_is_at_its_pace_so_far(store: Store) -> None:
    open_run(store, MNLI, ("reused", None, None, None), ("running", 10, 40, 20.0), ("planned", None, 40, None))
    open_run(store, QQP, ("running", 1, 1, 8.0), ("planned", 5, 10, 3.0))
    with store.cursor() as cur:
        rows = progress(cur)
        left = [stages(cur, run_id)["left_s"].tolist() for run_id in (MNLI, QQP)]
    assert rows["run_id"].tolist() == [MNLI, QQP], "the baseline has ended"
    assert rows["stage"].tolist() == ["target n", "intermediate n"]
    assert rows["done"].tolist() == pytest.approx([(1 + 0.25 + 0) / 3, (1 + 0) / 2])
    # 30 steps at 2 s, and all steps are taken; what is planned is not known.
    assert left == [pytest.approx([0, 60, nan], nan_ok=True), pytest.approx([0, nan], nan_ok=True)]


def test_a_run_is_there_before_its_stages_are(store: Store) -> None:
    with store.write() as cur:
        cur.execute("UPDATE runs SET outcome = NULL, started_at = '2026-11-29 20:00:00' WHERE run_id = ?", [MNLI])
    splits = {"task": "sib200", "role": ["train", "dev"], "lang": "en", "split": "s", "n": 1, "n_available": 1}
    add_rows(store, "splits", pd.DataFrame({"run_id": MNLI, "fingerprint": "f"} | splits))
    with store.cursor() as cur:
        (row,) = progress(cur).to_dict("records")
    assert (row["run_id"], row["n_read"], str(row["started_at"])) == (MNLI, 2, "2026-11-29 20:00:00")
    assert pd.isna(row["done"]) and pd.isna(row["stage"])


def test_curves_of_several_runs_lie_side_by_side_by_seed(store: Store) -> None:
    for run_id in (MNLI, QQP):
        open_run(store, run_id, ("running", 2, 2, 1.0), ("running", 2, 2, 1.0))
        made = [("intermediate", 1, 3.0), ("target", 2, 1.0), ("target", 1, 2.0)]
        steps = pd.DataFrame(made, columns=["key", "step", "loss"])
        add_rows(store, "steps", steps.assign(run_id=run_id, learning_rate=1e-5, examples_per_s=9.0))
    with store.cursor() as cur:
        rows = curves(cur, [MNLI, QQP], of="loss")
        assert curves(cur, [MNLI, QQP], of="dev").empty and curves(cur, [NONE], of="loss").empty
    mnli = rows[rows["intermediate"] == "mnli"]
    found = mnli[["kind", "step", "value"]].to_numpy().tolist()
    assert found == [["intermediate", 1, 3], ["target", 1, 2], ["target", 2, 1]]
    assert set(rows["run_id"]) == {MNLI, QQP}


def test_without_a_report_or_a_total_nothing_is_said_of_the_rest(store: Store) -> None:
    open_run(store, MNLI, ("running", 0, 40, 5.0), ("planned", None, None, None))
    open_run(store, QQP, ("running", 3, 0, 5.0))
    open_run(store, NONE, ("running", None, None, None))
    with store.cursor() as cur:
        rows = progress(cur)
        left = [stages(cur, run_id)["left_s"].isna().all() for run_id in (MNLI, QQP, NONE)]
    assert rows["done"].tolist() == [0.0, 0.0, 0.0]
    assert left == [True, True, True]


def test_a_stage_beyond_its_total_is_done_and_no_more(store: Store) -> None:
    open_run(store, MNLI, ("running", 50, 40, 100.0), ("planned", None, None, None))
    with store.cursor() as cur:
        (row,) = progress(cur).to_dict("records")
        left = stages(cur, MNLI)["left_s"]
    assert (row["done"], left[0]) == (0.5, 0.0)


def test_scores_stand_beside_their_baseline_headline_and_english_first(store: Store) -> None:
    with store.cursor() as cur:
        mine, base = paired_scores(cur, MNLI), paired_scores(cur, NONE)
    assert mine[["metric", "lang", "score", "baseline_score"]].to_numpy().tolist() == [
        *(["accuracy", lang, 0.7, 0.5] for lang in ("en", "de", "sw")),
        *(["a_f1", lang, 0.1, 0.1] for lang in ("en", "de", "sw")),
    ]
    assert base["score"].tolist() == [0.5] * 3 + [0.1] * 3, "a baseline has scores and no gain"
    assert base[["gain", "missing"]].isna().all().all()


def test_what_was_learned_is_told_stage_by_stage() -> None:
    with Store.open(":memory:") as store:
        plant(store, [Chain("none"), Chain(p=0.2), Chain("qqp", seed=2)])
        with store.cursor() as cur:
            rows, excluded = judgements(cur, Chain().run_id), no_evidence(cur)
            (score,) = paired_scores(cur, Chain().run_id).to_dict("records")
    assert rows[["kind", "p_value", "has_learned"]].to_numpy().tolist() == [
        ["intermediate", 0.2, False], ["target", LEARNED, True]
    ]  # fmt: skip
    assert excluded.to_numpy().tolist() == [[Chain().run_id, INTERMEDIATE]]
    assert (score["floor"], score["floor_rule"], score["excluded"]) == (0.4, "the majority", INTERMEDIATE)


def test_a_run_without_scores_is_listed_with_no_language(store: Store) -> None:
    with store.write() as cur:
        cur.execute("DELETE FROM scores WHERE run_id = ?", [QQP])
    with store.cursor() as cur:
        assert runs(cur, Filter())[["run_id", "n_langs"]].to_numpy().tolist() == [[MNLI, 3], [NONE, 3], [QQP, 0]]
        assert run(cur, QQP)["run_id"].tolist() == [QQP]
        assert run(cur, "nobody").empty
