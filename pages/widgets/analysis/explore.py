"""The part of the analysis page for looking around: any two things known of each cell, one against the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st

from core.analysis.surfaces import KNOWN, any_two
from core.figures.analysis import Side, scatter_of_cells
from core.queries.evidence import AnalysisOptions, Evidence
from pages.widgets.address import one_of
from pages.widgets.export import export_popover
from pages.widgets.shared import mode, titles
from pages.widgets.show import chart, md, table

_COLOURS = {"intermediate": "intermediate", "target": "target", "family": "language family", "none": "nothing"}


def show_any_two(read: Callable[[AnalysisOptions], Evidence], options: AnalysisOptions, *, source: str) -> None:
    """Draw the pickers and the scatter; the address holds what is chosen.

    Args:
        read: The evidence under other measures.
        options: Which rows, and to which text of the target similarity is.
        source: Data source of what is drawn.
    """
    with st.container(horizontal=True):
        # The difficulty that the page opens with, against the gain.
        across = [f"difficulty-{options.difficulty}", *(n for n in KNOWN if n != f"difficulty-{options.difficulty}")]
        x = one_of("Across", across, key="x", format_func=_title, width=300, help=_HELP)
        y = one_of("Up", list(KNOWN), key="y", format_func=_title, width=300, help=_HELP)
        colour = one_of("Colour by", list(_COLOURS), key="colour", format_func=_COLOURS.__getitem__, width=200)
    points = any_two(read, options, x=x, y=y)
    both = points[points["x"].notna() & points["y"].notna()]
    if both.empty:
        st.info(md(f"No cell has both: {_title(x)}, and {_title(y)}."), icon=":material/scatter_plot:")
        return
    across_side, up_side = (Side(_title(name), KNOWN[name].is_log) for name in (x, y))
    by = None if colour == "none" else colour
    draw = partial(scatter_of_cells, points, x=across_side, y=up_side, colour=by, title=titles().of)
    chart(
        partial(draw, mode=mode()), key="any-two", source=source,
        alt=f"{_title(y)} against {_title(x)}, one point per intermediate, target and language",
    )  # fmt: skip
    lacking = len(points) - len(both)
    left_out = (
        f" {lacking:,} more are not drawn, as one of their two values was not measured: of the parts of tasks, say, "
        "whose thirds are told apart by the difficulty of each example."
        if lacking
        else ""
    )
    st.caption(
        f"{len(both):,} points: one for each intermediate, target and language whose gain counts, the mean over its "
        f"seeds, outside English and retrieval.{left_out} **A picture is not a test.** Points that share an "
        "intermediate, a target or a language belong together, so that many points may rest on few: what is tested "
        "stands in the other parts of this page."
    )
    for name in dict.fromkeys((x, y)):
        st.caption(md(f"{_title(name)}: {KNOWN[name].meaning}"))
    with st.container(horizontal=True):
        with st.popover("Numbers as a table", icon=":material/table:", width="content"):
            _twin(both, x=x, y=y)
        export_popover("any-two", both, what="cells, two values each", figures={"Any two": draw}, source=source)


def _twin(points: pd.DataFrame, *, x: str, y: str) -> None:
    named = titles()
    table(
        points.assign(after=points["intermediate"].map(named.of), before=points["target"].map(named.of)),
        alt="The points of the figure",
        columns={"after": "intermediate", "before": "target", "lang": "language", "x": _title(x), "y": _title(y),
                 "n_seeds": "seeds"},
    )  # fmt: skip


def _title(name: str) -> str:
    return KNOWN[name].title


_HELP = "\n\n".join(f"**{known.title}**: {known.meaning}" for known in KNOWN.values())
"""What each choice means."""
