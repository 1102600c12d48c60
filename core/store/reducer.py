"""One run folder as rows of the index: the spec, then every complete line of `events.jsonl`, reduced in order.

Later facts supersede earlier ones, so a resumed attempt needs no special case. To store a new fact: one function here,
one line in `_REDUCERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from pydantic import ValidationError

from core import events as facts
from core.errors import RunFolderDamaged
from core.files import read_whole
from core.paths import RunPaths
from core.spec.base import canonical, first_problem
from core.spec.profile import check_named
from core.spec.run import RunSpec
from core.store.setting_aside import read_events

RUN_TABLES = ("stages", "steps", "dev_scores", "judgements", "scores", "skips", "flags", "splits")
"""Tables beside `runs` that the facts of a run fill."""

Row = dict[str, Any]  # a row's values have the types of its table's columns, which schema.py states


@dataclass
class RunTables:
    """Rows that the events read so far come to."""

    run: Row
    """The row of `runs`."""
    stages: dict[str, Row] = field(default_factory=dict)
    """By key."""
    steps: dict[tuple[str, int], Row] = field(default_factory=dict)
    """By stage and step."""
    dev_scores: dict[tuple[str, int], Row] = field(default_factory=dict)
    """By stage and step."""
    judgements: dict[tuple[str, str], Row] = field(default_factory=dict)
    """By stage and task."""
    scores: dict[tuple[str, str], Row] = field(default_factory=dict)
    """By language and metric."""
    skips: dict[str, Row] = field(default_factory=dict)
    """By language."""
    flags: dict[tuple[str, str], Row] = field(default_factory=dict)
    """By flag and message."""
    splits: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    """By task, role and language."""
    size: int = 0
    """Bytes of `events.jsonl` that were read."""
    time: datetime | None = None
    """Of the last fact."""
    attempt_at: datetime | None = None
    """Start of the attempt in progress."""
    stage_at: datetime | None = None
    """Start of the stage in progress, None between stages."""
    current: str | None = None
    """Key of that stage."""
    plan: frozenset[str] | None = None
    """Keys of the stages of the newest plan."""
    said: set[tuple[str, Hashable]] = field(default_factory=set)
    """Table and key of what the attempt in progress has reported: splits, flags, stages."""

    def rows(self, table: str) -> list[Row]:
        """Rows for one table, without the run id.

        Args:
            table: Its name.
        """
        found: dict[object, Row] = getattr(self, table)
        return list(found.values())


def reduce_run(run: RunPaths) -> RunTables:
    """Read a run folder.

    Raises:
        RunFolderDamaged: A file is missing, not UTF-8, or not what it should be; the message says which and where.
    """
    tables = RunTables(run=_spec_row(run))
    raw = read_events(run)
    tables.size = raw.rfind(b"\n") + 1
    last_seq = -1
    for number, line in enumerate(raw[: tables.size].split(b"\n")[:-1], start=1):
        try:
            envelope = facts.ENVELOPE.validate_json(line)
            tables.time = datetime.fromisoformat(envelope.time).replace(tzinfo=None)
        except (ValidationError, ValueError) as error:
            raise RunFolderDamaged(f"{run.events.name}, line {number}: {first_problem(error)}") from error
        # The place in the file is the identity of a fact: one that was written twice counts once.
        if envelope.seq > last_seq:
            last_seq = envelope.seq
            _REDUCERS[type(envelope.event)](tables, envelope.event)
    _close_attempt(tables)
    _outcome(run, tables)
    return tables


def _spec_row(run: RunPaths) -> Row:
    try:
        raw = orjson.loads(read_whole(run.spec))
        spec = RunSpec.model_validate(raw, strict=False)
    except FileNotFoundError:
        raise RunFolderDamaged(f"There is no {run.spec.name}.") from None
    except (ValueError, ValidationError) as error:
        raise RunFolderDamaged(f"{run.spec.name}: {first_problem(error)}") from error
    check_named(raw, run.run_id)
    job = _json_object(read_whole(run.job) if run.job.exists() else b"{}", name=run.job.name)
    environment = read_whole(run.environment).decode("utf-8", "replace") if run.environment.exists() else None
    if environment is not None:
        _json_object(environment.encode(), name=run.environment.name)
    target = spec.task(spec.target)
    return {
        "run_id": run.run_id,
        "collection": "yours",
        "study": job.get("study"),
        "model": spec.model.name,
        "model_fingerprint": spec.model.fingerprint or spec.model.revision,
        "intermediate": spec.intermediate_name,
        "target": spec.target,
        "task_type": target.type,
        "seed": spec.seed,
        "protocol": spec.protocol.name,
        "protocol_digest": spec.protocol.digest(),
        "data_source": str(spec.data_source.kind),
        "pair_key": spec.pair_key(),
        "headline_metric": str(target.headline),
        "chance": target.chance,
        "submitted_at": _moment(job.get("submitted_at")),
        "started_at": None,
        "finished_at": None,
        "seconds": None,
        "attempts": 0,
        "device": None,
        "threads": None,
        "outcome": None,
        "error": None,
        "message": None,
        "spec": canonical(raw),
        "environment": environment,
    }


def _json_object(raw: bytes, *, name: str) -> dict[str, Any]:
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise RunFolderDamaged(f"{name}: {error}") from error
    if not isinstance(found, dict):
        raise RunFolderDamaged(f"{name}: expected an object, found {type(found).__name__}.")
    return found


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError as error:
        raise RunFolderDamaged(f"job.json: submitted_at: {error}") from error


def _outcome(run: RunPaths, tables: RunTables) -> None:
    """Markers decide how a run ended, as they do for its state; a folder without a queue has its events alone."""
    row = tables.run
    if run.finished.exists():
        row["outcome"] = "finished"
    elif run.cancel.exists():
        row["outcome"] = "cancelled"
    elif run.failed.exists():
        row["outcome"] = "failed"
        if row["message"] is None:
            marker = _json_object(read_whole(run.failed) or b"{}", name=run.failed.name)
            row["error"], row["message"] = marker.get("error"), marker.get("message")
    elif run.job.exists():
        row["outcome"] = None
    if row["outcome"] != "failed":
        row["error"] = row["message"] = None
    if row["outcome"] is None:
        row["finished_at"] = None


# ------------------------------------------------------------------------------------------------ one fact at a time


def _run_started(tables: RunTables, event: facts.RunStarted) -> None:
    _close_attempt(tables)
    row = tables.run
    row["started_at"] = row["started_at"] or tables.time
    row["attempts"] = max(row["attempts"] + 1, event.attempt)
    row["device"], row["threads"] = event.device, event.threads
    row["outcome"] = row["error"] = row["message"] = row["finished_at"] = None
    tables.attempt_at = tables.time
    tables.said.clear()


def _close_attempt(tables: RunTables) -> None:
    """Count the time of an attempt that ended without an event."""
    if tables.attempt_at and tables.time:
        _add_seconds(tables.run, (tables.time - tables.attempt_at).total_seconds())
    _interrupt_stage(tables)
    tables.attempt_at = None


def _interrupt_stage(tables: RunTables) -> None:
    if tables.current and tables.stage_at and tables.time:
        _add_seconds(tables.stages[tables.current], (tables.time - tables.stage_at).total_seconds())
    tables.stage_at = tables.current = None


def _add_seconds(row: Row, seconds: float) -> None:
    row["seconds"] = (row["seconds"] or 0.0) + max(0.0, seconds)


def _run_planned(tables: RunTables, event: facts.RunPlanned) -> None:
    plan = frozenset(stage.key for stage in event.stages)
    if tables.plan is not None and plan != tables.plan:
        _forget_other_plan(tables, plan)
    tables.plan = plan
    codes = {stage.kind: stage.code for stage in event.stages}
    for row in tables.stages.values():  # auxiliary trainings come before the plan, by the same code
        row["code"] = codes.get(row["kind"])
    for position, stage in enumerate(event.stages):
        row = _stage(tables, stage.key, kind=stage.kind, name=stage.name)
        row["position"], row["parent"], row["code"] = position, stage.parent, stage.code
        if row["state"] == "running":
            row["state"] = "planned"


def _forget_other_plan(tables: RunTables, plan: frozenset[str]) -> None:
    """Drop what earlier attempts reported under a plan that is not today's: other data, or another version's code.

    What this attempt said before its plan stays, and so do the stages that both plans have.
    """
    for name in RUN_TABLES:
        rows: dict[Any, Row] = getattr(tables, name)
        for place in [p for p in rows if (name, p) not in tables.said]:
            key = rows[place].get("key")
            if key is None or (key not in plan and ("stages", key) not in tables.said):
                del rows[place]


def _stage(tables: RunTables, key: str, *, kind: str, name: str) -> Row:
    fresh = {"key": key, "position": len(tables.stages), "kind": kind, "name": name, "parent": None, "state": "planned"}
    tables.said.add(("stages", key))
    empty = dict.fromkeys(("step", "total_steps", "seconds", "best_step", "peak_memory_mb", "task_type", "code"))
    return tables.stages.setdefault(key, fresh | empty)


def _data_loaded(tables: RunTables, event: facts.DataLoaded) -> None:
    row = event.model_dump(exclude={"type"}) | {"matched": event.matched and event.matched.canonical_json()}
    tables.splits[event.task, event.role, event.lang] = row
    tables.said.add(("splits", (event.task, event.role, event.lang)))


def _stage_started(tables: RunTables, event: facts.StageStarted) -> None:
    _interrupt_stage(tables)
    row = _stage(tables, event.key, kind=event.kind, name=event.name)
    row["state"], row["task_type"], row["total_steps"] = "running", event.task_type, event.total_steps
    row["step"] = event.resumed_at
    # Steps after the checkpoint are taken again: what they reported the first time is not part of the result.
    for table in (tables.steps, tables.dev_scores):
        for place in [p for p in table if p[0] == event.key and p[1] > event.resumed_at]:
            del table[place]
    tables.current, tables.stage_at = event.key, tables.time


def _stage_reused(tables: RunTables, event: facts.StageReused) -> None:
    row = _stage(tables, event.key, kind=event.kind, name=event.name)
    # A stage that this very run finished in an earlier attempt stays finished.
    if row["state"] != "finished":
        row["state"] = "reused"


def _step_logged(tables: RunTables, event: facts.StepLogged) -> None:
    tables.steps[event.key, event.step] = {
        "key": event.key,
        "step": event.step,
        "loss": event.loss,
        "learning_rate": event.learning_rate,
        "examples_per_s": event.examples_per_s,
        "memory_mb": event.memory_mb,
        "cores": event.cores,
    }
    if event.key in tables.stages:
        tables.stages[event.key]["step"] = event.step


def _dev_scored(tables: RunTables, event: facts.DevScored) -> None:
    row = {"key": event.key, "step": event.step, "metric": str(event.metric), "score": event.score, "n": event.n}
    tables.dev_scores[event.key, event.step] = row


def _stage_judged(tables: RunTables, event: facts.StageJudged) -> None:
    row = event.model_dump(exclude={"type"}) | {"metric": str(event.metric), "has_learned": event.has_learned}
    tables.judgements[event.key, event.task] = row


def _stage_finished(tables: RunTables, event: facts.StageFinished) -> None:
    row = _stage(tables, event.key, kind=event.kind, name=event.name)
    row["state"], row["best_step"], row["peak_memory_mb"] = "finished", event.best_step, event.peak_memory_mb
    _add_seconds(row, event.seconds)
    tables.current = tables.stage_at = None


def _language_scored(tables: RunTables, event: facts.LanguageScored) -> None:
    tables.scores[event.lang, str(event.metric)] = {
        "lang": event.lang,
        "metric": str(event.metric),
        "score": event.score,
        "score_last": event.score_last,
        "score_mean": event.score_mean,
        "score_oracle": event.score_oracle,
        "floor": event.floor,
        "floor_rule": event.floor_rule,
        "floor_p": event.floor_p,
        "n": event.n,
        "split": event.split,
        "fingerprint": event.fingerprint,
    }
    tables.skips.pop(event.lang, None)
    _count_languages(tables)


def _language_skipped(tables: RunTables, event: facts.LanguageSkipped) -> None:
    tables.skips[event.lang] = {"lang": event.lang, "reason": event.reason}
    for place in [p for p in tables.scores if p[0] == event.lang]:
        del tables.scores[place]
    _count_languages(tables)


def _count_languages(tables: RunTables) -> None:
    row = tables.stages.get(tables.current or "")
    if row and row["kind"] == "evaluation":
        row["step"] = len({lang for lang, _ in tables.scores} | set(tables.skips))


def _flagged(tables: RunTables, event: facts.Flagged) -> None:
    tables.flags[event.flag, event.message] = {"flag": event.flag, "message": event.message}
    tables.said.add(("flags", (event.flag, event.message)))


def _not_of_a_run(tables: RunTables, event: facts.PointSkipped | facts.ProfileAdvanced) -> None:
    """Facts of profiles, which `profiles.py` reads; a run has none."""
    del tables, event


def _run_finished(tables: RunTables, event: facts.RunFinished) -> None:
    _end(tables, outcome="finished", seconds=event.seconds)


def _run_failed(tables: RunTables, event: facts.RunFailed) -> None:
    _end(tables, outcome="failed", seconds=None)
    tables.run["error"], tables.run["message"] = event.error, event.message


def _run_cancelled(tables: RunTables, event: facts.RunCancelled) -> None:
    del event
    _end(tables, outcome="cancelled", seconds=None)


def _end(tables: RunTables, *, outcome: str, seconds: float | None) -> None:
    if seconds is not None:
        _add_seconds(tables.run, seconds)
        tables.attempt_at = None
    _close_attempt(tables)
    for row in tables.stages.values():
        row["state"] = "planned" if row["state"] == "running" else row["state"]
    tables.run["outcome"], tables.run["finished_at"] = outcome, tables.time


_REDUCERS: dict[type, Callable[[RunTables, Any], None]] = {
    facts.RunStarted: _run_started,
    facts.RunPlanned: _run_planned,
    facts.DataLoaded: _data_loaded,
    facts.StageStarted: _stage_started,
    facts.StageReused: _stage_reused,
    facts.StepLogged: _step_logged,
    facts.DevScored: _dev_scored,
    facts.StageJudged: _stage_judged,
    facts.StageFinished: _stage_finished,
    facts.LanguageScored: _language_scored,
    facts.LanguageSkipped: _language_skipped,
    facts.Flagged: _flagged,
    facts.PointSkipped: _not_of_a_run,
    facts.ProfileAdvanced: _not_of_a_run,
    facts.RunFinished: _run_finished,
    facts.RunFailed: _run_failed,
    facts.RunCancelled: _run_cancelled,
}
