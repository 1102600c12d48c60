"""Small specs and run folders, made by hand, for the tests of jobs, store and queries."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from core.events import (
    Envelope,
    Event,
    LanguageScored,
    PlannedStage,
    RunFinished,
    RunPlanned,
    RunStarted,
    StageFinished,
    StageStarted,
    StepLogged,
)
from core.paths import AtlasPaths, RunPaths
from core.spec.model import ModelSpec
from core.spec.protocol import ProtocolSpec, StageProtocol
from core.spec.run import DataSource, DataSourceKind, IntermediateSpec, RunSpec
from core.spec.task import Columns, Metric, Role, SplitRef, TaskSpec
from core.spec.versions import CODE_VERSION

MODEL = ModelSpec(
    name="tiny",
    title="Tiny",
    path="/m",
    architecture="bert",
    languages="multilingual",
    parameters_m=10,
    licence="MIT",
    citation="us",
)
PROTOCOL = ProtocolSpec(
    name="quick",
    summary="s",
    intermediate=StageProtocol(learning_rate=1e-5, max_train_examples=1000),
    target=StageProtocol(learning_rate=2e-5, max_train_examples=500),
    max_test_examples=100,
)
SAMPLE = DataSource(kind=DataSourceKind.SAMPLE)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def task(name: str, *, languages: tuple[str, ...] = ("en", "de", "sw"), examples: int = 5000) -> TaskSpec:
    """A classification task of that name."""
    split = SplitRef(path=f"x/{name}", split="train")
    return TaskSpec(
        name=name,
        title=name,
        type="classification",
        roles=(Role.TARGET, Role.INTERMEDIATE),
        summary="s",
        languages=languages,
        labels=("no", "yes"),
        columns=Columns(text="text", label="label"),
        train=split,
        dev=split,
        test=split,
        metrics=(Metric.ACCURACY, Metric.F1),
        chance=0.5,
        licence="CC0",
        citation="us",
        train_examples=examples,
        test_examples=1000,
    )


def run_spec(
    intermediate: str | None = None,
    *,
    target: str = "xnli",
    seed: int = 1,
    languages: tuple[str, ...] = ("en", "de", "sw"),
) -> RunSpec:
    """A run of the tiny model on the sample data."""
    wanted = IntermediateSpec.parse(intermediate) if intermediate else None
    names = sorted({target, *(wanted.needs if wanted else ())})
    return RunSpec(
        model=MODEL,
        intermediate=wanted,
        target=target,
        seed=seed,
        protocol=PROTOCOL,
        data_source=SAMPLE,
        tasks=tuple(task(n, languages=languages) for n in names),
    )


def lines(events: Iterable[Event], *, start: int = 0, first: datetime = NEW_YEAR, apart_s: int = 1) -> str:
    """Events as lines of `events.jsonl`, as if they had happened one after the other from that moment on."""
    moments = ((i, first + timedelta(seconds=apart_s * i), event) for i, event in enumerate(events, start=start))
    return "".join(
        Envelope(
            seq=i, time=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), event=event
        ).model_dump_json()
        + "\n"
        for i, at, event in moments
    )


def scored(
    lang: str, score: float, *, metric: Metric = Metric.ACCURACY, n: int = 100, fingerprint: str = "f"
) -> LanguageScored:
    """One score; the fingerprint names the examples."""
    return LanguageScored(lang=lang, metric=metric, score=score, n=n, split="test", fingerprint=f"{fingerprint}-{lang}")


def history(spec: RunSpec, scores: Iterable[Event], *, steps: int = 2, speed: float = 50.0) -> list[Event]:
    """Everything a run without trouble reports."""
    parent = f"i-{spec.intermediate_name}-{spec.seed}" if spec.intermediate else None
    target, evaluation = f"t-{spec.run_id}", f"e-{spec.run_id}"
    plan = (
        [
            PlannedStage(
                key=parent,
                kind="intermediate",
                name=spec.intermediate_name,
                parent=None,
                is_done=False,
                code=CODE_VERSION["intermediate"],
            )
        ]
        if parent
        else []
    )
    plan.append(
        PlannedStage(
            key=target, kind="target", name=spec.target, parent=parent, is_done=False, code=CODE_VERSION["target"]
        )
    )
    plan.append(
        PlannedStage(
            key=evaluation,
            kind="evaluation",
            name=spec.target,
            parent=target,
            is_done=False,
            code=CODE_VERSION["evaluation"],
        )
    )
    events: list[Event] = [
        RunStarted(run_id=spec.run_id, attempt=1, device="cpu", pid=1),
        RunPlanned(stages=tuple(plan)),
    ]
    for stage in plan[:-1]:
        events.append(
            StageStarted(key=stage.key, kind=stage.kind, name=stage.name, task_type="classification", total_steps=steps)
        )
        events += [
            StepLogged(key=stage.key, step=s, loss=1 / s, learning_rate=1e-5, examples_per_s=speed)
            for s in range(1, steps + 1)
        ]
        events.append(StageFinished(key=stage.key, kind=stage.kind, name=stage.name, seconds=10, best_step=steps))
    found = list(scores)
    events.append(
        StageStarted(
            key=evaluation,
            kind="evaluation",
            name=spec.target,
            task_type="classification",
            total_steps=len(found),
        )
    )
    return [
        *events,
        *found,
        StageFinished(key=evaluation, kind="evaluation", name=spec.target, seconds=4),
        RunFinished(seconds=24),
    ]


def write_run(
    paths: AtlasPaths, spec: RunSpec, events: Iterable[Event], *, finished: bool = True, study: str | None = None
) -> RunPaths:
    """A run folder as the chain leaves it."""
    run = paths.run(spec.run_id)
    run.root.mkdir(parents=True)
    run.spec.write_text(spec.canonical_json())
    job = {"run_id": spec.run_id, "study": study, "position": 1.0, "submitted_at": "2026-01-01T00:00:00.000Z"}
    run.job.write_text(json.dumps(job))
    run.events.write_text(lines(events))
    if finished:
        run.finished.write_text("{}")
    return run
