"""Which intermediate to choose, before training: selectors, and how well each ranks on the store.

A list is one target; its items are the intermediates that were run on it. A selector is a column of scores, large where
it would choose. What learns is judged on what it has not seen: one intermediate, target or language left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd

from core.errors import DataError
from core.measures.inference.intervals import Floats
from core.measures.inference.ranking import RankingQuality, judge_ranking
from core.measures.similarity.table import SIMILARITIES
from core.measures.transferability.chance import Pairs, Predict, judge_against_chance
from core.measures.transferability.combination import HeldOut, in_other_languages, mean_elsewhere
from core.measures.transferability.table import SELECTORS
from core.queries.covariates import base_tasks, similarities
from core.queries.difficulty import closest_view, selector_scores
from core.queries.evidence import Evidence, PooledRuns, profile_view
from core.spec.profile import ProfileKind, text_point
from core.spec.run import DataSourceKind
from core.studies import ProfileRequest

DIRECTIONS = ("leave one intermediate out", "leave one target out", "leave one language out")
"""What is held out of a selector that learns; the others see no gain and are the same in all."""

MEAN_ELSEWHERE = "intermediate_mean"
"""Mean gain of the intermediate on the other targets: what a combination must beat that is asked about a new target."""

QUALITY = ("ndcg", "regret_at_1", "regret_at_3", "regret_at_5", "kendall_tau")
"""Measures of a ranking, each with limits over targets."""

BESIDE = ("", "_low", "_high", "_random", "_mnli", "_over_random", "_over_random_low", "_over_random_high")
"""What a measure's columns end with: estimate and limits; what chance, and always MNLI, reach on exactly the same
pairs; the difference from chance with limits from exchanging whole intermediates."""

OVER_MEAN = ("ndcg_over_mean", "ndcg_over_mean_low", "ndcg_over_mean_high")
"""Difference of NDCG from `MEAN_ELSEWHERE`, of a combination with one target left out."""

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
    by_language: pd.DataFrame | None = None
    """intermediate, target, lang, gain (mean over seeds); None: gains are not known."""


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
    by_language = frame.groupby(["intermediate", "target", "lang"], observed=True, sort=True)["gain"].mean()
    found = scored_pairs(cur, pairs, pooled=evidence.pooled, difficulty=evidence.options.difficulty)
    return found._replace(by_language=by_language.reset_index())


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
    labels |= {"random": "any, with equal chance", "always_mnli": "MNLI (or a part of it) first, all others level"}
    for name in [n for n in labels if n != "random" and pairs[n].nunique() < 2]:
        absent[name] = "not known for any pair" if pairs[name].isna().all() else "the same for every pair"
        labels.pop(name)
    return Selectors(pairs, labels, absent, unmeasured, _request(pooled, pairs))


def judge_selectors(found: Selectors, *, seed: int = 0) -> pd.DataFrame:
    """How well each selector ranks the intermediates of each target, with intervals over targets.

    A selector is judged on the pairs that it knows, which differ: rows are compared by their difference from chance,
    which is judged on the same pairs. Columns: selector, label, direction, each of `QUALITY` with each of `BESIDE`
    (`_mnli` is missing where MNLI is in none of the lists; in a list without it, it is chance), ndcg_p (of the
    difference of NDCG from chance), `OVER_MEAN`, targets, pairs, note (why it is not judged). Order: difference of NDCG
    from chance, best first; what is not judged comes last. Regrets are shares of the range of gains: a difference below
    zero is good. Chance of a selector that learns is what it reaches where gains of whole intermediates are exchanged.

    Args:
        found: From `selectors`.
        seed: Of the bootstrap over targets and of exchanges.
    """
    rows = [_judged(found, name, seed=seed) for name in found.labels]
    rows += [_mean_elsewhere(found, seed=seed)]
    rows += [_combined(found, direction, seed=seed) for direction in DIRECTIONS]
    rows += [{"selector": name, "label": name, "note": why} for name, why in found.absent.items()]
    limits = [f"{q}{end}" for q in QUALITY for end in BESIDE]
    columns = ["selector", "label", "direction", *limits, "ndcg_p", *OVER_MEAN, "targets", "pairs", "note"]
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
                "not measured: it reads the encoder's features of the target's training text after each intermediate "
                f"(of {pooled.model}, {DataSourceKind(pooled.data_source).words})"
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
    head = {"selector": name, "label": found.labels[name], "direction": "uses no gain"}
    return head | _quality(rows, rows[name].to_numpy(float), seed=seed)


def _mean_elsewhere(found: Selectors, *, seed: int) -> dict[str, object]:
    head: dict[str, object] = {
        "selector": MEAN_ELSEWHERE, "label": "largest mean gain on the other targets first", "direction": DIRECTIONS[1]
    }  # fmt: skip
    rows = found.pairs
    if rows["target"].nunique() < _LEAST_LISTS:
        return head | {"note": f"{rows['target'].nunique()} targets; {_LEAST_LISTS} are needed"}
    return head | _quality(rows, _means_of(rows), seed=seed, within_lists=True)


def _means_of(rows: pd.DataFrame) -> Predict:
    return lambda gains: mean_elsewhere(gains, intermediates=rows["intermediate"], lists=rows["target"])


def _combined(found: Selectors, direction: str, *, seed: int) -> dict[str, object]:
    head: dict[str, object] = {
        "selector": "combination", "label": f"ridge on all of them, {direction}", "direction": direction
    }  # fmt: skip
    try:
        names, rows = _usable(found)
        head["label"] = f"all whose value is known for every pair, together (ridge on {', '.join(names)})"
        if "language" in direction:
            return head | _over_languages(found, rows, names, seed=seed)
        held = "intermediate" if "intermediate" in direction else "target"
        learner = HeldOut(rows[names], groups=rows[held], lists=rows["target"])
    except DataError as error:
        return head | {"note": str(error)}
    judged = _quality(rows, learner.predict, seed=seed)
    return head | (judged if held == "intermediate" else _beside_mean(rows, judged))


def _beside_mean(rows: pd.DataFrame, judged: dict[str, object]) -> dict[str, object]:
    """The same with the difference from the intermediates' means, its limits as wide as those from chance."""
    kept = _long_lists(rows)
    if "ndcg" not in judged or not len(kept):
        return judged
    means = _means_of(kept)(kept["gain"].to_numpy(float)[None, :])[0]
    rng = np.random.default_rng(0)
    reference = judge_ranking(means, gains=kept["gain"], lists=kept["target"], rng=rng).ndcg.estimate
    over, low, high = (float(str(judged[f"ndcg_over_random{end}"])) for end in ("", "_low", "_high"))
    difference = float(str(judged["ndcg"])) - reference
    limits = (difference, difference + low - over, difference + high - over)
    return judged | dict(zip(OVER_MEAN, limits, strict=True))


def _over_languages(found: Selectors, rows: pd.DataFrame, names: list[str], *, seed: int) -> dict[str, object]:
    """Fitted to mean gains in the other languages, judged on lists of one target and language each."""
    keys = ["intermediate", "target"]
    if found.by_language is None:
        raise DataError("gains by language are not known")
    pairs = _long_lists(rows).reset_index(drop=True)
    long = found.by_language.merge(pairs[keys].assign(pair=np.arange(len(pairs))), on=keys)
    long = long[long.groupby("pair")["lang"].transform("size") > 1].reset_index(drop=True)
    if long["lang"].nunique() < _LEAST_ITEMS or long["pair"].nunique() < len(pairs):
        raise DataError(f"{long['lang'].nunique()} languages, or a pair in one alone; 3 or more are needed")
    learner = HeldOut(pairs[names], groups=pairs["target"], lists=pairs["target"], with_own_group=True)
    predict = in_other_languages(learner, pair=long["pair"].to_numpy(), lang=long["lang"].to_numpy(str))
    lists = long["target"] + " " + long["lang"]
    long = long.assign(always_mnli=(long["intermediate"].map(base_tasks) == "mnli").astype(float))
    return _quality(long, predict, seed=seed, lists=lists) | {"pairs": len(pairs), "targets": pairs["target"].nunique()}


def explained(found: Selectors, *, target: str) -> pd.DataFrame:
    """What each selector adds to what the combination predicts for a target that it has not seen.

    Columns: intermediate, selector, score, contribution, predicted (gain above the target's mean; contributions sum to
    it), gain, note. Order: predicted, best first; then contributions, largest first. Empty but for the note where the
    combination cannot be learned.

    Args:
        found: From `selectors`.
        target: Its name.
    """
    columns = ["intermediate", "selector", "score", "contribution", "predicted", "gain", "note"]
    try:
        names, rows = _usable(found)
        combined = HeldOut(rows[names], groups=rows["target"], lists=rows["target"]).combine(rows["gain"])
    except DataError as error:
        return pd.DataFrame([{"note": str(error)}], columns=columns)
    mine = (rows["target"] == target).to_numpy()
    kept = rows[mine]
    parts = pd.DataFrame(combined.contributions[mine], columns=names, index=kept.index)
    frame = pd.concat(
        [
            kept[["intermediate", "gain"]].assign(
                selector=name, score=kept[name], contribution=parts[name], predicted=combined.predictions[mine]
            )
            for name in names
        ]
    )
    frame = frame.assign(size=frame["contribution"].abs())
    frame = frame.sort_values(["predicted", "intermediate", "size"], ascending=[False, True, False], ignore_index=True)
    return frame.reindex(columns=columns)


def _usable(found: Selectors) -> tuple[list[str], pd.DataFrame]:
    """Selectors that can be learned from, and the pairs that have them all."""
    names = learnable(found.pairs, names=found.labels)
    rows = found.pairs.dropna(subset=names)
    if not names or len(rows) < 2 * _LEAST_ITEMS:
        raise DataError(f"{len(names)} selectors are known for {len(rows)} pairs; a combination needs more of both.")
    return names, rows


def _long_lists(rows: pd.DataFrame) -> pd.DataFrame:
    sizes = rows.groupby("target")["intermediate"].transform("size")
    return rows[sizes >= _LEAST_ITEMS]


def _quality(
    rows: pd.DataFrame,
    scores: Floats | Predict,
    *,
    seed: int,
    lists: pd.Series[str] | None = None,
    within_lists: bool = False,
) -> dict[str, object]:
    """One row's figures; a selector that learns is given as what it predicts from gains."""
    lists = rows["target"] if lists is None else lists
    keep = (lists.groupby(lists).transform("size") >= _LEAST_ITEMS).to_numpy()
    if lists[keep].nunique() < _LEAST_LISTS:
        few = f"{lists[keep].nunique()} targets with {_LEAST_ITEMS} or more intermediates"
        return {"note": f"{few}; {_LEAST_LISTS} are needed"}
    gains = rows["gain"].to_numpy(float)
    predict = None
    if callable(scores):
        learned = scores
        said = learned(gains[None, :])[0]

        def predict(exchanged: Floats) -> Floats:
            whole = np.tile(gains, (len(exchanged), 1))
            whole[:, keep] = exchanged
            return learned(whole)[:, keep]
    else:
        said = scores
    kept, mine, own_lists = rows[keep], said[keep], lists[keep]
    chance = judge_against_chance(
        mine, pairs=Pairs(kept["gain"], kept["intermediate"], own_lists), rng=np.random.default_rng(seed),
        predict=predict, within_lists=within_lists,
    )  # fmt: skip
    mnli = kept["always_mnli"].to_numpy(float)
    judged, always = (
        judge_ranking(each, gains=kept["gain"], lists=own_lists, rng=np.random.default_rng(seed))
        for each in (mine, mnli)
    )
    figures: dict[str, object] = {"targets": judged.n_lists, "pairs": len(kept), "note": None}
    figures["ndcg_p"] = float(chance.p_values[0])
    for name in QUALITY:
        own, above = getattr(judged, name), getattr(chance.over, name)
        beside = (
            *(own.estimate, own.low, own.high, float(chance.chance[RankingQuality._fields.index(name)])),
            getattr(always, name).estimate if mnli.any() else None,
            *(above.estimate, above.low, above.high),
        )
        figures |= {f"{name}{end}": value for end, value in zip(BESIDE, beside, strict=True)}
    return figures
