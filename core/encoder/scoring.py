"""Predictions and a split in, the task's metrics out: the same for English development data and every test set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from core.data.records import (
    ChoiceExample,
    MultiLabelExample,
    ScoredExample,
    SpanExample,
    Split,
    TaggedExample,
    TextExample,
)
from core.encoder.features import Array
from core.encoder.predicting import Prediction
from core.errors import DataError
from core.measures.metrics import labels as metrics
from core.measures.metrics.answers import score_answers
from core.measures.metrics.entities import entity_f1, sentence_f1, word_accuracy
from core.spec.task import Metric, TaskType


class MetricScore(NamedTuple):
    """One metric over one split."""

    score: float
    """A fraction in [0, 1]; correlations lie in [-1, 1]."""
    n: int
    """What was scored: examples, or words where the metric counts words."""
    each: Array | None
    """(n_examples,) each example's own contribution in [0, 1]; None where the metric has none."""


def score(
    split: Split, predictions: Sequence[Prediction], *, label_scores: Array | None = None, only: Metric | None = None
) -> dict[Metric, MetricScore]:
    """The task's metrics, headline first.

    Args:
        split: Gold labels.
        predictions: One per example, in order.
        label_scores: (n_examples, n_labels) logits, needed for mean R-precision.
        only: Compute this metric alone.

    Raises:
        DataError: The task names a metric that its type does not have.
    """
    wanted = split.task.metrics if only is None else (only,)
    table = _METRICS.get(split.task.type, {})
    for metric in wanted:
        if metric not in table and not (metric is Metric.MRP and split.task.type is TaskType.MULTILABEL):
            raise DataError(
                f"Task '{split.task.name}' of type {split.task.type} names metric '{metric}'. Its type has: "
                f"{', '.join(table)}."
            )
    if split.task.type is TaskType.SPAN_QA:
        return _spans(split, predictions, wanted)
    return {m: _mrp(split, label_scores) if m is Metric.MRP else table[m](split, predictions) for m in wanted}


def gold_of(split: Split) -> list[Any]:
    """Gold predictions in the form of `predict`, one per example.

    Args:
        split: Of any trained task type.
    """
    gold: list[Any] = []
    for example in split.examples:
        match example:
            case TextExample() | ChoiceExample():
                gold.append(example.label)
            case MultiLabelExample():
                gold.append(example.labels)
            case ScoredExample():
                gold.append(example.value)
            case TaggedExample():
                gold.append(example.tags)
            case SpanExample():
                gold.append(example.answers)
    return gold


def _spans(split: Split, predictions: Sequence[Prediction], wanted: Sequence[Metric]) -> dict[Metric, MetricScore]:
    found = score_answers(
        [str(p) for p in predictions],
        gold_of(split),
        normalisation=split.task.answer_normalisation,
        lang=split.lang,
        no_answer=split.task.has_no_answer,
    )
    both = {
        Metric.F1: MetricScore(found.f1, len(predictions), found.f1_each),
        Metric.EXACT_MATCH: MetricScore(found.exact_match, len(predictions), found.exact_each),
    }
    return {m: both[m] for m in wanted}


def _labels(metric: Callable[[Any, Any], float], *, own: bool = False) -> Callable[[Split, Any], MetricScore]:
    def one(split: Split, predictions: Sequence[Prediction]) -> MetricScore:
        gold = np.asarray(gold_of(split))
        each = metrics.correct(gold, np.asarray(predictions)) if own else None
        return MetricScore(metric(gold, np.asarray(predictions)), len(gold), each)

    return one


def _sets(metric: Callable[[Any, Any], float], *, own: bool = False) -> Callable[[Split, Any], MetricScore]:
    def one(split: Split, predictions: Sequence[Prediction]) -> MetricScore:
        gold = _hot(gold_of(split), n=len(split.labels))
        guess = _hot(cast("Any", predictions), n=len(split.labels))
        each = metrics.example_f1(gold, guess) if own else None
        return MetricScore(metric(gold, guess), len(gold), each)

    return one


def _hot(rows: Sequence[Sequence[int]], *, n: int) -> Array:
    hot = np.zeros((len(rows), n), dtype=bool)
    for i, labels in enumerate(rows):
        hot[i, list(labels)] = True
    return hot


def _mrp(split: Split, label_scores: Array | None) -> MetricScore:
    if label_scores is None:
        raise DataError(f"Mean R-precision of '{split.task.name}' needs the score of every label.")
    gold = _hot(gold_of(split), n=len(split.labels))
    found = metrics.r_precisions(gold, label_scores)
    # Texts without a label have no R-precision; paired tests then have no value for them either.
    each = found if len(found) == len(gold) else None
    return MetricScore(float(found.mean()), len(found), each)


def _names(split: Split, rows: Sequence[Any]) -> list[list[str]]:
    return [[split.labels[t] for t in row] for row in rows]


def _entities(split: Split, predictions: Sequence[Any]) -> MetricScore:
    gold, guess = _names(split, gold_of(split)), _names(split, predictions)
    scheme = split.task.tag_scheme
    each = sentence_f1(gold, guess, scheme=scheme)
    return MetricScore(entity_f1(gold, guess, scheme=scheme).f1, len(gold), each)


def _words(split: Split, predictions: Sequence[Any]) -> MetricScore:
    gold = gold_of(split)
    each = np.asarray([np.mean(np.asarray(g) == np.asarray(p)) for g, p in zip(gold, predictions, strict=True)])
    return MetricScore(word_accuracy(gold, predictions), sum(len(g) for g in gold), each)


_METRICS: dict[TaskType, dict[Metric, Callable[[Split, Any], MetricScore]]] = {
    TaskType.CLASSIFICATION: {
        Metric.ACCURACY: _labels(metrics.accuracy, own=True),
        Metric.MACRO_F1: _labels(metrics.macro_f1),
        Metric.MICRO_F1: _labels(metrics.micro_f1, own=True),
        Metric.MATTHEWS: _labels(metrics.matthews),
        Metric.F1: _labels(lambda g, p: metrics.micro_f1((g == 1)[:, None], (p == 1)[:, None])),
    },
    TaskType.MULTIPLE_CHOICE: {Metric.ACCURACY: _labels(metrics.accuracy, own=True)},
    TaskType.MULTILABEL: {
        Metric.MICRO_F1: _sets(metrics.micro_f1, own=True),
        Metric.MACRO_F1: _sets(metrics.macro_f1, own=True),
    },
    TaskType.REGRESSION: {Metric.SPEARMAN: _labels(metrics.spearman), Metric.PEARSON: _labels(metrics.pearson)},
    TaskType.TAGGING: {Metric.F1: _entities, Metric.ACCURACY: _words},
    TaskType.SPAN_QA: {Metric.F1: _words, Metric.EXACT_MATCH: _words},  # both come from `_spans`
}
