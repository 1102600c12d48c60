"""What would fill a gap or narrow the answer, each with the command that starts it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import duckdb
import pandas as pd

from core.actions import plan as planning
from core.actions.command import Basis, Command, Request, basis_like, command_of, completed
from core.analysis.contrasts.settling import settling
from core.analysis.model import Analysis
from core.analysis.next_cells import Plan, propose
from core.analysis.predictions import judge_selectors, selectors
from core.data.there import tasks_there
from core.errors import AtlasError
from core.paths import AtlasPaths
from core.queries.evidence import Evidence, PooledRuns
from core.spec.run import DataSource, IntermediateSpec
from core.studies import NO_INTERMEDIATE, StudyRequest


def gaps(
    cur: duckdb.DuckDBPyConnection, evidence: Evidence, *, paths: AtlasPaths, mirror: str | None = None
) -> pd.DataFrame:
    """What is missing from the evidence, and the command that would fill it.

    Columns: what, cells, names, why, remedy (a command; empty where it was left out on purpose).

    Args:
        mirror: Folder that commands name; None: that of the newest run made here.
    """
    found = evidence.missing
    commands = _commands(cur, found["remedy"], pooled=evidence.pooled, paths=paths, mirror=mirror)
    return found.assign(remedy=["" if command is None else str(command) for command in commands])


def proposals(
    cur: duckdb.DuckDBPyConnection,
    evidence: Evidence,
    analysis: Analysis,
    *,
    plan: Plan,
    paths: AtlasPaths,
    mirror: str | None = None,
) -> pd.DataFrame:
    """What to fill in and what to run, the most worth for each run first; only what finds its data.

    Columns: those of `core.analysis.next_cells.COLUMNS`, with `command` in the place of `request`.

    Args:
        analysis: From `analyse` on the same evidence.
        plan: How candidates would be run.
        mirror: Folder that commands name; None: that of the newest run made here.
    """
    basis = basis_like(cur, evidence.pooled, paths=paths, mirror=mirror)
    there = _there(plan, basis, paths=paths)
    found = propose(cur, evidence, analysis, plan=there)
    requests = [_of_what_is_there(request, there) for request in found.pop("request")]
    commands = ["" if request is None else str(command_of(completed(request, basis))) for request in requests]
    found = found.assign(command=commands)
    return found[found["command"] != ""].reset_index(drop=True)


def would_settle(
    cur: duckdb.DuckDBPyConnection,
    evidence: Evidence,
    analysis: Analysis,
    *,
    plan: Plan,
    paths: AtlasPaths,
    mirror: str | None = None,
) -> pd.DataFrame:
    """What would settle each sentence that cannot be told from chance, what that costs here, and how it is started.

    Only base tasks and targets are named whose data are there.

    Columns: those of `core.analysis.contrasts.settling.COLUMNS`, the request with the model, protocol and data of the
    runs it adds to, and command, runs, seconds_low, seconds_high (None where the cost is not known, as without the
    data).

    Args:
        analysis: From `analyse` on the same evidence.
        plan: How runs would be made.
        mirror: Folder that commands name; None: that of the newest run made here.
    """
    basis = basis_like(cur, evidence.pooled, paths=paths, mirror=mirror)
    found = settling(evidence, analysis, plan=_there(plan, basis, paths=paths))
    # Any: a column of a frame
    requests: list[Any] = [request and completed(request, basis) for request in found["request"]]
    costs = [_cost(cur, request, paths=paths) for request in requests]
    commands = ["" if request is None else str(command_of(request)) for request in requests]
    runs, low, high = zip(*costs, strict=True) if costs else ((), (), ())
    return found.assign(request=requests, command=commands, runs=runs, seconds_low=low, seconds_high=high)


def _there(plan: Plan, basis: Basis, *, paths: AtlasPaths) -> Plan:
    """The plan with those tasks alone that can be run with the data of some runs."""
    source = DataSource(kind=basis.data_source, root=basis.mirror)
    return replace(plan, tasks=tasks_there(plan.tasks, source=source, paths=paths))


def _of_what_is_there(request: Request, plan: Plan) -> Request | None:
    """The request without what has no data; None where nothing is left of it."""
    between = tuple(
        name for name in request.intermediates
        if name == NO_INTERMEDIATE or set(IntermediateSpec.parse(name).needs) <= plan.tasks.keys()
    )  # fmt: skip
    targets = tuple(name for name in request.targets if name in plan.tasks)
    if len(between) < min(1, len(request.intermediates)) or len(targets) < min(1, len(request.targets)):
        return None
    return request.model_copy(update={"intermediates": between, "targets": targets})


def _cost(
    cur: duckdb.DuckDBPyConnection, request: Request | None, *, paths: AtlasPaths
) -> tuple[int | None, float | None, float | None]:
    if not isinstance(request, StudyRequest):
        return None, None, None
    try:
        planned = planning.plan(request, paths=paths, cur=cur)
    except AtlasError:  # the command says why when it is started
        return None, None, None
    return planned.cost.n_runs, planned.time.low, planned.time.high


def judged_selectors(
    cur: duckdb.DuckDBPyConnection, evidence: Evidence, *, paths: AtlasPaths, mirror: str | None = None
) -> pd.DataFrame:
    """How well each selector ranks, as `judge_selectors` says; the note of one that needs a profile has its command.

    Args:
        mirror: Folder that commands name; None: that of the newest run made here.
    """
    found = selectors(cur, evidence)
    rows = judge_selectors(found)
    if not found.unmeasured:
        return rows
    (command,) = _commands(cur, [found.request], pooled=evidence.pooled, paths=paths, mirror=mirror)
    needs = rows["selector"].isin(found.unmeasured)
    return rows.assign(note=rows["note"].mask(needs, rows["note"] + f". Measure them: {command}"))


def _commands(
    cur: duckdb.DuckDBPyConnection,
    requests: Iterable[Request | None],
    *,
    pooled: PooledRuns,
    paths: AtlasPaths,
    mirror: str | None,
) -> list[Command | None]:
    """One a request; the runs it is like are looked up only where there is one."""
    wanted = list(requests)
    if all(request is None for request in wanted):
        return [None] * len(wanted)
    basis = basis_like(cur, pooled, paths=paths, mirror=mirror)
    return [None if request is None else command_of(completed(request, basis)) for request in wanted]
