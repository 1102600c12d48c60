"""How hard a task is, in numbers that compare across task types.

Log-probabilities are natural logarithms of the probability of the gold label; results in bits say so. `table.py` makes
measures of them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from core.errors import DataError, SpecError
from core.measures.inference.intervals import (
    Floats,
    Interval,
    Plan,
    at_least_two,
    finite_vector,
    percentile_interval,
    resampled_sums,
)


def headroom(score: ArrayLike, *, floor: float, ceiling: float = 1.0) -> Floats:
    """Share of the room above the floor that scores have taken: 0 at the floor, 1 at the ceiling; below 0 below it.

    Args:
        score: Headline scores after a fixed budget, any shape.
        floor: Score that takes no reading: chance, or that of the best rule where it is higher.
        ceiling: Best possible score.

    Raises:
        SpecError: The ceiling is not above the floor.
    """
    if ceiling <= floor:
        raise SpecError(
            f"Ceiling {ceiling:g} is not above the floor {floor:g}, what chance or a rule that reads nothing scores; "
            "headroom has no meaning. Check the task."
        )
    return np.asarray((np.asarray(score, dtype=float) - floor) / (ceiling - floor))


def learning_curve_area(examples: ArrayLike, *, scores: ArrayLike, floor: float, logarithmic: bool = False) -> float:
    """Mean height of the learning curve over its budget, 0 at the floor and 1 at a perfect score from the start.

    Trapezoids between points; large means easy.

    Args:
        examples: (k,) training examples (or steps) seen at each score, increasing; k at least 2.
        scores: (k,) scores.
        floor: As in `headroom`.
        logarithmic: Whether the axis is the logarithm of examples, so that each doubling counts the same.

    Raises:
        DataError: Fewer than two points, or examples that do not increase, or start at 0 on a logarithmic axis.
    """
    x, y = finite_vector(examples, what="examples"), finite_vector(scores, what="scores")
    if x.size != y.size or x.size < 2 or np.any(np.diff(x) <= 0) or (logarithmic and x[0] <= 0):
        raise DataError(
            f"Found {x.size} budgets from {x[0]:g} to {x[-1]:g} for {y.size} scores; expected two or more, increasing"
            + (" and above 0." if logarithmic else ".")
        )
    axis = np.log(x) if logarithmic else x
    height = headroom(y, floor=floor)
    return float(np.trapezoid(height, axis) / (axis[-1] - axis[0]))


def label_entropy(counts: ArrayLike) -> float:
    """Entropy of the label distribution in bits: log2 of the labels if balanced, 0 with one label.

    Args:
        counts: (labels,) how often each occurs.

    Raises:
        DataError: No examples, or a negative count.
    """
    numbers = finite_vector(counts, what="label counts")
    if numbers.min() < 0 or numbers.sum() <= 0:
        raise DataError(f"Label counts {numbers[:5].tolist()}: expected none below 0 and at least one example.")
    shares = numbers[numbers > 0] / numbers.sum()
    return float(-np.sum(shares * np.log2(shares)))


def count_entropy_interval(counts: ArrayLike, *, rng: np.random.Generator, plan: Plan | None = None) -> Interval:
    """Entropy in bits of labels that come several to an example (tags of words), resampling examples.

    Resamples have less entropy than the sample, and the sample has less than its source, by about as much. The limits
    are the percentiles moved up by that bias, the upper one by twice of it: percentiles alone leave out the estimate
    where labels are as good as balanced.

    Args:
        counts: (n, labels) how often each label occurs in each example.
        plan: Resamples and level.

    Raises:
        DataError: Fewer than two examples, or no label at all.
    """
    plan, table = plan or Plan(), np.asarray(counts, dtype=float)
    n = at_least_two(len(table), what="examples")
    totals = resampled_sums(table, rng=rng, resamples=plan.resamples)
    draws = np.array([label_entropy(row) for row in totals if row.sum() > 0])
    estimate = label_entropy(table.sum(axis=0))
    bias, most = float(draws.mean()) - estimate, math.log2(table.shape[1])
    low, high = np.quantile(draws, [(1 - plan.level) / 2, (1 + plan.level) / 2])
    low, high = min(float(low) - bias, estimate), max(min(float(high) - 2 * bias, most), estimate)
    return Interval(estimate, low, high, plan.level, "bootstrap less its bias", n, len(draws))


def gaussian_nats(squared_errors: ArrayLike, *, variance: float) -> Floats:
    """Log-density of gold values under a normal predictive distribution around the model's predictions, in nats.

    Args:
        squared_errors: (n,) squared errors, of values scaled to [0, 1]; the density is relative to the uniform one.
        variance: Of the errors: their mean square on held-out examples.

    Raises:
        DataError: The variance is not above 0: every prediction was exact, which a density cannot express.
    """
    errors = finite_vector(squared_errors, what="squared errors")
    if variance <= 0:
        raise DataError(f"Variance {variance:g} of the errors; expected above 0. Score examples not trained on.")
    return np.asarray(-0.5 * (np.log(2 * math.pi * variance) + errors / variance))


def pointwise_information(with_input: ArrayLike, *, without_input: ArrayLike, densities: bool = False) -> Floats:
    """PVI of each example in bits (Ethayarajh et al. 2022): how much the input helps to say the gold label.

    Args:
        with_input: (n,) log p(y | x) of the fine-tuned model, on examples it was not trained on.
        without_input: (n,) log p(y | empty input) of a model fine-tuned on empty inputs.
        densities: Whether p are densities (regression), whose logarithms may be above 0.

    Raises:
        DataError: Lengths differ, or a logarithm of a probability above 0.
    """
    given, blank = (
        finite_vector(with_input, what="log-probabilities"),
        finite_vector(without_input, what="log-probabilities"),
    )
    if given.size != blank.size:
        raise DataError(f"{given.size} log-probabilities with input, {blank.size} without; expected the same examples.")
    if not densities and max(given.max(), blank.max()) > 1e-6:
        raise DataError(f"A log-probability is {max(given.max(), blank.max()):g}; expected at most 0. Pass logarithms.")
    return np.asarray((given - blank) / math.log(2))


def bits_per_decision(
    totals: ArrayLike,
    *,
    decisions: ArrayLike,
    before: tuple[float, float] = (0.0, 0.0),
    rng: np.random.Generator,
    plan: Plan | None = None,
) -> Interval:
    """Bits per decision with a bootstrap interval over examples: a sentence of a tagging task holds many decisions.

    With `before`, the prequential code length per label: the first block's bits are the uniform code's, which no
    resample changes, and `totals` are those of the examples of later blocks.

    Args:
        totals: (n,) bits of each example.
        decisions: (n,) labels that each example's bits say: words of a sentence, 1 for one label.
        before: Bits and decisions that are counted in full.
        plan: Resamples and level.

    Raises:
        DataError: Fewer than two examples, lengths differ, or no decision at all.
    """
    plan, bits, units = plan or Plan(), finite_vector(totals, what="bits"), finite_vector(decisions, what="decisions")
    n = at_least_two(bits.size, what="examples")
    if units.size != n or units.min() < 0 or units.sum() + before[1] <= 0:
        raise DataError(
            f"{n} bits, {units.size} numbers of decisions with sum {units.sum():g}: expected one number, 0 or more, "
            "for each example and at least one decision."
        )
    drawn = resampled_sums(np.stack([bits, units], axis=1), rng=rng, resamples=plan.resamples) + np.asarray(before)
    estimate = (bits.sum() + before[0]) / (units.sum() + before[1])
    drawn = drawn[drawn[:, 1] > 0]
    return percentile_interval(drawn[:, 0] / drawn[:, 1], estimate=float(estimate), n=n, level=plan.level)
