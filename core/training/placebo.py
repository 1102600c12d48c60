"""The placebo: the same texts with labels that say nothing about them."""

from __future__ import annotations

import numpy as np

from core.data.records import Example, SpanExample, Split, TaggedExample, fingerprint
from core.spec.task import TaskType


def shuffled(split: Split, *, seed: int) -> Split:
    """The same texts with labels that say nothing about them, and the same label distribution.

    Labels are permuted over examples; tags over all words of the split; an answer moves to a random place of its own
    passage and keeps its length.

    Args:
        split: Training or development split.
        seed: Of the permutation.
    """
    rng = np.random.default_rng([seed, 3])
    examples = split.examples
    mixed: list[Example]
    if split.task.type is TaskType.TAGGING:
        mixed = _shuffled_tags([e for e in examples if isinstance(e, TaggedExample)], rng=rng)
    elif split.task.type is TaskType.SPAN_QA:
        mixed = [_moved(e, rng=rng) for e in examples if isinstance(e, SpanExample)]
    else:
        name = {TaskType.MULTILABEL: "labels", TaskType.REGRESSION: "value"}.get(split.task.type, "label")
        order = rng.permutation(len(examples))
        mixed = [e._replace(**{name: getattr(examples[j], name)}) for e, j in zip(examples, order, strict=True)]
    return split._replace(examples=tuple(mixed), fingerprint=fingerprint(mixed))


def _shuffled_tags(examples: list[TaggedExample], *, rng: np.random.Generator) -> list[Example]:
    tags = rng.permutation([t for e in examples for t in e.tags])
    ends = np.cumsum([len(e.tags) for e in examples])
    parts = np.split(tags, ends[:-1])
    return [e._replace(tags=tuple(int(t) for t in part)) for e, part in zip(examples, parts, strict=True)]


def _moved(example: SpanExample, *, rng: np.random.Generator) -> SpanExample:
    if not example.answers:
        return example
    size = min(len(example.answers[0]), len(example.context))
    start = int(rng.integers(0, len(example.context) - size + 1))
    return example._replace(answers=(example.context[start : start + size],), starts=(start,))
