"""Who asks, and what they may start: limits of a server that others can reach."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from core.actions.limits import refusals
from core.actions.queue import looked_at
from core.jobs.records import JobState
from core.spec.run import DataSourceKind
from core.studies import StudyRequest
from pages.widgets.server import is_open, within
from pages.widgets.shared import paths
from pages.widgets.sign_in import visitor

_OPEN = frozenset({JobState.QUEUED, JobState.RUNNING, JobState.LOST})


def refused(request: StudyRequest) -> list[str]:
    """Why this visitor may not start a request; empty: they may.

    Args:
        request: As it was typed.

    Raises:
        SpecError: A variable of the operator holds something else than it should.
    """
    allowed = within()
    n_open = 0 if allowed.open_runs is None else _n_open()
    return refusals(request, within=allowed, n_open=n_open, paths=paths())


def may_name(folder: str) -> bool:
    """Whether this visitor's form may look at a folder of the server.

    Args:
        folder: As it was typed.
    """
    return not refused(StudyRequest(data_source=DataSourceKind.MIRROR, mirror=folder))


def may_delete() -> bool:
    """Whether runs can be deleted by this visitor: not by anybody who can reach a server that knows nobody."""
    return visitor() is not None or not is_open()


def note_started(run_ids: Iterable[str]) -> None:
    """Remember that this visitor started runs.

    Args:
        run_ids: Their ids.
    """
    _started().setdefault(_visitor(), set()).update(run_ids)


@st.cache_resource(show_spinner=False)
def _started() -> dict[str, set[str]]:
    """Ids of runs that wait or run, by the visitor who started them."""
    return {}


def _visitor() -> str:
    """Who has signed in, else the address that the visitor comes from; behind a proxy all have the proxy's."""
    return visitor() or st.context.ip_address or "this machine"


def _n_open() -> int:
    mine = _started().get(_visitor(), set())
    ended = {run_id for run_id in mine if looked_at(run_id, paths=paths()).state not in _OPEN}
    mine -= ended
    return len(mine)
