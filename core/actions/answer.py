"""The answer: evidence, contrasts, model, held-out comparison, every measure and the sentences, put together once.

Pages, commands and reports call the same two functions: `answer_for` computes every part at once; a page, which
remembers parts and leaves long fits to a process of their own, hands them to `answered`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import duckdb
import pandas as pd

from core.actions.command import command_of
from core.analysis.answer import Answer, answer
from core.analysis.contrasts.sentences import in_words
from core.analysis.contrasts.table import contrast_rows
from core.analysis.model import Analysis, additive_null, analyse
from core.analysis.sensitivity import measured_cells, sensitivity
from core.errors import DataError
from core.models import load_models
from core.paths import AtlasPaths
from core.queries.evidence import AnalysisOptions, Evidence, evidence, runs_to_pool
from core.studies import StudyRequest
from core.tasks.titles import Titles

HELD_OUT = "how well pairs of intermediate and target that were kept aside are predicted"
EVERY_MEASURE = (
    "whether other measures of difficulty and similarity agree; opening the part Other measures computes it, and if "
    "they do not, it is said here"
)

Part = Callable[[], pd.DataFrame | None]
"""Computes a part of the answer; None: it is not known yet."""


class FullAnswer(NamedTuple):
    """The answer with all that stands behind it."""

    answer: Answer
    """The sentences."""
    evidence: Evidence | None
    """What the store says; None: there is no gain."""
    contrasts: pd.DataFrame | None
    """Rows of `contrast_rows` by target; None: there is no gain."""
    analysis: Analysis | None
    """The model; None: there is no gain."""
    null: pd.DataFrame | None
    """Rows of `additive_null`; None: not computed, or there is no model."""
    every: pd.DataFrame | None
    """Rows of `sensitivity`; None: not computed, or there is no model."""
    pending: tuple[str, ...]
    """What is still being computed and may change the sentences: some of `HELD_OUT` and `EVERY_MEASURE`."""

    @property
    def estimates(self) -> pd.DataFrame:
        """Every number of model and held-out comparison, rows of `ESTIMATES`; empty where there is no model."""
        if self.analysis is None:
            return pd.DataFrame()
        frames = [self.analysis.estimates, *([] if self.null is None else [self.null])]
        there = [frame for frame in frames if not frame.empty]
        return pd.concat(there, ignore_index=True) if there else self.analysis.estimates


def no_gain() -> str:
    """What a user is told where there is nothing to analyse, with a command that gives something."""
    some = StudyRequest(intermediates=("mnli", "qqp", "squad"), targets=("xnli",), seeds=(1, 2, 3))
    return (
        "No gain to analyse: a gain needs a finished run with an intermediate and its paired baseline. Start some: "
        f"{command_of(some)}"
    )


def answer_for(cur: duckdb.DuckDBPyConnection, options: AnalysisOptions, *, paths: AtlasPaths) -> FullAnswer:
    """The answer of what the store holds, every part computed at once.

    Args:
        options: Rows to keep, and the measures that explain them; the runs with most intermediates are pooled.
        paths: Of the models whose titles people read.

    Raises:
        UnknownName: There is no such measure.
    """
    pooled = runs_to_pool(cur, options.wanted)
    if pooled is None:
        said = Answer(f"There is no answer yet. {no_gain()}", (), "none", (no_gain(),))
        return FullAnswer(said, None, None, None, None, None, ())
    found = evidence(cur, pooled, options=options)
    analysis = analyse(found)
    return answered(
        found, analysis,
        null=lambda: additive_null(analysis), every=lambda: sensitivity(measured_cells(cur, found)),
        title=Titles((), load_models(paths).values()).of_model,
    )  # fmt: skip


def evidence_for(cur: duckdb.DuckDBPyConnection, options: AnalysisOptions) -> Evidence:
    """The evidence behind `answer_for`.

    Args:
        options: Rows to keep, and the measures that explain them.

    Raises:
        DataError: There is no gain.
        UnknownName: There is no such measure.
    """
    pooled = runs_to_pool(cur, options.wanted)
    if pooled is None:
        raise DataError(no_gain())
    return evidence(cur, pooled, options=options)


def answered(
    evidence: Evidence, analysis: Analysis, *, null: Part, every: Part, title: Callable[[str], str] = str
) -> FullAnswer:  # fmt: skip
    """The answer from its parts; those that need a model are not asked for where there is none.

    Args:
        analysis: From `analyse`.
        null: From `additive_null`.
        every: From `sensitivity`.
        title: From a model to what people read.
    """
    contrasts = contrast_rows(evidence)
    within = in_words(contrasts)
    if analysis.fit is None:
        said = answer(evidence, analysis, title=title)._replace(within=within)
        return FullAnswer(said, evidence, contrasts, analysis, None, None, ())
    parts = {HELD_OUT: null(), EVERY_MEASURE: every()}
    pending = tuple(name for name, part in parts.items() if part is None)
    said = answer(
        evidence, analysis, null=parts[HELD_OUT], every=parts[EVERY_MEASURE], pending=pending, title=title
    )._replace(within=within)  # fmt: skip
    return FullAnswer(said, evidence, contrasts, analysis, parts[HELD_OUT], parts[EVERY_MEASURE], pending)
