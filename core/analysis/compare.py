"""Differences of runs to the first of them: means over languages, and whether they are real."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pandas as pd

from core.analysis.cell_tests import cell_tests
from core.measures.inference.intervals import t_interval

FEWEST, MOST = 2, 6
"""Runs that can be compared at once."""

TESTED = ("ci_low", "ci_high", "p_value", "q_value", "gained", "lost", "n_examples", "method")
"""Columns that the paired test of a difference adds."""


def paired_tests(cur: duckdb.DuckDBPyConnection, grid: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """The rows of a grid that have a difference, each with a paired test on the examples of both runs.

    Columns: run_id, lang, `TESTED`; all of these are missing where a run kept no credits per example or the metric
    has none. q_value is corrected over all the differences of the grid. Order: that of the grid.

    Args:
        grid: As `core.queries.compare.score_grid` returns it, of the headline metric: its credits are compared.
        seed: Of the bootstrap.
    """
    first = grid["run_id"].iloc[0] if len(grid) else None
    kept = grid[grid["difference"].notna()]
    # One cell a run and language, so that each is tested as a pair of one seed.
    cells = kept.assign(
        intermediate=kept["run_id"], target="", seed=0, gain=kept["difference"], baseline_run_id=first
    )  # fmt: skip
    found = cell_tests(cur, cells, seed=seed).rename(columns={"intermediate": "run_id"})
    return found[["run_id", "lang", *TESTED]]


def mean_differences(grid: pd.DataFrame) -> pd.DataFrame:
    """One row per run after the first: its mean difference over the languages that it can be compared in.

    English is left out unless it is the only one: the target was trained in English, so it is not transfer. Columns:
    run_id, difference (NaN where nothing can be compared), low, high (95 % limits, Student's t over languages: how
    much languages differ, not seeds or examples), n_langs, higher (languages above the first run). Order: that of
    the grid.

    Args:
        grid: As `core.queries.compare.score_grid` returns it.
    """
    rows = []
    for run_id, part in grid.groupby("run_id", sort=False):
        if (part["missing"] == "is the first run").any():
            continue
        kept = part[part["difference"].notna()]
        kept = kept[kept["lang"] != "en"] if (kept["lang"] != "en").any() else kept
        values = kept["difference"].to_numpy(float)
        interval = t_interval(values) if len(values) > 1 else None
        rows.append(
            {
                "run_id": run_id,
                "difference": float(values.mean()) if len(values) else float("nan"),
                "low": interval.low if interval else float("nan"),
                "high": interval.high if interval else float("nan"),
                "n_langs": len(values),
                "higher": int((values > 0).sum()),
            }
        )
    return pd.DataFrame(rows, columns=["run_id", "difference", "low", "high", "n_langs", "higher"])


def cautions(made: pd.DataFrame, *, letters: Mapping[str, str]) -> list[str]:
    """What besides the settings may be seen in a difference, one sentence each.

    Args:
        made: As `core.queries.compare.made_by` returns it.
        letters: What the reader calls each run.
    """
    found = []
    codes = made.assign(version=["unnumbered" if pd.isna(code) else f"{code:.0f}" for code in made["code"]])
    for kind, part in codes.groupby("kind", sort=False):
        if part["version"].nunique() > 1:
            who = ", ".join(f"{letters[run]}: {one}" for run, one in zip(part["run_id"], part["version"], strict=True))
            found.append(
                f"The {kind} stages are of different versions of the program ({who}), which give other scores."
            )
    threads = made.dropna(subset=["threads"]).drop_duplicates("run_id")
    if threads["threads"].nunique() > 1:
        who = ", ".join(f"{letters[r]}: {n:.0f}" for r, n in zip(threads["run_id"], threads["threads"], strict=True))
        found.append(f"Trained with different numbers of threads ({who}): equal runs agree only to rounding.")
    return found


def obstacles(grid: pd.DataFrame) -> pd.DataFrame:
    """Why languages of runs are not compared with the first run.

    Columns: run_id, missing, langs (text), n_langs, whole (no language of the run can be compared). Order: that of
    the grid.

    Args:
        grid: As `core.queries.compare.score_grid` returns it.
    """
    gaps = grid[grid["missing"].notna() & (grid["missing"] != "is the first run")]
    compared = set(grid.loc[grid["difference"].notna(), "run_id"])
    rows = [
        (run_id, missing, ", ".join(part["lang"]), len(part), run_id not in compared)
        for (run_id, missing), part in gaps.groupby(["run_id", "missing"], sort=False)
    ]
    return pd.DataFrame(rows, columns=["run_id", "missing", "langs", "n_langs", "whole"])
