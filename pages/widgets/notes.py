"""A note on a run or a cell: written on the page, kept in the home, printed in the report."""

from __future__ import annotations

import streamlit as st

from core.actions.notes import MOST_CHARACTERS, note_on, write_note
from core.errors import AtlasError
from core.spec.note import Noted
from pages.widgets.shared import paths, read_only
from pages.widgets.show import md
from pages.widgets.sign_in import visitor

_BEGINNING = 60


def show_note(about: Noted) -> None:
    """Draw the folded note with its field.

    Args:
        about: Run or cell.
    """
    key, damage = f"note_{about.digest()}", None
    try:
        found = note_on(about, paths=paths())
    except AtlasError as error:
        found, damage = None, str(error)
    if found is None and damage is None and read_only():
        return
    label = "Add a note" if damage is None else "A note that cannot be read"
    if found is not None:
        line = " ".join(found.text.split())
        label = f"Note: {line[:_BEGINNING]}{'…' if len(line) > _BEGINNING else ''}"
    with st.expander(md(label), icon=":material/edit_note:"):
        if damage is not None:
            st.warning(md(f"{damage} A note that you save takes its place."))
        if found is not None:
            st.caption(md(f"Written {found.written_at[:10]}{f' by {found.written_by}' if found.written_by else ''}."))
        st.text_area(
            "Note", found.text if found else "", key=key, max_chars=MOST_CHARACTERS, disabled=read_only() is not None,
            help="The report prints it beside the numbers. Empty the field to remove the note.",
        )  # fmt: skip
        st.button("Save the note", key=f"{key}_keep", on_click=_keep, args=(about, key), disabled=bool(read_only()))
        if trouble := st.session_state.pop(f"{key}_error", None):
            st.error(md(trouble), title="The note was not saved")


def _keep(about: Noted, key: str) -> None:
    try:
        write_note(about, str(st.session_state[key]), paths=paths(), by=visitor())
    except AtlasError as error:
        st.session_state[f"{key}_error"] = str(error)
