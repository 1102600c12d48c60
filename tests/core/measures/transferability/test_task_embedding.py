"""Task embeddings by hand; heads against their own gradient; intervals that leave out groups of examples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from core.errors import DataError
from core.measures.inference.intervals import block_jackknife, jackknife_interval, spread_groups, t_interval
from core.measures.transferability.task_embedding import fit_linear_head, mean_embedding, task_similarity


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_similarity_by_hand() -> None:
    # One layer, means (1, 0) and (1, 1): cosine 1 / sqrt 2. A second layer that is equal: 1. Mean of both.
    a = np.array([[[1.0, 0.0], [2.0, 1.0]]] * 4)
    b = np.array([[[1.0, 1.0], [4.0, 2.0]]] * 4)
    found = task_similarity(a, other=b, rng=rng())
    assert found.estimate == pytest.approx((1 / 2**0.5 + 1) / 2)
    assert found.low == pytest.approx(found.high) == pytest.approx(found.estimate), "no spread between examples"
    assert found.n == 4
    assert task_similarity(a, other=a, rng=rng()).estimate == pytest.approx(1)


def test_the_interval_covers_the_similarity_of_the_populations() -> None:
    """Gamma-distributed squares of known means: the limits hold the true cosine about nineteen times in twenty."""
    mean_a, mean_b = np.array([[1.0, 2.0, 3.0]]), np.array([[3.0, 1.0, 1.0]])
    true = float(np.sum(mean_a * mean_b) / np.linalg.norm(mean_a) / np.linalg.norm(mean_b))
    held = 0
    for seed in range(100):
        draws = rng(seed)
        a, b = (draws.gamma(1.0, mean, size=(200, 1, 3)) for mean in (mean_a, mean_b))
        found = task_similarity(a, other=b, rng=draws)
        held += found.low <= true <= found.high
    assert held >= 88


def test_several_tasks_count_alike_whatever_their_scale() -> None:
    a, b = np.ones((4, 1, 2)) * [1.0, 0.0], np.ones((4, 1, 2)) * [0.0, 1.0]
    both = mean_embedding([a, 1000 * b])
    assert both.mean(axis=0) == pytest.approx(np.array([[0.5, 0.5]]))
    assert mean_embedding([a]) is not None


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="layers and width of one encoder"):
        task_similarity(np.ones((4, 1, 2)), other=np.ones((4, 2, 2)), rng=rng())
    with pytest.raises(DataError, match="all zero"):
        task_similarity(np.zeros((4, 1, 2)), other=np.ones((4, 1, 2)), rng=rng())
    with pytest.raises(DataError, match="of 1 classes"):
        fit_linear_head(np.ones((4, 2)), labels=[0, 0, 0, 0])


@pytest.mark.parametrize("classes", [2, 3])
def test_the_head_is_at_the_optimum_of_its_penalised_likelihood(classes: int) -> None:
    x, labels = rng().normal(2, 5, size=(60, 4)), np.arange(60) % classes
    x[:, 0] += labels
    head = fit_linear_head(x, labels=labels)
    assert head.weights.shape == (classes, 4)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    p = special.softmax(x @ head.weights.T + head.bias, axis=1)
    scaled = head.weights * x.std(axis=0)
    pull = 0.1 * z.T @ (np.eye(classes)[labels] - p)  # C times the gradient of the log likelihood
    if classes == 2:  # one logit: the second class alone is penalised
        pull, scaled = pull[:, 1:], scaled[1:]
    assert pull == pytest.approx(scaled.T, abs=2e-3)


def test_leaving_out_single_examples_of_a_mean_is_student_s_interval() -> None:
    values = rng().normal(size=12)
    found = block_jackknife(np.zeros(12), statistic=lambda rows: float(values[rows].mean()), rng=rng(), blocks=12)
    by_t = t_interval(values)
    assert (found.low, found.high) == pytest.approx((by_t.low, by_t.high))
    assert found.method == "jackknife over 12 groups"


def test_groups_are_of_equal_size_and_hold_each_class_alike() -> None:
    strata = np.repeat([0, 1], [60, 40])
    groups = spread_groups(strata, rng=rng(), blocks=20)
    assert (np.bincount(groups) == 5).all()
    assert (np.bincount(groups[strata == 1], minlength=20) == 2).all()
    assert groups.tolist() != spread_groups(strata, rng=rng(1), blocks=20).tolist()


def test_two_samples_add_their_variances() -> None:
    parts = np.array([1.0, 2.0, 3.0, 4.0])
    one = jackknife_interval(2.5, parts=(parts,), n=4)
    two = jackknife_interval(2.5, parts=(parts, parts), n=4)
    assert two.high - two.estimate == pytest.approx(2**0.5 * (one.high - one.estimate))
