"""What should be run next: the missing pairs that would narrow the answer most, for each run they cost.

A candidate is an (intermediate, target) pair without a gain whose difficulty and similarity are known, or an
intermediate whose pairs have fewer seeds than wanted. Its worth is how far the intervals of both terms would shrink, at
the variances of the present model; its gain need not be known for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import duckdb
import numpy as np
import pandas as pd

from core.analysis.model import Analysis
from core.errors import DataError
from core.languages import language
from core.measures.inference.cells import Cells
from core.measures.inference.crossed import Solution
from core.measures.inference.mixed import Components, expected_half_widths, joined
from core.queries.covariates import base_tasks, difficulties, similarities, type_match
from core.queries.evidence import Evidence, profile_view
from core.queries.provenance import baseline_seeds
from core.spec.profile import text_point
from core.spec.run import DataSourceKind, IntermediateSpec
from core.spec.task import TaskSpec
from core.store.counted import BASELINE, FLOOR, INTERMEDIATE, TARGET
from core.studies import StudyRequest
from core.tasks import in_task_reason

COLUMNS = (
    *("kind", "intermediate", "target", "langs", "runs", "difficulty_narrower", "similarity_narrower", "worth", "why"),
    "request",
)
"""Columns of the proposals; narrower: share of the interval's width; worth: mean of both for each run; request: a
`StudyRequest` or `ProfileRequest` by names."""

NO_PAIR = "No pair is left to propose: what has a known difficulty and similarity was run before every target."
"""What is said where there is no proposal; it does not say that nothing is open."""

_EXPLAINING = ("difficulty", "similarity")
_NARROWS = (
    "it narrows the 95 % intervals of the two effects, of difficulty and of similarity on the gain, more on average "
    "than what is listed after it"
)
_CAUSES = {"intermediate": (INTERMEDIATE,), "target": (TARGET, BASELINE, FLOOR)}
"""Why gains are no evidence, by what of a pair is the cause: another pair with it would have the same cause."""


@dataclass(frozen=True)
class Plan:
    """How candidates would be run."""

    tasks: Mapping[str, TaskSpec]
    """Tasks that can be run, by name."""
    seeds: int = 3
    """Seeds of each new pair."""
    limit: int = 10
    """Maximum number of proposals."""


def propose(cur: duckdb.DuckDBPyConnection, evidence: Evidence, analysis: Analysis, *, plan: Plan) -> pd.DataFrame:
    """What to fill in and what to run, the most worth for each run first.

    Columns: `COLUMNS`. Gaps of what was run already (`fill`) come first: they cost least. Then new pairs (`run`) and
    further seeds of an intermediate before the targets it was run with (`seeds`). Without a model, pairs are ordered by
    how far their difficulty and similarity lie from what was run, and worth is None.

    Args:
        analysis: From `analyse` on the same evidence.
        plan: How they would be run.
    """
    gaps = evidence.missing[evidence.missing["remedy"].notna()]
    fill = [
        {"kind": "fill", "intermediate": gap.names, "why": f"{gap.cells} cells are left out: {gap.why}",
         "request": gap.remedy}
        for gap in gaps.itertuples()
    ]  # fmt: skip
    found = _candidates(cur, evidence, plan=plan)
    if analysis.fit:
        there = baseline_seeds(cur, evidence.pooled)
        worth = [*_worth(found, analysis, plan=plan, baselines=there), *_more_seeds(evidence, analysis, plan, there)]
        chosen = sorted(worth, key=lambda row: -float(str(row["worth"])))
    else:
        chosen = [] if found.empty else _farthest(found, evidence)
    rows = [*fill, *(_proposal(row, evidence, plan=plan) for row in chosen[: plan.limit])]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _candidates(cur: duckdb.DuckDBPyConnection, evidence: Evidence, *, plan: Plan) -> pd.DataFrame:
    """Cells of pairs that have no gain yet. Columns: intermediate, target, lang, difficulty, similarity, task."""
    options, source = evidence.options, evidence.pooled.data_source
    hard = difficulties(cur, measure=options.difficulty, like=profile_view(evidence.pooled)).frame
    near = similarities(cur, measure=options.similarity, data_source=source, centred=options.centred).frame
    near = near[near["role"] == options.anchor]
    have = set(zip(evidence.frame["intermediate"], evidence.frame["target"], strict=True))
    idle = {name: _never_evidence(evidence.frame, name) for name in _CAUSES}
    langs = set(evidence.frame["lang"]) - {"en"}
    wanted = options.wanted.target
    targets = {wanted} if isinstance(wanted, str) else set(wanted or near["target"])
    rows = []
    known = hard.assign(point=hard["intermediate"].map(text_point)).merge(near, on="point")
    for row in known.to_dict("records"):
        pair = row["intermediate"], row["target"]
        spans = sorted(langs) if options.anchor == "train" else [row["lang"]]
        if pair in have or row["target"] not in targets or not _can_run(*pair, tasks=plan.tasks):
            continue
        if _is_in_task(*pair, tasks=plan.tasks):
            continue
        if pair[0] in idle["intermediate"] or pair[1] in idle["target"]:
            continue
        rows += [(*pair, lang, row["difficulty"], row["similarity"]) for lang in spans if lang in langs]
    frame = pd.DataFrame(rows, columns=["intermediate", "target", "lang", "difficulty", "similarity"])
    return frame.assign(task=frame["intermediate"].map(base_tasks))


def _never_evidence(frame: pd.DataFrame, column: str) -> set[str]:
    """Intermediates or targets that were not learned, or stand at the floor, wherever they were run."""
    because = frame.loc[frame["excluded"].isin(_CAUSES[column]), column]
    return set(because) - set(frame.loc[frame["excluded"].isna() & frame["gain"].notna(), column])


def _can_run(intermediate: str, target: str, *, tasks: Mapping[str, TaskSpec]) -> bool:
    return {target, *IntermediateSpec.parse(intermediate).needs} <= tasks.keys()


def _is_in_task(intermediate: str, target: str, *, tasks: Mapping[str, TaskSpec]) -> bool:
    return in_task_reason(tasks[target], intermediate=IntermediateSpec.parse(intermediate)) is not None


def _worth(
    found: pd.DataFrame, analysis: Analysis, *, plan: Plan, baselines: Mapping[str, int]
) -> list[dict[str, object]]:
    prepared = analysis.prepared
    if found.empty or analysis.fit is None:
        return []
    widths = partial(_half_widths, components=prepared.components, solution=analysis.fit.solution)
    before = widths(prepared.cells)
    rows = []
    for (intermediate, target), part in found.groupby(["intermediate", "target"], sort=True):
        more = _as_cells(part, analysis, plan=plan)
        try:
            after = widths(joined(prepared.cells, more=more))
        except DataError:
            continue
        cost = plan.seeds + max(0, plan.seeds - baselines.get(str(target), 0))
        rows.append({"kind": "run", "intermediate": intermediate, "target": target, "langs": len(part)}
                    | _narrower(before, after, cost=cost))  # fmt: skip
    return rows


def _more_seeds(
    evidence: Evidence, analysis: Analysis, plan: Plan, there: Mapping[str, int]
) -> list[dict[str, object]]:
    """Of each intermediate with pairs below the wanted seeds: what bringing all of them up to that would buy."""
    cells, frame = analysis.prepared.cells, evidence.frame
    if analysis.fit is None or analysis.fit.solution is None:
        return []
    pairs_of = [frame["intermediate"], frame["target"]]
    some = frame["excluded"].isna().groupby(pairs_of).transform("any")  # else more of the same would not count either
    seeds = frame[some].groupby(["intermediate", "target"])["seed"].nunique()
    few = seeds[seeds < plan.seeds].reset_index()
    can = [_can_run(*pair, tasks=plan.tasks) for pair in zip(few["intermediate"], few["target"], strict=True)]
    few = few[np.array(can, dtype=bool) & few["target"].isin(cells.levels["target"])]  # not retrieval, which is apart
    widths = partial(_half_widths, components=analysis.prepared.components, solution=analysis.fit.solution)
    before = widths(cells)
    rows = []
    for intermediate, pairs in few.groupby("intermediate", sort=True):
        raised = (cells.levels["intermediate"] == intermediate) & np.isin(cells.levels["target"], pairs["target"])
        after = widths(cells._replace(weight=np.where(raised, np.maximum(cells.weight, plan.seeds), cells.weight)))
        lacking = int((plan.seeds - pairs["seed"]).sum())
        baselines = sum(max(0, plan.seeds - there.get(target, 0)) for target in pairs["target"])
        targets = " ".join(sorted(pairs["target"]))
        rows.append({"kind": "seeds", "intermediate": intermediate, "target": targets, "langs": int(raised.sum())}
                    | _narrower(before, after, cost=lacking + baselines))  # fmt: skip
    return rows


def _half_widths(cells: Cells, *, components: Components, solution: Solution) -> dict[str, float]:
    return expected_half_widths(
        cells, components=components, ratios=solution.ratios,
        residual_variance=solution.residual_variance,
    )  # fmt: skip


def _narrower(before: Mapping[str, float], after: Mapping[str, float], *, cost: int) -> dict[str, object]:
    shares = {name: 1 - after[name] / before[name] for name in _EXPLAINING if name in before}
    worth = float(np.mean(list(shares.values()))) / cost if shares else 0.0
    found: dict[str, object] = {f"{name}_narrower": share for name, share in shares.items()}
    return found | {"runs": cost, "worth": worth}


def _as_cells(part: pd.DataFrame, analysis: Analysis, *, plan: Plan) -> Cells:
    """Candidates as cells of the model; a covariate that is not known before a run stands at its average."""
    names, scales = analysis.prepared.cells.names, analysis.prepared.scales
    values = {
        "difficulty": part["difficulty"], "similarity": part["similarity"],
        "type_match": part.apply(lambda row: _match(row["task"], row["target"], tasks=plan.tasks), axis=1),
        "distance": part["lang"].map(lambda code: language(code).syntax_distance),
    }  # fmt: skip
    columns = [
        ((values[n].astype("float64") - scales[n].mean) / scales[n].sd).fillna(0.0) if n in values
        else pd.Series(0.0, index=part.index)
        for n in names
    ]  # fmt: skip
    levels = {"intermediate": part["intermediate"], "target": part["target"], "language": part["lang"]}
    levels["task"] = part["task"]
    return Cells(
        np.zeros(len(part)), np.full(len(part), float(plan.seeds)),
        {name: column.to_numpy(str) for name, column in levels.items()}, np.column_stack(columns), names,
    )  # fmt: skip


def _match(task: str, target: str, *, tasks: Mapping[str, TaskSpec]) -> float:
    types = [str(tasks[name].type) for name in task.split("+") if name in tasks]
    return type_match("+".join(types) or "unknown", target=str(tasks[target].type))


def _farthest(found: pd.DataFrame, evidence: Evidence) -> list[dict[str, object]]:
    """Without a model: pairs far from every pair that was run, difficulty and similarity each in its own spread."""
    columns = list(_EXPLAINING)
    pairs = found.groupby(["intermediate", "target"])[columns].mean()
    done = evidence.frame.groupby(["intermediate", "target"])[columns].mean().dropna()
    spread = pd.concat([pairs, done]).std().replace(0, 1.0).fillna(1.0)
    away = [
        min((float(np.hypot(*((there - here) / spread.to_numpy()))) for here in done.to_numpy()), default=np.inf)
        for there in pairs.to_numpy()
    ]
    order = np.argsort(-np.array(away), kind="stable")
    return [
        {"kind": "run", "intermediate": pairs.index[i][0], "target": pairs.index[i][1], "worth": None} for i in order
    ]


def _proposal(row: dict[str, object], evidence: Evidence, *, plan: Plan) -> dict[str, object]:
    s = evidence.pooled
    request = StudyRequest(
        models=(s.model,), intermediates=(str(row["intermediate"]),), targets=tuple(str(row["target"]).split()),
        seeds=tuple(range(1, plan.seeds + 1)), protocol=s.protocol, data_source=DataSourceKind(s.data_source),
    )  # fmt: skip
    why = f"for the number of its runs, {_NARROWS}"
    if row["worth"] is None:
        why = "its difficulty and similarity are unlike those of what was run"
    elif row["kind"] == "seeds":
        why = f"it has fewer than {plan.seeds} seeds; for the number of runs that they take, {_NARROWS}"
    return {"why": why, "request": request} | row
