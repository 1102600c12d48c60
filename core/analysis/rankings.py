"""Predictions that were written down before: what the selectors say of a launch now, and how right they were later.

A ranking holds the intermediates of one target and model, by every selector that the store can work out at that moment.
No selector sees a gain of the target it ranks for: the learned combination is fitted to the other targets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd

from core.analysis.predictions import Selectors, learnable, scored_pairs, selectors
from core.measures.inference.ranking import judge_ranking, kendall_tau, ndcg, relative_regret
from core.measures.transferability.chance import Pairs, judge_against_chance
from core.measures.transferability.combination import predict_gains
from core.queries.covariates import difficulties, planned_intermediates, type_match
from core.queries.evidence import AnalysisOptions, PooledRuns, evidence, poolable_runs, pooled_runs_of, profile_view
from core.queries.filters import Filter
from core.queries.rankings import ended_runs, finished_runs, gains_of_runs, rankings
from core.spec.base import digest
from core.spec.model import ModelSpec
from core.spec.ranking import FrozenRanking, RankedIntermediate, SelectorRanking
from core.spec.run import RunSpec, StudySpec
from core.store.gallery import PREFIX
from core.tasks import in_task_reason

COMBINATION = "combination"
"""The learned selector."""

COLUMNS = (
    *("ranking_id", "study", "frozen_at", "model", "protocol", "data_source", "target", "selector", "label", "state"),
    *("choice", "best", "intermediates", "ended", "ndcg", "ndcg_low", "ndcg_high", "ndcg_random", "ndcg_over_random"),
    *("ndcg_over_random_low", "ndcg_over_random_high", "regret_at_1", "regret_at_1_random", "kendall_tau", "targets"),
    *("n_done", "note"),
)
"""Columns of frozen rankings with their scores."""

EVERY = "all"
"""In the column `target`: the mean over the targets of a launch."""

_LEAST = 2
_DIFFICULTY = "headroom"


class _Ranked(NamedTuple):
    """Runs of a launch that are ranked: of one model, with an intermediate that is transfer to the target."""

    model: ModelSpec
    runs: tuple[RunSpec, ...]


class _Scores(NamedTuple):
    """What a selector says of the intermediates of one target."""

    label: str
    scores: list[float]
    why: str | None = None


def rank_launch(cur: duckdb.DuckDBPyConnection, study: StudySpec, *, now: datetime) -> FrozenRanking | None:
    """What the selectors say of a launch; None where there is nothing to choose between, or nothing left to predict.

    Args:
        study: What is about to be submitted.
        now: UTC.
    """
    # A folder that was typed in two ways is one model: its name ends with the fingerprint of its weights.
    ranked = [_ranked(study, model) for model in {model.name: model for model in study.models}.values()]
    runs = sorted({run.run_id for each in ranked for run in each.runs})
    done = _n_known(cur, runs)
    made = tuple(r for each in ranked if each.runs for r in _model_rankings(cur, study, each))
    if not made or done == len(runs):
        return None
    return FrozenRanking(
        ranking_id=digest(" ".join(runs)),
        study=study.name,
        frozen_at=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        protocol=study.protocol.name,
        protocol_digest=study.protocol.digest(),
        data_source=str(study.data_source.kind),
        seeds=study.seeds,
        runs=tuple(runs),
        n_done=done,
        rankings=made,
    )


def _n_known(cur: duckdb.DuckDBPyConnection, runs: Sequence[str]) -> int:
    """How many of the runs have finished already, here or in what was committed."""
    ids = [*runs, *(f"{PREFIX}{run}" for run in runs)]
    return len({run.removeprefix(PREFIX) for run in finished_runs(cur, ids)})


def _ranked(study: StudySpec, model: ModelSpec) -> _Ranked:
    """Runs whose target has two intermediates or more to choose between."""
    mine = [
        run
        for run in study.runs()
        if run.model == model
        and run.intermediate is not None
        and not in_task_reason(run.task(run.target), intermediate=run.intermediate)
    ]
    counts = {target: {r.intermediate_name for r in mine if r.target == target} for target in study.targets}
    return _Ranked(model, tuple(run for run in mine if len(counts[run.target]) >= _LEAST))


def _model_rankings(cur: duckdb.DuckDBPyConnection, study: StudySpec, ranked: _Ranked) -> Iterator[SelectorRanking]:
    model = ranked.model
    fingerprint = model.fingerprint or model.revision
    source = str(study.data_source.kind)
    pooled = PooledRuns("yours", model.name, fingerprint, study.protocol.name, study.protocol.digest(), source)
    found = scored_pairs(cur, _pairs(cur, ranked, pooled), pooled=pooled, difficulty=_DIFFICULTY)
    learned = _measured(cur, pooled)
    for target in dict.fromkeys(run.target for run in ranked.runs):
        rows = found.pairs[found.pairs["target"] == target].reset_index(drop=True)
        said: dict[str, _Scores] = {name: _Scores(label, rows[name].tolist()) for name, label in found.labels.items()}
        said |= {name: _Scores(name, [], why) for name, why in found.absent.items()}
        said[COMBINATION] = _combined(learned, rows, target=target, names=list(found.labels))
        for selector, one in said.items():
            nothing = one.why or _why_not(one.scores, selector=selector)
            items = [] if nothing else list(zip(rows["intermediate"], one.scores, strict=True))
            yield SelectorRanking(
                model=model.name,
                model_fingerprint=fingerprint,
                target=target,
                selector=selector,
                label=one.label,
                items=tuple(RankedIntermediate(intermediate=i, score=None if pd.isna(s) else s) for i, s in items),
                why=nothing,
            )


def _pairs(cur: duckdb.DuckDBPyConnection, ranked: _Ranked, pooled: PooledRuns) -> pd.DataFrame:
    first = {(run.intermediate_name, run.target): run for run in reversed(ranked.runs)}
    facts = planned_intermediates({i: run.model_dump(mode="json") for (i, _), run in first.items()})
    hard = difficulties(cur, measure=_DIFFICULTY, like=profile_view(pooled)).frame
    pairs = pd.DataFrame(sorted(first), columns=["intermediate", "target"])
    pairs = pairs.merge(facts, on="intermediate", how="left").rename(columns={"log_size": "size"})
    pairs = pairs.merge(hard[["intermediate", "difficulty"]], on="intermediate", how="left")
    kinds = [str(first[key].task(key[1]).type) for key in zip(pairs["intermediate"], pairs["target"], strict=True)]
    pairs["type_match"] = [type_match(types, target=kind) for types, kind in zip(pairs["types"], kinds, strict=True)]
    return pairs.drop(columns="types")


def _measured(cur: duckdb.DuckDBPyConnection, pooled: PooledRuns) -> Selectors | None:
    """Pairs that were measured before, of the same weights, protocol and data source; None: there are none."""
    wanted = Filter(model=pooled.model, protocol=pooled.protocol, data_source=pooled.data_source)
    rows = poolable_runs(cur, wanted)
    rows = rows[rows["model_fingerprint"].fillna("") == (pooled.model_fingerprint or "")]
    if rows.empty:
        return None
    found = pooled_runs_of(rows.iloc[0].to_dict())
    return selectors(cur, evidence(cur, found, options=AnalysisOptions(wanted=wanted, difficulty=_DIFFICULTY)))


def _combined(learned: Selectors | None, rows: pd.DataFrame, *, target: str, names: Sequence[str]) -> _Scores:
    """Predicted gains by a ridge on the selectors that are known there and here, or why none can be learned."""
    label = "ridge on selectors, fitted to other targets"
    if learned is None:
        return _Scores(label, [], "no measured pair of this model, protocol and data source to learn from")
    others = learned.pairs[learned.pairs["target"] != target]
    both = learnable(others, names=[n for n in names if n in learned.labels and rows[n].notna().all()])
    known = others.dropna(subset=both)
    if not both or known["target"].nunique() < _LEAST:
        what = f"{known['target'].nunique()} other targets with {len(both)} selectors that are known here too"
        return _Scores(label, [], f"{what}; {_LEAST} targets and a selector are needed")
    predicted = predict_gains(
        known[both], gains=known["gain"], groups=known["target"], lists=known["target"], at=rows[both]
    ).predictions
    label = f"ridge on {', '.join(both)}, fitted to {known['target'].nunique()} other targets"
    return _Scores(label, predicted.tolist())


def _why_not(scores: Sequence[float], *, selector: str) -> str | None:
    known = [s for s in scores if not pd.isna(s)]
    if len(known) < _LEAST:
        return f"known for {len(known)} of {len(scores)} intermediates"
    return "the same for every intermediate" if len(set(known)) < _LEAST and selector != "random" else None


# ---------------------------------------------------------------------------------------------------------- scoring


def frozen_rankings(cur: duckdb.DuckDBPyConnection, wanted: Filter | None = None, *, seed: int = 0) -> pd.DataFrame:
    """Every frozen ranking and, once its runs have ended, how right it was.

    Columns: `COLUMNS`; state is `waiting` (some of its runs have not ended), `scored`, or `unscored` (a selector that
    knew nothing, or fewer than two intermediates with a gain), choice the selector's first, best the one with the
    largest gain (mean over languages other than English and seeds), ended how many of its intermediates have a gain
    from every seed: it is judged on those. ndcg_random and regret_at_1_random are what chance expects on the same
    gains, ndcg_over_random the difference. Limits stand in the rows of target `all`: means over the targets of a
    launch, which are the independent units; one target has none. Order: newest launch first, then model, target (`all`
    first), the difference from chance.

    Args:
        wanted: Rankings to keep, as `core.queries.rankings.rankings` takes it.
        seed: Of the bootstrap over targets.
    """
    frozen = rankings(cur, wanted or Filter())
    rows: list[dict[str, object]] = []
    for _, launch in frozen.groupby(["ranking_id", "model"], sort=False):
        gains = _gains(cur, launch)
        scored = [
            _scored(part.reset_index(drop=True), gains)
            for _, part in launch.groupby(["target", "selector"], sort=False)
        ]
        rows += [row for row, _ in scored] + list(_over_targets(scored, seed=seed))
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    found = found.assign(first=found["target"] != EVERY, age=-pd.to_datetime(found["frozen_at"]).astype("int64"))
    order = ["age", "ranking_id", "model", "first", "target", "ndcg_over_random"]
    ascending = [True, True, True, True, True, False]
    found = found.sort_values(order, ascending=ascending, na_position="last", kind="stable", ignore_index=True)
    counts = ("intermediates", "ended", "targets", "n_done")
    return found[list(COLUMNS)].astype(dict.fromkeys(counts, "Int64"))


class _Gains(NamedTuple):
    frame: pd.DataFrame
    """target, intermediate, gain, complete: whether every seed of the launch has one."""
    waiting: frozenset[str]
    """Targets of which some run has not ended."""


def _gains(cur: duckdb.DuckDBPyConnection, launch: pd.DataFrame) -> _Gains:
    first = launch.iloc[0]
    runs, model = list(first["runs"]), str(first["model"])
    frame, there = gains_of_runs(cur, runs, model=model), ended_runs(cur, runs, model=model)
    ended = dict(zip(there["target"], there["ended"], strict=True))
    wanted = launch[launch["selector"] == "random"].groupby("target")["intermediate"].nunique() * len(first["seeds"])
    waiting = frozenset(str(target) for target, n in wanted.items() if ended.get(target, 0) < n)
    return _Gains(frame.assign(complete=frame["seeds"] == len(first["seeds"])), waiting)


def _scored(part: pd.DataFrame, gains: _Gains) -> tuple[dict[str, object], pd.DataFrame]:
    """The row of one selector and target, and the pairs that it is judged on (none where it is not)."""
    first = part.iloc[0]
    same = ("ranking_id", "study", "frozen_at", "model", "protocol", "data_source", "target", "selector", "label")
    row: dict[str, object] = {name: first[name] for name in (*same, "n_done")} | {"targets": 1}
    known = part[part["score"].notna()]
    nothing = part.iloc[:0].assign(gain=0.0)
    if known.empty:
        return row | {"state": "unscored", "intermediates": 0, "note": first["why"]}, nothing
    mine = gains.frame[(gains.frame["target"] == first["target"]) & gains.frame["complete"]]
    both = known.merge(mine[["intermediate", "gain"]], on="intermediate", how="inner")
    row |= {"intermediates": len(known), "ended": len(both), "choice": _top(known, "score")}
    if first["target"] in gains.waiting:
        return row | {
            "state": "waiting",
            "note": f"{len(both)} of {len(known)} intermediates have their gains",
        }, nothing
    if len(both) < _LEAST:
        return row | {"state": "unscored", "note": f"{len(both)} intermediates with a gain; {_LEAST} needed"}, nothing
    left_out = f"{len(known) - len(both)} intermediates without a gain are left out" if len(both) < len(known) else None
    score, gain = both["score"].to_numpy(float), both["gain"].to_numpy(float)
    chance = np.zeros(len(gain))
    figures = {
        "ndcg": ndcg(score, gains=gain),
        "ndcg_random": ndcg(chance, gains=gain),
        "ndcg_over_random": ndcg(score, gains=gain) - ndcg(chance, gains=gain),
        "regret_at_1": relative_regret(score, gains=gain),
        "regret_at_1_random": relative_regret(chance, gains=gain),
        "kendall_tau": kendall_tau(score, other=gain),
    }
    return row | {"state": "scored", "best": _top(both, "gain"), "note": left_out} | figures, both


def _over_targets(
    scored: Sequence[tuple[dict[str, object], pd.DataFrame]], *, seed: int
) -> Iterator[dict[str, object]]:
    """Means over the targets of a launch, of every selector that was scored on two or more."""
    for selector in dict.fromkeys(str(row["selector"]) for row, _ in scored):
        mine = [(row, both) for row, both in scored if row["selector"] == selector and len(both)]
        if len(mine) < _LEAST:
            continue
        pairs = pd.concat([both for _, both in mine], ignore_index=True)
        scores, gains, lists = (pairs[name].to_numpy() for name in ("score", "gain", "target"))
        none = np.zeros(len(pairs))
        judged, chance = (
            judge_ranking(each, gains=gains, lists=lists, rng=np.random.default_rng(seed)) for each in (scores, none)
        )
        same = Pairs(gains, pairs["intermediate"], lists)
        over = judge_against_chance(scores, pairs=same, rng=np.random.default_rng(seed)).over.ndcg
        kept = ("ranking_id", "study", "frozen_at", "model", "protocol", "data_source", "selector", "label", "n_done")
        yield {name: mine[0][0][name] for name in kept} | {
            "target": EVERY, "state": "scored", "intermediates": len(pairs), "ended": len(pairs), "targets": len(mine),
            "ndcg": judged.ndcg.estimate, "ndcg_low": judged.ndcg.low, "ndcg_high": judged.ndcg.high,
            "ndcg_random": chance.ndcg.estimate, "ndcg_over_random": over.estimate, "ndcg_over_random_low": over.low,
            "ndcg_over_random_high": over.high, "regret_at_1": judged.regret_at_1.estimate,
            "regret_at_1_random": chance.regret_at_1.estimate, "kendall_tau": judged.kendall_tau.estimate,
        }  # fmt: skip


def _top(rows: pd.DataFrame, column: str) -> str:
    """The intermediates with the largest value, several where they are equal; more than three are `any`."""
    best = sorted(rows.loc[rows[column] == rows[column].max(), "intermediate"])
    return " or ".join(best) if len(best) <= 3 else "any"
