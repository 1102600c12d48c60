"""A stand-in for `core.chain.worker` in campaigns: the same lock, markers, events and shared stages, and no torch.

What it computes is its seed's, so that two executions of one run can be told apart from one that went on. It writes to
a file beside the home, which is no part of it and on no disk that a campaign fills, when it has trained a stage and
when it ends: one line each if all is well.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from threading import Thread

from filelock import FileLock

from core.chain.worker import EventLog
from core.errors import DiskFull
from core.events import LanguageScored, RunFinished, RunStarted, StageFinished, StageReused, StageStarted
from core.files import write_text
from core.holding import Busy, beat, held
from core.jobs.records import write_failure
from core.paths import AtlasPaths, RunPaths
from core.processes import awaited_words
from core.spec.run import RunSpec
from core.spec.task import Metric

STEPS = 60
"""Steps of each stage that it pretends to train."""
STEP_S = "FAULTS_STEP_S"
"""Environment variable: seconds of a step; else 0.05."""


def score_of(seed: int) -> float:
    """The score that a run of a seed has, however often it was interrupted.

    Args:
        seed: Of the run.
    """
    return round(Random(seed).random(), 6)


def told_beside(home: Path) -> Path:
    """The file that takes what was done: a line `finished RUN` or `trained KEY` with the time.

    Args:
        home: The Atlas home.
    """
    return home.with_name(f"{home.name}.told.txt")


def main(words: list[str]) -> int:
    """Pretend to execute a run folder; the exit status.

    Args:
        words: Of the command line, as those of `core.chain.worker`.
    """
    if words[:1] == ["--wait"]:
        awaited = awaited_words("tools.faults.worker")
        return 0 if awaited is None else main(awaited)
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only-intermediate", action="store_true")
    parser.add_argument("--granted", action="store_true")
    options, _ = parser.parse_known_args(words)
    run = RunPaths(options.folder)
    try:
        with held(run) as mine:
            write_text(run.process, mine.model_dump_json())
            starter = os.getppid() if options.granted else None
            Thread(target=_keep_beating, args=(run, starter), daemon=True).start()
            code = _execute(run, only_intermediate=options.only_intermediate)
            if options.only_intermediate and code == 0:
                run.process.unlink()  # the run is queued again
            return code
    except Busy as error:
        sys.stderr.write(f"{error}\n")
        return os.EX_TEMPFAIL


def _execute(run: RunPaths, *, only_intermediate: bool) -> int:
    run.failed.unlink(missing_ok=True)
    try:
        run.reserve.write_bytes(bytes(8192))
        _attempt(run, only_intermediate=only_intermediate)
    except (DiskFull, OSError) as error:
        run.reserve.unlink(missing_ok=True)
        write_failure(run.failed, error="DiskFull", message=f"No space is left: {error}")
        return 1
    finally:
        run.reserve.unlink(missing_ok=True)
    return 0


def _keep_beating(run: RunPaths, starter: int | None) -> None:
    """As the worker does: it ends where it was cancelled, and where the task of an engine that started it is gone."""
    while not run.cancel.exists() and starter in {None, os.getppid()}:
        with suppress(OSError):
            beat(run.heartbeat)
        time.sleep(1.0)
    os._exit(1)


def _attempt(run: RunPaths, *, only_intermediate: bool) -> None:
    spec = RunSpec.model_validate_json(run.spec.read_bytes())
    log = EventLog(run.events)
    log.emit(RunStarted(run_id=run.run_id, attempt=log.attempts + 1, device="cpu", pid=os.getpid()))
    if spec.intermediate is not None:
        _stage(run, log, key=f"i-{spec.intermediate.name}-{spec.seed}", kind="intermediate")
    if only_intermediate:
        return
    _stage(run, log, key=f"t-{run.run_id}", kind="target")
    score = score_of(spec.seed)
    log.emit(LanguageScored(lang="en", metric=Metric.ACCURACY, score=score, n=100, split="test", fingerprint="f"))
    log.emit(RunFinished(seconds=1.0))
    log.close()
    write_text(run.finished, json.dumps({"seconds": 1.0}))
    _tell(run, f"finished {run.run_id}")


def _stage(run: RunPaths, log: EventLog, *, key: str, kind: str) -> None:
    """Train a stage as the chain does: under its lock, from its checkpoint, and not where it is there."""
    stage = AtlasPaths(home=run.root.parent.parent).stage(key)
    about = {"key": key, "kind": kind, "name": key}
    stage.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{stage}.lock"):
        if stage.is_dir():
            log.emit(StageReused.model_validate(about))
            return
        done, step_s = _read_step(run, key), float(os.environ.get(STEP_S, "0.05"))
        began = {"task_type": "classification", "total_steps": STEPS, "resumed_at": done}
        log.emit(StageStarted.model_validate(about | began))
        run.checkpoints.mkdir(exist_ok=True)
        for step in range(done, STEPS):
            time.sleep(step_s)
            write_text(checkpoint(run, key), json.dumps({"step": step + 1}))
        stage.mkdir()
        _tell(run, f"trained {key}")
        log.emit(StageFinished.model_validate(about | {"seconds": 1.0, "best_step": STEPS}))


def _tell(run: RunPaths, what: str) -> None:
    with told_beside(run.root.parent.parent).open("a") as told:
        told.write(f"{what} {datetime.now(UTC).isoformat()}\n")


def checkpoint(run: RunPaths, key: str) -> Path:
    """Where it keeps how far a stage has come.

    Args:
        run: The folder of the run that trains it.
        key: Of the stage.
    """
    return run.checkpoints / f"{key}.json"


def _read_step(run: RunPaths, key: str) -> int:
    try:
        found = json.loads(checkpoint(run, key).read_bytes())["step"]
        return found if isinstance(found, int) and 0 <= found <= STEPS else 0
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
