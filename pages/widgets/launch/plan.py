"""What a launch starts: its size and cost before the button, and the start itself."""

from __future__ import annotations

import os

import streamlit as st

from core.actions.launch import Launched, launch
from core.jobs.dispatch import visible_slots
from core.queries.runs.estimate import estimate
from core.studies import StudyRequest, build_study, problems
from pages.widgets.shared import paths, refresh, store
from pages.widgets.show import duration, md


def wrong_with(request: StudyRequest) -> list[str]:
    """Everything that keeps a request from running.

    Args:
        request: What the form says.
    """
    return problems(request, paths=paths())


def show_plan(request: StudyRequest) -> None:
    """Number of runs and trainings, time and disk.

    Args:
        request: A request without problems.
    """
    study = build_study(request, paths=paths())
    slots = _slots()
    with store().cursor() as cur:
        cost = estimate(cur, study, device="cpu" if slots == ("cpu",) else "cuda")
    st.metric("Time", _span(cost.seconds_low, cost.seconds_high), border=True, help=cost.basis)
    with st.grid(2, min_column_width=130):
        st.metric("Runs", cost.n_runs, border=True, help="Baselines included.")
        st.metric("Trainings", cost.n_trainings, border=True, help="Stages that runs share are trained once.")
        st.metric("Test sets", cost.n_evaluations, border=True, help="One test set per run and language.")
        st.metric("Disk", _size(cost.disk_bytes), border=True, help="Weights of all stages and one checkpoint.")
    notes = [f"{cost.n_done} of {cost.n_runs} runs are already finished and are not repeated."] if cost.n_done else []
    if cost.n_trainings < cost.n_trainings_without_reuse:
        notes.append(f"Without reuse it would be {cost.n_trainings_without_reuse} trainings.")
    notes += [cost.basis, f"Time is for one slot; this machine has {len(slots)}: {', '.join(slots)}."]
    st.caption(" ".join(notes))


def start_study(request: StudyRequest) -> Launched:
    """Start a study, and have every page look at the queue anew.

    Args:
        request: A request without problems.

    Raises:
        AtlasError: It has one after all, or there is no room on the disk.
    """
    launched = launch(request, paths=paths(), cursor=store().cursor)
    refresh.clear()
    return launched


def show_started(launched: Launched) -> None:
    """What a launch started, and the way to watch it."""
    st.success(launched.summary, icon=":material/check_circle:")
    if launched.outdated:
        st.warning(md(launched.outdated))
    if launched.ranked:
        st.caption(md(launched.ranked))
    if launched.trouble:
        st.warning(md(launched.trouble))
    first = next((job for job in launched.jobs if job.intermediate != "none"), launched.jobs[0])
    watched = {"run": first.run_id}
    st.page_link("pages/runs.py", label="Watch them", icon=":material/monitoring:", query_params=watched)


@st.cache_resource(show_spinner=False)
def _slots() -> tuple[str, ...]:
    # Asks nvidia-smi, which takes a second; devices do not come and go.
    return visible_slots(os.environ)


def _span(low_s: float, high_s: float) -> str:
    low, high = duration(low_s), duration(high_s)
    same_unit = low.split()[1:] == high.split()[1:]
    return low if low == high else f"{low.split()[0]}–{high}" if same_unit else f"{low} – {high}"


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"
