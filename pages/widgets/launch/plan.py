"""What a launch starts: its size and cost before the button, and the start itself."""

from __future__ import annotations

import streamlit as st

from core.actions.launch import Launched, Where, launch
from core.actions.plan import plan
from core.actions.words import size, span
from core.data.there import lacking
from core.errors import SpecError
from core.jobs.records import JobState
from core.studies import NO_INTERMEDIATE, StudyRequest, build_study, problems
from pages.widgets.launch.visitors import note_started, refused
from pages.widgets.shared import paths, refresh, store, titles, version
from pages.widgets.show import md
from pages.widgets.sign_in import visitor
from pages.widgets.transfer.choice import views
from pages.widgets.transfer.onward import beside_in_words


def wrong_with(request: StudyRequest) -> list[str]:
    """Everything that keeps a request from running, data that are not there among it.

    Args:
        request: What the form says.
    """
    try:
        # First: on a server that others can reach a form tells nothing of folders that it may not name.
        found = refused(request) or problems(request, paths=paths())
        return found or lacking(build_study(request, paths=paths()), paths=paths())
    except SpecError as error:  # said by the environment of the server
        return [str(error)]


def show_plan(request: StudyRequest, where: Where) -> None:
    """Number of runs and trainings, time and disk.

    Args:
        request: A request without problems.
        where: How its jobs are executed.
    """
    with store().cursor() as cur:
        found = plan(request, paths=paths(), cur=cur, where=where)
    cost = found.cost
    st.metric("Time", span(*found.time), border=True, help=cost.basis)
    with st.grid(2, min_column_width=130):
        st.metric("Runs", cost.n_runs, border=True, help="With their baselines.")
        st.metric("Trainings", cost.n_trainings, border=True, help="What runs share is trained once.")
        st.metric("Scorings", cost.n_evaluations, border=True, help="One for each run and language that the data have.")
        st.metric("Disk", size(cost.disk_bytes), border=True, help="Weights of all trainings and one checkpoint.")
    notes = [f"{cost.n_done} of {cost.n_runs} runs are already finished and are not repeated."] if cost.n_done else []
    if cost.n_trainings_there:
        notes.append(f"{cost.n_trainings_there} trainings are there already, from earlier runs.")
    if cost.n_trainings + cost.n_trainings_there < cost.n_trainings_without_reuse:
        notes.append(f"If runs shared nothing, there would be {cost.n_trainings_without_reuse} trainings.")
    st.caption(" ".join([*notes, cost.basis, found.where]))
    st.caption(md(beside_in_words(views(version()), request, titles())))


def start_study(request: StudyRequest, where: Where) -> Launched:
    """Start a study, and have every page look at the queue anew.

    Args:
        request: A request without problems.
        where: How its jobs are executed.

    Raises:
        AtlasError: It has one after all, or there is no room on the disk.
    """
    if why := refused(request):
        raise SpecError(" ".join(why))
    launched = launch(request, paths=paths(), cursor=store().cursor, where=where._replace(launched_by=visitor()))
    note_started(job.run_id for job in launched.jobs)
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
    # A run that has a gain, if there is one; one that runs; else the first of the queue, which is the next to start.
    watched = min(launched.jobs, key=lambda j: (j.intermediate == NO_INTERMEDIATE, j.state is not JobState.RUNNING))
    st.page_link(
        "pages/runs.py", label="Watch them", icon=":material/monitoring:", query_params={"run": watched.run_id}
    )
