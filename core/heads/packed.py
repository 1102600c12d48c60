"""Rows one after the other without padding, and attention among the pieces of each row.

Everything in an encoder but attention looks at one piece alone, so a micro-batch needs no padding: its rows lie one
after the other as (1, pieces). Attention puts rows of similar length together, so that its products stay few and large.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from core.heads.dropout import keep, next_seed

_SHORTEST_SHARE = 0.8
"""Of the longest row in its group: shorter ones go to the next group."""
_SAVED_LENGTH = 160
"""Rows up to this length keep their attention for the backward pass; that of longer ones is computed again."""

_AT_ONCE = 2**19
"""Weights of attention that are computed at once: they stay in a core's cache, and in memory that was used before."""

Tensor = torch.Tensor
Ints = np.ndarray[Any, np.dtype[np.int64]]


class Group(NamedTuple):
    """Rows of similar length, padded among themselves."""

    rows: int
    """Number of rows."""
    length: int
    """Of the longest."""
    is_real: Tensor | None
    """(rows, 1, length) bool: no padding; None where all rows are of one length."""


@dataclass(frozen=True)
class Packing:
    """Where the rows of a packed micro-batch are."""

    groups: tuple[Group, ...]
    """In the order of `places`."""
    places: tuple[Ints, ...]
    """Of each group (rows, length): the piece; padding repeats the row's last piece."""
    n_pieces: int
    """Real ones."""
    _by_heads: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    _parts_by_heads: dict[int, tuple[_Part, ...]] = field(default_factory=dict)

    def parts(self, heads: int) -> tuple[_Part, ...]:
        """What is computed at once, for every layer and both directions the same.

        Args:
            heads: Of the attention.
        """
        if heads not in self._parts_by_heads:
            self._parts_by_heads[heads] = tuple(_parts(self.groups, heads))
        return self._parts_by_heads[heads]

    def index(self, heads: int) -> tuple[Tensor, Tensor]:
        """Where each (row, head, place) of the groups is among the (piece, head), and the way back.

        Args:
            heads: Of the attention.

        Returns:
            (padded * heads,) and (n_pieces * heads,) int64.
        """
        if heads not in self._by_heads:
            there, back, begun = [], np.zeros((self.n_pieces, heads), dtype=np.int64), 0
            for group, places in zip(self.groups, self.places, strict=True):
                grid = places[:, None, :] * heads + np.arange(heads)[None, :, None]
                mine = begun + np.arange(grid.size).reshape(grid.shape)
                real = slice(None) if group.is_real is None else group.is_real[:, 0].numpy()
                back[places[real]] = mine.transpose(0, 2, 1)[real]
                there.append(grid.reshape(-1))
                begun += grid.size
            self._by_heads[heads] = torch.from_numpy(np.concatenate(there)), torch.from_numpy(back.reshape(-1))
        return self._by_heads[heads]


def packing_of(lengths: Ints) -> Packing:
    """Rows grouped by similar length.

    Args:
        lengths: (rows,) pieces of each row, in the order in which they are packed; at least 1.
    """
    starts = np.concatenate([[0], np.cumsum(lengths)])
    order = np.argsort(-lengths, kind="stable")
    groups, places, first = [], [], 0
    while first < len(order):
        longest = int(lengths[order[first]])
        rows = order[first : first + int((lengths[order[first:]] >= _SHORTEST_SHARE * longest).sum())]
        columns = np.arange(longest)[None, :]
        real = columns < lengths[rows][:, None]
        places.append(starts[rows][:, None] + np.minimum(columns, lengths[rows][:, None] - 1))
        groups.append(Group(len(rows), longest, None if real.all() else torch.from_numpy(real[:, None, :])))
        first += len(rows)
    return Packing(tuple(groups), tuple(places), int(starts[-1]))


_PACKING: ContextVar[Packing | None] = ContextVar("packing", default=None)
_KEEPS: ContextVar[bool] = ContextVar("keeps", default=True)


@contextmanager
def packed(packing: Packing) -> Iterator[None]:
    """Inside the block attention reads a packed micro-batch.

    Args:
        packing: Where its rows are.
    """
    token = _PACKING.set(packing)
    try:
        yield
    finally:
        _PACKING.reset(token)


def present_packing() -> Packing | None:
    """That of the `packed` block around the call."""
    return _PACKING.get()


@contextmanager
def keeping_no_weights() -> Iterator[None]:
    """Inside the block attention keeps no weights for the backward pass, which computes them again."""
    token = _KEEPS.set(False)
    try:
        yield
    finally:
        _KEEPS.reset(token)


class Scores(NamedTuple):
    """How a layer computes its attention."""

    scale: float
    """Of the products."""
    dropout: float
    """Of the weights, in [0, 1)."""
    window: int | None
    """Pieces that are so far apart or farther do not see each other; None: all do."""


def packed_attention(query: Tensor, key: Tensor, value: Tensor, *, packing: Packing, scores: Scores) -> Tensor:
    """Attention among the pieces of each row.

    Args:
        query: (1, heads, pieces, width).
        key: The same shape.
        value: The same shape.
        packing: Where the rows are.
        scores: How.

    Returns:
        (1, pieces, heads, width).
    """
    q, k, v = (t[0].transpose(0, 1) for t in (query, key, value))
    out: Tensor = _Attention.apply(q, k, v, packing, scores)  # type: ignore[no-untyped-call]
    return out[None]


class _Attention(torch.autograd.Function):
    """One node of the graph for all groups of a layer."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401  torch's, untyped
        query: Tensor,
        key: Tensor,
        value: Tensor,
        packing: Packing,
        scores: Scores,
    ) -> Tensor:
        _, heads, width = query.shape
        there, back = packing.index(heads)
        q, k, v = (t.reshape(-1, width).index_select(0, there) for t in (query, key, value))
        parts = packing.parts(heads)
        seeds = [next_seed() if scores.dropout else 0 for _ in parts]
        out, kept, are_kept = torch.empty_like(q), [], any(ctx.needs_input_grad) and _KEEPS.get()
        for part, seed in zip(parts, seeds, strict=True):
            found = _weights(part.of(q), part.of(k), part=part, scores=scores, seed=seed)
            torch.bmm(_dropped(*found), part.of(v), out=part.of(out))
            kept.append(found if are_kept and part.length <= _SAVED_LENGTH else None)
        ctx.settings, ctx.kept = (packing, scores, heads, seeds), kept
        ctx.save_for_backward(q, k, v)
        return out.index_select(0, back).view(query.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401  torch's, untyped
        (q, k, v), (packing, scores, heads, seeds) = ctx.saved_tensors, ctx.settings
        there, back = packing.index(heads)
        gradient = gradients[0].reshape(-1, q.shape[1]).index_select(0, there)
        to_q, to_k, to_v = (torch.empty_like(t) for t in (q, k, v))
        for part, seed, kept in zip(packing.parts(heads), seeds, ctx.kept, strict=True):
            weights, factors = kept or _weights(part.of(q), part.of(k), part=part, scores=scores, seed=seed)
            mine = part.of(gradient)
            if part.is_padding is not None:  # padding repeats a piece: its gradient is nobody's
                mine.masked_fill_(part.is_padding.transpose(1, 2), 0.0)
            torch.bmm(_dropped(weights, factors).transpose(1, 2), mine, out=part.of(to_v))
            to_weights = torch.bmm(mine, part.of(v).transpose(1, 2))
            if factors is not None:
                to_weights *= factors
            to_scores = torch._softmax_backward_data(to_weights, weights, -1, weights.dtype).mul_(scores.scale)
            torch.bmm(to_scores, part.of(k), out=part.of(to_q))
            torch.bmm(to_scores.transpose(1, 2), part.of(q), out=part.of(to_k))
        back_in = (t.index_select(0, back).view(gradients[0].shape) for t in (to_q, to_k, to_v))
        return *back_in, None, None


class _Part(NamedTuple):
    """Some (row, head) of a group, whose attention is computed at once."""

    begin: int
    """First place in a flat tensor (padded * heads, width)."""
    n: int
    """Number of (row, head)."""
    length: int
    """Of each, padded."""
    is_padding: Tensor | None
    """(n, 1, length) bool; None where there is none."""

    def of(self, flat: Tensor) -> Tensor:
        """(n, length, width) of a flat tensor, which it shares."""
        return flat[self.begin : self.begin + self.n * self.length].view(self.n, self.length, flat.shape[1])


def _parts(groups: tuple[Group, ...], heads: int) -> Iterator[_Part]:
    begun = 0
    for rows, length, is_real in groups:
        n, most = rows * heads, max(1, _AT_ONCE // length**2)
        padding = None if is_real is None else (~is_real).repeat_interleave(heads, dim=0)
        for first in range(0, n, most):
            some = min(most, n - first)
            yield _Part(
                begun + first * length, some, length, None if padding is None else padding[first : first + some]
            )
        begun += n * length


def _weights(query: Tensor, key: Tensor, *, part: _Part, scores: Scores, seed: int) -> tuple[Tensor, Tensor | None]:
    """Attention of a part before dropout, (n, length, length), and the factors of dropout."""
    found = torch.bmm(query, key.transpose(1, 2)).mul_(scores.scale)
    lowest = torch.finfo(found.dtype).min  # finite, because a place of padding may see nothing, and nothing reads it
    if part.is_padding is not None:
        found.masked_fill_(part.is_padding, lowest)
    if scores.window is not None and part.length > scores.window:
        places = torch.arange(part.length)
        found.masked_fill_((places[:, None] - places).abs() >= scores.window, lowest)
    wide = torch.promote_types(query.dtype, torch.float32)
    weights = torch.softmax(found, -1, dtype=wide).to(query.dtype)
    if not scores.dropout:
        return weights, None
    return weights, keep(weights.shape, rate=scores.dropout, dtype=weights.dtype, seed=seed)


def _dropped(weights: Tensor, factors: Tensor | None) -> Tensor:
    return weights if factors is None else weights * factors
