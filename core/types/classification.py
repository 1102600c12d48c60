"""Classification: one label for a text or a pair of texts.

One example: text "It rains.", pair "It is wet.", label 0 of entailment, neutral, contradiction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.examples import Split
from core.measures.metrics import labels as metrics
from core.spec.task import Metric, TaskSpec
from core.types import base
from core.types.columns import Read, Rows, column_of, ids_of, label_ids, optional_text, text_of
from core.types.floors import commonest
from core.types.pieces import Array, Features, Ints, only_specials, text_rows

if TYPE_CHECKING:
    import torch

    from core.heads.layers import Head
    from core.heads.states import Batch, Encoder


class TextExample(NamedTuple):
    """A text or a pair with one label (classification)."""

    id: str
    text: str
    text_pair: str | None
    label: int
    """Index into `Split.labels`."""


def _read(rows: Rows) -> Read:
    ids, texts, pairs = ids_of(rows), text_of(rows, "text"), optional_text(rows, "text_pair")
    labels = label_ids(rows, column_of(rows, "label"))
    found = tuple(
        TextExample(i, t, p, y) for i, t, p, y in zip(ids, texts, pairs, labels, strict=True) if y is not None
    )
    return Read(found, unlabelled=len(ids) - len(found))


def _text(example: TextExample) -> str:
    return base.joined(example.text, example.text_pair or "")


def _label_names(example: TextExample, names: Sequence[str]) -> list[str]:
    return [names[example.label]]


def _placeholder(examples: Sequence[TextExample], task: TaskSpec) -> str | None:
    return base.one_value_alone([e.label for e in examples], n=len(examples), task=task)


def _relabelled(example: TextExample, ids: Sequence[int]) -> TextExample:
    return example._replace(label=ids[example.label])


def _featurise(split: Split, encoder: Encoder, limit: int) -> Features:
    examples = base.records(split, TextExample)
    second = [e.text_pair for e in examples]
    rows = text_rows([e.text for e in examples], second=second, encoder=encoder, limit=limit)
    return rows.finish(np.asarray([e.label for e in examples], dtype=np.int64))


def _head(encoder: Encoder, n_labels: int, dropout: float | None) -> Head:
    from core.heads.layers import summary_head  # noqa: PLC0415  torch, only where a model is

    return summary_head(encoder, outputs=n_labels, dropout=dropout)


def _loss_sum(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    from torch.nn import functional  # noqa: PLC0415  see `_head`

    return functional.cross_entropy(logits, base.targets_of(batch), reduction="sum")


def _log_probabilities(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    from torch.nn import functional  # noqa: PLC0415  see `_head`

    return -functional.cross_entropy(logits, base.targets_of(batch), reduction="none")


def _decoded(raw: Array, features: Features, split: Split, encoder: Encoder) -> list[base.Prediction]:
    del features, split, encoder
    return [int(i) for i in raw.argmax(axis=1)]


def _as_text(prediction: int, labels: Sequence[str]) -> str:
    return labels[prediction]


def _gold(example: TextExample) -> int:
    return example.label


def _shuffled(examples: Sequence[TextExample], rng: np.random.Generator) -> list[TextExample]:
    order = rng.permutation(len(examples))
    return [e._replace(label=examples[j].label) for e, j in zip(examples, order, strict=True)]


def _strata(split: Split) -> Ints:
    return base.classes([float(e.label) for e in base.records(split, TextExample)])


def _picked(features: Features, rng: np.random.Generator) -> base.Picked:
    del rng
    rows = features.item_starts[:-1]
    return base.Picked(rows, np.full(len(rows), -1), features.targets)


def _label_counts(split: Split) -> Array:
    counts = np.zeros((len(split.examples), max(len(split.labels), 2)))
    for i, example in enumerate(base.records(split, TextExample)):
        counts[i, example.label] = 1
    return counts


def _commonest(train: Split) -> Callable[[Split], base.Guess]:
    labels = [e.label for e in base.records(train, TextExample)]
    return base.always(commonest(labels, n=len(train.labels)))


def _second(train: Split) -> Callable[[Split], base.Guess]:
    """The label that F1 looks for: where it is the rarer one, giving it to all beats the commonest."""
    return base.always(min(1, len(train.labels) - 1))


def _f1(gold: Array, guess: Array) -> float:
    """Of the second label, the one that is looked for."""
    return metrics.micro_f1((gold == 1)[:, None], (guess == 1)[:, None])


def _second_counts(gold: Array, guess: Array) -> Array:
    return np.stack([(gold == 1) & (guess == 1), gold == 1, guess == 1], axis=1).astype(np.float64)


CLASSIFICATION = base.TaskType(
    name="classification",
    summary="One label for a text or a pair of texts.",
    record=TextExample,
    columns=("text", "label"),
    missing=base.no_label_list,
    read=_read,
    text=_text,
    own_text=_text,
    known_text=_text,
    label_names=_label_names,
    placeholder=_placeholder,
    relabelled=_relabelled,
    learning=base.Learning(
        featurise=_featurise,
        blanked=only_specials,
        head=_head,
        loss_sum=_loss_sum,
        log_probabilities=_log_probabilities,
        by_example=base.summed,
        uniform=base.uniform_over_labels,
        decoded=_decoded,
        as_text=_as_text,
        gold=_gold,
        metrics={
            Metric.ACCURACY: base.of_labels(metrics.accuracy, each=metrics.correct),
            Metric.MACRO_F1: base.of_labels(metrics.macro_f1, functional="macro_f1"),
            Metric.MICRO_F1: base.of_labels(metrics.micro_f1, each=metrics.correct),
            Metric.MATTHEWS: base.of_labels(metrics.matthews, functional="matthews"),
            Metric.F1: base.of_labels(_f1, functional="f1", counts=_second_counts),
        },
        rules={"the commonest label for every text": _commonest, "the second label for every text": _second},
        shuffled=_shuffled,
        strata=_strata,
        picked=_picked,
        chooses_a_label=True,
        label_counts=_label_counts,
    ),
)
