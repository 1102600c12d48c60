"""Our heads on top of a bare encoder: one per task type, new for every stage.

`encode` gives the states of a micro-batch, a head turns them into logits, `loss_sum` into a loss. Losses are sums,
never means: the trainer divides by the weight of the whole optimiser step, so that accumulated micro-batches give
exactly the gradient of the full batch. To add a task type: a case in `build_head` and one in `loss_sum`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  the name everybody reads

from core.encoder.loading import Encoder, configured_dropout, mean_of_tokens, summary_index
from core.spec.task import TaskSpec, TaskType

IGNORED = -100
"""Target of positions that have no label."""


class Batch(NamedTuple):
    """One micro-batch on the device."""

    ids: torch.Tensor
    """(rows, tokens) int64."""
    mask: torch.Tensor
    """(rows, tokens) int64, 1 for real tokens."""
    types: torch.Tensor | None
    """(rows, tokens) int64 segment ids, or None."""
    targets: torch.Tensor | None
    """As the head's loss wants them."""
    weight: float
    """What the summed loss is divided by: items, or labelled positions for tagging and masked-language modelling."""
    is_padded: bool
    """Whether any position is padding."""


class SummaryHead(nn.Module):
    """Dense, tanh, linear on one vector a row: classification, multi-label, regression, multiple choice."""

    def __init__(self, hidden: int, *, outputs: int, dropout: float, summary: str) -> None:
        """Fresh weights.

        Args:
            hidden: Width of the states.
            outputs: Logits per row.
            dropout: Before both linear layers.
            summary: What is read: the `first` or `last` real token, or the `mean` of all.
        """
        super().__init__()
        self.summary = summary
        self.dense = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, outputs)
        self.dropout = nn.Dropout(dropout)
        _initialise(self)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits, (rows, outputs)."""
        if self.summary == "mean":
            vectors = mean_of_tokens(states, mask=mask)
        else:
            place = summary_index(mask, summary=self.summary)
            vectors = states[torch.arange(len(states), device=states.device), place]
        logits: torch.Tensor = self.out(self.dropout(torch.tanh(self.dense(self.dropout(vectors)))))
        return logits


class TokenHead(nn.Module):
    """Linear on every position: tagging and span QA."""

    def __init__(self, hidden: int, *, outputs: int, dropout: float) -> None:
        """Fresh weights.

        Args:
            hidden: Width of the states.
            outputs: Logits per token.
            dropout: Before the linear layer.
        """
        super().__init__()
        self.out = nn.Linear(hidden, outputs)
        self.dropout = nn.Dropout(dropout)
        _initialise(self)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits, (rows, tokens, outputs)."""
        del mask
        logits: torch.Tensor = self.out(self.dropout(states))
        return logits


Head = SummaryHead | TokenHead


def build_head(task: TaskSpec, *, n_labels: int, encoder: Encoder, dropout: float | None) -> Head:
    """A fresh head for a task.

    Args:
        task: Decides the kind of head.
        n_labels: Labels of the task; ignored where the type has none.
        encoder: Gives width, summary position and dropout.
        dropout: Override; None: the encoder's.
    """
    rate = configured_dropout(encoder.model.config) if dropout is None else dropout
    summary = "mean" if encoder.heads_read == "mean" else encoder.summary
    match task.type:
        case TaskType.TAGGING:
            return TokenHead(encoder.hidden_size, outputs=n_labels, dropout=rate)
        case TaskType.SPAN_QA:
            return TokenHead(encoder.hidden_size, outputs=2, dropout=rate)
        case TaskType.REGRESSION | TaskType.MULTIPLE_CHOICE:
            return SummaryHead(encoder.hidden_size, outputs=1, dropout=rate, summary=summary)
        case _:
            return SummaryHead(encoder.hidden_size, outputs=n_labels, dropout=rate, summary=summary)


def start_at_prior(head: Head, targets: torch.Tensor) -> None:
    """Let a fresh multi-label head say each label's share of the training set whatever the input is.

    From zero biases all rare labels push the shared states the same way until the head no longer moves
    (docs/notebook/2026-11-25.md: the bundled encoder was at the prior after 220 steps). Lin et al. 2017, 1708.02002,
    section 3.3.

    Args:
        head: Changed in place.
        targets: (items, labels) 0 or 1.
    """
    shares = (targets.sum(dim=0) + 0.5) / (len(targets) + 1)
    with torch.no_grad():
        head.out.bias.copy_(torch.logit(shares))


def encode(encoder: Encoder, batch: Batch) -> torch.Tensor:
    """Last states of a micro-batch, (rows, tokens, hidden).

    Args:
        encoder: Its model runs in whatever mode it is in.
        batch: Input.
    """
    inputs: dict[str, torch.Tensor] = {"input_ids": batch.ids}
    if batch.is_padded:
        inputs["attention_mask"] = batch.mask
    if batch.types is not None:
        inputs["token_type_ids"] = batch.types
    states: torch.Tensor = encoder.model(**inputs).last_hidden_state
    return states


def loss_sum(kind: TaskType, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Loss of a micro-batch, summed over what `Batch.weight` counts.

    Args:
        logits: Of the task's head.
        batch: With targets.
    """
    targets = batch.targets
    assert targets is not None  # training batches are always built with them
    values = logits.float()
    match kind:
        case TaskType.TAGGING:
            return F.cross_entropy(values.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum")
        case TaskType.SPAN_QA:
            values = values.masked_fill(batch.mask.unsqueeze(-1) == 0, -1e4)
            start = F.cross_entropy(values[..., 0], targets[:, 0], reduction="sum")
            return (start + F.cross_entropy(values[..., 1], targets[:, 1], reduction="sum")) / 2
        case TaskType.REGRESSION:
            return F.mse_loss(values.squeeze(-1), targets, reduction="sum")
        case TaskType.MULTILABEL:
            return F.binary_cross_entropy_with_logits(values, targets, reduction="none").mean(dim=1).sum()
        case TaskType.MULTIPLE_CHOICE:
            return F.cross_entropy(values.view(len(targets), -1), targets, reduction="sum")
        case _:
            return F.cross_entropy(values, targets, reduction="sum")


def _initialise(head: nn.Module) -> None:
    """Normal weights of standard deviation 0.02 and zero biases, as all these encoders start theirs."""
    for module in head.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
