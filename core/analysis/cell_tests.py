"""Is the gain of one cell real? Paired tests on the same test examples, over seeds where there are several.

The table `credits` has what each example gives to the metric, which is their mean. One seed: paired bootstrap and,
where examples are right or wrong, McNemar's exact test, both of which speak for that seed alone. Several seeds: seeds
and examples both as sources of variance. No credits: Student's t over seeds. The false discovery rate is controlled
over the cells that are asked for.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from core.errors import DataError
from core.measures.inference.intervals import Floats, t_interval
from core.measures.inference.paired import crossed_interval
from core.measures.inference.stats import (
    benjamini_hochberg,
    crossed_error,
    mcnemar_exact,
    minimum_detectable_effect,
    paired_bootstrap,
)
from core.queries.credits import Credits, paired_credits, stacked

COLUMNS = (
    *("intermediate", "target", "lang", "gain", "ci_low", "ci_high", "p_value", "q_value", "detectable", "n_seeds"),
    *("n_examples", "gained", "lost", "p_mcnemar", "method", "note"),
)
"""Columns; detectable: smallest true gain that four of five such designs would find; gained, lost: flipped examples."""

_TWO = 2


def cell_tests(cur: duckdb.DuckDBPyConnection, cells: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """One test per cell, corrected over all of them.

    Columns: `COLUMNS`. Order: that of the cells' first rows. Cells of which a run kept no credits fall back on seeds;
    with one seed they have no test, and `note` says so. Credits of a metric that is no mean over examples (entity F1, a
    correlation) are its linearised values, so limits and test are of the metric itself.

    Args:
        cells: Rows of evidence (one a run and language) with a gain: intermediate, target, lang, seed, gain, run_id,
            baseline_run_id.
        seed: Of the bootstrap.
    """
    rows = []
    credits = paired_credits(cur, cells).set_index(["run_id", "lang"])
    for (intermediate, target, lang), part in cells.groupby(["intermediate", "target", "lang"], sort=False):
        head = {"intermediate": intermediate, "target": target, "lang": lang, "gain": float(part["gain"].mean()),
                "n_seeds": part["seed"].nunique()}  # fmt: skip
        keys = pd.MultiIndex.from_arrays([part["run_id"], part["lang"]])
        lists = credits.loc[keys] if keys.isin(credits.index).all() else None
        found = None if lists is None else stacked(lists)
        if lists is None or found is None:
            rows.append(head | _by_seeds(part))
        else:
            flips = {} if lists["is_linearised"].any() else _flips(found)
            rows.append(head | _by_examples(found, seed=seed) | flips)
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    tested = frame["p_value"].notna()
    if tested.any():
        frame.loc[tested, "q_value"] = benjamini_hochberg(frame.loc[tested, "p_value"].to_numpy(float)).q_values
    return frame


def _by_examples(found: Credits, *, seed: int) -> dict[Hashable, Any]:
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
    interval = test.difference
    return figures | {
        "ci_low": interval.low, "ci_high": interval.high, "p_value": test.p_value, "detectable": detectable,
    }  # fmt: skip


def _flips(found: Credits) -> dict[Hashable, Any]:
    """McNemar's test of one seed's right and wrong examples."""
    if len(found.after) >= _TWO:
        return {}
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
