"""A filled home for tests: hand-made run folders of every kind, as a job would have left them.

Two intermediates and more on XNLI (two seeds, one language skipped, predictions for MNLI and its baseline), an in-task
pair on XQuAD, a failed run, a run without a baseline, a queued-looking cancelled run, and a damaged folder. `profile`
adds the domain profile of all of them. Scores, answers and places are made up from formulas and mean nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from core import events as facts
from core.jobs.records import JobRecord
from core.models import MODELS
from core.paths import REPO, AtlasPaths, RunPaths
from core.protocols import PROTOCOLS
from core.spec.run import DataSource, DataSourceKind, IntermediateSpec, RunSpec, StudySpec
from core.spec.versions import CODE_VERSION
from core.store.connection import Store
from core.tasks import TASKS
from tests.makers.folders import lines

START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
"""When the first run of the fixture began."""
_EFFECT = {"none": 0.0, "mnli": 0.021, "qqp": -0.012, "squad": 0.034, "cola": -0.028, "mnli~shuffled": -0.006}
_MODEL = "xlm-r-base"
PROFILED = ("cola", "mnli", "qqp", "squad", "stsb")
"""Intermediates of the fixture's domain profile."""
_PROFILE = "p00000000001"


def spec(intermediate: str, target: str, *, seed: int = 1) -> RunSpec:
    """One run of the fixture's setting.

    Args:
        intermediate: Text form, or `none`.
        target: Target.
        seed: Seed.
    """
    between = None if intermediate == "none" else IntermediateSpec.parse(intermediate)
    study = StudySpec(
        name="fixture",
        models=(MODELS[_MODEL],),
        intermediates=(between,),
        targets=(target,),
        seeds=(seed,),
        protocol=PROTOCOLS["quick"],
        data_source=DataSource(kind=DataSourceKind.SAMPLE),
        tasks=tuple(TASKS.values()),
        with_baselines=False,
    )
    return study.runs()[0]


def fill(home: Path) -> dict[str, str]:
    """Write all run folders; ids by what they are.

    Args:
        home: Empty folder that serves as the Atlas home.
    """
    paths = AtlasPaths(home=home)
    for seed in (1, 2):
        for name in ("none", "mnli", "qqp", "cola", "mnli~shuffled"):
            finish(paths, spec(name, "xnli", seed=seed), skip=("sw",) if name == "qqp" else ())
    for name in ("none", "squad"):
        finish(
            paths, spec(name, "xquad"), flags=(("in_task", "SQuAD is also XQuAD's training data."),) * (name == "squad")
        )
    no_baseline, failed, cancelled = spec("mnli", "tatoeba"), spec("stsb", "xnli"), spec("imdb~mlm", "udpos")
    finish(paths, no_baseline)
    _fail(paths, failed)
    _submitted(paths, cancelled).cancel.touch()
    broken = paths.runs / "0123456789ab"
    broken.mkdir(parents=True)
    (broken / "spec.json").write_text("{ half a", encoding="utf-8")
    return {
        "finished": spec("mnli", "xnli").run_id,
        "baseline": spec("none", "xnli").run_id,
        "skipping": spec("qqp", "xnli").run_id,
        "in_task": spec("squad", "xquad").run_id,
        "no_baseline": no_baseline.run_id,
        "failed": failed.run_id,
        "cancelled": cancelled.run_id,
        "damaged": broken.name,
    }


def profile(store: Store) -> str:
    """Put a domain profile of the fixture's tasks into a store; its id.

    Args:
        store: Open store.
    """
    points = [(name, name, "intermediate", "en") for name in PROFILED]
    points += [("xnli:train", "xnli", "train", "en"), ("xquad:train", "xquad", "train", "en")]
    points += [(f"xnli:test:{lang}", "xnli", "test", lang) for lang in TASKS["xnli"].languages]
    similarities = [
        (
            _PROFILE,
            *sorted((a[0], b[0])),
            name,
            centred,
            round(_nearness(a[0], b[0]) * scale, 4),
            None,
            None,
            500,
            500,
            0,
        )
        for a in points
        for b in points
        if a[2] == "intermediate" and b[2] != "intermediate"
        for name, scale in (("centroid_cosine", 1.0), ("frechet", -1.0), ("vocabulary_overlap", 0.5))
        for centred in ((False,) if name == "vocabulary_overlap" else (False, True))
    ]
    with store.write() as cur:
        cur.execute(
            """
            INSERT INTO profiles
            VALUES (?, 'measured', 'domain', 'fixture-encoder', NULL, 'sample', 1, ?, 2.5, '{}', '{}')
            """,
            [_PROFILE, START],
        )
        cur.executemany(
            "INSERT INTO profile_texts VALUES (?, ?, ?, ?, ?, 'train', 500, 4000, 'f')",
            [(_PROFILE, *point) for point in points],
        )
        cur.executemany("INSERT INTO similarities VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", similarities)
        cur.executemany(
            "INSERT INTO positions VALUES (?, ?, 'pca', ?, ?, ?)",
            [(_PROFILE, point[0], c, *_place(point[0], c)) for point in points for c in (False, True)],
        )
    return _PROFILE


@contextmanager
def held(database: Path) -> Iterator[None]:
    """The database open in another process, as a running application has it."""
    code = (
        "import sys; from core.store.connection import Store; s = Store.open(sys.argv[1]); print(flush=True); input()"
    )
    words = [sys.executable, "-c", code, str(database)]
    with subprocess.Popen(words, cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.communicate("\n")


def bare(store: Store, *langs: str) -> None:
    """Skip languages in every finished run on XNLI, as where a data source has no test set of them.

    Args:
        store: Open store that holds the runs.
        langs: Languages that lose their scores.
    """
    mine = "SELECT run_id FROM runs WHERE target = 'xnli' AND outcome = 'finished'"
    with store.write() as cur:
        cur.execute(f"DELETE FROM scores WHERE run_id IN ({mine}) AND list_contains(?::VARCHAR[], lang)", [list(langs)])
        cur.execute(
            f"INSERT OR REPLACE INTO skips SELECT run_id, unnest(?::VARCHAR[]), 'no test set' FROM ({mine})",
            [list(langs)],
        )


def _share(text: str) -> float:
    """A number in [0, 1] that depends on the text alone."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:4], 16) / 65535


def _nearness(intermediate: str, point: str) -> float:
    """Closer where the fixture's effect is larger, with some noise."""
    return 0.6 + 5 * _EFFECT.get(intermediate, 0.0) + 0.08 * (_share(f"{intermediate} {point}") - 0.5)


def _place(point: str, centred: bool) -> tuple[float, float]:
    angle, radius = 2 * math.pi * _share(point), 0.3 if ":test:" in point and centred else 1.0
    return radius * math.cos(angle), radius * math.sin(angle)


N = 200
"""Test examples of a language."""


def score_of(run: RunSpec, lang: str) -> float:
    """The made-up score of a run in a language; equal arguments, equal scores.

    Args:
        run: The run.
        lang: Language.
    """
    noise = int(hashlib.sha256(f"{run.intermediate_name}{run.seed}{lang}".encode()).hexdigest()[:4], 16) / 65535 - 0.5
    base = int(hashlib.sha256(lang.encode()).hexdigest()[:4], 16) / 65535
    score = 0.45 + 0.3 * base + _EFFECT.get(run.intermediate_name, 0.0) * (0.4 + base) + 0.012 * noise
    return round(N * score) / N if _has_predictions(run) else round(score, 4)


def _has_predictions(run: RunSpec) -> bool:
    return run.target == "xnli" and run.intermediate_name in ("none", "mnli")


def _submitted(paths: AtlasPaths, run: RunSpec) -> RunPaths:
    folder = paths.run(run.run_id)
    folder.root.mkdir(parents=True)
    folder.spec.write_text(run.canonical_json(), encoding="utf-8")
    record = JobRecord(
        run_id=run.run_id,
        study="fixture",
        position=1.0,
        submitted_at=START.isoformat().replace("+00:00", "Z"),
        attempts=1,
    )
    folder.job.write_text(record.model_dump_json(), encoding="utf-8")
    return folder


def finish(paths: AtlasPaths, run: RunSpec, *, skip: Sequence[str] = (), flags: Sequence[tuple[str, str]] = ()) -> None:
    folder = _submitted(paths, run)
    target = run.task(run.target)
    scored = [lang for lang in target.languages if lang not in skip]
    facts_of_run = [*_training(run), *(facts.Flagged(flag=flag, message=text) for flag, text in flags)]
    facts_of_run += [
        facts.LanguageScored(
            lang=lang,
            metric=metric,
            score=score_of(run, lang) - 0.1 * place,
            n=N,
            split="test",
            fingerprint=f"{lang}1",
        )
        for lang in scored
        for place, metric in enumerate(target.metrics)
    ]
    facts_of_run += [facts.LanguageSkipped(lang=lang, reason="no test split in this data source") for lang in skip]
    facts_of_run += [facts.StageFinished(key="e" * 12, kind="evaluation", name=run.target, seconds=30.0)]
    _write(folder, run, [*facts_of_run, facts.RunFinished(seconds=240.0)])
    if _has_predictions(run):
        _predictions(folder, run, langs=scored)
    folder.environment.write_text(json.dumps({"python": "3.11", "torch": "2.13", "device": "cpu"}), encoding="utf-8")
    folder.finished.write_text("{}", encoding="utf-8")


def _predictions(folder: RunPaths, run: RunSpec, *, langs: Sequence[str]) -> None:
    """As many right answers a language as the score says, to begin with the same ones in every seed."""
    rows = []
    for lang in langs:
        easiest = sorted(range(N), key=lambda i: _share(f"{run.intermediate_name}{lang}{i}"))
        right = set(easiest[: round(N * score_of(run, lang))])
        rows += [
            {"lang": lang, "metric": "accuracy", "index": i, "example_id": f"{lang}-{i}",
             "prediction": "entailment" if i in right else "neutral", "correct": float(i in right)}
            for i in range(N)
        ]  # fmt: skip
    text = pa.string()
    kinds = {"lang": text, "metric": text, "index": pa.int32(), "example_id": text, "prediction": text,
             "correct": pa.float64()}  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(kinds)), folder.predictions)


def _fail(paths: AtlasPaths, run: RunSpec) -> None:
    folder = _submitted(paths, run)
    message = "The memory of cpu does not hold one example of 256 tokens. Choose a smaller model."
    failure = facts.RunFailed(error="OutOfMemory", message=message, traceback="Traceback …\ncore.errors.OutOfMemory")
    _write(folder, run, [*_training(run)[:12], failure])
    folder.failed.write_text(json.dumps({"error": "OutOfMemory", "message": message}), encoding="utf-8")


def _training(run: RunSpec) -> list[facts.Event]:
    chain = [("a" * 12, "intermediate", run.intermediate_name)] if run.intermediate else []
    chain += [("b" * 12, "target", run.target)] if run.task(run.target).train else []
    planned, parent = [], None
    for key, kind, name in [*chain, ("e" * 12, "evaluation", run.target)]:
        planned.append(
            {
                "key": key,
                "kind": kind,
                "name": name,
                "parent": parent,
                "is_done": False,
                "code": CODE_VERSION[kind],
            }
        )
        parent = key
    out: list[facts.Event] = [
        facts.RunStarted(run_id=run.run_id, attempt=1, device="cpu", pid=1),
        facts.RunPlanned.model_validate({"stages": planned}),
    ]
    for key, kind, name in chain:
        task_type = run.task(run.target).type if kind == "target" else "multi_task"
        out.append(facts.StageStarted(key=key, kind=kind, name=name, task_type=task_type, total_steps=40))
        for step in range(5, 45, 5):
            loss = 1.1 * 0.97**step
            used = {"examples_per_s": 50.0 + step, "memory_mb": 700.0 + step, "cores": 1.0}
            out.append(facts.StepLogged(key=key, step=step, loss=loss, learning_rate=2e-5, **used))
            if step % 10 == 0:
                metric = run.task(run.target).headline
                out.append(facts.DevScored(key=key, step=step, metric=metric, score=0.4 + step / 200, n=100))
        out.append(facts.StageFinished(key=key, kind=kind, name=name, seconds=90.0, best_step=40, peak_memory_mb=812.0))
    n_langs = len(run.task(run.target).languages)
    out.append(
        facts.StageStarted(
            key="e" * 12, kind="evaluation", name=run.target, task_type="multi_task", total_steps=n_langs
        )
    )
    return out


def _write(folder: RunPaths, run: RunSpec, found: list[facts.Event]) -> None:
    folder.events.write_text(lines(found, first=START, apart_s=5), encoding="utf-8")
    folder.log.write_text(f"{run.intermediate_name} → {run.target}\n" * 60, encoding="utf-8")


if __name__ == "__main__":  # python -m tests.makers.home FOLDER: a home to look at
    import sys

    fill(Path(sys.argv[1]))
    with Store.open(Path(sys.argv[1]) / "atlas.duckdb") as opened:
        profile(opened)
