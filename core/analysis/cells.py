"""From rows of seeds to the cells of a heatmap: means with intervals, significance, ranks, and the row of means.

No SQL here: the rows were asked for once, and every filter of languages or seeds is answered from them. A cell whose
runs kept the credit of every example is tested over examples and seeds, another over its seeds alone. Seeds whose gain
is no evidence are left out; a cell that has no other shows them and says why, without a test, and enters no mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from core.measures.inference.correlation import spearman, t_limits
from core.measures.inference.intervals import Interval
from core.measures.inference.stats import benjamini_hochberg
from core.store.counted import EARLIER, INTERMEDIATE, reasons_in_words

Quantity = Literal["gain", "score", "rank", "z"]
"""Gain; score; rank of the mean gain within a language (1: largest); its z-score within a language."""

ColumnOrder = Literal["mean gain", "gain in the chosen language", "similarity to the target", "name"]
"""Order of the intermediates, as the picker names it."""

LEVEL = 0.05
"""False discoveries accepted among the cells that are called different from zero."""

FEWEST_FOR_Z = 3
"""Intermediates below which a z-score says nothing."""


TESTS = {
    "seeds and examples": "paired test over seeds and test examples",
    "examples": "paired test over the test examples of one seed, which says nothing of another seed",
    "seeds": "Student's t test over seeds",
}
"""What an interval and a test of a gain are over, and how a sentence says it."""


class DisplayOptions(NamedTuple):
    """What of a view is looked at."""

    langs: tuple[str, ...]
    """Languages in their order on the screen."""
    seed: int | None = None
    """One seed; None: the mean over all."""
    quantity: Quantity = "gain"
    """What a cell's value is."""


class Grid(NamedTuple):
    """A heatmap with its row of means."""

    cells: pd.DataFrame
    """One row per language and intermediate, as `cell_table` says."""
    means: pd.DataFrame
    """One row per intermediate, as `mean_row` says."""
    averaged: tuple[str, ...]
    """Languages behind the row of means, the same for every intermediate."""
    n_tested: int
    """Cells with a test against zero: the family of the correction."""
    n_excluded: int
    """Cells whose value is no evidence: shown, and in no mean and no test."""

    @property
    def shown_means(self) -> pd.DataFrame | None:
        """The row of means; None where one language is shown, or none that every intermediate has."""
        return self.means if self.averaged and self.cells["lang"].nunique() > 1 else None


def grid(rows: pd.DataFrame, states: pd.DataFrame, *, shown: DisplayOptions, tests: pd.DataFrame | None = None) -> Grid:
    """The cells of a view and the row of means.

    Args:
        rows: As `seed_rows` returns them.
        states: As `states` returns them.
        shown: Languages, seed and quantity.
        tests: As `core.queries.credits.view_tests` returns them for the same seeds; None: over seeds alone.
    """
    kept = rows if shown.seed is None else rows[rows["seed"] == shown.seed]
    cells = cell_table(kept, states, shown=shown, tests=tests)
    averaged = common_languages(cells)
    means = mean_row(kept, cells, langs=averaged, quantity=shown.quantity)
    excluded = cells["value"].notna() & cells["excluded"].notna()
    return Grid(cells, means, averaged, int(cells["q_value"].notna().sum()), int(excluded.sum()))


def cell_table(
    rows: pd.DataFrame, states: pd.DataFrame, *, shown: DisplayOptions, tests: pd.DataFrame | None = None
) -> pd.DataFrame:
    """One row per shown language and intermediate, holes included.

    Args:
        rows: As `seed_rows` returns them, of the seeds that count.
        states: As `states` returns them.
        shown: Languages and quantity; the score alone shows the column `none`.
        tests: As `core.queries.credits.view_tests` returns them for the same seeds; None: over seeds alone.

    Returns:
        Columns `lang`, `intermediate`, `value` (in the quantity's unit; NaN where missing), `gain`, `score` (means over
        seeds), `low`, `high` (95 % limits of gain, or of score where that is shown), `sd` (of the same over seeds),
        `n_seeds`, `seeds` (text), `n` (text; test examples), `in_task`, `tested_by` (what the limits are over: one of
        `TESTS`; missing where there are none), `q_value` (of the gain against zero, corrected over these cells),
        `significant`, `state` (done, or as in `states`), `missing` (why there is no value), `excluded` (why the value
        is no evidence: one of `core.store.counted.REASONS`). Order: intermediate, `none` first; languages as shown.
    """
    wanted = states[states["lang"].isin(shown.langs)]
    if shown.quantity != "score":
        wanted = wanted[wanted["intermediate"] != "none"]
    keys = ["lang", "intermediate"]
    found = wanted.merge(_moments(_evidence(rows, shown.quantity), _counted(shown.quantity)), on=keys, how="left")
    found["n_seeds"] = found["n_seeds"].fillna(0).astype(int)
    found["in_task"] = found["in_task"].eq(True)
    for column in ("seeds", "n"):
        found[column] = found[column].fillna("")
    p_values = _limits(found, tests, quantity=shown.quantity)
    found["q_value"], found["significant"] = _corrected(p_values, found)
    found["value"] = _value(found, shown.quantity)
    there = found["value"].notna()
    found["missing"] = found["no_pair"].fillna(found["reason"]).where(~there, None)
    found["state"] = found["state"].where(found["no_pair"].isna(), "missing").where(~there, "done")
    if shown.quantity == "z":
        lone = found["gain"].notna() & ~there
        found.loc[lone, "missing"] = f"a z-score needs {FEWEST_FOR_Z} intermediates that differ"
        found.loc[lone, "state"] = "missing"
    place = {code: i for i, code in enumerate(shown.langs)}
    number = {name: i for i, name in enumerate(pd.unique(wanted["intermediate"]))}
    order = np.lexsort([found["lang"].map(place).to_numpy(), found["intermediate"].map(number).to_numpy()])
    return found.iloc[order].drop(columns=["reason", "no_pair"]).reset_index(drop=True)


def how_tested(cells: pd.DataFrame) -> str:
    """What the tests of the cells are over, as a sentence says it; empty where none was tested.

    Args:
        cells: As `cell_table` returns them.
    """
    used = set(cells.loc[cells["q_value"].notna(), "tested_by"])
    return "; some ".join(text for name, text in TESTS.items() if name in used)


def how_excluded(found: Grid) -> str:
    """How many of the values are no evidence and why, as a sentence; empty where all are.

    Args:
        found: The grid.
    """
    if not found.n_excluded:
        return ""
    there = found.cells[found.cells["value"].notna()]
    n, whole = found.n_excluded, len(there)
    stand = "value does not count: it stands" if n == 1 else "values do not count: they stand"
    why = reasons_in_words(there["excluded"].dropna())
    return f"{n} of {whole} {stand} in brackets, outside of averages and tests ({why})."


def not_learned(cells: pd.DataFrame) -> frozenset[str]:
    """Intermediates that were not learned in any run of a view.

    Args:
        cells: As `cell_table` returns them, of gains.
    """
    there = cells[cells["value"].notna()]
    everywhere = there["excluded"].eq(INTERMEDIATE).groupby(there["intermediate"]).all()
    return frozenset(map(str, everywhere.index[everywhere]))


def common_languages(cells: pd.DataFrame) -> tuple[str, ...]:
    """Languages that a row of means is over: those of every intermediate that has a value in at least half of them.

    An intermediate that has been scored in a few languages so far takes none away from the others; it has no mean.
    Half is of the languages that some intermediate has a value in.
    English is left out unless it is the only language: the target was trained in English, so it is not transfer.

    Args:
        cells: As `cell_table` returns them.
    """
    kept = cells if "excluded" not in cells else cells.assign(value=cells["value"].where(cells["excluded"].isna()))
    table = kept.pivot(index="lang", columns="intermediate", values="value").reindex(cells["lang"].unique())
    if len(table) > 1:
        table = table.drop(index="en", errors="ignore")
    # A language that nobody has is no reason to call an intermediate half done.
    table = table.dropna(how="all")
    counts = table.notna().sum()
    full = table.loc[:, (counts > 0) & (2 * counts >= len(table))]
    return tuple(full.index[full.notna().all(axis=1)]) if full.shape[1] else ()


def valued(cells: pd.DataFrame) -> tuple[str, ...]:
    """Languages in which some intermediate has a value; all of them where none has, so that the reasons are seen.

    Args:
        cells: As `cell_table` returns them.
    """
    langs = tuple(map(str, pd.unique(cells["lang"])))
    there = set(cells.loc[cells["value"].notna(), "lang"])
    return tuple(code for code in langs if code in there) if there else langs


def only(found: Grid, *, langs: tuple[str, ...]) -> Grid:
    """The cells of some languages; means, tests and their correction stay as they were.

    Args:
        found: The grid.
        langs: Languages to keep; one without a value takes nothing from any number when it goes.
    """
    return found._replace(cells=found.cells[found.cells["lang"].isin(langs)].reset_index(drop=True))


def mean_row(rows: pd.DataFrame, cells: pd.DataFrame, *, langs: tuple[str, ...], quantity: Quantity) -> pd.DataFrame:
    """One row per intermediate: the mean over languages, its interval over seeds.

    Args:
        rows: As `seed_rows` returns them, of the seeds that count.
        cells: As `cell_table` returns them.
        langs: As `common_languages` says.
        quantity: What the cells' values are.

    Returns:
        Columns `intermediate`, `value` (mean over the languages of the cells' values; NaN where one has none), `low`,
        `high` (95 % limits over the seeds that have every language; NaN for ranks and z-scores), `n_seeds` (those),
        `n_langs`, `in_task`. Order: as in `cells`.
    """
    shown = cells.assign(value=cells["value"].where(cells["excluded"].isna()))
    values = shown.pivot(index="intermediate", columns="lang", values="value").reindex(columns=list(langs))
    values = values.reindex(pd.unique(cells["intermediate"]))
    whole = values.notna().all(axis=1) & bool(langs)
    out = pd.DataFrame({"value": values.mean(axis=1).where(whole), "n_langs": len(langs)})
    counted = _counted(quantity)
    seeds = _evidence(rows, quantity)
    seeds = seeds[seeds["lang"].isin(langs) & seeds[counted].notna()]
    per_seed = seeds.groupby(["intermediate", "seed"], observed=True)[counted].agg(["mean", "size"])
    complete = per_seed.loc[per_seed["size"] == len(langs), "mean"].groupby("intermediate", observed=True)
    moments = complete.agg(["std", "size"]).reindex(out.index)
    out["n_seeds"] = moments["size"].fillna(0).astype(int)
    centre = out["value"] if quantity in ("gain", "score") else out["value"] * np.nan
    limits = t_limits(centre, sd=moments["std"], n=out["n_seeds"])
    out["low"], out["high"] = limits.low, limits.high
    out["in_task"] = cells.groupby("intermediate")["in_task"].any().reindex(out.index)
    return out.rename_axis("intermediate").reset_index()


def agreement(points: pd.DataFrame, *, larger_is_closer: bool) -> Interval | None:
    """Rank correlation of closeness with gain over the intermediates that count; positive: the closer gain more.

    Args:
        points: Columns `similarity`, `gain`, `counts` (bool).
        larger_is_closer: Which way the measure runs.

    Returns:
        None where fewer than three intermediates count or one side is constant.
    """
    kept = points[points["counts"] & points["similarity"].notna() & points["gain"].notna()]
    if len(kept) < FEWEST_FOR_Z or min(kept["similarity"].nunique(), kept["gain"].nunique()) < 2:
        return None
    sign = 1.0 if larger_is_closer else -1.0
    return spearman(sign * kept["similarity"].to_numpy(), other=kept["gain"].to_numpy())


def _counted(quantity: Quantity) -> Literal["gain", "score"]:
    return "score" if quantity == "score" else "gain"


def _evidence(rows: pd.DataFrame, quantity: Quantity) -> pd.DataFrame:
    """Rows whose value is evidence, and all rows of cells that have none; `excluded` is set in the latter alone.

    A score is not against a baseline: that a rule reaches it, too, is no reason to leave it out.
    """
    reasons = rows["excluded"] if quantity != "score" else rows["excluded"].where(rows["excluded"] == EARLIER)
    counts = reasons.isna()
    some = counts.groupby([rows["lang"], rows["intermediate"]], observed=True).transform("any").astype(bool)
    return rows.assign(excluded=reasons)[counts | ~some]


def _moments(rows: pd.DataFrame, counted: str) -> pd.DataFrame:
    """Means over seeds; `sd`, `n_seeds` and `seeds` are of the rows where the counted column has a value."""
    groups = rows.groupby(["lang", "intermediate"], observed=True)
    found = groups.agg(
        gain=("gain", "mean"), score=("score", "mean"), sd=(counted, "std"), n_seeds=(counted, "count"),
        n_low=("n", "min"), n_high=("n", "max"), in_task=("in_task", "any"), no_pair=("missing", "first"),
        excluded=("excluded", "first"),
    )  # fmt: skip
    there = rows[rows[counted].notna()]
    seeds = there["seed"].astype(str).groupby([there["lang"], there["intermediate"]], observed=True)
    found["seeds"] = seeds.agg(", ".join)
    low, high = found.pop("n_low").astype(str), found.pop("n_high").astype(str)
    found["n"] = low.where(low == high, low + "–" + high)
    found["no_pair"] = found["no_pair"].where(found[counted].isna(), None)
    keys = found.index.to_frame(index=False).astype(str)
    return pd.concat([keys, found.reset_index(drop=True)], axis=1)


def _limits(found: pd.DataFrame, tests: pd.DataFrame | None, *, quantity: Quantity) -> np.ndarray:
    """Fill in `low`, `high` and `tested_by`; the p-values of the gains, NaN where there is none."""
    counted = _counted(quantity)
    spread = t_limits(found[counted], sd=found["sd"], n=found["n_seeds"])
    found["low"], found["high"], p_values = spread.low, spread.high, spread.p_value
    found["tested_by"] = ["seeds" if known else None for known in np.isfinite(spread.low)]
    out = found["excluded"].notna().to_numpy()
    found.loc[out, ["low", "high"]], found.loc[out, "tested_by"], p_values = (
        np.nan,
        None,
        np.where(out, np.nan, p_values),
    )
    if counted == "score":
        return np.full(len(found), np.nan)
    if tests is None or tests.empty:
        return p_values
    own = found[["lang", "intermediate"]].merge(tests, on=["lang", "intermediate"], how="left")
    there = own["p_value"].notna().to_numpy()
    for name in ("low", "high"):
        found[name] = np.where(there, own[name], found[name])
    over = np.where(own["n_tested"] > 1, "seeds and examples", "examples")
    found["tested_by"] = np.where(there, over, found["tested_by"])
    return np.where(there, own["p_value"], p_values)


def _corrected(p_values: np.ndarray, found: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    q_values = pd.Series(np.nan, index=found.index)
    if np.isfinite(p_values).any():
        tested = np.isfinite(p_values)
        q_values[tested] = benjamini_hochberg(p_values[tested], level=LEVEL).q_values
    return q_values, q_values <= LEVEL


def _value(found: pd.DataFrame, quantity: Quantity) -> pd.Series:
    if quantity in ("gain", "score"):
        return found[quantity].astype("float64")
    gains = found["gain"].astype("float64").where(found["excluded"].isna())
    by_language = gains.groupby(found["lang"])
    if quantity == "rank":
        return by_language.rank(ascending=False)
    spread = by_language.transform("std").where(by_language.transform("count") >= FEWEST_FOR_Z)
    return (gains - by_language.transform("mean")) / spread.where(spread > 0)


def ordered_columns(
    gains: Grid, *, order: ColumnOrder, lang: str | None, similarity: Mapping[str, float]
) -> tuple[str, ...]:
    """The intermediates of a grid in an order, the best first; those without a value come last, by name.

    Args:
        gains: Cells whose value is the gain; what is no evidence orders nothing.
        order: Which.
        lang: The chosen language; None: the mean stands for it.
        similarity: To the target by intermediate, larger is nearer.
    """
    cells = gains.cells
    names = sorted(map(str, pd.unique(cells["intermediate"])))
    if order == "name":
        return tuple(names)
    if order == "similarity to the target":
        values = dict(similarity)
    else:
        counted = cells[cells["excluded"].isna() & cells["gain"].notna()]
        if order == "gain in the chosen language" and lang is not None:
            counted = counted[counted["lang"] == lang]
        values = {str(name): float(gain) for name, gain in counted.groupby("intermediate")["gain"].mean().items()}
    return tuple(sorted(names, key=lambda name: (-values.get(name, float("-inf")), name)))


def in_columns(found: Grid, names: Sequence[str]) -> Grid:
    """The same grid with its columns in an order; rows, numbers and tests stay.

    Args:
        found: The grid.
        names: All its intermediates.
    """
    places = {name: place for place, name in enumerate(names)}
    rows = {lang: place for place, lang in enumerate(pd.unique(found.cells["lang"]))}
    cells = found.cells.assign(_row=found.cells["lang"].map(rows), _column=found.cells["intermediate"].map(places))
    means = found.means.assign(_column=found.means["intermediate"].map(places))
    return found._replace(
        cells=cells.sort_values(["_row", "_column"], kind="stable", ignore_index=True).drop(
            columns=["_row", "_column"]
        ),
        means=means.sort_values("_column", kind="stable", ignore_index=True).drop(columns="_column"),
    )
