"""Every metric of every type says what each example gave to it: the mean is the score."""

from __future__ import annotations

import numpy as np
import pytest

from core.spec.task import Metric
from core.types import base
from core.types.multilabel import MultiLabelExample
from core.types.table import TYPES
from tests.fakes import TRAINED, toy_split

METRICS = [(kind, metric) for kind in TRAINED for metric in (TYPES[kind].learning or pytest.fail()).metrics]


def _predicted(kind: str, *, seed: int) -> base.Predicted:
    """Half of the gold labels moved to other examples."""
    split, rng = toy_split(kind, role="test", lang="de"), np.random.default_rng(seed)
    learning = TYPES[kind].learning
    assert learning is not None
    gold = [learning.gold(e) for e in split.examples]
    said = [g[0] if kind == "span_qa" and isinstance(g, tuple) else g for g in gold]
    order = np.where(rng.random(len(gold)) < 0.5, rng.permutation(len(gold)), np.arange(len(gold)))
    moved = [said[j] for j in order]
    if kind == "tagging":  # as many tags as words
        moved = [tuple(m[i % len(m)] for i in range(len(g))) for g, m in zip(gold, moved, strict=True)]
    return base.Predicted(split, gold, moved, rng.random((len(gold), max(1, len(split.labels)))))


@pytest.mark.parametrize(("kind", "metric"), METRICS)
def test_the_mean_of_the_credits_is_the_score(kind: str, metric: Metric) -> None:
    learning = TYPES[kind].learning
    assert learning is not None
    for seed in range(5):
        predicted = _predicted(kind, seed=seed)
        found = learning.metrics[metric](predicted)
        assert found.credits is not None and len(found.credits) == len(predicted.gold)
        assert abs(found.credits.mean() - found.score) <= 1e-12
        assert (found.functional is None) == (found.counts is None)


def test_texts_without_a_label_count_in_no_r_precision() -> None:
    split = toy_split("multilabel", role="test", lang="de")
    bare = split._replace(examples=(*split.examples, MultiLabelExample("bare", "nothing of it", ())))
    learning = TYPES["multilabel"].learning
    assert learning is not None
    scores = np.random.default_rng(0).random((len(bare.examples), len(split.labels)))
    whole, part = (
        learning.metrics[Metric.MRP](base.Predicted(s, [learning.gold(e) for e in s.examples], [], scores[:n]))
        for s, n in ((bare, len(scores)), (split, len(scores) - 1))
    )
    assert whole.score == pytest.approx(part.score) and whole.n == part.n
    assert whole.credits is not None and len(whole.credits) == len(bare.examples)
    assert whole.credits.mean() == pytest.approx(whole.score, abs=1e-12)
