"""Several runs at once, a study's or picked ones: what can be done with all of them, their curves in one chart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from core.actions import queue
from core.errors import AtlasError
from core.figures.curves import curves_together
from core.jobs.records import JobState, JobStatus
from core.queries.runs.stages import curves
from pages.widgets.launch.visitors import may_delete
from pages.widgets.runs.jobs import list_again
from pages.widgets.shared import mode, paths, refresh, store, titles
from pages.widgets.show import chart, md

MOST_CURVES = 60
"""Runs in one chart, at most."""

_OPEN = {JobState.RUNNING, JobState.QUEUED, JobState.LOST}
_STOPPED = {JobState.FAILED, JobState.CANCELLED, JobState.LOST}
_VALUES = {"dev": "English development score", "loss": "training loss"}


def show_several(listed: Sequence[JobStatus], *, named: Callable[[JobStatus], str]) -> None:
    """Draw the folded panel.

    Args:
        listed: Runs that can be chosen: those that the filter leaves.
        named: A run in one line.
    """
    by_id = {job.run_id: job for job in listed}
    with st.expander("Several runs: act on all of them, or see their curves in one chart", icon=":material/stacks:"):
        studies = sorted({job.study for job in listed if job.study})
        left, right = st.columns([1, 2])
        with left:
            study = st.selectbox("Study", studies, index=None, key="several_study", placeholder="choose a study")
        with right:
            picked = st.multiselect(
                "Runs", list(by_id), key="several_runs", format_func=lambda r: named(by_id[r]) if r in by_id else r,
                placeholder="or choose runs", help="Runs that are chosen take the place of the study.",
            )  # fmt: skip
        chosen = [by_id[r] for r in picked if r in by_id] or [job for job in listed if study and job.study == study]
        if not chosen:
            st.caption("Choose a study (the runs of one launch), or runs. The filter by state above narrows both.")
            return
        _actions(chosen)
        show_together([job.run_id for job in chosen])


def show_together(run_ids: Sequence[str]) -> None:
    """Draw the curves of runs in one chart, seeds of one chain in one colour with their mean.

    Args:
        run_ids: The runs; the first `MOST_CURVES` are drawn.
    """
    with st.container(horizontal=True):
        of = st.segmented_control(
            "Curves", list(_VALUES), default="dev", required=True, key="several_of", format_func=_VALUES.__getitem__
        )
        kind = st.segmented_control(
            "Training on the", ["target", "intermediate"], default="target", required=True, key="several_kind"
        )
    with store().cursor() as cur:
        rows = curves(cur, run_ids[:MOST_CURVES], of="loss" if of == "loss" else "dev")
    rows = rows[rows["kind"] == kind]
    if rows.empty:
        st.caption(
            "None of these runs has such a curve: the training was reused, is not part of them, or has not begun."
        )
        return
    unlike = [name for name in ("model", "protocol", "data_source") if rows[name].nunique() > 1]
    of_title, n_runs = titles().of, rows["run_id"].nunique()
    group = rows["intermediate"].map(of_title) + (" → " + rows["target"].map(of_title) if kind == "target" else "")
    for name in unlike:
        group = group + " · " + rows[name].astype(str)
    sources = rows["data_source"].unique()
    chart(
        lambda: curves_together(rows.assign(group=group), value=_VALUES[of], mode=mode()),
        key="several_curves",
        alt=f"{_VALUES[of]} by step of {n_runs} runs, seeds of one chain in one colour with their mean",
        source=str(sources[0]) if len(sources) == 1 else None,
    )
    if len(run_ids) > MOST_CURVES:
        st.caption(f"The first {MOST_CURVES} of {len(run_ids)} runs are drawn.")


def _actions(chosen: Sequence[JobStatus]) -> None:
    def of(states: set[JobState]) -> list[str]:
        return [job.run_id for job in chosen if job.state in states]

    queued, ended = of({JobState.QUEUED}), [job.run_id for job in chosen if job.state not in _OPEN]
    paused = [job.run_id for job in chosen if job.is_paused]
    stopped = [run_id for run_id in of(_STOPPED) if run_id not in paused]
    offers: list[tuple[str, str, list[str], Callable[[list[str]], object]]] = [
        ("Pause", "pause", of(_OPEN), lambda ids: queue.pause(ids, paths=paths())),
        ("Resume", "resume", paused, lambda ids: queue.resume(ids, paths=paths())),
        ("Cancel", "cancel", of(_OPEN), lambda ids: queue.cancel(ids, paths=paths())),
        ("Retry", "replay", stopped, lambda ids: queue.retry(ids, paths=paths())),
        ("Move to front", "vertical_align_top", queued, _to_front),
    ]  # fmt: skip
    with st.container(horizontal=True):
        st.caption(f"{len(chosen)} runs chosen.")
        for text, icon, ids, act in offers:
            if ids:
                st.button(f"{text}: {len(ids)}", icon=f":material/{icon}:", key=f"several_{icon}", on_click=do,
                          args=(act, ids))  # fmt: skip
        if ended:
            offer_delete(ended, key="several")
    if trouble := st.session_state.pop("_several_error", None):
        st.error(md(trouble), title="The action failed")


def offer_delete(run_ids: list[str], *, key: str) -> None:
    """A button behind a second one: what is deleted does not come back.

    Args:
        run_ids: Runs that have ended.
        key: Identity of the button.
    """
    if not may_delete():
        return
    n = len(run_ids)
    with st.popover(f"Delete: {n}" if n > 1 else "Delete", icon=":material/delete:", key=f"{key}_delete"):
        st.markdown(
            f"Removes {f'{n} runs' if n > 1 else 'this run'} with scores, predictions and logs. They do not come back; "
            "what was trained stays, so that the same run is quick to make again."
        )
        st.button("Delete for good", type="primary", key=f"{key}_delete_sure", on_click=do, args=(_delete, run_ids))


def do(act: Callable[[list[str]], object], run_ids: list[str]) -> None:
    """Do something with runs, and have the page look at them anew.

    Args:
        act: Takes their ids.
        run_ids: The runs.
    """
    try:
        act(run_ids)
    except AtlasError as error:
        st.session_state["_several_error"] = str(error)
    refresh.clear()
    list_again()


def _to_front(run_ids: list[str]) -> None:
    queue.move(run_ids, place="first", paths=paths())


def _delete(run_ids: list[str]) -> None:
    queue.delete(run_ids, paths=paths())
    if st.query_params.get("run") in run_ids:
        st.query_params.pop("run")
