"""The heatmap as a table that is clicked: a component of our own, without a drawing library."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent


def show_grid(data: dict[str, Any], *, key: str, alt: str, on_pick: Callable[[], None]) -> None:
    """Draw the table.

    Args:
        data: As `core.figures.heat_table.heat_table` returns it.
        key: Identity of the element; what was picked is `st.session_state[key]["picked"]`, [language, intermediate].
        alt: One sentence for those who cannot see it.
        on_pick: Called after a click or Enter.
    """
    # Registered anew each time: tests have a registry a page, and Streamlit takes the same definition twice.
    component = st.components.v2.component(
        "transfer_grid", html='<div class="grid"></div>', css=_asset("css"), js=_asset("js")
    )
    component(key=key, data=data | {"alt": alt}, on_picked_change=on_pick)


@cache
def _asset(kind: str) -> str:
    return (_HERE / f"grid.{kind}").read_text(encoding="utf-8")
