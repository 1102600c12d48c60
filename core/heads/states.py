"""A loaded encoder as heads see it, its micro-batches, and the vectors that stand for a whole input."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from core.heads.frozen import FrozenPart
from core.heads.packed import packed, packing_of


@dataclass
class Encoder:
    """A base model with its tokenizer and what our heads must know of its architecture."""

    model: Any
    """transformers' base model (no head, no pooler where it can be left out); `Any`: the Auto classes are untyped."""
    tokenizer: Any
    """Fast tokenizer with character offsets."""
    summary: Literal["first", "last"]
    """Which real token stands for the whole input."""
    heads_read: Literal["summary", "mean"]
    """What our sentence-level heads read: the summary token, or the mean over real tokens."""
    takes_types: bool
    """Whether segment ids are an input."""
    max_length: int
    """Longest input in pieces, specials included."""
    frozen: FrozenPart | None = None
    """Its lower part where that is not trained."""
    first_position: int | None = None
    """Of a row's first piece where rows can be packed on the CPU; None: they need padding."""
    precision: Literal["bf16", "fp16", "fp32"] = "fp32"
    """What products are computed in."""

    def train(self, on: bool) -> None:  # noqa: FBT001  mirrors nn.Module.train
        """Set the model to training or evaluation; a frozen part always evaluates."""
        self.model.train(on)
        if self.frozen is not None:
            self.frozen.rest()

    @property
    def hidden_size(self) -> int:
        """Width of the states."""
        return int(self.model.config.hidden_size)

    @property
    def pads_left(self) -> bool:
        """Whether padding goes before the text (XLNet)."""
        return str(self.tokenizer.padding_side) == "left"

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        found: torch.device = next(iter(self.model.parameters())).device
        return found


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
    frozen: torch.Tensor | None = None
    """(rows, tokens, hidden) float32 states of the encoder's frozen part, or None: they are computed."""


def encode(encoder: Encoder, batch: Batch) -> torch.Tensor:
    """Last states of a micro-batch, (rows, tokens, hidden).

    Args:
        encoder: Its model runs in whatever mode it is in.
        batch: Input.
    """
    with inputs_of(encoder, batch) as rows:
        states: torch.Tensor = encoder.model(**rows.inputs).last_hidden_state
    return rows.padded(states)


@dataclass(frozen=True)
class Rows:
    """A micro-batch as the model is given it: packed on the CPU where the architecture allows it, else padded."""

    inputs: dict[str, torch.Tensor]
    """Arguments of the model."""
    mask: torch.Tensor | None
    """(rows, tokens) bool of the real tokens where the rows are packed."""

    def flat(self, places: torch.Tensor) -> torch.Tensor:
        """Chosen places among what the model reads, of the shape of its ids.

        Args:
            places: (rows, tokens) bool.
        """
        return places if self.mask is None else places[self.mask][None]

    def padded(self, states: torch.Tensor) -> torch.Tensor:
        """States by row, (rows, tokens, hidden), zeros at padding where the rows were packed.

        Args:
            states: Of the model.
        """
        if self.mask is None:
            return states
        if states.shape[1] == self.mask.numel():
            return states.view(*self.mask.shape, -1)
        out = states.new_zeros(*self.mask.shape, states.shape[-1])
        out[self.mask] = states[0]
        return out


def packs(encoder: Encoder) -> bool:
    """Whether the encoder reads rows without padding where it is."""
    return encoder.first_position is not None and encoder.device.type == "cpu"


@contextmanager
def inputs_of(encoder: Encoder, batch: Batch) -> Iterator[Rows]:
    """Inside the block the model can be called on a micro-batch.

    Args:
        encoder: Whose model it is.
        batch: Input.
    """
    if not packs(encoder):
        inputs = {"input_ids": batch.ids}
        if batch.is_padded:
            inputs["attention_mask"] = batch.mask
        if batch.types is not None:
            inputs["token_type_ids"] = batch.types
        with _given(encoder, batch.frozen):
            yield Rows(inputs, mask=None)
        return
    mask = batch.mask.bool()
    lengths = mask.sum(dim=1).numpy()
    places = np.concatenate([np.arange(n) for n in lengths]) + encoder.first_position
    inputs = {"input_ids": batch.ids[mask][None], "position_ids": torch.from_numpy(places)[None]}
    if batch.types is not None:
        inputs["token_type_ids"] = batch.types[mask][None]
    states = None if batch.frozen is None else batch.frozen[mask][None]
    with packed(packing_of(lengths)), _given(encoder, states):
        yield Rows(inputs, mask=mask)


def _given(encoder: Encoder, states: torch.Tensor | None) -> AbstractContextManager[None]:
    """Inside the block the frozen part gives known states, if there are any."""
    return nullcontext() if states is None or encoder.frozen is None else encoder.frozen.given(states)


def mean_of_tokens(states: torch.Tensor, *, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the real tokens, (rows, hidden).

    Args:
        states: (rows, tokens, hidden).
        mask: (rows, tokens), 1 for real tokens.
    """
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)


def summary_index(mask: torch.Tensor, *, summary: str) -> torch.Tensor:
    """Place of the summary token of each row, (rows,) int64, whichever side is padded.

    Args:
        mask: (rows, tokens), 1 for real tokens.
        summary: `first` or `last` real token.
    """
    if summary == "first":
        return mask.argmax(dim=1)
    return mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)
