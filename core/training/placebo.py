"""The placebo: the same texts with labels that say nothing about them."""

from __future__ import annotations

import numpy as np

from core.examples import Example, Split, fingerprint
from core.types.table import learning_of


def shuffled(split: Split, *, seed: int) -> Split:
    """The same texts with labels that say nothing about them, and the same label distribution.

    What is permuted the task type knows: labels over examples, tags over all words, answers within their passage.

    Args:
        split: Training or development split.
        seed: Of the permutation.
    """
    rng = np.random.default_rng([seed, 3])
    mixed: tuple[Example, ...] = tuple(learning_of(split.task.type).shuffled(split.examples, rng))
    return split._replace(examples=mixed, fingerprint=fingerprint(mixed))
