"""How thirds of a training set are matched, as a record: it goes with the split into the facts and the store."""

from __future__ import annotations

from pydantic import Field

from core.spec.base import Spec

POOL = 3
"""The pool is so many times the protocol's training sample, where there is so much: a third is then a sample's size."""

N_TEXTS = 1_000
"""English training texts that stand for a target, at most: as many as a domain profile takes unless told otherwise."""

BALANCED = 0.1
"""Standardised difference, and difference of a label's share, up to which two thirds count as equal (Austin 2009)."""


class MatchedThird(Spec):
    """One third; means over its examples."""

    name: str
    """`easiest`, `middle`, `hardest`, or `near`, `middle`, `far`."""
    n: int = Field(ge=1)
    """Examples."""
    label_shares: tuple[float, ...]
    """Share of each label, or of what stands for it, in the order of labels."""
    length: float
    """Characters."""
    bits: float
    """Cross-fitted usable information, bits a decision: large is easy."""
    similarity: float | None = None
    """Cosine to the centroid of the target's text, less the pool's mean; None where there is no target."""
    word_overlap: float | None = None
    """Share of running words that the third has in common with the target's text; None where there is no target."""


class Contrast(Spec):
    """The third that is trained on against another one, in standard deviations within the two."""

    other: str
    """Name of the other third."""
    label_gap: float
    """Largest difference of a label's share."""
    length: float
    """Standardised difference of the mean lengths."""
    bits: float
    """The same of the usable information."""
    similarity: float | None = None
    """The same of the similarity; None where there is no target."""


class Match(Spec):
    """A third of a pool, beside the other two."""

    third: str
    """Name of the one that is trained on."""
    target: str | None
    """Whose English training text similarity is measured to; None: thirds by difficulty alone."""
    encoder: str | None
    """Model that embeds, before any training; None where there is no target."""
    n_pool: int = Field(ge=1)
    """Examples that the thirds were cut from."""
    n_target_texts: int | None = None
    """Texts of the target that its centroid is the mean of."""
    thirds: tuple[MatchedThird, ...]
    """All three, in order."""
    contrasts: tuple[Contrast, ...]
    """Against each of the others."""
