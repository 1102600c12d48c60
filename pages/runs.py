"""Watch runs: states, progress, curves, scores as they come; pause, cancel, retry, move, delete; the gallery's, too."""

from pages.widgets.nav import guard

guard()

import streamlit as st

from pages.widgets.runs.alerts import show_alerts
from pages.widgets.runs.detail import show_run
from pages.widgets.runs.gallery import committed, show_gallery
from pages.widgets.runs.jobs import jobs_now
from pages.widgets.runs.listing import left_of, show_damaged, show_list
from pages.widgets.shared import catch_up, start, version
from pages.widgets.show import empty

GALLERY = "Came with the program"

st.title("Runs")
start()
jobs = jobs_now()
asked = st.query_params.get("run")
# The clock ticks only while something can change.
every = "2s" if jobs.open else None


@st.fragment(run_every=every)
def watch() -> None:
    """The list and the chosen run, again every two seconds while a job is at work."""
    now = jobs_now()
    if every and not now.open:
        catch_up()
        st.rerun()
    show_alerts(now)
    chosen = show_list(now)
    if chosen:
        show_run(chosen, job=now.by_id.get(chosen), left=left_of(now).get(chosen))


has_own, has_more = bool(jobs.listed or jobs.n_damaged), not committed(version()).empty
if not has_own:
    empty(
        "No runs of yours yet",
        "A run trains a model on an intermediate (or on none) and then on a target, with one seed, and scores it in "
        "every language. It goes on when this page is closed, and its scores appear here language by language.",
        page="pages/launch.py",
        label="Launch the first run",
    )
is_gallery = has_more and (not has_own or (asked is not None and asked not in jobs.by_id))
if has_own and has_more:
    of = st.segmented_control(
        "Whose", ["Yours", GALLERY], default=GALLERY if is_gallery else "Yours", required=True,
        label_visibility="collapsed",
    )  # fmt: skip
    is_gallery = of == GALLERY
if is_gallery or not (has_own or asked):
    show_damaged()  # a folder of runs that is not there to be listed is no reason to say that there are none
if is_gallery:
    if chosen := show_gallery():
        show_run(chosen, job=None)
elif has_own or asked:
    watch()
