"""A stand-in for `core.chain.worker` in campaigns: the same lock, markers and events, seconds instead of minutes.

What it computes is its seed's, so that two executions of one run can be told apart from one that went on. It writes to
`finished.txt` of the home when it ends, once a run if all is well.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from core.chain.worker import EventLog
from core.events import LanguageScored, RunFinished, RunStarted, StageFinished, StageStarted
from core.files import write_text
from core.holding import Busy, beat, held
from core.paths import RunPaths
from core.processes import awaited_words
from core.spec.run import RunSpec
from core.spec.task import Metric

STEPS = 60
"""Steps of the one stage that it pretends to train."""
STEP_S = "FAULTS_STEP_S"
"""Environment variable: seconds of a step; else 0.05."""


def score_of(seed: int) -> float:
    """The score that a run of a seed has, however often it was interrupted.

    Args:
        seed: Of the run.
    """
    return round(Random(seed).random(), 6)


def main(words: list[str]) -> int:
    """Pretend to execute a run folder; the exit status.

    Args:
        words: Of the command line: folder and device, or `--wait`.
    """
    if words[:1] == ["--wait"]:
        awaited = awaited_words("tools.faults.worker")
        return 0 if awaited is None else main(awaited)
    run = RunPaths(Path(words[0]))
    try:
        with held(run) as mine:
            write_text(run.process, mine.model_dump_json())
            _execute(run)
    except Busy as error:
        sys.stderr.write(f"{error}\n")
        return os.EX_TEMPFAIL
    return 0


def _execute(run: RunPaths) -> None:
    run.failed.unlink(missing_ok=True)
    spec = RunSpec.model_validate_json(run.spec.read_bytes())
    log, key = EventLog(run.events), f"t-{run.run_id}"
    log.emit(RunStarted(run_id=run.run_id, attempt=log.attempts + 1, device="cpu", pid=os.getpid()))
    done = _read_step(run)
    log.emit(StageStarted(key=key, kind="target", name=spec.target, task_type="classification", total_steps=STEPS,
                          resumed_at=done))  # fmt: skip
    for step in range(done, STEPS):
        time.sleep(float(os.environ.get(STEP_S, "0.05")))
        beat(run.heartbeat)
        write_text(run.root / "step.json", json.dumps({"step": step + 1}))
    log.emit(StageFinished(key=key, kind="target", name=spec.target, seconds=1.0, best_step=STEPS))
    score = score_of(spec.seed)
    log.emit(LanguageScored(lang="en", metric=Metric.ACCURACY, score=score, n=100, split="test", fingerprint="f"))
    log.emit(RunFinished(seconds=1.0))
    log.close()
    write_text(run.finished, json.dumps({"seconds": 1.0}))
    with (run.root.parent.parent / "finished.txt").open("a") as told:
        told.write(f"{run.run_id} {datetime.now(UTC).isoformat()}\n")


def _read_step(run: RunPaths) -> int:
    try:
        found = json.loads((run.root / "step.json").read_bytes())["step"]
        return found if isinstance(found, int) and 0 <= found <= STEPS else 0
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
