"""A task type that the program does not have, in one module: whether what a text says holds, as one logit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from core.examples import Split
from core.heads.layers import Head, summary_head
from core.heads.states import Batch, Encoder
from core.measures.difficulty.log_probabilities import LogProbabilities
from core.measures.metrics import labels as metrics
from core.spec.task import Metric, TaskSpec
from core.types import base
from core.types.columns import Read, Rows, column_of, ids_of, text_of
from core.types.pieces import Array, Features, Ints, only_specials, text_rows


class JudgedExample(NamedTuple):
    """A text and whether it holds."""

    id: str
    text: str
    holds: bool


def _read(rows: Rows) -> Read:
    cells = zip(ids_of(rows), text_of(rows, "text"), column_of(rows, "label"), strict=True)
    return Read(tuple(JudgedExample(i, t, bool(h)) for i, t, h in cells))


def _text(example: JudgedExample) -> str:
    return example.text


def _label_names(example: JudgedExample, names: Sequence[str]) -> list[str]:
    del names
    return ["holds" if example.holds else "does not hold"]


def _placeholder(examples: Sequence[JudgedExample], task: TaskSpec) -> str | None:
    return base.one_value_alone([float(e.holds) for e in examples], n=len(examples), task=task)


def _featurise(split: Split, encoder: Encoder, limit: int) -> Features:
    examples = base.records(split, JudgedExample)
    rows = text_rows([e.text for e in examples], second=None, encoder=encoder, limit=limit)
    return rows.finish(np.asarray([e.holds for e in examples], dtype=np.float32))


def _head(encoder: Encoder, n_labels: int, dropout: float | None) -> Head:
    del n_labels
    return summary_head(encoder, outputs=1, dropout=dropout)


def _loss_sum(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    return -_log_probabilities(logits, batch).sum()


def _log_probabilities(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    targets = base.targets_of(batch)
    return -functional.binary_cross_entropy_with_logits(logits.squeeze(-1), targets, reduction="none")


def _uniform(features: Features, n_labels: int) -> LogProbabilities:
    del n_labels
    return base.uniform_over_labels(features, 2)


def _decoded(raw: Array, features: Features, split: Split, encoder: Encoder) -> list[base.Prediction]:
    del features, split, encoder
    return [int(value > 0) for value in raw[:, 0]]


def _as_text(prediction: int, labels: Sequence[str]) -> str:
    del labels
    return "yes" if prediction else "no"


def _gold(example: JudgedExample) -> int:
    return int(example.holds)


def _everything_holds(train: Split) -> Callable[[Split], base.Guess]:
    del train
    return base.always(1)


def _shuffled(examples: Sequence[JudgedExample], rng: np.random.Generator) -> list[JudgedExample]:
    order = rng.permutation(len(examples))
    return [e._replace(holds=examples[j].holds) for e, j in zip(examples, order, strict=True)]


def _strata(split: Split) -> Ints:
    return base.classes([float(e.holds) for e in base.records(split, JudgedExample)])


def _picked(features: Features, rng: np.random.Generator) -> base.Picked:
    del rng
    rows = features.item_starts[:-1]
    return base.Picked(rows, np.full(len(rows), -1), features.targets.astype(np.int64))


def _label_counts(split: Split) -> Array:
    return np.eye(2)[[int(e.holds) for e in base.records(split, JudgedExample)]]


JUDGEMENT = base.TaskType(
    name="judgement",
    summary="Whether what a text says holds.",
    record=JudgedExample,
    columns=("text", "label"),
    read=_read,
    text=_text,
    own_text=_text,
    known_text=_text,
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
        decoded=_decoded,
        as_text=_as_text,
        gold=_gold,
        metrics={Metric.ACCURACY: base.of_labels(metrics.accuracy, each=metrics.correct)},
        rules={"that everything holds": _everything_holds},
        shuffled=_shuffled,
        strata=_strata,
        picked=_picked,
        label_counts=_label_counts,
    ),
)
