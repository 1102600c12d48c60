"""Scores of a corpus, linearised: equal to the metrics, to leave-one-out by brute force, and with limits that cover."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats as reference

from core.errors import DataError
from core.measures.inference.one_sided import one_sided_above, one_sided_paired
from core.measures.inference.paired import paired_limits
from core.measures.inference.stats import paired_bootstrap
from core.measures.metrics import labels as metrics
from core.measures.metrics.corpus import Functional, label_pairs, linearised

Floats = npt.NDArray[np.float64]


def _sentences(rng: np.random.Generator, n: int, *, skill: float = 0.6) -> Floats:
    """Right, gold and predicted chunks; a few sentences hold most of them."""
    gold = rng.poisson(rng.gamma(0.7, 2.5, n))
    right = rng.binomial(gold, skill)
    return np.stack([right, gold, right + rng.poisson(0.8, n)], axis=1).astype(float)


def _words(rng: np.random.Generator, n: int) -> Floats:
    every = rng.integers(1, 40, n)
    return np.stack([rng.binomial(every, 0.7), every], axis=1).astype(float)


def _labels(rng: np.random.Generator, n: int) -> Floats:
    gold = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    return label_pairs(gold, np.where(rng.random(n) < 0.6, gold, rng.choice(3, n)))


def _sets(rng: np.random.Generator, n: int) -> Floats:
    gold = rng.random((n, 5)) < (0.5, 0.3, 0.2, 0.1, 0.1)
    return np.hstack([gold, gold ^ (rng.random((n, 5)) < 0.2)]).astype(float)


def _values(rng: np.random.Generator, n: int) -> Floats:
    """Gold values in half steps, so that there are ties, and a bent relation."""
    gold = np.round(rng.random(n) * 10) / 2
    return label_pairs(gold, np.exp(gold / 3) + 2 * rng.normal(size=n))


DRAWN: dict[Functional, Callable[[np.random.Generator, int], Floats]] = {
    "f1": _sentences, "ratio": _words, "macro_f1": _labels, "macro_f1_of_sets": _sets, "matthews": _labels,
    "pearson": _values, "spearman": _values,
}  # fmt: skip


def _plain(functional: Functional, counts: Floats) -> float:
    """The score by the metric's own function."""
    if functional == "f1":
        return float(2 * counts[:, 0].sum() / counts[:, 1:].sum())
    if functional == "ratio":
        return float(counts[:, 0].sum() / counts[:, 1].sum())
    if functional == "macro_f1_of_sets":
        return metrics.macro_f1(*np.split(counts, 2, axis=1))
    own = {name: getattr(metrics, name) for name in ("macro_f1", "matthews", "pearson", "spearman")}[functional]
    return float(own(counts[:, 0], counts[:, 1]))


@pytest.mark.parametrize("functional", DRAWN)
def test_it_is_the_metric_and_so_is_the_mean(functional: Functional) -> None:
    rng = np.random.default_rng(0)
    for n in (5, 60, 400):
        counts = DRAWN[functional](rng, n)
        expected = _plain(functional, counts)
        assert linearised(functional, counts).mean() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("functional", DRAWN)
def test_the_spread_is_that_of_leaving_each_example_out(functional: Functional) -> None:
    """The jackknife (Quenouille, Tukey) by brute force; ranks of the rest are worked out anew each time."""
    counts = DRAWN[functional](np.random.default_rng(1), 250)
    n = len(counts)
    without = np.array([_plain(functional, np.delete(counts, i, axis=0)) for i in range(n)])
    pseudo = n * _plain(functional, counts) - (n - 1) * without
    found = linearised(functional, counts)
    assert np.corrcoef(found, pseudo)[0, 1] > 0.999
    assert found.std(ddof=1) == pytest.approx(pseudo.std(ddof=1), rel=0.03)


def test_spearman_has_the_error_of_a_bootstrap_that_ranks_anew() -> None:
    rng = np.random.default_rng(2)
    counts = _values(rng, 300)
    draws = [
        reference.spearmanr(*counts[rng.integers(0, 300, 300)].T).statistic for _ in range(1500)
    ]  # its own Monte Carlo error is 2 %
    error = linearised("spearman", counts).std(ddof=1) / np.sqrt(300)
    assert error == pytest.approx(float(np.std(draws)), rel=0.08)


@pytest.mark.parametrize(
    ("functional", "counts"),
    [
        ("f1", [[0, 0, 0], [0, 0, 0]]), ("f1", [[0, 3, 1], [0, 1, 0]]), ("ratio", [[0, 0], [0, 0]]),
        ("matthews", [[0, 1], [1, 1], [0, 1]]), ("pearson", [[1, 2], [3, 2]]), ("spearman", [[1, 2], [3, 2]]),
    ],
)  # fmt: skip
def test_nothing_right_and_nothing_that_varies_is_zero_for_every_example(
    functional: Functional, counts: list[list[float]]
) -> None:
    assert linearised(functional, counts).tolist() == [0.0] * len(counts)


def test_everything_right_has_no_spread() -> None:
    assert linearised("f1", [[2, 2, 2], [1, 1, 1], [0, 0, 0]]).tolist() == [1.0, 1.0, 1.0]
    assert linearised("macro_f1", [[0, 0], [1, 1]]).tolist() == [1.0, 1.0]


def test_counts_of_another_shape() -> None:
    with pytest.raises(DataError, match=r"Counts of 'f1' have shape \(2, 2\). Expected \(n, 3\)"):
        linearised("f1", [[1, 2], [1, 2]])
    with pytest.raises(DataError, match=r"Expected \(n, 2\) with at least one"):
        linearised("spearman", np.zeros((0, 2)))
    with pytest.raises(DataError, match=r"have shape \(1, 5\). Expected \(n, 4\)"):
        linearised("macro_f1_of_sets", [[1, 0, 1, 0, 1]])


def test_functionals_are_those_with_random_data_here() -> None:
    assert set(DRAWN) == set(get_args(Functional))


@pytest.mark.parametrize("functional", DRAWN)
def test_no_interval_leaves_out_its_own_value(functional: Functional) -> None:
    rng = np.random.default_rng(3)
    for trial in range(40):
        n = int(rng.integers(3, 60))
        after, before = (DRAWN[functional](rng, n) for _ in range(2))
        gain = _plain(functional, after) - _plain(functional, before)
        table = np.stack([linearised(functional, after) - linearised(functional, before)] * (1 + trial % 2))
        found = paired_limits([table])
        assert found.low[0] - 1e-12 <= gain <= found.high[0] + 1e-12
        both = (linearised(functional, after), linearised(functional, before))
        boot = paired_bootstrap(both[0], before=both[1], rng=np.random.default_rng(trial)).difference
        assert boot.low - 1e-9 <= gain <= boot.high + 1e-9


def _two_taggers(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    gold = rng.poisson(rng.gamma(0.7, 2.5, n))
    both = rng.binomial(gold, 0.4)  # what both find
    first, second = (both + rng.binomial(gold - both, share) for share in (0.45, 0.3))
    return _chunks(rng, first, gold), _chunks(rng, second, gold)


def _chunks(rng: np.random.Generator, right: npt.NDArray[np.int64], gold: npt.NDArray[np.int64]) -> Floats:
    return np.stack([right, gold, right + rng.poisson(0.7, len(gold))], axis=1).astype(float)


_SHARES = np.random.default_rng(5).beta(0.5, 2.5, 12)
"""How common each of twelve labels is: a few are, most are rare."""


def _two_label_sets(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    gold = rng.random((n, 12)) < _SHARES
    easy = rng.random((n, 1)) < 0.5  # for both
    first, second = (np.where((rng.random((n, 12)) < wrong) & ~easy, ~gold, gold) for wrong in (0.15, 0.2))
    return _set_counts(gold, first), _set_counts(gold, second)


def _two_hot_sets(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    gold, easy = rng.random((n, 12)) < _SHARES, rng.random((n, 1)) < 0.5
    first, second = (
        np.hstack([gold, np.where((rng.random((n, 12)) < wrong) & ~easy, ~gold, gold)]).astype(float)
        for wrong in (0.15, 0.2)
    )
    return first, second


def _set_counts(gold: npt.NDArray[np.bool_], guess: npt.NDArray[np.bool_]) -> Floats:
    return np.stack([(gold & guess).sum(axis=1), gold.sum(axis=1), guess.sum(axis=1)], axis=1).astype(float)


def _two_scorers(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    gold, common = np.round(rng.random(n) * 10) / 2, rng.normal(size=n)
    first, second = (label_pairs(gold, np.exp(gold / 3) + common + s * rng.normal(size=n)) for s in (1.0, 2.0))
    return first, second


def _two_classifiers(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    gold, easy = rng.choice(3, n, p=[0.6, 0.3, 0.1]), rng.random(n) < 0.4
    first, second = (
        label_pairs(gold, np.where(easy | (rng.random(n) < right), gold, rng.choice(3, n))) for right in (0.5, 0.3)
    )
    return first, second


WORLDS: dict[str, tuple[Functional, Callable[[np.random.Generator, int], tuple[Floats, Floats]]]] = {
    "entity F1": ("f1", _two_taggers),
    "micro F1": ("f1", _two_label_sets),
    "Spearman": ("spearman", _two_scorers),
    "Pearson": ("pearson", _two_scorers),
    "Matthews": ("matthews", _two_classifiers),
    "macro F1": ("macro_f1", _two_classifiers),
    "macro F1 over sets": ("macro_f1_of_sets", _two_hot_sets),
}
"""Two systems on the same examples."""


def coverage(world: str, *, n: int, replications: int, seed: int = 0) -> float:
    """How often the 95 % limits of the difference hold the true one."""
    (functional, draw), rng = WORLDS[world], np.random.default_rng(seed)
    after, before = draw(rng, 400_000)
    truth = _plain(functional, after) - _plain(functional, before)
    pairs = (draw(rng, n) for _ in range(replications))
    found = paired_limits([(linearised(functional, a) - linearised(functional, b))[None] for a, b in pairs])
    return float(np.mean((found.low <= truth) & (truth <= found.high)))


@pytest.mark.parametrize("world", WORLDS)
def test_limits_cover_the_true_difference(world: str) -> None:
    assert 0.93 <= coverage(world, n=200, replications=1200) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("n", [60, 200, 1000])
def test_limits_cover_the_true_difference_at_every_size(world: str, n: int) -> None:
    assert 0.93 <= coverage(world, n=n, replications=4000, seed=1) <= 0.97


def test_limits_over_seeds_cover_the_true_difference() -> None:
    """Three seeds whose taggers differ in skill: the mean over seeds and sentences has limits of the F1 itself."""
    rng, tables = np.random.default_rng(6), []
    for _ in range(400):
        gold = rng.poisson(rng.gamma(0.7, 2.5, 200))
        both = rng.binomial(gold, 0.4)
        tables.append(np.stack([_seed_difference(rng, gold, both, sd=0.08) for _ in range(3)]))
    gold = rng.poisson(rng.gamma(0.7, 2.5, 400_000))
    truth = float(_seed_difference(rng, gold, rng.binomial(gold, 0.4), sd=0.0).mean())
    found = paired_limits(tables)
    assert 0.93 <= np.mean((found.low <= truth) & (truth <= found.high)) <= 0.995  # never too sure of few seeds


def _seed_difference(
    rng: np.random.Generator, gold: npt.NDArray[np.int64], both: npt.NDArray[np.int64], *, sd: float
) -> Floats:
    first, second = (
        _chunks(rng, both + rng.binomial(gold - both, share + sd * np.clip(rng.normal(), -3, 3)), gold)
        for share in (0.45, 0.3)
    )
    return linearised("f1", first) - linearised("f1", second)


def _equal_taggers(rng: np.random.Generator, n: int) -> float:
    gold = rng.poisson(rng.gamma(0.7, 2.5, n))
    both = rng.binomial(gold, 0.4)
    one, other = (linearised("f1", _chunks(rng, both + rng.binomial(gold - both, 0.3), gold)) for _ in range(2))
    return one_sided_paired(one, other)


def _no_relation(functional: Functional) -> Callable[[np.random.Generator, int], float]:
    def p_value(rng: np.random.Generator, n: int) -> float:
        gold = np.round(rng.random(n) * 10) / 2 if functional == "spearman" else rng.random(n) < 0.7
        guess = rng.normal(size=n) if functional == "spearman" else rng.random(n) < 0.7
        return one_sided_above(linearised(functional, label_pairs(gold, guess)), 0.0)

    return p_value


@pytest.mark.parametrize(
    "p_value", [_equal_taggers, _no_relation("spearman"), _no_relation("matthews")], ids=["F1", "Spearman", "Matthews"]
)
def test_one_sided_tests_of_the_metric_hold_their_level(p_value: Callable[[np.random.Generator, int], float]) -> None:
    """What decides whether a stage has learned and whether a baseline is above its floor."""
    rng = np.random.default_rng(7)
    assert 0.03 <= np.mean([p_value(rng, 200) < 0.05 for _ in range(1500)]) <= 0.07
