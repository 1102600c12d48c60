"""Languages × intermediates for one target: where an intermediate helps, and where it does not."""

from pages.widgets.nav import guard

guard()

import streamlit as st

from pages.widgets.shared import start, version
from pages.widgets.show import empty
from pages.widgets.transfer_choice import choose, views
from pages.widgets.transfer_map import show_map

st.title("Transfer")
start()
available = views(version())
if available.empty:
    empty(
        "No scores yet",
        "Each finished run adds a column: one intermediate, scored in every language of the target. A gain also needs "
        "the paired baseline, which a launch includes unless it is switched off.",
        page="pages/launch.py",
        label="Launch a run",
    )
    st.stop()

view, quantity = choose(available)
show_map(view, quantity)
