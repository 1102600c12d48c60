"""What the analysis page reads, cached by the store's version; nobody changes what is returned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import pandas as pd
import streamlit as st

from core.actions import proposals as actions
from core.actions.answer import FullAnswer, answered
from core.analysis import predictions
from core.analysis.cell_tests import cell_tests
from core.analysis.contrasts.table import contrast_rows
from core.analysis.model import MANY_CELLS, Analysis, additive_null, analyse, cell_means, fit_groups
from core.analysis.next_cells import Plan
from core.analysis.rankings import frozen_rankings
from core.analysis.sensitivity import measured_cells, n_pairs, sensitivity
from core.analysis.surfaces import Marginal, binned, marginal
from core.claims.judging import judge_claims
from core.jobs.fits import Fit, FitKind, ask, known
from core.jobs.records import JobState
from core.queries.evidence import AnalysisOptions, Evidence, PooledRuns, evidence, poolable_runs
from core.queries.filters import Filter
from core.tasks import load_tasks
from pages.widgets.keeping import shared
from pages.widgets.shared import paths, store, titles

Version = tuple[str, int]
_KEYS: dict[str | type[Any], Callable[[Any], Any]] = {AnalysisOptions: astuple}


@st.cache_data(max_entries=4, show_spinner=False)
def available(version: Version) -> pd.DataFrame:
    """Sets of runs that may be pooled."""
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return poolable_runs(cur, Filter())


@shared(max_entries=8, show_spinner="Collecting the gains …", hash_funcs=_KEYS)
def gathered(version: Version, pooled: PooledRuns, options: AnalysisOptions) -> Evidence:
    """The evidence; shared, so not to be changed.

    Args:
        pooled: What is pooled.
        options: Which rows and measures.
    """
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return evidence(cur, PooledRuns(*pooled), options=options)


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=_KEYS)
def contrasts(version: Version, pooled: PooledRuns, options: AnalysisOptions, by: str) -> pd.DataFrame:
    """Contrasts inside data sets.

    Args:
        pooled: What is pooled.
        options: Which rows, and the unit of averages.
        by: target, family or script.
    """
    return contrast_rows(gathered(version, pooled, options), by=by)


@shared(max_entries=16, show_spinner="Comparing across tasks …", hash_funcs=_KEYS)
def fitted(version: Version, pooled: PooledRuns, options: AnalysisOptions) -> Analysis:
    """The model, the naive regression and the permutations; shared, so not to be changed.

    Args:
        pooled: What is pooled.
        options: Which rows and measures.
    """
    return analyse(gathered(version, pooled, options))


@shared(max_entries=16, show_spinner=False, hash_funcs=_KEYS)
def _cells(version: Version, pooled: PooledRuns, options: AnalysisOptions) -> pd.DataFrame:
    return cell_means(gathered(version, pooled, options).complete)


def held_out(version: Version, pooled: PooledRuns, options: AnalysisOptions, *, again: bool = False) -> Fit:
    """The comparison with the additive model: here where it is quick, else by a process of its own.

    Args:
        pooled: What is pooled.
        options: Which rows and measures.
        again: Whether one that failed is tried once more.
    """
    cells = _cells(version, pooled, options)
    if len(cells) > MANY_CELLS and fitted(version, pooled, options).fit is not None:
        return ask(FitKind.ADDITIVE_NULL, cells, paths=paths(), again=again)
    return Fit(JobState.DONE, _held_out(version, pooled, options))


@st.cache_data(max_entries=16, show_spinner="Predicting pairs that were kept aside …", hash_funcs=_KEYS)
def _held_out(version: Version, pooled: PooledRuns, options: AnalysisOptions) -> pd.DataFrame:
    return additive_null(fitted(version, pooled, options))


def answer_of(version: Version, pooled: PooledRuns, options: AnalysisOptions, *, null: Fit, every: Fit) -> FullAnswer:
    """The answer, with as much of the long fits as there is.

    Args:
        pooled: What is pooled.
        options: Which rows and measures.
        null: From `held_out`.
        every: From `every_measure`.
    """
    found, model = gathered(version, pooled, options), fitted(version, pooled, options)
    return answered(
        found, model, null=lambda: null.frame, every=lambda: every.frame, title=titles().of_model
    )  # fmt: skip


def quick_answer(version: Version, pooled: PooledRuns) -> FullAnswer:
    """The answer for pages that show its first sentence alone and start nothing long.

    Args:
        pooled: What is pooled.
    """
    options = AnalysisOptions()
    every = None if fitted(version, pooled, options).fit is None else _known_measures(version, pooled, options)
    return _quick_answer(version, pooled, every, every is None)


@shared(max_entries=8, show_spinner=False)
def _quick_answer(version: Version, pooled: PooledRuns, _every: pd.DataFrame | None, is_pending: bool) -> FullAnswer:
    del is_pending  # part of the cache's key: the long fit may end while the store stays as it is
    options = AnalysisOptions()
    found, model = gathered(version, pooled, options), fitted(version, pooled, options)
    return answered(
        found, model, null=lambda: None, every=lambda: _every, title=titles().of_model
    )  # fmt: skip


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=_KEYS)
def gaps(version: Version, pooled: PooledRuns, options: AnalysisOptions) -> pd.DataFrame:
    """What is missing from the evidence, with the commands that would fill it.

    Args:
        pooled: What is pooled.
        options: Which rows and measures.
    """
    with store().cursor() as cur:
        return actions.gaps(cur, gathered(version, pooled, options), paths=paths())


@shared(max_entries=16, show_spinner=False, hash_funcs=_KEYS)
def surfaces(
    version: Version, pooled: PooledRuns, options: AnalysisOptions
) -> tuple[pd.DataFrame, dict[str, Marginal | None]]:
    """Bins, and the marginal effect of each term; shared, so not to be changed.

    Args:
        pooled: What is pooled.
        options: Which rows and measures.
    """
    found, model = gathered(version, pooled, options), fitted(version, pooled, options)
    return binned(found), {name: marginal(found, model, name=name) for name in ("difficulty", "similarity")}


def grouped(version: Version, pooled: PooledRuns, options: AnalysisOptions, kind: str, *, again: bool = False) -> Fit:
    """The model within each group: here where it is quick, else by a process of its own.

    Args:
        pooled: What is pooled.
        options: Which rows and measures.
        kind: target, family or script.
        again: Whether one that failed is tried once more.
    """
    cells = _cells(version, pooled, options)
    if len(cells) > MANY_CELLS:
        return ask(FitKind(kind), cells, paths=paths(), again=again)
    return Fit(JobState.DONE, _grouped(version, pooled, options, kind))


@st.cache_data(max_entries=16, show_spinner="Fitting each group …", hash_funcs=_KEYS)
def _grouped(version: Version, pooled: PooledRuns, options: AnalysisOptions, kind: str) -> pd.DataFrame:
    return fit_groups(_cells(version, pooled, options), kind=kind)


@shared(max_entries=4, show_spinner="Reading every measure …", hash_funcs=_KEYS)
def _measured(version: Version, pooled: PooledRuns, options: AnalysisOptions) -> pd.DataFrame:
    found = gathered(version, pooled, options)
    with store().cursor() as cur:
        return measured_cells(cur, found)


def every_measure(version: Version, pooled: PooledRuns, options: AnalysisOptions, *, again: bool = False) -> Fit:
    """The model with every measure of difficulty and similarity: here where it is quick, else by a process of its own.

    Args:
        pooled: What is pooled.
        options: Which rows; of its measures only the anchor counts.
        again: Whether one that failed is tried once more.
    """
    cells = _measured(version, pooled, options)
    if len(cells) * n_pairs(cells) > MANY_CELLS:
        return ask(FitKind.EVERY_MEASURE, cells, paths=paths(), again=again)
    return Fit(JobState.DONE, _every_measure(version, pooled, options))


def _known_measures(version: Version, pooled: PooledRuns, options: AnalysisOptions) -> pd.DataFrame | None:
    """The same where it is quick or was computed before."""
    cells = _measured(version, pooled, options)
    if len(cells) * n_pairs(cells) > MANY_CELLS:
        return known(FitKind.EVERY_MEASURE, cells, paths=paths())
    return _every_measure(version, pooled, options)


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=_KEYS)
def _every_measure(version: Version, pooled: PooledRuns, options: AnalysisOptions) -> pd.DataFrame:
    return sensitivity(_measured(version, pooled, options))


@st.cache_data(max_entries=16, show_spinner="Testing each cell on its examples …", hash_funcs=_KEYS)
def tested(version: Version, pooled: PooledRuns, options: AnalysisOptions, target: str) -> pd.DataFrame:
    """A paired test of every cell of a target.

    Args:
        pooled: What is pooled.
        options: Which rows and measures.
        target: Whose cells: the family that is corrected over.
    """
    rows = gathered(version, pooled, options).frame
    with store().cursor() as cur:
        return cell_tests(cur, rows[(rows["target"] == target) & rows["gain"].notna()])


@st.cache_data(max_entries=8, show_spinner="Evaluating the selectors …", hash_funcs=_KEYS)
def judged_selectors(version: Version, pooled: PooledRuns, options: AnalysisOptions) -> pd.DataFrame:
    """How well each selector ranks.

    Args:
        pooled: What is pooled.
        options: Which rows and measures.
    """
    found = gathered(version, pooled, options)
    with store().cursor() as cur:
        return actions.judged_selectors(cur, found, paths=paths())


@st.cache_data(max_entries=4, show_spinner=False)
def frozen(version: Version) -> pd.DataFrame:
    """Rankings that launches froze, and how right they were."""
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return frozen_rankings(cur)


@st.cache_data(max_entries=8, show_spinner="Ranking the missing runs …", hash_funcs=_KEYS)
def proposals(version: Version, pooled: PooledRuns, options: AnalysisOptions) -> pd.DataFrame:
    """What to run next.

    Args:
        pooled: What is pooled.
        options: Which rows and measures.
    """
    found, model = gathered(version, pooled, options), fitted(version, pooled, options)
    with store().cursor() as cur:
        return actions.proposals(cur, found, model, plan=Plan(load_tasks(paths())), paths=paths())


@st.cache_data(max_entries=8, show_spinner="Asking what would settle it …", hash_funcs=_KEYS)
def would_settle(version: Version, pooled: PooledRuns, options: AnalysisOptions) -> pd.DataFrame:
    """What would settle each open sentence of the page.

    Args:
        pooled: What is pooled.
        options: Which rows and measures.
    """
    found, model = gathered(version, pooled, options), fitted(version, pooled, options)
    with store().cursor() as cur:
        return actions.would_settle(cur, found, model, plan=Plan(load_tasks(paths())), paths=paths())


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=_KEYS)
def explained(version: Version, pooled: PooledRuns, options: AnalysisOptions, target: str) -> pd.DataFrame:
    """What each selector adds to the combination's predictions for a target.

    Args:
        pooled: What is pooled.
        options: Which rows and measures.
        target: Its name.
    """
    found = gathered(version, pooled, options)
    with store().cursor() as cur:
        return predictions.explained(predictions.selectors(cur, found), target=target)


@st.cache_data(max_entries=4, show_spinner="Testing the published claims …")
def judged_claims(version: Version) -> pd.DataFrame:
    """Every claim with its verdict, over all that the store holds."""
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return judge_claims(cur, Filter())
