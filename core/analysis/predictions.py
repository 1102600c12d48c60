"""Which intermediate to choose, before training: selectors, and how well each ranks on the store.

A list is one target; its items are the intermediates that were run on it. A selector is a column of scores, large where
it would choose. Everything that learns is judged on what it has not seen: one intermediate, or one target, left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd

from core.errors import DataError
from core.measures.inference.ranking import compare_rankings, judge_ranking
from core.measures.similarity.table import SIMILARITIES
from core.measures.transferability.combination import combine_selectors
from core.measures.transferability.table import SELECTORS
from core.queries.covariates import base_tasks, similarities
from core.queries.difficulty import closest_view, selector_scores
from core.queries.evidence import Evidence, PooledRuns, profile_view
from core.spec.profile import ProfileKind, text_point
from core.spec.run import DataSourceKind
from core.studies import ProfileRequest

DIRECTIONS = ("leave one intermediate out", "leave one target out")
"""What is held out of a selector that learns; the others see no gain and are the same in both."""

QUALITY = ("ndcg", "regret_at_1", "regret_at_3", "regret_at_5", "kendall_tau")
"""Measures of a ranking, each with limits over targets."""

BESIDE = ("", "_low", "_high", "_random", "_mnli", "_over_random", "_over_random_low", "_over_random_high")
"""What a measure's columns end with: estimate and limits; what chance, and always MNLI, reach on exactly the same
pairs; the difference from chance, paired by target, with limits."""

_LEAST_LISTS = 2
_LEAST_ITEMS = 3


class Selectors(NamedTuple):
    """Pairs with a score of every selector that the store can compute."""

    pairs: pd.DataFrame
    """intermediate, target, gain (mean over languages and seeds), cells, a column per selector (NaN: not known)."""
    labels: dict[str, str]
    """What each selector is, by column."""
    absent: dict[str, str]
    """Why a selector is not there, by name."""
    unmeasured: tuple[str, ...]
    """Those that are not there because no profile measured them."""
    request: ProfileRequest
    """The profile that would measure them."""


def selectors(cur: duckdb.DuckDBPyConnection, evidence: Evidence) -> Selectors:
    """Every pair that has a gain, with what each selector says of it.

    Args:
        evidence: What the store says; its filter decides which pairs.
    """
    rows = evidence.frame
    frame = rows[rows["gain"].notna() & (rows["lang"] != "en") & ~rows["in_task"].astype(bool)]
    grouped = frame.groupby(["intermediate", "target"], observed=True, sort=True)
    pairs = grouped.agg(
        gain=("gain", "mean"), cells=("gain", "size"), difficulty=("difficulty", "first"), size=("log_size", "first"),
        type_match=("type_match", "first"),
    ).reset_index()  # fmt: skip
    return scored_pairs(cur, pairs, pooled=evidence.pooled, difficulty=evidence.options.difficulty)


def scored_pairs(
    cur: duckdb.DuckDBPyConnection, pairs: pd.DataFrame, *, pooled: PooledRuns, difficulty: str
) -> Selectors:
    """The same pairs with what every other selector says of them.

    Args:
        pairs: Columns intermediate, target, difficulty, size, type_match; `gain` where it is known.
        pooled: Whose profiles are read.
        difficulty: Name of the measure in the column of that name.
    """
    labels = {
        "difficulty": f"hardest first ({difficulty})",
        "size": "largest training set first",
        "type_match": "same task type first",
    }
    pairs, found = _with_similarities(cur, pairs, pooled)
    labels |= found
    pairs, found, absent = _with_features(cur, pairs, pooled)
    labels, unmeasured = labels | found, tuple(absent)
    pairs["random"], pairs["always_mnli"] = 0.0, (pairs["intermediate"].map(base_tasks) == "mnli").astype(float)
    labels |= {"random": "any, with equal chance", "always_mnli": "always MNLI"}
    for name in [n for n in labels if n != "random" and pairs[n].nunique() < 2]:
        absent[name] = "not known for any pair" if pairs[name].isna().all() else "the same for every pair"
        labels.pop(name)
    return Selectors(pairs, labels, absent, unmeasured, _request(pooled, pairs))


def judge_selectors(found: Selectors, *, seed: int = 0) -> pd.DataFrame:
    """How well each selector ranks the intermediates of each target, with intervals over targets.

    A selector is judged on the pairs that it knows, which differ: rows are compared by their difference from chance,
    which is judged on the same pairs. Columns: selector, label, direction, each of `QUALITY` with each of `BESIDE`
    (`_mnli` is missing where MNLI is in none of the lists; in a list without it, it is chance), targets, pairs, note
    (why it is not judged). Order: difference of NDCG from chance, best first; what is not judged comes last. Regrets
    are shares of the range of gains: a difference below zero is good.

    Args:
        found: From `selectors`.
        seed: Of the bootstrap over targets.
    """
    rows = [_judged(found, name, seed=seed) for name in found.labels]
    rows += [_combined(found, direction, seed=seed) for direction in DIRECTIONS]
    rows += [{"selector": name, "label": name, "note": why} for name, why in found.absent.items()]
    limits = [f"{q}{end}" for q in QUALITY for end in BESIDE]
    columns = ["selector", "label", "direction", *limits, "targets", "pairs", "note"]
    frame = pd.DataFrame(rows, columns=columns).astype({"targets": "Int64", "pairs": "Int64"})
    return frame.sort_values("ndcg_over_random", ascending=False, na_position="last", kind="stable", ignore_index=True)


def learnable(pairs: pd.DataFrame, *, names: Iterable[str]) -> list[str]:
    """Selectors that are known for more than nine in ten pairs: one that is known for few would cost all others.

    Args:
        pairs: A column per selector.
        names: Selectors to choose among.
    """
    fixed = {"random", "always_mnli"}
    return [n for n in names if n not in fixed and pairs[n].notna().mean() > 0.9]


def _with_similarities(
    cur: duckdb.DuckDBPyConnection, pairs: pd.DataFrame, pooled: PooledRuns
) -> tuple[pd.DataFrame, dict[str, str]]:
    """A column per measure: to the target's English training text, or its test text where nothing is trained."""
    labels = {}
    pairs["point"] = pairs["intermediate"].map(text_point)
    for name, measure in SIMILARITIES.items():
        rows = similarities(cur, measure=name, data_source=pooled.data_source).frame
        english = rows[rows["lang"] == "en"].sort_values("role", ascending=False)  # train before test
        best = english.drop_duplicates(["point", "target"])[["point", "target", "similarity"]]
        if best.empty:
            continue
        pairs = pairs.merge(best.rename(columns={"similarity": name}), on=["point", "target"], how="left")
        labels[name] = f"nearest first: {measure.label}"
    return pairs.drop(columns="point"), labels


def _with_features(
    cur: duckdb.DuckDBPyConnection, pairs: pd.DataFrame, pooled: PooledRuns
) -> tuple[pd.DataFrame, dict[str, str], dict[str, str]]:
    like = profile_view(pooled)
    view = closest_view(cur, kind="selectors", like=like)
    # Features of another encoder say nothing of this one, and neither do those of other weights of its name.
    known = view is not None and (view.model, view.model_fingerprint) == (like.model, like.model_fingerprint or None)
    rows = selector_scores(cur, view) if view and known else pd.DataFrame(columns=["selector"])
    labels, absent = {}, {}
    under = f", under protocol '{view.protocol}'" if view and view.protocol != like.protocol else ""
    for name, selector in SELECTORS.items():
        mine = rows[rows["selector"] == name]
        if mine.empty:
            absent[name] = (
                "needs the encoder's features of the target's training text after each intermediate: no profile of "
                f"{pooled.model} on {pooled.data_source} holds them"
            )
            continue
        column = mine.assign(**{name: selector.direction * mine["value"]})[["intermediate", "target", name]]
        pairs = pairs.merge(column, on=["intermediate", "target"], how="left")
        labels[name] = f"{name} of the encoder after the intermediate{under}"
    return pairs, labels, absent


def _request(pooled: PooledRuns, pairs: pd.DataFrame) -> ProfileRequest:
    return ProfileRequest(
        kind=ProfileKind.SELECTORS, model=pooled.model, protocol=pooled.protocol,
        data_source=DataSourceKind(pooled.data_source), intermediates=tuple(sorted(pairs["intermediate"].unique())),
        targets=tuple(sorted(pairs["target"].unique())),
    )  # fmt: skip


def _judged(found: Selectors, name: str, *, seed: int) -> dict[str, object]:
    rows = found.pairs[found.pairs[name].notna()]
    head = {"selector": name, "label": found.labels[name], "direction": "sees no gain"}
    return head | _quality(rows, rows[name].to_numpy(float), seed=seed)


def _combined(found: Selectors, direction: str, *, seed: int) -> dict[str, object]:
    head: dict[str, object] = {
        "selector": "combination", "label": f"ridge on all of them, {direction}", "direction": direction
    }  # fmt: skip
    held = "intermediate" if "intermediate" in direction else "target"
    try:
        names, rows = _usable(found)
        predicted = combine_selectors(rows[names], gains=rows["gain"], groups=rows[held]).predictions
    except DataError as error:
        return head | {"note": str(error)}
    return head | {"label": f"ridge on {', '.join(names)}"} | _quality(rows, predicted, seed=seed)


def _usable(found: Selectors) -> tuple[list[str], pd.DataFrame]:
    """Selectors that can be learned from, and the pairs that have them all."""
    names = learnable(found.pairs, names=found.labels)
    rows = found.pairs.dropna(subset=names)
    if not names or len(rows) < 2 * _LEAST_ITEMS:
        raise DataError(f"{len(names)} selectors are known for {len(rows)} pairs; a combination needs more of both.")
    return names, rows


def _quality(rows: pd.DataFrame, scores: np.ndarray, *, seed: int) -> dict[str, object]:
    sizes = rows.groupby("target")["intermediate"].transform("size").to_numpy()
    keep = sizes >= _LEAST_ITEMS
    lists = rows.loc[keep, "target"]
    if lists.nunique() < _LEAST_LISTS:
        few = f"{lists.nunique()} targets with {_LEAST_ITEMS} or more intermediates"
        return {"note": f"{few}; {_LEAST_LISTS} are needed"}
    kept, mine = rows[keep], scores[keep]
    chance, mnli = np.zeros(len(kept)), kept["always_mnli"].to_numpy(float)
    gains = kept["gain"]
    judged, random, always = (
        judge_ranking(each, gains=gains, lists=lists, rng=np.random.default_rng(seed)) for each in (mine, chance, mnli)
    )
    over = compare_rankings(mine, other=chance, gains=gains, lists=lists, rng=np.random.default_rng(seed))
    figures: dict[str, object] = {"targets": judged.n_lists, "pairs": len(kept), "note": None}
    for name in QUALITY:
        own, above = getattr(judged, name), getattr(over, name)
        beside = (
            *(own.estimate, own.low, own.high, getattr(random, name).estimate),
            getattr(always, name).estimate if mnli.any() else None,
            *(above.estimate, above.low, above.high),
        )
        figures |= {f"{name}{end}": value for end, value in zip(BESIDE, beside, strict=True)}
    return figures
