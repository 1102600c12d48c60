"""Two texts as measures of similarity get them, and what such a measure says of itself.

A profile compares thousands of pairs of some dozens of texts. So a text is projected, counted and cut up before it is
compared, and what several measures need of a pair is computed by the first that asks for it (`Pair.once`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np

from core.measures.base import Measure
from core.measures.inference.intervals import Floats, Interval
from core.measures.similarity.domains import Domain
from core.measures.similarity.words import Shingles, Words, cut_up

T = TypeVar("T")


class Offset(NamedTuple):
    """What is subtracted from the vectors of either side before they are compared, such as their language's mean."""

    a: Floats
    """(d,) from the first text."""
    b: Floats
    """(d,) from the second."""


@dataclass(frozen=True, eq=False)
class Text:
    """One text, ready to be compared."""

    sentences: Sequence[str]
    """In random order."""
    lang: str
    """XTREME's code."""
    domain: Domain
    """Their vectors."""
    words: Words
    """Their words."""

    @cached_property
    def shingles(self) -> Shingles:
        """Character n-grams of each sentence; cut up when first asked for."""
        return cut_up(self.sentences)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two texts; after `centred`, with an offset that a measure of embeddings subtracts."""

    a: Text
    b: Text
    seed: Sequence[int]
    """Of what measures draw."""
    offset: Offset | None = None
    _known: dict[Callable[[Text, Text], Any], Any] = field(default_factory=dict)  # by function, so of any type

    @cached_property
    def move(self) -> Floats:
        """(d,) by how much more is subtracted from the first text than from the second."""
        return np.zeros_like(self.a.domain.mean) if self.offset is None else self.offset.a - self.offset.b

    @property
    def gap(self) -> Floats:
        """(d,) mean vector of the first text less that of the second, after the offset."""
        return np.asarray(self.a.domain.mean - self.b.domain.mean - self.move)

    def rng(self) -> np.random.Generator:
        """A fresh source of what a measure draws: the same for each, so that none changes another."""
        return np.random.default_rng(list(self.seed))

    def once(self, function: Callable[[Text, Text], T]) -> T:
        """What a function says of both texts, offset or not; computed for the first measure that asks.

        Args:
            function: Defined at the top of a module, so that it is the same for all.
        """
        if function not in self._known:
            self._known[function] = function(self.a, self.b)
        found: T = self._known[function]
        return found

    def centred(self, offset: Offset) -> Pair:
        """The same pair with something subtracted from either side."""
        return replace(self, offset=offset)


@dataclass(frozen=True, kw_only=True)
class SimilarityMeasure(Measure):
    """A measure of two texts."""

    function: Callable[[Pair], Interval | None]
    """Of a pair; None where it is not defined for this pair."""
    is_embedded: bool
    """Whether it reads sentence embeddings, and so is computed again after each language's mean was removed."""
    ignores_common_shift: bool = False
    """Whether subtracting the same vector from both texts changes nothing: then texts of one language are compared
    once."""
    same_language_only: bool = False
    """Whether it says nothing of texts in two languages."""
    first_sentences: int | None = None
    """How many of a text's sentences are looked at, the first ones; None: all."""

    def applies(self, *, centred: bool, is_one_language: bool) -> bool:
        """Whether it is computed for a pair of texts.

        Args:
            centred: After each language's mean was removed.
            is_one_language: Whether both are in the same language.
        """
        return (self.is_embedded or not centred) and (is_one_language or not self.same_language_only)
