"""Selectors that know nothing, `python -m bench.calibration_selectors [replications]`: do they differ from chance?

Simulated gains, no store: intermediates differ on all targets at once, selectors are unrelated to them. Prints a table
of docs/calibration.md.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from core.measures.inference.intervals import Floats
from core.measures.transferability.chance import AgainstChance, Pairs, judge_against_chance
from core.measures.transferability.combination import HeldOut, mean_elsewhere

INTERMEDIATES, TARGETS = 10, 6
COMMON = 0.5
"""Standard deviation of what an intermediate gains on all targets, in those of what it gains on one."""


class Known(NamedTuple):
    """Gains of every pair, and a selector's scores."""

    gains: Floats
    intermediate: np.ndarray
    target: np.ndarray
    by_intermediate: Floats
    """One number per intermediate."""
    by_pair: Floats
    several: Floats
    """Some of each kind, for a combination."""


def draw(rng: np.random.Generator, *, effect: float = 0.0) -> Known:
    """Gains with a common effect of intermediates.

    Args:
        rng: Of everything.
        effect: How much of a gain the scores of a pair are.
    """
    inter, target = np.repeat(np.arange(INTERMEDIATES), TARGETS), np.tile(np.arange(TARGETS), INTERMEDIATES)
    constant = rng.normal(size=(INTERMEDIATES, 2))[inter]
    several = np.column_stack([constant, rng.normal(size=(inter.size, 4))])
    gains = COMMON * rng.normal(size=INTERMEDIATES)[inter] + rng.normal(size=inter.size) + effect * several[:, 2]
    return Known(gains, inter, target, constant[:, 0], several[:, 2], several)


def of_scores(scores: Callable[[Known], Floats]) -> Callable[[Known, np.random.Generator], AgainstChance]:
    """A selector that sees no gain.

    Args:
        scores: What it says.
    """
    return lambda known, rng: judge_against_chance(scores(known), pairs=_pairs(known, known.gains), rng=rng)


def combined(held: str) -> Callable[[Known, np.random.Generator], AgainstChance]:
    """The ridge on several selectors.

    Args:
        held: intermediate or target.
    """

    def judge(known: Known, rng: np.random.Generator) -> AgainstChance:
        learner = HeldOut(known.several, groups=getattr(known, held), lists=known.target)
        return judge_against_chance(
            learner.combine(known.gains).predictions, pairs=_pairs(known, known.gains), rng=rng, predict=learner.predict
        )

    return judge


def elsewhere(known: Known, rng: np.random.Generator) -> AgainstChance:
    """Mean gain on the other targets, where intermediates have nothing in common."""
    free = np.random.default_rng(rng.integers(2**31)).normal(size=known.gains.size)

    def means(gains: Floats) -> Floats:
        return mean_elsewhere(gains, intermediates=known.intermediate, lists=known.target)

    return judge_against_chance(
        means(free[None, :])[0], pairs=_pairs(known, free), rng=rng, predict=means, within_lists=True
    )


def _pairs(known: Known, gains: Floats) -> Pairs:
    return Pairs(gains, known.intermediate, known.target)


METHODS: dict[str, Callable[[Known, np.random.Generator], AgainstChance]] = {
    "one number per intermediate": of_scores(lambda known: known.by_intermediate),
    "one intermediate always (always MNLI)": of_scores(lambda known: (known.intermediate == 0).astype(float)),
    "one number per pair": of_scores(lambda known: known.by_pair),
    "ridge on six, one intermediate left out": combined("intermediate"),
    "ridge on six, one target left out": combined("target"),
    "mean gain on the other targets": elsewhere,
}


def main() -> None:
    """Print the table as Markdown."""
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    start = time.perf_counter()
    print("| selector | better than chance | worse than chance | mean difference of NDCG | power |")
    print("|---|---:|---:|---:|---:|")
    for name, judge in METHODS.items():
        found = [judge(draw(np.random.default_rng([0, n])), np.random.default_rng([1, n])) for n in range(replications)]
        planted = [
            judge(draw(np.random.default_rng([2, n]), effect=1.0), np.random.default_rng([3, n])).over.ndcg.low > 0
            for n in range(replications // 10)
        ]
        better, worse = np.mean([(f.over.ndcg.low > 0, f.over.ndcg.high < 0) for f in found], axis=0)
        shown = f"{100 * better:.1f} % | {100 * worse:.1f} % | {np.mean([f.over.ndcg.estimate for f in found]):+.4f}"
        power = f"{100 * np.mean(planted):.0f} %" if name.startswith(("ridge", "one number per pair")) else "–"
        print(f"| {name} | {shown} | {power} |", flush=True)
    print(f"\n{replications} replications, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
