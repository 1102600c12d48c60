"""What a stage trains on: one task or several, mixed in proportion to size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.encoder.judging import Judgement
from core.encoder.mlm import MlmHead
from core.examples import Example, Split, fingerprint
from core.heads.layers import Head
from core.spec.task import Metric
from core.training.seeds import Draws
from core.types.pieces import Features, Ints
from core.types.table import learning_of


@dataclass
class Objective:
    """One task inside a stage: its pieces, its head and how it is scored on English development data."""

    name: str
    """Of the task."""
    kind: str
    """What the head outputs: a task type, or `mlm`."""
    features: Features
    """Of the training split."""
    head: Head | MlmHead
    """Fresh."""
    dev_score: Callable[[], float]
    """Scores the encoder and the head as they are; larger is better."""
    judge: Callable[[], Judgement | None]
    """Whether what `dev_score` scored last was learned."""
    metric: Metric | Literal["loss"]
    """What `dev_score` returns."""
    n_dev: int
    """Examples it scores."""
    used_ids: Ints | None
    """Pieces that occur in training or development data; None: all may (masked-language modelling)."""


def pool(objectives: Sequence[Objective], *, cap: int | None, draws: Draws) -> Ints:
    """(n, 2) objective and item of everything in an epoch; a task brings at most `cap` items, drawn.

    Args:
        objectives: One per task.
        cap: Of a mixture of several; None: no task is cut.
        draws: Of the stage.
    """
    parts = []
    for which, objective in enumerate(objectives):
        items = np.arange(objective.features.n_items)
        if cap is not None and len(objectives) > 1 and len(items) > cap:
            items = np.sort(draws.of(objective.name).rng("cap").choice(items, cap, replace=False))
        parts.append(np.stack([np.full(len(items), which), items], axis=1))
    return np.concatenate(parts)


def pieces_used(objectives: Sequence[Objective]) -> Ints | None:
    """Pieces that occur in training or development data, ascending; None: all may.

    Args:
        objectives: One per task.
    """
    ids = [objective.used_ids for objective in objectives]
    found = [i for i in ids if i is not None]
    return np.unique(np.concatenate(found)).astype(np.int64) if len(found) == len(ids) else None


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
