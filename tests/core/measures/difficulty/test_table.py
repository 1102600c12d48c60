"""Each measure of difficulty against a hand-worked case."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.measures.difficulty.log_probabilities import LogProbabilities
from core.measures.difficulty.table import DIFFICULTIES, Learned
from core.measures.inference.intervals import Interval, Plan


def _said(bits: list[float], decisions: list[float] | None = None) -> LogProbabilities:
    """Log-probabilities of labels that cost so many bits."""
    return LogProbabilities(-math.log(2) * np.array(bits), np.array(decisions or [1.0] * len(bits)))


def _learned(**changes: object) -> Learned:
    """Three classes; models on 1, 2, 4 and 8 examples score 1/3, 1/2, 2/3 and 5/6."""
    scores = np.array([2, 3, 4, 5]) / 6
    usual = Learned(
        sizes=(1, 2, 4, 8),
        floor=1 / 3,
        scores=scores,
        score_draws=np.stack([scores - 0.1, scores, scores + 0.1]),
        with_input=_said([0, 1, 2]),
        without_input=_said([1, 1, 1]),
        are_densities=False,
        first_part=_said([math.log2(3)]),
        later_parts=_said([1.0] * 7),
        label_counts=np.eye(2)[[0, 0, 0, 1]],
    )
    return usual._replace(**changes)  # type: ignore[arg-type]


def _measured(name: str, learned: Learned, *, resamples: int = 200) -> Interval:
    found = DIFFICULTIES[name].function(learned, rng=np.random.default_rng(0), plan=Plan(resamples))
    assert found is not None
    return found


def test_headroom_is_that_of_the_whole_budget() -> None:
    found = _measured("headroom", _learned())
    # (5/6 - 1/3) / (2/3) = 3/4; a score of 0.1 more or less is 0.15 of the room.
    assert found.estimate == pytest.approx(0.75)
    assert (found.low, found.high) == pytest.approx((0.75 - 0.1425, 0.75 + 0.1425))
    assert (found.n, found.resamples) == (3, 3)


def test_where_a_rule_is_right_everywhere_no_room_is_left_to_take() -> None:
    for name in ("headroom", "curve_area"):
        learned = _learned(floor=1.0)
        assert DIFFICULTIES[name].function(learned, rng=np.random.default_rng(0), plan=Plan(10)) is None


def test_the_area_counts_each_doubling_alike() -> None:
    # Room taken: 0, 1/4, 1/2, 3/4 at equal steps; trapezoids 1/8, 3/8, 5/8, mean 3/8.
    assert _measured("curve_area", _learned()).estimate == pytest.approx(3 / 8)


def test_without_resamples_there_is_no_interval() -> None:
    found = _measured("headroom", _learned(score_draws=np.empty((0, 4))))
    assert (found.low, found.high, found.resamples) == (found.estimate, found.estimate, 0)


def test_usable_information_is_what_the_input_saves() -> None:
    # 1 - 0, 1 - 1 and 1 - 2 bits: 1, 0 and -1, mean 0.
    found = _measured("v_information", _learned())
    assert found.estimate == pytest.approx(0)
    assert found.low < 0 < found.high
    # Words of a sentence: 3 bits saved over 2 + 1 decisions.
    tagged = _learned(with_input=_said([0, 1], [2, 1]), without_input=_said([3, 1], [2, 1]))
    assert _measured("v_information", tagged).estimate == pytest.approx(1)


def test_the_code_sends_the_first_part_uniformly() -> None:
    # log2 3 bits for the first label, 1 for each of the seven after it.
    assert _measured("code_length", _learned()).estimate == pytest.approx((math.log2(3) + 7) / 8)


def test_entropy_is_of_the_training_labels_and_absent_without_a_set_of_labels() -> None:
    # Shares 3/4 and 1/4.
    expected = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    assert _measured("label_entropy", _learned()).estimate == pytest.approx(expected)
    none = DIFFICULTIES["label_entropy"].function(
        _learned(label_counts=None), rng=np.random.default_rng(0), plan=Plan()
    )
    assert none is None


def test_hard_is_what_each_measure_says_it_is() -> None:
    easy, hard = _learned(), _learned(scores=np.array([2, 2, 2, 3]) / 6, with_input=_said([2, 2, 2]))
    hard = hard._replace(later_parts=_said([2.0] * 7), label_counts=np.eye(2)[[0, 1, 0, 1]])
    for name, measure in DIFFICULTIES.items():
        assert measure.direction * (_measured(name, hard).estimate - _measured(name, easy).estimate) > 0, name
