"""A task, model or protocol of the user's own, from the page: pasted or uploaded, checked, kept; and what data lack."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from core.actions.own import KINDS, read_own, save_own, template
from core.data.check import check_task_file
from core.data.there import tasks_there
from core.errors import AtlasError, SpecError
from core.spec.model import ModelSpec
from core.spec.run import DataSource, DataSourceKind
from core.spec.task import TaskSpec
from core.studies import StudyRequest, checked_source
from core.tasks import load_tasks
from pages.widgets.launch.visitors import may_name, refused
from pages.widgets.shared import paths, read_only
from pages.widgets.show import md


def missing_here(source: str, mirror: str | None) -> frozenset[str]:
    """Names of the tasks whose data a source lacks; empty where it is not known.

    Args:
        source: sample, mirror or hub.
        mirror: Its folder.
    """
    if source == DataSourceKind.MIRROR and not (mirror and _is_folder(mirror)):
        return frozenset()
    return _missing(source, mirror and str(Path(mirror).expanduser()), tuple(load_tasks(paths()).values()))


def _is_folder(mirror: str) -> bool:
    try:
        return may_name(mirror) and Path(mirror).expanduser().is_dir()
    except (AtlasError, OSError, RuntimeError, ValueError):  # what is wrong with it is said beside the button
        return False


@st.cache_data(ttl="60s", max_entries=16, show_spinner="Looking up the data …")
def _missing(source: str, mirror: str | None, tasks: tuple[TaskSpec, ...]) -> frozenset[str]:
    # As records and not as names: an own task that was mended is looked up anew.
    every = {task.name: task for task in tasks}
    there = tasks_there(every, source=DataSource(kind=DataSourceKind(source), root=mirror), paths=paths())
    return frozenset(every.keys() - there.keys())


def show_own(request: StudyRequest | None) -> None:
    """Draw the folded panel in which a task, a model or a protocol is brought.

    Args:
        request: What the form says: a task is tried on the data of its source.
    """
    with st.expander("A task, model or protocol of your own", icon=":material/note_add:"):
        kind = st.segmented_control("What", list(KINDS), default="task", required=True, key="own_kind")
        if kind == "model":
            st.caption("A model needs no file: type its folder, or its id on the Hugging Face hub, above under Models.")
        file = st.file_uploader("A YAML file", type=["yaml", "yml"], key=f"own_file_{kind}", max_upload_size=1)
        given = file.getvalue().decode("utf-8", errors="replace") if file else template(kind, paths=paths())
        text = st.text_area(
            "Or write it here; the example shows what it needs",
            given,
            height=300,
            key=f"own_{kind}_{hash(given)}",
        )
        with st.container(horizontal=True):
            is_checked = st.button("Check", icon=":material/rule:", key="own_check")
            is_kept = st.button(
                "Keep it", icon=":material/save:", key="own_keep", disabled=read_only() is not None,
                help="Stores it here; from then on it can be chosen above.",
            )  # fmt: skip
        if is_checked or is_kept:
            _do(kind, text, request, keep=is_kept)
        if kept := st.session_state.pop("_own_kept", None):
            st.success(md(kept), icon=":material/check_circle:")


def _do(kind: str, text: str, request: StudyRequest | None, *, keep: bool) -> None:
    try:
        found = read_own(kind, text, paths=paths())
        if isinstance(found, ModelSpec) and (why := refused(StudyRequest(models=(found.path,)))):
            raise SpecError(" ".join(why))  # kept, it would be a name for any folder of the server
        if keep:
            name = save_own(kind, text, paths=paths())
            st.session_state["_own_kept"] = f"Kept as {name}: choose it above."
            st.rerun()
    except AtlasError as error:
        st.error(md(error), title="It cannot be used")
        return
    st.success("Every field is right.", icon=":material/check_circle:")
    if isinstance(found, TaskSpec) and request is not None:
        _try(found, request)


def _try(task: TaskSpec, request: StudyRequest) -> None:
    """Fifty examples of each split, from the source of the form."""
    try:
        if why := refused(request):
            raise SpecError(" ".join(why))
        rows = check_task_file(task, source=checked_source(request), paths=paths())
    except AtlasError as error:
        st.error(md(error), title="Its data cannot be read")
        return
    for row in rows:
        if row["problem"]:
            st.error(md(row["problem"]))
    read = pd.DataFrame([row for row in rows if row["n_checked"]])
    if not read.empty:
        shown = ["role", "lang", "split", "n_available", "labels", "first", "notes"]
        st.dataframe(read[shown], hide_index=True, alt="What was found in fifty examples of each split")
