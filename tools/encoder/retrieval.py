"""Sentence retrieval: foreign sentence → nearest English sentence by cosine, on XTREME's Tatoeba and on held-out pairs.

Both take `embed`, a function from texts or piece ids to vectors, so that every stage of the recipe is scored alike.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tools.encoder.tokens import Corpus, Ragged

TATOEBA = {
    "afr": "af", "ara": "ar", "ben": "bn", "bul": "bg", "cmn": "zh", "deu": "de", "ell": "el", "est": "et",
    "eus": "eu", "fin": "fi", "fra": "fr", "heb": "he", "hin": "hi", "hun": "hu", "ind": "id", "ita": "it",
    "jav": "jv", "jpn": "ja", "kat": "ka", "kaz": "kk", "kor": "ko", "mal": "ml", "mar": "mr", "nld": "nl",
    "pes": "fa", "por": "pt", "rus": "ru", "spa": "es", "swh": "sw", "tam": "ta", "tel": "te", "tgl": "tl",
    "tha": "th", "tur": "tr", "urd": "ur", "vie": "vi",
}  # fmt: skip
"""Tatoeba's language codes in XTREME, and this project's."""

DEV_PAIRS = 300
"""Most held-out pairs of one language."""

DEV_FILES = (
    "tatoeba_challenge",
    "tatoeba_manythings",
    "massive",
    "ntrex",
    "flores",
    "storybooks",
    "tanaka_ja",
    "kaznu_gov",
)
"""Sources of the held-out pairs, most wanted first."""


class Pairs(NamedTuple):
    """Sentences of one language with their English, row by row."""

    source: list[str]
    """Foreign sentences."""
    target: list[str]
    """English sentences."""


def load_tatoeba(hub: Path) -> dict[str, Pairs]:
    """XTREME's Tatoeba by language code, in the order of TATOEBA."""
    found = {}
    for name, lang in TATOEBA.items():
        frame = pd.read_parquet(hub / "google" / "xtreme" / f"tatoeba.{name}" / "validation-00000-of-00001.parquet")
        found[lang] = Pairs(
            frame["source_sentence"].str.strip().tolist(), frame["target_sentence"].str.strip().tolist()
        )
    return found


def accuracy(source: np.ndarray, *, target: np.ndarray) -> float:
    """Share of rows whose nearest target by cosine is their own, in [0, 1].

    Args:
        source: (n, dim) vectors of any length.
        target: (n, dim) vectors of any length.
    """
    a = source / np.linalg.norm(source, axis=1, keepdims=True)
    b = target / np.linalg.norm(target, axis=1, keepdims=True)
    return float(np.mean(np.argmax(a @ b.T, axis=1) == np.arange(len(a))))


def tatoeba_accuracy(tatoeba: dict[str, Pairs], *, embed: Callable[[list[str]], np.ndarray]) -> dict[str, float]:
    """Accuracy by language, in [0, 1]."""
    return {lang: accuracy(embed(pairs.source), target=embed(pairs.target)) for lang, pairs in sorted(tatoeba.items())}


def dev_rows(corpus: Corpus) -> dict[str, np.ndarray]:
    """Held-out rows of each language, at most DEV_PAIRS, no English side twice in a language."""
    order = {name: index for index, name in enumerate(DEV_FILES)}
    rows = np.flatnonzero(corpus.held_out & np.isin(corpus.file, DEV_FILES) & (corpus.weight > 0.2))
    frame = pd.DataFrame({"row": rows, "lang": corpus.lang[rows], "key": corpus.key_of[rows]})
    frame["order"] = [order[name] for name in corpus.file[rows]]
    frame = frame.sort_values(["order", "row"]).drop_duplicates(["lang", "key"])
    return {lang: group["row"].to_numpy()[:DEV_PAIRS] for lang, group in frame.groupby("lang")}


def dev_accuracy(corpus: Corpus, *, embed: Callable[[Ragged], np.ndarray]) -> dict[str, float]:
    """Accuracy on the held-out pairs by language, in [0, 1]."""
    found = {}
    for lang, rows in dev_rows(corpus).items():
        source = embed(corpus.text[0].take(rows))
        target = embed(corpus.english[0].take(corpus.english_of[rows]))
        found[lang] = accuracy(source, target=target)
    return found
