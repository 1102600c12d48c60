"""Everything a report or a static gallery shows, asked of the store once.

The top function reads as the table of contents of a report; each part is a frame or record that a template turns into
a table, a figure or a sentence.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import duckdb
import pandas as pd

from core.analysis.answer import Answer, answer
from core.analysis.cells import LEVEL, how_tested, valued
from core.analysis.every_cell import Seen, every_view
from core.analysis.map_points import against, placed, scatter_points, sentence
from core.analysis.model import Analysis, additive_null, analyse
from core.analysis.sensitivity import measured_cells, sensitivity
from core.errors import DataError, SpecError, UnknownName
from core.measures.similarity.pair import SimilarityMeasure
from core.measures.similarity.table import SIMILARITIES
from core.queries.evidence import Choice, Evidence, choose_setting, evidence
from core.queries.filters import Filter
from core.queries.overview import counts
from core.queries.provenance import protocols, scored_sets, software
from core.queries.similarity import current_profile, points, profiles, similarities

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

    seen: Seen
    """View and cells."""
    domains: pd.DataFrame | None
    """As `placed` returns them; None: no profile of the data source has the target."""
    encoder: str
    """Sentence encoder of the map; empty where there is none."""
    nearness: Nearness | None
    """None where no intermediate has both a gain and a similarity."""
    command: str
    """Runs it again."""

    @property
    def notes(self) -> list[str]:
        """What must be known to read the heatmap, one sentence each."""
        cells, found = self.seen.grid.cells, self.seen.grid
        langs, there = pd.unique(cells["lang"]), set(valued(cells))
        notes = ["Mean over seeds, in percentage points; orange below and purple above zero."]
        if bare := [str(code) for code in langs if code not in there]:
            notes.append(
                f"{len(bare)} of {len(langs)} languages have no value and are not drawn: {', '.join(bare)}; the table "
                "says why."
            )
        if found.averaged and cells["lang"].nunique() > 1:
            notes.append(f"The row of means is over {len(found.averaged)} languages that every intermediate has.")
        if found.n_tested:
            notes.append(
                f"* {int(cells['significant'].sum())} of {found.n_tested} gains differ from zero after correction "
                f"({how_tested(cells)}; Benjamini–Hochberg over the cells shown, q < {LEVEL})."
            )
        else:
            notes.append("No interval: a cell needs two seeds that differ, or the credit of every example.")
        notes += ["– no value; the table says why."] if cells["value"].isna().any() else []
        notes += ["† in-task: the intermediate is more training on the same task."] if cells["in_task"].any() else []
        return notes


class Gathered(NamedTuple):
    """What the store says within a filter."""

    choice: Choice
    """What was asked."""
    said: Answer
    """The answer in words."""
    evidence: Evidence | None
    """Behind the answer; None where there is no gain."""
    figures: pd.DataFrame
    """Every number of the analysis; empty where there is no model."""
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


def gather(cur: duckdb.DuckDBPyConnection, choice: Choice) -> Gathered:
    """Ask everything.

    Args:
        choice: Rows to keep, and the measures that explain them.

    Raises:
        UnknownName: There is no such measure.
    """
    _check_similarity(choice.similarity)
    wanted = choice.wanted
    found, analysis, said = _answered(cur, choice)
    return Gathered(
        choice=choice,
        said=said,
        evidence=found,
        figures=analysis.figures if analysis is not None else pd.DataFrame(),
        counts=counts(cur),
        chapters=tuple(_chapter(cur, seen, choice=choice) for seen in every_view(cur, wanted)),
        protocols=protocols(cur, wanted),
        software=software(cur, wanted),
        scored=scored_sets(cur, wanted),
        profiles=profiles(cur),
    )


def one_chapter(cur: duckdb.DuckDBPyConnection, wanted: Filter, *, similarity: str) -> Chapter:
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
        labels = "; ".join(f"{seen.view.collection} · {seen.view.target} · {seen.label}" for seen in found)
        raise SpecError(
            f"The filter leaves {len(found)} heatmaps where a figure shows one"
            + (f": {labels}. Narrow it with --target, --model, --protocol, --data-source or --collection."
               if found else ". `python -m core gains` lists what there is.")
        )  # fmt: skip
    return _chapter(cur, found[0], choice=Choice(wanted=wanted, similarity=similarity))


def _check_similarity(measure: str) -> None:
    if measure not in SIMILARITIES:
        raise UnknownName("similarity measure", measure, known=SIMILARITIES)


def _answered(cur: duckdb.DuckDBPyConnection, choice: Choice) -> tuple[Evidence | None, Analysis | None, Answer]:
    try:
        setting = choose_setting(cur, choice.wanted)
    except DataError as error:
        return None, None, Answer(f"There is no answer yet. {error}", (), "none", (str(error),))
    wanted = replace(
        choice.wanted, collection=setting.collection, model=setting.model, protocol=setting.protocol,
        data_source=setting.data_source,
    )  # fmt: skip
    found = evidence(cur, setting, choice=replace(choice, wanted=wanted))
    analysis = analyse(found)
    null = additive_null(analysis)
    every = sensitivity(measured_cells(cur, found)) if analysis.fit is not None else None
    if analysis.fit is not None and not null.empty:
        analysis = analysis._replace(figures=pd.concat([analysis.figures, null], ignore_index=True))
    return found, analysis, answer(found, analysis, null=null, every=every)


def _chapter(cur: duckdb.DuckDBPyConnection, seen: Seen, *, choice: Choice) -> Chapter:
    view, cells = seen.view, seen.grid.cells
    names = [str(name) for name in pd.unique(cells["intermediate"])]
    langs = [str(code) for code in pd.unique(cells["lang"])]
    profile = current_profile(cur, data_source=view.data_source)
    command = _run_command(seen, names)
    if profile is None:
        return Chapter(seen, None, "", None, command)
    drawn = placed(points(cur, profile), target=view.target, names=names, langs=langs)
    has_place = bool(drawn.loc[drawn["is_shown"] & (drawn["task"] == view.target), "x"].notna().any())
    known = profiles(cur, kind="domain")
    encoder = str(known.loc[known["profile_id"] == profile, "model"].iloc[0])
    near = _nearness(seen, similarities(cur, profile, target=view.target), measure=choice.similarity)
    return Chapter(seen, drawn if has_place else None, encoder, near, command)


def _nearness(seen: Seen, rows: pd.DataFrame, *, measure: str) -> Nearness | None:
    text = against(rows, lang=None)
    if text is None:
        return None
    kept = (rows["measure"] == measure) & (rows["role"] == text.role) & (rows["lang"] == text.lang) & ~rows["centred"]
    found = scatter_points(seen.grid, rows[kept], lang=None)
    if found.empty:
        return None
    kind = SIMILARITIES[measure]
    return Nearness(found, kind, sentence(found, measure=kind, text=text, lang=None))


def _run_command(seen: Seen, names: Sequence[str]) -> str:
    view = seen.view
    words = ["run", "--model", view.model, "--intermediate", *names, "--target", view.target]
    words += ["--seeds", *map(str, seen.seeds), "--protocol", seen.protocol, "--data-source", view.data_source]
    return shlex.join(["python", "-m", "core", *words])


def commands(kept: Sequence[str]) -> list[tuple[str, str]]:
    """What to type to have the parts of a report again: what it gives, and the command.

    Args:
        kept: The filter as words of a command line: options, each with one value.
    """
    pairs = list(zip(kept[::2], kept[1::2], strict=True))
    rows_only = [word for pair in pairs if pair[0] not in ("--difficulty", "--similarity") for word in pair]
    rows = [
        ("This report", ["report", "report.html", *kept]),
        ("The same as a gallery of pages", ["gallery", "gallery", *kept]),
        ("The answer and its numbers", ["analyse", *kept]),
        ("Every cell with interval and n", ["export", "cells.csv", "--what", "cells", *rows_only]),
        ("Every gain by seed", ["export", "gains.csv", "--what", "gains", *rows_only]),
    ]
    return [(what, shlex.join(["python", "-m", "core", *line])) for what, line in rows]
