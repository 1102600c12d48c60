"""The plain measures of similarity against closed forms, invariants and the plain bootstrap."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import linalg

from core.errors import DataError
from tests.reference.similarity import (
    MEASURES,
    centroid_cosine,
    frechet_distance,
    mean_discrepancy,
    proxy_a_distance,
    sliced_wasserstein,
)
from tests.reference.vocabulary import (
    nearest_overlap,
    overlap_interval,
    token_counts,
    unigram_divergence,
    vocabulary_jaccard,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def cloud(seed: int, n: int = 200, d: int = 8, shift: float = 0.0, spread: float = 1.0) -> np.ndarray:
    return rng(seed).normal(shift, spread, (n, d))


def exact(mean: np.ndarray, covariance: np.ndarray, *, n: int = 60) -> np.ndarray:
    """A sample whose mean and covariance (n - 1) are exactly the ones given."""
    raw = rng(n).normal(size=(n, len(mean)))
    raw -= raw.mean(axis=0)
    whitened = raw @ np.linalg.inv(np.linalg.cholesky(raw.T @ raw / (n - 1))).T
    return np.asarray(mean + whitened @ np.linalg.cholesky(covariance).T)


def every(x: np.ndarray, other: np.ndarray) -> dict[str, float]:
    extra = {"sliced_wasserstein": {"rng": rng(9)}}
    return {name: m.function(x, other=other, **extra.get(name, {})).estimate for name, m in MEASURES.items()}


def test_cosine_by_hand() -> None:
    # Means (1, 0) and (1, 1): 1 / sqrt(2).
    x, y = [[1, 1], [1, -1], [1, 0]], [[2, 1], [0, 1], [1, 1]]
    assert centroid_cosine(x, other=y).estimate == pytest.approx(1 / math.sqrt(2))
    with pytest.raises(DataError, match="has no direction"):
        centroid_cosine([[1, 0], [-1, 0], [0, 0]], other=y)


def test_frechet_of_two_gaussians() -> None:
    # Diagonal: |(3, 4)|^2 + (1 - 2)^2 + (2 - 3)^2 = 25 + 1 + 1 = 27.
    x = exact(np.zeros(2), np.diag([1.0, 4.0]))
    y = exact(np.array([3.0, 4.0]), np.diag([4.0, 9.0]), n=80)
    assert frechet_distance(x, other=y).estimate == pytest.approx(27)


def test_frechet_equals_the_matrix_root_when_covariances_do_not_commute() -> None:
    a, b = np.array([[2.0, 0.7], [0.7, 1.0]]), np.array([[1.0, -0.4], [-0.4, 3.0]])
    root = linalg.sqrtm(a)
    expected = np.trace(a + b - 2 * np.real(linalg.sqrtm(root @ b @ root)))
    assert frechet_distance(exact(np.zeros(2), a), other=exact(np.zeros(2), b)).estimate == pytest.approx(expected)


def test_frechet_with_fewer_sentences_than_dimensions() -> None:
    x = cloud(0, n=10, d=50)
    assert frechet_distance(x, other=x).estimate == pytest.approx(0, abs=1e-9)
    # Padding with dimensions that are all zero changes nothing.
    y = cloud(1, n=12, d=50)
    wide = [np.hstack([v, np.zeros((len(v), 30))]) for v in (x, y)]
    assert frechet_distance(wide[0], other=wide[1]).estimate == pytest.approx(frechet_distance(x, other=y).estimate)


def test_discrepancy_by_its_definition() -> None:
    x, y = cloud(0, n=5, d=2), cloud(1, n=4, d=2)

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return math.exp(-float(np.sum((a - b) ** 2)) / (2 * 1.5**2))

    inside = sum(k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j) / 20
    other = sum(k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j) / 12
    expected = inside + other - 2 * sum(k(a, b) for a in x for b in y) / 20
    assert mean_discrepancy(x, other=y, bandwidth=1.5).estimate == pytest.approx(expected)


def test_discrepancy_of_one_distribution_lies_around_zero() -> None:
    values = [mean_discrepancy(cloud(2 * s, n=60), other=cloud(2 * s + 1, n=60)).estimate for s in range(40)]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(40)
    assert mean_discrepancy(cloud(0), other=cloud(1, shift=1)).low > 0.05


def test_proxy_distance_is_two_when_separable_and_zero_when_the_same() -> None:
    x = cloud(0)
    assert proxy_a_distance(x, other=x).estimate == 0
    assert proxy_a_distance(x, other=x + 10).estimate == 2
    assert proxy_a_distance(cloud(1, n=900), other=cloud(2, n=100)).estimate < 0.25  # unequal sizes do not fool it


def test_leverage_is_leaving_one_out() -> None:
    x, y, penalty = cloud(0, n=12, d=3), cloud(1, n=9, d=3, shift=0.7), 0.05
    rows, sign = np.vstack([x, y]), np.r_[np.ones(12), -np.ones(9)]
    weight = np.r_[np.full(12, 1 / 24), np.full(9, 1 / 18)]
    rows = rows - weight @ rows
    ridge = penalty * (weight @ np.sum(rows**2, axis=1)) / 3
    wrong = np.empty(21)
    for i in range(21):
        keep = np.arange(21) != i
        z, w = np.column_stack([rows, np.ones(21)])[keep], weight[keep]
        beta = np.linalg.solve((z * w[:, None]).T @ z + np.diag([ridge] * 3 + [0]), z.T @ (w * sign[keep]))
        wrong[i] = float(np.r_[rows[i], 1] @ beta * sign[i] <= 0)
    expected = max(2 * (1 - wrong[:12].mean() - wrong[12:].mean()), 0)
    assert proxy_a_distance(x, other=y, penalty=penalty).estimate == pytest.approx(expected)


def test_sliced_distance_of_a_shift() -> None:
    # A shift by s in every one of d dimensions: mean over directions of (axis . shift)^2 = |shift|^2 / d = s^2.
    x = cloud(0, d=6)
    found = sliced_wasserstein(x, other=x + 0.5, rng=rng(), directions=4000).estimate
    assert found == pytest.approx(0.5, rel=0.03)
    assert sliced_wasserstein(x, other=x, rng=rng()).estimate == 0


@pytest.mark.parametrize("name", [n for n, m in MEASURES.items() if m.direction == "distance"])
def test_distances_do_not_move_with_both_domains(name: str) -> None:
    x, y = cloud(0), cloud(1, shift=0.4, spread=1.5)
    assert every(x + 7, y + 7)[name] == pytest.approx(every(x, y)[name], rel=1e-6)


@pytest.mark.parametrize("name", list(MEASURES))
def test_measures_are_symmetric_and_order_by_closeness(name: str) -> None:
    x, near, far = cloud(0, shift=0.5), cloud(1, shift=0.6), cloud(2, shift=2.5) * np.linspace(-0.5, 1, 8)
    assert every(x, near)[name] == pytest.approx(every(near, x)[name], rel=1e-6, abs=1e-9)
    sign = 1 if MEASURES[name].direction == "distance" else -1
    assert sign * every(x, far)[name] > sign * every(x, near)[name]


@pytest.mark.parametrize("name", ["centroid_cosine", "frechet_distance", "mean_discrepancy", "sliced_wasserstein"])
def test_jackknife_is_the_bootstrap_without_the_waiting(name: str) -> None:
    x, y = cloud(3, n=150, d=4, shift=0.5), cloud(4, n=120, d=4, shift=1.2, spread=0.6) * [1, -1, 1, 0.2]
    extra = {"mean_discrepancy": {"bandwidth": 2.0}}.get(name, {})
    function = MEASURES[name].function

    def once(a: np.ndarray, b: np.ndarray) -> float:
        more = {"rng": rng(1)} if name == "sliced_wasserstein" else {}
        return float(function(a, other=b, **extra, **more).estimate)

    r = rng(5)
    draws = [once(x[r.integers(0, 150, 150)], y[r.integers(0, 120, 120)]) for _ in range(150)]
    interval = function(x, other=y, **extra, **({"rng": rng(1)} if name == "sliced_wasserstein" else {}))
    assert (interval.high - interval.low) / (2 * 1.96) == pytest.approx(np.std(draws), rel=0.25)


def test_embeddings_of_two_encoders_are_refused() -> None:
    with pytest.raises(DataError, match="8 and 5 dimensions; expected those of one encoder"):
        centroid_cosine(cloud(0), other=cloud(0, d=5))


def test_overlap_by_hand() -> None:
    # a b c against b c d: 2 of 4 words.
    x, y = [1, 1, 1, 0], [0, 2, 1, 2]
    assert vocabulary_jaccard(x, other=y) == 0.5


def test_divergence_by_hand() -> None:
    assert unigram_divergence([3, 1, 0, 0], other=[0, 0, 2, 2]) == 1
    assert unigram_divergence([3, 1], other=[6, 2]) == 0
    # (1, 0) against (.5, .5): middle (.75, .25); (log2 4/3 + .5 log2 2/3 + .5 log2 2) / 2 = 0.311278.
    assert unigram_divergence([4, 0], other=[3, 3]) == pytest.approx(0.311278, abs=1e-6)
    assert unigram_divergence([4, 0], other=[3, 3]) == pytest.approx(unigram_divergence([3, 3], other=[4, 0]))
    with pytest.raises(DataError, match="A domain has no words"):
        unigram_divergence([0, 0], other=[1, 1])


def test_counts_and_overlap_intervals() -> None:
    r = rng()
    sentences = [[f"w{i}" for i in r.zipf(1.6, 12) % 300] for _ in range(200)]
    other = [[f"w{i}" for i in r.zipf(1.3, 12) % 300] for _ in range(150)]
    counts = token_counts(sentences, other=other)
    assert counts.x.sum() == 2400
    assert counts.x.shape == (200, len(counts.vocabulary))
    for measure in ("jaccard", "divergence"):
        interval = overlap_interval(counts, measure=measure, rng=rng())
        assert interval.low < interval.estimate < interval.high
        assert interval.n == 150


def test_near_duplicates_by_hand() -> None:
    # "abcdef" has bigrams ab bc cd de ef, "abcdex" ab bc cd de ex: 4 of 6.
    assert nearest_overlap(["abcdef"], other=["zzzz", "ABCDEX"], characters=2) == pytest.approx([4 / 6])
