"""Choose what to run, see what it costs, start it."""

from pages.widgets.nav import guard

guard()

from contextlib import suppress

import streamlit as st

from core.actions.command import command_of
from core.actions.queue import warm
from core.errors import AtlasError
from pages.widgets.launch.execution import ask_execution
from pages.widgets.launch.form import ask
from pages.widgets.launch.own import show_own
from pages.widgets.launch.plan import show_plan, show_started, start_study, wrong_with
from pages.widgets.shared import paths, read_only, start
from pages.widgets.show import md, show_command

st.title("Launch")
start()
st.caption(
    "A pretrained encoder is trained on an English intermediate task, then on the English training set of the target "
    "(if it has one: retrieval is not trained on), and scored in all its languages that the data have. This runs in "
    "the background: closing this page or the server does not stop it."
)

form, plan = st.columns([3, 2], gap="large")
# A container inside the column lets long labels wrap on a phone.
with form, st.container():
    request, complaints = ask()
    where, wrong = ask_execution()
    show_own(request)

with plan:
    st.header("What this starts")
    complaints = (
        [refusal] if (refusal := read_only()) else [*(complaints or (wrong_with(request) if request else [])), *wrong]
    )
    for text in complaints:
        st.warning(md(text), icon=":material/block:")
    if request and not complaints:
        show_plan(request, where)
    if (
        st.button(
            "Start",
            type="primary",
            icon=":material/rocket_launch:",
            disabled=bool(complaints) or request is None,
            help="Not possible yet: see above." if complaints else None,
        )
        and request
    ):
        try:
            st.session_state["_started"] = start_study(request, where)
        except AtlasError as error:
            st.error(md(error), title="Nothing was started")
    started = st.session_state.get("_started")
    if started:
        show_started(started)
    if request:
        st.caption("The same from a terminal:")
        show_command(str(command_of(request, where=where)))

# Last: the page is on the screen, and whoever looks at it will start something soon.
with suppress(AtlasError):
    warm(paths())
