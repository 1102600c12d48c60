"""What needs somebody, above the list of runs; and whoever is named is told."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import streamlit as st

from core.actions.alerts import MOST_SHOWN, Alert, alerts, in_short, of_store, tell
from core.errors import AtlasError
from core.paths import AtlasPaths
from pages.widgets.runs.jobs import Jobs
from pages.widgets.shared import paths, store, version
from pages.widgets.show import md


def show_alerts(jobs: Jobs) -> None:
    """Draw what needs somebody, folded; nothing where nothing does.

    Args:
        jobs: All runs.
    """
    found = alerts(_stored(version()), jobs.open, paths=paths(), environ=os.environ)
    _tell(tuple(found), str(paths().home))
    if not found:
        return
    with st.expander(f"Needs a look: {in_short(found)}", icon=":material/notification_important:"):
        for alert in found[:MOST_SHOWN]:
            about = f" `{alert.run_id}`" if alert.run_id else ""
            st.markdown(f"**{alert.kind}**{about}: {md(alert.text)}")
        if len(found) > MOST_SHOWN:
            st.caption(f"And {len(found) - MOST_SHOWN} more of them.")


@st.cache_data(max_entries=2, show_spinner=False)
def _stored(version: tuple[str, int]) -> tuple[Alert, ...]:
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return of_store(cur)


@st.cache_data(ttl="60s", max_entries=4, show_spinner=False)
def _tell(found: tuple[Alert, ...], home: str) -> None:
    """Beside the page, for each list once a minute: who is told may take its time."""
    Thread(target=_told, args=(found, AtlasPaths(home=Path(home))), daemon=True).start()


def _told(found: Sequence[Alert], where: AtlasPaths) -> None:
    try:
        tell(found, paths=where, environ=os.environ)
    except AtlasError as error:
        logging.getLogger(__name__).warning("%s", error)
