"""Overlap of words and near duplicates for thousands of pairs: each text is counted, resampled and cut up once.

Values are those of `vocabulary.py`. Intervals are its centred bootstrap over sentences; a text's resamples are drawn
once and used against every other text.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from core.errors import DataError
from core.measures.inference.intervals import Floats, Interval, mean_interval

_METHOD = "centred percentile bootstrap over sentences"
NEAR = 0.8
"""Jaccard similarity of character 5-grams from which two texts count as near duplicates."""

_UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF))


class _Separators(dict[int, str]):
    """What each character becomes before a text is split at spaces; filled as characters come up."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)[0]
        if kind in "PSZC":
            made = " "
        elif kind == "L" and any(low <= code <= high for low, high in _UNSPACED):
            made = f" {character}"
        else:
            made = character
        self[code] = made
        return made


_SEPARATORS = _Separators()


class Words(NamedTuple):
    """One text's words."""

    ids: NDArray[np.int64]
    """(v,) ascending ids of its words."""
    counts: Floats
    """(v,) how often each occurs."""
    resampled: NDArray[np.uint16]
    """(resamples, v) how often in each resample of its sentences."""
    n: int
    """Sentences."""


def split_words(text: str) -> list[str]:
    """Words in lower case, numbers included; each letter with its marks alone in scripts without spaces (Thai, Han …).

    Args:
        text: Any language.
    """
    return unicodedata.normalize("NFKC", text).lower().translate(_SEPARATORS).split()


def count_words(texts: Sequence[str], *, vocabulary: dict[str, int], rng: np.random.Generator, resamples: int) -> Words:
    """Counts of one text and of resamples of its sentences.

    Args:
        vocabulary: Ids of words met so far; new words are added. An id is a digest of its word, so that the order in
            which texts are counted changes nothing.
        rng: Source of the resamples.

    Raises:
        DataError: No word in any sentence.
    """
    found = [split_words(text) for text in texts]
    ends = np.cumsum([0, *(len(words) for words in found)])
    if ends[-1] == 0:
        raise DataError(f"{len(texts)} sentences without a word: nothing to compare.")
    for word in {word for words in found for word in words} - vocabulary.keys():
        raw_word = word.encode("utf-8", "surrogatepass")
        vocabulary[word] = int.from_bytes(hashlib.blake2b(raw_word, digest_size=8).digest(), "big") >> 1
    raw = np.array([vocabulary[word] for words in found for word in words], dtype=np.int64)
    ids, columns = np.unique(raw, return_inverse=True)
    matrix = sparse.csr_array((np.ones(len(columns)), columns, ends), shape=(len(texts), len(ids)))
    matrix.sum_duplicates()
    times = rng.multinomial(len(texts), np.full(len(texts), 1 / len(texts)), size=resamples)
    drawn = np.minimum((matrix.T @ times.T.astype(float)).T, np.iinfo(np.uint16).max)
    return Words(ids, np.asarray(matrix.sum(axis=0)).ravel(), drawn.astype(np.uint16), len(texts))


def compare_words(a: Words, b: Words, *, level: float = 0.95) -> dict[str, Interval]:
    """`vocabulary_overlap` and `unigram_jsd` of two texts.

    Words of one text alone enter both only through their number, so that only common words are looked at.

    Args:
        b: The other, with the same number of resamples.
    """
    _, in_a, in_b = np.intersect1d(a.ids, b.ids, assume_unique=True, return_indices=True)
    jaccard, divergence = _overlap(a.counts[None], b.counts[None], in_a=in_a, in_b=in_b)
    draws = _overlap(a.resampled, b.resampled, in_a=in_a, in_b=in_b)
    names = ("vocabulary_overlap", "unigram_jsd")
    estimates = (float(jaccard[0]), float(divergence[0]))
    n = min(a.n, b.n)
    return {
        name: _centred(values, estimate=estimate, n=n, level=level)
        for name, values, estimate in zip(names, draws, estimates, strict=True)
    }


class Shingles(NamedTuple):
    """One text cut into character n-grams."""

    ids: NDArray[np.int64]
    """(v,) ascending hashes of its n-grams; good inside one process."""
    held: sparse.csc_array
    """(n, v) which sentence holds which."""
    sizes: Floats
    """(n,) different n-grams of each sentence."""


def cut_up(texts: Sequence[str], *, characters: int = 5) -> Shingles:
    """The character n-grams of each sentence, in lower case and with spaces folded; a shorter one is kept whole.

    Args:
        characters: Length of an n-gram.
    """
    hashes: list[int] = []
    ends = [0]
    for text in texts:
        folded = " ".join(text.lower().split())
        hashes += {hash(folded[i : i + characters]) for i in range(max(len(folded) - characters + 1, 1))}
        ends.append(len(hashes))
    ids, columns = np.unique(np.array(hashes, dtype=np.int64), return_inverse=True)
    held = sparse.csr_array((np.ones(len(columns)), columns, ends), shape=(len(texts), len(ids)))
    return Shingles(ids, held.tocsc(), np.diff(ends).astype(float))


def near_duplicates(a: Shingles, b: Shingles, *, rng: np.random.Generator) -> Interval:
    """Share of the sentences of both sides with a near duplicate on the other side: exact Jaccard of n-grams.

    Args:
        b: The other.
        rng: Source of the bootstrap.
    """
    _, in_a, in_b = np.intersect1d(a.ids, b.ids, assume_unique=True, return_indices=True)
    shared = (a.held[:, in_a].tocsr() @ b.held[:, in_b].T.tocsr()).toarray()
    jaccard = shared / (a.sizes[:, None] + b.sizes[None, :] - shared)
    found = np.concatenate((jaccard.max(axis=1), jaccard.max(axis=0))) >= NEAR
    return mean_interval(found, rng=rng)


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


def _centred(draws: Floats, *, estimate: float, n: int, level: float) -> Interval:
    low, high = np.quantile(draws - draws.mean() + estimate, [(1 - level) / 2, (1 + level) / 2])
    limits = float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))
    return Interval(estimate, *limits, level, _METHOD, n, len(draws))
