"""Watch runs: states, progress, curves, scores as they come; cancel, retry, move; read a failure."""

from pages.widgets.nav import guard

guard()

import streamlit as st

from pages.widgets.runs.alerts import show_alerts
from pages.widgets.runs.detail import show_run
from pages.widgets.runs.jobs import jobs_now
from pages.widgets.runs.listing import show_list
from pages.widgets.shared import start
from pages.widgets.show import empty

st.title("Runs")
start()
jobs = jobs_now()
# The clock ticks only while something can change.
every = "2s" if jobs.open else None


@st.fragment(run_every=every)
def watch() -> None:
    """The list and the chosen run, again every two seconds while a job is at work."""
    now = jobs_now()
    if every and not now.open:
        st.rerun()
    show_alerts(now)
    chosen = show_list(now)
    if chosen:
        show_run(chosen, job=now.by_id.get(chosen))


if not (jobs.listed or jobs.n_damaged) and "run" not in st.query_params:
    empty(
        "No runs yet",
        "A run is one chain: model, intermediate or none, target, seed. It continues when this page is closed, and its "
        "scores appear here language by language.",
        page="pages/launch.py",
        label="Launch the first run",
    )
else:
    watch()
