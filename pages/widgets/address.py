"""Choices that always stand in the address, whatever this installation would choose by itself; links that are copied.

A link names all that was chosen, so that it opens the same on an installation with other runs. What it names and this
one does not have is said, with the nearest names, and never exchanged in silence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from core.errors import UnknownName
from pages.widgets.show import md

DETAIL = "~"
"""Parts a name from what tells two of that name apart: `quick~0365a0`."""
_CHANGED, _SAID = "_address_changed", "_address_said"
_TITLE = "The address names what is not here"
_HERE = Path(__file__).parent


def pick(label: str, options: Mapping[str, str], *, key: str, kind: str, **look: Any) -> str:  # noqa: ANN401
    """A picker whose choice is what the address says; the first option where it says nothing. `settled` comes after it.

    Args:
        label: Of the picker.
        options: What the address says → what people read; at least one.
        key: Parameter of the address.
        kind: What is picked, in the singular.
        look: Of `st.selectbox`.
    """
    asked = st.query_params.get(key)
    found = next(iter(options)) if asked is None else resolved(asked, options)
    if found is None or (asked is not None and DETAIL in asked and found != asked):
        # Another choice of the reader may have taken this one's away: no link is to blame then.
        if not st.session_state.get(_CHANGED):
            st.session_state.setdefault(_SAID, []).append(_said(kind, str(asked), options, found=found))
        found = found or next(iter(options))
    st.session_state[key] = found
    return str(
        st.selectbox(label, list(options), key=key, format_func=lambda o: options.get(o, o), on_change=_on_pick,
                     args=(key,), **look)
    )  # fmt: skip


def settled() -> None:
    """After the last picker, outside of popovers: say what the address names that is not here."""
    for text in st.session_state.pop(_SAID, []):
        st.warning(md(text), title=_TITLE)
    st.session_state.pop(_CHANGED, None)


def resolved(asked: str, options: Collection[str]) -> str | None:
    """The option that an address means: itself, or the first of its name where the detail differs or is left out.

    Args:
        asked: What the address says.
        options: What there is.
    """
    if asked in options:
        return asked
    name = asked.partition(DETAIL)[0]
    return next((option for option in options if option.partition(DETAIL)[0] == name), None)


def say_unknown(key: str, known: Collection[str], *, kind: str) -> None:
    """Say which values of a parameter name nothing here.

    Args:
        key: Parameter of the address.
        known: Values that it can have.
        kind: What it names, in the singular.
    """
    for asked in st.query_params.get_all(key):
        if asked not in known and not all(part in known for part in asked.split(",")):
            st.warning(md(UnknownName(kind, asked, known=known)), title=_TITLE)


def link_button(label: str, address: Mapping[str, str], *, key: str) -> None:
    """Complete the address of the page in place, and offer it as a link.

    Args:
        label: Of the button.
        address: Parameters that the address must hold.
        key: Identity of the button.
    """
    component = st.components.v2.component(
        "copy_link", html='<button type="button" class="copy"></button>', css=_asset("css"), js=_asset("js")
    )
    component(key=key, data={"label": label, "address": dict(address)})


def _said(kind: str, asked: str, options: Mapping[str, str], *, found: str | None) -> str:
    if found is None:
        return str(UnknownName(kind, asked, known=options))
    name, _, detail = asked.partition(DETAIL)
    return f"The link is to {kind} '{name}' with the digest {detail}; shown is the one that is here ({found})."


def _on_pick(key: str) -> None:
    st.query_params[key] = st.session_state[key]
    st.session_state[_CHANGED] = True


@cache
def _asset(kind: str) -> str:
    return (_HERE / f"link.{kind}").read_text(encoding="utf-8")
