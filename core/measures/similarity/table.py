"""Every measure of two texts: what profiles compute and store, and pages, figures, models and documents offer.

To add a measure: a function and a record in `embeddings.py` or `vocabulary.py`; or a file of its own, with its records
named here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from core.measures.base import by_name
from core.measures.inference.intervals import Interval
from core.measures.similarity.embeddings import EMBEDDINGS
from core.measures.similarity.pair import Pair, SimilarityMeasure
from core.measures.similarity.vocabulary import VOCABULARY

SIMILARITIES: dict[str, SimilarityMeasure] = by_name(*EMBEDDINGS, *VOCABULARY)
"""By the name in `similarities.measure`, in the order of screens."""


def compare(
    pair: Pair, *, measures: Iterable[SimilarityMeasure], plain: Mapping[str, Interval | None] | None = None
) -> dict[str, Interval | None]:
    """Each measure of a pair by its name; None where it is not defined, such as the cosine of a mean of zero.

    Args:
        pair: Two texts, prepared alike.
        measures: Those that apply to the pair.
        plain: What they say of the same pair without its offset: not computed again where the offset cannot matter.

    Raises:
        DataError: The texts were not prepared alike.
    """
    known = {} if plain is None or np.any(pair.move) else plain
    return {
        measure.name: known[measure.name]
        if measure.ignores_common_shift and measure.name in known
        else measure.function(pair)
        for measure in measures
    }
