"""The placebo: the same texts with labels that say nothing about them."""

from __future__ import annotations

from core.examples import Example, Split, fingerprint
from core.training.seeds import Draws
from core.types.table import learning_of


def shuffled(split: Split, *, draws: Draws) -> Split:
    """The same texts with labels that say nothing about them, and the same label distribution.

    What is permuted the task type knows: labels over examples, tags over all words, answers within their passage.

    Args:
        split: Training or development split.
        draws: Of the stage.
    """
    rng = draws.of(split.task.name).rng(f"placebo {split.role}")
    mixed: tuple[Example, ...] = tuple(learning_of(split.task.type).shuffled(split.examples, rng))
    return split._replace(examples=mixed, fingerprint=fingerprint(mixed))
