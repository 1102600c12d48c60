"""What the transfer map shows: one picker per thing that must not be mixed, each kept in the URL."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.queries.transfer import View, choices
from pages.widgets.shared import store
from pages.widgets.show import md

PUBLISHED = "published"
"""The collection whose figures come from papers: they have no runs, so they are shown by a widget of their own."""

_COLLECTIONS = {
    "yours": "runs made here",
    "measured": "measured results that came with the application",
    PUBLISHED: "numbers from papers",
}

_HELP = "; ".join(f"{name}: {text}" for name, text in _COLLECTIONS.items())


@st.cache_data(max_entries=4, show_spinner=False)
def views(version: tuple[str, int]) -> pd.DataFrame:
    """Every view with a score, with the labels of the pickers."""
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        rows = choices(cur)
    rows["model_label"] = _labels(rows, "model", "model_fingerprint")
    rows["protocol_label"] = _labels(rows, "protocol", "protocol_digest")
    return rows


def choose(rows: pd.DataFrame, *, with_published: bool) -> View | None:
    """The pickers, in a row; each offers what the ones before it leave. None where published figures were chosen.

    Args:
        rows: As `views` returns them; at least one, or published figures.
        with_published: Whether the store holds published figures.
    """
    target_place = st.container(width=220)
    rest = st.popover("Collection, model, metric", icon=":material/tune:")
    said = st.container(width="content")
    with rest:
        collections = [*dict.fromkeys(rows["collection"]), *([PUBLISHED] if with_published else [])]
        picked = _pick("Collection", list(dict.fromkeys(collections)), key="collection")
    if picked == PUBLISHED:
        said.caption(_COLLECTIONS[PUBLISHED])
        return None
    rows = rows[rows["collection"] == picked]
    named = [picked]
    for column, key, label in (
        ("target", "target", "Target"),
        ("model_label", "model", "Model"),
        ("metric", "metric", "Metric"),
        ("protocol_label", "protocol", "Protocol"),
        ("data_source", "source", "Data source"),
    ):
        with target_place if key == "target" else rest:
            picked = _pick(label, list(dict.fromkeys(rows[column])), key=key)
        rows = rows[rows[column] == picked]
        named += [picked] if key != "target" else []
    said.caption(md(" · ".join(named)))
    row = rows.iloc[0].to_dict()
    fingerprint = None if pd.isna(row["model_fingerprint"]) else row["model_fingerprint"]
    return View(**{name: row[name] for name in View._fields} | {"model_fingerprint": fingerprint})


def _pick(label: str, options: list[str], *, key: str) -> str:
    # No `format_func`: what a bound picker shows is what stands in the address.
    return st.selectbox(
        label, options, key=key, help=_HELP if key == "collection" else None, bind="query-params",
        label_visibility="collapsed" if key == "target" else "visible",
    )  # fmt: skip


def _labels(rows: pd.DataFrame, name: str, detail: str) -> pd.Series:
    """The name, with the first digits of the detail where one name stands for several things."""
    several = rows.groupby(name)[detail].nunique(dropna=False)
    return pd.Series(
        [
            n if several[n] == 1 else f"{n} · {'hub' if pd.isna(d) else str(d)[:6]}"
            for n, d in zip(rows[name], rows[detail], strict=True)
        ],
        index=rows.index,
        dtype="object",
    )
