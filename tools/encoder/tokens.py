"""The corpus as piece ids: every text encoded once in two spellings, with its language, weight and teacher key.

The second spelling changes the case (lower case, or a capital first letter where there was none), so that the pieces
of both spellings learn the same meaning.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from tools.encoder.corpus import english_key, load_monolingual, load_pairs, unique_english

MAX_PIECES = 64
"""Longest text in pieces without special tokens; longer ones are cut."""

CHUNK = 50_000
"""Texts encoded at a time, which bounds the memory."""

DEV_BUCKETS = 100
"""One of so many English sides is held out with all its translations, for choices made during training."""


class Ragged(NamedTuple):
    """Lists of piece ids of unequal length, one after the other."""

    flat: np.ndarray
    """(n_pieces,) int32."""
    offsets: np.ndarray
    """(n_texts + 1,) int64; text i is flat[offsets[i] : offsets[i + 1]]."""

    def lengths(self) -> np.ndarray:
        """Number of pieces of each text, (n_texts,) int64."""
        return np.diff(self.offsets)

    def take(self, rows: np.ndarray) -> "Ragged":
        """The lists of these rows, in their order; a row may come more than once."""
        lengths = self.lengths()[rows]
        ends = np.cumsum(lengths)
        inside = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)
        return Ragged(self.flat[np.repeat(self.offsets[rows], lengths) + inside], np.concatenate([[0], ends]))


class Corpus(NamedTuple):
    """All rows as numbers; row arrays have equal length."""

    text: tuple[Ragged, Ragged]
    """Foreign sides, one list per row, in two spellings."""
    english: tuple[Ragged, Ragged]
    """Distinct English sides in two spellings."""
    english_of: np.ndarray
    """(n_rows,) int64, index into `english`."""
    key_of: np.ndarray
    """(n_rows,) int64, index into the teacher's vectors."""
    lang: np.ndarray
    """(n_rows,) language codes."""
    file: np.ndarray
    """(n_rows,) source names."""
    weight: np.ndarray
    """(n_rows,) float64, relative sampling weights."""
    held_out: np.ndarray
    """(n_rows,) bool, rows never trained on."""
    keys: pd.Series
    """Keys of the teacher's vectors, in their order."""


def other_case(text: str) -> str:
    """The text in lower case, or with a capital first letter if it is in lower case already."""
    lower = text.lower()
    return lower if lower != text else text[:1].upper() + text[1:]


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer saved in a folder, offline."""
    return AutoTokenizer.from_pretrained(str(folder), local_files_only=True)


def encode(tokenizer: PreTrainedTokenizerFast, *, texts: list[str], max_pieces: int = MAX_PIECES) -> Ragged:
    """Piece ids without special tokens, at most `max_pieces` a text."""
    lists: list[np.ndarray] = []
    for chunk in _chunks(texts):
        encoded = tokenizer.backend_tokenizer.encode_batch_fast(chunk, add_special_tokens=False)
        lists += [np.asarray(item.ids[:max_pieces], dtype=np.int32) for item in encoded]
    lengths = np.fromiter((len(item) for item in lists), dtype=np.int64, count=len(lists))
    return Ragged(np.concatenate(lists), np.concatenate([[0], np.cumsum(lengths)]))


def _chunks(texts: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(texts), CHUNK):
        yield texts[start : start + CHUNK]


def build(tokenizer: PreTrainedTokenizerFast, *, shared: Path) -> Corpus:
    """Read and encode the parallel text."""
    pairs = load_pairs(shared)
    keys = unique_english(pairs)["key"]
    rank = pd.Series(np.arange(len(keys)), index=keys)
    english_of, english = pd.factorize(pairs["english"])
    key = pairs["english"].map(english_key)
    held_out = key.map(lambda text: zlib.crc32(text.encode("utf-8")) % DEV_BUCKETS == 0)
    texts, sides = pairs["text"].tolist(), list(english)
    return Corpus(
        text=(
            encode(tokenizer, texts=texts),
            encode(tokenizer, texts=[other_case(text) for text in texts]),
        ),
        english=(
            encode(tokenizer, texts=sides),
            encode(tokenizer, texts=[other_case(side) for side in sides]),
        ),
        english_of=english_of.astype(np.int64),
        key_of=rank[key].to_numpy(dtype=np.int64),
        lang=pairs["lang"].to_numpy(dtype=str),
        file=pairs["file"].to_numpy(dtype=str),
        weight=pairs["weight"].to_numpy(dtype=np.float64),
        held_out=held_out.to_numpy(dtype=bool),
        keys=keys,
    )


def cached(folder: Path, *, tokenizer: PreTrainedTokenizerFast, shared: Path, leave_out: tuple[str, ...]) -> Corpus:
    """The encoded corpus, read from `folder` if it was built before, else built and saved there.

    Rows of the sources in `leave_out` stay, with weight zero: nothing is trained or chosen on them.
    """
    path = folder / "corpus.pkl"
    if path.exists():
        corpus = Corpus(*pd.read_pickle(path))
    else:
        corpus = build(tokenizer, shared=shared)
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        pd.to_pickle(tuple(corpus), part)
        part.rename(path)
    weight = np.where(np.isin(corpus.file, list(leave_out)), 0.0, corpus.weight)
    return corpus._replace(weight=weight)


def monolingual(tokenizer: PreTrainedTokenizerFast, *, shared: Path) -> Ragged:
    """Sentences that have no translation, encoded."""
    return encode(tokenizer, texts=load_monolingual(shared)["text"].tolist())


def language_balanced(corpus: Corpus, *, exponent: float) -> np.ndarray:
    """Sampling probabilities of the rows: weights, scaled so that a language's share is its sum to the `exponent`.

    Args:
        corpus: the encoded corpus.
        exponent: 1 keeps the languages' shares, 0 makes them equal.

    Returns:
        (n_rows,) float64 that sums to 1; zero where held out.
    """
    weight = np.where(corpus.held_out, 0.0, corpus.weight)
    total = pd.Series(weight).groupby(corpus.lang).transform("sum").to_numpy()
    scaled = weight * np.power(np.maximum(total, 1.0), exponent - 1.0)
    return scaled / scaled.sum()
