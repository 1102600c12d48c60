"""Encoder and head to predictions per example: the same code scores English development data and every language."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from core.data.records import ChoiceExample, SpanExample, Split, TaggedExample
from core.encoder.batches import collate, sorted_batches
from core.encoder.features import Array, Features
from core.encoder.heads import Head, encode
from core.encoder.loading import Encoder
from core.spec.task import TaskType

N_BEST = 20
"""Starts and ends that are combined in each window (the official SQuAD baseline's figure)."""
MAX_ANSWER_PIECES = 30
"""Longest answer, in pieces (the same source)."""
INFERENCE_TOKENS = {"cpu": 4096, "cuda": 65536}
"""Tokens with padding that go through the model at once when no gradient is kept."""

Prediction = int | float | str | tuple[int, ...]
"""A label id, a value, an answer, or label ids (one a word; or those that hold)."""


def predict(encoder: Encoder, head: Head, *, features: Features, split: Split) -> list[Prediction]:
    """One prediction per example of a split, in its order.

    Args:
        encoder: Evaluated without dropout.
        head: Of the split's task.
        features: Of `featurise` for the same split.
        split: What is predicted; its labels are not read.
    """
    raw = _forward(encoder, head, features=features, kind=split.task.type)
    match split.task.type:
        case TaskType.TAGGING:
            return _tags(raw, features=features, split=split)
        case TaskType.SPAN_QA:
            return _answers(raw, features=features, split=split, encoder=encoder)
        case TaskType.MULTIPLE_CHOICE:
            first = split.examples[0]
            assert isinstance(first, ChoiceExample)  # a split holds the records of its task's type
            return [int(i) for i in raw.reshape(-1, len(first.choices)).argmax(axis=1)]
        case TaskType.MULTILABEL:
            return [tuple(int(i) for i in np.flatnonzero(row > 0)) for row in raw]
        case TaskType.REGRESSION:
            low, high = split.task.score_range or (0.0, 1.0)
            return [float(low + v * (high - low)) for v in raw[:, 0]]
        case _:
            return [int(i) for i in raw.argmax(axis=1)]


def label_scores(encoder: Encoder, head: Head, *, features: Features, split: Split) -> Array:
    """Logits per row, (n_rows, outputs) float32: for metrics that rank the labels of an example.

    Args:
        encoder: Evaluated without dropout.
        head: A `SummaryHead`.
        features: Of the split.
        split: What is predicted.
    """
    return _forward(encoder, head, features=features, kind=split.task.type)


def _forward(encoder: Encoder, head: Head, *, features: Features, kind: TaskType) -> Array:
    """Logits by row; by piece for tagging (the best label's id) and span QA (start and end)."""
    out: Array | None = None
    encoder.model.eval()
    head.eval()
    device = encoder.device
    budget = INFERENCE_TOKENS.get(device.type, 8192)
    with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        for rows in sorted_batches(features.row_lengths, batch_tokens=budget):
            batch, places = collate(features, rows, encoder=encoder)
            logits = head(encode(encoder, batch), batch.mask).float()
            if kind is TaskType.TAGGING:
                values, where = logits.argmax(dim=-1).int().cpu().numpy(), places
            else:
                values, where = logits.cpu().numpy(), places if kind is TaskType.SPAN_QA else rows
            if out is None:
                size = len(features.ids) if where is places else len(features.example_of)
                out = np.zeros((size, *values.shape[where.ndim :]), dtype=values.dtype)
            out[where[where >= 0]] = values[where >= 0]
    assert out is not None  # featurise refuses empty splits
    return out


def _tags(raw: Array, *, features: Features, split: Split) -> list[Prediction]:
    """A tag per word; a word of which the tokenizer leaves nothing gets `O`, or the first label where there is none."""
    assert features.positions is not None  # tagging features always have them
    filler = split.labels.index("O") if "O" in split.labels else 0
    sizes = [len(e.words) for e in split.examples if isinstance(e, TaggedExample)]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    flat = np.full(starts[-1], filler, dtype=np.int64)
    pieces = np.flatnonzero(features.positions >= 0)
    owner = np.repeat(features.example_of, features.row_lengths)[pieces]
    flat[starts[owner] + features.positions[pieces]] = raw[pieces]
    return [tuple(int(t) for t in flat[a:b]) for a, b in zip(starts[:-1], starts[1:], strict=True)]


def _answers(raw: Array, *, features: Features, split: Split, encoder: Encoder) -> list[Prediction]:
    best: list[tuple[float, str]] = [(-np.inf, "")] * len(split.examples)
    nothing = np.full(len(split.examples), np.inf)
    for row, owner in enumerate(features.example_of):
        piece = slice(int(features.starts[row]), int(features.starts[row + 1]))
        logits, places = raw[piece], _positions(features)[piece]
        summary = logits[0 if encoder.summary == "first" else -1]
        nothing[owner] = min(nothing[owner], float(summary.sum()))
        span = best_span(logits, usable=places[:, 0] >= 0)
        if span is not None and span[0] > best[owner][0]:
            example = split.examples[owner]
            assert isinstance(example, SpanExample)  # a split holds the records of its task's type
            best[owner] = (span[0], example.context[places[span[1], 0] : places[span[2], 1] + 1])
    may_be_empty = split.task.has_no_answer
    return ["" if may_be_empty and nothing[i] > score else text for i, (score, text) in enumerate(best)]


def best_span(logits: Array, *, usable: Array) -> tuple[float, int, int] | None:
    """Score, first and last piece of the best span of one window; None where the window holds no passage.

    Args:
        logits: (n_pieces, 2) of start and end.
        usable: (n_pieces,) bool, whether a piece is of the passage.
    """
    pieces = np.flatnonzero(usable)
    if not len(pieces):
        return None
    starts = pieces[np.argsort(-logits[pieces, 0], kind="stable")[:N_BEST]]
    ends = pieces[np.argsort(-logits[pieces, 1], kind="stable")[:N_BEST]]
    size = ends[None, :] - starts[:, None] + 1
    scores = np.where(
        (size >= 1) & (size <= MAX_ANSWER_PIECES), logits[starts, 0][:, None] + logits[ends, 1][None, :], -np.inf
    )
    i, j = np.unravel_index(int(np.argmax(scores)), scores.shape)
    if not np.isfinite(scores[i, j]):
        return None
    return float(scores[i, j]), int(starts[i]), int(ends[j])


def _positions(features: Features) -> Array:
    assert features.positions is not None  # span features always have them
    return features.positions


def as_text(prediction: Prediction, *, labels: Sequence[str]) -> str:
    """A prediction as it is stored: label names joined by spaces, a number, or the answer.

    Args:
        prediction: Of `predict`.
        labels: Label names in id order; empty for choices, values and answers.
    """
    if isinstance(prediction, tuple):
        return " ".join(labels[i] for i in prediction)
    if isinstance(prediction, int) and labels:
        return labels[prediction]
    return f"{prediction:.6g}" if isinstance(prediction, float) else str(prediction)
