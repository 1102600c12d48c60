"""What its operator set for the server: what forms may ask for, how many visitors it takes, how much it remembers."""

from __future__ import annotations

import logging
import os

import streamlit as st
from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.actions.limits import OPEN_TO_ALL, Limits, is_public, limits
from core.errors import SpecError
from core.variables import MOST_SESSIONS
from pages.widgets.keeping import Bound
from pages.widgets.show import md

_BOUND = Bound()


def is_open() -> bool:
    """Whether others can reach this server."""
    return is_public(st.get_option("server.address"))


def within() -> Limits:
    """What forms may ask for here.

    Raises:
        SpecError: A variable of the operator holds something else than it should.
    """
    return limits(os.environ, public=is_open())


def look_after() -> None:
    """Before a page shows anything: warn the operator once, refuse a visitor too many, and keep to the memory."""
    if is_open():
        _warn()
    try:
        _BOUND.keep()
        most = within().sessions
    except SpecError as error:
        st.error(md(error), title="A setting of this server cannot be used")
        return
    if most is not None and not _is_let_in(most):
        st.warning(
            f"This server takes {most:,} visitors at a time, and so many are here. Reload this page in a while; "
            f"whoever runs the server sets {MOST_SESSIONS}.",
            title="This server is full",
        )
        st.stop()


def _is_let_in(most: int) -> bool:
    """Whether this session is one of so many; one that has ended leaves its place to the next."""
    context = get_script_run_ctx()
    if context is None or not exists():
        return True
    inside, server = _inside(), get_instance()
    for session in [one for one in inside if not server.is_active_session(one)]:
        inside.discard(session)
    if len(inside) < most:
        inside.add(context.session_id)
    return context.session_id in inside


@st.cache_resource(show_spinner=False)
def _inside() -> set[str]:
    """Ids of the sessions that were let in."""
    return set()


@st.cache_resource(show_spinner=False)
def _warn() -> None:
    """Once a process, into the server's log."""
    logging.getLogger(__name__).warning(OPEN_TO_ALL)
