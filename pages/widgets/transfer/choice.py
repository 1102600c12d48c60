"""What the transfer map shows: one picker per thing that must not be mixed, each kept in the URL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from core.queries.transfer import View, choices
from core.spec.run import DataSourceKind
from core.store.gallery import whose
from core.tasks.titles import metric_title
from pages.widgets.address import DETAIL, pick
from pages.widgets.shared import protocol_words, store, titles
from pages.widgets.show import md, source_badge

PUBLISHED = "published"
"""The collection whose figures come from papers: they have no runs, so they are shown by a widget of their own."""

_COLLECTIONS = {
    "yours": "runs made here",
    "measured": "runs that came with the program",
    PUBLISHED: "numbers from papers",
}

_HELP = "Results of different kinds are never mixed. A name stands for results that were imported under it."


@st.cache_data(max_entries=4, show_spinner=False)
def views(version: tuple[str, int]) -> pd.DataFrame:
    """Every view with a score, with the labels of the pickers."""
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        rows = choices(cur)
    rows["model_label"] = _labels(rows, "model", "model_fingerprint")
    rows["protocol_label"] = _labels(rows, "protocol", "protocol_digest")
    for name, detail in (("model", "model_fingerprint"), ("protocol", "protocol_digest")):
        rows[f"{name}_address"] = [_address(n, d) for n, d in zip(rows[name], rows[detail], strict=True)]
    return rows


class Chosen(NamedTuple):
    """A view, and how an address names it."""

    view: View | None
    """None: published figures were chosen."""
    address: dict[str, str]
    """Parameter → value, all of them."""


def choose(rows: pd.DataFrame, *, with_published: bool) -> Chosen:
    """The pickers, in a row; each offers what the ones before it leave.

    Args:
        rows: As `views` returns them; at least one, or published figures.
        with_published: Whether the store holds published figures.
    """
    target_place = st.container(width=220)
    rest = st.popover("Collection, model, metric", icon=":material/tune:")
    said = st.container(width="content")
    with rest:
        names = [*dict.fromkeys(rows["collection"]), *([PUBLISHED] if with_published else [])]
        options = {str(name): _COLLECTIONS.get(str(name), str(name)) for name in names}
        picked = pick("Collection", options, key="collection", kind="collection", help=_HELP)
    address = {"collection": picked}
    if picked == PUBLISHED:
        said.caption(_COLLECTIONS[PUBLISHED].capitalize())
        return Chosen(None, address)
    rows = _asked_first(rows[rows["collection"] == picked])
    named = [] if picked == "measured" else [whose(picked)]
    for key, label, column, shown in PICKERS:
        options = dict(zip(rows[column], rows[shown], strict=True))
        options = {name: _READ[key](text) for name, text in options.items()} if key in _READ else options
        with target_place if key == "target" else rest:
            hidden = {"label_visibility": "collapsed"} if key == "target" else {}
            address[key] = pick(label, options, key=key, kind=label.lower(), **hidden)
        rows = rows[rows[column] == address[key]]
        if key not in {"target", "source"}:
            named.append(options[address[key]] if key == "model" else f"{label.lower()} {options[address[key]]}")
    row = rows.iloc[0].to_dict()
    told = f"These runs: {_COLLECTIONS.get(picked, picked)}. {protocol_words(row['protocol'])}"
    said.markdown(f"{source_badge(row['data_source'])} :small[{md(', '.join(named))}]", help=told)
    fingerprint = None if pd.isna(row["model_fingerprint"]) else row["model_fingerprint"]
    view = View(**{name: row[name] for name in View._fields} | {"model_fingerprint": fingerprint})
    return Chosen(view, address)


def _asked_first(rows: pd.DataFrame) -> pd.DataFrame:
    """The views that have most of what the address names first, so that a part of an address is enough."""
    met = pd.Series(0, index=rows.index)
    for key, _, column, _ in PICKERS:
        if asked := st.query_params.get(key):
            met += [str(name).partition(DETAIL)[0] == asked.partition(DETAIL)[0] for name in rows[column]]
    return rows.loc[met.sort_values(ascending=False, kind="stable").index]


def elsewhere(rows: pd.DataFrame, view: View) -> None:
    """Where a target has gains, if not in this view: a link to each kind of data that has them.

    Args:
        rows: As `views` returns them.
        view: What has none.
    """
    there = rows[(rows["target"] == view.target) & (rows["metric"] == view.metric) & (rows["intermediates"] > 0)]
    for row in there.drop_duplicates(["collection", "data_source"]).to_dict("records"):
        words = DataSourceKind(row["data_source"]).words
        st.page_link(
            "pages/transfer.py", icon=":material/arrow_forward:",
            label=f"{words}, {whose(row['collection'])}: {row['intermediates']} "
            f"intermediate{'s' * (row['intermediates'] > 1)}, parts and placebos counted, before "
            f"{titles().of(view.target)}",
            query_params={"collection": row["collection"]} | {key: row[column] for key, _, column, _ in PICKERS},
        )  # fmt: skip


PICKERS = (
    ("target", "Target", "target", "target"),
    ("model", "Model", "model_address", "model_label"),
    ("metric", "Metric", "metric", "metric"),
    ("protocol", "Protocol", "protocol_address", "protocol_label"),
    ("source", "Data source", "data_source", "data_source"),
)
"""Parameter of the address, label of the picker, column of what the address says and of what people read."""
_READ: dict[str, Callable[[str], str]] = {
    "target": lambda name: titles().of(name),
    "model": lambda label: titles().of_model(label),
    "metric": metric_title,
    "source": lambda name: DataSourceKind(name).words,
}
"""How people read what the column holds."""


def _address(name: str, detail: Any) -> str:  # noqa: ANN401  # a cell
    return name if pd.isna(detail) else f"{name}{DETAIL}{str(detail)[:6]}"


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
