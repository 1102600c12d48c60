"""Nearest neighbours and mining: cases worked by hand, a brute-force second opinion, ties."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import DataError
from core.measures.metrics import retrieval
from core.measures.metrics.retrieval import Mined


def test_accuracy_by_hand() -> None:
    queries = np.array([[1, 0], [0, 2], [1, 1]])
    candidates = np.array([[3, 0], [1, 0.9], [0, 1]])
    # cosines: query 0 → candidate 0 (right); query 1 → candidate 2 (wrong); query 2 → candidate 1 (wrong)
    assert retrieval.nearest(queries, candidates).tolist() == [0, 2, 1]
    assert retrieval.hits(queries, candidates).mean() == pytest.approx(1 / 3)
    assert retrieval.nearest(np.ones((1, 2)), np.ones((3, 2))).tolist() == [0]  # a tie goes to the smaller row


def _mined(scores: list[float], targets: list[int]) -> Mined:
    return Mined(np.arange(len(scores)), np.array(targets), np.array(scores))


def test_threshold_by_hand() -> None:
    # best first: right, right, wrong, right; three gold pairs. F1 after 1, 2, 3, 4 pairs: 2/4, 4/5, 4/6, 6/7
    dev = _mined([0.9, 0.8, 0.7, 0.6], [0, 1, 5, 3])
    gold = {(0, 0), (1, 1), (3, 3)}
    assert retrieval.best_threshold(dev, gold) == pytest.approx(0.6)  # nothing lower to go half-way to
    # without the last pair the best cut is after two: half-way between 0.8 and 0.7
    short = _mined([0.9, 0.8, 0.7], [0, 1, 5])
    threshold = retrieval.best_threshold(short, gold)
    assert threshold == pytest.approx(0.75)
    found = retrieval.f1_at(threshold, short, gold)
    assert found == pytest.approx((1, 2 / 3, 0.8))
    # equal scores cannot be cut apart: after both of the ties P = 1/2, R = 1/1 → threshold below them
    assert retrieval.best_threshold(_mined([0.9, 0.9, 0.1], [0, 9, 9]), {(0, 0)}) == pytest.approx(0.5)


def _brute_force(source: np.ndarray, target: np.ndarray, k: int) -> list[tuple[int, int]]:
    cosines = (source / np.linalg.norm(source, axis=1)[:, None]) @ (target / np.linalg.norm(target, axis=1)[:, None]).T
    there = np.sort(cosines, axis=1)[:, -k:].mean(axis=1)
    back = np.sort(cosines, axis=0)[-k:].mean(axis=0)
    margins = cosines / ((there[:, None] + back) / 2)
    candidates = {(i, max(np.argsort(-cosines[i])[:k], key=lambda j: margins[i, j])) for i in range(len(source))}
    candidates |= {(max(np.argsort(-cosines[:, j])[:k], key=lambda i: margins[i, j]), j) for j in range(len(target))}
    pairs: list[tuple[int, int]] = []
    for i, j in sorted(candidates, key=lambda p: -margins[p]):
        if i not in [p[0] for p in pairs] and j not in [p[1] for p in pairs]:
            pairs.append((int(i), int(j)))
    return pairs


@pytest.mark.parametrize("seed", range(5))
def test_mining_equals_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    source = rng.normal(size=(30, 8)) + 1
    target = np.concatenate([source[:20] + rng.normal(size=(20, 8)) * 0.3, rng.normal(size=(15, 8)) + 1])
    found = retrieval.mine(source, target)
    assert list(zip(found.sources.tolist(), found.targets.tolist(), strict=True)) == _brute_force(source, target, 4)
    assert (np.diff(found.scores) <= 0).all()
    gold = {(i, i) for i in range(20)}
    threshold = retrieval.best_threshold(found, gold)
    best = max(retrieval.f1_at(float(t), found, gold).f1 for t in found.scores)
    assert retrieval.f1_at(threshold, found, gold).f1 == pytest.approx(best)  # no threshold does better on its own data


def test_scale_does_not_matter_and_blocks_do_not_either(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    source, target = rng.normal(size=(50, 6)), rng.normal(size=(40, 6))
    whole = retrieval.mine(source, target)
    monkeypatch.setattr(retrieval, "_BLOCK", 7)
    parts = retrieval.mine(source * 3, target * rng.uniform(1, 9, size=(40, 1)))
    assert parts.sources.tolist() == whole.sources.tolist()
    assert parts.scores == pytest.approx(whole.scores)


def test_errors() -> None:
    with pytest.raises(DataError, match=r"n at least 1, found shape \(0, 4\)"):
        retrieval.nearest(np.zeros((0, 4)), np.ones((1, 4)))
    with pytest.raises(DataError, match="2 and 3 dimensions"):
        retrieval.mine(np.ones((2, 2)), np.ones((2, 3)))
    with pytest.raises(DataError, match="diverged"):
        retrieval.nearest(np.full((1, 2), np.nan), np.ones((1, 2)))
    with pytest.raises(DataError, match="no gold pairs"):
        retrieval.best_threshold(_mined([0.5], [0]), set())
