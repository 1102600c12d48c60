"""Watch runs: states, progress, curves, scores as they come; cancel, retry, move; read a failure."""

from pages.widgets.nav import guard

guard()

import streamlit as st

from core.actions.queue import list_runs
from pages.widgets.runs.detail import show_run
from pages.widgets.runs.listing import is_active, show_list
from pages.widgets.shared import paths, start
from pages.widgets.show import empty

st.title("Runs")
start()
jobs = list_runs(paths())
# The clock ticks only while something can change.
every = "2s" if any(is_active(job) for job in jobs) else None


@st.fragment(run_every=every)
def watch() -> None:
    """The list and the chosen run, again every two seconds while a job is at work."""
    now = list_runs(paths())
    if every and not any(is_active(job) for job in now):
        st.rerun()
    chosen = show_list(now)
    if chosen:
        show_run(chosen, job={job.run_id: job for job in now}.get(chosen))


if not jobs and "run" not in st.query_params:
    empty(
        "No runs yet",
        "A run is one chain: model, intermediate or none, target, seed. It continues when this page is closed, and its "
        "scores appear here language by language.",
        page="pages/launch.py",
        label="Launch the first run",
    )
else:
    watch()
