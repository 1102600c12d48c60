"""What a trained model says of the gold labels: log-probability of each example, and what it says without the input.

A decision is what one label says: an example, or a word of a tagged sentence. Probabilities are those that training
minimises the loss of. To add a task type: a case in `gold_nats`, one in `uniform_nats`, one in `blanked` if its answer
lies on positions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812  the name everybody reads

from core.encoder.batches import sorted_batches, training_batch
from core.encoder.features import Array, Features
from core.encoder.heads import IGNORED, Batch, Head, encode
from core.encoder.loading import Encoder
from core.encoder.predicting import INFERENCE_TOKENS
from core.spec.task import TaskType

ON_POSITIONS = frozenset({TaskType.TAGGING, TaskType.SPAN_QA})
"""Types whose answer is read off positions of the input: without any position there would be nothing to say."""


class Likelihoods(NamedTuple):
    """What a model says of the gold labels of a split."""

    nats: Array
    """(n_examples,) float64 log-probability of everything that the example's label says; for regression the squared
    error of the value scaled to [0, 1]: `measures.difficulty.gaussian_nats` makes it a density."""
    decisions: Array
    """(n_examples,) float64 number of decisions: words that are read (tagging), else 1."""


def gold_nats(encoder: Encoder, head: Head, *, features: Features, kind: TaskType) -> Likelihoods:
    """Log-probability of the gold label of every example.

    A passage that is read in several windows counts in the first one that holds the answer, or in its first window
    where none does.

    Args:
        encoder: Evaluated without dropout.
        head: Of the task.
        features: Of the split, with targets.
    """
    encoder.model.eval()
    head.eval()
    device = encoder.device
    by_item = np.zeros(features.n_items)
    sizes = features.item_lengths * np.diff(features.item_starts)
    budget = INFERENCE_TOKENS.get(device.type, 8192)
    with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        for items in sorted_batches(sizes, batch_tokens=budget):
            batch = training_batch(features, items, encoder=encoder)
            logits = head(encode(encoder, batch), batch.mask).float()
            by_item[items] = _of_batch(kind, logits, batch).double().cpu().numpy()
    first, n = features.item_starts[:-1], int(features.example_of.max()) + 1
    owner = features.example_of[first]
    if kind is not TaskType.SPAN_QA:
        return Likelihoods(np.bincount(owner, weights=by_item, minlength=n), _decisions(features, owner=owner, n=n))
    return Likelihoods(by_item[_answering(features, owner=owner, n=n)], np.ones(n))


def _of_batch(kind: TaskType, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """(items,) log-probability of each item; the squared error for regression."""
    targets = batch.targets
    assert targets is not None  # training batches are always built with them
    match kind:
        case TaskType.TAGGING:
            losses = F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=IGNORED, reduction="none")
            return -losses.sum(dim=1)
        case TaskType.SPAN_QA:
            logits = logits.masked_fill(batch.mask.unsqueeze(-1) == 0, -1e4)
            return -F.cross_entropy(logits, targets, reduction="none").sum(dim=1)
        case TaskType.REGRESSION:
            return (logits.squeeze(-1) - targets) ** 2
        case TaskType.MULTILABEL:
            return -F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(dim=1)
        case TaskType.MULTIPLE_CHOICE:
            return -F.cross_entropy(logits.view(len(targets), -1), targets, reduction="none")
        case _:
            return -F.cross_entropy(logits, targets, reduction="none")


def _decisions(features: Features, *, owner: Array, n: int) -> Array:
    if not features.labelled:
        return np.ones(n)
    read = np.add.reduceat((features.targets != IGNORED).astype(np.float64), features.starts[:-1])
    return np.bincount(owner, weights=read, minlength=n)


def _answering(features: Features, *, owner: Array, n: int) -> Array:
    """(n,) the window of each example that its answer is looked for in."""
    assert features.positions is not None  # span features always have them
    begins = features.starts[:-1] + features.targets[:, 0]
    inside = features.positions[begins, 0] >= 0
    window = np.full(n, -1, dtype=np.int64)
    for wanted in (inside, ~inside):
        rows = np.flatnonzero(wanted & (window[owner] < 0))[::-1]
        window[owner[rows]] = rows  # reversed: the first window of an example is written last
    return window


def uniform_nats(features: Features, *, kind: TaskType, n_labels: int) -> Likelihoods:
    """Log-probability of the gold labels under the uniform code: what is said before anything was learned.

    Uniform over labels; over choices; over the pieces of the window, once for the start and once for the end; density
    1 over the score range.

    Args:
        features: Of the split.
        n_labels: Labels of the task; ignored where the type has none.
    """
    owner, n = features.example_of[features.item_starts[:-1]], int(features.example_of.max()) + 1
    decisions = _decisions(features, owner=owner, n=n)
    match kind:
        case TaskType.SPAN_QA:
            rows = features.row_lengths[_answering(features, owner=owner, n=n)]
            return Likelihoods(-2 * np.log(rows), decisions)
        case TaskType.REGRESSION:
            return Likelihoods(np.zeros(n), decisions)
        case TaskType.MULTILABEL:
            return Likelihoods(np.full(n, -n_labels * np.log(2)), decisions)
        case TaskType.MULTIPLE_CHOICE:
            return Likelihoods(-np.log(np.diff(features.item_starts).astype(np.float64)), decisions)
        case _:
            return Likelihoods(-np.log(n_labels) * decisions, decisions)


def blanked(features: Features, *, encoder: Encoder, kind: TaskType) -> Features:
    """The input taken away: only the special pieces are left; every other one is masked where answers are positions.

    What can be said from length and position alone then counts as said without the input.

    Args:
        features: Of a split; its targets stay.
        encoder: Gives the special pieces.
    """
    tokenizer = encoder.tokenizer
    mask = tokenizer.mask_token_id if tokenizer.mask_token_id is not None else tokenizer.unk_token_id
    special = [tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id]
    is_special = np.isin(features.ids, [i for i in special if i is not None])
    if kind in ON_POSITIONS:
        return replace(features, ids=np.where(is_special, features.ids, mask).astype(features.ids.dtype))
    kept = np.add.reduceat(is_special.astype(np.int64), features.starts[:-1])
    return replace(
        features,
        ids=features.ids[is_special],
        types=None if features.types is None else features.types[is_special],
        starts=np.concatenate([[0], np.cumsum(kept)]).astype(np.int64),
    )
