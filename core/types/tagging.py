"""Tagging: one label for each word of a sentence.

One example: words "Ada", "lives", "here", tags of B-PER, O, O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.examples import Example, Split
from core.measures.metrics.entities import chunk_counts, chunk_scores, sentence_f1, word_accuracy
from core.spec.task import Metric, TaskSpec
from core.types import base
from core.types.columns import Read, Rows, column_of, ids_of, label_ids, wrong
from core.types.floors import commonest, tags_by_shape, word_shape
from core.types.pieces import (
    IGNORED,
    Array,
    Features,
    Ints,
    RowCollector,
    all_masked,
    chunks,
    flat,
    one_each,
    tokenise_words,
)

if TYPE_CHECKING:
    import torch

    from core.heads.layers import Head
    from core.heads.states import Batch, Encoder


class TaggedExample(NamedTuple):
    """A sentence of words with a tag each."""

    id: str
    words: tuple[str, ...]
    tags: tuple[int, ...]
    """One index into `Split.labels` a word."""


def _read(rows: Rows) -> Read:
    ids, words, tags = ids_of(rows), column_of(rows, "words"), column_of(rows, "tags")
    if any(not isinstance(cell, list) for cell in tags):
        raise wrong(rows, f"column '{rows.columns.tags}' holds {tags[0]!r}"[:160], "a list of tags in each cell")
    taken = iter(label_ids(rows, [t for cell in tags for t in cell], column="tags"))
    found: list[Example] = []
    for i, w, t in zip(ids, words, tags, strict=True):
        if not isinstance(w, list) or len(w) != len(t):
            raise wrong(rows, f"row {i} has {len(w)} words and {len(t)} tags", "one tag a word")
        ys = tuple(next(taken) for _ in t)
        if w and None not in ys:
            found.append(TaggedExample(i, tuple(map(str, w)), tuple(y for y in ys if y is not None)))
    return Read(tuple(found), unlabelled=len(ids) - len(found))


def _text(example: TaggedExample) -> str:
    return base.joined(*example.words)


def _label_names(example: TaggedExample, names: Sequence[str]) -> list[str]:
    return [names[i] for i in example.tags]


def _placeholder(examples: Sequence[TaggedExample], task: TaskSpec) -> str | None:
    return base.one_value_alone([t for e in examples for t in e.tags], n=len(examples), task=task)


def _relabelled(example: TaggedExample, ids: Sequence[int]) -> TaggedExample:
    return example._replace(tags=tuple(ids[t] for t in example.tags))


def _featurise(split: Split, encoder: Encoder, limit: int) -> Features:
    """Windows that overlap by a quarter; a word is read in the first window that holds its first piece."""
    rows = RowCollector()
    words_of: list[Sequence[int]] = []
    labels: list[Sequence[int]] = []
    for start, chunk in chunks(base.records(split, TaggedExample)):
        encoded, word_ids = tokenise_words(encoder, [e.words for e in chunk], limit=limit, stride=limit // 4)
        owners = encoded["overflow_to_sample_mapping"]
        rows.add(encoded, examples=[start + o for o in owners], takes_types=encoder.takes_types)
        seen: list[set[int]] = [set() for _ in chunk]
        for row, owner in enumerate(owners):
            places = _first_pieces(word_ids[row].tolist(), seen=seen[owner])
            words_of.append(places)
            labels.append([IGNORED if w < 0 else chunk[owner].tags[w] for w in places])
    return rows.finish(flat(labels).astype(np.int64), targets_on="pieces", positions=flat(words_of))


def _first_pieces(word_ids: Sequence[int], *, seen: set[int]) -> list[int]:
    """Word index at the first piece of each word not seen yet, -1 elsewhere; `seen` grows."""
    places = []
    for word in word_ids:
        is_new = word >= 0 and word not in seen
        places.append(word if is_new else -1)
        if is_new:
            seen.add(word)
    return places


def _head(encoder: Encoder, n_labels: int, dropout: float | None) -> Head:
    from core.heads.layers import token_head  # noqa: PLC0415  torch, only where a model is

    return token_head(encoder, outputs=n_labels, dropout=dropout)


def _loss_sum(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    from torch.nn import functional  # noqa: PLC0415  see `_head`

    targets = base.targets_of(batch).flatten()
    return functional.cross_entropy(logits.flatten(0, 1), targets, ignore_index=IGNORED, reduction="sum")


def _log_probabilities(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    from torch.nn import functional  # noqa: PLC0415  see `_head`

    targets = base.targets_of(batch)
    losses = functional.cross_entropy(logits.transpose(1, 2), targets, ignore_index=IGNORED, reduction="none")
    return -losses.sum(dim=1)


def _best_label(logits: torch.Tensor) -> torch.Tensor:
    return logits.argmax(dim=-1).int()


def _decoded(raw: Array, features: Features, split: Split, encoder: Encoder) -> list[base.Prediction]:
    """A tag per word; a word of which the tokenizer leaves nothing gets `O`, or the first label where there is none."""
    del encoder
    assert features.positions is not None  # set by `_featurise`
    filler = split.labels.index("O") if "O" in split.labels else 0
    sizes = [len(e.words) for e in base.records(split, TaggedExample)]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    tags = np.full(starts[-1], filler, dtype=np.int64)
    pieces = np.flatnonzero(features.positions >= 0)
    owner = np.repeat(features.example_of, features.row_lengths)[pieces]
    tags[starts[owner] + features.positions[pieces]] = raw[pieces]
    return [tuple(int(t) for t in tags[a:b]) for a, b in zip(starts[:-1], starts[1:], strict=True)]


def _as_text(prediction: tuple[int, ...], labels: Sequence[str]) -> str:
    return " ".join(labels[i] for i in prediction)


def _gold(example: TaggedExample) -> tuple[int, ...]:
    return example.tags


def _entities(predicted: base.Predicted) -> base.MetricScore:
    split = predicted.split
    gold, guess = _names(split, predicted.gold), _names(split, predicted.predictions)
    scheme = split.task.tag_scheme
    counts = chunk_counts(gold, guess, scheme=scheme)
    return base.MetricScore(chunk_scores(counts).f1, len(gold), sentence_f1(counts), "f1", counts)


def _names(split: Split, rows: Iterable[Sequence[int]]) -> list[list[str]]:
    return [[split.labels[t] for t in row] for row in rows]


def _words(predicted: base.Predicted) -> base.MetricScore:
    gold, guess = predicted.gold, predicted.predictions
    each = np.asarray([np.mean(np.asarray(g) == np.asarray(p)) for g, p in zip(gold, guess, strict=True)])
    words = np.asarray([len(g) for g in gold], dtype=np.float64)
    counts = np.stack([each * words, words], axis=1)
    return base.MetricScore(word_accuracy(gold, guess), int(words.sum()), each, "ratio", counts)


def _by_shape(train: Split) -> Callable[[Split], base.Guess]:
    examples = base.records(train, TaggedExample)
    known = tags_by_shape([w for e in examples for w in e.words], [t for e in examples for t in e.tags])

    def guess(split: Split) -> base.Guess:
        sentences = base.records(split, TaggedExample)
        return base.Guess([tuple(known.get(word_shape(w), known[""]) for w in e.words) for e in sentences])

    return guess


def _one_entity(train: Split) -> Callable[[Split], base.Guess]:
    """The whole sentence is an entity of the commonest kind; tags that have no beginnings give the commonest tag."""
    begins = [i for i, name in enumerate(train.labels) if name.startswith("B-")]
    tags = [t for e in base.records(train, TaggedExample) for t in e.tags]
    first = commonest([t for t in tags if t in begins] or tags, n=len(train.labels))
    inside = train.labels[first].replace("B-", "I-", 1)
    rest = train.labels.index(inside) if inside in train.labels else first

    def guess(split: Split) -> base.Guess:
        sizes = [len(e.words) for e in base.records(split, TaggedExample)]
        return base.Guess([(first, *([rest] * (n - 1))) for n in sizes])

    return guess


def _shuffled(examples: Sequence[TaggedExample], rng: np.random.Generator) -> list[TaggedExample]:
    """Tags are permuted over all words of the split."""
    tags = rng.permutation([t for e in examples for t in e.tags])
    ends = np.cumsum([len(e.tags) for e in examples])
    parts = np.split(tags, ends[:-1])
    return [e._replace(tags=tuple(int(t) for t in part)) for e, part in zip(examples, parts, strict=True)]


def _strata(split: Split) -> Ints:
    """Bands of the share that the commonest tag of the split has in a sentence."""
    examples = base.records(split, TaggedExample)
    tags = [tag for e in examples for tag in e.tags]
    common = int(np.bincount(tags).argmax()) if tags else 0
    return base.bands([float(np.mean([t == common for t in e.tags])) if e.tags else 0.0 for e in examples])


def _picked(features: Features, rng: np.random.Generator) -> base.Picked:
    """One labelled word of each sentence."""
    places = np.flatnonzero(features.targets != IGNORED)
    rows = np.searchsorted(features.starts, places, side="right") - 1
    first = one_each(features.example_of[rows], rng=rng)
    return base.Picked(rows[first], places[first], features.targets[places[first]])


def _label_counts(split: Split) -> Array:
    columns = max(len(split.labels), 2)
    counts = np.zeros((len(split.examples), columns))
    for i, example in enumerate(base.records(split, TaggedExample)):
        counts[i] = np.bincount(example.tags, minlength=columns)
    return counts


TAGGING = base.TaskType(
    name="tagging",
    summary="One label for each word of a sentence.",
    record=TaggedExample,
    columns=("words", "tags"),
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
        blanked=all_masked,
        head=_head,
        loss_sum=_loss_sum,
        log_probabilities=_log_probabilities,
        by_example=base.summed,
        uniform=base.uniform_over_labels,
        reads="pieces",
        condensed=_best_label,
        decoded=_decoded,
        as_text=_as_text,
        gold=_gold,
        metrics={Metric.F1: _entities, Metric.ACCURACY: _words},
        rules={"the commonest tag of the word's shape": _by_shape, "the whole sentence as one entity": _one_entity},
        shuffled=_shuffled,
        strata=_strata,
        picked=_picked,
        chooses_a_label=True,
        label_counts=_label_counts,
    ),
)
