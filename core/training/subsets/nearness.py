"""How near the examples of a pool are to a target's English text, by the run's model before any training.

The model embeds as it does for domain profiles (`core/encoder/sentences.py`: its record says layer and pooling). An
example's similarity is the cosine of its vector to the centroid of the target's vectors, both after the mean vector of
the pool was taken off. The centroid, because it is one number an example that does not depend on how much the target's
text varies, as in the domain measure `centroid_cosine` (Vu et al. 2020); less the mean, as domain similarity is by
default, because encoders give all English texts a common direction: with it, near to one target is near to any.
The second look needs no model: the share of running words that a third has in common with the target's text.
English stays English: no other language of the target is looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from core.encoder.sentences import SentenceEncoder, digest_of_texts
from core.errors import DataError
from core.examples import Split
from core.measures.similarity.words import split_words
from core.spec.match import N_TEXTS
from core.spec.task import TaskSpec
from core.training.context import RunContext
from core.types.pieces import Array
from core.types.table import task_type

FEWEST_TEXTS = 10
"""Below this a target has no centroid worth the name."""
_CHANCES = 2
"""So many times the gap of two samples of one text: in hundreds of dimensions chance hardly varies around its mean."""


class Closeness(NamedTuple):
    """Of the examples of a pool to one target."""

    cosines: Array
    """(n,) cosine of each example's vector to the centroid of the target's, less the pool's mean."""
    texts: tuple[str, ...]
    """(n,) text of each example."""
    n_target_texts: int
    """Texts of the target."""
    words: Counter[str]
    """How often each word occurs in them."""


def closeness(context: RunContext, pool: Split, *, target: TaskSpec) -> Closeness:
    """Similarity of every example of a pool to a target's English training text.

    Args:
        context: Its model embeds, with the weights that it has before any training.
        pool: English training examples.
        target: With English training data.

    Raises:
        DataError: The target has too few texts, or they are the pool's own.
    """
    wanted = context.loader.text(target, n=N_TEXTS)
    if len(wanted) < FEWEST_TEXTS:
        raise DataError(
            f"'{target.name}' has {len(wanted)} English training texts; expected {FEWEST_TEXTS} or more for examples "
            "to be near to. Choose another target after the colon."
        )
    own_text = task_type(pool.task.type).own_text
    texts = tuple(own_text(e).strip() for e in pool.examples)
    encoder = SentenceEncoder(context.spec.model, device=context.device)
    vectors, others = (_embedded(context, encoder, texts=each) for each in (texts, wanted))
    mean, centroid = vectors.mean(axis=0, dtype=float), others.mean(axis=0, dtype=float)
    _refuse_same(vectors, others, gap=centroid - mean, names=(pool.task.name, target.name))
    rows = vectors - mean
    cosines = rows @ (centroid - mean) / np.linalg.norm(centroid - mean)
    cosines /= np.maximum(np.linalg.norm(rows, axis=1), 1e-9)
    return Closeness(cosines, texts, len(wanted), count_words(wanted))


def _refuse_same(vectors: Array, others: Array, *, gap: Array, names: tuple[str, str]) -> None:
    """Refuse two samples of one text: the way from one mean to the other is then chance, and nearness along it, too."""
    by_chance = sum(float(rows.var(axis=0, dtype=float).sum()) / len(rows) for rows in (vectors, others))
    if float(gap @ gap) <= _CHANCES * by_chance:
        raise DataError(
            f"The model cannot tell the English texts of '{names[0]}' and '{names[1]}' apart: the squared gap of their "
            f"mean vectors is {float(gap @ gap):.2g}, by chance alone it is {by_chance:.2g}; expected more than "
            f"{_CHANCES} times that, else near and far mean nothing. Choose another target or task."
        )


def _embedded(context: RunContext, encoder: SentenceEncoder, *, texts: Sequence[str]) -> Array:
    rows: Array = encoder.embed(texts, fingerprint=digest_of_texts(texts), cache=context.paths.embeddings).rows
    return rows


def count_words(texts: Iterable[str]) -> Counter[str]:
    """How often each word occurs in texts, in lower case.

    Args:
        texts: Any.
    """
    return Counter(word for text in texts for word in split_words(text))


def word_overlap(a: Counter[str], b: Counter[str]) -> float:
    """Share of running words that two texts have in common: the smaller of each word's two shares, summed; 0 to 1.

    Unlike the share of common word forms (`vocabulary_overlap`) it does not fall as a text gets longer or richer.

    Args:
        a: Counts of one text.
        b: Of another.

    Raises:
        DataError: A text without a word.
    """
    n_a, n_b = a.total(), b.total()
    if not n_a or not n_b:
        raise DataError(
            f"{n_a} and {n_b} words: a text without a word has none in common. Choose another target or task."
        )
    return sum(min(n / n_a, b[word] / n_b) for word, n in a.items())
