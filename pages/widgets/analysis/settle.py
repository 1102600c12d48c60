"""The part of the analysis page that says what would settle each open sentence, and starts it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.actions.command import caution_of
from core.actions.launch import ANYWHERE
from core.actions.words import cost
from core.analysis.answer import Weight
from core.errors import AtlasError
from pages.widgets.launch.plan import show_started, start_study
from pages.widgets.show import md, show_caution, show_command


def settle_link(weight: Weight) -> None:
    """From an answer on too little to the tab that says what is lacking, with all other choices kept.

    Args:
        weight: Of the answer.
    """
    if weight == "fair":
        return
    kept = [(name, value) for name in st.query_params if name != "part" for value in st.query_params.get_all(name)]
    st.page_link(
        "pages/analysis.py", label="What would settle or narrow it, and what that costs",
        icon=":material/arrow_forward:", query_params=[*kept, ("part", "Next")],
    )  # fmt: skip


def show_settling(rows: pd.DataFrame) -> None:
    """Each open sentence: what it takes, what that costs here, a button and the command that start it.

    Args:
        rows: As `core.actions.proposals.would_settle` returns them.
    """
    st.header("What would settle or narrow what is open", anchor=False)
    if rows.empty:
        st.caption("Nothing is open: every sentence of this page is decided.")
        return
    for row in rows.to_dict("records"):
        with st.container(border=True):
            st.markdown(f"{md(row['said'])} {md(cost(row['runs'], row['seconds_low'], row['seconds_high']))}")
            if row["request"] is None:
                continue
            caution = caution_of(row["command"])
            if st.button(
                "Start these runs", key=f"settle_{row['name']}", icon=":material/play_arrow:",
                disabled=bool(caution), help=caution or None,
            ):  # fmt: skip
                try:
                    show_started(start_study(row["request"], ANYWHERE))
                except AtlasError as error:
                    st.error(md(str(error)))
            if caution:
                st.caption(
                    "The button works once a run on this machine has named the folder of the data: start one on Launch."
                )
            show_command(row["command"], with_caution=False)
    show_caution(*rows.loc[rows["request"].notna(), "command"])
