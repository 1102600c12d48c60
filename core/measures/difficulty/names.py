"""The measures of difficulty that profiles store, in words: what each means, its unit, and which way is harder.

To add one: an entry here, its arithmetic in `difficulty.py`, its rows in `core/profiling/difficulty.py`, a row in
`docs/measures.md`.
"""

from __future__ import annotations

from typing import NamedTuple


class DifficultyMeasure(NamedTuple):
    """One measure of `difficulties.measure`."""

    title: str
    """As a figure names it."""
    definition: str
    """What it is, for somebody who knows neither the symbol nor the paper."""
    formula: str
    """In one line."""
    unit: str
    """Of the stored value."""
    larger_is_harder: bool
    """Which way is harder."""
    across_types: str
    """What may be compared between tasks of different types."""
    source: str
    """Where it comes from."""


DIFFICULTY_MEASURES: dict[str, DifficultyMeasure] = {
    "headroom": DifficultyMeasure(
        title="Headroom taken",
        definition="Of the room between chance and a perfect score on English development data, the share that the "
        "model has taken after the protocol's whole budget. A task of which little was taken is hard.",
        formula="(score - chance) / (1 - chance)",
        unit="share of headroom",
        larger_is_harder=False,
        across_types="yes, with care: a point of F1, accuracy or correlation is not the same amount of skill",
        source="ours; the budget is the protocol's",
    ),
    "curve_area": DifficultyMeasure(
        title="Area under the learning curve",
        definition="Mean headroom taken over budgets of an eighth, a quarter, a half and the whole of the protocol's, "
        "each doubling counted alike. A task that is learned late is hard.",
        formula="mean over log2 of the budget of (score - chance) / (1 - chance), by trapezoids",
        unit="share of headroom",
        larger_is_harder=False,
        across_types="as headroom",
        source="ours; the sample efficiency of learning curves",
    ),
    "v_information": DifficultyMeasure(
        title="Usable information",
        definition="How many bits about the label the model can use from the input, on examples it was not trained on, "
        "compared with the same model trained without the input. A task of little usable information is hard.",
        formula="mean of log2 p(y | x) - log2 p(y | nothing)",
        unit="bits a decision",
        larger_is_harder=False,
        across_types="as an amount; a task with more labels can hold more of it (at most its label entropy)",
        source="Ethayarajh et al. 2022 (2110.08420); Xu et al. 2020 (2002.10689)",
    ),
    "code_length": DifficultyMeasure(
        title="Prequential code length",
        definition="Bits that it takes to send the labels of the training set, block by block, each with the model "
        "trained on the blocks before it. A task whose labels stay long to send is hard.",
        formula="(uniform code of the first block + sum of -log2 p of later labels) / labels",
        unit="bits a decision",
        larger_is_harder=True,
        across_types="as an amount; compare it with the label entropy or the uniform code, not across numbers of "
        "labels. Regression: bits relative to a uniform density, below 0 where the value is predicted well",
        source="Voita & Titov 2020 (2003.12298)",
    ),
    "label_entropy": DifficultyMeasure(
        title="Label entropy",
        definition="How many bits a label holds before any input is seen. It says how much there is to learn and "
        "nothing of how hard the input makes it.",
        formula="-sum p log2 p over the labels of the training set",
        unit="bits a decision",
        larger_is_harder=True,
        across_types="yes; absent where answers are spans or numbers, which have no fixed set of labels",
        source="Shannon 1948",
    ),
}
"""By the name in `difficulties.measure`."""
