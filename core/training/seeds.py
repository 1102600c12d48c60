"""Every random draw of a training: one number for what is drawn, of the run's seed, the stage and its tasks.

So nothing that a stage draws occurs in another stage: no head, no dropout mask, no order, no sample. What is meant to
be equal is equal: the target stage of a run and of its baseline have the same stage, tasks and seed, and an
intermediate and its placebos have the same tasks. Apart from this stand the draws that no seed may move, the cut of a
development set and the samples of test sets (`core/data/datasets.py`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Draws:
    """The draws of one stage, or of one task in it."""

    seed: int
    """Of the run."""
    kind: Literal["intermediate", "target"]
    """Place in the chain."""
    tasks: tuple[str, ...]
    """What is trained on, in order; without a placebo's or a slice's suffix."""

    def of(self, task: str) -> Draws:
        """Those of one task of the stage.

        Args:
            task: Its name.
        """
        return replace(self, tasks=(task,))

    def number(self, what: str, *place: int) -> int:
        """A seed in [0, 2**63) that no other draw has.

        Args:
            what: Is drawn, such as `head`.
            place: Such as the step.
        """
        said = json.dumps([self.seed, self.kind, self.tasks, what, *place])
        return int.from_bytes(hashlib.blake2b(said.encode(), digest_size=8).digest()) >> 1

    def rng(self, what: str, *place: int) -> np.random.Generator:
        """A generator for one draw.

        Args:
            what: Is drawn.
            place: Such as the step.
        """
        return np.random.default_rng(self.number(what, *place))
