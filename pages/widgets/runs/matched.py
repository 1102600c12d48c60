"""How the third that a run was trained on is matched with the other two."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.spec.match import BALANCED
from pages.widgets.shared import titles
from pages.widgets.show import md, table

_OF_A_TARGET = ("similarity", "word_overlap", "d_similarity")


def show_matched(rows: pd.DataFrame) -> None:
    """Draw the thirds of a run's intermediate side by side; nothing where it was trained on no third.

    Args:
        rows: Of `core.queries.runs.stages.matched`.
    """
    if rows.empty:
        return
    named, number = titles(), st.column_config.NumberColumn
    own = rows.loc[rows["is_trained"], "third"].iloc[0]
    targets = rows["target"].dropna()
    with st.expander(f"Thirds: trained on '{own}', beside the others", icon=":material/balance:"):
        columns = {
            "named": "task",
            "third": "third",
            "n": "examples",
            "length": number("characters", format="%.1f"),
            "bits": number("bits a decision", format="%+.3f", help="Usable information: large is easy."),
            "similarity": number("cosine", format="%.3f", help="With the mean vector of the target's English text."),
            "word_overlap": number("words in common", format="%.4f", help="Share of running words in common with it."),
            "label_gap": number("label share", format="%.3f", help="Largest difference of a label's share."),
            "d_length": number("d length", format="%+.3f"),
            "d_bits": number("d bits", format="%+.3f"),
            "d_similarity": number("d cosine", format="%+.3f"),
        }
        if targets.empty:
            columns = {name: column for name, column in columns.items() if name not in _OF_A_TARGET}
        table(
            rows.assign(named=rows["task"].map(named.of)),
            alt="Thirds of the intermediate's training set, and how they are matched",
            columns=columns,
        )
        of_target = ""
        if not targets.empty:
            whose = named.of(str(targets.iloc[0]))
            of_target = (
                f" The cosine is to the mean vector of {whose}'s English training texts in {rows['encoder'].iloc[0]} "
                "before any training, less the mean of the pool."
            )
        st.caption(
            md(
                "Thirds should differ in one thing alone. The columns d say how far the third that was trained on "
                f"lies from each other one, in standard deviations within the two; up to {BALANCED} counts as "
                f"equal.{of_target}"
            )
        )
