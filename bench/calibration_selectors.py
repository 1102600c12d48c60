"""Selectors that know nothing, `python -m bench.calibration_selectors [replications]`: do they differ from chance?

Simulated gains, no store: intermediates differ on all targets at once, selectors are unrelated to them. Prints a table
of docs/calibration.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bench.tally import percent, tally, wanted
from core.measures.inference.intervals import Floats
from core.measures.transferability.chance import AgainstChance, Pairs, judge_against_chance
from core.measures.transferability.combination import HeldOut, in_other_languages, mean_elsewhere

INTERMEDIATES, TARGETS, LANGUAGES = 10, 6, 3
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


def over_languages(known: Known, rng: np.random.Generator) -> AgainstChance:
    """The ridge with one language left out, on lists of one target and language each; gains differ by language."""
    pair, lang = (a.ravel() for a in np.indices((known.gains.size, LANGUAGES)))
    gains = known.gains[pair] + 0.5 * np.random.default_rng(rng.integers(2**31)).normal(size=pair.size)
    learner = HeldOut(known.several, groups=known.target, lists=known.target, with_own_group=True)
    predict = in_other_languages(learner, pair=pair, lang=lang)
    pairs = Pairs(gains, known.intermediate[pair], known.target[pair] * LANGUAGES + lang)
    return judge_against_chance(predict(gains[None, :])[0], pairs=pairs, rng=rng, predict=predict)


def _pairs(known: Known, gains: Floats) -> Pairs:
    return Pairs(gains, known.intermediate, known.target)


METHODS: dict[str, Callable[[Known, np.random.Generator], AgainstChance]] = {
    "one number per intermediate": of_scores(lambda known: known.by_intermediate),
    "one intermediate always (always MNLI)": of_scores(lambda known: (known.intermediate == 0).astype(float)),
    "one number per pair": of_scores(lambda known: known.by_pair),
    "ridge on six, one intermediate left out": combined("intermediate"),
    "ridge on six, one target left out": combined("target"),
    "ridge on six, one language left out": over_languages,
    "mean gain on the other targets": elsewhere,
}
POWER_EVERY = 10
"""Of so many replications one has planted gains, too, where a selector could know them."""


def simulation(
    name: str, judge: Callable[[Known, np.random.Generator], AgainstChance]
) -> Callable[[np.random.Generator], dict[str, float | None]]:
    """One replication of a selector that knows nothing, and now and then of one that does.

    Args:
        name: Of the method.
        judge: How it is held against chance.
    """

    def simulate(rng: np.random.Generator) -> dict[str, float | None]:
        over = judge(draw(rng), rng).over.ndcg
        said: dict[str, float | None] = {"better": over.low > 0, "worse": over.high < 0, "mean": over.estimate}
        said["either"] = float(over.low > 0 or over.high < 0)
        if name.startswith(("ridge", "one number per pair")) and rng.integers(POWER_EVERY) == 0:
            said["power"] = judge(draw(rng, effect=1.0), rng).over.ndcg.low > 0
        return said

    return simulate


def main() -> None:
    """Print the table as Markdown."""
    asked = wanted(__doc__, replications=2000)
    print("| selector | better | worse | either | mean difference of NDCG | power | replications |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, judge in METHODS.items():
        if asked.only not in name:
            continue
        found = tally(name, simulation(name, judge), replications=asked.replications, file=asked.file)
        shown = " | ".join(percent(found[what]) for what in ("better", "worse", "either"))
        mean = f"{found['mean'].mean:+.4f} ± {found['mean'].error:.4f}"
        print(f"| {name} | {shown} | {mean} | {percent(found.get('power'))} | {found['mean'].n:,} |", flush=True)


if __name__ == "__main__":
    main()
