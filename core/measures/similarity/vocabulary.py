"""Measures of two texts' words and characters, with intervals over sentences.

Values are those of the plain functions in `tests/reference/vocabulary.py`. Intervals of words are a bootstrap over
sentences, moved to be centred on the estimate, as any resample sees fewer words; a text's resamples are drawn once and
used against every other text.

To add a measure: a function of a `Pair`, and a record in `VOCABULARY`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.measures.inference.intervals import Floats, Interval, mean_interval
from core.measures.similarity.pair import Pair, SimilarityMeasure, Text

NEAR = 0.8
"""Jaccard similarity of character 5-grams from which two sentences count as near duplicates."""

_LEVEL = 0.95


def vocabulary_overlap(pair: Pair) -> Interval:
    """Words in both texts over words in either."""
    return _centred(pair.once(_compared).jaccard, pair=pair)


def unigram_jsd(pair: Pair) -> Interval:
    """Jensen-Shannon divergence of the word frequencies, in bits."""
    return _centred(pair.once(_compared).divergence, pair=pair)


def near_duplicates(pair: Pair) -> Interval:
    """Share of the sentences of both texts with a near duplicate in the other: exact Jaccard of n-grams."""
    a, b = pair.a.shingles, pair.b.shingles
    _, in_a, in_b = np.intersect1d(a.ids, b.ids, assume_unique=True, return_indices=True)
    shared = (a.held[:, in_a].tocsr() @ b.held[:, in_b].T.tocsr()).toarray()
    jaccard = shared / (a.sizes[:, None] + b.sizes[None, :] - shared)
    found = np.concatenate((jaccard.max(axis=1), jaccard.max(axis=0))) >= NEAR
    return mean_interval(found, rng=pair.rng())


VOCABULARY = (
    SimilarityMeasure(
        name="vocabulary_overlap",
        title="Vocabulary overlap",
        unit="share, 0 to 1",
        direction=1,
        meaning="Words that occur in both texts over words that occur in either. Falls as texts get longer.",
        formula="words in both / words in either",
        source="Jaccard 1912",
        function=vocabulary_overlap,
        is_embedded=False,
    ),
    SimilarityMeasure(
        name="unigram_jsd",
        title="Unigram divergence",
        unit="bits, 0 to 1",
        direction=-1,
        meaning="Jensen-Shannon divergence of word frequencies: 0 the same, 1 no word in common.",
        formula="½ Σ p log₂(p / m) + ½ Σ q log₂(q / m), m = (p + q) / 2",
        source="Lin 1991",
        function=unigram_jsd,
        is_embedded=False,
    ),
    SimilarityMeasure(
        name="near_duplicates",
        title="Near duplicates",
        unit="share, 0 to 1",
        direction=1,
        meaning="Sentences of one text that the other has almost word by word: a gain may then be memory, not "
        "transfer.",
        formula="share of the sentences of both with character 5-gram Jaccard ≥ 0.8 to some sentence of the other",
        source="Broder 1997 (MinHash)",
        function=near_duplicates,
        is_embedded=False,
        same_language_only=True,
    ),
)
"""In the order of screens."""


class _Compared(NamedTuple):
    """Of the texts, and of each pair of resamples after them."""

    jaccard: Floats
    """(1 + resamples,)."""
    divergence: Floats
    """(1 + resamples,) in bits."""


def _compared(a: Text, b: Text) -> _Compared:
    """Words of one text alone enter both measures only through their number, so only common words are looked at."""
    _, in_a, in_b = np.intersect1d(a.words.ids, b.words.ids, assume_unique=True, return_indices=True)
    whole = _overlap(a.words.counts[None], b.words.counts[None], in_a=in_a, in_b=in_b)
    draws = _overlap(a.words.resampled, b.words.resampled, in_a=in_a, in_b=in_b)
    return _Compared(*(np.concatenate(parts) for parts in zip(whole, draws, strict=True)))


def _overlap(
    x: NDArray[np.generic], y: NDArray[np.generic], *, in_a: NDArray[np.intp], in_b: NDArray[np.intp]
) -> tuple[Floats, Floats]:
    """Jaccard of words and Jensen-Shannon divergence in bits, for each row of counts."""
    seen_x, seen_y = np.count_nonzero(x, axis=1), np.count_nonzero(y, axis=1)
    common_x, common_y = x[:, in_a].astype(np.float32), y[:, in_b].astype(np.float32)
    shared = np.count_nonzero((common_x > 0) & (common_y > 0), axis=1)
    p = common_x / x.sum(axis=1, dtype=np.float64, keepdims=True).astype(np.float32)
    q = common_y / y.sum(axis=1, dtype=np.float64, keepdims=True).astype(np.float32)
    # Twice the divergence is the sum of p log2(p / m) + q log2(q / m), m their mean: over the common words this is
    # p log2 p + q log2 q - (p + q) log2(p + q) + (p + q), and a word of one side alone adds its p or q: 2 in all.
    common = (_entropy(p + q) - _entropy(p) - _entropy(q)).sum(axis=1, dtype=float)
    return shared / (seen_x + seen_y - shared), np.clip(common / 2 + 1, 0, 1)


def _entropy(share: NDArray[np.float32]) -> NDArray[np.float32]:
    """-p log2 p, 0 for 0."""
    return -share * np.log2(np.where(share > 0, share, np.float32(1)))


def _centred(values: Floats, *, pair: Pair) -> Interval:
    """The first value, and the spread of the others around it."""
    estimate, draws = float(values[0]), values[1:]
    low, high = np.quantile(draws - draws.mean() + estimate, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    limits = float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))
    n = min(pair.a.words.n, pair.b.words.n)
    return Interval(estimate, *limits, _LEVEL, "centred percentile bootstrap over sentences", n, len(draws))
