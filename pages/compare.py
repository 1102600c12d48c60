"""Two to six runs side by side: in what they differ, their scores by language, and lines through both."""

from pages.widgets.nav import guard

guard()

import streamlit as st

st.title("Compare")
st.caption("Two to six runs side by side: in what they differ, and what that did to the score in each language.")

from core.analysis.compare import FEWEST
from core.tasks.titles import metric_title
from pages.widgets.address import is_on, one_of
from pages.widgets.compare import data, panels
from pages.widgets.compare.choice import choose, known_runs, lines
from pages.widgets.shared import start, version
from pages.widgets.show import empty

start()
now = version()
rows = known_runs(now)
if rows.empty:
    empty(
        "No runs to compare yet",
        "Two runs that differ in one thing, such as the intermediate, the seed or the model, show what that thing "
        "does, language by language.",
        page="pages/launch.py",
        label="Launch runs",
    )
    st.stop()

picked = choose(rows)
if len(picked) < FEWEST:
    more = "one more run" if picked else "two runs"
    st.info(
        f"Choose {more} to compare above, or open a run on the page Runs and add it there. The address of "
        "this page holds the choice, so a link opens it again.",
        icon=":material/compare_arrows:",
    )
    st.stop()

ids, chosen = tuple(picked), lines(rows, picked)
panels.show_runs(rows, chosen)
panels.show_cautions(data.made_of(now, ids), chosen)
panels.show_excluded(data.excluded_of(now, ids), chosen)

st.header("What differs", anchor=False)
settings = data.settings_of(now, ids)
everything = is_on("Show what is the same, too", key="all")
panels.show_settings(settings, chosen, everything=everything)

st.header("Scores", anchor=False)
scored = data.scored_by(now, ids)
if scored.empty:
    st.caption("None of these runs has been scored in any language yet.")
    st.stop()
metric = one_of("Metric", scored["metric"].tolist(), key="metric", width=220)
grid = data.grid_of(now, ids, metric)
is_headline = bool(scored.loc[scored["metric"] == metric, "is_headline"].iloc[0])
panels.show_obstacles(grid, chosen)
panels.show_scores(grid, data.tests_of(now, ids, metric) if is_headline else None, chosen)

st.header("Drawn as lines", anchor=False)
kind = one_of("One axis for each of the", ["Languages", "Settings"], key="axes", widget=st.segmented_control)
panels.show_lines(grid, settings, chosen, metric=metric_title(metric), kind=kind)
