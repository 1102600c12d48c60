"""All views of a filter at once, for what is written to files: reports, the static gallery, exported cells."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import duckdb
import pandas as pd

from core.analysis.cells import DisplayOptions, Grid, Quantity, grid
from core.queries.credits import view_tests
from core.queries.filters import Filter
from core.queries.transfer import View, choices, seed_rows, states
from core.spec.run import DataSourceKind
from core.tasks.titles import metric_title


class ViewCells(NamedTuple):
    """One view with its cells."""

    view: View
    """What is fixed."""
    protocol: str
    """Name of the protocol."""
    grid: Grid
    """Cells and means over seeds."""
    seeds: tuple[int, ...]
    """Seeds of its runs."""

    @property
    def label(self) -> str:
        """Model, protocol, data and metric in one line."""
        data = DataSourceKind(self.view.data_source).words
        return f"{self.view.model} · {self.protocol} · {data} · {metric_title(self.view.metric)}"

    @property
    def table(self) -> pd.DataFrame:
        """The cells with what is fixed; columns: `CELL_COLUMNS`."""
        return self.grid.cells.assign(**self.view._asdict(), protocol=self.protocol)[list(CELL_COLUMNS)]


CELL_COLUMNS = (
    *("collection", "model", "model_fingerprint", "target", "metric", "protocol", "protocol_digest", "data_source"),
    *("intermediate", "lang", "gain", "low", "high", "tested_by", "sd", "n_seeds", "seeds", "score", "n", "q_value"),
    *("significant", "in_task", "state", "missing", "excluded"),
)
"""Columns of a table of cells, in order: two protocols of one name are told apart by their digests."""


def every_view(cur: duckdb.DuckDBPyConnection, wanted: Filter, *, quantity: Quantity = "gain") -> list[ViewCells]:
    """Every view of the filter with its cells, in the order of `choices`; without a metric, the headline ones.

    A view without an intermediate has no gain, and is left out where gains are asked for.

    Args:
        wanted: Rows to keep; its seeds are not used, its intermediates and languages narrow the cells.
        quantity: What a cell's value is.
    """
    rows = choices(cur)
    for column in ("collection", "model", "target", "metric", "protocol", "data_source"):
        value = getattr(wanted, column)
        if value:
            rows = rows[rows[column].isin([value] if isinstance(value, str) else list(value))]
    if not wanted.metric:
        rows = rows[rows["is_headline"]]
    found = [_view_cells(cur, row, wanted=wanted, quantity=quantity) for row in rows.to_dict("records")]
    return [heatmap for heatmap in found if not heatmap.grid.cells.empty]


def every_cell(cur: duckdb.DuckDBPyConnection, wanted: Filter) -> pd.DataFrame:
    """The gains of all views of the filter, means over seeds with 95 % limits, holes included with their reason.

    Columns: `CELL_COLUMNS`; gains, limits, sd and scores are fractions; `tested_by` says what limits and q-values are
    over, `q_value` is corrected over the cells of a view. Order: views as in `choices`, intermediate, English first,
    lang.

    Args:
        wanted: Rows to keep; its seeds are not used.
    """
    parts = [heatmap.table for heatmap in every_view(cur, wanted)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(CELL_COLUMNS))


def _view_cells(
    cur: duckdb.DuckDBPyConnection, row: Mapping[Hashable, Any], *, wanted: Filter, quantity: Quantity
) -> ViewCells:
    fingerprint = None if pd.isna(row["model_fingerprint"]) else str(row["model_fingerprint"])
    fields = {name: str(row[name]) for name in View._fields} | {"model_fingerprint": fingerprint}
    view = View(**fields)  # type: ignore[arg-type]  # only the fingerprint can be None
    rows, known = seed_rows(cur, view), states(cur, view)
    if wanted.intermediate:
        names = [wanted.intermediate] if isinstance(wanted.intermediate, str) else list(wanted.intermediate)
        rows, known = rows[rows["intermediate"].isin(names)], known[known["intermediate"].isin(names)]
    there = sorted(map(str, known["lang"].unique()), key=lambda code: (code != "en", code))
    langs = tuple(code for code in there if not wanted.langs or code in wanted.langs)
    seeds = tuple(sorted(int(seed) for seed in rows["seed"].unique()))
    tests = view_tests(cur, view, seed=None)
    cells = grid(rows, known, shown=DisplayOptions(langs, quantity=quantity), tests=tests)
    return ViewCells(view, str(row["protocol"]), cells, seeds)
