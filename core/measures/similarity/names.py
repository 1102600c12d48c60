"""Every measure of two texts that a profile stores: its name, what it says, its unit, where it comes from.

To add a measure: a line here, a function in `domains.py` or `words.py`, a row in docs/measures.md.
"""

from __future__ import annotations

from typing import NamedTuple


class SimilarityMeasure(NamedTuple):
    """A stored measure of two texts."""

    title: str
    """Name on screens."""
    larger_is_closer: bool
    """Whether a large value means that the texts are alike."""
    is_embedded: bool
    """Whether it is computed on sentence embeddings, and so also after each language's mean was removed."""
    unit: str
    """Unit and range."""
    meaning: str
    """In plain words."""
    source: str
    """Authors and year."""


SIMILARITIES: dict[str, SimilarityMeasure] = {
    "centroid_cosine": SimilarityMeasure(
        "Centroid cosine",
        True,
        True,
        "cosine, -1 to 1",
        "Do the average sentences of both texts point the same way? Blind to how much the sentences vary.",
        "Vu et al. 2020, 2005.00770 (SEmb)",
    ),
    "frechet": SimilarityMeasure(
        "Fréchet distance",
        False,
        True,
        "squared units of the embedding, 0 or more",
        "Distance of the two clouds of sentences if both were Gaussian: averages and spreads both count.",
        "Dowson & Landau 1982; Heusel et al. 2017, 1706.08500",
    ),
    "mmd": SimilarityMeasure(
        "MMD²",
        False,
        True,
        "no unit, around 0 for equal texts, below 2",
        "Are sentences nearer to their own text than to the other, at the median distance of sentences?",
        "Gretton et al. 2012",
    ),
    "proxy_a": SimilarityMeasure(
        "Proxy A-distance",
        False,
        True,
        "no unit, 0 to 2",
        "How well can a linear classifier tell which text a sentence comes from? 0 not at all, 2 always.",
        "Ben-David et al. 2007",
    ),
    "sliced_wasserstein": SimilarityMeasure(
        "Sliced Wasserstein distance",
        False,
        True,
        "units of the embedding, 0 or more",
        "How far must the sentences of one text be moved to become those of the other, seen from random sides?",
        "Bonneel et al. 2015",
    ),
    "vocabulary_overlap": SimilarityMeasure(
        "Vocabulary overlap",
        True,
        False,
        "share, 0 to 1",
        "Words that occur in both texts over words that occur in either. Falls as texts get longer.",
        "Jaccard 1912",
    ),
    "unigram_jsd": SimilarityMeasure(
        "Unigram divergence",
        False,
        False,
        "bits, 0 to 1",
        "Jensen-Shannon divergence of word frequencies: 0 the same, 1 no word in common.",
        "Lin 1991",
    ),
    "near_duplicates": SimilarityMeasure(
        "Near duplicates",
        True,
        False,
        "share, 0 to 1",
        "Sentences of one text that the other has almost word by word: a gain may then be memory, not transfer.",
        "Broder 1997 (MinHash)",
    ),
}
"""Measures by the name that is stored, in the order of screens."""
