"""What the Transfer page asks the store, each answer cached under the store's version."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import streamlit as st

from core.analysis.cells import ColumnOrder, DisplayOptions, Grid, grid
from core.figures.heatmap import Cell
from core.figures.theme import Mode
from core.queries.credits import view_tests
from core.queries.flips import Flips, credit_flips, flips
from core.queries.similarity import points, profiles, similarities
from core.queries.transfer import View, cell_runs, reproduced, seed_rows, states
from pages.widgets.shared import paths, store

Version = tuple[str, int]
"""As `shared.version` returns it."""


class MadeOf(NamedTuple):
    """What decides the figures of a view."""

    version: Version
    """Of the store."""
    view: View
    """What is fixed."""
    shown: DisplayOptions
    """How it is looked at, with every language that the filter keeps."""
    langs: tuple[str, ...]
    """Those of them that are drawn."""
    selected: Cell
    """What is framed."""
    columns: ColumnOrder
    """Order of the intermediates."""
    mode: Mode
    """The reader's theme."""
    map_px: int
    """Width of the plots beside the heatmap, which names of points are placed for."""


class Encoder(NamedTuple):
    """A sentence encoder that profiled the texts of a data source."""

    profile_id: str
    """Its fullest profile."""
    name: str
    """What the picker shows."""


@st.cache_data(max_entries=32, show_spinner=False)
def view_rows(version: Version, view: View) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of seeds, and states, of a view.

    Args:
        view: What is fixed.
    """
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return seed_rows(cur, View(*view)), states(cur, View(*view))


@st.cache_data(max_entries=64, show_spinner="Testing each cell on its examples …")
def tests_of_view(version: Version, view: View, seed: int | None) -> pd.DataFrame:
    """Paired tests of the cells of a view, over examples and seeds.

    Args:
        view: What is fixed.
        seed: One seed; None: all.
    """
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return view_tests(cur, View(*view), seed=seed)


@st.cache_data(max_entries=256, show_spinner=False)
def view_grid(version: Version, view: View, shown: DisplayOptions) -> Grid:
    """Cells and means of a view as it is looked at.

    Args:
        view: What is fixed.
        shown: Languages, seed, quantity.
    """
    wanted = DisplayOptions(*shown)
    return grid(*view_rows(version, view), shown=wanted, tests=tests_of_view(version, view, wanted.seed))


@st.cache_data(max_entries=32, show_spinner=False)
def view_axes(version: Version, view: View) -> tuple[list[str], list[str], list[int]]:
    """Languages, intermediates and seeds of a view.

    Args:
        view: What is fixed.
    """
    rows, grid_states = view_rows(version, view)
    names = [name for name in pd.unique(grid_states["intermediate"]) if name != "none"]
    return list(pd.unique(grid_states["lang"])), names, sorted(int(seed) for seed in pd.unique(rows["seed"]))


@st.cache_data(max_entries=16, show_spinner=False)
def encoders(version: Version, data_source: str) -> list[Encoder]:
    """Sentence encoders with a domain profile of a data source, the fullest profile first.

    Args:
        data_source: sample, mirror or hub.
    """
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        found = profiles(cur, kind="domain")
    found = found[found["data_source"] == data_source]
    found = found.sort_values("n_points", ascending=False, kind="stable").drop_duplicates("model")
    return [Encoder(row["profile_id"], row["model"]) for row in found.to_dict("records")]


@st.cache_data(max_entries=32, show_spinner=False)
def map_points(version: Version, profile_id: str, method: str, *, centred: bool) -> pd.DataFrame:
    """Every point of a profile with its place.

    Args:
        profile_id: The profile.
        method: pca or umap.
        centred: After each language's mean was removed.
    """
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return points(cur, profile_id, method=method, centred=centred)


@st.cache_data(max_entries=64, show_spinner=False)
def target_similarities(version: Version, profile_id: str, target: str) -> pd.DataFrame:
    """Similarity of every intermediate to every text of a target, by every measure.

    Args:
        profile_id: The profile.
        target: The target.
    """
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return similarities(cur, profile_id, target=target)


@st.cache_data(max_entries=32, show_spinner=False)
def against_gallery(version: Version, view: View) -> pd.DataFrame:
    """How the runs made here compare with the committed ones.

    Args:
        view: What is fixed.
    """
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return reproduced(cur, View(*view))


@st.cache_data(max_entries=64, show_spinner=False)
def runs_of_cell(version: Version, view: View, lang: str, intermediate: str) -> pd.DataFrame:
    """The runs behind a cell.

    Args:
        view: What is fixed.
        lang: Of the cell.
        intermediate: Of the cell.
    """
    del version  # part of the cache's key alone
    with store().cursor() as cur:
        return cell_runs(cur, View(*view), lang=lang, intermediate=intermediate)


@st.cache_data(max_entries=64, show_spinner=False)
def flipped(version: Version, after: str, before: str, lang: str, metric: str) -> Flips | None:
    """Examples whose credit changed between two runs: with their answers where both folders are here.

    Args:
        version: Of the store: finished runs do not change, their folders may go.
        after: The run.
        before: Its baseline.
    """
    del version  # part of the cache's key alone
    files = [paths().run(run_id).predictions for run_id in (after, before)]
    with store().cursor() as cur:
        if all(file.is_file() for file in files):
            return flips(cur, after=files[0], before=files[1], lang=lang, metric=metric)
        return credit_flips(cur, after=after, before=before, lang=lang, metric=metric)
