"""What all pages share: the paths, the one open store, fresh data, and the reader's theme."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from threading import Lock, Thread

import pandas as pd
import streamlit as st

from core.actions.own import own_protocols
from core.actions.queue import wake
from core.errors import AtlasError
from core.figures.theme import Mode
from core.languages import family_name, script_name
from core.models import load_models
from core.paths import AtlasPaths
from core.protocols import in_short, load_protocols
from core.queries.evidence import PooledRuns
from core.store.connection import Store
from core.store.ingest import ingest
from core.store.reading import Opened, opened
from core.tasks import load_tasks
from core.tasks.titles import Titles
from core.variables import LOOK_ONLY, is_read_only
from pages.widgets.server import look_after
from pages.widgets.show import md

SLOW_S = 0.05
"""A look at all folders that takes longer would be felt in every click that waits for it."""

REST = 9
"""After a slow look its time passes so often before the next: beside a page, too, it takes the processor from it."""


def paths() -> AtlasPaths:
    """Where everything lives, as the environment says."""
    return AtlasPaths.from_environment()


def store() -> Store:
    """The application's one open store; an explanation and the end of the script where it cannot be opened."""
    try:
        found = _open(str(paths().home)).store
        found.revive()
        return found
    except AtlasError as error:
        st.error(md(error), title="The store cannot be opened", icon=":material/error:")
    st.stop()


def start() -> None:
    """Let the visitor in, open the store, take in what jobs wrote, and see to it that queued jobs have a dispatcher."""
    look_after()
    store()
    if remark := _open(str(paths().home)).remark:
        st.info(md(remark), icon=":material/lock:")
    refresh(str(paths().home))


@st.cache_data(ttl="2s", show_spinner=False)
def refresh(home: str) -> int:
    """Take in what jobs wrote since the last look, at most every two seconds for all sessions.

    Where a look takes long, because there are many thousand runs, it is made beside the pages: what it finds appears
    with the next run of a script.

    Args:
        home: The Atlas home.

    Returns:
        Version of the store afterwards.
    """
    look = _look(home)
    look.take()
    for title, text in look.troubles.items():
        st.warning(md(text), title=title)
    return look.store.version()


def catch_up() -> None:
    """Take in all that jobs have written, however long that takes: who calls this does not look again by itself."""
    _look(str(paths().home)).take(may_be_beside=False)


class Look:
    """Looks at the folders of one home, one look at a time."""

    def __init__(self, where: AtlasPaths) -> None:
        """Look at nothing yet.

        Args:
            where: The home.
        """
        self._where, self._lock = where, Lock()
        self._took_s = self._again_at = 0.0
        self.store, _, self._may_start = _open(str(where.home))
        self.troubles: dict[str, str] = {}

    def take(self, *, may_be_beside: bool = True) -> None:
        """Look now, or beside the pages where the last look was slow.

        Args:
            may_be_beside: Else it is now, and after one that is under way.
        """
        if self._took_s < SLOW_S or not may_be_beside:
            self._take()
        elif time.monotonic() >= self._again_at and not self._lock.locked():
            Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        with self._lock:
            began = time.perf_counter()
            troubles, changed = dict[str, str](), 0
            try:
                taken = ingest(self.store, self._where)
                changed = taken.n_new + taken.n_updated
            except AtlasError as error:
                troubles["New results cannot be read now; shown is what was read before"] = str(error)
            try:
                if self._may_start:
                    wake(self._where)
            except AtlasError as error:
                troubles["Queued runs are waiting"] = str(error)
            self.troubles = troubles
            # What was new costs once; how long a look takes that finds nothing is what the next one costs.
            self._took_s = 0.0 if changed else time.perf_counter() - began
            self._again_at = time.monotonic() + REST * self._took_s


@st.cache_resource(show_spinner=False)
def _look(home: str) -> Look:
    return Look(AtlasPaths(home=Path(home)))


def version() -> tuple[str, int]:
    """First argument of every cached query: which store, and its version."""
    return str(paths().database), store().version()


def read_only() -> str | None:
    """Why nothing can be started or changed here; None: it can."""
    return LOOK_ONLY if is_read_only() else None


def warn_skipped(problems: Sequence[str]) -> None:
    """Name the files of the user that cannot be used; everything else goes on.

    Args:
        problems: One text a file.
    """
    for text in problems:
        st.warning(md(text), title="A file of yours is skipped")


def titles() -> Titles:
    """What people read for the ids of tasks, models and intermediates, the user's own included."""
    return Titles(load_tasks(paths()).values(), load_models(paths()).values())


def runs_title(pooled: PooledRuns) -> str:
    """Runs that are pooled in one line, their model by its title."""
    return pooled._replace(model=titles().of_model(pooled.model)).label


def group_titles(rows: pd.DataFrame) -> list[str]:
    """What people read for the groups of rows that are split by target, family or script.

    Args:
        rows: Columns `group_kind` and `group`.
    """
    read: dict[str, Callable[[str], str]] = {"family": family_name, "script": script_name}
    kinds, groups = rows["group_kind"], rows["group"]
    return [read.get(kind, titles().of)(str(group)) for kind, group in zip(kinds, groups, strict=True)]


def protocol_words(name: str, *, targets: Collection[str] | None = None) -> str:
    """What a protocol is, in one sentence; empty where none of that name is here now.

    Args:
        name: As a run holds it.
        targets: Whose exceptions are told; None: those of all.
    """
    known = {protocol.name: protocol for protocol in own_protocols(paths()).values()} | load_protocols()
    if name not in known:
        return ""
    return f"Protocol {md(name)}: {md(in_short(known[name], targets=targets, title=titles().of))}."


def mode() -> Mode:
    """Whether the reader sees the light or the dark theme."""
    return "dark" if st.context.theme.type == "dark" else "light"


@st.cache_resource(show_spinner=False)
def _open(home: str) -> Opened:
    return opened(AtlasPaths(home=Path(home)))
