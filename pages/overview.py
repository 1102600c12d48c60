"""The question, where the evidence stands, what stands out, which results are here, and what to do next."""

from pages.widgets.nav import guard

guard()

import streamlit as st

st.title("Transfer Atlas")
st.markdown(
    "**How do the difficulty of an English intermediate task and its domain similarity to the target change zero-shot "
    "cross-lingual transfer on XTREME?**"
)
st.caption(
    "A pretrained encoder is fine-tuned on an English task first (the *intermediate*, such as QQP), then on the "
    "English training set of the task of interest (the *target*, such as XNLI), and scored on the target in every "
    "language, most of which it was never fine-tuned on: zero-shot. A *gain* is that score minus the score of the same "
    "run without the intermediate (the *baseline*)."
)

# The words above are painted before DuckDB, pandas, plotly and scipy are loaded, which takes most of a second.
from core.queries.evidence import pooled_runs_of
from pages.widgets.analysis.data import available
from pages.widgets.handout import show_handout
from pages.widgets.overview import panels
from pages.widgets.overview.opening import show_laboratory, show_opening
from pages.widgets.shared import start, version

start()
now = version()
rows = available(now)
pooled = pooled_runs_of(rows.iloc[0].to_dict()) if len(rows) else None

if pooled:
    show_opening(rows, now, pooled)
    place = panels.standing(now, pooled)
    panels.strips(now, pooled)
found = panels.held(now)
if pooled:
    panels.finding_cards(found.findings)
else:
    panels.first_steps(has_runs=not found.counts.empty)
if pooled:
    show_laboratory(rows)

st.header("Which results are here", anchor=False)
panels.collection_cards(found)

if pooled:
    show_handout()

st.header("What to do next", anchor=False)
steps = st.container()
with st.grid(3, min_column_width=250):
    for page, label, icon, text in (
        (
            "transfer",
            "Transfer",
            "grid_on",
            "A heatmap, languages by intermediates: where an intermediate helps or hurts.",
        ),
        (
            "analysis",
            "Analysis",
            "insights",
            "Does difficulty or similarity explain it? And what papers claimed, tested.",
        ),
        ("launch", "Launch", "rocket_launch", "Choose a model, intermediates and targets; start training."),
        ("runs", "Runs", "monitoring", "Watch, pause, cancel or retry runs; why one failed; where scores come from."),
        ("compare", "Compare", "compare_arrows", "Two to six runs side by side: in what they differ."),
        ("tasks", "Tasks", "library_books", "What each task is: data, languages, licence, chance level."),
    ):
        with st.container(border=True, height="stretch"):
            st.page_link(f"pages/{page}.py", label=f"**{label}**", icon=f":material/{icon}:")
            st.caption(text)

if pooled:
    # Last, because they need the crossed model: all else is on the screen by then.
    panels.third_sentence(place, now, pooled)
    with steps:
        panels.next_steps(now, pooled)
