"""Panels of the overview: findings computed from the store, and first steps while it is empty."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core.queries.overview import counts, findings
from core.tasks import load_tasks
from pages.widgets.shared import paths, store
from pages.widgets.show import language_label, md, points


@st.cache_data(max_entries=4, show_spinner=False)
def collections(version: tuple[str, int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Counts by collection, and findings.

    Args:
        version: Of the store.
    """
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return counts(cur), findings(cur)


def first_steps() -> None:
    """What to do with an empty store."""
    with st.container(border=True):
        st.markdown("#### Nothing has been run yet: three steps to a first gain")
        st.markdown(
            "1. **Launch** a small chain: the bundled sample tasks need no download and no GPU.\n"
            "2. **Watch** it: scores appear language by language, and the job goes on if this page is closed.\n"
            "3. **Read** the gain per language on the transfer map."
        )
        st.page_link("pages/launch.py", label="Launch the first run", icon=":material/rocket_launch:")
        st.caption("The same from a terminal:")
        st.code("python -m core run --intermediate mnli --target xnli --seeds 1", language="bash", wrap_lines=True)


def finding_cards(rows: pd.DataFrame) -> None:
    """What stands out, one card per target and setting; nothing is claimed that the store does not hold.

    Args:
        rows: As `findings` returns them.
    """
    st.subheader("What stands out")
    if rows.empty:
        st.caption("No gain yet: it needs a finished run with an intermediate and its paired baseline.")
        return
    st.caption(
        "For each target and setting, the intermediate with the largest mean gain over languages other than English, "
        "in-task pairs left out. The best of several always looks good: these are observations, not tests."
    )
    with st.grid(3, min_column_width=280):
        for row in rows.to_dict("records"):
            _card(row)


def _card(row: dict[Any, Any]) -> None:
    tasks = load_tasks(paths())
    target = tasks[row["target"]].title if row["target"] in tasks else row["target"]
    with st.container(border=True, height="stretch"):
        st.metric(f"{target}, after {row['intermediate']}", f"{points(row['mean_gain'])} points")
        st.markdown(
            f"{row['metric'].replace('_', ' ')}, mean over {row['langs']} of {row['target_langs']} languages; "
            f"above zero in {row['helped']}. From {points(row['worst_gain'])} in {language_label(row['worst_lang'])} "
            f"to {points(row['best_gain'])} in {language_label(row['best_lang'])}."
        )
        seeds = f"{row['seeds']} seed" + ("s" if row["seeds"] != 1 else "")
        rivals = f"best of {row['rivals']}" if row["rivals"] > 1 else "the only one run"
        st.caption(
            md(f"{row['collection']} · {row['model']} · {row['protocol']} · {row['data_source']} · {seeds} · {rivals}")
        )
        st.space("stretch")
        keys = ("collection", "model", "target", "protocol", "data_source")
        st.page_link(
            "pages/transfer.py",
            label="Show every language",
            icon=":material/grid_on:",
            query_params={"source" if k == "data_source" else k: row[k] for k in keys},
        )
