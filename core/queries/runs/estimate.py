"""What a study will cost, before it is started: stages, time and disk.

Times come from the medians and quartiles of stages in the store; where there are none, from the parameter count, with
the wide constants below. They are estimates for a form, not measurements.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import duckdb

from core.spec.model import ModelSpec
from core.spec.run import RunSpec, StudySpec
from core.spec.task import Role, TaskSpec
from core.types.table import task_type

DeviceKind = Literal["cpu", "cuda"]
"""Speeds of the two are never mixed."""

FALLBACK_M_EXAMPLES_PER_S: dict[DeviceKind, tuple[float, float]] = {
    "cpu": (500.0, 5_000.0),
    "cuda": (40_000.0, 600_000.0),
}
"""Slow and fast guess of training examples/s times parameters in millions: 2 to 16 cores, small to large GPU."""

FORWARD_SPEEDUP = 3.0
"""An evaluation has the forward pass of a training step (1 of about 3 passes' work)."""

FALLBACK_PARAMETERS_M = 280.0
"""XLM-R base, where a model's size is not known."""

FALLBACK_EXAMPLES = 50_000
"""Training examples of a task that does not say."""

FALLBACK_TEST_EXAMPLES = 2_000
"""Test examples per language of a task that does not say."""

_BYTES_PER_WEIGHT = 4


class Speed(NamedTuple):
    """Examples per second."""

    slow: float
    """Lower quartile, or the slow guess."""
    fast: float
    """Upper quartile, or the fast guess."""
    n: int
    """Stages it was measured on; 0: a guess."""


class StudyEstimate(NamedTuple):
    """What a study will cost."""

    n_runs: int
    """Runs, baselines included."""
    n_done: int
    """Of them, finished already: they cost nothing more."""
    n_trainings: int
    """Trainings with reuse, of the runs that are not done; stages that other runs left behind may save more."""
    n_trainings_without_reuse: int
    """The same, were every run to train each of its stages."""
    n_evaluations: int
    """Languages scored."""
    seconds_low: float
    """On one slot, at the fast speed."""
    seconds_high: float
    """On one slot, at the slow speed."""
    disk_bytes: int
    """Weights of all stages and one resumable checkpoint."""
    basis: str
    """Where the speeds are from, one sentence for the user."""


def estimate(cur: duckdb.DuckDBPyConnection, study: StudySpec, *, device: DeviceKind = "cpu") -> StudyEstimate:
    """Stages, time and disk of a study.

    Args:
        study: What would be started.
        device: Where it would run.
    """
    runs = {run.run_id: run for run in study.runs()}
    done = _finished(cur, list(runs))
    todo = [run for run_id, run in runs.items() if run_id not in done]
    trainings = _trainings(todo)
    unique = {key: (run, role) for run, role, key in trainings}
    kinds = {(run.model.name, _task_type(run, role)) for run, role in unique.values()}
    kinds |= {(run.model.name, run.task(run.target).type) for run in todo}
    models = {model.name: model for model in study.models}
    speeds = {kind: _speed(cur, models[kind[0]], task_type=kind[1], device=device) for kind in kinds}
    low = high = 0.0
    for run, role in unique.values():
        speed, work = speeds[run.model.name, _task_type(run, role)], _training_examples(run, role)
        low, high = low + work / speed.fast, high + work / speed.slow
    for run in todo:
        speed, work = speeds[run.model.name, run.task(run.target).type], _test_examples(run) / FORWARD_SPEEDUP
        low, high = low + work / speed.fast, high + work / speed.slow
    return StudyEstimate(
        n_runs=len(runs),
        n_done=len(done),
        n_trainings=len(unique),
        n_trainings_without_reuse=len(trainings),
        n_evaluations=sum(len(run.task(run.target).languages) for run in todo),
        seconds_low=low,
        seconds_high=high,
        disk_bytes=_disk(unique.values()),
        basis=_basis(speeds, device=device),
    )


def _finished(cur: duckdb.DuckDBPyConnection, run_ids: list[str]) -> set[str]:
    sql = (
        "SELECT run_id FROM runs WHERE outcome = 'finished' AND list_contains($ids::VARCHAR[], run_id) ORDER BY run_id"
    )
    return {row[0] for row in cur.execute(sql, {"ids": run_ids}).fetchall()}


def _trainings(runs: list[RunSpec]) -> list[tuple[RunSpec, Role, tuple[object, ...]]]:
    """Every training of every run with what decides whether two are the same one."""
    found: list[tuple[RunSpec, Role, tuple[object, ...]]] = []
    for run in runs:
        if run.intermediate:
            found.append((run, Role.INTERMEDIATE, (run.model.name, run.intermediate.name, run.seed)))
        if run.intermediate and run.intermediate.third:
            # Two folds are trained and scored to find the thirds, once for all three of them and their placebos.
            whole = run.intermediate.model_copy(update={"third": None, "placebo": None}).name
            found += [(run, Role.INTERMEDIATE, (run.model.name, whole, run.seed, fold)) for fold in (1, 2)]
        if task_type(run.task(run.target).type).is_trained:
            found.append((run, Role.TARGET, (run.run_id,)))
    return found


def _task_type(run: RunSpec, role: Role) -> str:
    if role is Role.TARGET or run.intermediate is None:
        return run.task(run.target).type
    if run.intermediate.placebo == "mlm":
        return "mlm"
    return "multi_task" if len(run.intermediate.tasks) > 1 else run.task(run.intermediate.tasks[0]).type


def _training_examples(run: RunSpec, role: Role) -> float:
    """Examples through the model in a stage: training passes, and development passes at a third of their cost."""
    names = run.intermediate.tasks if role is Role.INTERMEDIATE and run.intermediate else (run.target,)
    stage = run.stage_protocol(role, names[0])
    sizes = [_size(run.task(name), run=run) * stage.train_share for name in names]
    n = sum(min(size, stage.mix_cap) if stage.mix_cap and len(names) > 1 else size for size in sizes)
    n = min(n, stage.max_train_examples) if stage.max_train_examples else n
    seen = n * stage.epochs
    seen = min(seen, stage.max_steps * stage.batch_size) if stage.max_steps else seen
    n_dev = min(stage.max_dev_examples or FALLBACK_TEST_EXAMPLES, FALLBACK_TEST_EXAMPLES)
    return seen + stage.evaluations * n_dev / FORWARD_SPEEDUP


def _size(task: TaskSpec, *, run: RunSpec) -> float:
    if task.train_examples is not None and not task.parts:
        return task.train_examples
    parts = [run.task(name).train_examples or FALLBACK_EXAMPLES for name in task.parts]
    return (task.train_examples or 0) + sum(parts) if parts else FALLBACK_EXAMPLES


def _test_examples(run: RunSpec) -> float:
    task, protocol = run.task(run.target), run.protocol
    per_lang = task.test_examples or FALLBACK_TEST_EXAMPLES
    limit = task_type(task.type).scored_of(protocol.max_test_examples)
    return len(task.languages) * (min(per_lang, limit) if limit else per_lang)


def _speed(cur: duckdb.DuckDBPyConnection, model: ModelSpec, *, task_type: str, device: DeviceKind) -> Speed:
    """Quartiles over stages of the model on the device: of the task type if there are any, of all types otherwise."""
    sql = """
        WITH speeds AS (
            SELECT g.task_type = $task_type AS same, median(p.examples_per_s) AS speed
            FROM steps p JOIN stages g USING (run_id, key) JOIN runs r USING (run_id)
            WHERE r.model = $model AND starts_with(r.device, $device) AND p.examples_per_s > 0
            GROUP BY p.run_id, p.key, g.task_type
        )
        SELECT quantile_cont(speed, 0.25), quantile_cont(speed, 0.75), count(*) FROM speeds
        GROUP BY coalesce(same, FALSE) ORDER BY coalesce(same, FALSE) DESC LIMIT 1
    """
    row = cur.execute(sql, {"task_type": task_type, "model": model.name, "device": device}).fetchone()
    if row:
        return Speed(float(row[0]), float(row[1]), int(row[2]))
    size = model.parameters_m or FALLBACK_PARAMETERS_M
    slow, fast = FALLBACK_M_EXAMPLES_PER_S[device]
    return Speed(slow / size, fast / size, 0)


def _disk(trainings: Iterable[tuple[RunSpec, Role]]) -> int:
    sizes = [run.model.parameters_m or FALLBACK_PARAMETERS_M for run, _ in trainings]
    # A checkpoint that can be resumed holds the weights and AdamW's two moments.
    return int((sum(sizes) + 3 * max(sizes, default=0.0)) * 1e6 * _BYTES_PER_WEIGHT)


def _basis(speeds: dict[tuple[str, str], Speed], *, device: DeviceKind) -> str:
    measured = sum(speed.n > 0 for speed in speeds.values())
    if not speeds:
        return "Everything is done already."
    if measured == len(speeds):
        return f"Speeds measured on {sum(s.n for s in speeds.values())} earlier stages on {device}, middle half."
    if measured:
        return f"Speeds measured for {measured} of {len(speeds)} task types on {device}, guessed for the others."
    return f"No stage was measured on {device} yet: speeds are guessed from the number of parameters."
