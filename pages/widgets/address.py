"""Choices that stand in the address: each is an entry of the browser's history, and links of them are copied.

A link names all that was chosen, so that it opens the same on an installation with other runs. What it names and this
one does not have is said, with the nearest names, and never exchanged in silence.

Streamlit's own `bind="query-params"` writes over the entry of the history that there is, so that Back would leave the
page: here a choice goes into the address by the server, which makes an entry of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
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


def one_of(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    widget: Callable[..., Any] = st.selectbox,
    **look: Any,  # noqa: ANN401
) -> str:
    """A picker of one option; the address names it unless it is the first.

    Args:
        label: Of the picker.
        options: At least one.
        key: Parameter of the address.
        widget: `st.selectbox` or `st.segmented_control`.
        look: Of the widget.
    """
    look |= {"required": True} if widget is st.segmented_control else {}
    asked = st.query_params.get(key)
    st.session_state[key] = asked if asked in options else options[0]
    return str(widget(label, options, key=key, on_change=_on_kept, args=(key, options[0]), **look))


def one_or_none(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    widget: Callable[..., Any] = st.selectbox,
    **look: Any,  # noqa: ANN401
) -> str | None:
    """A picker of one option or of none; the address names it.

    Args:
        label: Of the picker.
        options: What there is.
        key: Parameter of the address.
        widget: `st.selectbox` or `st.pills`.
        look: Of the widget.
    """
    look |= {"index": None} if widget is st.selectbox else {}
    asked = st.query_params.get(key)
    st.session_state[key] = asked if asked in options else None
    found = widget(label, options, key=key, on_change=_on_kept, args=(key, None), **look)
    return None if found is None else str(found)


def text_of(label: str, *, key: str, **look: Any) -> str:  # noqa: ANN401
    """A field for words; the address holds them.

    Args:
        label: Of the field.
        key: Parameter of the address.
        look: Of `st.text_input`.
    """
    st.session_state[key] = st.query_params.get(key, "")
    return str(st.text_input(label, key=key, on_change=_on_kept, args=(key, ""), **look))


def several_of(label: str, options: Sequence[str], *, key: str, **look: Any) -> list[str]:  # noqa: ANN401
    """A picker of any number of options; the address names each.

    Args:
        label: Of the picker.
        options: What there is.
        key: Parameter of the address.
        look: Of `st.multiselect`.
    """
    asked = _parts(key, options)
    st.session_state[key] = [option for option in options if option in asked]
    return list(map(str, st.multiselect(label, options, key=key, on_change=_on_kept, args=(key, []), **look)))


def is_on(label: str, *, key: str, **look: Any) -> bool:  # noqa: ANN401
    """A switch that is off unless the address says `true`.

    Args:
        label: Of the switch.
        key: Parameter of the address.
        look: Of `st.toggle`.
    """
    st.session_state[key] = st.query_params.get(key) == "true"
    return bool(st.toggle(label, key=key, on_change=_on_kept, args=(key, False), **look))


def between(
    widget: Callable[..., Any],
    label: str,
    ends: tuple[float, float],
    *,
    key: str,
    steps: Sequence[float] | None = None,
    **look: Any,  # noqa: ANN401
) -> tuple[float, float]:
    """A range with two ends; the address names both unless it is the full one.

    Args:
        widget: `st.slider`, or `st.select_slider` with `steps`.
        label: Of the range.
        ends: The full range.
        key: Parameter of the address.
        steps: What an end can be.
        look: Of the widget.
    """
    try:
        low, high = map(float, _parts(key, ()))
        st.session_state[key] = (low, high) if _fits(low, high, ends, steps) else ends
    except ValueError:  # not two, or no numbers
        st.session_state[key] = ends
    scale = (steps,) if steps is not None else ends
    low, high = widget(label, *scale, key=key, on_change=_on_kept, args=(key, ends), **look)
    return float(low), float(high)


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
        "copy_link", html='<button type="button" class="copy">Copy link</button>', css=_asset("css"), js=_asset("js")
    )
    # All that the address says goes with it: whatever changes there has it completed again.
    said = [(name, st.query_params.get_all(name)) for name in st.query_params]
    component(key=key, data={"label": label, "address": dict(address), "said": said})


def _said(kind: str, asked: str, options: Mapping[str, str], *, found: str | None) -> str:
    if found is None:
        return str(UnknownName(kind, asked, known=options))
    name, _, detail = asked.partition(DETAIL)
    return f"The link is to {kind} '{name}' with settings or weights {detail}, which are not here; shown is {found}."


def _on_pick(key: str) -> None:
    st.query_params[key] = st.session_state[key]
    st.session_state[_CHANGED] = True


def _parts(key: str, known: Collection[str]) -> list[str]:
    """What the address says, parameter by parameter or with commas between."""
    asked = st.query_params.get_all(key)
    return [part for text in asked for part in ([text] if text in known else text.split(","))]


def _fits(low: float, high: float, ends: tuple[float, float], steps: Sequence[float] | None) -> bool:
    return ends[0] <= low <= high <= ends[1] and (steps is None or {low, high} <= set(steps))


def _on_kept(key: str, default: Any) -> None:  # noqa: ANN401  # whatever the widget returns
    value = st.session_state[key]
    if value == default:
        st.query_params.pop(key, None)
    elif isinstance(value, bool):
        st.query_params[key] = "true"
    else:
        st.query_params[key] = list(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


@cache
def _asset(kind: str) -> str:
    return (_HERE / f"link.{kind}").read_text(encoding="utf-8")
