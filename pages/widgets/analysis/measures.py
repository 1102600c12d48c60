"""The panel that shows whether the answer holds for one measure alone."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from core.analysis.sensitivity import spread_in_words
from core.figures.analysis import specification_curve
from core.measures.difficulty.table import DIFFICULTIES
from core.measures.similarity.table import SIMILARITIES
from core.queries.evidence import AnalysisOptions
from core.queries.scales import UNITS
from pages.widgets.analysis.choice import How
from pages.widgets.analysis.panels import how_to
from pages.widgets.shared import mode
from pages.widgets.show import chart, md


def show_measures(rows: pd.DataFrame | None, *, options: AnalysisOptions, how: How) -> None:
    """Both terms under every pair of measures.

    Args:
        rows: As `sensitivity` returns them; None: not computed yet.
        options: The measures of the page, which are marked.
        how: Command that says the same, and of what data.
    """
    if rows is None:
        return
    named = rows.assign(
        difficulty_measure=rows["difficulty_measure"].map(_title),
        similarity_measure=rows["similarity_measure"].map(_title),
    )
    unit = UNITS[options.scale]
    for term in ("difficulty", "similarity"):
        found = named[named["name"] == term]
        st.markdown(f"**{md(spread_in_words(rows, term=term, unit=unit))}**")
        if found["estimate"].notna().any():
            chosen = (_title(options.difficulty), _title(options.similarity))
            draw = partial(
                specification_curve, found, term=term, chosen=chosen, unit=unit.name, factor=unit.factor, mode=mode()
            )
            alt = f"Effect of {term} under every pair of measures, with intervals"
            chart(draw, key=f"curve-{term}", alt=alt, source=how.source)
        for note, n in found["note"].dropna().value_counts().items():
            st.caption(md(f"With {n} pairs of measures there is no estimate for {term}: {note}."))
    st.caption(
        "Each line repeats the analysis of the same gains with another measure of difficulty and another measure of "
        "similarity (a specification curve): the lines of one band share the measure that is named beside it, and "
        "differ in that of the other term. All are turned so that larger is harder, or nearer. Compare signs and "
        "sizes: as all use the same gains, many intervals without zero would be no more evidence than one."
    )
    there = {*rows["difficulty_measure"], *rows["similarity_measure"]}
    with st.expander("What each measure asks", icon=":material/help:"):
        for measure in (*DIFFICULTIES.values(), *SIMILARITIES.values()):
            if measure.name in there:
                st.markdown(f"- **{md(measure.title)}**: {md(measure.meaning)}")
    how_to(how, rows, name="measures")


def _title(measure: str) -> str:
    """What people read for a measure; one that another version computed stands for itself."""
    known = DIFFICULTIES.get(measure) or SIMILARITIES.get(measure)
    return known.title if known else measure
