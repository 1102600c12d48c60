"""Regression: one real number for a text or a pair of texts.

One example: text "A man plays.", pair "A man is playing.", value 4.6 of 0 to 5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.examples import Example, Split
from core.measures.difficulty.log_probabilities import LogProbabilities
from core.measures.metrics import labels as metrics
from core.spec.task import Metric, TaskSpec
from core.types import base
from core.types.columns import Read, Rows, column_of, ids_of, number_of, optional_text, text_of, wrong
from core.types.pieces import Array, Features, Ints, only_specials, text_rows

if TYPE_CHECKING:
    import torch

    from core.heads.layers import Head
    from core.heads.states import Batch, Encoder


class ScoredExample(NamedTuple):
    """A text or a pair with a real number (regression)."""

    id: str
    text: str
    text_pair: str | None
    value: float
    """In the task's own `score_range`, not rescaled."""


def _missing(task: TaskSpec) -> list[str]:
    return ["score_range is not set"] if task.score_range is None else []


def _read(rows: Rows) -> Read:
    ids, texts, pairs = ids_of(rows), text_of(rows, "text"), optional_text(rows, "text_pair")
    low, high = rows.task.score_range or (float("-inf"), float("inf"))
    found: list[Example] = []
    for i, t, p, raw in zip(ids, texts, pairs, column_of(rows, "label"), strict=True):
        value = number_of(rows, raw)
        if value is None or (value == -1 and low > -1):  # GLUE hides the test scores of STS-B as -1
            continue
        if not low <= value <= high:
            raise wrong(rows, f"column '{rows.columns.label}' holds {value}", f"values from {low} to {high}")
        found.append(ScoredExample(i, t, p, value))
    return Read(tuple(found), unlabelled=len(ids) - len(found))


def _text(example: ScoredExample) -> str:
    return base.joined(example.text, example.text_pair or "")


def _label_names(example: ScoredExample, names: Sequence[str]) -> list[str]:
    del example, names
    return []


def _placeholder(examples: Sequence[ScoredExample], task: TaskSpec) -> str | None:
    return base.one_value_alone([e.value for e in examples], n=len(examples), task=task)


def _featurise(split: Split, encoder: Encoder, limit: int) -> Features:
    """Targets are values mapped to [0, 1] by the task's range, float32."""
    examples = base.records(split, ScoredExample)
    second = [e.text_pair for e in examples]
    rows = text_rows([e.text for e in examples], second=second, encoder=encoder, limit=limit)
    low, high = split.task.score_range or (0.0, 1.0)
    values = np.asarray([e.value for e in examples])
    return rows.finish(((values - low) / (high - low)).astype(np.float32))


def _head(encoder: Encoder, n_labels: int, dropout: float | None) -> Head:
    from core.heads.layers import summary_head  # noqa: PLC0415  torch, only where a model is

    del n_labels
    return summary_head(encoder, outputs=1, dropout=dropout)


def _loss_sum(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    from torch.nn import functional  # noqa: PLC0415  see `_head`

    return functional.mse_loss(logits.squeeze(-1), base.targets_of(batch), reduction="sum")


def _squared_errors(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    return (logits.squeeze(-1) - base.targets_of(batch)) ** 2


def _uniform(features: Features, n_labels: int) -> LogProbabilities:
    """Density 1 over the range of values."""
    del n_labels
    _, n = features.owners
    return LogProbabilities(np.zeros(n), np.ones(n))


def _decoded(raw: Array, features: Features, split: Split, encoder: Encoder) -> list[base.Prediction]:
    del features, encoder
    low, high = split.task.score_range or (0.0, 1.0)
    return [float(low + v * (high - low)) for v in raw[:, 0]]


def _as_text(prediction: float, labels: Sequence[str]) -> str:
    del labels
    return f"{prediction:.6g}"


def _gold(example: ScoredExample) -> float:
    return example.value


def _mean(train: Split) -> Callable[[Split], base.Guess]:
    return base.always(float(np.mean([e.value for e in base.records(train, ScoredExample)])))


def _shuffled(examples: Sequence[ScoredExample], rng: np.random.Generator) -> list[ScoredExample]:
    order = rng.permutation(len(examples))
    return [e._replace(value=examples[j].value) for e, j in zip(examples, order, strict=True)]


def _strata(split: Split) -> Ints:
    return base.bands([e.value for e in base.records(split, ScoredExample)])


def _picked(features: Features, rng: np.random.Generator) -> base.Picked:
    """Which quarter of the values a text lies in."""
    del rng
    rows, values = features.item_starts[:-1], features.targets
    quarters = np.searchsorted(np.quantile(values, [0.25, 0.5, 0.75]), values, side="right")
    return base.Picked(rows, np.full(len(rows), -1), quarters)


REGRESSION = base.TaskType(
    name="regression",
    summary="One real number for a text or a pair of texts.",
    record=ScoredExample,
    columns=("text", "label"),
    missing=_missing,
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
        log_probabilities=_squared_errors,
        by_example=base.summed,
        uniform=_uniform,
        is_density=True,
        decoded=_decoded,
        as_text=_as_text,
        gold=_gold,
        metrics={
            Metric.SPEARMAN: base.of_labels(metrics.spearman, functional="spearman"),
            Metric.PEARSON: base.of_labels(metrics.pearson, functional="pearson"),
        },
        rules={"the mean of the training values": _mean},
        shuffled=_shuffled,
        strata=_strata,
        picked=_picked,
    ),
)
