"""Was anything learned, and could anything move: predictions beside rules that read no meaning, on the same examples.

A rule is taught by English training data and guesses in any language (`Learning.rules`). The best of a task's rules on
the examples that are scored is their floor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from core.encoder.scoring import score
from core.errors import DataError
from core.examples import Split
from core.measures.inference.one_sided import one_sided_above, one_sided_paired
from core.spec.task import Metric
from core.types.base import Guess, MetricScore, Prediction
from core.types.table import learning_of

Rules = Mapping[str, Callable[[Split], Guess]]
"""What each rule that was taught guesses, by what it says."""


class Floor(NamedTuple):
    """The best rule that reads no meaning."""

    rule: str
    """What it says."""
    found: MetricScore
    """Its score, and what each example gave to it."""


class Judgement(NamedTuple):
    """Whether development data say that a task was learned."""

    task: str
    """Name of the task."""
    metric: str
    """Headline metric; `loss`, negated, for masked-language modelling."""
    score: float
    """Larger is better."""
    chance: float | None
    """What guessing gives; None for a loss."""
    rule: str
    """The best rule."""
    rule_score: float
    """Its score on the same examples."""
    p_value: float | None
    """One-sided, above chance and above the rule: the larger of the two; None: no test is possible."""
    is_constant: bool
    """Whether every prediction is the same."""
    n: int
    """Examples."""


def taught(train: Split) -> Rules:
    """The rules of a task's type, taught by its training data.

    Args:
        train: English.
    """
    return {name: rule(train) for name, rule in learning_of(train.task.type).rules.items()}


def floors(rules: Rules, split: Split, *, metrics: Sequence[Metric]) -> dict[Metric, Floor]:
    """The best rule for each metric that any of them can be scored by.

    Args:
        rules: Of `taught`.
        split: What is scored; its gold labels are read.
        metrics: Some of the task's.
    """
    best: dict[Metric, Floor] = {}
    for name, guess in rules.items():
        said = guess(split)
        for metric in metrics:
            try:
                found = score(split, said.predictions, label_scores=said.label_scores, only=metric)[metric]
            except DataError:  # such as a correlation with gold values that are all equal
                continue
            if metric not in best or found.score > best[metric].found.score:
                best[metric] = Floor(name, found)
    return best


def p_above(found: MetricScore, floor: Floor) -> float | None:
    """One-sided p-value of a score above its floor, paired by example; None where examples have no credit.

    Args:
        found: Of predictions for the same examples.
        floor: What they must beat.
    """
    ours, theirs = found.credits, floor.found.credits
    return None if ours is None or theirs is None else one_sided_paired(ours, theirs)


def judge(dev: Split, predictions: Sequence[Prediction], *, found: MetricScore, floor: Floor) -> Judgement:
    """Whether predictions for development data beat chance and the best rule.

    Args:
        dev: English, with gold labels.
        predictions: One per example.
        found: Their headline score.
        floor: The best rule for the headline metric on the same examples.
    """
    metric, chance = dev.task.headline, dev.task.chance
    above_rule, credits = p_above(found, floor), found.credits
    p_value = None if above_rule is None or credits is None else max(above_rule, one_sided_above(credits, chance))
    return Judgement(
        task=dev.task.name,
        metric=str(metric),
        score=found.score,
        chance=chance,
        rule=floor.rule,
        rule_score=floor.found.score,
        p_value=p_value,
        is_constant=is_constant(dev, predictions),
        n=len(predictions),
    )


def is_constant(split: Split, predictions: Sequence[Prediction]) -> bool:
    """Whether every prediction is the same: of a tagging task, every word's.

    Args:
        split: What was predicted.
        predictions: One per example.
    """
    by_word = learning_of(split.task.type).reads == "pieces"
    seen = {part for p in predictions for part in (p if by_word and isinstance(p, tuple) else (p,))}
    return len(predictions) > 1 and len(seen) <= 1
