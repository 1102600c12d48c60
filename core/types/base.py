"""What a task type is: one record that a type's module ends in, and the parts that several modules build theirs from.

To add a task type: one module with a record of examples and a `TaskType`, and its name in `TYPES` of `table.py`. Torch
is loaded inside functions alone, because the application and the readers of data know task types and have no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, cast

import numpy as np

from core.examples import Split
from core.measures.difficulty.log_probabilities import LogProbabilities
from core.measures.metrics.corpus import Functional, label_pairs, linearised
from core.spec.task import Metric, TaskSpec
from core.types.columns import Read, Rows
from core.types.pieces import Array, Features, Ints, decisions_of

if TYPE_CHECKING:
    import torch

    from core.heads.layers import Head
    from core.heads.states import Batch, Encoder

ENOUGH = 10
"""From so many examples on, a single class among them cannot be chance."""

Prediction = int | float | str | tuple[int, ...]
"""A label id, a value, an answer, or label ids (one a word; or those that hold)."""

_BANDS = 4
"""Quantile bands of what stands for the label where there are no classes."""


class MetricScore(NamedTuple):
    """One metric over one split."""

    score: float
    """A fraction in [0, 1]; correlations lie in [-1, 1]."""
    n: int
    """What was scored: examples, or words where the metric counts words."""
    each: Array | None
    """(n_examples,) how right each example is in [0, 1], for who reads it; None where the metric has no such thing."""
    functional: Functional | None = None
    """How counts become the score; None: the score is the mean of `each`."""
    counts: Array | None = None
    """(n_examples, k) what each example contributes to such a score, as `core.measures.metrics.corpus` has it."""

    @property
    def credits(self) -> Array | None:
        """(n_examples,) what each example gave to the score, which is their mean; None where that is not known."""
        if self.functional is None or self.counts is None:
            return self.each
        return linearised(self.functional, self.counts)


class Predicted(NamedTuple):
    """Predictions beside the gold labels of a split: what a metric reads."""

    split: Split
    """Names of labels, language, and how answers are compared."""
    gold: Sequence[Any]
    """One per example, in the form of the predictions."""
    predictions: Sequence[Any]
    """One per example."""
    label_scores: Array | None
    """(n_examples, n_labels) logits; None where no metric ranks labels."""


class Picked(NamedTuple):
    """What selectors read: rows of a split in pieces, and a class for each."""

    rows: Ints
    """(n,) rows, ascending examples."""
    pieces: Ints
    """(n,) places in the flat arrays; -1: the mean over the row."""
    labels: Ints
    """(n,) class of each."""


class Found(NamedTuple):
    """What a search by sentence vectors found in one split."""

    score: MetricScore
    """The headline metric."""
    floor: float
    """What a random ranking of the same candidates is expected to score."""
    texts: list[str]
    """A prediction per example, as it is stored."""


class Guess(NamedTuple):
    """What a rule that reads no meaning says of a split."""

    predictions: Sequence[Prediction]
    """One per example, in the form that metrics compare."""
    label_scores: Array | None = None
    """(n_examples, n_labels) where a metric ranks labels."""


Rule = Callable[[Split], Callable[[Split], Guess]]
"""English training data to the rule that they teach, and that to its guesses for a split in any language."""

Embed = Callable[[list[str]], Array]
"""Sentences to (n, hidden) float32 vectors of unit length."""


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How a type is trained and scored. Functions of torch take logits in float32 on the device."""

    featurise: Callable[[Split, Encoder, int], Features]
    """Split, encoder and longest input to pieces and targets."""
    blanked: Callable[[Features, Encoder], Features]
    """The input taken away, targets kept."""
    head: Callable[[Encoder, int, float | None], Head]
    """A fresh head for an encoder and a number of labels, with a dropout or (None) the encoder's."""
    start: Callable[[Head, Features], None] | None = None
    """Changes a fresh head in place for what it will be trained on."""
    loss_sum: Callable[[torch.Tensor, Batch], torch.Tensor]
    """Loss of a micro-batch, summed over what `Batch.weight` counts."""

    log_probabilities: Callable[[torch.Tensor, Batch], torch.Tensor]
    """(items,) log-probability of each item's gold label; the squared error for a density."""
    by_example: Callable[[Array, Features], LogProbabilities]
    """(items,) float64 log-probabilities to those of examples."""
    uniform: Callable[[Features, int], LogProbabilities]
    """Features and number of labels to log-probabilities before anything was learned."""
    known_without_input: Callable[[Split], LogProbabilities] | None = None
    """Log-probabilities without the input, where they are known without a training."""
    is_density: bool = False
    """Whether the head gives a real number, so that probabilities are densities."""

    reads: Literal["rows", "pieces"] = "rows"
    """What a prediction is read off: one vector of logits a row, or one a piece."""
    condensed: Callable[[torch.Tensor], torch.Tensor] | None = None
    """Logits to the smaller thing that decoding needs, still on the device; None: the logits."""
    decoded: Callable[[Array, Features, Split, Encoder], list[Prediction]]
    """What `condensed` left, by row or piece, to one prediction per example."""
    as_text: Callable[[Any, Sequence[str]], str]
    """A prediction and the names of labels to the prediction as it is stored."""
    gold: Callable[[Any], Prediction | tuple[str, ...]]
    """The gold label of an example in the form that metrics compare predictions with."""
    metrics: Mapping[Metric, Callable[[Predicted], MetricScore]]
    """Metrics that the type has."""
    rules: Mapping[str, Rule]
    """Rules that read no meaning, by what each of them says: what a model must beat."""

    shuffled: Callable[[Sequence[Any], np.random.Generator], list[Any]]
    """The placebo: the same texts, labels that say nothing about them, the same distribution of labels."""
    strata: Callable[[Split], Ints] | None
    """(n,) what thirds by difficulty are matched in beside length: the class or what stands for it; None: no thirds."""
    no_thirds: str | None = None
    """Why there are no thirds, to follow the name of a task: "is a … task: …"."""
    picked: Callable[[Features, np.random.Generator], Picked]
    """One row and one class per example, so that the example is the independent unit of selectors."""
    chooses_a_label: bool = False
    """Whether the softmax of the logits, on the last axis, is over the names of labels."""
    label_counts: Callable[[Split], Array] | None = None
    """(n_examples, n_classes) how often an example names each class; None: labels are not one class a decision."""

    def __post_init__(self) -> None:
        """Refuse a type that neither has thirds nor says why.

        Raises:
            ValueError: Both or neither of `strata` and `no_thirds` are given.
        """
        if (self.strata is None) == (self.no_thirds is None):
            raise ValueError("A task type has either strata for thirds by difficulty or a reason why it has no thirds.")


@dataclass(frozen=True, kw_only=True)
class TaskType:
    """Everything that a task type is; functions take the type's own record as `Any`."""

    name: str
    """What `type:` of a task says."""
    summary: str
    """What a model has to output, in one sentence."""
    record: type[tuple[Any, ...]]
    """The `NamedTuple` of one example; its name is part of the fingerprints of data."""
    columns: tuple[str, ...]
    """Fields of `Columns` that a task must set."""
    missing: Callable[[TaskSpec], list[str]] | None = None
    """What else a definition lacks, one phrase each."""

    read: Callable[[Rows], Read]
    """Rows of a split to records, with counts of what was left out."""
    text: Callable[[Any], str]
    """All text of an example, labels and gold answers left out: for masked-language modelling."""
    own_text: Callable[[Any], str]
    """Text of an example in the language of its split: for domain profiles."""
    known_text: Callable[[Any], str]
    """What makes two examples the same one to a model that has seen one of them in training."""
    label_names: Callable[[Any, Sequence[str]], list[str]]
    """Names of an example's labels, one a decision; empty where labels are no classes."""
    placeholder: Callable[[Sequence[Any], TaskSpec], str | None]
    """Why the labels of some examples cannot be real ones, or None."""
    relabelled: Callable[[Any, Sequence[int]], Any]
    """An example whose label i is now called `ids[i]`."""

    learning: Learning | None
    """How it is trained and scored; None: nothing is trained, and `search` scores the encoder as it is."""
    search: Callable[[Split, Embed, Callable[[], Split]], Found] | None = None
    """Scores a split by sentence vectors alone; the last argument reads the development split of the language."""
    translation: Callable[[Any], tuple[str, str]] | None = None
    """A sentence and its English translation, where examples are such pairs."""

    def __post_init__(self) -> None:
        """Refuse a type that cannot be scored, or that is scored in two ways.

        Raises:
            ValueError: Both or neither of `learning` and `search` are given.
        """
        if (self.learning is None) == (self.search is None):
            raise ValueError(f"Task type '{self.name}' needs either `learning` or `search`.")

    @property
    def is_trained(self) -> bool:
        """Whether a head is trained; otherwise the encoder is scored as it is."""
        return self.learning is not None

    def scored_of(self, limit: int | None) -> int | None:
        """How many test examples of a language are scored: where they are each other's candidates, always all (None).

        Args:
            limit: `max_test_examples` of the protocol.
        """
        return limit if self.search is None else None


Record = TypeVar("Record", bound=tuple[Any, ...])


def records(split: Split, kind: type[Record]) -> tuple[Record, ...]:
    """Examples of a split as the records that its type's reader made.

    Args:
        kind: The record of the split's task type.
    """
    del kind
    return cast("tuple[Record, ...]", split.examples)


def targets_of(batch: Batch) -> torch.Tensor:
    """Targets of a training batch, which is always built with them."""
    assert batch.targets is not None
    return batch.targets


def joined(*parts: str) -> str:
    """Texts with single spaces between; empty ones leave no trace."""
    return " ".join(part for part in parts if part)


def unchanged(example: Any, ids: Sequence[int]) -> Any:  # noqa: ANN401  a type's own record
    """`relabelled` of a type whose labels have no ids."""
    del ids
    return example


def no_label_list(task: TaskSpec) -> list[str]:
    """`missing` of a type with named labels."""
    return [] if task.labels or task.labels_from_data else ["labels is empty: list them in id order"]


def one_value_alone(values: Sequence[float], *, n: int, task: TaskSpec) -> str | None:
    """Why labels that are all equal cannot be real, or None.

    Args:
        values: Ids or values, any number an example.
        n: Examples.
        task: Names the labels.
    """
    if n < ENOUGH or len(set(values)) != 1:
        return None
    value = values[0]
    index = int(value)
    is_id = value == index and 0 <= index < len(task.labels)
    name = f"'{task.labels[index]}'" if is_id else f"{value:g}"
    return f"all {n} examples have the label {name}"


def summed(by_item: Array, features: Features) -> LogProbabilities:
    """`by_example` of a type whose items add up: windows of a sentence, or one item an example."""
    owner, n = features.owners
    return LogProbabilities(np.bincount(owner, weights=by_item, minlength=n), decisions_of(features))


def uniform_over_labels(features: Features, n_labels: int) -> LogProbabilities:
    """`uniform` of a type with one label a decision."""
    decisions = decisions_of(features)
    return LogProbabilities(-np.log(n_labels) * decisions, decisions)


def classes(values: Sequence[float]) -> Ints:
    """`strata` of classes: (n,) int64 from 0."""
    return np.unique(np.asarray(values), return_inverse=True)[1].astype(np.int64)


def bands(values: Sequence[float]) -> Ints:
    """`strata` of real numbers: (n,) int64 quantile band of each."""
    found = np.asarray(values)
    edges = np.unique(np.quantile(found, np.linspace(0, 1, _BANDS + 1)[1:-1]))
    return np.searchsorted(edges, found, side="right").astype(np.int64)


def always(value: Prediction) -> Callable[[Split], Guess]:
    """A rule that says the same of every example."""
    return lambda split: Guess([value] * len(split.examples))


def of_labels(
    metric: Callable[[Any, Any], float],
    *,
    each: Callable[[Any, Any], Array] | None = None,
    functional: Functional | None = None,
    counts: Callable[[Any, Any], Array] = label_pairs,
) -> Callable[[Predicted], MetricScore]:
    """A metric of one label or value per example.

    Args:
        metric: Gold and predicted array to a score.
        each: The same to how right each example is; None: there is no such thing.
        functional: How counts become the score; None: it is the mean of `each`.
        counts: Gold and predicted array to those counts.
    """

    def score(predicted: Predicted) -> MetricScore:
        gold, guess = np.asarray(predicted.gold), np.asarray(predicted.predictions)
        own = each(gold, guess) if each else None
        return MetricScore(metric(gold, guess), len(gold), own, functional, counts(gold, guess) if functional else None)

    return score
