"""The menu, and the guard that every page begins with.

Beside `app.py`, a folder named `pages/` switches Streamlit's older router on until some session has called
`st.navigation`; a deep link on a fresh server would then run the page without `app.py`. `guard` undoes that.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from pages.widgets.sign_in import sign_in

TITLE = "Transfer Atlas"
"""Name of the application."""

ICON = Path(__file__).with_name("favicon.png")
"""A file of ours: a named icon would be fetched from a font server."""


_STILL = "*, *::before, *::after { animation-duration: 1ms !important; transition-duration: 1ms !important; }"
_ON_PRIMARY = "[data-testid=stMultiSelect] span[title], button[kind^=primary]:enabled p { color: #10171D; }"
"""Streamlit writes white on the dark theme's primary colour, at 3.4:1."""


def style() -> None:
    """What the theme cannot say: nothing moves for readers who ask for that, and names in pickers can be read."""
    dark = _ON_PRIMARY if st.context.theme.type == "dark" else ""
    st.html(f"<style>@media (prefers-reduced-motion: reduce) {{ {_STILL} }} {dark}</style>")


def pages() -> dict[str, list[StreamlitPage]]:
    """The menu: sections and their pages; each `url_path` is the stem of its file, which the guard relies on."""
    return {
        "": [
            st.Page("pages/overview.py", title="Overview", icon=":material/home:", url_path="overview", default=True),
            st.Page("pages/transfer.py", title="Transfer", icon=":material/grid_on:", url_path="transfer"),
            st.Page("pages/analysis.py", title="Analysis", icon=":material/insights:", url_path="analysis"),
            st.Page("pages/launch.py", title="Launch", icon=":material/rocket_launch:", url_path="launch"),
            st.Page("pages/runs.py", title="Runs", icon=":material/monitoring:", url_path="runs"),
            st.Page("pages/compare.py", title="Compare", icon=":material/compare_arrows:", url_path="compare"),
            st.Page("pages/tasks.py", title="Tasks", icon=":material/library_books:", url_path="tasks"),
            st.Page("pages/glossary.py", title="Words", icon=":material/menu_book:", url_path="glossary"),
        ]
    }


def guard() -> None:
    """Start again through `app.py` when a page was run without it, and ask who is there; first line of every page."""
    if not st.session_state.get("_routed"):
        # Without this the browser would fetch the page's own icon from a font server.
        st.set_page_config(page_title=TITLE, page_icon=ICON, layout="wide")
        st.navigation(pages(), position="hidden")
        st.rerun()
    sign_in(TITLE)
