"""Contrasts inside data sets: by hand, what counts, and a laboratory whose truth is known."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from core.analysis.contrasts.pairs import NEITHER_LEARNED, paired
from core.analysis.contrasts.sentences import for_people, in_words
from core.analysis.contrasts.table import ALL, ENGLISH, RETRIEVAL, contrast_rows
from core.languages import language
from core.queries.evidence import AnalysisOptions, Evidence, evidence, runs_to_pool
from core.queries.filters import Filter
from core.store.connection import Store
from core.store.counted import FLOOR, INTERMEDIATE, TARGET
from tests.makers.tables import add_scores

BASES = ("qqp", "cola", "sst2", "stsb", "qnli", "imdb")
TARGETS = ("xnli", "udpos", "tatoeba")
LANGS = ("en", "de", "sw")


def gather(rows: pd.DataFrame, *, options: AnalysisOptions | None = None) -> Evidence:
    wanted = options or AnalysisOptions()
    with Store.open(":memory:") as store:
        add_scores(store, rows)
        with store.cursor() as cur:
            return evidence(cur, runs_to_pool(cur, Filter()), options=wanted)


def scores(values: Mapping[str, float], *, target: str = "udpos", lang: str = "de", seed: int = 1) -> pd.DataFrame:
    rows = [(name, target, lang, seed, score) for name, score in {"none": 0.5, **values}.items()]
    return pd.DataFrame(rows, columns=["intermediate", "target", "lang", "seed", "score"])


def laboratory(*, harder: float, nearer: float, labels: float, seed: int = 0) -> pd.DataFrame:
    """Six base tasks that differ widely, and inside each the effects that were set, in points of score.

    A base task's own level is drawn with a spread of 10 points: what a comparison of tasks would drown in.
    """
    rng = np.random.default_rng(seed)
    level = {base: rng.normal(0, 0.1) for base in BASES}
    own = {(base, kind): rng.normal(0, 0.006) for base in BASES for kind in ("third", "near", "labels")}
    rows = []
    for target, lang, run in itertools.product(TARGETS, LANGS, (1, 2)):
        baseline = 0.5 + rng.normal(0, 0.02)
        rows.append(("none", target, lang, run, baseline))
        for base in BASES:
            effects = {
                base: 0.0,
                f"{base}@hardest": (harder + own[base, "third"]) / 2,
                f"{base}@easiest": -(harder + own[base, "third"]) / 2,
                f"{base}@near:{target}": (nearer + own[base, "near"]) / 2,
                f"{base}@far:{target}": -(nearer + own[base, "near"]) / 2,
                f"{base}~shuffled": -(labels + own[base, "labels"]),
            }
            rows += [
                (name, target, lang, run, baseline + level[base] + effect + rng.normal(0, 0.004))
                for name, effect in effects.items()
            ]
    return pd.DataFrame(rows, columns=["intermediate", "target", "lang", "seed", "score"])


@pytest.fixture(scope="module")
def planted() -> pd.DataFrame:
    return contrast_rows(gather(laboratory(harder=-0.03, nearer=0.02, labels=0.04)))


@pytest.fixture(scope="module")
def nothing() -> pd.DataFrame:
    return contrast_rows(gather(laboratory(harder=0.0, nearer=0.0, labels=0.0, seed=1)))


def row_of(rows: pd.DataFrame, contrast: str, group: str = ALL) -> pd.Series:
    return rows[(rows["contrast"] == contrast) & (rows["group"] == group)].iloc[0]


def test_three_effects_planted_three_found(planted: pd.DataFrame) -> None:
    for contrast, truth in {"harder": -0.03, "nearer": 0.02, "labels": 0.04}.items():
        row = row_of(planted, contrast, "udpos")  # points of one target: the unit in which it was set
        assert row["points"] == pytest.approx(truth, abs=0.01), contrast
        assert row["n"] == len(BASES)
        whole = row_of(planted, contrast)
        assert np.sign(whole["ci_low"]) == np.sign(truth) == np.sign(whole["ci_high"]), contrast


def test_none_planted_none_found(nothing: pd.DataFrame) -> None:
    for contrast in ("harder", "nearer", "labels"):
        row = row_of(nothing, contrast)
        assert row["ci_low"] < 0 < row["ci_high"], contrast


def test_the_sentences_say_what_was_found(planted: pd.DataFrame, nothing: pd.DataFrame) -> None:
    said = in_words(planted)
    assert "on average over the 6 tasks that were run both ways (95 %" in said[0] and "it lowers the score." in said[0]
    assert "on average over the 6 tasks that were run both ways (95 %" in said[1] and "it raises the score." in said[1]
    assert "No runs compare a task with masked-language modelling on the same text yet." in said[3]
    assert "(95 % interval −0.5 to +0.3): about the same on average" in in_words(nothing)[0]


def test_groups_hold_what_they_say(planted: pd.DataFrame) -> None:
    row = row_of(planted, "harder")
    assert (row["targets"], row["langs"], row["seeds"]) == (2, 2, 2), "without English and without retrieval"
    assert row["pairs"] == 6 * 2 * 2 * 2
    assert row_of(planted, "harder", ENGLISH)["langs"] == 1
    assert row_of(planted, "harder", RETRIEVAL)["targets"] == 1
    assert pd.isna(row["points"]), "points of unlike targets are not averaged"
    families = contrast_rows(gather(laboratory(harder=0, nearer=0, labels=0)), by="family")
    assert {language("de").family, language("sw").family} <= set(families["group"])


def test_a_difference_by_hand_in_both_scales() -> None:
    """Two base tasks, 6 and 2 points: mean 4; UDPOS with a floor of 0 keeps them; t limits of two values."""
    parts = [
        scores({"qqp@hardest": 0.56 + seed / 100, "qqp@easiest": 0.50 + seed / 100,
                "cola@hardest": 0.52 + seed / 100, "cola@easiest": 0.50 + seed / 100}, seed=seed)
        for seed in (1, 2)
    ]  # fmt: skip
    row = row_of(contrast_rows(gather(pd.concat(parts))), "harder")
    assert row["estimate"] == pytest.approx(0.04)
    assert row["ci_high"] == pytest.approx(0.04 + 12.7062 * 0.0282843 / np.sqrt(2), abs=1e-4)
    assert (row["n"], row["n_unit"], row["pairs"]) == (2, "base tasks", 4)
    noisy = row_of(contrast_rows(gather(pd.concat(parts), options=AnalysisOptions(scale="noise"))), "harder")
    assert noisy["estimate"] == pytest.approx(0.04 / (0.01 / np.sqrt(2)))
    assert row_of(contrast_rows(gather(pd.concat(parts))), "harder", "udpos")["points"] == pytest.approx(0.04)


def test_a_third_near_another_target_is_no_pair() -> None:
    others = {"qqp@near:xnli": 0.9, "qqp@far:xnli": 0.1}
    found = paired(gather(scores({"qqp@near:udpos": 0.6, "qqp@far:udpos": 0.5} | others)))
    assert list(found["difference"]) == [pytest.approx(0.1)]


def test_thirds_equally_near_are_a_contrast_of_their_own() -> None:
    found = paired(gather(scores({"qqp@hardest:udpos": 0.6, "qqp@easiest:udpos": 0.5, "qqp@easiest": 0.3})))
    assert list(found["contrast"]) == ["harder_alike"]


def test_one_base_task_has_no_interval_and_says_so() -> None:
    rows = contrast_rows(gather(scores({"qqp@hardest": 0.6, "qqp@easiest": 0.5})))
    row = row_of(rows, "harder")
    assert pd.isna(row["ci_low"]) and row["note"] == "one base task: no interval"
    assert "in one task: there is no interval" in in_words(rows)[0]


@pytest.mark.parametrize(
    ("names", "reasons", "excluded"),
    [
        (("qqp@hardest", "qqp@easiest"), (INTERMEDIATE, None), None),
        (("qqp@hardest", "qqp@easiest"), (None, INTERMEDIATE), None),
        (("qqp@hardest", "qqp@easiest"), (INTERMEDIATE, INTERMEDIATE), NEITHER_LEARNED),
        (("qqp@hardest", "qqp@easiest"), (None, TARGET), TARGET),
        (("qqp@hardest", "qqp@easiest"), (FLOOR, FLOOR), FLOOR),
        (("qqp", "qqp~shuffled"), (INTERMEDIATE, None), INTERMEDIATE),
        (("qqp", "qqp~mlm"), (None, INTERMEDIATE), None),
    ],
)
def test_what_was_not_learned(
    names: tuple[str, str], reasons: tuple[str | None, str | None], excluded: str | None
) -> None:
    """An unlearned third is an outcome and is marked; an unlearned task has nothing that its placebo could lack."""
    found = gather(scores(dict.fromkeys(names, 0.6)))
    frame = found.frame.assign(reason=found.frame["intermediate"].map(dict(zip(names, reasons, strict=True))))
    (pair,) = paired(found._replace(frame=frame)).to_dict("records")
    assert pair["excluded"] == excluded or (excluded is None and pd.isna(pair["excluded"]))
    if names[0] == "qqp@hardest" and excluded is None:
        rows = contrast_rows(found._replace(frame=frame))
        row = row_of(rows, "harder")
        which = reasons.index(INTERMEDIATE)
        assert (row["one_unlearned"], row["other_unlearned"]) == ((1, 0), (0, 1))[which]
        assert f"the {names[which][4:]} third not learned in 1 of 1 pairs" in row["note"]
        assert row["n_learned"] == 0 and pd.isna(row["learned"])


def test_pairs_whose_thirds_were_both_learned_have_a_mean_of_their_own() -> None:
    """Two tasks gain nothing where both thirds were learned; of the third task the easiest third ruined the target."""
    numbers = {"qqp@hardest": 0.6, "qqp@easiest": 0.6, "sst2@hardest": 0.52, "sst2@easiest": 0.5}
    found = gather(scores(numbers | {"cola@hardest": 0.6, "cola@easiest": 0.1}))
    frame = found.frame.assign(reason=found.frame["intermediate"].map({"cola@hardest": INTERMEDIATE}))
    rows = contrast_rows(found._replace(frame=frame))
    row = row_of(rows, "harder")
    assert (row["n"], row["n_learned"], row["one_unlearned"], row["other_unlearned"]) == (3, 2, 1, 0)
    assert row["learned"] == pytest.approx(0.01) and row["learned_high"] == pytest.approx(
        0.01 + 12.7062 * 0.01, abs=1e-5
    )
    assert row["estimate"] == pytest.approx(0.52 / 3)
    shown = row_of(for_people(rows), "harder")
    names = ("estimate", "learned", "learned_low", "learned_high")
    assert [shown[name] for name in names] == pytest.approx([100 * row[name] for name in names])
    assert in_words(rows)[0].endswith(
        "In 1 of 3 comparisons the hardest third was not learned: the model did no better than guessing after it. "
        "These comparisons count, but in them a difference may only mean that such training changed less. "
        "Where both were learned, in 2 tasks: +1.0 % of the head-room (−11.7 to +13.7)."
    )


def test_in_task_pairs_are_left_out_unless_wanted() -> None:
    rows = scores({"mnli@hardest": 0.6, "mnli@easiest": 0.5}, target="xnli")
    row = row_of(contrast_rows(gather(rows)), "harder")
    assert row["n"] == 0 and row["note"] == "left out: 1 in-task"
    assert row_of(contrast_rows(gather(rows, options=AnalysisOptions(with_in_task=True))), "harder")["n"] == 1
