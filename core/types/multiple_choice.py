"""Multiple choice: one of several candidate texts.

One example: text "She opens the door and", choices "enters.", "sings it.", label 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.errors import DataError
from core.examples import Split
from core.measures.difficulty.log_probabilities import LogProbabilities
from core.measures.metrics import labels as metrics
from core.spec.task import Metric, TaskSpec
from core.types import base
from core.types.columns import UNLABELLED, Read, Rows, Values, cells_of, column_of, ids_of, text_of, wrong
from core.types.floors import commonest
from core.types.pieces import Array, Features, Ints, RowCollector, chunks, only_specials, tokenise

if TYPE_CHECKING:
    import torch

    from core.heads.layers import Head
    from core.heads.states import Batch, Encoder


class ChoiceExample(NamedTuple):
    """A text with several continuations or answers, one of them right."""

    id: str
    text: str
    choices: tuple[str, ...]
    label: int
    """Index into `choices`."""


def _read(rows: Rows) -> Read:
    ids, texts, raw = ids_of(rows), text_of(rows, "text"), column_of(rows, "label")
    choices = _choices(rows)
    keys = cells_of(rows, rows.columns.choice_keys) if rows.columns.choice_keys else [None] * len(ids)
    found = []
    for i, t, cs, ks, label in zip(ids, texts, choices, keys, raw, strict=True):
        if label in UNLABELLED:
            continue
        index = _index(rows, label, keys=ks, n=len(cs))
        found.append(ChoiceExample(i, t, tuple(map(str, cs)), index))
    return Read(tuple(found), unlabelled=len(ids) - len(found))


def _index(rows: Rows, label: Any, *, keys: Values | None, n: int) -> int:  # noqa: ANN401  # a stranger's cell
    values = tuple(map(str, keys)) if keys else tuple(map(str, rows.label_values))
    if values:
        index = values.index(str(label)) if str(label) in values else -1
    else:
        index = int(label) if str(label).isdecimal() else -1
    if not 0 <= index < n:
        expected = f"one of {', '.join(values)}" if values else f"an index from 0 to {n - 1}"
        raise wrong(rows, f"column '{rows.columns.label}' holds {label!r} for {n} choices", expected)
    return index


def _choices(rows: Rows) -> list[Values]:
    named = rows.columns.choices or ()
    if isinstance(named, str):
        return list(cells_of(rows, named))
    return [list(row) for row in zip(*(cells_of(rows, name) for name in named), strict=True)]


def _text(example: ChoiceExample) -> str:
    return base.joined(example.text, *example.choices)


def _known_text(example: ChoiceExample) -> str:
    return example.text


def _label_names(example: ChoiceExample, names: Sequence[str]) -> list[str]:
    del names
    return [str(example.label)]


def _placeholder(examples: Sequence[ChoiceExample], task: TaskSpec) -> str | None:
    return base.one_value_alone([e.label for e in examples], n=len(examples), task=task)


def _featurise(split: Split, encoder: Encoder, limit: int) -> Features:
    """One row per choice, one item per question."""
    rows = RowCollector()
    examples = base.records(split, ChoiceExample)
    counts = {len(e.choices) for e in examples}
    if len(counts) != 1:
        raise DataError(f"Task '{split.task.name}': examples have {sorted(counts)} choices; expected one number.")
    for start, chunk in chunks(examples):
        flat = [(start + i, e.text, c) for i, e in enumerate(chunk) for c in e.choices]
        encoded = tokenise(encoder, [t for _, t, _ in flat], second=[c for _, _, c in flat], limit=limit)
        rows.add(encoded, examples=[i for i, _, _ in flat], takes_types=encoder.takes_types)
    labels = np.asarray([e.label for e in examples], dtype=np.int64)
    return rows.finish(labels, rows_per_item=[counts.pop()] * len(examples))


def _head(encoder: Encoder, n_labels: int, dropout: float | None) -> Head:
    from core.heads.layers import summary_head  # noqa: PLC0415  torch, only where a model is

    del n_labels
    return summary_head(encoder, outputs=1, dropout=dropout)


def _loss_sum(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    from torch.nn import functional  # noqa: PLC0415  see `_head`

    targets = base.targets_of(batch)
    return functional.cross_entropy(logits.view(len(targets), -1), targets, reduction="sum")


def _log_probabilities(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    from torch.nn import functional  # noqa: PLC0415  see `_head`

    targets = base.targets_of(batch)
    return -functional.cross_entropy(logits.view(len(targets), -1), targets, reduction="none")


def _uniform(features: Features, n_labels: int) -> LogProbabilities:
    del n_labels
    _, n = features.owners
    return LogProbabilities(-np.log(np.diff(features.item_starts).astype(np.float64)), np.ones(n))


def _known_without_input(split: Split) -> LogProbabilities:
    """Choices without their text are all alike, so each gets the same probability."""
    sizes = np.array([len(e.choices) for e in base.records(split, ChoiceExample)], dtype=float)
    return LogProbabilities(-np.log(sizes), np.ones(len(sizes)))


def _decoded(raw: Array, features: Features, split: Split, encoder: Encoder) -> list[base.Prediction]:
    del features, encoder
    n = len(base.records(split, ChoiceExample)[0].choices)
    return [int(i) for i in raw.reshape(-1, n).argmax(axis=1)]


def _as_text(prediction: int, labels: Sequence[str]) -> str:
    del labels
    return str(prediction)


def _gold(example: ChoiceExample) -> int:
    return example.label


def _commonest(train: Split) -> Callable[[Split], base.Guess]:
    labels = [e.label for e in base.records(train, ChoiceExample)]
    place = commonest(labels, n=max(labels) + 1)

    def guess(split: Split) -> base.Guess:
        return base.Guess([place if place < len(e.choices) else 0 for e in base.records(split, ChoiceExample)])

    return guess


def _shuffled(examples: Sequence[ChoiceExample], rng: np.random.Generator) -> list[ChoiceExample]:
    order = rng.permutation(len(examples))
    return [e._replace(label=examples[j].label) for e, j in zip(examples, order, strict=True)]


def _strata(split: Split) -> Ints:
    return base.classes([float(e.label) for e in base.records(split, ChoiceExample)])


def _picked(features: Features, rng: np.random.Generator) -> base.Picked:
    """The right choice of each question, or a wrong one, with equal chance."""
    n = features.n_items
    counts = np.diff(features.item_starts)
    right = rng.random(n) < 0.5
    away = 1 + (rng.random(n) * (counts - 1)).astype(np.int64)
    place = np.where(right, features.targets, (features.targets + away) % counts)
    return base.Picked(features.item_starts[:-1] + place, np.full(n, -1), right.astype(np.int64))


def _label_counts(split: Split) -> Array:
    examples = base.records(split, ChoiceExample)
    counts = np.zeros((len(examples), max(2, len(split.labels), *(len(e.choices) for e in examples))))
    for i, example in enumerate(examples):
        counts[i, example.label] = 1
    return counts


MULTIPLE_CHOICE = base.TaskType(
    name="multiple_choice",
    summary="One of several candidate texts.",
    record=ChoiceExample,
    columns=("text", "choices", "label"),
    read=_read,
    text=_text,
    own_text=_text,
    known_text=_known_text,
    label_names=_label_names,
    placeholder=_placeholder,
    relabelled=base.unchanged,
    learning=base.Learning(
        featurise=_featurise,
        blanked=only_specials,
        head=_head,
        loss_sum=_loss_sum,
        log_probabilities=_log_probabilities,
        by_example=base.summed,
        uniform=_uniform,
        known_without_input=_known_without_input,
        decoded=_decoded,
        as_text=_as_text,
        gold=_gold,
        metrics={Metric.ACCURACY: base.of_labels(metrics.accuracy, each=metrics.correct)},
        rules={"the commonest place of the right choice": _commonest},
        shuffled=_shuffled,
        strata=_strata,
        picked=_picked,
        label_counts=_label_counts,
    ),
)
