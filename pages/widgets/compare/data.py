"""What the Compare page asks the store, each answer cached under the store's version."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.analysis.compare import paired_tests
from core.queries.compare import made_by, metrics, score_grid
from core.queries.runs.listing import no_evidence
from core.queries.runs.settings import run_settings
from pages.widgets.shared import store

Version = tuple[str, int]
"""As `shared.version` returns it."""


@st.cache_data(max_entries=32, show_spinner=False)
def scored_by(version: Version, run_ids: tuple[str, ...]) -> pd.DataFrame:
    """Metrics that the runs were scored by, the headline of the first run first."""
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return metrics(cur, run_ids)


@st.cache_data(max_entries=32, show_spinner=False)
def grid_of(version: Version, run_ids: tuple[str, ...], metric: str) -> pd.DataFrame:
    """Scores by run and language, with differences to the first run."""
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return score_grid(cur, run_ids, metric=metric)


@st.cache_data(max_entries=32, show_spinner="Testing each difference on its examples …")
def tests_of(version: Version, run_ids: tuple[str, ...], metric: str) -> pd.DataFrame:
    """Paired tests of the differences.

    Args:
        metric: The headline metric.
    """
    grid = grid_of(version, run_ids, metric)
    with store().cursor() as cur:
        return paired_tests(cur, grid)


@st.cache_data(max_entries=32, show_spinner=False)
def made_of(version: Version, run_ids: tuple[str, ...]) -> pd.DataFrame:
    """By which code and on how many threads."""
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return made_by(cur, run_ids)


@st.cache_data(max_entries=32, show_spinner=False)
def excluded_of(version: Version, run_ids: tuple[str, ...]) -> dict[str, str]:
    """Why gains of some of the runs are no evidence."""
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        rows = no_evidence(cur)
    return dict(rows.loc[rows["run_id"].isin(run_ids), ["run_id", "excluded"]].itertuples(index=False, name=None))


@st.cache_data(max_entries=32, show_spinner=False)
def settings_of(version: Version, run_ids: tuple[str, ...]) -> pd.DataFrame:
    """Fields of specification, data and environment."""
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return run_settings(cur, run_ids)
