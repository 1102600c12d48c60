"""Predictions and a split in, the task's metrics out: the same for English development data and every test set."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import DataError
from core.examples import Split
from core.spec.task import Metric
from core.types.base import MetricScore, Predicted, Prediction
from core.types.pieces import Array
from core.types.table import learning_of


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
    learning = learning_of(split.task.type)
    wanted = split.task.metrics if only is None else (only,)
    for metric in wanted:
        if metric not in learning.metrics:
            raise DataError(
                f"Task '{split.task.name}' of type {split.task.type} names metric '{metric}'. Its type has: "
                f"{', '.join(learning.metrics)}."
            )
    predicted = Predicted(split, [learning.gold(e) for e in split.examples], predictions, label_scores)
    return {metric: learning.metrics[metric](predicted) for metric in wanted}
