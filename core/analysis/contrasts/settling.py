"""What would settle a contrast that cannot be told from chance: how many base tasks or seeds, by the spread seen.

The spread of a contrast between base tasks is made of how tasks differ and of the noise of seeds. More base tasks
narrow both; more seeds narrow the second alone, so that often no number of seeds is enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from core.analysis.contrasts.pairs import CONTRASTS, Contrast
from core.analysis.contrasts.table import base_means, counted_pairs, task_mean
from core.analysis.estimates import by_name
from core.analysis.model import Analysis
from core.analysis.next_cells import Plan
from core.measures.inference.stats import minimum_detectable_effect
from core.queries.evidence import Evidence
from core.queries.scales import UNITS, Unit, trained_targets
from core.spec.run import DataSourceKind, IntermediateSpec
from core.spec.task import Role, TaskSpec
from core.store.counted import INTERMEDIATE
from core.studies import StudyRequest
from core.tasks import no_thirds_reason

COLUMNS = ("name", "label", "n", "n_unit", "estimate", "find", "tasks_needed", "seeds_needed", "said", "request")
"""Columns of `settling`: n counts base tasks (conditions, of the model across tasks); find: the effect that is to be
found, as stored; needed: None where none up to `MOST` is enough or it is not known; request: a `StudyRequest` by names,
None where nothing is left to run for it."""
MOST = 200
"""Base tasks or seeds above it are out of anybody's reach."""
FIRST_TASKS = 5
"""Base tasks that are asked for where there are not yet two, whose spread would tell how many are needed."""

_EFFECTS = {name: f"the effect of {name} across tasks" for name in ("difficulty", "similarity")}


@dataclass(frozen=True)
class _Spread:
    """A contrast's mean over base tasks, and what its error is made of."""

    estimate: float
    tasks: int
    sd: float
    """Between base tasks, the noise of seeds included; NaN of fewer than two."""
    seeds: float
    """Seeds of a base task, on average."""
    seed_variance: float
    """Of one seed's mean; NaN where no base task has two."""

    @property
    def is_known(self) -> bool:
        """Whether it says how many more are needed."""
        return math.isfinite(self.sd) and self.sd > 0

    def detectable(self, tasks: int, *, seeds: float | None = None) -> float:
        """The effect found in four of five such designs.

        Args:
            tasks: Base tasks, at least 2.
            seeds: Of each; None: as many as now.
        """
        variance = self.sd**2
        if seeds is not None:
            noise = 0.0 if math.isnan(self.seed_variance) else self.seed_variance
            variance = max(0.0, variance - noise / self.seeds) + noise / seeds
        return minimum_detectable_effect(math.sqrt(variance / tasks), df=tasks - 1)


class _Open(NamedTuple):
    """A contrast whose sentence is open."""

    contrast: Contrast
    spread: _Spread
    left: tuple[str, ...]
    """Base tasks that could be run for it."""
    targets: tuple[str, ...]
    """Before which."""


def settling(evidence: Evidence, analysis: Analysis, *, plan: Plan) -> pd.DataFrame:
    """One row per open sentence: contrasts without a verdict, then terms of the model across tasks without one.

    Columns: `COLUMNS`.

    Args:
        evidence: What the store says.
        analysis: From `analyse` on it.
        plan: Tasks there are, and the seeds of what would be run.
    """
    pairs = counted_pairs(evidence)
    unit = UNITS[evidence.options.scale]
    found = [each for contrast in CONTRASTS if (each := _open(contrast, pairs, evidence, plan=plan)) is not None]
    rows = [_row(each, evidence, unit=unit, plan=plan) for each in found]
    rows += _terms(analysis, evidence, unit=unit, plan=plan)
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({name: "Int64" for name in ("n", "tasks_needed", "seeds_needed")})


def _open(contrast: Contrast, pairs: pd.DataFrame, evidence: Evidence, *, plan: Plan) -> _Open | None:
    every = pairs[pairs["contrast"] == contrast.name]
    if every.empty and contrast.is_refinement:
        return None  # a refinement that nobody asked for is no gap
    mine = every[every["excluded"].isna() & every["trained"].astype(bool) & (every["lang"] != "en")]
    now = task_mean(mine, "scaled")
    if now.low > 0 or now.high < 0 or UNITS[evidence.options.scale].holds(now.low, now.high):
        return None
    targets = tuple(name for name in _targets(mine, evidence) if name in plan.tasks)
    return _Open(contrast, _spread(mine), _left(contrast, every, evidence, plan=plan), targets)


def _spread(mine: pd.DataFrame) -> _Spread:
    tasks, by_seed = base_means(mine, "scaled"), base_means(mine, "scaled", by=("seed",))
    n_seeds = by_seed.groupby("base").size()
    within = by_seed.groupby("base").var()
    weight = (n_seeds - 1).clip(lower=0)
    noise = float((within.fillna(0.0) * weight).sum() / weight.sum()) if weight.sum() else math.nan
    return _Spread(
        float(tasks.mean()) if len(tasks) else math.nan, len(tasks), float(tasks.std()) if len(tasks) > 1 else math.nan,
        float(n_seeds.mean()) if len(n_seeds) else math.nan, noise,
    )  # fmt: skip


def _left(contrast: Contrast, every: pd.DataFrame, evidence: Evidence, *, plan: Plan) -> tuple[str, ...]:
    """Base tasks that the contrast lacks: those learned here first, then those not tried, never those not learned."""
    frame = evidence.frame
    done = set(every.loc[every["excluded"].isna(), "base"])
    plain = frame[frame["intermediate"].isin(plan.tasks)]
    failed = set(plain.loc[plain["reason"] == INTERMEDIATE, "intermediate"])
    learned = set(plain["intermediate"]) - failed
    able = [name for name, task in plan.tasks.items() if _can_have(contrast, task)]
    return tuple(sorted((name for name in able if name not in done | failed), key=lambda name: name not in learned))


def _can_have(contrast: Contrast, task: TaskSpec) -> bool:
    if Role.INTERMEDIATE not in task.roles or task.parts:
        return False
    return contrast.field == "placebo" or no_thirds_reason(task) is None


def _targets(mine: pd.DataFrame, evidence: Evidence) -> tuple[str, ...]:
    """Those that the contrast has already; of none, the trained ones that were run."""
    rows = mine if len(mine) else evidence.frame[trained_targets(evidence.frame["target_type"])]
    return tuple(sorted(rows["target"].unique()))


def _row(each: _Open, evidence: Evidence, *, unit: Unit, plan: Plan) -> dict[str, object]:
    spread, title = each.spread, each.contrast.label
    find = max(abs(spread.estimate), unit.small) if spread.is_known else math.nan
    tasks = _least(lambda n: spread.detectable(n) <= find, first=spread.tasks + 1) if spread.is_known else None
    can_seeds = spread.is_known and math.isfinite(spread.seed_variance)
    seeds = (
        _least(lambda n: spread.detectable(spread.tasks, seeds=n) <= find, first=math.ceil(spread.seeds) + 1)
        if can_seeds
        else None
    )
    asked = (tasks or MOST) - spread.tasks if spread.is_known else FIRST_TASKS - spread.tasks
    bases = each.left[: max(1, min(asked, plan.limit))]
    request = _request(each, bases, evidence, plan=plan)
    return {
        "name": each.contrast.name, "label": title, "n": spread.tasks, "n_unit": "base tasks",
        "estimate": spread.estimate, "find": find, "tasks_needed": tasks, "seeds_needed": seeds,
        "said": _said(each, find=find, tasks=tasks, seeds=seeds, unit=unit, n_asked=len(bases) if request else 0),
        "request": request,
    }  # fmt: skip


def _least(is_enough: Callable[[int], bool], *, first: int) -> int | None:
    return next((n for n in range(max(2, first), MOST + 1) if is_enough(n)), None)


def _said(each: _Open, *, find: float, tasks: int | None, seeds: int | None, unit: Unit, n_asked: int) -> str:
    spread, n_left = each.spread, len(each.left)
    title = each.contrast.label[0].upper() + each.contrast.label[1:]
    if not spread.is_known:
        there = {0: "no task has been compared yet", 1: "one task has been compared"}
        now = there.get(spread.tasks, "all tasks gave the same")
        begin = f" The runs below add {n_asked}." if n_asked else ""
        return f"{title}: {now}. Two tasks give a first interval, and their spread tells how many are needed.{begin}"
    size = f"{unit.factor * find:.1f} {unit.name}" + (
        ", as seen so far," if find > unit.small else " (less counts as about the same)"
    )
    more = "" if tasks is None else f" ({tasks - spread.tasks} more than now)"
    need = f"{f'more than {MOST}' if tasks is None else tasks} tasks{more}"
    said = [
        f"{title}: {need} are needed to find an effect of {size} with a chance of 80 %, if tasks differ as much as "
        "those seen."
    ]
    if seeds is not None:
        said.append(f"{seeds} seeds of the tasks that are there would do, too.")
    elif math.isfinite(spread.seed_variance):
        said.append("More seeds alone are not enough: the tasks themselves differ.")
    else:
        said.append("How much seeds differ is not known, as no task was run with two, so what more would do is not.")
    if tasks is None or tasks - spread.tasks > n_left:
        most = spread.tasks + n_left
        least = unit.factor * spread.detectable(most)
        left = f"{n_left} more tasks can be run" if n_left else "No other task can be run"
        ends = "So these tasks alone cannot settle it: they narrow the interval." if least > unit.factor * find else ""
        size = f"an effect of {least:.1f} {unit.name} or more"
        said.append(f"{left}: with all {most}, {size} would be found with the same chance. {ends}".rstrip())
    if 0 < n_asked < n_left:
        said.append(f"The runs below add {n_asked} of them to begin with.")
    return " ".join(said)


def _request(each: _Open, bases: tuple[str, ...], evidence: Evidence, *, plan: Plan) -> StudyRequest | None:
    names = tuple(name for base in bases for name in _sides(each.contrast, base))
    return None if each.contrast.is_refinement else _requested(names, each.targets, evidence, plan=plan)


def _requested(
    names: tuple[str, ...], targets: tuple[str, ...], evidence: Evidence, *, plan: Plan
) -> StudyRequest | None:
    """Runs of conditions like those of the evidence; None where there is no condition or no target."""
    s = evidence.pooled
    return StudyRequest(
        models=(s.model,), intermediates=names, targets=targets, protocol=s.protocol,
        seeds=tuple(range(1, plan.seeds + 1)), data_source=DataSourceKind(s.data_source),
    ) if names and targets else None  # fmt: skip


def _untried(evidence: Evidence, *, plan: Plan) -> tuple[str, ...]:
    """Whole tasks that could be trained on first and were not."""
    tried = set(evidence.frame["intermediate"])
    return tuple(
        name for name, task in plan.tasks.items()
        if Role.INTERMEDIATE in task.roles and not task.parts and name not in tried
    )  # fmt: skip


def _sides(contrast: Contrast, base: str) -> tuple[str, str]:
    """The two conditions of a contrast, as a study names them."""
    one, other = (
        IntermediateSpec.model_validate({"tasks": (base,), contrast.field: value}).name
        for value in (contrast.one, contrast.other)
    )
    return one, other


def _terms(analysis: Analysis, evidence: Evidence, *, unit: Unit, plan: Plan) -> list[dict[str, object]]:
    """Terms across tasks whose interval holds zero and more than a small effect; how many conditions, about."""
    if analysis.fit is None:
        return []
    estimates, n, rows = by_name(analysis.estimates), evidence.units.intermediates, []
    for name, what in _EFFECTS.items():
        row = estimates.get(("term", name))
        if row is None or row["ci_low"] > 0 or row["ci_high"] < 0:
            continue
        if unit.holds(row["ci_low"], row["ci_high"]):
            continue
        find = max(abs(row["estimate"]), unit.small)
        needed = math.ceil(n * (row["detectable"] / find) ** 2)  # a standard error falls with the root of n
        size = f"{unit.factor * find:.1f} {unit.name} per standard deviation"
        size += "" if find > unit.small else " (less counts as about the same)"
        new = _untried(evidence, plan=plan)[: max(0, min(needed - n, plan.limit))]
        rows.append({
            "name": name, "label": what, "n": n, "n_unit": "intermediate conditions", "estimate": row["estimate"],
            "find": find, "tasks_needed": needed if needed <= MOST else None, "seeds_needed": None,
            "request": _requested(new, _targets(evidence.frame.iloc[:0], evidence), evidence, plan=plan),
            "said": f"{what[0].upper()}{what[1:]}: about {needed:,} intermediates are needed (there are {n} now) to "
            f"find {size} with a chance of 80 %. Such tasks differ in more than {name}, so "
            "thirds of one task tell more." + (f" The runs below add {len(new)} of them." if new else ""),
        })  # fmt: skip
    return rows
