"""What selectors read: one state of the encoder and one class for each English training example of a task.

One row per example, so that the example is the independent unit: the mean over pieces, or one piece. Which, and which
class, is the task type's affair (`Learning.picked`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from core.encoder.batches import collate
from core.encoder.features import featurise
from core.encoder.memory import over_batches
from core.errors import DataError
from core.examples import Split
from core.heads.layers import Head
from core.heads.states import Batch, Encoder
from core.measures.transferability.task_embedding import LinearHead, fit_linear_head
from core.types.base import Learning
from core.types.pieces import Array, Features, Ints, one_each
from core.types.table import learning_of

FEWEST_OF_A_CLASS = 5
"""Examples below which a class is left out: the probe has five folds, and every part of the examples needs it."""

_BATCH_TOKENS = 8192
_PICKS = 12
"""Of the seed of what is drawn, so that it is no other draw of the same profile."""


class Picks(NamedTuple):
    """Rows that are read, and their classes."""

    features: Features
    """Pieces of the split."""
    rows: Ints
    """(n,) rows, ascending examples."""
    pieces: Ints
    """(n,) places in the flat arrays; -1: the mean over the row."""
    labels: Ints
    """(n,) classes from 0, each with `FEWEST_OF_A_CLASS` rows or more; zeros where none is asked for."""

    @property
    def reads_pieces(self) -> bool:
        """Whether single pieces are read, and not the mean of a row."""
        return bool(self.pieces[0] >= 0)


def pick(split: Split, *, encoder: Encoder, max_length: int | None, seed: int) -> Picks:
    """One row and one class per example; classes of fewer than `FEWEST_OF_A_CLASS` examples are left out.

    Args:
        split: English training examples.
        encoder: Gives the tokenizer.
        max_length: Of the protocol.
        seed: Of what is drawn.

    Raises:
        DataError: Fewer than two classes are left.
    """
    features = featurise(split, encoder=encoder, max_length=max_length)
    rng = np.random.default_rng([seed, _PICKS])
    rows, pieces, labels = learning_of(split.task.type).picked(features, rng)
    names, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    kept = (counts >= FEWEST_OF_A_CLASS)[codes]
    if (counts >= FEWEST_OF_A_CLASS).sum() < 2:
        found = f"{len(names)} classes over {len(rows)} examples"
        raise DataError(
            f"'{split.task.name}' has {found}, fewer than two of them with {FEWEST_OF_A_CLASS} examples: a selector "
            "needs two. Ask for more examples with --n."
        )
    return Picks(features, rows[kept], pieces[kept], np.unique(labels[kept], return_inverse=True)[1].ravel())


def pick_text(split: Split, *, encoder: Encoder, max_length: int | None, seed: int, pieces: bool) -> Picks:
    """One row per example, whatever its label.

    Args:
        split: Training examples of any task.
        encoder: Gives the tokenizer.
        max_length: Of the protocol.
        seed: Of what is drawn.
        pieces: Whether a random piece of the row is read, and not its mean.
    """
    features = featurise(split, encoder=encoder, max_length=max_length)
    rng = np.random.default_rng([seed, _PICKS, 1])
    rows = one_each(features.example_of, rng=rng)
    within = (rng.random(len(rows)) * features.row_lengths[rows]).astype(np.int64)
    places = features.starts[rows] + within if pieces else np.full(len(rows), -1)
    return Picks(features, rows, places, np.zeros(len(rows), dtype=np.int64))


def states(encoder: Encoder, picks: Picks) -> Array:
    """(n, hidden) float64 last states of what was picked.

    Args:
        encoder: Evaluated without dropout.
        picks: From `pick`.
    """
    out = np.zeros((len(picks.rows), encoder.hidden_size))
    encoder.model.eval()

    def compute(chosen: Ints) -> None:
        batch, places = collate(picks.features, picks.rows[chosen], encoder=encoder)
        last = encoder.model(**_inputs(batch)).last_hidden_state
        out[chosen] = _read(last, batch, _columns(picks, chosen, places)).double().cpu().numpy()

    with torch.inference_mode():
        _over_batches(encoder, picks, compute)
    return out


def class_probabilities(encoder: Encoder, picks: Picks, *, head: Head, learning: Learning) -> Array:
    """(n, classes) float64 probabilities that a trained head gives for what was picked.

    A head of rows says them of the row, a head of pieces of the picked piece, or their mean over the row.

    Args:
        encoder: That the head was trained with; evaluated without dropout.
        picks: From `pick`, of any task.
        head: Of the encoder's stage, on its device.
        learning: Of the head's task type, which chooses a label.
    """
    found: dict[int, Array] = {}
    encoder.model.eval()
    head.eval()

    def compute(chosen: Ints) -> None:
        batch, places = collate(picks.features, picks.rows[chosen], encoder=encoder)
        logits = head(encoder.model(**_inputs(batch)).last_hidden_state, batch.mask)
        shares = torch.softmax(logits.float(), dim=-1)
        if learning.reads == "pieces":
            shares = _read(shares, batch, _columns(picks, chosen, places))
        found.update(zip(chosen.tolist(), shares.double().cpu().numpy(), strict=True))

    with torch.inference_mode():
        _over_batches(encoder, picks, compute)
    return np.stack([found[i] for i in range(len(picks.rows))])


def squared_gradients(encoder: Encoder, picks: Picks) -> Array:
    """(n, layers, hidden) squared gradients of log p(class) in each layer's output, summed over the pieces of a row.

    p is that of a logistic regression fitted to the same rows on the encoder as it is.

    Args:
        encoder: Evaluated without dropout.
        picks: From `pick`.

    Raises:
        DataError: The architecture's layers cannot be differentiated.
    """
    head = _layer(fit_linear_head(states(encoder, picks), labels=picks.labels))
    out: Array | None = None
    encoder.model.eval()

    def compute(chosen: Ints) -> None:
        nonlocal out
        batch, places = collate(picks.features, picks.rows[chosen], encoder=encoder)
        found = encoder.model(**_inputs(batch), output_hidden_states=True)
        read = _read(found.last_hidden_state, batch, _columns(picks, chosen, places))
        labels = torch.from_numpy(picks.labels[chosen]).to(read.device)
        logs = torch.log_softmax(head.to(read.device)(read.float()), dim=-1)[torch.arange(len(labels)), labels]
        gradients = torch.autograd.grad(logs.sum(), found.hidden_states, allow_unused=True)
        known = [g.float().sum(dim=1).square().double().cpu().numpy() for g in gradients if g is not None]
        if not known:
            kind = encoder.model.config.model_type
            raise DataError(f"The layers of '{kind}' models give no gradient, which a task embedding needs.")
        if out is None:
            out = np.zeros((len(picks.rows), len(known), known[0].shape[-1]))
        out[chosen] = np.stack(known, axis=1)

    _over_batches(encoder, picks, compute)
    assert out is not None  # there are rows
    return out


def _layer(fitted: LinearHead) -> torch.nn.Linear:
    head = torch.nn.Linear(fitted.weights.shape[1], fitted.weights.shape[0])
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(fitted.weights))
        head.bias.copy_(torch.from_numpy(fitted.bias))
    return head


def _over_batches(encoder: Encoder, picks: Picks, compute: Callable[[Ints], None]) -> None:
    lengths = picks.features.row_lengths[picks.rows]
    over_batches(lengths, compute, batch_tokens=_BATCH_TOKENS, device=encoder.device)


def _columns(picks: Picks, chosen: Ints, places: Ints) -> Ints:
    """(rows,) column of the picked piece in the padded batch, -1 for the mean."""
    pieces = picks.pieces[chosen]
    at: Ints = np.where(pieces >= 0, np.argmax(places == pieces[:, None], axis=1), -1)
    return at


def _inputs(batch: Batch) -> dict[str, torch.Tensor]:
    found = {"input_ids": batch.ids, "attention_mask": batch.mask}
    return found if batch.types is None else found | {"token_type_ids": batch.types}


def _read(last: torch.Tensor, batch: Batch, columns: Ints) -> torch.Tensor:
    """(rows, hidden): the state of the picked piece, or the mean over real pieces."""
    if columns[0] >= 0:  # all of them, or none
        return last[torch.arange(len(last)), torch.from_numpy(columns).to(last.device)]
    weights = batch.mask.unsqueeze(-1).to(last.dtype)
    mean: torch.Tensor = (last * weights).sum(dim=1) / weights.sum(dim=1)
    return mean
