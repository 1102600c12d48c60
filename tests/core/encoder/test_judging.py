"""Was anything learned: scores beside rules on the same examples, and predictions that are all the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as reference

from core.encoder.judging import Judgement, floors, is_constant, judge, taught
from core.encoder.scoring import score
from core.examples import Split
from core.types.classification import TextExample
from core.types.table import learning_of
from tests.fakes import toy_split


def _labelled(labels: list[int]) -> Split:
    split = toy_split("classification")
    task = split.task.model_copy(update={"chance": 1 / 3})
    return split._replace(examples=tuple(TextExample(str(i), "a", None, y) for i, y in enumerate(labels)), task=task)


def _judged(dev: Split, predictions: list[int], *, train: Split | None = None) -> Judgement:
    metric = dev.task.headline
    floor = floors(taught(train or dev), dev, metrics=[metric])[metric]
    return judge(dev, predictions, found=score(dev, predictions, only=metric)[metric], floor=floor)


def test_both_chance_and_the_majority_must_be_beaten() -> None:
    """Four in five have label 0: to guess it always is far above chance, and says nothing of the text."""
    dev = _labelled([0] * 80 + [1] * 20)
    nearly = [0] * 78 + [1] * 2 + [1] * 3 + [0] * 17
    found = _judged(dev, nearly)
    assert found.score == 0.81 and found.rule_score == 0.8
    against_rule = reference.binomtest(3, 5, 0.5, alternative="greater").pvalue
    assert found.p_value == pytest.approx(against_rule)  # the larger of the two
    good = _judged(dev, [0] * 78 + [1] * 2 + [1] * 18 + [0] * 2)
    assert good.p_value is not None and good.p_value < 0.001 and not good.is_constant


def test_a_score_at_chance_on_balanced_labels_is_not_learned() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200).tolist()
    found = _judged(_labelled(labels), rng.integers(0, 3, 200).tolist())
    assert found.p_value is not None and found.p_value > 0.05


def test_one_label_for_everything_is_constant() -> None:
    dev = _labelled([0, 1, 2] * 10)
    assert _judged(dev, [1] * 30).is_constant
    assert not _judged(dev, [1] * 29 + [2]).is_constant


def test_tags_are_constant_word_by_word_and_label_sets_as_wholes() -> None:
    tagging, multilabel = toy_split("tagging"), toy_split("multilabel")
    assert is_constant(tagging, [(0, 0, 0), (0,), (0, 0)])
    assert not is_constant(tagging, [(0, 1, 0), (0, 1, 0)])
    assert is_constant(multilabel, [(0, 2), (0, 2)])
    assert not is_constant(multilabel, [(0,), (0, 2)])


@pytest.mark.parametrize("kind", ["classification", "multilabel", "tagging", "multiple_choice"])
def test_gold_labels_are_learned_and_the_best_rule_is_not(kind: str) -> None:
    train, dev = toy_split(kind, n=120), toy_split(kind, role="dev", n=120)
    metric, learning = dev.task.headline, learning_of(dev.task.type)
    best = floors(taught(train), dev, metrics=[metric])[metric]
    gold = [learning.gold(e) for e in dev.examples]
    right = judge(dev, gold, found=score(dev, gold, only=metric)[metric], floor=best)
    assert right.p_value is not None and right.p_value < 1e-6 and right.score == 1.0
    rule = taught(train)[best.rule](dev)
    again = judge(dev, rule.predictions, found=best.found, floor=best)
    assert again.p_value == 1.0
