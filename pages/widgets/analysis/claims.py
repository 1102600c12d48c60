"""The published claims: verdicts within their scope, and beside them what generated data show."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import streamlit as st

from core.claims.records import LABORATORY, VERDICTS
from pages.widgets.address import one_of
from pages.widgets.analysis.choice import How
from pages.widgets.analysis.panels import how_to
from pages.widgets.shared import titles
from pages.widgets.show import md, show_command, table

_WORD = re.compile(r"[\w-]+(?:\.[\w-]+)*")
_MARKS = {
    "supported": "✔",
    "contradicted": "✘",
    "mixed": "≈",
    "not testable": "–",
    "outside its scope": "○",
    "property of the protocol": "§",
}
"""By what stands before the colon of a verdict."""


def show_claims(rows: pd.DataFrame) -> None:
    """Published claims and their verdicts, what generated data show beside; the chosen one with its rule and needs.

    Args:
        rows: As `judge_claims` returns them.
    """
    rows = rows.sort_values("verdict", key=lambda verdicts: verdicts == "not testable", kind="stable")
    counts = rows["verdict"].value_counts()
    st.caption(
        " · ".join(f"{n} {verdict}" for verdict, n in counts.items())
        + ". n: on how many of what is named beside it a verdict rests. Mixed: the 95 % interval holds values that the "
        "claim allows and values that it does not, so the runs do not decide. Each claim has a rule of its own, so "
        "what this page calls about the same elsewhere may be mixed here."
    )
    flat = rows.to_dict("records")
    shown = rows.assign(
        said=[_said(str(row["verdict"])) for row in flat],
        value=[_value(row) for row in flat],
        tested_on=rows["tested_on"].map(_titled, na_action="ignore"),
        generated=[_generated(row) for row in flat],
    )
    columns = {
        "id": "id", "said": "verdict", "claim": "claim", "value": "estimate (95 % interval)", "n": "n",
        "n_unit": "counted in", "unit": "unit", "tested_on": "tested on", "generated": "on generated sentences",
        "source": "source",
    }  # fmt: skip
    alt = "What papers claimed, with verdict, estimate, interval and n; generated sentences apart"
    table(shown, alt=alt, key="claims", columns=columns)
    with st.expander("What the verdicts mean", icon=":material/menu_book:"):
        for verdict, meaning in VERDICTS.items():
            st.markdown(f"- **{md(_said(verdict))}**: {md(meaning)}")
        st.markdown(f"- **on generated sentences**: {md(LABORATORY)}")
    named = dict(zip(rows["id"], rows["claim"], strict=True))
    picked = one_of("Look at a claim", list(named), key="claim", format_func=lambda name: f"{name}: {named[name]}")
    row = rows[rows["id"] == picked].iloc[0]
    with st.container(border=True):
        st.markdown(f"**{md(row['id'])} · {md(_said(row['verdict']))}** – {md(row['claim'])}")
        st.markdown(md(f"Source: {row['source']}. Scope: {row['scope']}."))
        st.markdown(md(f"Rule: {row['rule']}."))
        st.caption(md(_titled(row["note"]) or "–"))
        if row["laboratory_on"]:
            st.caption(
                md(
                    f"On generated sentences ({_titled(row['laboratory_on'])}): {_generated(row.to_dict())}; "
                    f"{_titled(row['laboratory_note'])}"
                )
            )
        if row["needs"]:
            st.markdown("These runs would test it:")
            show_command(row["needs"])
            st.page_link("pages/launch.py", label="Prepare a study", icon=":material/rocket_launch:",
                         query_params=_launch_of(str(row["needs"])))  # fmt: skip
    how_to(How("python -m core claims --json"), rows, name="claims")


def _said(verdict: str) -> str:
    return f"{_MARKS[verdict.split(':', 1)[0]]} {verdict}"


def _titled(text: Any) -> str:  # noqa: ANN401  of a frame
    """A sentence that names models by their ids, with their titles."""
    named = titles().of_model
    return "" if pd.isna(text) else _WORD.sub(lambda word: named(word[0]), str(text))


def _generated(row: dict[Any, Any]) -> str:
    """What generated data show of a claim."""
    if not row["laboratory"]:
        return "–" if not row["laboratory_on"] else "cannot be told"
    ends = {"ci_low": row["laboratory_low"], "ci_high": row["laboratory_high"]}
    value = _value(row | ends | {"estimate": row["laboratory_estimate"]})
    return f"{row['laboratory']}: {value}, n = {row['laboratory_n']}"


def _value(row: dict[Any, Any]) -> str:
    if pd.isna(row["estimate"]):
        return "–"
    scale, digits = (100, "+.2f") if str(row["unit"]).startswith(("gain", "score")) else (1, ".2f")
    names = ("estimate",) if pd.isna(row["ci_low"]) else ("estimate", "ci_low", "ci_high")
    shown = [f"{scale * row[name]:{digits}}".replace("-", "−") for name in names]
    limits = f" ({shown[1]} to {shown[2]})" if len(shown) > 1 else ""
    unit = " % of the head-room" if "head-room" in str(row["unit"]) else " points"
    return f"{shown[0]}{limits}" + (unit if scale > 1 else "")


def _launch_of(command: str) -> dict[str, list[str]]:
    """What the launch form can take from a command: intermediates and targets."""
    found: dict[str, list[str]] = {"intermediate": [], "target": []}
    key = ""
    for word in command.split():
        if word.startswith("--"):
            key = word.removeprefix("--")
        elif key in found:
            found[key].append(word)
    return found
