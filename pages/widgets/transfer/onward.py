"""The way from a run, or from what is about to be run, to where its gains stand on the Transfer page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from core.figures.heatmap import Cell
from core.queries.transfer import View
from core.spec.run import DataSourceKind
from core.studies import StudyRequest
from core.tasks.titles import Titles
from pages.widgets.shared import version
from pages.widgets.transfer.beside import MARK, own_beside
from pages.widgets.transfer.choice import PICKERS, views
from pages.widgets.transfer.selection import write


class Place(NamedTuple):
    """Where the results of a run stand on the Transfer page."""

    address: dict[str, str]
    """Parameters of the page."""
    n_beside: int
    """Intermediates of the gallery in the same heatmap; 0: one's own runs alone."""


def place_of(rows: pd.DataFrame, run: Mapping[Any, Any], *, lang: str | None) -> Place | None:
    """Where a run's results stand: beside the gallery's where it has the same, else among their own; None: nowhere.

    Args:
        rows: As `choice.views` returns them.
        run: Row of `runs`, missing values None.
        lang: Language whose cell is opened; None: the column.
    """
    fixed = {name: run[name] for name in View._fields if name != "metric"} | {"metric": run["headline_metric"]}
    mine = rows[[_is(row, fixed) for row in rows.to_dict("records")]]
    if mine.empty:
        return None
    found, mark, n_beside = mine.iloc[0].to_dict(), "", 0
    for row in _of_gallery(rows, fixed):
        own = own_beside(rows, View(**{name: row[name] for name in View._fields} | {"model_fingerprint": _none(row)}))
        if own is not None and own.view == View(**fixed):
            found, mark, n_beside = row, MARK, int(row["intermediates"])
            break
    address = {"collection": str(found["collection"])} | {key: str(found[column]) for key, _, column, _ in PICKERS}
    cell = Cell(lang, f"{mark}{run['intermediate']}") if run["intermediate"] != "none" else Cell(None, None)
    return Place(address | ({"cell": write(cell)} if write(cell) else {}), n_beside)


def offer(run: Mapping[Any, Any], *, scored: pd.DataFrame) -> None:
    """The link from a run to its gains; nothing where it has no score.

    Args:
        run: Row of `runs`, missing values None.
        scored: Scores of the run, column `lang`.
    """
    langs = sorted(map(str, scored["lang"].unique()), key=lambda code: (code != "en", code)) if len(scored) else []
    place = place_of(views(version()), run, lang=langs[0]) if langs else None
    if place is None:
        return
    beside = f"In columns marked (yours), beside {place.n_beside} intermediates that came with the program."
    st.page_link(
        "pages/transfer.py", icon=":material/grid_on:", query_params=place.address,
        label=f"See {'the gains over it' if run['intermediate'] == 'none' else 'its gain'} on Transfer",
        help=beside if place.n_beside else "In the heatmap of languages by intermediates, with your other runs.",
    )  # fmt: skip


def beside_in_words(rows: pd.DataFrame, request: StudyRequest, named: Titles) -> str:
    """Which results that came with the program the results of a launch will stand beside.

    Args:
        rows: As `choice.views` returns them.
        request: What is about to be launched.
        named: What people read for ids.
    """
    there = rows[rows["collection"].eq("measured") & rows["data_source"].eq(str(request.data_source))]
    there = there[there["target"].isin(request.targets) & there["intermediates"].gt(0)]
    met = there[there["model"].isin(request.models)]
    if len(met):
        targets = dict.fromkeys(named.of(str(name)) for name in met["target"])
        return (
            f"On Transfer ({', '.join(targets)}) the results will stand in columns marked (yours), beside those that "
            "came with the program."
        )
    others = ", ".join(dict.fromkeys(named.of_model(str(name)) for name in there["model"]))
    if not others:
        return "No results of this target on these data came with the program: these will stand alone on Transfer."
    these = " and ".join(map(named.of_model, request.models))
    data = "real data" if DataSourceKind(request.data_source).is_real else "generated sentences"
    return (
        f"On Transfer the results will stand alone: no runs of {these} on {data} came with the program. Choose "
        f"{others} to see yours beside those that did."
    )


def _of_gallery(rows: pd.DataFrame, fixed: Mapping[str, Any]) -> list[dict[Any, Any]]:
    """Views of the gallery that may have the run beside them, those of its protocol first."""
    if fixed["collection"] != "yours":
        return []
    there = rows[rows["collection"] == "measured"].to_dict("records")
    same = [row for row in there if _is(row, fixed, but=("collection", "protocol_digest"))]
    return sorted(same, key=lambda row: row["protocol_digest"] != fixed["protocol_digest"])


def _is(row: Mapping[Any, Any], fixed: Mapping[str, Any], *, but: tuple[str, ...] = ()) -> bool:
    row = dict(row) | {"model_fingerprint": _none(row)}
    return all(row[name] == value for name, value in fixed.items() if name not in but)


def _none(row: Mapping[Any, Any]) -> str | None:
    return None if pd.isna(row["model_fingerprint"]) else str(row["model_fingerprint"])
