"""The words of one text, prepared: counted, resampled and cut up once, for all its comparisons."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from core.errors import DataError
from core.measures.inference.intervals import Floats

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
