"""Multi-label classification: any number of labels for a text.

One example: text "Regulation on olive oil", labels 3 and 7 of the level-1 concepts of EUROVOC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.errors import DataError
from core.examples import Split
from core.measures.difficulty.log_probabilities import LogProbabilities
from core.measures.metrics import labels as metrics
from core.spec.task import Metric, TaskSpec
from core.types import base
from core.types.columns import Read, Rows, column_of, ids_of, label_ids, text_of, wrong
from core.types.floors import commonest_set
from core.types.pieces import Array, Features, only_specials, text_rows

if TYPE_CHECKING:
    import torch

    from core.heads.layers import Head
    from core.heads.states import Batch, Encoder


class MultiLabelExample(NamedTuple):
    """A text with any number of labels."""

    id: str
    text: str
    labels: tuple[int, ...]
    """Ascending indices into `Split.labels`; may be empty."""


def _read(rows: Rows) -> Read:
    raw = column_of(rows, "label")
    odd = next((cell for cell in raw if not isinstance(cell, list | type(None))), None)
    if odd is not None:
        raise wrong(rows, f"column '{rows.columns.label}' holds {odd!r}", "a list of labels in each cell")
    flat = label_ids(rows, [v for cell in raw for v in (cell or ())])
    taken = iter(flat)
    sets = [tuple(sorted({y for _ in (cell or ()) if (y := next(taken)) is not None})) for cell in raw]
    named = zip(ids_of(rows), text_of(rows, "text"), sets, strict=True)
    return Read(tuple(MultiLabelExample(i, t, y) for i, t, y in named))


def _text(example: MultiLabelExample) -> str:
    return example.text


def _label_names(example: MultiLabelExample, names: Sequence[str]) -> list[str]:
    return [names[i] for i in example.labels]


def _placeholder(examples: Sequence[MultiLabelExample], task: TaskSpec) -> str | None:
    del task
    return None if any(e.labels for e in examples) else f"all {len(examples)} texts have no label"


def _relabelled(example: MultiLabelExample, ids: Sequence[int]) -> MultiLabelExample:
    return example._replace(labels=tuple(sorted(ids[i] for i in example.labels)))


def _featurise(split: Split, encoder: Encoder, limit: int) -> Features:
    examples = base.records(split, MultiLabelExample)
    hot = np.zeros((len(examples), len(split.labels)), dtype=np.float32)
    for i, example in enumerate(examples):
        hot[i, list(example.labels)] = 1
    return text_rows([e.text for e in examples], second=None, encoder=encoder, limit=limit).finish(hot)


def _head(encoder: Encoder, n_labels: int, dropout: float | None) -> Head:
    from core.heads.layers import summary_head  # noqa: PLC0415  torch, only where a model is

    return summary_head(encoder, outputs=n_labels, dropout=dropout)


def _start(head: Head, features: Features) -> None:
    """Let a fresh head give each label its share of the training set whatever the input is.

    From zero biases all rare labels push the shared states the same way until the head no longer moves
    (docs/notebook/2026-11-25.md: the bundled encoder was at the prior after 220 steps). Lin et al. 2017, 1708.02002,
    section 3.3.
    """
    import torch  # noqa: PLC0415  see `_head`

    targets = torch.from_numpy(features.targets)
    shares = (targets.sum(dim=0) + 0.5) / (len(targets) + 1)
    with torch.no_grad():
        head.out.bias.copy_(torch.logit(shares))


def _loss_sum(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    from torch.nn import functional  # noqa: PLC0415  see `_head`

    targets = base.targets_of(batch)
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=1).sum()


def _log_probabilities(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    from torch.nn import functional  # noqa: PLC0415  see `_head`

    targets = base.targets_of(batch)
    return -functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(dim=1)


def _uniform(features: Features, n_labels: int) -> LogProbabilities:
    _, n = features.owners
    return LogProbabilities(np.full(n, -n_labels * np.log(2)), np.ones(n))


def _decoded(raw: Array, features: Features, split: Split, encoder: Encoder) -> list[base.Prediction]:
    del features, split, encoder
    return [tuple(int(i) for i in np.flatnonzero(row > 0)) for row in raw]


def _as_text(prediction: tuple[int, ...], labels: Sequence[str]) -> str:
    return " ".join(labels[i] for i in prediction)


def _gold(example: MultiLabelExample) -> tuple[int, ...]:
    return example.labels


def _micro_f1(predicted: base.Predicted) -> base.MetricScore:
    gold, guess = _sets(predicted)
    counts = np.stack([(gold & guess).sum(axis=1), gold.sum(axis=1), guess.sum(axis=1)], axis=1).astype(np.float64)
    return base.MetricScore(metrics.micro_f1(gold, guess), len(gold), metrics.example_f1(gold, guess), "f1", counts)


def _macro_f1(predicted: base.Predicted) -> base.MetricScore:
    gold, guess = _sets(predicted)
    counts = np.concatenate([gold, guess], axis=1).astype(np.float64)
    return base.MetricScore(metrics.macro_f1(gold, guess), len(gold), None, "macro_f1_of_sets", counts)


def _sets(predicted: base.Predicted) -> tuple[Array, Array]:
    n = len(predicted.split.labels)
    return _hot(predicted.gold, n=n), _hot(predicted.predictions, n=n)


def _hot(rows: Sequence[Sequence[int]], *, n: int) -> Array:
    hot = np.zeros((len(rows), n), dtype=bool)
    for i, labels in enumerate(rows):
        hot[i, list(labels)] = True
    return hot


def _mrp(predicted: base.Predicted) -> base.MetricScore:
    if predicted.label_scores is None:
        raise DataError(f"Mean R-precision of '{predicted.split.task.name}' needs the score of every label.")
    gold = _hot(predicted.gold, n=len(predicted.split.labels))
    found = metrics.r_precisions(gold, predicted.label_scores)
    if len(found) == len(gold):
        return base.MetricScore(float(found.mean()), len(found), found)
    # Texts without a label have no R-precision: the score is a ratio of sums over all texts.
    counts = np.zeros((len(gold), 2))
    counts[gold.any(axis=1)] = np.stack([found, np.ones(len(found))], axis=1)
    return base.MetricScore(float(found.mean()), len(found), None, "ratio", counts)


def _commonest(train: Split) -> Callable[[Split], base.Guess]:
    hot = _hot([e.labels for e in base.records(train, MultiLabelExample)], n=len(train.labels))
    chosen, shares = commonest_set(hot), hot.mean(axis=0)

    def guess(split: Split) -> base.Guess:
        n = len(split.examples)
        return base.Guess([chosen] * n, label_scores=np.tile(shares, (n, 1)))

    return guess


def _shuffled(examples: Sequence[MultiLabelExample], rng: np.random.Generator) -> list[MultiLabelExample]:
    order = rng.permutation(len(examples))
    return [e._replace(labels=examples[j].labels) for e, j in zip(examples, order, strict=True)]


def _picked(features: Features, rng: np.random.Generator) -> base.Picked:
    """One random label of each text that has any."""
    rows, hot = features.item_starts[:-1], features.targets
    some = hot.sum(axis=1) > 0
    label = (hot * rng.random(hot.shape)).argmax(axis=1)
    return base.Picked(rows[some], np.full(len(rows), -1)[some], label[some])


MULTILABEL = base.TaskType(
    name="multilabel",
    summary="Any number of labels for a text.",
    record=MultiLabelExample,
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
        start=_start,
        loss_sum=_loss_sum,
        log_probabilities=_log_probabilities,
        by_example=base.summed,
        uniform=_uniform,
        decoded=_decoded,
        as_text=_as_text,
        gold=_gold,
        metrics={
            Metric.MICRO_F1: _micro_f1,
            Metric.MACRO_F1: _macro_f1,
            Metric.MRP: _mrp,
        },
        rules={"the commonest labels for every text": _commonest},
        shuffled=_shuffled,
        strata=None,
        no_thirds=(
            "is a multi-label task: thirds are matched in label balance, and sets of labels are too many to be matched"
        ),
        picked=_picked,
    ),
)
