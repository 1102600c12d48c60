"""A chapter as a template writes it: figures for both backgrounds, each with its twin as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from core.actions.command import command_of
from core.analysis.cells import not_learned, only, valued
from core.errors import DataError, UnknownName
from core.figures.domain_map import domain_map
from core.figures.heatmap import transfer_heatmap, width_px
from core.figures.similarity_scatter import Axis, similarity_scatter
from core.figures.theme import Mode
from core.report.drawn import Drawn, drawn, slug
from core.report.gathered import Chapter
from core.report.tables import CELLS, MEANS, NEAR, PLACES, Table, table
from core.spec.run import DataSourceKind
from core.studies import ProfileRequest

MAP_WIDTH_PX = 520
"""Least width of maps and scatters: names of points need it."""


class ChapterPage(NamedTuple):
    """A chapter on a page."""

    id: str
    """Of its heading."""
    title: str
    """Of the target."""
    label: str
    """Model, protocol, data source, metric."""
    is_several: bool
    """Whether the target has other chapters too."""
    collection: str
    """measured or yours."""
    data_source: str
    """sample, mirror or hub."""
    seeds: str
    """Seeds of its runs."""
    heatmap: Drawn
    """Languages by intermediates."""
    notes: list[str]
    """How to read it."""
    cells: Table
    """The heatmap's twin."""
    means: Table
    """Means over languages."""
    domains: Drawn | None
    """The map of domains."""
    encoder: str
    """That embedded the sentences."""
    places: Table | None
    """The map's twin."""
    scatter: Drawn | None
    """Similarity against gain."""
    said: str
    """What the scatter says."""
    near: Table | None
    """The scatter's twin."""
    command: str
    """Runs it again."""


class Figure(NamedTuple):
    """One figure and the width at which it is readable."""

    figure: go.Figure
    """As drawn."""
    width_px: int
    """Least width."""


def draw(chapter: Chapter, *, kind: str, mode: Mode = "light") -> Figure:
    """One figure of a chapter.

    Args:
        chapter: What was gathered.
        kind: heatmap, map or scatter.

    Raises:
        UnknownName: There is no such kind.
        DataError: The chapter does not have it.
    """
    if kind not in _KINDS:
        raise UnknownName("figure", kind, known=_KINDS)
    found = _KINDS[kind](chapter, mode)
    if found is None:
        source = DataSourceKind(chapter.heatmap.view.data_source)
        raise DataError(
            f"There is no {kind} of {chapter.heatmap.view.target}: no domain profile of data source '{source}' has its "
            f"texts. Make one: {command_of(ProfileRequest(data_source=source))}"
        )
    return found


def _heatmap(chapter: Chapter, mode: Mode) -> Figure:
    # Empty rows are left out of the drawing alone: the table has them, with their reasons.
    found = only(chapter.heatmap.grid, langs=valued(chapter.heatmap.grid.cells))
    width, idle = width_px(found.cells["intermediate"].nunique()), not_learned(found.cells)

    def head(name: str) -> str:
        return f"{chapter.named.of(name)} (not learned)" if name in idle else chapter.named.of(name)

    return Figure(transfer_heatmap(found.cells, quantity="gain", means=found.shown_means, title=head, mode=mode), width)


def _domains(chapter: Chapter, mode: Mode) -> Figure | None:
    if chapter.domains is None:
        return None
    return Figure(domain_map(chapter.domains, title=chapter.named.of, mode=mode), MAP_WIDTH_PX)


def _scatter(chapter: Chapter, mode: Mode) -> Figure | None:
    near = chapter.nearness
    if near is None:
        return None
    axis = Axis(near.measure.title, near.measure.direction > 0)
    return Figure(similarity_scatter(near.points, axis=axis, title=chapter.named.of, mode=mode), MAP_WIDTH_PX)


_KINDS: dict[str, Callable[[Chapter, Mode], Figure | None]] = {
    "heatmap": _heatmap,
    "map": _domains,
    "scatter": _scatter,
}


def figure_title(chapter: Chapter, *, kind: str) -> str:
    """What a figure of a chapter shows and of what, in one line and in the names that pages use.

    Args:
        chapter: What was gathered.
        kind: heatmap, map or scatter.
    """
    heatmap = chapter.heatmap
    data = DataSourceKind(heatmap.view.data_source).words
    of = f"protocol {heatmap.protocol}, {data}"
    model = chapter.named.of_model(heatmap.view.model)
    # The map holds texts alone, as a sentence encoder sees them: no run is in it.
    rest = f"sentence encoder {chapter.encoder}, {data}" if kind == "map" else f"{model}, {of}"
    return f"{_shows(chapter, kind)}, {rest}"


def _shows(chapter: Chapter, kind: str) -> str:
    view, found, near = chapter.heatmap.view, chapter.heatmap.grid, chapter.nearness
    title = chapter.named.of(view.target)
    size = f"{len(valued(found.cells))} languages by {found.cells['intermediate'].nunique()} intermediates"
    return {
        "heatmap": f"Heatmap of the gains in {view.metric} on {title}: {size}",
        "map": f"Map of text domains: intermediates, and {title} in each language",
        "scatter": f"{near.measure.title if near else ''} of each intermediate to {title} against its mean gain",
    }[kind]


def chapter_pages(chapters: Sequence[Chapter]) -> list[ChapterPage]:
    """All chapters, in order.

    Args:
        chapters: What was gathered.
    """
    targets = [chapter.heatmap.view.target for chapter in chapters]
    return [
        _page(chapter, number=number, is_several=targets.count(chapter.heatmap.view.target) > 1)
        for number, chapter in enumerate(chapters, 1)
    ]


def _page(chapter: Chapter, *, number: int, is_several: bool) -> ChapterPage:
    view, found, near = chapter.heatmap.view, chapter.heatmap.grid, chapter.nearness
    title, name = chapter.named.of(view.target), f"{number}-{slug(view.target)}"
    figures = {kind: _both(chapter, kind=kind, name=f"{kind}-{name}", alt=_shows(chapter, kind)) for kind in _KINDS}
    assert figures["heatmap"] is not None  # every chapter has cells
    places = None if chapter.domains is None else chapter.domains[chapter.domains["is_shown"]]
    return ChapterPage(
        id=name, title=title, label=chapter.heatmap.label, is_several=is_several, collection=view.collection,
        data_source=view.data_source, seeds=", ".join(map(str, chapter.heatmap.seeds)), heatmap=figures["heatmap"],
        notes=chapter.notes, cells=table(_named(found.cells, chapter), CELLS, caption=f"Gains on {title}"),
        means=table(
            _named(found.means, chapter), MEANS, caption=f"Mean gains on {title} over {len(found.averaged)} languages"
        ),
        domains=figures["map"], encoder=chapter.encoder,
        places=None if places is None else table(places, PLACES, caption="Places on the map of domains"),
        scatter=figures["scatter"], said=near.said if near else "",
        near=None if near is None else table(
            _named(near.points, chapter), NEAR, caption=f"{near.measure.title} and mean gain"
        ),
        command=chapter.command,
    )  # fmt: skip


def _named(rows: pd.DataFrame, chapter: Chapter) -> pd.DataFrame:
    return rows.assign(intermediate=rows["intermediate"].map(chapter.named.of))


def _both(chapter: Chapter, *, kind: str, name: str, alt: str) -> Drawn | None:
    first = _KINDS[kind](chapter, "light")
    if first is None:
        return None

    def _draw(mode: Mode) -> go.Figure:
        return first.figure if mode == "light" else draw(chapter, kind=kind, mode=mode).figure

    alt = f"{alt}. The table below holds the same numbers."
    return drawn(name, _draw, alt=alt, min_width_px=first.width_px)
