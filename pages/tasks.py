"""Every task: what it is, in which languages, under which licence, and what to beware of."""

from pages.widgets.nav import guard

guard()

import streamlit as st

from core.spec.task import Role
from core.tasks import load_tasks, skipped_task_files
from core.types.table import TYPES
from pages.widgets.export import export_popover
from pages.widgets.shared import paths, start, version, warn_skipped
from pages.widgets.tasks.card import card, data_here, matches, task_rows

st.title("Tasks")
start()
tasks = load_tasks(paths())
warn_skipped(skipped_task_files(paths()))

with st.container(horizontal=True, vertical_alignment="bottom"):
    search = st.text_input("Search", key="q", placeholder="name, language, domain", bind="query-params", width=280)
    role = st.pills("Role", [str(r) for r in Role], key="role", bind="query-params")
    kind = st.selectbox(
        "Type",
        list(TYPES),
        index=None,
        key="type",
        placeholder="all types",
        bind="query-params",
        width=220,
    )

found = [t for t in tasks.values() if matches(t, search=search or "", role=role, kind=kind)]
st.caption(f"{len(found)} of {len(tasks)} tasks. Yours can be added with one YAML file: see docs/adding.md.")
if not found:
    st.info("No task matches. Remove a filter.", icon=":material/filter_alt_off:")
else:
    export_popover("tasks", task_rows(found), what="list of tasks", command="python -m core tasks --json")
with st.grid(2, min_column_width=340):
    here = data_here(version())
    for task in found:
        card(task, here[here["task"] == task.name])
