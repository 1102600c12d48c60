"""How near to 5 % an interval over a few seeds and many examples can come at all: linear programs over every rule.

In units of a single answer's own noise (its mean square is 1, and known, as is that of the examples, 1 + k: there are
many), a mean gain is normal with variance 1 + k + spread, and the mean square of S seeds is (1 + spread) times a
chi-square of S - 1 degrees of freedom, divided by them. Nobody knows the spread. A rule says, for each mean square of
seeds, from which gain on zero is outside the interval; it may draw lots. Rules and rates are linear in each other, so
the best rule is a linear program. Mean squares, gains and spreads are those of a grid; a finer one may be asked for.

Printed, for each number of seeds and k: the smallest possible "largest distance from 5 % over all spreads" of rules
whose interval is at least as wide as the examples alone allow, and of those that may be a fifth narrower; the largest
possible "smallest rate" of rules that never exceed 5 %; and the rates of `crossed_interval`.

    python -m bench.level_bound --steps 120
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

LEVEL = 0.05
SEEDS = (2, 3, 5)
EXAMPLES = (0.0, 0.5, 2.0, 10.0)
"""k: how much more examples differ than a single answer's own noise explains."""
FLOORS = (1.0, 0.8)
"""Least width of an interval, in that of the examples alone."""
LARGEST_SPREAD = 1e3

Floats = NDArray[np.float64]


class Problem(NamedTuple):
    """Every rule of a grid: `rates[i, w, c]` is what rejecting beyond `gains[c]` at mean square w adds at spread i."""

    squares: Floats
    gains: Floats
    weights: Floats
    deviations: Floats

    @property
    def rates(self) -> Floats:
        """(spreads, squares, gains) shares of data sets."""
        return self.weights[:, :, None] * _beyond(self.gains / self.deviations[:, None])[:, None, :]


def problem(seeds: int, *, k: float, floor: float, steps: int) -> Problem:
    """The grid of rules and their rates at every spread.

    Args:
        seeds: S, at least 2.
        k: At least 0.
        floor: Least half width, in that of the examples alone.
        steps: Cells of the mean square of seeds; gains have twice as many.
    """
    df = seeds - 1
    spreads = np.concatenate([[0.0], np.geomspace(0.02, LARGEST_SPREAD, 40)])
    low, high = special.chdtri(df, 1 - 1e-4) / df, special.chdtri(df, 1e-4) / df * (1 + LARGEST_SPREAD)
    edges = np.concatenate([[0.0], np.geomspace(low, high, steps), [np.inf]])
    least = floor * special.ndtri(1 - LEVEL / 2) * np.sqrt(1 + k)
    gains = np.concatenate([np.geomspace(least, least * 60 * np.sqrt(1 + LARGEST_SPREAD), 2 * steps), [np.inf]])
    weights = np.diff(special.chdtr(df, edges[None, :] * df / (1 + spreads[:, None])), axis=1)
    squares = np.concatenate([[low / 2], np.sqrt(edges[1:-2] * edges[2:-1]), [high]])
    return Problem(squares, gains, weights, np.sqrt(1 + k + spreads))


def nearest(rules: Problem) -> float:
    """Smallest possible largest distance of a rate from the level, over all spreads."""
    rates = rules.rates.reshape(len(rules.rates), -1)
    distance = np.ones((len(rates), 1))
    limits = np.vstack([np.hstack([rates, -distance]), np.hstack([-rates, -distance])])
    sides = np.concatenate([np.full(len(rates), LEVEL), np.full(len(rates), -LEVEL)])
    return _solve(rules, limits, sides, aim=1.0)


def most_at_least(rules: Problem) -> float:
    """Largest possible smallest rate, over all spreads, of a rule that never exceeds the level."""
    rates = rules.rates.reshape(len(rules.rates), -1)
    limits = np.vstack([np.hstack([rates, np.zeros((len(rates), 1))]), np.hstack([-rates, np.ones((len(rates), 1))])])
    sides = np.concatenate([np.full(len(rates), LEVEL), np.zeros(len(rates))])
    return _solve(rules, limits, sides, aim=-1.0)


def _solve(rules: Problem, limits: Floats, sides: Floats, *, aim: float) -> float:
    squares, gains = len(rules.squares), len(rules.gains)
    one_rule = np.hstack([np.kron(np.eye(squares), np.ones(gains)), np.zeros((squares, 1))])
    cost = np.zeros(limits.shape[1])
    cost[-1] = aim
    found = optimize.linprog(
        cost, A_ub=limits, b_ub=sides, A_eq=one_rule, b_eq=np.ones(squares), bounds=(0, 1), method="highs"
    )
    if not found.success:
        raise RuntimeError(f"The linear program was not solved: {found.message}")
    return float(found.x[-1])


def ours(rules: Problem, *, seeds: int, k: float) -> Floats:
    """(spreads,) rates of `core.measures.inference.paired.crossed_interval` in the same terms."""
    of_seeds, of_examples = special.stdtrit(seeds - 1, 1 - LEVEL / 2), special.ndtri(1 - LEVEL / 2)
    both = of_seeds**2 * rules.squares + of_examples**2 * k
    half = np.sqrt(np.maximum(both, of_examples**2 * (1 + k)))
    return np.asarray(np.sum(rules.weights * _beyond(half / rules.deviations[:, None]), axis=1))


def _beyond(gains: Floats) -> Floats:
    """Chance that a standard normal value lies further from zero than these."""
    return np.asarray(2 * special.ndtr(-gains))


def main() -> None:
    """Print one row for each number of seeds and k."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=120, help="cells of the mean square of seeds")
    steps = parser.parse_args().steps
    print("| seeds | k | distance, floor 1.0 | floor 0.8 | smallest rate of the best safe rule | ours |")
    for seeds in SEEDS:
        for k in EXAMPLES:
            firm, narrow = (problem(seeds, k=k, floor=floor, steps=steps) for floor in FLOORS)
            rates = ours(firm, seeds=seeds, k=k)
            numbers = [100 * value for value in (nearest(firm), nearest(narrow), most_at_least(firm))]
            said = " | ".join(f"{number:.2f}" for number in numbers)
            print(f"| {seeds} | {k:g} | {said} | {100 * rates.min():.2f} to {100 * rates.max():.2f} |", flush=True)


if __name__ == "__main__":
    main()
