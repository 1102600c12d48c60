"""The average gain of many intermediates, whose gains at one target and seed share one baseline."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from core.measures.inference.intervals import Floats, Interval, at_least_two, finite_vector


class AverageGain(NamedTuple):
    """An average with limits, and how much of the baselines' spread they hold."""

    interval: Interval
    """n counts intermediates."""
    n_targets: int
    """Targets averaged over."""
    n_spread: int
    """Of them, those with two seeds or more: the spread of the others' baselines is not seen and not in the limits."""


def average_gain(
    gain: ArrayLike, *, intermediate: ArrayLike, target: ArrayLike, seed: ArrayLike, level: float = 0.95
) -> AverageGain:
    """Mean over intermediates of their mean over targets of their mean over seeds, with limits.

    Every intermediate is compared with the same baseline of a target and seed, so a lucky baseline moves all gains at
    once, and Student's t over intermediates does not see it. Variance: that of the intermediates' means, plus, for
    each target, that of the seeds' common shift over the number of seeds; degrees of freedom after Satterthwaite
    (1946, doi:10.2307/3002019). Noise of a single run counts in both, which errs on the wide side.

    Args:
        gain: (n,) one number per run.
        intermediate: (n,) names.
        target: (n,) names.
        seed: (n,) numbers.
        level: Coverage in (0, 1).

    Raises:
        DataError: Fewer than two intermediates.
    """
    values = finite_vector(gain, what="gains")
    names, inter = np.unique(np.asarray(intermediate), return_inverse=True)
    targets, place = np.unique(np.asarray(target), return_inverse=True)
    count = at_least_two(len(names), what="intermediates")
    sums, sizes = np.zeros((2, count, len(targets)))
    np.add.at(sums, (inter, place), values)
    np.add.at(sizes, (inter, place), 1)
    pairs = np.divide(sums, sizes, out=np.full_like(sums, np.nan), where=sizes > 0)
    by_intermediate = np.nanmean(pairs, axis=1)
    # What is left of a gain when its pair's mean is gone tells the seeds apart, whichever intermediates a seed has.
    left = values - pairs[inter, place]
    parts = [_shift(left[place == t], np.asarray(seed)[place == t]) for t in range(len(targets))]
    seen = [part for part in parts if part is not None]
    variances = [float(by_intermediate.var(ddof=1)) / count] + [v / len(targets) ** 2 for v, _ in seen]
    total = sum(variances)
    freedom = [count - 1] + [n for _, n in seen]
    below = sum(v**2 / n for v, n in zip(variances, freedom, strict=True))
    df = total**2 / below if below else float(count - 1)
    half = float(special.stdtrit(df, (1 + level) / 2)) * math.sqrt(total)
    mean = float(by_intermediate.mean())
    method = "t, intermediates and baselines (Satterthwaite)" if seen else "t"
    return AverageGain(Interval(mean, mean - half, mean + half, level, method, count, 0), len(targets), len(seen))


def _shift(left: Floats, seeds: np.ndarray) -> tuple[float, int] | None:
    """Variance of a target's mean through what moves all gains of a seed, with its degrees of freedom."""
    shifts = [left[seeds == seed].mean() for seed in np.unique(seeds)]
    if len(shifts) < 2:
        return None
    return float(np.var(shifts, ddof=1)) / len(shifts), len(shifts) - 1


def spread_seen(found: AverageGain) -> str:
    """What a reader must know of the baselines' spread, in words.

    Args:
        found: From `average_gain`.
    """
    if not found.n_spread:
        return (
            "with one seed, nobody knows how much another would change the baseline, which all these gains share: the "
            "interval leaves that out and is too narrow by it"
        )
    if found.n_spread < found.n_targets:
        return f"how much baselines vary from seed to seed is known at {found.n_spread} of {found.n_targets} targets"
    return "how much baselines vary from seed to seed is included"
