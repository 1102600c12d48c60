"""Gradients of one optimiser step: micro-batches, losses, and the share of them that one process computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch

from core.encoder.batches import micro_batches, packed_batches, training_batch
from core.encoder.device import autocast
from core.encoder.mlm import masked_batch, mlm_losses
from core.heads.states import Batch, Encoder, encode, packs
from core.spec.protocol import StageProtocol
from core.training.mixture import Objective
from core.training.seeds import Draws
from core.types.pieces import Ints
from core.types.table import learning_of

_OVERHEAD_TOKENS = {"cpu": 96, "cuda": 4096}


@dataclass(frozen=True)
class StageJob:
    """What one stage is to do."""

    key: str
    """Content address."""
    kind: Literal["intermediate", "target"]
    """Place in the chain."""
    name: str
    """What is trained on."""
    protocol: StageProtocol
    """Hyper-parameters."""
    draws: Draws
    """Of order, dropout, masks, caps."""

    @property
    def title(self) -> str:
        """What is done, in words."""
        return f"{self.kind} training on '{self.name}'"


class Share(NamedTuple):
    """Which micro-batches of a step a process computes: each `of`-th, from `rank` on."""

    rank: int = 0
    """0 is the process of the stage itself."""
    of: int = 1
    """Processes."""


ALL = Share()
"""Every micro-batch."""


class Step(NamedTuple):
    """What is computed in one optimiser step."""

    number: int
    """From 0."""
    chosen: Ints
    """(batch_size, 2) objective and item."""
    batch_tokens: int
    """Most tokens in a micro-batch."""


def accumulate(
    job: StageJob,
    step: Step,
    *,
    encoder: Encoder,
    objectives: Sequence[Objective],
    scaled: Callable[[torch.Tensor], torch.Tensor],
    share: Share = ALL,
) -> float:
    """Add the gradients of a batch, or of a share of its micro-batches; their part of the mean loss.

    Where several processes share a batch, and on every GPU, the random state of a micro-batch follows from the step
    and its place alone, so that dropout is the same whoever computes it.

    Args:
        job: What the stage does.
        step: Which examples, in micro-batches of what size.
        encoder: Runs first.
        objectives: The stage's, in order.
        scaled: The loss as its gradients are computed from it (float16).
        share: Of this process.
    """
    device, number = encoder.device, 0
    total = torch.zeros((), device=device)
    for which in np.unique(step.chosen[:, 0]):
        objective = objectives[int(which)]
        items = step.chosen[step.chosen[:, 0] == which, 1]
        batches = _batches(job, objective, items, step=step, encoder=encoder)
        weight = max(1.0, sum(b.weight for b in batches))
        for batch in batches:
            number += 1
            if (number - 1) % share.of != share.rank:
                continue
            if share.of > 1 or device.type != "cpu":
                torch.manual_seed(job.draws.number("dropout", step.number, number))
            with autocast(encoder):
                summed = batch_loss(objective, batch, encoder=encoder)
            loss = summed * (len(items) / len(step.chosen) / weight)
            scaled(loss).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
    return float(total)


def _batches(job: StageJob, objective: Objective, items: Ints, *, step: Step, encoder: Encoder) -> list[Batch]:
    features = objective.features
    if packs(encoder):
        groups = packed_batches(items, features=features, batch_tokens=step.batch_tokens)
    else:
        groups = micro_batches(
            items,
            features=features,
            batch_tokens=step.batch_tokens,
            overhead_tokens=_OVERHEAD_TOKENS.get(encoder.device.type, 1024),
        )
    if objective.kind != "mlm":
        return [training_batch(features, group, encoder=encoder) for group in groups]
    rng = job.draws.of(objective.name).rng("masks", step.number)
    chance = job.protocol.mlm_probability
    return [masked_batch(features, group, encoder=encoder, rng=rng, probability=chance) for group in groups]


def batch_loss(objective: Objective, batch: Batch, *, encoder: Encoder) -> torch.Tensor:
    """Summed loss of one micro-batch.

    Args:
        objective: Gives head and kind.
        batch: Of its features.
        encoder: Runs first.
    """
    if objective.kind == "mlm":
        return mlm_losses(encoder, objective.head, batch).sum()  # type: ignore[arg-type]  # an MLM objective has an MLM head
    logits = objective.head(encode(encoder, batch), batch.mask)
    return learning_of(objective.kind).loss_sum(logits.float(), batch)
