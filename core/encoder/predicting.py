"""Encoder and head to predictions per example: the same code scores English development data and every language."""

from __future__ import annotations

import numpy as np
import torch

from core.encoder.batches import collate
from core.encoder.device import autocast
from core.encoder.memory import over_batches
from core.examples import Split
from core.heads.layers import Head
from core.heads.states import Encoder, encode
from core.types.base import Learning, Prediction
from core.types.pieces import Array, Features, Ints
from core.types.table import learning_of

INFERENCE_TOKENS = {"cpu": 4096, "cuda": 65536}
"""Tokens with padding that go through the model at once when no gradient is kept."""


def predict(encoder: Encoder, head: Head, *, features: Features, split: Split) -> list[Prediction]:
    """One prediction per example of a split, in its order.

    Args:
        encoder: Evaluated without dropout.
        head: Of the split's task.
        features: Of `featurise` for the same split.
        split: What is predicted; its labels are not read.
    """
    learning = learning_of(split.task.type)
    raw = _forward(encoder, head, features=features, learning=learning)
    return learning.decoded(raw, features, split, encoder)


def label_scores(encoder: Encoder, head: Head, *, features: Features, split: Split) -> Array:
    """Logits per row, (n_rows, outputs) float32: for metrics that rank the labels of an example.

    Args:
        encoder: Evaluated without dropout.
        head: A `SummaryHead`.
        features: Of the split.
        split: What is predicted.
    """
    return _forward(encoder, head, features=features, learning=learning_of(split.task.type))


def _forward(encoder: Encoder, head: Head, *, features: Features, learning: Learning) -> Array:
    """Logits, or what the type condenses them to, by row or by piece."""
    out: Array | None = None
    encoder.model.eval()
    head.eval()
    device = encoder.device

    def compute(rows: Ints) -> None:
        nonlocal out
        batch, places = collate(features, rows, encoder=encoder)
        logits = head(encode(encoder, batch), batch.mask).float()
        values = (learning.condensed(logits) if learning.condensed else logits).cpu().numpy()
        where = places if learning.reads == "pieces" else rows
        if out is None:
            size = len(features.ids) if where is places else len(features.example_of)
            out = np.zeros((size, *values.shape[where.ndim :]), dtype=values.dtype)
        out[where[where >= 0]] = values[where >= 0]

    budget = INFERENCE_TOKENS.get(device.type, 8192)
    with torch.inference_mode(), autocast(encoder):
        over_batches(features.row_lengths, compute, batch_tokens=budget, device=device)
    assert out is not None  # featurise refuses empty splits
    return out
