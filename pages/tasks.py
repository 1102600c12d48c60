"""Every task: what it is, in which languages, under which licence, and what to beware of."""

from pages.widgets.nav import guard

guard()

import streamlit as st

from core.spec.task import Role
from core.tasks import load_tasks, skipped_task_files
from core.types.table import TYPES
from pages.widgets.address import one_or_none, say_unknown, text_of
from pages.widgets.export import export_popover
from pages.widgets.shared import paths, start, version, warn_skipped
from pages.widgets.tasks.card import card, data_here, in_plain, matches, task_rows

st.title("Tasks")
start()
tasks = load_tasks(paths())
warn_skipped(skipped_task_files(paths()))

with st.container(horizontal=True, vertical_alignment="bottom"):
    search = text_of("Search", key="q", placeholder="name, language, domain", width=280)
    role = one_or_none("Role", list(map(str, Role)), key="role", widget=st.pills)
    kind = one_or_none("Type", list(TYPES), key="type", placeholder="all types", format_func=in_plain, width=220)
say_unknown("role", list(map(str, Role)), kind="role")
say_unknown("type", list(TYPES), kind="type of task")

found = [t for t in tasks.values() if matches(t, search=search, role=role, kind=kind)]
st.caption(
    f"{len(found)} of {len(tasks)} tasks. A task of your own is one YAML file: add it on the page Launch. A copy of "
    "the data may hold fewer examples and languages than were published; a run reads at most as many as its protocol "
    "says."
)
if not found:
    st.info("No task matches. Remove a filter.", icon=":material/filter_alt_off:")
else:
    export_popover("tasks", task_rows(found), what="list of tasks", command="python -m core tasks --json")
with st.grid(2, min_column_width=340):
    here = data_here(version())
    for task in found:
        card(task, here[here["task"] == task.name])
