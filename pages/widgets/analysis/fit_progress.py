"""How far a long fit is, looked at every second until the page can show its result."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.jobs.fits import Fit
from core.jobs.records import JobState
from pages.widgets.show import md

Look = Callable[..., Fit]
"""Asks for the fit; `again=True` starts one that failed once more."""


def watch(fit: Fit, look: Look, *, what: str) -> None:
    """Progress or failure of a fit that is not done, until it is; nothing where it is.

    Args:
        fit: As the page found it.
        look: Asks for it anew.
        what: What is computed, in words; also its identity on the page.
    """
    if fit.state is JobState.FAILED:
        st.error(md(f"{what}: {fit.message}"), icon=":material/error:")
        if st.button("Try again", key=f"again-{what}", icon=":material/replay:"):
            look(again=True)
            st.rerun()
    elif fit.state is JobState.RUNNING:
        _until_done(look, what)


@st.fragment(run_every="1s")
def _until_done(look: Look, what: str) -> None:
    fit = look()
    if fit.state is not JobState.RUNNING:
        st.rerun()  # the whole page: others wait for the result, too
    share = fit.done / fit.total if fit.total else 0.0
    part = f", {fit.done} of {fit.total} parts" if fit.total else ""
    st.progress(share, text=md(f"{what}; runs in the background{part}. The rest of the page does not wait."))
