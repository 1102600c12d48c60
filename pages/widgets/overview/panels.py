"""Panels of the overview: the state of the evidence and findings computed from the store, first and next steps."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.actions.answer import EVERY_MEASURE
from core.actions.command import command_of
from core.analysis.standing import extent, pair_gains, verdicts
from core.figures.multiples import gain_strips
from core.models.default import SMALL_MODEL
from core.queries.evidence import AnalysisOptions, PooledRuns
from core.queries.overview import counts, findings, published_counts
from core.store.gallery import whose
from core.studies import StudyRequest
from core.tasks.titles import metric_title
from pages.widgets.analysis.data import gathered, proposals, quick_answer
from pages.widgets.export import export_popover
from pages.widgets.shared import mode, runs_title, store, titles
from pages.widgets.show import chart, drawn, language_label, md, points, show_caution, show_command, source_badge

_STEPS = 3
_NAMES = {
    "published": "numbers from papers; they are never averaged with runs",
    "measured": "runs that came with this program",
    "yours": "runs made here",
}


class Held(NamedTuple):
    """What the store holds."""

    counts: pd.DataFrame
    """As `core.queries.overview.counts` returns them."""
    published: dict[Any, Any]
    """The row of `core.queries.overview.published_counts`."""
    findings: pd.DataFrame
    """As `core.queries.overview.findings` returns them."""


@st.cache_data(max_entries=4, show_spinner=False)
def held(version: tuple[str, int]) -> Held:
    """Counts by collection, and findings."""
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return Held(counts(cur), published_counts(cur).iloc[0].to_dict(), findings(cur, limit=_STEPS))


@st.cache_data(max_entries=4, show_spinner=False)
def pairs_of(version: tuple[str, int], pooled: PooledRuns) -> pd.DataFrame:
    """Mean gains of the pairs of a setting.

    Args:
        pooled: What is pooled.
    """
    return pair_gains(gathered(version, pooled, AnalysisOptions()))


def standing(version: tuple[str, int], pooled: PooledRuns) -> DeltaGenerator:
    """Two of the four sentences, and the place of the others, which need a model: fill it when all else is drawn.

    Args:
        pooled: What is pooled.
    """
    st.header("In numbers", anchor=False)
    st.markdown(source_badge(pooled.data_source))
    first, second = _extent(version, pooled), verdicts(pairs_of(version, pooled), title=titles().of)
    st.markdown(f"1. {md(first)}\n2. {md(second)}")
    return st.empty()


@st.cache_data(max_entries=4, show_spinner=False)
def _extent(version: tuple[str, int], pooled: PooledRuns) -> str:
    found, named = gathered(version, pooled, AnalysisOptions()), titles()
    return extent(found, pairs_of(version, pooled), title=named.of_model, target=named.of)


def third_sentence(place: DeltaGenerator, version: tuple[str, int], pooled: PooledRuns) -> None:
    """The answer to the question: of contrasts inside data sets, then of the model across tasks.

    Args:
        place: As `standing` returns it.
        pooled: What is pooled.
    """
    with place.container():
        full = quick_answer(version, pooled)
    with place.container():
        within = " ".join(full.answer.within)
        st.markdown(f"3. Inside one task: {md(within)}\n4. Across tasks: {md(full.answer.headline)}")
        if EVERY_MEASURE in full.pending:
            st.caption(
                "Whether other measures of difficulty and similarity say the same is computed where it is asked for: "
                "on the page Analysis, part Other measures."
            )


def strips(version: tuple[str, int], pooled: PooledRuns) -> None:
    """Mean gains of every pair as small multiples, one strip a target.

    Args:
        pooled: What is pooled.
    """
    pairs = pairs_of(version, pooled)
    if pairs.empty:
        return
    st.header("Mean gain by target, in points", anchor=False)
    is_part = pairs["intermediate"].str.contains("[@~]")
    shown, n_parts = (pairs, 0) if is_part.all() else (pairs[~is_part], pairs.loc[is_part, "intermediate"].nunique())
    n, named = shown["target"].nunique(), titles()
    heads = tuple(named.of(name) for column in ("target", "intermediate") for name in pd.unique(shown[column]))
    chart(
        lambda: drawn(
            lambda: gain_strips(shown, title=named.of, mode=mode()), "strips", version, pooled, heads, mode()
        ),
        key="strips",
        alt=f"Mean gain of {shown['intermediate'].nunique()} intermediates before {n} targets, a strip each; the page "
        "Transfer holds the same numbers by language",
        source=pooled.data_source,
    )
    tested = bool(shown["low"].notna().any())
    limits = ", with a 95 % interval over seeds, cut at the edge" if tested else ""
    colours = (
        "Purple: above zero, orange: below (false discovery rate 5 %), grey: zero is possible, or nothing was tested."
        if tested
        else "All are grey and without an interval, as no pair has results of two seeds that could be tested."
    )
    what = "Parts and placebos" if pairs["intermediate"].str.contains("~").any() else "Parts"
    parts = f" {what} of tasks ({n_parts}) are in the export and on Transfer, not here." if n_parts else ""
    st.caption(
        f"{md(runs_title(pooled))}. Each dot is one intermediate: its mean gain over the languages that all "
        f"intermediates of that target were scored in, without English{limits}. The axis is stretched near zero "
        f"(square roots of points). {colours} Hollow: the intermediate trains the target's own task.{parts}"
    )
    export_popover(
        "mean-gains",
        pairs,
        what="mean gains",
        figures={"Mean gain by target": partial(gain_strips, shown, title=named.of)},
        source=pooled.data_source,
    )


def collection_cards(found: Held) -> None:
    """The three collections, the empty ones too, and those that were imported, each with what it holds.

    Args:
        found: What the store holds.
    """
    rows = {row["collection"]: row for row in found.counts.to_dict("records")}
    named = _NAMES | {name: "imported results of others" for name in rows if name not in _NAMES}
    with st.grid(3, min_column_width=250):
        for name, text in named.items():
            with st.container(border=True, height="stretch"):
                st.markdown(f"**{name.capitalize()}** · {text}")
                lines = _published(found.published) if name == "published" else _counted(rows.get(name))
                st.markdown(lines[0])
                st.caption(lines[1])
                if name == "published" and found.published["tables"]:
                    st.page_link(
                        "pages/transfer.py", label="Show published numbers", icon=":material/menu_book:",
                        query_params={"collection": "published"},
                    )  # fmt: skip


def next_steps(version: tuple[str, int], pooled: PooledRuns) -> None:
    """The proposals that are worth most for what they cost.

    Args:
        pooled: What is pooled.
    """
    rows = proposals(version, pooled, AnalysisOptions()).head(_STEPS)
    if rows.empty:
        return
    st.caption(
        "The first of a list on Analysis under What to run next; what would settle the questions that are open "
        "stands there, too. New runs are counted with their baselines, "
        "which proposals share."
    )
    for row in rows.to_dict("records"):
        st.markdown(f"- {_step(row)}")
        show_command(row["command"], with_caution=False)
    show_caution(*rows["command"])


def _step(row: dict[Any, Any]) -> str:
    of = titles().of
    between = ", ".join(of(name) for name in str(row["intermediate"]).split(", "))
    if row["kind"] == "fill":
        return f"Fill a gap: {md(row['why'])} ({md(between)})."
    cost = f", {row['runs']:.0f} new runs with their baselines" if pd.notna(row["runs"]) else ""
    before = ", ".join(map(of, str(row["target"]).split()))
    return f"Run **{md(between)}** before **{md(before)}**{cost}: {md(row['why'])}."


def _counted(row: dict[Any, Any] | None) -> tuple[str, str]:
    if row is None:
        return "None yet.", "Start your own on the page Launch."
    return (
        f"{row['runs']:,} runs, {row['finished']:,} finished: **{row['real']:,} on real data**, "
        f"{row['runs'] - row['real']:,} on generated sentences; {row['scores']:,} scores and {row['gains']:,} gains "
        f"in all metrics ({row['counted']:,} gains count, {row['counted_real']:,} on real data) in {row['langs']} "
        "languages",
        f"models: {row['models']} · intermediates and parts: {row['intermediates']} · targets: {row['targets']}",
    )


def _published(row: dict[Any, Any]) -> tuple[str, str]:
    if not row["tables"]:
        return "None.", "This copy of the program came without its folder data/published."
    return (
        f"{row['tables']} tables of {row['documents']} documents: {row['scores']:,} scores and {row['gains']:,} gains "
        f"as printed, in {row['langs']} languages",
        f"targets: {row['targets']} · each table says where it was printed and what to beware of",
    )


def first_steps(*, has_runs: bool) -> None:
    """What to do with a store that holds no gain.

    Args:
        has_runs: Whether something was run at all.
    """
    st.header("Current evidence", anchor=False)
    st.markdown(
        "There is no gain yet, so the question has no answer. A gain needs two finished runs that differ in one thing: "
        "with an intermediate, and without (the baseline)."
    )
    with st.container(border=True):
        begun = "No run has its baseline yet" if has_runs else "Nothing has been run yet"
        st.markdown(f"### {begun}: three steps to a first gain")
        st.markdown(
            "1. **Launch** a small run: the tasks and the encoder that come with the program need no download and no "
            "GPU.\n2. **Watch** it: scores appear language by language, and it goes on if this page is closed.\n3. "
            "**Read** the gain in each language on the page Transfer."
        )
        first = {"model": SMALL_MODEL, "intermediate": "mnli", "target": "xnli"}
        st.page_link(
            "pages/launch.py", label="Launch the first run", icon=":material/rocket_launch:", query_params=first
        )
        st.caption("The same from a terminal:")
        show_command(str(command_of(StudyRequest(models=(SMALL_MODEL,), intermediates=("mnli",), targets=("xnli",)))))


def finding_cards(rows: pd.DataFrame) -> None:
    """What stands out, one card per target and setting; nothing is claimed that the store does not hold.

    Args:
        rows: As `findings` returns them.
    """
    st.header("What stands out", anchor=False)
    if rows.empty:
        st.markdown("Nothing yet: no gain counts. The page *Transfer* shows every value in brackets, with the reason.")
        return
    st.caption(
        f"The {_STEPS} targets (those on real data before others) at which the mean gain of the best intermediate (a "
        "whole task or a part) over languages other than English is farthest from zero; intermediates that train the "
        "target's own task are left out. The best of several looks better than it is: these are observations, not "
        "tests."
    )
    with st.grid(3, min_column_width=280):
        for row in rows.to_dict("records"):
            _card(row)


def _card(row: dict[Any, Any]) -> None:
    named = titles()
    with st.container(border=True, height="stretch"):
        st.markdown(source_badge(row["data_source"]))
        after = f"{named.of(row['target'])}, after {named.of(row['intermediate'])}"
        none_helps = row["rivals"] > 1 and row["mean_gain"] < 0
        st.metric(f"{after}: the smallest loss" if none_helps else after, f"{points(row['mean_gain'])} points")
        st.markdown(
            f"Mean gain in {metric_title(row['metric'])} over {row['langs']} of {row['target_langs']} languages; it is "
            f"above zero in {row['helped']}. From {points(row['worst_gain'])} in "
            f"{language_label(row['worst_lang'])} to {points(row['best_gain'])} in {language_label(row['best_lang'])}."
        )
        seeds = f"{row['seeds']} seed" + ("s" if row["seeds"] != 1 else "")
        best = "least harmful" if row["mean_gain"] < 0 else "best"
        rivals = f"{best} of {row['rivals']} conditions"
        rivals = rivals if row["rivals"] > 1 else "the only intermediate tried"
        made = f"model {titles().of_model(row['model'])}, protocol {row['protocol']}, {seeds}"
        st.caption(md(f"{made}, {rivals}, {whose(row['collection'])}"))
        st.space("stretch")
        keys = ("collection", "model", "target", "protocol", "data_source")
        st.page_link(
            "pages/transfer.py",
            label="Show every language",
            icon=":material/grid_on:",
            query_params={"source" if k == "data_source" else k: row[k] for k in keys},
        )
