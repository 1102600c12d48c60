"""A worker without torch that keeps the contract of `core.chain.worker`; `fake.txt` of the home says how it behaves.

`fake.txt` holds words: `sleep=S` seconds of work, `stage=N` (where there is an intermediate, its stage is made, locked
and in a folder as by a real worker, and not done before N jobs have started), `fail`, `die` (exit without a marker),
`crash` (killed in the midst of the stage), `child` (leaves a grandchild that ignores SIGTERM), `stubborn` (ignores
SIGTERM), `once=WORD` (WORD on the first attempt only).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import filelock

from core.events import StageReused, StageStarted
from core.files import write_text
from core.holding import beat, held
from core.paths import AtlasPaths, RunPaths
from core.processes import awaited_words
from core.spec.run import RunSpec
from tests.makers.folders import lines

STUBBORN_CHILD = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(120)"


def main() -> None:
    """Pretend to execute a run, at once or when it is told which."""
    if sys.argv[1:] == ["--wait"]:
        words = awaited_words("tests.core.jobs.fakeworker")
        if words is None:
            return
        sys.argv[1:] = words
        sys.stdout.write("was warm\n")
        sys.stdout.flush()
    run = RunPaths(Path(sys.argv[1]))
    home = AtlasPaths.from_environment().home
    attempt = 1 + sum(line.startswith(run.run_id) for line in read(home / "starts.txt"))
    with (home / "starts.txt").open("a") as starts:
        starts.write(f"{run.run_id} {attempt} {sys.argv[3]}\n")
    words = [
        w.removeprefix("once=") for w in " ".join(read(home / "fake.txt")).split() if attempt == 1 or "once=" not in w
    ]
    seconds = next((float(w.removeprefix("sleep=")) for w in words if w.startswith("sleep=")), 0.0)
    with held(run) as mine:
        write_text(run.process, mine.model_dump_json())
        beat(run.heartbeat)
        work(run, home=home, words=words, seconds=seconds)


def work(run: RunPaths, *, home: Path, words: list[str], seconds: float) -> None:
    """What the words say."""
    if "stubborn" in words:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "child" in words:
        (home / "child.txt").write_text(str(subprocess.Popen([sys.executable, "-c", STUBBORN_CHILD]).pid))
    for word in words:
        if word.startswith("stage="):
            make_stage(run, n_started=int(word.removeprefix("stage=")), crash="crash" in words)
    time.sleep(seconds)
    if "die" in words:
        os._exit(7)
    marker, content = (run.failed, {"error": "X", "message": "made to fail"}) if "fail" in words else (run.finished, {})
    marker.write_text(json.dumps(content))


def make_stage(run: RunPaths, *, n_started: int, crash: bool) -> None:
    """Pretend to train the stage of a run's intermediate, or to find it; `stages.txt` says who trained or waited."""
    paths = AtlasPaths.from_environment()
    name = RunSpec.model_validate_json(run.spec.read_bytes()).intermediate_name
    if name == "none":
        return
    paths.stages.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(paths.stages / f"{name}.lock")
    waits = not _is_free(lock)
    with lock, (paths.home / "stages.txt").open("a") as told:
        found = paths.stage(name).is_dir()
        told.write(f"{'waited for' if waits else 'found' if found else 'trained'} {name}\n")
        told.flush()
        event = StageReused if found else partial(StageStarted, task_type="classification", total_steps=1)
        with run.events.open("a") as events:
            events.write(lines([event(key=name, kind="intermediate", name=name)]))
        if not found:
            while len(read(paths.home / "starts.txt")) < n_started:
                time.sleep(0.02)
            if crash:
                os.kill(os.getpid(), signal.SIGKILL)
            paths.stage(name).mkdir()


def _is_free(lock: filelock.FileLock) -> bool:
    try:
        with lock.acquire(timeout=0):
            return True
    except filelock.Timeout:
        return False


def read(path: Path) -> list[str]:
    """Lines of a file, none where it is not there."""
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    main()
