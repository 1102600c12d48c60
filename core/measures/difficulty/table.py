"""The measures of difficulty: what profiles compute and store, and pages, figures, models and documents offer.

To add one: a function of what the models of the schedule showed (`Learned`) and a record in `DIFFICULTIES`, both here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from core.measures.base import Measure, by_name
from core.measures.difficulty.information import (
    bits_per_decision,
    count_entropy_interval,
    headroom,
    learning_curve_area,
    pointwise_information,
)
from core.measures.difficulty.log_probabilities import LogProbabilities
from core.measures.inference.intervals import Floats, Interval, Plan, percentile_interval


class Learned(NamedTuple):
    """What the models trained on growing parts of one task showed, on English data: all that a measure may read."""

    sizes: tuple[int, ...]
    """(models,) training examples of each model, smallest first; the last is the whole budget's."""
    floor: float
    """Score on the development examples that takes no reading: chance, or the best rule's where it is higher."""
    scores: Floats
    """(models,) headline scores on the development examples."""
    score_draws: Floats
    """(resamples, models) the same on resamples of the examples, the same ones for every model."""
    with_input: LogProbabilities
    """Of the development examples, by the model of the whole budget."""
    without_input: LogProbabilities
    """Of the same, by a model that was trained without the input."""
    are_densities: bool
    """Whether probabilities are densities (regression)."""
    first_part: LogProbabilities
    """Of the smallest model's training examples, by the uniform code."""
    later_parts: LogProbabilities
    """Of the training examples after those, each by the model of the parts before it."""
    label_counts: Floats | None
    """(training examples, labels) how often each label occurs in each; None where answers are spans or values."""


class DifficultyFunction(Protocol):
    """How a measure of difficulty is called."""

    def __call__(self, learned: Learned, *, rng: np.random.Generator, plan: Plan) -> Interval | None:
        """The measure with its interval over examples (resamples 0: there is none); None: it is not defined."""
        ...


@dataclass(frozen=True, kw_only=True)
class DifficultyMeasure(Measure):
    """A measure of how hard an intermediate is for a model."""

    function: DifficultyFunction
    """Of what the models showed."""
    across_types: str
    """What may be compared between tasks of different types."""


def headroom_taken(learned: Learned, *, rng: np.random.Generator, plan: Plan) -> Interval | None:
    """Headroom taken by the model of the whole budget; None where a rule is right everywhere and leaves no room."""
    if learned.floor >= 1:
        return None
    heights = headroom(learned.scores[-1:], floor=learned.floor)
    draws = headroom(learned.score_draws[:, -1], floor=learned.floor)
    return _over_draws(float(heights[0]), draws, n=len(learned.with_input.nats))


def curve_area(learned: Learned, *, rng: np.random.Generator, plan: Plan) -> Interval | None:
    """Mean of the headroom taken over doublings of the budget; None where there is none to take."""
    if learned.floor >= 1:
        return None

    def area(scores: Floats) -> float:
        return learning_curve_area(learned.sizes, scores=scores, floor=learned.floor, logarithmic=True)

    draws = np.array([area(row) for row in learned.score_draws])
    return _over_draws(area(learned.scores), draws, n=len(learned.with_input.nats))


def v_information(learned: Learned, *, rng: np.random.Generator, plan: Plan) -> Interval:
    """Mean pointwise information a decision."""
    given, blank = learned.with_input, learned.without_input
    bits = pointwise_information(given.nats, without_input=blank.nats, densities=learned.are_densities)
    return bits_per_decision(bits, decisions=given.decisions, rng=rng, plan=plan)


def code_length(learned: Learned, *, rng: np.random.Generator, plan: Plan) -> Interval:
    """Bits a label: the first part by the uniform code, each later one by the model of the parts before it."""
    first, later = learned.first_part, learned.later_parts
    before = (float(-first.nats.sum()) / math.log(2), float(first.decisions.sum()))
    bits = -later.nats / math.log(2)
    return bits_per_decision(bits, decisions=later.decisions, before=before, rng=rng, plan=plan)


def label_entropy(learned: Learned, *, rng: np.random.Generator, plan: Plan) -> Interval | None:
    """Bits of a label before any input; None where answers are spans or values."""
    if learned.label_counts is None:
        return None
    return count_entropy_interval(learned.label_counts, rng=rng, plan=plan)


def _over_draws(estimate: float, draws: Floats, *, n: int) -> Interval:
    if not len(draws):
        return Interval(estimate, estimate, estimate, 0.95, "none", n, 0)
    return percentile_interval(draws, estimate=estimate, n=n)


DIFFICULTIES: dict[str, DifficultyMeasure] = by_name(
    DifficultyMeasure(
        name="headroom",
        title="Head-room reached",
        meaning="Of the room between the floor and a perfect score on English development data, the share that the "
        "model has taken after the protocol's whole budget. The floor is what the best rule that reads no meaning, "
        "such as the majority, scores on the same examples, or chance where that is higher. A task of which little was "
        "taken is hard.",
        formula="(score - floor) / (1 - floor)",
        unit="share of the task's own head-room",
        direction=-1,
        across_types="yes, with care: a point of F1, accuracy or correlation is not the same amount of skill",
        source="ours; the budget is the protocol's",
        function=headroom_taken,
    ),
    DifficultyMeasure(
        name="curve_area",
        title="Area under the learning curve",
        meaning="Mean share of the head-room reached over budgets of an eighth, a quarter, a half and the whole of the "
        "protocol's, each doubling counted alike. A task that is learned late is hard.",
        formula="mean over log2 of the budget of (score - floor) / (1 - floor), by trapezoids",
        unit="share of the task's own head-room",
        direction=-1,
        across_types="as headroom",
        source="ours; the sample efficiency of learning curves",
        function=curve_area,
    ),
    DifficultyMeasure(
        name="v_information",
        title="Usable information",
        meaning="How many bits about the label the model can use from the input, on examples it was not trained on, "
        "compared with the same model trained without the input. A task of little usable information is hard.",
        formula="mean of log2 p(y | x) - log2 p(y | nothing)",
        unit="bits a decision",
        direction=-1,
        across_types="as an amount; a task with more labels can hold more of it (at most its label entropy)",
        source="Ethayarajh et al. 2022 (2110.08420); Xu et al. 2020 (2002.10689)",
        function=v_information,
    ),
    DifficultyMeasure(
        name="code_length",
        title="Prequential code length",
        meaning="How many bits the labels of the training set take, block by block, with the probabilities of the "
        "model trained on the blocks before. A task whose labels take many bits to the end is hard.",
        formula="(uniform code of the first block + sum of -log2 p of later labels) / labels",
        unit="bits a decision",
        direction=1,
        across_types="as an amount; compare it with the label entropy or the uniform code, not across numbers of "
        "labels. Regression: bits relative to a uniform density, below 0 where the value is predicted well",
        source="Voita & Titov 2020 (2003.12298)",
        function=code_length,
    ),
    DifficultyMeasure(
        name="label_entropy",
        title="Label entropy",
        meaning="How many bits a label holds before any input is seen. It says how much there is to learn and "
        "nothing of how hard the input makes it.",
        formula="-sum p log2 p over the labels of the training set",
        unit="bits a decision",
        direction=1,
        across_types="yes; absent where answers are spans or numbers, which have no fixed set of labels",
        source="Shannon 1948",
        function=label_entropy,
    ),
)
"""By the name in `difficulties.measure`, in the order of screens."""
