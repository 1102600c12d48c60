"""Text to pieces: every task type is featurised once, with the fast tokenizer, into flat int32 arrays.

A row is what goes through the model at once; an item is what is trained on together (one row; all choices of a
question). Long sentences and passages become several rows (windows), so that every word is predicted and every answer
can be found. To add a task type: a function here and one line in `featurise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.data.records import (
    ChoiceExample,
    MultiLabelExample,
    ScoredExample,
    SpanExample,
    Split,
    TaggedExample,
    TextExample,
    text_of,
)
from core.encoder.heads import IGNORED
from core.encoder.loading import Encoder
from core.errors import DataError, ModelError
from core.spec.task import TaskSpec, TaskType

Ints = np.ndarray[Any, np.dtype[Any]]
Array = np.ndarray[Any, np.dtype[Any]]
_CHUNK = 2000


@dataclass(frozen=True)
class Features:
    """A split in pieces. Flat arrays; row r is `ids[starts[r]:starts[r + 1]]`."""

    ids: Ints
    """(n_pieces,) int32."""
    types: Ints | None
    """(n_pieces,) int32 segment ids, or None."""
    starts: Ints
    """(n_rows + 1,) int64."""
    item_starts: Ints
    """(n_items + 1,) int64: item i is rows `item_starts[i]` to `item_starts[i + 1]`."""
    targets: Array
    """By item: (n_items, …); for tagging (n_pieces,) int64 with `IGNORED` where there is no label."""
    example_of: Ints
    """(n_rows,) int64: example a row belongs to."""
    positions: Ints | None = None
    """Tagging: (n_pieces,) int32, the word whose prediction is read here, else -1.
    Span QA: (n_pieces, 2) int32, first and last character in the context, -1 outside it."""

    @property
    def n_items(self) -> int:
        """What an epoch consists of."""
        return len(self.item_starts) - 1

    @property
    def row_lengths(self) -> Ints:
        """(n_rows,) int64 pieces per row."""
        lengths: Ints = np.diff(self.starts)
        return lengths

    @property
    def item_lengths(self) -> Ints:
        """(n_items,) int64 pieces of the longest row of each item."""
        lengths: Ints = np.maximum.reduceat(self.row_lengths, self.item_starts[:-1])
        return lengths

    @property
    def labelled(self) -> bool:
        """Whether targets lie on pieces (tagging) and not on items."""
        return self.targets.shape[:1] == self.ids.shape and self.targets.ndim == 1 and self.positions is not None


@dataclass
class _Rows:
    """Collects rows while texts are tokenised in chunks."""

    ids: list[Sequence[int]] = field(default_factory=list)
    types: list[Sequence[int]] = field(default_factory=list)
    example_of: list[int] = field(default_factory=list)

    def add(self, encoded: Any, *, examples: Sequence[int], takes_types: bool) -> None:  # noqa: ANN401  BatchEncoding
        self.ids.extend(encoded["input_ids"])
        if takes_types:
            self.types.extend(encoded["token_type_ids"])
        self.example_of.extend(examples)

    def finish(
        self, targets: Array, *, rows_per_item: Sequence[int] | None = None, positions: Ints | None = None
    ) -> Features:
        counts = np.ones(len(self.ids), dtype=np.int64) if rows_per_item is None else np.asarray(rows_per_item)
        return Features(
            ids=_flat(self.ids),
            types=_flat(self.types) if self.types else None,
            starts=_cumulative([len(row) for row in self.ids]),
            item_starts=_cumulative(counts),
            targets=targets,
            example_of=np.asarray(self.example_of, dtype=np.int64),
            positions=positions,
        )


def featurise(split: Split, *, encoder: Encoder, max_length: int | None = None) -> Features:
    """Pieces, targets and what is needed to read predictions back.

    Args:
        split: English or not; labels are read from it.
        encoder: Gives the tokenizer and the longest input.
        max_length: Upper bound beside the task's and the encoder's own; None: no other.

    Raises:
        DataError: The split is empty.
        ModelError: The tokenizer gives no offsets.
    """
    if not split.examples:
        raise DataError(f"Split '{split.split}' of task '{split.task.name}' ({split.lang}) has no example.")
    limit = min(split.task.max_length, encoder.max_length, max_length or encoder.max_length)
    makers = {
        TaskType.TAGGING: _tagging,
        TaskType.SPAN_QA: _spans,
        TaskType.MULTIPLE_CHOICE: _choices,
    }
    return makers.get(split.task.type, _texts)(split, encoder, limit)


def _texts(split: Split, encoder: Encoder, limit: int) -> Features:
    rows = _Rows()
    examples: Sequence[Any] = split.examples
    for start in range(0, len(examples), _CHUNK):
        chunk = examples[start : start + _CHUNK]
        pairs = [e.text_pair for e in chunk] if not isinstance(chunk[0], MultiLabelExample) else [None] * len(chunk)
        second = None if all(p is None for p in pairs) else [p or "" for p in pairs]
        encoded = _tokenise(encoder, [e.text for e in chunk], second=second, limit=limit)
        rows.add(encoded, examples=range(start, start + len(chunk)), takes_types=encoder.takes_types)
    return rows.finish(_text_targets(split))


def _text_targets(split: Split) -> Array:
    first = split.examples[0]
    if isinstance(first, MultiLabelExample):
        hot = np.zeros((len(split.examples), len(split.labels)), dtype=np.float32)
        for i, example in enumerate(split.examples):
            assert isinstance(example, MultiLabelExample)
            hot[i, list(example.labels)] = 1
        return hot
    if isinstance(first, ScoredExample):
        values = [e.value for e in split.examples if isinstance(e, ScoredExample)]
        return scaled(np.asarray(values), task=split.task)
    return np.asarray([e.label for e in split.examples if isinstance(e, TextExample)], dtype=np.int64)


def scaled(values: Array, *, task: TaskSpec) -> Array:
    """Gold values mapped to [0, 1] by the task's score range, float32.

    Args:
        values: (n,) in the task's own unit.
        task: A regression task.
    """
    low, high = task.score_range or (0.0, 1.0)
    return ((values - low) / (high - low)).astype(np.float32)


def _tagging(split: Split, encoder: Encoder, limit: int) -> Features:
    """Windows that overlap by a quarter; a word is read in the first window that holds its first piece."""
    rows = _Rows()
    words_of: list[Sequence[int]] = []
    labels: list[Sequence[int]] = []
    examples = [e for e in split.examples if isinstance(e, TaggedExample)]
    for start in range(0, len(examples), _CHUNK):
        chunk = examples[start : start + _CHUNK]
        encoded = _tokenise(encoder, [list(e.words) for e in chunk], limit=limit, stride=limit // 4, split_words=True)
        owners = encoded["overflow_to_sample_mapping"]
        rows.add(encoded, examples=[start + o for o in owners], takes_types=encoder.takes_types)
        seen: list[set[int]] = [set() for _ in chunk]
        for row, owner in enumerate(owners):
            places = _first_pieces(encoded.word_ids(row), seen=seen[owner])
            words_of.append(places)
            labels.append([IGNORED if w < 0 else chunk[owner].tags[w] for w in places])
    return rows.finish(_flat(labels).astype(np.int64), positions=_flat(words_of))


def _first_pieces(word_ids: Sequence[int | None], *, seen: set[int]) -> list[int]:
    """Word index at the first piece of each word not seen yet, -1 elsewhere; `seen` grows."""
    places = []
    for word in word_ids:
        is_new = word is not None and word not in seen
        places.append(word if is_new and word is not None else -1)
        if is_new and word is not None:
            seen.add(word)
    return places


def _spans(split: Split, encoder: Encoder, limit: int) -> Features:
    """Windows of the passage behind the question; without the answer in it a window points at the summary token."""
    rows = _Rows()
    offsets: list[Array] = []
    targets: list[tuple[int, int]] = []
    examples = [e for e in split.examples if isinstance(e, SpanExample)]
    for start in range(0, len(examples), _CHUNK):
        chunk = examples[start : start + _CHUNK]
        questions = _cut_questions([e.question.strip() for e in chunk], encoder=encoder, limit=limit)
        stride = min(split.task.doc_stride, limit // 3)
        contexts = [e.context for e in chunk]
        encoded = _tokenise(encoder, questions, second=contexts, limit=limit, stride=stride, truncation="only_second")
        owners = encoded["overflow_to_sample_mapping"]
        rows.add(encoded, examples=[start + o for o in owners], takes_types=encoder.takes_types)
        for row, owner in enumerate(owners):
            places = _context_offsets(encoded, row)
            offsets.append(places)
            targets.append(_span_target(places, example=chunk[owner], encoder=encoder))
    return rows.finish(np.asarray(targets, dtype=np.int64), positions=np.concatenate(offsets).astype(np.int32))


def _context_offsets(encoded: Any, row: int) -> Array:  # noqa: ANN401  BatchEncoding
    places = np.asarray(encoded["offset_mapping"][row], dtype=np.int64).reshape(-1, 2).copy()
    places[:, 1] -= 1  # last character, not one behind it
    sequence = np.asarray([-1 if s is None else s for s in encoded.sequence_ids(row)])
    places[(sequence != 1) | (places[:, 1] < places[:, 0])] = -1
    return places


def _span_target(places: Array, *, example: SpanExample, encoder: Encoder) -> tuple[int, int]:
    nowhere = 0 if encoder.summary == "first" else len(places) - 1
    for answer, first in zip(example.answers, example.starts, strict=True):
        last = first + len(answer) - 1
        inside = np.flatnonzero((places[:, 0] >= 0) & (places[:, 1] >= first) & (places[:, 0] <= last))
        if first < 0 or not len(inside):
            continue
        begin, end = int(inside[0]), int(inside[-1])
        if places[begin, 0] <= first and places[end, 1] >= last:
            return begin, end
    return nowhere, nowhere


def _cut_questions(questions: list[str], *, encoder: Encoder, limit: int) -> list[str]:
    """Questions of at most half the window, cut at a piece's end: the passage needs the other half."""
    most = limit // 2
    encoded = encoder.tokenizer(questions, add_special_tokens=False, return_offsets_mapping=True)
    return [
        q if len(spans) <= most else q[: spans[most - 1][1]]
        for q, spans in zip(questions, encoded["offset_mapping"], strict=True)
    ]


def _choices(split: Split, encoder: Encoder, limit: int) -> Features:
    rows = _Rows()
    examples = [e for e in split.examples if isinstance(e, ChoiceExample)]
    counts = {len(e.choices) for e in examples}
    if len(counts) != 1:
        raise DataError(f"Task '{split.task.name}': examples have {sorted(counts)} choices; expected one number.")
    for start in range(0, len(examples), _CHUNK):
        chunk = examples[start : start + _CHUNK]
        flat = [(start + i, e.text, c) for i, e in enumerate(chunk) for c in e.choices]
        encoded = _tokenise(encoder, [t for _, t, _ in flat], second=[c for _, _, c in flat], limit=limit)
        rows.add(encoded, examples=[i for i, _, _ in flat], takes_types=encoder.takes_types)
    labels = np.asarray([e.label for e in examples], dtype=np.int64)
    return rows.finish(labels, rows_per_item=[counts.pop()] * len(examples))


def featurise_text(split: Split, *, encoder: Encoder, max_length: int | None = None) -> Features:
    """Pieces of the text of a split for masked-language modelling; no target, no second segment.

    Args:
        split: Of any task type.
        encoder: Gives the tokenizer and the longest input.
        max_length: Upper bound beside the task's and the encoder's own; None: no other.
    """
    rows = _Rows()
    limit = min(split.task.max_length, encoder.max_length, max_length or encoder.max_length)
    texts = [text_of(e) for e in split.examples]
    for start in range(0, len(texts), _CHUNK):
        chunk = texts[start : start + _CHUNK]
        encoded = _tokenise(encoder, chunk, limit=limit)
        rows.add(encoded, examples=range(start, start + len(chunk)), takes_types=encoder.takes_types)
    return rows.finish(np.zeros(len(texts), dtype=np.int64))


def _tokenise(  # noqa: PLR0913  one place that knows the tokenizer's arguments
    encoder: Encoder,
    texts: Sequence[Any],
    *,
    limit: int,
    second: Sequence[str] | None = None,
    stride: int | None = None,
    truncation: str = "longest_first",
    split_words: bool = False,
) -> Any:  # noqa: ANN401  BatchEncoding
    """One call of the fast tokenizer; windows and offsets only where a stride is given."""
    if not encoder.tokenizer.is_fast:
        raise ModelError(
            f"{type(encoder.tokenizer).__name__} is a slow tokenizer: it gives no character offsets, which tagging and "
            "question answering need. Save a fast one beside the weights (tokenizer.json)."
        )
    windows: dict[str, Any] = {}
    if stride is not None:
        windows = {"stride": stride, "return_overflowing_tokens": True, "return_offsets_mapping": True}
    return encoder.tokenizer(
        list(texts),
        None if second is None else list(second),
        truncation=truncation if second is not None else True,
        max_length=limit,
        padding=False,
        return_attention_mask=False,
        return_token_type_ids=encoder.takes_types,
        is_split_into_words=split_words,
        **windows,
    )


def _flat(rows: Sequence[Sequence[int]]) -> Ints:
    total = sum(len(row) for row in rows)
    return np.fromiter((piece for row in rows for piece in row), dtype=np.int32, count=total)


def _cumulative(counts: Any) -> Ints:  # noqa: ANN401  any sequence of ints
    return np.concatenate([[0], np.cumsum(np.asarray(counts, dtype=np.int64))]).astype(np.int64)
