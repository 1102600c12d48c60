"""The first panel of the analysis page: contrasts inside data sets, before any model across tasks."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from core.analysis.contrasts.sentences import for_people
from core.figures.contrasts import forest
from core.queries.scales import UNITS, Scale
from pages.widgets.analysis.choice import How
from pages.widgets.analysis.panels import DETECTABLE, how_to
from pages.widgets.shared import group_titles, mode
from pages.widgets.show import chart, md, p_column, source_badge, table


def show_contrasts(rows: pd.DataFrame, said: tuple[str, ...], *, scale: Scale, how: How) -> None:
    """What contrasts say in words, drawn and as numbers.

    Args:
        rows: As `contrast_rows` returns them.
        said: Their sentences.
        scale: In which targets are averaged.
        how: Command that says the same, and of what data.
    """
    st.markdown(source_badge(how.source) if how.source else "")
    shown = rows.assign(group=group_titles(rows))
    if rows["estimate"].notna().any():
        draw = partial(forest, shown, factor=UNITS[scale].factor, mode=mode())
        alt = "Differences inside one task with their limits; the table holds the numbers"
        chart(draw, key="forest", alt=alt, source=how.source)
    st.markdown("\n".join(f"- **{md(sentence)}**" for sentence in said))
    with st.expander("Numbers as a table, and the command", icon=":material/table:"):
        _numbers(shown)
        how_to(how, rows, name="contrasts")
    st.caption(
        md(
            "The two runs of a pair differ in which third of the task's examples is trained on (of equal size, "
            "matched in labels and length), or in whether its labels are true, or in whether it is trained on at all "
            "(language modelling on its text). The measures chosen above do not change thirds: hardest are the "
            "examples whose label the text helps least to predict, nearest those most similar to the target's English "
            "text. A base task is the whole task that the thirds are cut from; each counts once, however many "
            "targets, languages and seeds it has, and a target may lack some, so that the row of all targets need not "
            "lie between theirs. The 95 % intervals are Student's t over base tasks, not corrected for the number of "
            f"rows. {UNITS[scale].verdicts} {UNITS[scale].meaning} English is left out, but in rows that name it; "
            "retrieval targets, on which nothing is trained, have rows of their own where thirds were run before one."
        )
    )


def _numbers(shown: pd.DataFrame) -> None:
    number = st.column_config.NumberColumn
    table(
        for_people(shown),
        alt="Differences inside one task, each with interval and number of base tasks", key="contrasts",
        columns={
            "label": "trained on", "group": "where", "estimate": number("difference", format="%+.2f"),
            "ci_low": number("95 % from", format="%+.2f"), "ci_high": number("to", format="%+.2f"), "unit": "unit",
            "n": "base tasks", "p_value": p_column("p"),
            "points": number("points", format="%+.2f", help="The difference in points, where the row is one target."),
            "points_low": number("95 % from, points", format="%+.2f"),
            "points_high": number("to, points", format="%+.2f"),
            "detectable": number("detectable", format="%.2f", help=DETECTABLE),
            "targets": "targets", "langs": "languages", "seeds": "seeds", "pairs": "pairs", "note": "note",
        },
    )  # fmt: skip
