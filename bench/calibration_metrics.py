"""One-sided tests of a metric that knows nothing, `python -m bench.calibration_metrics [replications]`, and their like.

"Learned" and "above the floor" rest on these tests; docs/calibration.md has the table. Coverage of two-sided limits of
each metric is in `tests/core/measures/metrics/test_corpus.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.tally import percent, tally, wanted
from core.measures.inference.intervals import Floats
from core.measures.inference.one_sided import one_sided_above, one_sided_paired
from core.measures.inference.paired import paired_limits
from core.measures.metrics.corpus import Functional, label_pairs, linearised

SIZES = (100, 200, 1000)


def _taggers(rng: np.random.Generator, n: int, *, skill: float, extra: float) -> float:
    """Entity F1 above that of an equal tagger, a few sentences holding most chunks."""
    gold = rng.poisson(rng.gamma(0.7, 2.5, n))
    both = rng.binomial(gold, skill)  # what both find
    one, other = (_found(rng, both + rng.binomial(gold - both, skill), gold, extra=extra) for _ in range(2))
    return one_sided_paired(linearised("f1", one), linearised("f1", other))


def _found(rng: np.random.Generator, right: np.ndarray, gold: np.ndarray, *, extra: float) -> Floats:
    return np.stack([right, gold, right + rng.poisson(extra, len(gold))], axis=1).astype(float)


def _guessers(rng: np.random.Generator, n: int) -> float:
    gold, one, other = rng.choice(3, (3, n), p=[0.6, 0.3, 0.1])
    first, second = (linearised("macro_f1", label_pairs(gold, guess)) for guess in (one, other))
    return one_sided_paired(first, second)


def _unrelated(
    functional: Functional, gold: Callable[[np.random.Generator, int], np.ndarray], *, rare: float | None = None
) -> Callable[[np.random.Generator, int], float]:
    """A metric above 0 of predictions that have nothing to do with the gold values."""

    def p_value(rng: np.random.Generator, n: int) -> float:
        guess = rng.normal(size=n) if rare is None else rng.random(n) < rare
        return one_sided_above(linearised(functional, label_pairs(gold(rng, n), guess)), 0.0)

    return p_value


TESTS: dict[str, Callable[[np.random.Generator, int], float]] = {
    "entity F1 above that of an equal tagger": lambda rng, n: _taggers(rng, n, skill=0.4, extra=0.7),
    "entity F1 above that of an equal tagger, both near 0.03": lambda rng, n: _taggers(rng, n, skill=0.015, extra=0.7),
    "macro F1 above that of another guesser, three classes": _guessers,
    "Spearman above 0": _unrelated("spearman", lambda rng, n: np.round(rng.random(n) * 10) / 2),
    "Pearson above 0, skewed gold values": _unrelated("pearson", lambda rng, n: rng.exponential(size=n)),
    "Matthews above 0, 70 and 30 %": _unrelated("matthews", lambda rng, n: rng.random(n) < 0.7, rare=0.7),
    "Matthews above 0, 97 % of the predictions one class": _unrelated(
        "matthews", lambda rng, n: rng.random(n) < 0.7, rare=0.97
    ),
}


def over_seeds(n_seeds: int, *, spread: float) -> Callable[[np.random.Generator], dict[str, float | None]]:
    """Whether `paired_limits` of the entity F1 of two taggers hold the difference over all seeds and sentences.

    Args:
        n_seeds: Seeds.
        spread: Standard deviation of a tagger's skill over seeds.
    """
    truth_rng = np.random.default_rng(1)
    gold = truth_rng.poisson(truth_rng.gamma(0.7, 2.5, 400_000))
    truth = float(_difference(truth_rng, gold, truth_rng.binomial(gold, 0.4), spread=0.0).mean())

    def simulate(rng: np.random.Generator) -> dict[str, float | None]:
        gold = rng.poisson(rng.gamma(0.7, 2.5, 200))
        both = rng.binomial(gold, 0.4)
        table = np.stack([_difference(rng, gold, both, spread=spread) for _ in range(n_seeds)])
        found = paired_limits([table])
        return {"covers": bool(found.low[0] <= truth <= found.high[0])}

    return simulate


def _difference(rng: np.random.Generator, gold: np.ndarray, both: np.ndarray, *, spread: float) -> Floats:
    skills = (share + spread * np.clip(rng.normal(), -3, 3) for share in (0.45, 0.3))
    first, second = (
        linearised("f1", _found(rng, both + rng.binomial(gold - both, skill), gold, extra=0.7)) for skill in skills
    )
    return np.asarray(first - second)


def main() -> None:
    """Print both tables as Markdown."""
    asked = wanted(__doc__, replications=2000)
    print(f"| one-sided test | {' | '.join(f'n = {n:,}' for n in SIZES)} | replications |\n|---|---:|---:|---:|---:|")
    for name, p_value in TESTS.items():

        def simulate(rng: np.random.Generator, p_value: Callable = p_value) -> dict[str, float | None]:
            return {str(n): p_value(rng, n) < 0.05 for n in SIZES}

        found = tally(name, simulate, replications=asked.replications, file=asked.file)
        print(f"| {name} | {' | '.join(percent(found[str(n)]) for n in SIZES)} | {found['100'].n:,} |", flush=True)
    print("\n| entity F1, `paired_limits` over | covers | replications |\n|---|---:|---:|")
    for n_seeds, spread in ((3, 0.02), (3, 0.08), (5, 0.08)):
        name = f"{n_seeds} seeds, skill spreads by {spread}"
        covers = tally(name, over_seeds(n_seeds, spread=spread), replications=asked.replications, file=asked.file)
        print(f"| {name} | {percent(covers['covers'])} | {covers['covers'].n:,} |", flush=True)


if __name__ == "__main__":
    main()
