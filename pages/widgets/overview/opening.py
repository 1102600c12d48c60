"""The top of the overview: what the data are, one plain sentence, one picture, and what is not there."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from core.analysis.contrasts.glance import Glance, glance, plain
from core.figures.contrasts import at_a_glance
from core.queries.evidence import AnalysisOptions, PooledRuns, pooled_runs_of
from core.spec.run import DataSourceKind
from pages.widgets.analysis.data import contrasts, gathered
from pages.widgets.export import export_popover
from pages.widgets.shared import mode, protocol_words, titles
from pages.widgets.show import chart, drawn, md, source_badge, words_link

_TWO = 2


def show_opening(rows: pd.DataFrame, version: tuple[str, int], pooled: PooledRuns) -> None:
    """What the visitor sees first.

    Args:
        rows: As `core.queries.evidence.poolable_runs` returns them: the first of them is shown.
        pooled: That first one.
    """
    found = glanced(version, pooled)
    of_tasks = found.dots.loc[found.dots["part"] == "tasks", "target"]
    targets = titles().targets(of_tasks)
    apart = titles().targets(found.retrieval_targets)
    st.markdown(
        f"{source_badge(pooled.data_source)} &nbsp; Model: {md(titles().of_model(pooled.model))}. "
        f"{f'Targets with gains: {md(targets)}. ' if targets else ''}"
        f"{f'Retrieval, not trained on: {md(apart)}. ' if apart else ''}"
        f"{protocol_words(pooled.protocol, targets=sorted(set(of_tasks)))}"
    )
    if not DataSourceKind(pooled.data_source).is_real:
        st.markdown(md(no_real(rows)))
    if found.rows.empty:
        st.markdown("No gain of these runs counts yet, so there is nothing to draw.")
        return
    st.markdown(f"## {md(plain(found))}")
    named, unit = titles(), found.unit
    draw = partial(at_a_glance, found.rows, found.dots, factor=unit.factor, unit=unit.name, title=named.of)
    heads = tuple(map(named.of, found.rows["name"]))
    chart(
        lambda: drawn(lambda: draw(mode=mode()), "glance", version, pooled, heads, mode()), key="glance",
        alt=f"Mean change of the zero-shot score after each English task, and of contrasts inside data sets, with "
        f"limits and a ring per target. {plain(found)}", source=pooled.data_source,
    )  # fmt: skip
    seeds = gathered(version, pooled, AnalysisOptions()).frame["seed"].nunique()
    one_seed = " All is of one seed: the intervals leave out what another seed would change." if seeds < _TWO else ""
    st.caption(
        "Each row is an English task that was trained on first, all such tasks, or one third of a task's examples "
        "compared with another third. Ring: one target. Diamond: mean with its 95 % interval, in the row of one task "
        "over targets; in the other rows (all of them, inside one task) over tasks, so that there it need not lie amid "
        "the rings. Coloured: zero lies outside the interval (not corrected for the number of rows). Arrow: the "
        "interval goes on to the number beside it. "
        f"{unit.verdicts} {unit.meaning} Left out: English, retrieval targets (on which nothing is trained), "
        "intermediates that train the target's own task, and gains that do not count, because nothing was learned, say "
        f"(but where thirds are compared, one that was not learned counts).{one_seed}"
    )
    with st.container(horizontal=True):
        st.page_link("pages/analysis.py", label="The complete analysis", icon=":material/insights:")
        there = {"collection": pooled.collection, "source": pooled.data_source}
        st.page_link("pages/transfer.py", label="Every language", icon=":material/grid_on:", query_params=there)
        words_link()
        export_popover(
            "at-a-glance", found.rows.assign(unit=unit.name, of=pooled.label), what="means at a glance",
            figures={"The question at a glance": draw}, source=pooled.data_source,
        )  # fmt: skip


@st.cache_data(max_entries=4, show_spinner=False)
def glanced(version: tuple[str, int], pooled: PooledRuns) -> Glance:
    """The picture's rows, from what the Analysis page reads.

    Args:
        pooled: What is pooled.
    """
    options = AnalysisOptions()
    return glance(gathered(version, pooled, options), contrasts(version, pooled, options, "target"))


def no_real(rows: pd.DataFrame) -> str:
    """Why generated data stand first, in one sentence or two.

    Args:
        rows: As `core.queries.evidence.poolable_runs` returns them.
    """
    real = int(rows.loc[rows["data_source"] != "sample", "gains"].sum())
    why = (
        f"The {real:,} gains on real data that are here do not count: Transfer shows them in brackets, and why."
        if real
        else "There is no gain on real data here."
    )
    return (
        f"{why} What follows is from the laboratory: sentences that this program generates, so that their difficulty "
        "and domain are known. They check the methods and say nothing about XTREME."
    )


def show_laboratory(rows: pd.DataFrame) -> None:
    """Where the generated data stand when real ones stand first; nothing where they do not.

    Args:
        rows: As `core.queries.evidence.poolable_runs` returns them.
    """
    if rows.iloc[0]["data_source"] == "sample":
        return
    others = [pooled_runs_of(row) for row in rows.to_dict("records") if row["data_source"] == "sample"]
    if not others:
        return
    of_laboratory = rows[rows["data_source"] == "sample"]
    gains, counted = int(of_laboratory["gains"].sum()), int(of_laboratory["counted"].sum())
    few = (
        f" {counted:,} of their {gains:,} gains in each target's headline metric count; why another does not, such as "
        "that an earlier version of the program made it, is said where it is shown."
        if counted < gains
        else ""
    )
    st.header("The laboratory", anchor=False)
    st.markdown(
        f"{source_badge('sample')} &nbsp; Other runs were made on sentences that this program generates, so that their "
        f"difficulty and domain are known. They check the methods; none of them is in a number above.{few}"
    )
    st.page_link(
        "pages/transfer.py", label="The laboratory's heatmaps", icon=":material/science:",
        query_params={"collection": others[0].collection, "source": "sample"},
    )  # fmt: skip
