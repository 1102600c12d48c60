"""The evidence: rows that count, what is missing and why, and how many independent units there are."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest

from core.errors import UnknownName
from core.queries.covariates import base_tasks, type_match
from core.queries.evidence import (
    COLUMNS,
    AnalysisOptions,
    Evidence,
    evidence,
    poolable_runs,
    pooled_runs_of,
    runs_to_pool,
    seeds_in_words,
)
from core.queries.filters import Filter
from core.spec.profile import text_point
from core.store.connection import Store
from tests.makers.tables import INTERMEDIATES, LANGS, TARGETS, Planted, add_difficulty, add_scores, planted


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open(":memory:") as opened:
        yield opened


def ask(store: Store, options: AnalysisOptions | None = None) -> Evidence:
    wanted = options or AnalysisOptions()
    with store.cursor() as cur:
        return evidence(cur, runs_to_pool(cur, wanted.wanted), options=wanted)


def test_every_row_has_what_was_planted(store: Store) -> None:
    rows = planted(store, Planted(difficulty=0.01))
    found = ask(store)
    assert tuple(found.frame.columns) == COLUMNS
    assert len(found.frame) == len(rows)
    # PAWS before PAWS-X is more training on the same task; Tatoeba is never trained and analysed by itself.
    out = found.frame[~found.frame["complete"] & (found.frame["target"] != "tatoeba")]
    assert set(out["why"]) == {"in-task"}
    assert set(zip(out["intermediate"], out["target"], strict=True)) == {("paws", "pawsx")}
    assert set(found.frame.loc[found.frame["target"] == "tatoeba", "why"]) == {"never trained"}
    assert ask(store, AnalysisOptions(wanted=Filter(target="tatoeba"))).units.cells == 12 * len(LANGS)
    assert found.units.intermediates == found.units.tasks == len(INTERMEDIATES)
    assert found.units.targets == len(TARGETS) - 1, "retrieval is never trained"
    assert found.units.cells == (12 * 4 - 1) * len(LANGS)
    assert found.units.seeds == 3
    one = found.frame[(found.frame["intermediate"] == "squad") & (found.frame["target"] == "tydiqa")].iloc[0]
    # Both are span QA; quick takes 2,000 examples, log10 = 3.301; the sign of headroom is turned: hard is large.
    assert one["type_match"] == 1
    assert one["log_size"] == pytest.approx(3.30103)
    assert one["distance"] == pytest.approx(0.097)
    assert found.frame["family"].nunique() == 4


def test_the_sign_of_a_measure_is_turned(store: Store) -> None:
    planted(store, Planted(intermediates=("mnli", "qqp"), targets=("sib200",)))
    add_difficulty(store, {"mnli": 0.9, "qqp": 0.2}, measure="label_entropy")
    add_difficulty(store, {"mnli": 0.9, "qqp": 0.2}, measure="v_information")
    entropy = (
        ask(store, AnalysisOptions(difficulty="label_entropy")).frame.groupby("intermediate")["difficulty"].first()
    )
    information = (
        ask(store, AnalysisOptions(difficulty="v_information")).frame.groupby("intermediate")["difficulty"].first()
    )
    assert entropy["mnli"] > entropy["qqp"]
    assert information["mnli"] == -0.9


def test_missing_is_listed_with_reason_and_command(store: Store) -> None:
    planted(store, Planted(intermediates=("mnli", "qqp", "squad"), targets=("sib200",), langs=("de", "en")))
    rows = [("rte", "sib200", "de", 1, 0.6), ("mnli", "sib200", "de", 9, 0.6)]
    add_scores(store, pd.DataFrame(rows, columns=["intermediate", "target", "lang", "seed", "score"]))
    missing = ask(store).missing.set_index("what")
    assert set(missing.index) == {"no gain", "English", "no difficulty"}
    assert missing.loc["English", "cells"] == 3
    baselines, profile = missing.loc["no gain", "remedy"], missing.loc["no difficulty", "remedy"]
    assert (baselines.models, baselines.intermediates, baselines.seeds) == (("atlas-mini",), ("none",), (9,))
    assert (profile.kind, profile.intermediates) == ("difficulty", ("rte",))
    assert missing.loc["English", "remedy"] is None


def test_no_difficulty_is_asked_of_what_has_none(store: Store) -> None:
    planted(store, Planted(intermediates=("mnli", "qqp"), targets=("sib200",), langs=("de",)))
    names = ("mnli~mlm", "mnli+qqp", "mnli~shuffled")
    rows = [(name, "sib200", "de", 1, 0.6) for name in names]
    add_scores(store, pd.DataFrame(rows, columns=["intermediate", "target", "lang", "seed", "score"]))
    missing = ask(store).missing.set_index("what")
    assert missing.loc["difficulty undefined", "names"] == "mnli+qqp, mnli~mlm"
    assert missing.loc["difficulty undefined", "remedy"] is None
    assert missing.loc["no difficulty", "remedy"].intermediates == ("mnli~shuffled",)


def test_a_third_is_no_further_task_and_no_profile_is_asked_of_it(store: Store) -> None:
    """Which texts it has depends on trained models, so a domain profile refuses it."""
    planted(store, Planted(intermediates=("mnli", "qqp"), targets=("sib200",), langs=("de",)))
    names = ("mnli@near:sib200", "mnli@hardest", "mnli~shuffled@far:sib200", "mnli@food,hard")
    rows = [(name, "sib200", "de", 1, 0.6) for name in names]
    add_scores(store, pd.DataFrame(rows, columns=["intermediate", "target", "lang", "seed", "score"]))
    with store.write() as cur:
        for name in ("mnli@hardest", "mnli@food,hard"):
            copied = "SELECT * REPLACE (? AS intermediate) FROM difficulties WHERE intermediate = 'mnli'"
            cur.execute(f"INSERT INTO difficulties {copied}", [name])
    missing = ask(store).missing.set_index("what")
    assert missing.loc["third", "names"] == "mnli@hardest, mnli@near:sib200, mnli~shuffled@far:sib200"
    assert missing.loc["third", "remedy"] is None
    assert missing.loc["no similarity", "remedy"].intermediates == ("mnli@food,hard",)


def test_settings_are_never_pooled(store: Store) -> None:
    planted(store, Planted(intermediates=("mnli", "qqp", "squad"), targets=("sib200",)))
    other = [("none", "sib200", "de", 1, 0.5, "mbert"), ("mnli", "sib200", "de", 1, 0.9, "mbert")]
    add_scores(store, pd.DataFrame(other, columns=["intermediate", "target", "lang", "seed", "score", "model"]))
    with store.cursor() as cur:
        assert poolable_runs(cur, Filter())["model"].tolist() == ["atlas-mini", "mbert"]
        assert runs_to_pool(cur, Filter(model="mbert")).model == "mbert"
    assert set(ask(store).frame["model"]) == {"atlas-mini"}
    note = ask(store, AnalysisOptions(wanted=Filter(model="mbert"))).origins["difficulty"]
    assert "as that of mbert was not measured" not in note or "by atlas-mini" in note


@pytest.mark.parametrize(
    "field",
    [
        *({"model_fingerprint": "others"}, {"protocol_digest": "edited"}, {"collection": "measured"}),
        *({"data_source": "mirror"}, {"model": "mbert"}),
    ],
    ids=lambda field: next(iter(field)),
)
def test_runs_that_differ_in_one_thing_alone_are_not_pooled(store: Store, field: dict[str, str]) -> None:
    """The same cells with gains of 0.4 under other weights, say: the answer keeps to the setting's own 0.1."""
    columns = ["intermediate", "target", "lang", "seed", "score"]
    rows = [("none", "sib200", "de", 1, 0.5), ("mnli", "sib200", "de", 1, 0.6), ("qqp", "sib200", "de", 1, 0.6)]
    add_scores(store, pd.DataFrame(rows, columns=columns))
    others = pd.DataFrame([("none", "sib200", "de", 1, 0.5), ("mnli", "sib200", "de", 1, 0.9)], columns=columns)
    add_scores(store, others.assign(**field))
    with store.cursor() as cur:
        found = poolable_runs(cur, Filter()).sort_values("intermediates", ascending=False)
        first, second = (
            evidence(cur, pooled_runs_of(row), options=AnalysisOptions()) for row in found.to_dict("records")
        )
    assert found["intermediates"].tolist() == [2, 1]
    assert first.frame["gain"].round(9).tolist() == [0.1, 0.1]
    assert second.frame["gain"].round(9).tolist() == [0.4]
    assert {name: getattr(second.pooled, name) for name in field} == field


def test_real_data_answer_before_generated_ones_where_anything_of_them_counts(store: Store) -> None:
    columns = ["intermediate", "target", "lang", "seed", "score"]
    rows = [(name, "sib200", "de", 1, 0.5) for name in ("none", "mnli", "qqp", "stsb")]
    add_scores(store, pd.DataFrame(rows, columns=columns))
    real = pd.DataFrame([("none", "sib200", "de", 1, 0.5), ("mnli", "sib200", "de", 1, 0.9)], columns=columns)
    add_scores(store, real.assign(data_source="mirror"))
    with store.cursor() as cur:
        assert poolable_runs(cur, Filter())["data_source"].tolist() == ["mirror", "sample"]
    with store.write() as cur:  # nothing of it counts
        cur.execute(
            "UPDATE scores SET floor = 0.9, floor_rule = 'a rule' "
            "WHERE run_id IN (FROM runs SELECT run_id WHERE data_source = 'mirror')"
        )
    with store.cursor() as cur:
        assert poolable_runs(cur, Filter())["data_source"].tolist() == ["sample", "mirror"]


def test_the_setting_with_most_intermediates_answers_and_of_equal_ones_that_with_most_gains(store: Store) -> None:
    columns = ["intermediate", "target", "lang", "seed", "score", "model"]

    def cells(model: str, names: list[str], langs: list[str]) -> list[tuple[str, str, str, int, float, str]]:
        return [(i, "sib200", lang, 1, 0.5, model) for i in ("none", *names) for lang in langs]

    rows = cells("atlas-mini", ["mnli"], ["de", "sw", "zh", "hi"]) + cells("mbert", ["mnli", "qqp"], ["de"])
    rows += cells("xlm-r-base", ["mnli", "qqp"], ["de", "sw"])
    add_scores(store, pd.DataFrame(rows, columns=columns))
    with store.cursor() as cur:
        found = poolable_runs(cur, Filter())
        assert runs_to_pool(cur, Filter()).model == "xlm-r-base"
    counts = found.set_index("model")[["intermediates", "targets", "langs", "gains"]]
    assert counts.to_dict("split") == {
        "index": ["xlm-r-base", "mbert", "atlas-mini"],
        "columns": ["intermediates", "targets", "langs", "gains"],
        "data": [[2, 1, 2, 4], [2, 1, 1, 2], [1, 1, 4, 4]],
    }


def test_the_anchor_decides_which_text_is_near(store: Store) -> None:
    """Test texts by language, or the one English training text for all languages."""
    planted(store, Planted(intermediates=("mnli", "qqp"), targets=("sib200",), langs=("de", "sw"), seeds=(1,)))
    with store.write() as cur:
        cur.execute("UPDATE similarities SET value = 0.25 WHERE b = 'sib200:test:de'")
        cur.execute("UPDATE similarities SET value = 0.50 WHERE b = 'sib200:test:sw'")
        cur.execute("UPDATE similarities SET value = 0.75 WHERE b = 'sib200:train'")
    near = {anchor: ask(store, AnalysisOptions(anchor=anchor)).frame for anchor in ("test", "train")}  # type: ignore[arg-type]
    assert near["test"].groupby("lang")["similarity"].unique().map(list).to_dict() == {"de": [0.25], "sw": [0.5]}
    assert near["train"].groupby("lang")["similarity"].unique().map(list).to_dict() == {"de": [0.75], "sw": [0.75]}


def test_what_is_left_out_on_purpose_comes_back_when_asked_for(store: Store) -> None:
    planted(store, Planted(intermediates=("paws", "mnli"), targets=("pawsx",), langs=("de", "en"), seeds=(1,)))
    rows = [("mnli~shuffled", "pawsx", "de", 1, 0.6)]
    add_scores(store, pd.DataFrame(rows, columns=["intermediate", "target", "lang", "seed", "score"]))
    add_difficulty(store, {"mnli~shuffled": 1.0}, model="atlas-mini", measure="label_entropy")

    def counted(**wanted: bool) -> set[tuple[str, str]]:
        complete = ask(store, AnalysisOptions(difficulty="label_entropy", **wanted)).complete
        return set(zip(complete["intermediate"], complete["lang"], strict=True))

    with store.write() as cur:
        cur.execute("INSERT INTO difficulties BY NAME SELECT * REPLACE ('mnli' AS intermediate) FROM difficulties "
                    "WHERE intermediate = 'mnli~shuffled'")  # fmt: skip
        cur.execute("INSERT INTO difficulties BY NAME SELECT * REPLACE ('paws' AS intermediate) FROM difficulties "
                    "WHERE intermediate = 'mnli~shuffled'")  # fmt: skip
    assert counted() == {("mnli", "de"), ("mnli~shuffled", "de")}
    assert counted(with_english=True) == counted() | {("mnli", "en")}
    assert counted(with_in_task=True) == counted() | {("paws", "de")}
    assert counted(with_placebos=False) == {("mnli", "de")}


def test_a_study_under_way_has_a_range_of_seeds() -> None:
    rows = pd.DataFrame(
        [("mnli", "xnli", 1), ("mnli", "xnli", 2), ("mnli", "xnli", 2), ("qqp", "xnli", 1)],
        columns=["intermediate", "target", "seed"],
    )
    assert seeds_in_words(rows) == "1 to 2 seeds"
    assert seeds_in_words(rows[rows["intermediate"] == "mnli"]) == "2 seeds"
    assert seeds_in_words(rows[rows["intermediate"] == "qqp"]) == "1 seed"


def test_filters_by_family_and_script(store: Store) -> None:
    planted(store, Planted(intermediates=("mnli", "qqp"), targets=("sib200",)))
    assert set(ask(store, AnalysisOptions(families=("Niger-Congo",))).frame["lang"]) == {"sw"}
    assert set(ask(store, AnalysisOptions(scripts=("Deva", "Hans"))).frame["lang"]) == {"hi", "zh"}


def test_an_empty_store_has_nothing_to_pool(store: Store) -> None:
    with store.cursor() as cur:
        assert runs_to_pool(cur, Filter()) is None


def test_unknown_measures_name_the_known(store: Store) -> None:
    planted(store, Planted(intermediates=("mnli", "qqp"), targets=("sib200",)))
    with pytest.raises(UnknownName, match="Did you mean 'headroom'"):
        ask(store, AnalysisOptions(difficulty="headrom"))
    with pytest.raises(UnknownName, match="No similarity measure named 'cosine'"):
        ask(store, AnalysisOptions(similarity="cosine"))


def test_points_and_types() -> None:
    assert text_point("mnli~shuffled@food") == "mnli@food"
    assert base_tasks("mnli~shuffled@food") == "mnli"
    assert type_match("classification+span_qa", target="span_qa") == 0.5
    assert type_match("mlm", target="span_qa") == 0


def test_a_filter_may_leave_no_row(store: Store) -> None:
    planted(store, Planted(intermediates=INTERMEDIATES[:4], targets=("sib200",)))
    with store.cursor() as cur:
        pooled = runs_to_pool(cur, Filter())
        found = evidence(
            cur, pooled, options=AnalysisOptions(wanted=Filter(target=("udpos",)), families=("Indo-European",))
        )
    assert found.frame.empty
    assert tuple(found.frame.columns) == COLUMNS
    assert found.units.cells == 0


def test_difficulty_of_other_weights_is_not_called_the_runs_own(store: Store) -> None:
    planted(store, Planted(intermediates=INTERMEDIATES[:4], targets=("sib200",)))
    assert "the runs' own model" in ask(store).origins["difficulty"]
    with store.write() as cur:
        cur.execute("UPDATE profiles SET model_fingerprint = 'of-then' WHERE kind = 'difficulty'")
    assert "the runs' model with other weights" in ask(store).origins["difficulty"]
