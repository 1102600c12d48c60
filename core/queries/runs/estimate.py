"""What a study will cost, before it is started, and what the queue still costs: stages, time and disk.

Times come from what stages in the store took (`pace`), on all slots of the machine (`slots`). They are estimates for a
form, not measurements.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import duckdb

from core.queries.runs.pace import (
    FALLBACK_PARAMETERS_M,
    FALLBACK_TEST_EXAMPLES,
    FORWARD_SPEEDUP,
    NO_TIME,
    Machine,
    Pace,
    Span,
    StageKind,
    development_work,
    measured,
    sizes_found,
)
from core.queries.runs.slots import Piece, end_times
from core.queries.runs.stages import LEFT_S
from core.spec.match import N_TEXTS, POOL
from core.spec.model import ModelSpec
from core.spec.run import RunSpec, StudySpec
from core.spec.sharing import TrainedHow, trained_by, training_of
from core.spec.task import Role, TaskSpec
from core.spec.versions import CODE_VERSION
from core.types.table import task_type

FALLBACK_EXAMPLES = 50_000
"""Training examples of a task that does not say."""

_BYTES_PER_WEIGHT = 4
_TRAINED_BY = {kind: CODE_VERSION[kind] for kind in ("intermediate", "target")}
_NOT_BEGUN: dict[tuple[str, str], float | None] = {}


Sizes = Mapping[tuple[str, str], Mapping[str, int]]
"""(task, role) → language → examples."""


class StudyEstimate(NamedTuple):
    """What a study will cost."""

    n_runs: int
    """Runs, baselines included."""
    n_done: int
    """Of them, finished already: they cost nothing more."""
    n_trainings: int
    """Trainings to do, each shared one once."""
    n_trainings_there: int
    """Trainings of the runs to do that earlier runs left behind: they are not repeated."""
    n_trainings_without_reuse: int
    """Trainings to do, were every run to train each of its stages."""
    n_evaluations: int
    """Languages scored."""
    seconds_low: float
    """Until the last run has ended, on all slots; everything goes fast."""
    seconds_high: float
    """The same, everything goes slowly."""
    disk_bytes: int
    """Weights of all stages and one resumable checkpoint."""
    basis: str
    """Where the times are from, one sentence for the user."""


class Part(NamedTuple):
    """A stage of a run before it begins."""

    kind: StageKind
    """Which."""
    name: str
    """Task, or the intermediate's text form."""
    task_type: str
    """What its head outputs."""
    work: float
    """Examples through the model, those only scored at a third."""
    training: str | None = None
    """Equal for what is done once for several runs; None: each does it."""
    finds_third: bool = False
    """Whether it is done before a run's plan, to find the third of a task that is trained on."""


class Chain(NamedTuple):
    """A run with its stages."""

    run_id: str
    """Its id, which costs a digest of the whole spec."""
    run: RunSpec
    """What it is."""
    parts: tuple[Part, ...]
    """Its stages in order."""
    n_languages: int
    """Languages that are scored."""


def estimate(
    cur: duckdb.DuckDBPyConnection,
    study: StudySpec,
    *,
    machine: Machine,
    exists: Callable[[str], bool] = lambda _: False,
    again: bool = False,
) -> StudyEstimate:
    """Stages, time and disk of a study.

    Args:
        study: What would be started.
        machine: Where it would run.
        exists: Whether a finished stage of that key is on the disk.
        again: Whether runs that are finished are made anew.
    """
    runs = {run.run_id: run for run in study.runs()}
    done = set() if again else _finished(cur, list(runs))
    sizes = sizes_found(cur, (task.name for task in study.tasks), data_source=str(study.data_source.kind))
    todo = [chain_of(run_id, run, sizes=sizes) for run_id, run in runs.items() if run_id not in done]
    there = {training for training, key in _trained(cur, todo) if exists(key)}
    paces = {model.name: _pace(cur, model, machine) for model in study.models}
    spans = _ends([_costs(chain, paces[chain.run.model.name], there=there) for chain in todo], machine)
    wanted = [(part, chain.run) for chain in todo for part in chain.parts if part.kind != "evaluation"]
    unique = {part.training: run for part, run in wanted}
    return StudyEstimate(
        n_runs=len(runs),
        n_done=len(done),
        n_trainings=len(unique.keys() - there),
        n_trainings_there=len(unique.keys() & there),
        n_trainings_without_reuse=len(wanted),
        n_evaluations=sum(chain.n_languages for chain in todo),
        seconds_low=max((span.low for span in spans), default=0.0),
        seconds_high=max((span.high for span in spans), default=0.0),
        disk_bytes=_disk(run for training, run in unique.items() if training not in there),
        basis=_basis(paces.values(), machine=machine) if todo else "Everything is done already.",
    )


def time_left(cur: duckdb.DuckDBPyConnection, run_ids: Sequence[str], *, machine: Machine) -> dict[str, Span]:
    """Seconds from now until each open run has ended, corrected by its own progress.

    A stage in progress goes on at its pace so far; stages to come take what such stages took, those that the open runs
    have finished included.

    Args:
        run_ids: Runs that are running or queued, in that order; those that the store does not know yet are left out.
        machine: Where they run.
    """
    sql = "SELECT run_id, spec FROM runs WHERE list_contains($ids::VARCHAR[], run_id) ORDER BY run_id"
    specs = dict(cur.execute(sql, {"ids": list(run_ids)}).fetchall())
    runs = {run_id: _read(specs[run_id]) for run_id in run_ids if run_id in specs}
    names = {task.name for run in runs.values() for task in run.tasks}
    sources = {str(run.data_source.kind) for run in runs.values()}
    sizes = {source: sizes_found(cur, names, data_source=source) for source in sources}
    chains = [chain_of(run_id, run, sizes=sizes[str(run.data_source.kind)]) for run_id, run in runs.items()]
    progress = _progress(cur, list(specs))
    there = {training for training, _ in _trained(cur, chains)}
    paces = {chain.run.model.name: _pace(cur, chain.run.model, machine) for chain in chains}
    jobs = [
        _costs(chain, paces[chain.run.model.name], there=there, progress=progress.get(chain.run_id, _NOT_BEGUN))
        for chain in chains
    ]
    return dict(zip((chain.run_id for chain in chains), _ends(jobs, machine), strict=True))


def chain_of(run_id: str, run: RunSpec, *, sizes: Sizes) -> Chain:
    """Stages of a run in order: what finds a third of a task (embedding, folds), intermediate, target, evaluation.

    Args:
        sizes: Examples that its source of data has, where they are known.
    """
    found, target = list[Part](), run.task(run.target)
    languages = sizes.get((target.name, "test"), {})
    if run.intermediate:
        kind, work = _task_type(run), _training_work(run, Role.INTERMEDIATE, sizes)
        *folds, last = trained_by(run)
        found = [Part("intermediate", fold.stage, kind, work, fold.what, finds_third=True) for fold in folds]
        if run.intermediate.to:
            name, once = f"{folds[0].stage}, embedded", f"embedding for {folds[0].what}"
            found.insert(0, Part("evaluation", name, kind, _embedding_work(run, sizes), once, finds_third=True))
        found.append(Part("intermediate", last.stage, kind, work, last.what))
    if task_type(target.type).is_trained:
        found.append(
            Part("target", target.name, target.type, _training_work(run, Role.TARGET, sizes), f"target of {run_id}")
        )
    found.append(Part("evaluation", target.name, target.type, _test_examples(run, languages) / FORWARD_SPEEDUP))
    return Chain(run_id, run, tuple(found), len(languages or target.languages))


@lru_cache(maxsize=4096)
def _read(spec: str) -> RunSpec:
    # A queue is looked at every two seconds; its specs do not change.
    return RunSpec.model_validate(json.loads(spec), strict=False)


def _costs(
    chain: Chain, pace: Pace, *, there: Collection[str], progress: Mapping[tuple[str, str], float | None] = _NOT_BEGUN
) -> list[tuple[Span, str | None]]:
    """What a run still does, in order: seconds, and the training it is where others may wait for it, too."""
    costs: list[tuple[Span, str | None]] = [] if progress else [(pace.start(), None)]
    source = str(chain.run.data_source.kind)
    is_planned = ("intermediate", chain.run.intermediate_name) in progress
    for part in chain.parts:
        left = progress.get((part.kind, part.name))
        if part.training in there or (part.finds_third and is_planned):
            span = NO_TIME
        elif left is not None:
            span = Span(left, left)
        else:
            span = pace.stage(part.kind, part.name, task_type=part.task_type, data_source=source, work=part.work)
        costs.append((span, part.training))
    return costs


def _ends(jobs: Sequence[Sequence[tuple[Span, str | None]]], machine: Machine) -> list[Span]:
    fast, slow = (
        end_times([[Piece(span[end], shared) for span, shared in job] for job in jobs], n_slots=len(machine.slots))
        for end in (0, 1)
    )
    return [Span(*both) for both in zip(fast, slow, strict=True)]


def _pace(cur: duckdb.DuckDBPyConnection, model: ModelSpec, machine: Machine) -> Pace:
    return Pace(model, measured(cur, model.name, device=machine.kind), machine=machine)


def _finished(cur: duckdb.DuckDBPyConnection, run_ids: list[str]) -> set[str]:
    sql = (
        "SELECT run_id FROM runs WHERE outcome = 'finished' AND list_contains($ids::VARCHAR[], run_id) ORDER BY run_id"
    )
    return {row[0] for row in cur.execute(sql, {"ids": run_ids}).fetchall()}


def _trained(cur: duckdb.DuckDBPyConnection, chains: Iterable[Chain]) -> list[tuple[str, str]]:
    """Trainings of the runs that runs of this machine have finished, with their keys."""
    sql = """
        SELECT DISTINCT r.intermediate, r.run_id, g.kind, g.key,
               r.model, r.model_fingerprint, r.seed, r.protocol_digest, r.data_source
        FROM stages g JOIN runs r USING (run_id)
        WHERE r.collection = 'yours' AND g.state IN ('finished', 'reused')
          AND g.code = CASE g.kind WHEN 'target' THEN $target ELSE $intermediate END
          AND list_contains($protocols::VARCHAR[], r.protocol_digest)
          AND g.kind <> 'evaluation' AND (g.kind = 'target' OR g.name = r.intermediate)
        ORDER BY ALL
    """
    protocols = sorted({chain.run.protocol.digest() for chain in chains})
    rows = cur.execute(sql, {**_TRAINED_BY, "protocols": protocols}).fetchall()
    return [
        (f"target of {run_id}" if kind == "target" else training_of(between, how=TrainedHow(*how)), key)
        for between, run_id, kind, key, *how in rows
    ]


def _progress(cur: duckdb.DuckDBPyConnection, run_ids: list[str]) -> dict[str, dict[tuple[str, str], float | None]]:
    """Seconds that the stages of runs still need, by kind and name: 0 for finished ones, None for those to come."""
    sql = f"""
        SELECT run_id, kind, name, {LEFT_S}
        FROM stages WHERE list_contains($ids::VARCHAR[], run_id) ORDER BY run_id, position
    """
    found: dict[str, dict[tuple[str, str], float | None]] = {}
    for run_id, kind, name, left in cur.execute(sql, {"ids": run_ids}).fetchall():
        found.setdefault(run_id, {})[kind, name] = left
    return found


def _task_type(run: RunSpec) -> str:
    """Of the intermediate stage, which there is."""
    assert run.intermediate is not None
    if run.intermediate.placebo == "mlm":
        return "mlm"
    return "multi_task" if len(run.intermediate.tasks) > 1 else run.task(run.intermediate.tasks[0]).type


def _training_work(run: RunSpec, role: Role, found: Sizes) -> float:
    """Examples through the model in a stage: training passes, and development passes at a third of their cost."""
    names = run.intermediate.tasks if role is Role.INTERMEDIATE and run.intermediate else (run.target,)
    stage = run.stage_protocol(role, names[0])
    sizes = [_size(run.task(name), run=run, found=found) * stage.train_share for name in names]
    n = sum(min(size, stage.mix_cap) if stage.mix_cap and len(names) > 1 else size for size in sizes)
    n = min(n, stage.max_train_examples) if stage.max_train_examples else n
    seen = n * stage.epochs
    seen = min(seen, stage.max_steps * stage.batch_size) if stage.max_steps else seen
    return seen + development_work(stage)


def _embedding_work(run: RunSpec, found: Sizes) -> float:
    """Examples that become vectors, at a third: those of the pool, and of the target that nearness is measured to."""
    assert run.intermediate is not None and run.intermediate.to is not None
    stage = run.stage_protocol(Role.INTERMEDIATE, run.intermediate.tasks[0])
    sizes = [_size(run.task(name), run=run, found=found) * stage.train_share for name in run.intermediate.tasks]
    limit = stage.max_train_examples
    pool = sum(min(size, POOL * limit) if limit else size for size in sizes)
    return (pool + min(N_TEXTS, _size(run.task(run.intermediate.to), run=run, found=found))) / FORWARD_SPEEDUP


def _size(task: TaskSpec, *, run: RunSpec, found: Sizes) -> float:
    if (task.name, "train") in found:
        return sum(found[task.name, "train"].values())
    if task.train_examples is not None and not task.parts:
        return task.train_examples
    parts = [run.task(name).train_examples or FALLBACK_EXAMPLES for name in task.parts]
    return (task.train_examples or 0) + sum(parts) if parts else FALLBACK_EXAMPLES


def _test_examples(run: RunSpec, found: Mapping[str, int]) -> float:
    task, protocol = run.task(run.target), run.protocol
    per_lang = found or dict.fromkeys(task.languages, task.test_examples or FALLBACK_TEST_EXAMPLES)
    limit = task_type(task.type).scored_of(protocol.max_test_examples)
    return sum(min(n, limit) if limit else n for n in per_lang.values())


def _disk(runs: Iterable[RunSpec]) -> int:
    sizes = [run.model.parameters_m or FALLBACK_PARAMETERS_M for run in runs]
    # A checkpoint that can be resumed holds the weights and AdamW's two moments.
    return int((sum(sizes) + 3 * max(sizes, default=0.0)) * 1e6 * _BYTES_PER_WEIGHT)


def _basis(paces: Collection[Pace], *, machine: Machine) -> str:
    known = [pace for pace in paces if pace.n_measured]
    n, n_unknown = sum(pace.n_measured for pace in known), sum(not pace.n_measured for pace in paces)
    if not known:
        return f"Nothing was measured on {machine.kind} yet: the time is guessed from the number of parameters."
    where = "" if any(pace.is_own for pace in known) else ", all on other machines"
    guessed = f"; {n_unknown} models were never measured and are guessed" if n_unknown else ""
    head = f"The estimate is from {n:,} earlier trainings and scorings on {machine.kind}{where}"
    return f"{head}; its range holds nine of ten such times{guessed}."
