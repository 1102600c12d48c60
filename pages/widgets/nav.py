"""The menu, and the guard that every page begins with.

Beside `app.py`, a folder named `pages/` switches Streamlit's older router on until some session has called
`st.navigation`; a deep link on a fresh server would then run the page without `app.py`. `guard` undoes that.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

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


def visitor() -> str | None:
    """Who has signed in: mail address, else name, else the provider's id; None where nobody has to."""
    if not st.user.get("is_logged_in"):
        return None
    return next((str(st.user[key]) for key in ("email", "name", "sub") if st.user.get(key)), None)


def sign_out() -> None:
    """Below the page: who is signed in, and the way out; nothing where nobody has to."""
    if (who := visitor()) is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(f"Signed in as {who}")
        st.button("Sign out", icon=":material/logout:", on_click=st.logout, key="sign_out")


def guard() -> None:
    """Start again through `app.py` when a page was run without it, and ask who is there; first line of every page."""
    if not st.session_state.get("_routed"):
        # Without this the browser would fetch the page's own icon from a font server.
        st.set_page_config(page_title=TITLE, page_icon=ICON, layout="wide")
        st.navigation(pages(), position="hidden")
        st.rerun()
    _sign_in()


def _sign_in() -> None:
    """Where the server's secrets name a provider of OpenID Connect, show nothing before the visitor has signed in."""
    if st.user.get("is_logged_in", True):  # says nothing where no provider is named
        return
    st.title(TITLE)
    if find_spec("authlib") is None:
        st.error("The secrets of this server ask for a sign-in, which needs a package: pip install 'streamlit[auth]'.")
        st.stop()
    st.markdown("This server shows its pages to those who sign in, and keeps with each run who launched it.")
    named = [name for name, value in st.secrets["auth"].items() if isinstance(value, Mapping)]
    with st.container(horizontal=True):
        for provider in named or [None]:
            label = f"Sign in with {provider}" if provider else "Sign in"
            st.button(label, icon=":material/login:", on_click=st.login, args=(provider,), key=f"sign_in_{provider}")
    st.stop()
