"""The question, what the store holds, and what stands out in it."""

from pages.widgets.nav import guard

guard()

import streamlit as st

st.title("Transfer Atlas")
st.markdown(
    "**How do the difficulty of an English intermediate task and its domain similarity to the target change zero-shot "
    "cross-lingual transfer on XTREME?**"
)
st.caption(
    "A pretrained encoder is fine-tuned on an English intermediate task, then on the English training set of a target, "
    "and scored in every language without further training. A *gain* is that score minus the score of the same chain "
    "without the intermediate step."
)

# The words above are painted before DuckDB, pandas and plotly are loaded, which takes most of a second.
from pages.widgets.overview_panels import collections, finding_cards, first_steps
from pages.widgets.shared import start, version

start()
counts, findings = collections(version())
if counts.empty:
    first_steps()
else:
    finding_cards(findings)
    st.subheader("What the store holds")
    with st.grid(3):
        for row in counts.to_dict("records"):
            with st.container(border=True):
                st.markdown(f"**{row['collection'].capitalize()}** · {row['runs']} runs, {row['finished']} finished")
                st.markdown(f"{row['scores']} scores and {row['gains']} gains in {row['langs']} languages")
                st.caption(f"models: {row['models']} · intermediates {row['intermediates']} · targets {row['targets']}")

st.subheader("Where to go")
with st.grid(4):
    for page, label, icon, text in (
        ("transfer", "Transfer", "grid_on", "Languages × intermediates: where an intermediate helps, and where not."),
        ("launch", "Launch", "rocket_launch", "Choose a model, intermediates and targets; start training."),
        ("runs", "Runs", "monitoring", "Watch, cancel, retry; read a failure; see where scores come from."),
        ("tasks", "Tasks", "library_books", "What each task is: data, languages, licence, chance level."),
    ):
        with st.container(border=True, height="stretch"):
            st.page_link(f"pages/{page}.py", label=f"**{label}**", icon=f":material/{icon}:")
            st.caption(text)
