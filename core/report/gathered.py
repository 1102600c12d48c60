"""Everything a report or a static gallery shows, asked of the store once.

The top function reads as the table of contents of a report; each part is a frame or record that a template turns into
a table, a figure or a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import duckdb
import pandas as pd

from core.actions.answer import FullAnswer, answer_for
from core.actions.command import Command, asking, basis_like, command_of, completed
from core.actions.notes import noted
from core.actions.proposals import gaps
from core.analysis.cells import LEVEL, how_excluded, how_tested, valued
from core.analysis.every_cell import ViewCells, every_view
from core.analysis.map_points import placed, reference_text, scatter_points, sentence
from core.errors import SpecError, UnknownName
from core.languages import LANGUAGES
from core.measures.similarity.pair import SimilarityMeasure
from core.measures.similarity.table import SIMILARITIES
from core.models import load_models
from core.paths import AtlasPaths
from core.queries.evidence import AnalysisOptions
from core.queries.filters import Filter
from core.queries.overview import counts
from core.queries.provenance import protocols, scored_sets, software
from core.queries.similarity import current_profile, points, profiles, similarities
from core.spec.run import MIRROR
from core.studies import StudyRequest
from core.tasks import load_tasks
from core.tasks.titles import Titles

QUESTION = (
    "How do the difficulty of an English intermediate task and its domain similarity to the target change zero-shot "
    "cross-lingual transfer on XTREME?"
)
"""What the software is for."""


class Nearness(NamedTuple):
    """Similarity of the intermediates to the target against their mean gains."""

    points: pd.DataFrame
    """As `scatter_points` returns them."""
    measure: SimilarityMeasure
    """On the horizontal axis."""
    said: str
    """What the scatter says, with its n."""


class Chapter(NamedTuple):
    """One heatmap with what belongs to it."""

    heatmap: ViewCells
    """View and cells."""
    domains: pd.DataFrame | None
    """As `placed` returns them; None: no profile of the data source has the target."""
    encoder: str
    """Sentence encoder of the map; empty where there is none."""
    nearness: Nearness | None
    """None where no intermediate has both a gain and a similarity."""
    command: str
    """Runs it again."""
    named: Titles
    """What people read for ids of tasks and intermediates."""

    @property
    def notes(self) -> list[str]:
        """What must be known to read the heatmap, one sentence each."""
        cells, found = self.heatmap.grid.cells, self.heatmap.grid
        langs, there = pd.unique(cells["lang"]), set(valued(cells))
        notes = ["Mean over seeds, in percentage points; orange below and purple above zero."]
        if bare := [str(code) for code in langs if code not in there]:
            notes.append(
                f"{len(bare)} of {len(langs)} languages have no value and are not drawn: {', '.join(bare)}; the table "
                "says why."
            )
        if found.shown_means is not None:
            notes.append(f"The row of means is over the {len(found.averaged)} languages that all intermediates have.")
        excluded = how_excluded(found)
        notes += [excluded] if excluded else []
        if found.n_tested:
            notes.append(
                f"* {int(cells['significant'].sum())} of {found.n_tested} gains differ from zero "
                f"({how_tested(cells)}; corrected for the number of cells by Benjamini–Hochberg, q < {LEVEL})."
            )
        elif found.n_excluded < cells["value"].notna().sum():
            notes.append("No interval: a cell needs two seeds that differ, or stored scores of single examples.")
        notes += ["– no value; the table says why."] if cells["value"].isna().any() else []
        notes += ["† the intermediate trains the target's own task (in-task)."] if cells["in_task"].any() else []
        return notes


class Gathered(NamedTuple):
    """What the store says within a filter."""

    options: AnalysisOptions
    """What was asked."""
    full: FullAnswer
    """The answer with all that stands behind it."""
    missing: pd.DataFrame
    """As `gaps` returns it; no row where there is no gain."""
    counts: pd.DataFrame
    """How much each collection holds, the filter aside."""
    chapters: tuple[Chapter, ...]
    """One per view."""
    protocols: pd.DataFrame
    """Finished runs by what must not be mixed."""
    software: pd.DataFrame
    """Versions the runs were made with."""
    scored: pd.DataFrame
    """Test sets by fingerprint."""
    profiles: pd.DataFrame
    """Profiles there are."""
    notes: pd.DataFrame
    """What users wrote about runs and cells within the filter, as `core.actions.notes.noted` returns it."""


def gather(cur: duckdb.DuckDBPyConnection, options: AnalysisOptions, *, paths: AtlasPaths) -> Gathered:
    """Ask everything.

    Args:
        options: Rows to keep, and the measures that explain them.

    Raises:
        UnknownName: There is no such measure.
    """
    _check_similarity(options.similarity)
    wanted = _within(options)
    full = answer_for(cur, options, paths=paths)
    return Gathered(
        options=options,
        full=full,
        missing=gaps(cur, full.evidence, paths=paths) if full.evidence is not None else pd.DataFrame(),
        counts=counts(cur),
        chapters=tuple(
            _chapter(cur, heatmap, similarity=options.similarity, paths=paths) for heatmap in every_view(cur, wanted)
        ),
        protocols=protocols(cur, wanted),
        software=software(cur, wanted),
        scored=scored_sets(cur, wanted),
        profiles=profiles(cur),
        notes=noted(wanted, paths=paths),
    )


def one_chapter(cur: duckdb.DuckDBPyConnection, wanted: Filter, *, similarity: str, paths: AtlasPaths) -> Chapter:
    """The chapter of a filter that leaves one view.

    Args:
        wanted: Rows to keep.
        similarity: Measure on the scatter's axis.

    Raises:
        SpecError: It leaves none or several; lists them with what tells them apart.
        UnknownName: There is no such measure.
    """
    _check_similarity(similarity)
    found = every_view(cur, wanted)
    if len(found) != 1:
        labels = "; ".join(f"{heatmap.view.collection} · {heatmap.view.target} · {heatmap.label}" for heatmap in found)
        raise SpecError(
            f"The filter matches {len(found)} heatmaps; a figure shows one"
            + (f": {labels}. Narrow it with --target, --model, --protocol, --data-source or --collection."
               if found else ". `python -m core gains` lists what there is.")
        )  # fmt: skip
    return _chapter(cur, found[0], similarity=similarity, paths=paths)


def _check_similarity(measure: str) -> None:
    if measure not in SIMILARITIES:
        raise UnknownName("similarity measure", measure, known=SIMILARITIES)


def _within(options: AnalysisOptions) -> Filter:
    """Rows to keep, the families and scripts as the languages that they are."""
    if not (options.families or options.scripts):
        return options.wanted
    langs = tuple(
        entry.code
        for entry in LANGUAGES.values()
        if (not options.families or entry.family in options.families)
        and (not options.scripts or entry.script in options.scripts)
        and (not options.wanted.langs or entry.code in options.wanted.langs)
    )
    return replace(options.wanted, langs=langs)


def _chapter(cur: duckdb.DuckDBPyConnection, heatmap: ViewCells, *, similarity: str, paths: AtlasPaths) -> Chapter:
    view, cells = heatmap.view, heatmap.grid.cells
    names = [str(name) for name in pd.unique(cells["intermediate"])]
    langs = [str(code) for code in pd.unique(cells["lang"])]
    profile = current_profile(cur, data_source=view.data_source)
    command = str(_run_again(cur, heatmap, names, paths=paths))
    named = Titles(load_tasks(paths).values(), load_models(paths).values())
    if profile is None:
        return Chapter(heatmap, None, "", None, command, named)
    drawn = placed(points(cur, profile), target=view.target, names=names, langs=langs)
    has_place = bool(drawn.loc[drawn["is_shown"] & (drawn["task"] == view.target), "x"].notna().any())
    known = profiles(cur, kind="domain")
    encoder = str(known.loc[known["profile_id"] == profile, "model"].iloc[0])
    near = _nearness(heatmap, similarities(cur, profile, target=view.target), measure=similarity)
    return Chapter(heatmap, drawn if has_place else None, encoder, near, command, named)


def _nearness(heatmap: ViewCells, rows: pd.DataFrame, *, measure: str) -> Nearness | None:
    text = reference_text(rows, lang=None)
    if text is None:
        return None
    kept = (rows["measure"] == measure) & (rows["role"] == text.role) & (rows["lang"] == text.lang) & ~rows["centred"]
    found = scatter_points(heatmap.grid, rows[kept], lang=None)
    if found.empty:
        return None
    kind = SIMILARITIES[measure]
    return Nearness(found, kind, sentence(found, measure=kind, text=text, lang=None))


def _run_again(
    cur: duckdb.DuckDBPyConnection, heatmap: ViewCells, names: Sequence[str], *, paths: AtlasPaths
) -> Command:
    request = StudyRequest(intermediates=tuple(names), targets=(heatmap.view.target,), seeds=heatmap.seeds)
    basis = basis_like(cur, heatmap.view, paths=paths)
    # A reader elsewhere has a folder of their own.
    return command_of(completed(request, basis._replace(mirror=MIRROR if basis.mirror else None)))


def commands(options: AnalysisOptions) -> list[tuple[str, Command]]:
    """What to type to have the parts of a report again: what it gives, and the command.

    Args:
        options: What was asked.
    """
    wanted = options.wanted
    return [
        ("This report", asking("report", wanted, options=options, before=("report.html",))),
        ("The same as a gallery of pages", asking("gallery", wanted, options=options, before=("gallery",))),
        ("The answer and its numbers", asking("analyse", wanted, options=options)),
        ("Every cell with interval and n", asking("export", _within(options), before=("cells.csv", "--what", "cells"))),
        ("Every gain by seed", asking("export", _within(options), before=("gains.csv", "--what", "gains"))),
    ]
