"""How well an encoder still predicts masked pieces of a language after a stage, by the head it was pretrained with.

The same sentences with the same masks before and after; the head stays as it was, so the figures say what the stage did
to the states that it reads. An encoder whose files hold no such head has no figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from core.encoder.batches import sorted_batches
from core.encoder.device import autocast
from core.encoder.mlm import HostedHead, load_with_own_head, masked_batch, mlm_losses
from core.errors import ModelError
from core.heads.states import Encoder
from core.training.context import RunContext
from core.types.base import targets_of
from core.types.pieces import IGNORED, Array, text_rows

PROBABILITY = 0.15
"""Share of pieces that are predicted (Devlin et al. 2019)."""
_BATCH_TOKENS = 8192


class Masked(NamedTuple):
    """An encoder with the head that it was pretrained with."""

    encoder: Encoder
    head: HostedHead


class MaskedPair(NamedTuple):
    """The same before and after a stage."""

    before: Masked
    after: Masked


def masked_pair(context: RunContext, *, after: Encoder) -> MaskedPair | None:
    """Both encoders under the pretrained head, on the run's device; None where the model's files hold none.

    Args:
        context: Of the run.
        after: The encoder after the stage; it stays as it is.

    Raises:
        ModelError: The stage's weights are not those of the model.
    """
    model = context.spec.model
    found = [load_with_own_head(model) for _ in range(2)]
    if found[0] is None or found[1] is None:
        return None
    pair = MaskedPair(Masked(*found[0]), Masked(*found[1]))
    for one in pair:
        context.place(one.encoder)
        one.head.to(context.device).eval()
        one.encoder.model.eval()
    # A pooler may be there and is never read.
    lacks = pair.after.encoder.model.load_state_dict(after.model.state_dict(), strict=False).missing_keys
    if any("pooler" not in name for name in lacks):
        raise ModelError(f"Model '{model.path}': the stage lacks weights of the encoder: {', '.join(lacks[:5])}.")
    return pair


def sentence_losses(masked: Masked, texts: Sequence[str]) -> Array:
    """(n,) float64 mean cross-entropy of each sentence's masked pieces, in nats; NaN where none was masked.

    Args:
        masked: Encoder and head.
        texts: Sentences; the masks are drawn from their pieces alone.
    """
    encoder, head = masked
    rows = text_rows(texts, second=None, encoder=encoder, limit=min(encoder.max_length, 512))
    features = rows.finish(np.zeros(len(texts), dtype=np.int64))
    rng = np.random.default_rng(0)
    sums, counts = np.zeros((2, len(texts)))
    with torch.inference_mode(), autocast(encoder):
        for items in sorted_batches(features.row_lengths, batch_tokens=_BATCH_TOKENS):
            batch = masked_batch(features, items, encoder=encoder, rng=rng, probability=PROBABILITY)
            sentence = items[np.nonzero((targets_of(batch) != IGNORED).cpu().numpy())[0]]
            np.add.at(sums, sentence, mlm_losses(encoder, head, batch).double().cpu().numpy())
            np.add.at(counts, sentence, 1)
    means: Array = np.divide(sums, counts, out=np.full(len(texts), np.nan), where=counts > 0)
    return means
