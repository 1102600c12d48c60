"""Is the gain of one cell real? Paired tests on the same test examples, over seeds where there are several.

Predictions lie in the run folders, `correct` being an example's own contribution to the metric. One seed: paired
bootstrap and,
where examples are right or wrong, McNemar's exact test, both of which speak for that seed alone. Several seeds:
seeds and
examples both as sources of variance. No predictions: Student's t over seeds. The false discovery rate is controlled
over
the cells that are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pandas as pd

from core.errors import DataError
from core.measures.intervals import Floats, t_interval
from core.measures.stats import (
    benjamini_hochberg,
    crossed_error,
    crossed_interval,
    mcnemar_exact,
    minimum_detectable_effect,
    paired_bootstrap,
)

COLUMNS = (
    *("intermediate", "target", "lang", "gain", "ci_low", "ci_high", "p_value", "q_value", "detectable", "n_seeds"),
    *("n_examples", "gained", "lost", "p_mcnemar", "method", "note"),
)
"""Columns; detectable: smallest true gain that four of five such designs would find; gained, lost: flipped examples."""

_TWO = 2


class Differences(NamedTuple):
    """What two runs of each seed did on the same examples."""

    after: Floats
    """(seeds, examples) contributions with the intermediate."""
    before: Floats
    """(seeds, examples) without."""


def cell_tests(
    cur: duckdb.DuckDBPyConnection, cells: pd.DataFrame, *, predictions: Callable[[str], Path], seed: int = 0
) -> pd.DataFrame:
    """One test per cell, corrected over all of them.

    Columns: `COLUMNS`. Order: that of the cells' first rows. Gains whose metric is no mean over examples (entity F1
    …) and
    cells without prediction files fall back on seeds; with one seed they have no test, and `note` says so.

    Args:
        cur: Cursor of the store.
        cells: Rows of evidence (one a run and language) with a gain: intermediate, target, lang, seed, gain, run_id,
            baseline_run_id.
        predictions: From a run id to its predictions file, which may not exist.
        seed: Of the bootstrap.
    """
    rows = []
    loaded = _Files(cur, predictions)
    for (intermediate, target, lang), part in cells.groupby(["intermediate", "target", "lang"], sort=False):
        head = {"intermediate": intermediate, "target": target, "lang": lang, "gain": float(part["gain"].mean()),
                "n_seeds": part["seed"].nunique()}  # fmt: skip
        found = loaded.differences(part, lang=str(lang))
        rows.append(head | (_by_examples(found, seed=seed) if found else _by_seeds(part)))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    tested = frame["p_value"].notna()
    if tested.any():
        frame.loc[tested, "q_value"] = benjamini_hochberg(frame.loc[tested, "p_value"].to_numpy(float)).q_values
    return frame


class _Files:
    """Contributions per example of runs, each file read once."""

    def __init__(self, cur: duckdb.DuckDBPyConnection, predictions: Callable[[str], Path]) -> None:
        self._cur, self._where = cur, predictions
        self._read: dict[str, dict[str, pd.Series[float]]] = {}

    def differences(self, part: pd.DataFrame, *, lang: str) -> Differences | None:
        """The runs of a cell beside their baselines; None where a file, an example or a contribution is missing."""
        pairs = [
            (self._of(a, lang), self._of(b, lang)) for a, b in zip(part["run_id"], part["baseline_run_id"], strict=True)
        ]
        if not pairs or any(after is None or before is None for after, before in pairs):
            return None
        table = pd.concat([s for pair in pairs for s in pair if s is not None], axis=1, join="inner").to_numpy(float)
        if len(table) < _TWO or not np.isfinite(table).all():
            return None
        return Differences(table[:, 0::2].T, table[:, 1::2].T)

    def _of(self, run_id: str, lang: str) -> pd.Series[float] | None:
        if run_id not in self._read:
            self._read[run_id] = self._load(run_id)
        return self._read[run_id].get(lang)

    def _load(self, run_id: str) -> dict[str, pd.Series[float]]:
        file = self._where(run_id)
        if not file.exists():
            return {}
        rows = self._cur.execute(
            """
            SELECT p.lang, p.example_id, p.correct FROM read_parquet($file) p
            JOIN runs r ON r.run_id = $run_id AND r.headline_metric = p.metric ORDER BY p.lang, p.index
            """,
            {"file": str(file), "run_id": run_id},
        ).df()
        return {str(lang): part.set_index("example_id")["correct"] for lang, part in rows.groupby("lang")}


def _by_examples(found: Differences, *, seed: int) -> dict[Hashable, Any]:
    seeds, n = found.after.shape
    figures: dict[Hashable, Any] = {"n_examples": n, "note": None}
    if seeds >= _TWO:
        difference = found.after - found.before
        test, error = crossed_interval(difference), crossed_error(difference)
        detectable = minimum_detectable_effect(error.standard_error, df=seeds - 1)
        figures |= {"method": f"{test.difference.method}, seeds x examples"}
    else:
        test = paired_bootstrap(found.after[0], before=found.before[0], rng=np.random.default_rng(seed))
        spread = float((found.after[0] - found.before[0]).std(ddof=1)) / np.sqrt(n)
        detectable = minimum_detectable_effect(float(spread))
        figures |= {"method": "paired bootstrap", "note": "one seed: speaks for that seed alone"}
        figures |= _flips(found)
    interval = test.difference
    return figures | {
        "ci_low": interval.low, "ci_high": interval.high, "p_value": test.p_value, "detectable": detectable,
    }  # fmt: skip


def _flips(found: Differences) -> dict[Hashable, Any]:
    try:
        test = mcnemar_exact(found.after[0], before=found.before[0])
    except DataError:
        return {}
    return {"gained": test.gained, "lost": test.lost, "p_mcnemar": test.p_value}


def _by_seeds(part: pd.DataFrame) -> dict[Hashable, Any]:
    gains = part["gain"].to_numpy(float)
    if len(gains) < _TWO:
        return {"method": None, "note": "one seed and no contribution per example: no test is possible"}
    interval = t_interval(gains)
    error = float(gains.std(ddof=1)) / np.sqrt(len(gains))
    return {
        "ci_low": interval.low, "ci_high": interval.high, "p_value": _p_value(gains), "method": "t over seeds",
        "detectable": minimum_detectable_effect(float(error), df=len(gains) - 1),
        "note": "seeds alone: no contribution per example was kept",
    }  # fmt: skip


def _p_value(gains: Floats) -> float:
    """The level at which Student's interval ends at zero."""
    if np.ptp(gains) == 0:
        return float(gains[0] == 0)
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        interval = t_interval(gains, level=middle)
        low, high = (middle, high) if interval.low > 0 or interval.high < 0 else (low, middle)
    return 1 - low
