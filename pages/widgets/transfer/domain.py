"""The map of domains and the scatter of similarity against gain, beside the heatmap that they explain."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.actions.command import domain_profile
from core.analysis.cells import Grid
from core.analysis.map_points import no_reference_text, placed, reference_text, scatter_points, sentence
from core.figures.domain_map import domain_map
from core.figures.heatmap import Cell
from core.figures.similarity_scatter import Axis, cut_bars, similarity_scatter
from core.measures.similarity.positions import UMAP_PACKAGE, has_umap
from core.measures.similarity.table import SIMILARITIES
from core.queries.transfer import View
from core.spec.profile import text_point
from pages.widgets.address import is_on, one_of
from pages.widgets.export import export_popover
from pages.widgets.shared import paths, store, titles, version
from pages.widgets.show import chart, drawn, empty, md, show_command
from pages.widgets.transfer.data import Encoder, MadeOf, map_points, target_similarities
from pages.widgets.transfer.selection import on_click

_PROJECTIONS = ("PCA", "UMAP")
_MAP_PX, _SCATTER_PX = 266, 218
"""Both end above the lower edge of a window of 800 pixels; files have the figures' own heights."""


def no_profile(view: View) -> None:
    """What to run where no domain profile covers the data source.

    Args:
        view: What is fixed.
    """
    empty(
        "No map of domains yet",
        "The map shows how alike the texts of tasks are: a sentence encoder turns a sample of every task's sentences "
        "into vectors. Nothing is trained. This command makes it:",
    )
    show_command(profile_command(version(), view.data_source))


@st.cache_data(max_entries=8, show_spinner=False)
def profile_command(version: tuple[str, int], data_source: str) -> str:
    """The command that profiles the domains of a data source.

    Args:
        data_source: sample, mirror or hub.
    """
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return str(domain_profile(cur, data_source))


def show_domains(view: View, gains: Grid, choices: list[Encoder], *, made_of: MadeOf) -> None:
    """Map above, scatter below.

    Args:
        view: What is fixed.
        gains: Cells whose value is the gain.
        choices: Sentence encoders with a profile, at least one.
        made_of: What decides the cells, and what is chosen.
    """
    settings = st.popover("Map and similarity", icon=":material/scatter_plot:")
    with settings:
        encoder = choices[0]
        if len(choices) > 1:
            name = one_of("Sentence encoder", [c.name for c in choices], key="encoder")
            encoder = next(c for c in choices if c.name == name)
        projection = one_of("Map", _PROJECTIONS, key="map", widget=st.segmented_control)
        centred = is_on(
            "Take languages' differences out", key="centred",
            help="Subtracts each language's own mean from its vectors (centring), so that texts on one topic in two "
            "languages lie close together.",
        )  # fmt: skip
    points = map_points(version(), encoder.profile_id, projection.lower(), centred=centred)
    if projection == "UMAP" and points["x"].isna().all():
        st.info(umap_advice(encoder.profile_id, data_source=view.data_source))
        points = map_points(version(), encoder.profile_id, "pca", centred=centred)
    profiled = (encoder.profile_id, projection, centred)
    map_figure = _map(view, gains, points, made_of=made_of, profiled=profiled)
    rows = target_similarities(version(), encoder.profile_id, view.target)
    scatter = _scatter(view, gains, rows, made_of=made_of, profiled=profiled, settings=settings)
    st.caption(
        f"In the map each mark is the mean vector of a text by the encoder {md(titles().of_model(encoder.name))}: near "
        "marks are similar texts, of intermediates that no run has tried, too. The axes have no meaning of their own "
        "and are the same for every target. In the figure below it, sideways bars are 95 % limits of "
        "the similarity, upright ones of the gain, which has none with one seed. In that "
        "figure the vectors are as the encoder makes them; Analysis subtracts from each the mean of its language."
    )
    figures = {"Map of domains": map_figure, "Similarity against gain": scatter.draw if scatter else None}
    export_popover(
        f"domains-{view.target}",
        scatter.points if scatter else None,
        what="similarity and gain",
        figures={title: draw for title, draw in figures.items() if draw},
        source=view.data_source,
    )


def umap_advice(profile_id: str, *, data_source: str) -> str:
    """Why the map is PCA although UMAP was asked for, and what to do.

    Args:
        profile_id: The profile that has no such positions.
        data_source: sample, mirror or hub.
    """
    install = "" if has_umap() else f"Install the package with `pip install {UMAP_PACKAGE}`. "
    own = paths().profile(profile_id).root
    if own.is_dir():
        measure = f"Move the folder `{own}` away, then measure the texts again (their vectors are kept)"
    else:
        measure = "These measurements came with the program. Make your own"
    return (
        f"This is PCA: the texts were measured without UMAP, which is optional. {install}{measure}: "
        f"`{profile_command(version(), data_source)}`"
    )


Draw = Callable[[], go.Figure]
"""Draws a figure for a light background, without what is chosen."""


class _Scatter(NamedTuple):
    points: pd.DataFrame
    draw: Draw


def _map(
    view: View, gains: Grid, points: pd.DataFrame, *, made_of: MadeOf, profiled: tuple[str, str, bool]
) -> Draw | None:
    names, langs = list(pd.unique(gains.cells["intermediate"])), list(pd.unique(gains.cells["lang"]))
    there = placed(points, target=view.target, names=names, langs=langs)
    if there[there["is_shown"]]["x"].notna().sum() == 0:
        st.caption("The texts of these tasks were not measured.")
        return None
    chosen = Cell(made_of.selected.lang, point_name(made_of.selected.intermediate, there))
    named = titles()
    heads = tuple(map(named.of, names))
    chart(
        lambda: drawn(
            lambda: domain_map(
                there, selected=chosen, title=named.of, mode=made_of.mode, height_px=_MAP_PX, plot_px=made_of.map_px
            ),
            "domain map",
            made_of,
            profiled,
            tuple(langs),
            heads,
        ),
        key="domains",
        alt=f"Map of text domains: intermediates, and {named.of(view.target)} in each language; "
        "the pickers above choose what a click here would",
        source=view.data_source,
        on_select=lambda: on_click("domains"),
        selection_mode="points",
    )
    return lambda: domain_map(there, title=named.of)


def point_name(intermediate: str | None, drawn: pd.DataFrame) -> str | None:
    """The intermediate that stands for the chosen one on the map: a placebo has the text of its task.

    Args:
        intermediate: What is chosen.
        drawn: As `placed` returns it.
    """
    if intermediate in (None, "none"):
        return None
    keys = drawn.loc[drawn["point"] == text_point(str(intermediate)), "key"]
    return str(keys.iloc[0][1]) if len(keys) else None


def _scatter(
    view: View,
    gains: Grid,
    rows: pd.DataFrame,
    *,
    made_of: MadeOf,
    profiled: tuple[str, str, bool],
    settings: DeltaGenerator,
) -> _Scatter | None:
    selected, (*_, centred), named = made_of.selected, profiled, titles()
    there = set(rows["measure"])
    names = [name for name in SIMILARITIES if name in there]
    text = reference_text(rows, lang=selected.lang)
    if not names or text is None:
        st.caption(md(no_reference_text(rows, target=named.of(view.target))))
        return None
    with settings:
        name = one_of("Similarity", names, key="measure", format_func=lambda n: SIMILARITIES[n].title)
    measure = SIMILARITIES[name]
    wanted = (rows["measure"] == name) & (rows["role"] == text.role) & (rows["lang"] == text.lang)
    wanted &= rows["centred"] == (centred and measure.is_embedded)
    lang = selected.lang if selected.lang in set(gains.cells["lang"]) else None
    points = scatter_points(gains, rows[wanted], lang=lang)
    if points.empty:
        st.caption("No intermediate has both a gain that counts and a similarity here.")
        return None
    axis = Axis(measure.title, measure.direction > 0)
    chart(
        lambda: drawn(
            lambda: similarity_scatter(
                points,
                axis=axis,
                selected=selected,
                title=named.of,
                mode=made_of.mode,
                height_px=_SCATTER_PX,
                plot_px=made_of.map_px,
            ),
            "scatter",
            made_of,
            profiled,
            name,
            tuple(map(named.of, pd.unique(gains.cells["intermediate"]))),
        ),
        key="scatter",
        alt=f"{measure.title} of each intermediate to {named.of(view.target)} against its gain",
        source=view.data_source,
        on_select=lambda: on_click("scatter"),
        selection_mode="points",
    )
    n_cut = cut_bars(points)
    cut = (
        f" {n_cut} wide gain interval{'s are' if n_cut != 1 else ' is'} cut here; point at a mark for its limits."
        if n_cut
        else ""
    )
    st.caption(sentence(points, measure=measure, text=text, lang=lang) + cut)
    return _Scatter(points, lambda: similarity_scatter(points, axis=axis, title=named.of))
