"""What rules that read no meaning go by: the shape of a word, the words of a question, the commonest labels.

A type's module makes its rules of these; `core.encoder.judging` scores them on the examples that a model is scored on.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import groupby

import numpy as np

from core.types.pieces import Array, Ints

WINDOWS = (1, 2, 4, 8, 12, 16)
"""Sizes in words of the windows that stand for an answer; the best on English training questions is used."""

_UNIT = re.compile(r"[^\W_]+|[^\w\s]")
_SPACELESS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Scripts that are written without spaces: each character counts as a word."""


def word_shape(word: str) -> str:
    """The kinds of characters of a word, each run once: `Xx` for Ada, `0` for 1815, `x.x` for it's, `o` for 日本.

    Args:
        word: Any text.
    """
    return "".join(kind for kind, _ in groupby(_kind(c) for c in word))


@cache
def _kind(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Lu", "Ll"}:
        return "X" if category == "Lu" else "x"
    return {"L": "o", "M": "o", "N": "0", "P": ".", "S": "."}.get(category[0], "")


def commonest(values: Sequence[int], *, n: int) -> int:
    """The most frequent id, the smaller one of equals.

    Args:
        values: Ids from 0; at least one.
        n: How many ids there are.
    """
    return int(np.bincount(np.asarray(values, dtype=np.int64), minlength=n).argmax())


def tags_by_shape(words: Sequence[str], tags: Sequence[int]) -> dict[str, int]:
    """The commonest tag of each word shape; of `""`, which no word has, the commonest of all.

    Args:
        words: Of training sentences.
        tags: One a word, ids from 0.
    """
    counts: dict[str, Counter[int]] = {"": Counter()}
    for word, tag in zip(words, tags, strict=True):
        counts.setdefault(word_shape(word), Counter())[tag] += 1
        counts[""][tag] += 1
    return {shape: min(found, key=lambda tag: (-found[tag], tag)) for shape, found in counts.items() if found}


def commonest_set(hot: Array) -> tuple[int, ...]:
    """The label set that has the largest micro F1 where it is given to every example.

    Args:
        hot: (n_examples, n_labels) bool.
    """
    frequency = hot.sum(axis=0)
    order: Ints = np.argsort(-frequency, kind="stable")
    sizes = np.arange(1, len(order) + 1)
    f1 = 2 * np.cumsum(frequency[order]) / (sizes * len(hot) + frequency.sum())
    return tuple(sorted(int(i) for i in order[: int(f1.argmax()) + 1]))


def question_window(question: str, context: str, *, size: int) -> str:
    """The stretch of a passage, `size` words long, that holds most words of the question; the first of equals.

    A word is a run of letters and digits, or one character where the script is written without spaces.

    Args:
        question: Any language.
        context: The passage; empty gives an empty answer.
        size: In words, at least 1.
    """
    words = _units(context)
    if not words:
        return ""
    wanted = {question[a:b].casefold() for a, b in _units(question)}
    found = [context[a:b].casefold() for a, b in words]
    inside: Counter[str] = Counter()
    n, best, at = 0, -1, 0
    for i, word in enumerate(found):
        if word in wanted:
            inside[word] += 1
            n += inside[word] == 1
        if i >= size and (gone := found[i - size]) in wanted:
            inside[gone] -= 1
            n -= inside[gone] == 0
        if i >= min(size, len(found)) - 1 and n > best:
            best, at = n, max(0, i - size + 1)
    return context[words[at][0] : words[min(at + size, len(words)) - 1][1]]


def _units(text: str) -> list[tuple[int, int]]:
    spans = []
    for match in _UNIT.finditer(text):
        if _SPACELESS.search(match.group()):
            spans += [(i, i + 1) for i in range(*match.span())]
        elif match.group()[0].isalnum():
            spans.append(match.span())
    return spans
