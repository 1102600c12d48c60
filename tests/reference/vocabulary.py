"""How much two domains' words overlap, how near their texts are: what `core/measures/similarity/words.py` is held to.

Token counts are sparse (sentences, vocabulary) matrices with one vocabulary for both domains, from `token_counts`.
Intervals resample sentences; as any resample sees fewer words, the draws are moved to be centred on the estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from core.errors import DataError
from core.measures.inference.intervals import BLOCK, Floats, Interval, Plan

Overlap = Literal["jaccard", "divergence"]


class TokenCounts(NamedTuple):
    """Sentences x vocabulary of two domains, and the vocabulary in column order."""

    x: sparse.csr_array
    other: sparse.csr_array
    vocabulary: tuple[str, ...]


def token_counts(x: Sequence[Sequence[str]], *, other: Sequence[Sequence[str]]) -> TokenCounts:
    """Counts over the joint vocabulary of texts that are already split into tokens.

    Args:
        x: Tokens of each sentence of one domain.
        other: Tokens of each sentence of the other.

    Raises:
        DataError: A domain has no tokens.
    """
    vocabulary = sorted({token for sentence in (*x, *other) for token in sentence})
    column = {token: i for i, token in enumerate(vocabulary)}
    matrices = []
    for sentences in (x, other):
        ends = np.cumsum([0, *(len(sentence) for sentence in sentences)])
        if ends[-1] == 0:
            raise DataError(f"{len(sentences)} sentences without a token. Split texts into tokens before counting.")
        columns = np.array([column[token] for sentence in sentences for token in sentence])
        matrix = sparse.csr_array((np.ones(len(columns)), columns, ends), shape=(len(sentences), len(vocabulary)))
        matrix.sum_duplicates()
        matrices.append(matrix)
    return TokenCounts(matrices[0], matrices[1], tuple(vocabulary))


def vocabulary_jaccard(x: ArrayLike, *, other: ArrayLike) -> float:
    """Words in both domains over words in either, in [0, 1].

    Args:
        x: (..., vocabulary) counts of one domain.
        other: (..., vocabulary) counts of the other.

    Raises:
        DataError: Vocabularies differ, or a domain is empty.
    """
    a, b = _counts(x, other)
    return float(_jaccard(a, b)[0])


def unigram_divergence(x: ArrayLike, *, other: ArrayLike) -> float:
    """Jensen-Shannon divergence of the word distributions in bits: 0 for the same, 1 for no word in common.

    Args:
        x: (vocabulary,) counts of one domain.
        other: (vocabulary,) counts of the other.

    Raises:
        DataError: Vocabularies differ, or a domain is empty.
    """
    a, b = _counts(x, other)
    return float(_divergence(a, b)[0])


def overlap_interval(
    counts: TokenCounts, *, measure: Overlap, rng: np.random.Generator, plan: Plan | None = None
) -> Interval:
    """One overlap measure with a centred percentile bootstrap over the sentences of both domains.

    Args:
        counts: From `token_counts`.
        plan: Resamples and level; default 200 resamples.
    """
    plan = plan or Plan(resamples=200)
    function = {"jaccard": _jaccard, "divergence": _divergence}[measure]
    estimate = float(function(*_counts(counts.x.sum(axis=0), counts.other.sum(axis=0)))[0])
    step = max(1, BLOCK // max(len(counts.vocabulary), 1) // 4)
    draws = []
    for start in range(0, plan.resamples, step):
        count = min(step, plan.resamples - start)
        draws.append(function(*(_resampled(side, rng=rng, count=count) for side in (counts.x, counts.other))))
    values = np.concatenate(draws)
    low, high = np.quantile(values - values.mean() + estimate, [(1 - plan.level) / 2, (1 + plan.level) / 2])
    n = min(counts.x.shape[0], counts.other.shape[0])
    limits = (float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1)))
    return Interval(estimate, *limits, plan.level, "centred percentile bootstrap over sentences", n, values.size)


def nearest_overlap(x: Sequence[str], *, other: Sequence[str], characters: int = 5) -> Floats:
    """(len(x),) Jaccard similarity of each text to the nearest text of `other`, by character n-grams.

    Args:
        x: Texts of one task.
        other: Texts of the other.
        characters: Length of an n-gram.

    Raises:
        DataError: No texts on a side.
    """
    if not x or not other:
        raise DataError(f"{len(x)} texts against {len(other)}; expected at least one on each side.")
    column: dict[str, int] = {}
    left, right = (_shingles(texts, characters=characters, column=column) for texts in (x, other))
    left.resize((len(x), len(column)))
    sizes_left, sizes_right = np.asarray(left.sum(axis=1)).ravel(), np.asarray(right.sum(axis=1)).ravel()
    nearest = np.zeros(len(x))
    turned = right.T.tocsc()
    step = max(1, BLOCK // len(other))
    for start in range(0, len(x), step):
        shared = (left[start : start + step] @ turned).toarray()
        union = sizes_left[start : start + step, None] + sizes_right[None, :] - shared
        nearest[start : start + step] = np.max(shared / np.maximum(union, 1), axis=1)
    return nearest


def _shingles(texts: Sequence[str], *, characters: int, column: dict[str, int]) -> sparse.csr_array:
    places, ends = [], [0]
    for text in texts:
        folded = " ".join(text.lower().split())
        grams = {folded[i : i + characters] for i in range(max(len(folded) - characters + 1, 1))}
        places += sorted(column.setdefault(gram, len(column)) for gram in grams)
        ends.append(len(places))
    return sparse.csr_array((np.ones(len(places)), places, ends), shape=(len(texts), len(column)))


def _counts(x: ArrayLike, other: ArrayLike) -> tuple[Floats, Floats]:
    a, b = np.atleast_2d(np.asarray(x, dtype=float)), np.atleast_2d(np.asarray(other, dtype=float))
    if a.shape != b.shape:
        raise DataError(f"Counts over {a.shape[-1]} and {b.shape[-1]} words; expected one joint vocabulary.")
    if min(a.sum(axis=1).min(), b.sum(axis=1).min()) <= 0:
        raise DataError("A domain has no words. Leave it out; an overlap with nothing is not a number.")
    return a, b


def _resampled(matrix: sparse.csr_array, *, rng: np.random.Generator, count: int) -> Floats:
    n = matrix.shape[0]
    times = rng.multinomial(n, np.full(n, 1 / n), size=count).astype(float)
    return np.asarray((matrix.T @ times.T).T)


def _jaccard(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.sum((a > 0) & (b > 0), axis=1) / np.sum((a > 0) | (b > 0), axis=1))


def _divergence(a: Floats, b: Floats) -> Floats:
    p, q = a / a.sum(axis=1, keepdims=True), b / b.sum(axis=1, keepdims=True)
    middle = (p + q) / 2

    def information(share: Floats) -> Floats:
        ratio = np.divide(share, middle, out=np.ones_like(share), where=share > 0)
        return np.asarray(np.sum(share * np.log2(ratio), axis=1))

    return np.asarray(np.clip((information(p) + information(q)) / 2, 0, 1))
