"""Whether an encoder can read rows packed without padding; found by trying.

Our attention is registered with transformers. It reads a packed micro-batch inside `core.heads.packed.packed`, and is
transformers' own for everything else. An architecture that computes its attention otherwise, or counts positions in a
way that is not known here, gives other states when it is tried, and stays with padding.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from core.heads.packed import Scores, packed, packed_attention, packing_of, present_packing

NAME = "packed"
"""Of our attention in transformers' table."""
_PROBED = (5, 1, 200)
"""Lengths of the rows that are tried; one is longer than most windows of local attention."""
_TOLERANCE = 1e-4
"""Of states that are about 1, and sums in another order."""
_REFUSALS = (TypeError, ValueError, RuntimeError, IndexError, AttributeError, NotImplementedError)
"""What architectures raise that count positions or attend otherwise."""


def _attention(
    module: Any,  # noqa: ANN401  signature of transformers' table
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **how: Any,  # noqa: ANN401
) -> tuple[torch.Tensor, None]:
    packing = present_packing()
    if packing is None:
        found: tuple[torch.Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **how)
        return found
    scale = how.get("scaling")
    scores = Scores(
        scale=query.shape[-1] ** -0.5 if scale is None else scale,
        dropout=how.get("dropout", 0.0),
        window=how.get("sliding_window"),
    )
    return packed_attention(query, key, value, packing=packing, scores=scores), None


@cache
def register() -> None:
    """Put our attention into transformers' table: for a process that is given a model which uses it."""
    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def first_position(model: Any) -> int | None:  # noqa: ANN401  untyped third party
    """Let a model on the CPU read packed rows, if its states are the same then.

    Args:
        model: transformers' base model, with its weights; its attention is ours afterwards where rows can be packed.

    Returns:
        Position of the first piece of a row; None: its rows need padding.
    """
    register()
    before, was_training = model.config._attn_implementation, model.training
    model.eval()
    try:
        with torch.inference_mode():
            found = _tried(model)
    finally:
        model.train(was_training)
    if found is None:
        model.set_attn_implementation(before)
    return found


def _tried(model: Any) -> int | None:  # noqa: ANN401
    embeddings = model.get_input_embeddings()
    rng, longest = np.random.default_rng(0), getattr(model.config, "max_position_embeddings", None) or max(_PROBED)
    lengths = np.minimum(np.array(_PROBED, dtype=np.int64), max(1, longest - 8))
    ids = torch.from_numpy(rng.integers(0, embeddings.num_embeddings, (len(lengths), int(lengths.max()))))
    ids[ids == embeddings.padding_idx] = 0 if embeddings.padding_idx else 1
    mask = torch.arange(ids.shape[1])[None, :] < torch.from_numpy(lengths)[:, None]
    padded_ids = ids.masked_fill(~mask, embeddings.padding_idx or 0)
    try:
        padded = model(input_ids=padded_ids, attention_mask=mask.long()).last_hidden_state[mask]
    except _REFUSALS:  # a text that it does not take, such as one that is no whole number of blocks
        return None
    model.set_attn_implementation(NAME)
    if model.config._attn_implementation != NAME:
        return None
    places = torch.from_numpy(np.concatenate([np.arange(n) for n in lengths]))[None]
    for offset in sorted({0, (embeddings.padding_idx or 0) + 1}):
        try:
            with packed(packing_of(lengths)):
                flat = model(input_ids=ids[mask][None], position_ids=places + offset).last_hidden_state[0]
        except _REFUSALS:
            continue
        if flat.shape == padded.shape and bool((flat - padded).abs().max() <= _TOLERANCE * padded.abs().max()):
            return offset
    return None
