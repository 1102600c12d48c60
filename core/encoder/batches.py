"""Which items an optimiser step consumes, how they are split into micro-batches, and how those become tensors.

The order of epoch e depends on (seed, e) alone and step s consumes the items s·B … (s+1)·B - 1 of the endless stream
of epochs, so a training can go on at any step without having seen the ones before.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from core.heads.states import Batch, Encoder
from core.types.pieces import IGNORED, Features, Ints


@lru_cache(maxsize=4)
def epoch_order(n_items: int, *, seed: int, epoch: int) -> Ints:
    """A permutation of the items, (n_items,) int64, read-only.

    Args:
        n_items: At least 1.
        seed: Of the stage.
        epoch: From 0.
    """
    order = np.random.default_rng([seed, epoch]).permutation(n_items)
    order.setflags(write=False)
    return order


def step_items(n_items: int, *, seed: int, step: int, batch_size: int) -> Ints:
    """Items of one optimiser step, exactly `batch_size` of them; a batch may span two epochs.

    Args:
        n_items: Items of an epoch.
        seed: Of the stage.
        step: From 0.
        batch_size: Items per step.
    """
    places = np.arange(step * batch_size, (step + 1) * batch_size)
    parts = [
        epoch_order(n_items, seed=seed, epoch=int(epoch))[places[places // n_items == epoch] % n_items]
        for epoch in np.unique(places // n_items)
    ]
    return np.concatenate(parts)


def packed_batches(items: Ints, *, features: Features, batch_tokens: int) -> list[Ints]:
    """Items split into as few groups as the budget allows, of about as many pieces each, similar lengths together.

    Args:
        items: (n,) indices.
        features: Give the lengths.
        batch_tokens: Most pieces in a group; a single item that is larger is a group of its own.
    """
    order = items[np.argsort(features.item_lengths[items], kind="stable")]
    pieces = (features.starts[features.item_starts[order + 1]] - features.starts[features.item_starts[order]]).tolist()
    n_groups = -(-sum(pieces) // batch_tokens)
    most = max(sum(pieces) / n_groups, *pieces)
    groups: list[list[int]] = [[]]
    held = 0
    for item, size in zip(order.tolist(), pieces, strict=True):
        if groups[-1] and (held + size > batch_tokens or held + size / 2 > most):
            groups.append([])
            held = 0
        groups[-1].append(item)
        held += size
    return [np.array(group, dtype=np.int64) for group in groups]


def micro_batches(items: Ints, *, features: Features, batch_tokens: int, overhead_tokens: int) -> list[Ints]:
    """Items split into groups of similar length with the fewest padded tokens.

    Sorted by length, then cut by dynamic programming: the cost of a group is its rows times its longest row plus a
    constant for starting it. A single item that is larger than the budget is a group of its own.

    Args:
        items: (n,) indices.
        features: Give the lengths.
        batch_tokens: Most tokens, padding included, in a group.
        overhead_tokens: What starting a group costs, in tokens.
    """
    lengths = features.item_lengths[items]
    order = np.argsort(lengths, kind="stable")
    rows = (features.item_starts[items + 1] - features.item_starts[items])[order]
    longest, total = lengths[order], np.concatenate([[0], np.cumsum(rows)])
    cost = np.full(len(items) + 1, np.inf)
    cost[0], cut = 0.0, np.zeros(len(items) + 1, dtype=np.int64)
    for end in range(1, len(items) + 1):
        size = (total[end] - total[:end]) * longest[end - 1]
        allowed = np.where((size <= batch_tokens) | (np.arange(end) == end - 1), size + overhead_tokens, np.inf)
        cut[end] = int(np.argmin(cost[:end] + allowed))
        cost[end] = (cost[:end] + allowed)[cut[end]]
    groups, end = [], len(items)
    while end:
        groups.append(items[order[cut[end] : end]])
        end = int(cut[end])
    return groups[::-1]


def sorted_batches(lengths: Ints, *, batch_tokens: int) -> Iterator[Ints]:
    """Rows of similar length for inference, longest first, so that running out of memory shows at once.

    Args:
        lengths: (n,) pieces.
        batch_tokens: Most tokens, padding included.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, batch_tokens // int(lengths[order[start]]))
        yield order[start : start + size]
        start += size


def collate(features: Features, rows: Ints, *, encoder: Encoder) -> tuple[Batch, Ints]:
    """Padded tensors of some rows without targets, and where each piece came from.

    Args:
        features: Where the rows are.
        rows: (n,) indices.
        encoder: Gives padding and device.

    Returns:
        The batch, and (n, tokens) int64 indices into the flat arrays, -1 at padding.
    """
    lengths = features.row_lengths[rows]
    width = int(lengths.max())
    columns = np.arange(width)[None, :]
    if encoder.pads_left:
        columns = columns - (width - lengths)[:, None]
    real = (columns >= 0) & (columns < lengths[:, None])
    places = np.where(real, features.starts[rows][:, None] + columns, -1)
    ids = np.where(real, features.ids[places], encoder.tokenizer.pad_token_id)
    types = None
    if features.types is not None:
        types = _tensor(np.where(real, features.types[places], encoder.tokenizer.pad_token_type_id), encoder)
    batch = Batch(
        ids=_tensor(ids, encoder),
        mask=_tensor(real, encoder),
        types=types,
        targets=None,
        weight=float(len(rows)),
        is_padded=not bool(real.all()),
        frozen=None if features.states is None else torch.from_numpy(features.states[places]).to(encoder.device),
    )
    return batch, places


def training_batch(features: Features, items: Ints, *, encoder: Encoder) -> Batch:
    """Padded tensors of some items with their targets.

    Args:
        features: Where the items are.
        items: (n,) indices.
        encoder: Gives padding and device.
    """
    batch, places = collate(features, rows_of(features, items), encoder=encoder)
    if features.targets_on == "pieces":
        targets = np.where(places >= 0, features.targets[places], IGNORED)
        return batch._replace(targets=_tensor(targets, encoder), weight=float((targets != IGNORED).sum()))
    targets = features.targets[items]
    if features.targets_on == "places" and encoder.pads_left:
        targets = targets + (places < 0).sum(axis=1)[:, None]  # padding moves the pieces that they point at
    return batch._replace(targets=torch.from_numpy(targets).to(encoder.device), weight=float(len(items)))


def rows_of(features: Features, items: Ints) -> Ints:
    """Rows of some items, in order.

    Args:
        features: Where the items are.
        items: (n,) indices.
    """
    counts = features.item_starts[items + 1] - features.item_starts[items]
    if len(counts) and int(counts.max()) == 1:
        first: Ints = features.item_starts[items]
        return first
    return np.concatenate([np.arange(features.item_starts[i], features.item_starts[i + 1]) for i in items])


def _tensor(values: Any, encoder: Encoder) -> torch.Tensor:  # noqa: ANN401  any numpy array
    return torch.from_numpy(values.astype(np.int64)).to(encoder.device)
