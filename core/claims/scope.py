"""What a claim is about: which models, trained on which data. Runs of others show what is seen there and judge nothing.

Generated data are a laboratory: what holds there is known because it was put there.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import pandas as pd

WHOLE: Final = 2**17
"""A training set that is cut to fewer examples is other data: the cap of Phang et al. (2020) on a task in a mixture."""
LABORATORY: Final = "sample"
"""Data source whose texts were generated for this project."""


class Scope(NamedTuple):
    """Models and targets of a claim."""

    models: str
    """In words."""
    named: str
    """Expression that the last part of such a model's hub id or folder matches whole."""
    in_english: bool = False
    """Whether the claim is about targets in English, not about transfer to other languages."""


THREE = Scope("BERT, RoBERTa or XLNet", r"(bert|xlnet)-(base|large)-(un)?cased|roberta-(base|large)")
XLM_R = Scope("XLM-R Large", r"xlm-roberta-large")
ROBERTA = Scope("RoBERTa on English targets", r"roberta-(base|large)", in_english=True)
BERT = Scope("BERT on English targets", r"bert-(base|large)-(un)?cased", in_english=True)
ENGLISH = Scope("English encoders on English targets", THREE.named + "|distil(bert|roberta)-base.*", in_english=True)
MBERT = Scope("mBERT", r"bert-base-multilingual-(un)?cased")
MULTILINGUAL = Scope(
    "multilingual encoders trained as language models",
    MBERT.named + r"|distilbert-base-multilingual-cased|xlm-roberta-(base|large)",
)


def is_generated(rows: pd.DataFrame) -> pd.Series[bool]:
    """Which runs saw generated data.

    Args:
        rows: With data_source.
    """
    return rows["data_source"] == LABORATORY


def is_inside(scope: Scope, rows: pd.DataFrame) -> pd.Series[bool]:
    """Which runs are within a claim's scope: its models, real data, whole training sets.

    Args:
        scope: Of the claim.
        rows: With data_source, model_path and most_examples (what a stage is cut to; NULL: nothing).
    """
    names = rows["model_path"].fillna("").str.rstrip("/").str.split("/").str[-1]
    ours = names.map(lambda name: bool(re.fullmatch(scope.named, name, flags=re.IGNORECASE))).astype(bool)
    return ours & ~is_generated(rows) & ~(rows["most_examples"] < WHOLE)


def what_differs(scope: Scope, rows: pd.DataFrame) -> str:
    """Why runs on real data are outside a claim's scope.

    Args:
        scope: Of the claim.
        rows: Of one setting, as `is_inside` takes them.
    """
    others = rows[~is_inside(scope, rows.assign(most_examples=float("nan")))]
    found = (
        [f"{', '.join(sorted(others['model'].unique()))} where the claim is about {scope.models}"]
        if len(others)
        else []
    )
    if len(cut := rows[rows["most_examples"] < WHOLE]):
        found.append(f"stages cut to {int(cut['most_examples'].min()):,} training examples")
    return "; ".join(found)
