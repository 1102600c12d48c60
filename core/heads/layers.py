"""Heads on top of a bare encoder, new for every stage: what a task type's module chooses from.

Losses are sums, never means: the trainer divides by the weight of the whole optimiser step, so that accumulated
micro-batches give exactly the gradient of the full batch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from core.heads.states import Encoder, mean_of_tokens, summary_index


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


def summary_head(encoder: Encoder, *, outputs: int, dropout: float | None) -> SummaryHead:
    """A fresh head that reads what stands for the whole input in this encoder.

    Args:
        encoder: Gives width, summary position and dropout.
        outputs: Logits per row.
        dropout: Override; None: the encoder's.
    """
    summary = "mean" if encoder.heads_read == "mean" else encoder.summary
    return SummaryHead(encoder.hidden_size, outputs=outputs, dropout=_rate(encoder, dropout), summary=summary)


def token_head(encoder: Encoder, *, outputs: int, dropout: float | None) -> TokenHead:
    """A fresh head that reads every position.

    Args:
        encoder: Gives width and dropout.
        outputs: Logits per token.
        dropout: Override; None: the encoder's.
    """
    return TokenHead(encoder.hidden_size, outputs=outputs, dropout=_rate(encoder, dropout))


def _rate(encoder: Encoder, dropout: float | None) -> float:
    return _configured_dropout(encoder.model.config) if dropout is None else dropout


def _configured_dropout(config: Any) -> float:  # noqa: ANN401  untyped third party
    """Dropout of a classifier, or of the hidden states, which heads share; 0.1 where the configuration has neither."""
    for field in ("classifier_dropout", "hidden_dropout_prob", "dropout", "hidden_dropout"):
        value = getattr(config, field, None)
        if isinstance(value, float | int):
            return float(value)
    return 0.1


def _initialise(head: nn.Module) -> None:
    """Normal weights of standard deviation 0.02 and zero biases, as all these encoders start theirs."""
    for module in head.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
