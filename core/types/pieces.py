"""Texts to pieces: flat int32 arrays that every task type's features are kept in, and the one call of the tokenizer.

A row is what goes through the model at once; an item is what is trained on together (one row; all choices of a
question). Long sentences and passages become several rows (windows), so that every word is predicted and every answer
can be found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from core.errors import ModelError

if TYPE_CHECKING:
    from core.heads.states import Encoder
    from core.spec.task import TaskSpec

IGNORED = -100
"""Target of positions that have no label."""

Ints = np.ndarray[Any, np.dtype[Any]]
Array = np.ndarray[Any, np.dtype[Any]]
_CHUNK = 2000
_T = TypeVar("_T")


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
    """(n_items, …), or (n_pieces,) int64 with `IGNORED` where there is no label."""
    example_of: Ints
    """(n_rows,) int64: example a row belongs to."""
    targets_on: Literal["items", "pieces", "places"] = "items"
    """Whether a target belongs to an item, to a piece, or is places in the item's row, which padding moves."""
    positions: Ints | None = None
    """Tagging: (n_pieces,) int32, the word whose prediction is read here, else -1.
    Span QA: (n_pieces, 2) int32, first and last character in the context, -1 outside it."""
    states: Array | None = None
    """(n_pieces, hidden) float32 states of an encoder's frozen part that were kept, memory-mapped, or None."""

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
    def item_tokens(self) -> Ints:
        """(n_items,) int64 tokens of each item in a batch of its own, padding included."""
        tokens: Ints = self.item_lengths * np.diff(self.item_starts)
        return tokens

    @property
    def owners(self) -> tuple[Ints, int]:
        """(n_items,) the example that each item belongs to, and the number of examples."""
        return self.example_of[self.item_starts[:-1]], int(self.example_of.max()) + 1


@dataclass
class RowCollector:
    """Rows of a split, gathered while its texts are tokenised in chunks."""

    ids: list[Sequence[int]] = field(default_factory=list)
    types: list[Sequence[int]] = field(default_factory=list)
    example_of: list[int] = field(default_factory=list)

    def add(self, encoded: Any, *, examples: Sequence[int], takes_types: bool) -> None:  # noqa: ANN401  BatchEncoding
        """Append what one call of the tokenizer gave.

        Args:
            examples: Index of the example that each row belongs to.
            takes_types: Whether segment ids are an input.
        """
        self.ids.extend(encoded["input_ids"])
        if takes_types:
            self.types.extend(encoded["token_type_ids"])
        self.example_of.extend(examples)

    def finish(
        self,
        targets: Array,
        *,
        rows_per_item: Sequence[int] | None = None,
        targets_on: Literal["items", "pieces", "places"] = "items",
        positions: Ints | None = None,
    ) -> Features:
        """All rows as flat arrays.

        Args:
            targets: As in `Features`.
            rows_per_item: None: one.
            positions: As in `Features`.
        """
        counts = np.ones(len(self.ids), dtype=np.int64) if rows_per_item is None else np.asarray(rows_per_item)
        return Features(
            ids=flat(self.ids),
            types=flat(self.types) if self.types else None,
            starts=_cumulative([len(row) for row in self.ids]),
            item_starts=_cumulative(counts),
            targets=targets,
            example_of=np.asarray(self.example_of, dtype=np.int64),
            targets_on=targets_on,
            positions=positions,
        )


def chunks(examples: Sequence[_T]) -> Iterator[tuple[int, Sequence[_T]]]:
    """The examples in parts that are tokenised at once, each with the index of its first."""
    for start in range(0, len(examples), _CHUNK):
        yield start, examples[start : start + _CHUNK]


def text_rows(
    texts: Sequence[str], *, second: Sequence[str | None] | None, encoder: Encoder, limit: int
) -> RowCollector:
    """One row per text or pair.

    Args:
        second: The other text of each pair; None: there are none.
        encoder: Gives the tokenizer.
        limit: Longest row in pieces.
    """
    rows = RowCollector()
    for start, chunk in chunks(texts):
        pairs = second[start : start + len(chunk)] if second else [None] * len(chunk)
        others = None if all(p is None for p in pairs) else [p or "" for p in pairs]
        encoded = tokenise(encoder, chunk, second=others, limit=limit)
        rows.add(encoded, examples=range(start, start + len(chunk)), takes_types=encoder.takes_types)
    return rows


def tokenise(  # noqa: PLR0913  one place that knows the tokenizer's arguments
    encoder: Encoder,
    texts: Sequence[str],
    *,
    limit: int,
    second: Sequence[str] | None = None,
    stride: int | None = None,
    truncation: str = "longest_first",
) -> Any:  # noqa: ANN401  BatchEncoding
    """One call of the fast tokenizer; windows and offsets only where a stride is given.

    Args:
        texts: In the order of the rows.
        limit: Longest row in pieces.
        second: The other text of each pair.
        stride: Pieces by which windows of a long text overlap; None: the text is cut.
        truncation: What is cut of a pair.

    Raises:
        ModelError: The tokenizer gives no character offsets.
    """
    if not encoder.tokenizer.is_fast:
        raise ModelError(
            f"{type(encoder.tokenizer).__name__} is a slow tokenizer: it gives no character offsets, which tagging and "
            "question answering need. Save a fast one beside the weights (tokenizer.json)."
        )
    windows: dict[str, Any] = {}
    if stride is not None:
        windows = {"stride": stride, "return_overflowing_tokens": True, "return_offsets_mapping": True}
    encoded = encoder.tokenizer(
        list(texts),
        None if second is None else list(second),
        truncation=truncation if second is not None else True,
        max_length=limit,
        padding=False,
        return_attention_mask=False,
        return_token_type_ids=encoder.takes_types,
        **windows,
    )
    for row in [row for row, ids in enumerate(encoded["input_ids"]) if not ids]:
        encoded["input_ids"][row] = [blank_piece(encoder.tokenizer)]
        for name, filler in (("token_type_ids", 0), ("offset_mapping", (0, 0))):
            if name in encoded:
                encoded[name][row] = [filler]
    return encoded


def blank_piece(tokenizer: Any) -> int:  # noqa: ANN401  transformers' tokenizers share no typed base
    """What stands for nothing: a text of which a tokenizer without special pieces leaves none is still a row."""
    return int(tokenizer.pad_token_id if tokenizer.unk_token_id is None else tokenizer.unk_token_id)


def sequences_of(encoded: Any, row: int) -> Ints:  # noqa: ANN401  BatchEncoding
    """(n_pieces,) int64: 0 for pieces of the text, 1 for those of the other text of a pair, -1 for all others."""
    return np.asarray([-1 if of is None else of for of in encoded.sequence_ids(row) or [None]], dtype=np.int64)


def tokenise_words(
    encoder: Encoder, sentences: Sequence[Sequence[str]], *, limit: int, stride: int
) -> tuple[Any, list[Ints]]:  # Any: BatchEncoding
    """Windows of sentences that are given as words: the pieces of the running text, and the word that each is of.

    A tokenizer that is given words alone takes none of them for the beginning of one, unless it puts a mark before each
    itself; so words are joined by single spaces, and a piece is of the word that it begins in. A space is of the word
    behind it, as where a tokenizer puts its mark before each word.

    Args:
        sentences: Their words; a blank one gets no piece.
        limit: Longest row in pieces.
        stride: Pieces by which windows of a long sentence overlap.

    Returns:
        What the tokenizer gave, and for each row (n_pieces,) int64 indices of words, -1 at special pieces.
    """
    kept = [[i for i, word in enumerate(words) if word.strip()] for words in sentences]
    texts = [" ".join(words[i] for i in places) for words, places in zip(sentences, kept, strict=True)]
    encoded = tokenise(encoder, texts, limit=limit, stride=stride)
    found: list[Ints] = []
    for row, owner in enumerate(encoded["overflow_to_sample_mapping"]):
        words = sentences[owner]
        spaces = np.cumsum([len(words[i]) + 1 for i in kept[owner]]) - 1  # behind each word
        begins = np.asarray([span[0] for span in encoded["offset_mapping"][row]], dtype=np.int64)
        is_text = sequences_of(encoded, row) >= 0
        of = np.minimum(np.searchsorted(spaces, begins[is_text], side="right"), len(spaces) - 1)
        found.append(np.full(len(begins), -1, dtype=np.int64))
        found[-1][is_text] = np.asarray(kept[owner], dtype=np.int64)[of]
    return encoded, found


def stride_beside_questions(task: TaskSpec, encoder: Encoder, *, limit: int) -> int:
    """Pieces by which windows of a passage overlap, behind a question that may fill half the row.

    Args:
        task: Names the overlap that is wanted.
        encoder: Gives the number of special pieces.
        limit: Longest row in pieces.

    Raises:
        ModelError: A window would not be longer than the overlap.
    """
    markers = encoder.tokenizer.num_special_tokens_to_add(pair=True)
    stride = min(task.doc_stride, limit // 3)
    if limit - limit // 2 - markers > stride:
        return stride
    needed = next(n for n in count(limit) if n - n // 2 - markers > min(task.doc_stride, n // 3))
    raise ModelError(
        f"Task '{task.name}' needs rows of at least {needed} pieces for a question and a window of its passage; found "
        f"{limit}: the model's longest input is {encoder.max_length}, the task's max_length {task.max_length}, and a "
        "protocol's max_length may be lower. Choose a model that reads more, or raise max_length."
    )


def flat(rows: Sequence[Sequence[int]]) -> Ints:
    """Rows one after another, int32."""
    total = sum(len(row) for row in rows)
    return np.fromiter((piece for row in rows for piece in row), dtype=np.int32, count=total)


def _cumulative(counts: Any) -> Ints:  # noqa: ANN401  any sequence of ints
    return np.concatenate([[0], np.cumsum(np.asarray(counts, dtype=np.int64))]).astype(np.int64)


def decisions_of(features: Features) -> Array:
    """(n_examples,) float64 labelled pieces of each example, or 1 where a label is of the whole example."""
    owner, n = features.owners
    if features.targets_on != "pieces":
        return np.ones(n)
    read = np.add.reduceat((features.targets != IGNORED).astype(np.float64), features.starts[:-1])
    return np.bincount(owner, weights=read, minlength=n)


def only_specials(features: Features, encoder: Encoder) -> Features:
    """The input taken away: the special pieces are left, or one blank piece where there are none. Targets stay.

    Args:
        encoder: Gives the special pieces.
    """
    is_special = _specials(features, encoder)
    ids, firsts = features.ids.copy(), features.starts[:-1]
    bare = firsts[~np.logical_or.reduceat(is_special, firsts)]
    ids[bare], is_special[bare] = blank_piece(encoder.tokenizer), True
    kept = np.add.reduceat(is_special.astype(np.int64), firsts)
    return replace(
        features,
        ids=ids[is_special],
        types=None if features.types is None else features.types[is_special],
        starts=np.concatenate([[0], np.cumsum(kept)]).astype(np.int64),
    )


def all_masked(features: Features, encoder: Encoder) -> Features:
    """The input masked piece by piece, for answers that are positions: length and position alone are left.

    Args:
        encoder: Gives the special pieces.
    """
    tokenizer = encoder.tokenizer
    mask = blank_piece(tokenizer) if tokenizer.mask_token_id is None else tokenizer.mask_token_id
    ids = np.where(_specials(features, encoder), features.ids, mask)
    return replace(features, ids=ids.astype(features.ids.dtype))


def _specials(features: Features, encoder: Encoder) -> Array:
    tokenizer = encoder.tokenizer
    special = [tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id]
    return np.isin(features.ids, [i for i in special if i is not None])


def one_each(examples: Ints, *, rng: np.random.Generator) -> Ints:
    """Index of one random entry of each example, in the order of the examples.

    Args:
        examples: (n,) the example that each entry belongs to.
    """
    order = rng.permutation(len(examples))
    _, first = np.unique(examples[order], return_index=True)
    found: Ints = order[first]
    return found
