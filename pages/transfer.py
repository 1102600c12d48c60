"""Languages × intermediates for one target, beside the map of domains: where an intermediate helps, and why."""

from pages.widgets.nav import guard

guard()

import streamlit as st

line = st.container(horizontal=True, vertical_alignment="center", key="transfer_line")
line.title("Transfer", width="content")

from pages.widgets.address import link_button, settled
from pages.widgets.shared import start, version
from pages.widgets.show import empty
from pages.widgets.transfer.choice import choose, views
from pages.widgets.transfer.heatmap import show_map
from pages.widgets.transfer.published import has_published, show_published

start()
available, with_published = views(version()), has_published(version())
if available.empty and not with_published:
    empty(
        "No scores yet",
        "Each finished run adds a column: one intermediate, scored in every language of the target. A gain also needs "
        "the paired baseline, which a launch includes unless it is switched off.",
        page="pages/launch.py",
        label="Launch a run",
    )
    st.stop()

with line:
    chosen = choose(available, with_published=with_published)
settled()
if chosen.view is None:
    show_published()
    link_button("Copy link to this table", chosen.address, key="copy_link")
else:
    show_map(chosen.view, chosen.address)
