"""Which runs are compared: a picker, the URL (`?ids=<run>,<run>`), and a list that other pages put runs on.

The first of the runs is what the others are compared with. The list is of the tab (session), the URL is the link.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.analysis.compare import FEWEST, MOST
from core.figures.parallel import Line
from core.queries.filters import Filter
from core.queries.runs.listing import lineage, runs
from core.spec.run import DataSourceKind
from core.tasks.titles import Titles
from pages.widgets.shared import store, titles, version
from pages.widgets.show import md

_PARAM = "ids"
_LIST = "_compare_list"
LETTERS = "ABCDEF"
"""Names of the runs on the page, in order."""


@st.cache_data(max_entries=4, show_spinner=False)
def known_runs(version: tuple[str, int]) -> pd.DataFrame:
    """Every run, indexed by its id, with a `label`."""
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        rows = runs(cur, Filter())
    named = titles()
    labels = [label(row, named) for row in rows.to_dict("records")]
    return rows.assign(label=labels).set_index("run_id", drop=False)


def label(row: Mapping[Any, Any], named: Titles) -> str:
    """A run in one line, what tells runs apart first.

    Args:
        row: Of `core.queries.runs.listing.runs`.
        named: What people read for its ids.
    """
    state = (
        "" if row["outcome"] == "finished" else f" · {'not finished' if pd.isna(row['outcome']) else row['outcome']}"
    )
    return (
        f"{named.of(row['intermediate'])} → {named.of(row['target'])}, seed {row['seed']} · "
        f"{named.of_model(row['model'])} · {row['protocol']} · {DataSourceKind(row['data_source']).words} · "
        f"{row['run_id']}{state}"
    )


def asked(known: Sequence[str] | pd.Index) -> tuple[list[str], list[str]]:
    """Runs that the URL names, at most `MOST`, and what it names that is no run here.

    Args:
        known: Ids of all runs.
    """
    named = list(dict.fromkeys(part for part in st.query_params.get(_PARAM, "").split(",") if part))
    return [name for name in named if name in known][:MOST], [name for name in named if name not in known]


def choose(rows: pd.DataFrame) -> list[str]:
    """The pickers; ids of the chosen runs, the first what the others are compared with.

    Args:
        rows: As `known_runs` returns them, at least one.
    """
    picked, strangers = asked(rows.index)
    if strangers:
        st.warning(
            f"No run {md(', '.join(strangers[:MOST]))} here: the link may come from another installation.",
            icon=":material/search_off:",
        )
    targets = list(rows["target"].value_counts().index)
    at = targets.index(rows.at[picked[0], "target"]) if picked else 0
    left, right = st.columns([1, 3])
    with left:
        target = st.selectbox(
            "Runs on the target", targets, index=at, key="compare_target", format_func=titles().of,
            help="Narrows the list of runs. Runs that are chosen stay.",
        )  # fmt: skip
    offered = [*picked, *(name for name in rows.index[rows["target"] == target] if name not in picked)]
    labels = rows["label"].to_dict()
    with right:
        st.session_state["compare_pick"] = picked
        st.multiselect(
            f"Runs, {FEWEST} to {MOST}", offered, key="compare_pick", max_selections=MOST, on_change=_on_pick,
            format_func=lambda name: labels.get(name, name), placeholder="choose runs",
        )  # fmt: skip
    if len(picked) > 1:
        st.session_state["compare_first"] = picked[0]
        st.selectbox(
            "Compared with", picked, key="compare_first", on_change=_on_first, args=(tuple(picked),),
            format_func=lambda name: labels.get(name, name),
        )  # fmt: skip
    return picked


def lines(rows: pd.DataFrame, picked: Sequence[str]) -> list[Line]:
    """The chosen runs with their letters.

    Args:
        rows: As `known_runs` returns them.
        picked: Ids, in order.
    """
    return [Line(name, letter, str(rows.at[name, "label"])) for name, letter in zip(picked, LETTERS, strict=False)]


def offer(run_id: str) -> None:
    """A button that puts a run on the list or takes it off, and the link to compare what is on it.

    Args:
        run_id: The run.
    """
    kept: list[str] = st.session_state.get(_LIST, [])
    is_in = run_id in kept
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Remove from comparison" if is_in else "Add to comparison",
            icon=f":material/{'playlist_remove' if is_in else 'playlist_add'}:",
            key="compare_toggle",
            on_click=_toggle,
            args=(run_id,),
            disabled=not is_in and len(kept) >= MOST,
            help=f"Up to {MOST} runs; the choice lasts while this tab is open.",
        )
        if kept:
            link(f"Compare {len(kept)} run{'s' if len(kept) > 1 else ''}", kept)
        baseline, children = _relatives(version(), run_id)
        if baseline:
            link("Compare with its baseline", [baseline, run_id])
        if children:
            link("Compare with the runs that use it as baseline", [run_id, *children[: MOST - 1]])


@st.cache_data(max_entries=64, show_spinner=False)
def _relatives(version: tuple[str, int], run_id: str) -> tuple[str | None, list[str]]:
    """The baseline of a run, if it has one, and the runs whose baseline it is."""
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        rows = lineage(cur, run_id)
    by_relation = {str(name): part["run_id"].tolist() for name, part in rows.groupby("relation")}
    return next(iter(by_relation.get("baseline", [])), None), by_relation.get("child", [])


def link(text: str, run_ids: Sequence[str]) -> None:
    """A link to the comparison of runs.

    Args:
        text: Of the link.
        run_ids: The runs, the first what the others are compared with.
    """
    st.page_link(
        "pages/compare.py", label=text, icon=":material/compare_arrows:", query_params={_PARAM: ",".join(run_ids)}
    )


def _toggle(run_id: str) -> None:
    kept: list[str] = st.session_state.get(_LIST, [])
    st.session_state[_LIST] = [name for name in kept if name != run_id] if run_id in kept else [*kept, run_id]


def _on_pick() -> None:
    _put(st.session_state["compare_pick"])


def _on_first(picked: tuple[str, ...]) -> None:
    first = st.session_state["compare_first"]
    _put([first, *(name for name in picked if name != first)])


def _put(run_ids: Sequence[str]) -> None:
    if run_ids:
        st.query_params[_PARAM] = ",".join(run_ids)
    else:
        st.query_params.pop(_PARAM, None)
