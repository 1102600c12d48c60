"""The gallery's runs, listed as one's own are; each opens as they do."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.queries.filters import Filter
from core.queries.runs.listing import runs
from core.spec.run import DataSourceKind
from pages.widgets.runs.several import show_together
from pages.widgets.shared import store, titles, version
from pages.widgets.show import md, table

OWN = "yours"
"""Collection of the runs that were made here; every other one came with the application."""

_MOST = 500


@st.cache_data(max_entries=2, show_spinner=False)
def committed(version: tuple[str, int]) -> pd.DataFrame:
    """Runs that came with the application, as `core.queries.runs.listing.runs` returns them."""
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        found = runs(cur, Filter())
    return found[found["collection"] != OWN]


def show_gallery() -> str | None:
    """Draw search, table and the curves of what is selected; the id of the chosen run."""
    named, rows = titles(), committed(version())
    rows = rows.assign(
        chain=rows["intermediate"].map(named.of) + " → " + rows["target"].map(named.of),
        encoder=rows["model"].map(named.of_model),
        data=rows["data_source"].map(lambda source: DataSourceKind(source).words),
    )
    words = st.text_input("Search", key="gallery_q", placeholder="task, model, protocol").lower().split()
    texts = (rows["chain"] + " " + rows["intermediate"] + " " + rows["target"] + " " + rows["encoder"] + " "
             + rows["protocol"] + " " + rows["data_source"] + " " + rows["data"]).str.lower()  # fmt: skip
    for word in words:
        rows = rows[texts.loc[rows.index].str.contains(word, regex=False)]
    shown = rows.sort_values("data_source", key=lambda source: source == "sample", kind="stable").head(_MOST)
    some = f"; {_MOST} of them are listed, the others are found by the search" if len(rows) > _MOST else ""
    st.caption(f"{len(rows):,} runs that came with the program{some}")
    number = st.column_config.NumberColumn
    picked = table(
        shown,
        key=f"gallery_table_{'_'.join(words)}",
        alt="Runs that came with the program; selecting one shows it below, selecting several their curves",
        on_select="rerun",
        selection_mode="multi-row",
        height=min(38 + 35 * max(1, len(shown)), 360),
        columns={
            "chain": "intermediate → target", "encoder": "model", "seed": number("seed", width=60),
            "protocol": "protocol", "data": "data", "n_langs": number("languages", width=80),
            "seconds": number("seconds", format="%.0f"),
            "run_id": "run",
        },
    )  # fmt: skip
    ids = [str(shown["run_id"].iloc[i]) for i in picked["selection"]["rows"] if i < len(shown)]
    if len(ids) > 1:
        show_together(ids)
        return None
    asked = ids[0] if ids else st.query_params.get("run")
    if ids:
        st.query_params["run"] = ids[0]
    elif asked and asked not in set(committed(version())["run_id"]):
        st.warning(f"No run {md(asked)} here. Choose one above.", icon=":material/search_off:")
        return None
    return asked
