"""A worker without torch that keeps the contract of `core.chain.worker`; `fake.txt` of the home says how it behaves.

`fake.txt` holds words: `sleep=S` seconds of work, `fail`, `die` (exit without a marker), `child` (leaves a grandchild
that ignores SIGTERM), `stubborn` (ignores SIGTERM), `once=WORD` (WORD on the first attempt only).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from core.files import write_text
from core.paths import AtlasPaths, RunPaths
from core.processes import awaited_words

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
    write_text(run.process, json.dumps({"pid": os.getpid(), "started": psutil.Process().create_time()}))
    run.heartbeat.touch()
    if "stubborn" in words:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "child" in words:
        (home / "child.txt").write_text(str(subprocess.Popen([sys.executable, "-c", STUBBORN_CHILD]).pid))
    time.sleep(seconds)
    if "die" in words:
        os._exit(7)
    marker, content = (run.failed, {"error": "X", "message": "made to fail"}) if "fail" in words else (run.finished, {})
    marker.write_text(json.dumps(content))


def read(path: Path) -> list[str]:
    """Lines of a file, none where it is not there."""
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    main()
