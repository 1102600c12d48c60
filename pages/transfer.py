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
        "Each intermediate that was run before a target is a column here, with a row for every language. A gain also "
        "needs the same run without the intermediate (its baseline), which a launch adds unless it is switched off.",
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
