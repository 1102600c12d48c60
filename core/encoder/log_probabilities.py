"""Log-probabilities of the gold labels under a trained head, and under the uniform code.

A decision is what one label says: an example, or a word of a tagged sentence. Probabilities are those that training
minimises the loss of.
"""

from __future__ import annotations

import numpy as np
import torch

from core.encoder.batches import training_batch
from core.encoder.device import autocast
from core.encoder.memory import over_batches
from core.encoder.predicting import INFERENCE_TOKENS
from core.heads.layers import Head
from core.heads.states import Encoder, encode
from core.measures.difficulty.log_probabilities import LogProbabilities
from core.types.pieces import Features, Ints
from core.types.table import learning_of


def gold_log_probabilities(encoder: Encoder, head: Head, *, features: Features, kind: str) -> LogProbabilities:
    """Log-probability of the gold label of every example.

    Args:
        encoder: Evaluated without dropout.
        head: Of the task.
        features: Of the split, with targets.
        kind: Name of the task type.
    """
    learning = learning_of(kind)
    encoder.model.eval()
    head.eval()
    device = encoder.device
    by_item = np.zeros(features.n_items)

    def compute(items: Ints) -> None:
        batch = training_batch(features, items, encoder=encoder)
        logits = head(encode(encoder, batch), batch.mask).float()
        by_item[items] = learning.log_probabilities(logits, batch).double().cpu().numpy()

    budget = INFERENCE_TOKENS.get(device.type, 8192)
    with torch.inference_mode(), autocast(encoder):
        over_batches(features.item_tokens, compute, batch_tokens=budget, device=device)
    return learning.by_example(by_item, features)
