"""F1 of chunks in tagged sentences, as seqeval counts them, and word accuracy.

`iob2` is seqeval's default (not strict) mode: an `I-X` without its `B-X` begins a chunk. `plain` is what XTREME scores
POS with: seqeval 0.0.12 reads the first letter of a tag without prefix as its prefix and the whole tag as its type, so
equal neighbours (NOUN NOUN) become one chunk, while tags in S (SCONJ, SYM) stay single and B, I, E, O keep their
meaning. seqeval 1.2.2 differs there because it cuts the first letter off the type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import DataError

Scheme = Literal["iob2", "plain"]
Tags = Sequence[Sequence[str]]

_ENDS_AFTER = frozenset({"E", "S"})
_INSIDE = frozenset({"B", "I"})
_CLOSES_INSIDE = frozenset({"B", "S", "O"})
_OPENS_AFTER_BREAK = frozenset({"E", "I"})
_BREAKS = frozenset({"E", "S", "O"})
_NOTHING = frozenset({"O", "."})


class Chunk(NamedTuple):
    """A run of words of one type."""

    type: str
    first: int
    """Index of its first word."""
    last: int
    """Index of its last word."""


class ChunkScores(NamedTuple):
    """Micro-averaged over all chunks, all in [0, 1]; 0 where nothing was found."""

    precision: float
    recall: float
    f1: float


def chunks(tags: Sequence[str], *, scheme: Scheme) -> list[Chunk]:
    """The chunks of one sentence, in order.

    Args:
        tags: One a word.
        scheme: How they are read.
    """
    found = []
    letter_before, type_before, first = "O", "", 0
    for i, tag in enumerate((*tags, "O")):
        letter, type_ = tag[:1], tag.split("-")[-1] if scheme == "plain" else tag[1:].partition("-")[2]
        if _ends(letter_before, type_before, letter, type_):
            found.append(Chunk(type_before, first, i - 1))
        if _starts(letter_before, type_before, letter, type_):
            first = i
        letter_before, type_before = letter, type_
    return found


def chunk_counts(gold: Tags, predicted: Tags, *, scheme: Scheme) -> npt.NDArray[np.float64]:
    """(n_sentences, 3) right, gold and predicted chunks; right means same type, first and last word.

    Args:
        gold: (n_sentences) tag names, one a word.
        predicted: The same lengths.
        scheme: How tags are read.

    Raises:
        DataError: Nothing to score, or the lengths differ.
    """
    rows = []
    for g, p in _sentences(gold, predicted):
        in_gold, in_predicted = set(chunks(g, scheme=scheme)), set(chunks(p, scheme=scheme))
        rows.append((len(in_gold & in_predicted), len(in_gold), len(in_predicted)))
    return np.asarray(rows, dtype=np.float64)


def chunk_scores(counts: npt.NDArray[np.float64]) -> ChunkScores:
    """Precision, recall and F1 of all chunks together.

    Args:
        counts: Of `chunk_counts`.
    """
    right, n_gold, n_predicted = (float(c) for c in counts.sum(axis=0))
    precision = right / n_predicted if n_predicted else 0.0
    recall = right / n_gold if n_gold else 0.0
    return ChunkScores(precision, recall, 2 * right / (n_gold + n_predicted) if right else 0.0)


def sentence_f1(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Chunk F1 of each sentence alone, (n_sentences,) in [0, 1]; 1 where neither has a chunk.

    Args:
        counts: Of `chunk_counts`.
    """
    sizes = counts[:, 1] + counts[:, 2]
    return np.asarray(np.where(sizes > 0, 2 * counts[:, 0] / np.maximum(sizes, 1), 1.0), dtype=np.float64)


def word_accuracy(gold: Tags, predicted: Tags) -> float:
    """Share of words with the right tag, in [0, 1].

    Args:
        gold: (n_sentences) tags, one a word.
        predicted: The same lengths.

    Raises:
        DataError: Nothing to score, or the lengths differ.
    """
    right = total = 0
    for g, p in _sentences(gold, predicted):
        right += sum(a == b for a, b in zip(g, p, strict=True))
        total += len(g)
    if not total:
        raise DataError("There is nothing to score: no words. Expected at least one.")
    return right / total


def _ends(letter_before: str, type_before: str, letter: str, type_: str) -> bool:
    """Whether a chunk ends between two words."""
    if letter_before in _ENDS_AFTER or (letter_before in _INSIDE and letter in _CLOSES_INSIDE):
        return True
    return letter_before not in _NOTHING and type_before != type_


def _starts(letter_before: str, type_before: str, letter: str, type_: str) -> bool:
    """Whether a chunk starts at the second of two words."""
    if letter in {"B", "S"} or (letter_before in _BREAKS and letter in _OPENS_AFTER_BREAK):
        return True
    return letter not in _NOTHING and type_before != type_


def _sentences(gold: Tags, predicted: Tags) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    if len(gold) != len(predicted):
        raise DataError(f"There are {len(gold)} gold sentences and {len(predicted)} predicted ones. Expected the same.")
    if not len(gold):
        raise DataError("There is nothing to score: no sentences. Expected at least one.")
    for i, (g, p) in enumerate(zip(gold, predicted, strict=True)):
        if len(g) != len(p):
            raise DataError(f"Sentence {i} has {len(g)} words and {len(p)} predicted tags. Expected one tag a word.")
        yield g, p
