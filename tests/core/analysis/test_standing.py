"""The sentences of the first page: numbers by hand, and what they say where there is little."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest

from core.analysis.standing import PAIR_COLUMNS, extent, pair_gains, verdicts
from core.queries.evidence import AnalysisOptions, Evidence, evidence, runs_to_pool
from core.queries.filters import Filter
from core.store.connection import Store
from core.store.counted import EARLIER
from tests.makers.tables import Planted, add_scores, planted

COLUMNS = ["intermediate", "target", "lang", "seed", "score"]


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open(":memory:") as opened:
        yield opened


def _evidence(store: Store) -> Evidence:
    with store.cursor() as cur:
        return evidence(cur, runs_to_pool(cur, Filter()), options=AnalysisOptions())


def _fill(store: Store, gains: dict[tuple[str, str, str], list[float]]) -> Evidence:
    """Baselines of one half, and gains by (intermediate, target, language), one a seed."""
    rows = [(name, t, lang, s, 0.5 + g) for (name, t, lang), found in gains.items() for s, g in enumerate(found, 1)]
    bases = {("none", target, lang, seed, 0.5) for _, target, lang, seed, _ in rows}
    add_scores(store, pd.DataFrame([*sorted(bases), *rows], columns=COLUMNS))
    return _evidence(store)


def test_means_are_over_shared_languages_and_limits_over_seeds(store: Store) -> None:
    found = _fill(
        store,
        {
            ("mnli", "sib200", "de"): [0.01, 0.03], ("mnli", "sib200", "sw"): [0.03, 0.05],
            ("mnli", "sib200", "en"): [0.4, 0.4], ("qqp", "sib200", "de"): [-0.01, -0.01],
            ("mnli", "sib200", "zh"): [0.3, 0.3], ("qqp", "sib200", "sw"): [-0.01, -0.01],
        },
    )  # fmt: skip
    pairs = pair_gains(found)
    assert tuple(pairs.columns) == PAIR_COLUMNS
    rows = pairs.set_index("intermediate")
    # Chinese was scored after MNLI alone, English is no transfer: German and Swahili, seed means .02 and .04.
    assert rows.loc["mnli", ["n_langs", "n_seeds"]].tolist() == [2, 2]
    assert rows.loc["mnli", "gain"] == pytest.approx(0.03)
    # sd .01414, error .01, t of one degree of freedom 12.706
    assert rows.loc["mnli", "low"] == pytest.approx(0.03 - 0.12706, abs=1e-4)
    assert pd.isna(rows.loc["qqp", "low"]) and pd.isna(rows.loc["qqp", "q_value"])  # two equal seeds are copies
    assert pairs["intermediate"].tolist() == ["mnli", "qqp"]  # the larger mean gain first


def test_the_extent_by_hand(store: Store) -> None:
    pairs = {("mnli", "sib200", "de"): [0.02], ("qqp", "sib200", "de"): [0.0], ("cola", "sib200", "de"): [0.01]}
    found = _fill(store, pairs)
    text = extent(found, pair_gains(found))
    assert "tries 3 intermediates before 1 target in 1 language, with 1 seed" in text
    # mean .01, sd .01, error .005774, t of two degrees of freedom 4.3027
    assert (
        "by +1.00 % of the head-room (95 % interval −1.48 to +3.48, Student's t over 3 intermediates). With one seed, "
        in text
    )


def test_parts_of_a_task_are_no_further_tasks_of_the_average(store: Store) -> None:
    whole = {("mnli", "sib200", "de"): [0.02], ("qqp", "sib200", "de"): [0.0], ("cola", "sib200", "de"): [0.01]}
    parts = {("mnli@hardest", "sib200", "de"): [-0.3], ("mnli~shuffled", "sib200", "de"): [-0.5]}
    text = extent(found := _fill(store, whole | parts), pair_gains(found))
    assert "tries 3 whole tasks and 2 parts or placebos of 1 task before 1 target" in text
    assert "by +1.00 % of the head-room (95 % interval −1.48 to +3.48, Student's t over 3 intermediates" in text
    assert "(in-task), and parts and placebos of tasks are not in the average." in text


def test_a_study_under_way_says_how_many_seeds_its_pairs_have(store: Store) -> None:
    found = _fill(store, {("mnli", "sib200", "de"): [0.02, 0.03], ("qqp", "sib200", "de"): [0.0]})
    assert "in 1 language, with 1 to 2 seeds" in extent(found, pair_gains(found))


def test_a_baseline_that_was_lucky_once_widens_the_extent(store: Store) -> None:
    seeds = {"mnli": [0.01, 0.05], "qqp": [-0.01, 0.03]}
    found = _fill(store, {(name, "sib200", "de"): gains for name, gains in seeds.items()})
    # Means .03 and .01; the worked case of test_averages.py: half width 6.1881 times the root of 5e-4.
    assert (
        "95 % interval −11.84 to +15.84, Student's t over 2 intermediates). How much baselines vary from seed to seed "
        "is in" in (extent(found, pair_gains(found)))
    )


def test_one_seed_tells_nothing_from_chance(store: Store) -> None:
    found = _fill(store, {("mnli", "sib200", "de"): [0.02], ("qqp", "sib200", "de"): [-0.01]})
    text = verdicts(pair_gains(found))
    assert "no mean gain can be tested" in text
    assert "the largest mean gain is +2.00 points for mnli before sib200, the largest loss −1.00 points for qqp" in text
    assert pair_gains(found)["low"].isna().all()


def test_one_intermediate_has_no_interval_and_is_not_its_own_opposite(store: Store) -> None:
    found = _fill(store, {("mnli", "sib200", "de"): [0.02]})
    assert "one intermediate, so no interval" in extent(found, pair_gains(found))
    assert "smallest" not in verdicts(pair_gains(found))


def test_in_task_pairs_are_shown_and_not_counted(store: Store) -> None:
    found = _fill(store, {("paws", "pawsx", "de"): [0.1, 0.12], ("mnli", "pawsx", "de"): [0.01, 0.011]})
    pairs = pair_gains(found)
    assert pairs.set_index("intermediate")["in_task"].to_dict() == {"paws": True, "mnli": False}
    assert "Of 1 pair" in verdicts(pairs) and "paws before" not in verdicts(pairs)
    assert "by +1.05 % of the head-room" in extent(found, pairs)


def _pairs(*rows: tuple[str, float, float | None, float | None, int, bool]) -> pd.DataFrame:
    """Pairs of (intermediate, gain, low, q, seeds, in-task) before one target."""
    frame = pd.DataFrame(rows, columns=["intermediate", "gain", "low", "q_value", "n_seeds", "in_task"])
    frame = frame.assign(target="sib200", high=2 * frame["gain"] - frame["low"], n_langs=2)
    return frame[list(PAIR_COLUMNS)]


def test_pairs_are_judged_at_five_per_cent_and_named_at_both_ends() -> None:
    rows = [("a", 0.03, 0.01, 0.01, 3, False), ("b", 0.02, 0.0, 0.05, 3, False), ("c", -0.01, -0.02, 0.04, 3, False),
            ("d", 0.3, 0.2, 0.001, 3, True), ("e", 0.01, None, None, 1, False)]  # fmt: skip
    text = verdicts(_pairs(*rows))
    assert "Of 3 pairs of condition and target with 3 seeds, 2 gain and 1 lose more than chance" in text
    assert "the largest mean gain is +3.00 points (+1.00 to +5.00) for a before sib200" in text
    assert "the largest loss −1.00 points (−2.00 to +0.00) for c before sib200" in text
    mixed = [*rows[:2], ("c", -0.01, -0.02, 0.04, 2, False)]
    assert "with two or more seeds" in verdicts(_pairs(*mixed))


def test_pairs_are_in_the_order_of_targets_and_then_of_the_intermediates_mean(store: Store) -> None:
    """QQP gains most on average, though MNLI does before one of the targets."""
    gains = {("mnli", "udpos", "de"): [0.05], ("qqp", "udpos", "de"): [0.04], ("mnli", "pawsx", "de"): [0.0],
             ("qqp", "pawsx", "de"): [0.04]}  # fmt: skip
    pairs = pair_gains(_fill(store, gains))
    assert pairs[["target", "intermediate"]].to_numpy().tolist() == [
        ["pawsx", "qqp"], ["pawsx", "mnli"], ["udpos", "qqp"], ["udpos", "mnli"]
    ]  # fmt: skip


def test_a_target_whose_intermediates_share_no_language_takes_nothing_from_the_others(store: Store) -> None:
    gains = {("mnli", "udpos", "de"): [0.05], ("qqp", "udpos", "sw"): [0.04], ("mnli", "pawsx", "de"): [0.01]}
    pairs = pair_gains(_fill(store, gains))
    assert pairs[["target", "intermediate", "gain"]].to_numpy().tolist() == [["pawsx", "mnli", pytest.approx(0.01)]]


def test_in_task_pairs_have_no_part_in_the_correction(store: Store) -> None:
    """One pair that counts is corrected over itself alone, so that its q is its p."""
    gains = {("paws", "pawsx", "de"): [0.1, 0.12], ("mnli", "pawsx", "de"): [0.01, 0.03]}
    pairs = pair_gains(_fill(store, gains)).set_index("intermediate")
    assert pd.isna(pairs.loc["paws", "q_value"])
    # Mean 0.02, error 0.01: t = 2 of one degree of freedom, p = 1 - 2 atan(2) / pi = 0.2952.
    assert pairs.loc["mnli", "q_value"] == pytest.approx(0.29517, abs=1e-5)


def test_large_effects_are_counted_on_their_side(store: Store) -> None:
    planted(store, Planted(spread=0.05, noise=0.0005, pair=0.0, intermediates=("mnli", "qqp", "cola"), seeds=(1, 2, 3)))
    pairs = pair_gains(_evidence(store))
    up, down = int((pairs["gain"] > 0).sum()), int((pairs["gain"] < 0).sum())
    assert up and down
    assert f"{up} gain and {down} lose" in verdicts(pairs)


def test_nothing_is_said_of_nothing(store: Store) -> None:
    found = _fill(store, {("mnli", "sib200", "de"): [0.02]})
    nothing = found._replace(frame=found.frame[:0])
    assert pair_gains(nothing).empty
    assert "can be tested yet" in verdicts(pair_gains(nothing))
    assert extent(nothing, pair_gains(nothing)).endswith("run here) counts.")
    lost = found._replace(frame=found.frame.assign(gain=float("nan"), excluded=EARLIER))
    assert extent(lost, pair_gains(lost)).endswith(
        "counts. The only gain does not count and is left out: 1 made by an earlier version."
    )


def test_english_alone_is_no_transfer(store: Store) -> None:
    """A target of which English alone was scored has no pair, and takes no part in a mean that leaves English out."""
    gains = {("mnli", "xnli", "en"): [0.3, 0.32], ("mnli", "sib200", "de"): [0.01], ("mnli", "sib200", "en"): [0.2]}
    found = _fill(store, gains)
    pairs = pair_gains(found)
    assert pairs[["target", "gain"]].to_numpy().tolist() == [["sib200", pytest.approx(0.01)]]
    assert "by +1.00 % of the head-room" in extent(found, pairs)
    english = found._replace(frame=found.frame[found.frame["lang"] == "en"])
    assert "no gain outside English is left" in extent(english, pair_gains(english))
