"""The job process: `python -m core.chain.worker RUN_FOLDER [--device cpu]`. Nobody imports it.

It writes `process.json` before it loads torch, so that the state shows at once; takes the slot of its device, so that
one job of this machine runs there at a time; and ends with exactly one of `finished.json`, `failed.json` or the event
`RunCancelled`.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import errno
import importlib
import importlib.metadata
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import IO, Any, NamedTuple

import filelock

from core.errors import DiskFull, JobError, NotWritable, RunFolderDamaged
from core.events import (
    ENVELOPE,
    Envelope,
    Event,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
)
from core.files import write_text
from core.holding import Busy, beat, held
from core.models import as_placed_here
from core.paths import REPO, AtlasPaths, RunPaths
from core.processes import awaited_words, leave, this_host
from core.spec.execution import n_devices, stored_execution
from core.spec.profile import ProfileSpec, job_id_of
from core.spec.run import RunSpec
from core.spec.versions import CODE_VERSION
from core.variables import SAVE_EVERY, THREADS, number

HEARTBEAT_S = 5.0
_RESERVE_BYTES = 65_536
_PACKAGES = (
    *("torch", "transformers", "tokenizers", "sentence-transformers", "datasets", "numpy", "scipy", "pyarrow"),
    "safetensors",
    "peft",
)
_MODULES = (
    *("core.chain.pipeline", "core.profiling.recipe", "core.sample.build", "datasets", "torch._dynamo", "accelerate"),
    *(f"transformers.models.{name}.modeling_{name}" for name in ("modernbert", "xlm_roberta", "bert")),
)
"""What a job of a run or profile loads on its way, some of it by third parties at the first use."""


class _Cancelled(BaseException):
    """SIGTERM arrived."""


class EventLog:
    """Appends envelopes to `events.jsonl`; a torn last line is cut off first."""

    def __init__(self, file: Path) -> None:
        """Open for appending.

        Args:
            file: Made if it is not there.
        """
        whole = file.read_bytes() if file.is_file() else b""
        kept = whole[: whole.rfind(b"\n") + 1]
        if len(kept) != len(whole):
            with file.open("r+b") as stream:
                stream.truncate(len(kept))
        self.attempts = sum(b'"type":"run_started"' in line for line in kept.splitlines())
        self._seq = kept.count(b"\n")
        self._lock = threading.Lock()
        self._stream: IO[str] = file.open("a", encoding="utf-8", buffering=1)

    def emit(self, event: Event) -> None:
        """Append one fact and flush it.

        Args:
            event: What happened.
        """
        with self._lock:
            line = Envelope(seq=self._seq, time=_now(), event=event)
            self._stream.write(ENVELOPE.dump_json(line).decode() + "\n")
            self._stream.flush()
            self._seq += 1

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def main(arguments: list[str] | None = None) -> int:
    """Execute a run or profile folder; the exit status.

    Args:
        arguments: Of the command line; the process's own if None.
    """
    parser = argparse.ArgumentParser(prog="python -m core.chain.worker", description="Execute one job folder.")
    parser.add_argument("folder", type=Path, nargs="?", help="run or profile folder with spec.json")
    parser.add_argument("--device", default="cpu", help="cpu, cuda:0 …")
    parser.add_argument(
        "--granted",
        action="store_true",
        help="a scheduler gave the device: take no slot of it, and end with who started this",
    )
    parser.add_argument("--only-intermediate", action="store_true", help="train the intermediate stage, then stop")
    parser.add_argument("--wait", action="store_true", help="load everything, then wait for the folder")
    options = parser.parse_args(arguments)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # Threads that spin at barriers make a busy machine crawl: a step took three times as long
    # (docs/notebook/2026-11-22.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if options.wait:
        _load()
        words = awaited_words("core.chain.worker")
        return 0 if words is None else main(words)
    if options.folder is None:
        parser.error("a folder is needed, or --wait")
    run = RunPaths(options.folder.resolve())
    try:
        with held(run) as mine:
            write_text(run.process, mine.model_dump_json())
            asked = _Asked(options.device, options.granted, options.only_intermediate)
            code = _execute(run, asked=asked)
            if asked.only_intermediate and code == 0:
                run.process.unlink()  # the run is queued again
            return code
    except Busy as error:
        sys.stderr.write(f"{error}\n")
        return os.EX_TEMPFAIL


class _Asked(NamedTuple):
    """How a job is executed, as the command line says."""

    device: str
    """Where it computes."""
    is_granted: bool = False
    """Whether a scheduler gave it the device, so that it takes no slot."""
    only_intermediate: bool = False
    """Whether it ends after the intermediate stage, which other runs wait for."""


def _execute(run: RunPaths, *, asked: _Asked) -> int:
    run.failed.unlink(missing_ok=True)
    signal.signal(signal.SIGTERM, _on_term)
    log = EventLog(run.events)
    stop = _heartbeat(run, starter=os.getppid() if asked.is_granted else None)
    try:
        return _attempt(run, log=log, asked=asked)
    except _Cancelled:
        if run.cancel.exists():
            log.emit(RunCancelled())
        return 128 + signal.SIGTERM
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001  the outermost handler: whatever happened is written down
        _write_failure(run, error, log=log)
        return 1
    finally:
        run.reserve.unlink(missing_ok=True)
        stop.set()
        log.close()


def _attempt(run: RunPaths, *, log: EventLog, asked: _Asked) -> int:
    begun = time.monotonic()
    run.reserve.write_bytes(bytes(_RESERVE_BYTES))
    paths = AtlasPaths(home=run.root.parent.parent)
    spec = _read_spec(run, paths=paths)
    paths.slots.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as slots:
        for device in [] if asked.is_granted else sorted(asked.device.split(",")):
            name = f"{this_host()}-{device.replace(':', '-')}.lock"
            slots.enter_context(filelock.FileLock(str(paths.slots / name)))
        _compute(spec, paths=paths, log=log, asked=asked)
    if asked.only_intermediate:
        return 0
    seconds = time.monotonic() - begun
    log.emit(RunFinished(seconds=seconds))
    shutil.rmtree(run.checkpoints, ignore_errors=True)
    _write_json(run.finished, {"seconds": seconds, "code": CODE_VERSION})
    return 0


def _compute(spec: RunSpec | ProfileSpec, *, paths: AtlasPaths, log: EventLog, asked: _Asked) -> None:
    import numpy as np  # noqa: PLC0415  loaded after the state is on disk: these take seconds
    import torch  # noqa: PLC0415

    from core.chain.pipeline import execute  # noqa: PLC0415
    from core.encoder.device import arithmetic, fast_products, precision_of  # noqa: PLC0415
    from core.encoder.memory import memory_problems  # noqa: PLC0415
    from core.training.context import JobContext  # noqa: PLC0415

    if THREADS in os.environ:
        torch.set_num_threads(int(number(THREADS, os.environ, usual=1)))
    random.seed(spec.seed)
    np.random.seed(spec.seed)  # noqa: NPY002  third parties may draw from it
    torch.manual_seed(spec.seed)
    torch.set_deterministic_debug_mode("warn")  # as `use_deterministic_algorithms`, which loads a compiler besides
    # A debugging aid at a price: it fills new memory so that reads of it are seen.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_flush_denormal(True)
    device = asked.device
    # `cpu:1` is a slot, not a device; on further ones helpers compute a share of the gradients.
    where, *helpers = (torch.device("cpu" if one.startswith("cpu:") else one) for one in device.split(","))
    if where.type == "cpu":
        fast_products()
    files, threads = paths.job(job_id_of(spec)), torch.get_num_threads()
    log.emit(
        RunStarted(run_id=job_id_of(spec), attempt=log.attempts + 1, device=device, pid=os.getpid(), threads=threads)
    )
    execution = stored_execution(files.job)
    if n_devices(execution.device) > 1 + len(helpers):  # an engine gave it fewer
        raise JobError(
            f"The job asks for {n_devices(execution.device)} devices (--device {execution.device}) and was given "
            f"{device}. Ask the engine for as many (backend.yaml), or submit it with --device auto."
        )
    how = {"threads": threads} | execution.model_dump(mode="json", exclude={"device"})
    how["precision"] = precision_of(where, asked=execution.precision)
    _write_json(files.environment, _environment(",".join(map(str, (where, *helpers)))) | how | arithmetic(where))
    every_s = number(SAVE_EVERY, os.environ, usual=30.0)
    world = (paths, where, log.emit, files.checkpoints, every_s, execution, tuple(helpers))
    with memory_problems(where):
        if isinstance(spec, ProfileSpec):
            from core.profiling.recipe import execute_profile  # noqa: PLC0415  a run needs none of it

            execute_profile(JobContext(spec, *world))
        else:
            execute(JobContext(spec, *world), only_intermediate=asked.only_intermediate)


def _load() -> None:
    for name in _MODULES:
        with contextlib.suppress(ImportError):  # the job that needs it says what is missing
            importlib.import_module(name)
    with contextlib.suppress(ImportError):
        from core.encoder.loading import rehearse  # noqa: PLC0415

        rehearse()


def _read_spec(run: RunPaths, *, paths: AtlasPaths) -> RunSpec | ProfileSpec:
    kind: type[RunSpec] | type[ProfileSpec] = ProfileSpec if run.root.parent == paths.profiles else RunSpec
    what = "profile" if kind is ProfileSpec else "run"
    try:
        spec = kind.model_validate_json(run.spec.read_bytes())
    except (OSError, ValueError) as error:
        raise RunFolderDamaged(f"{run.spec} cannot be read as a {what}: {error}") from error
    found = job_id_of(spec)
    if found != run.run_id:
        raise RunFolderDamaged(f"{run.spec} is of {what} {found}, its folder of {run.run_id}. Submit the {what} again.")
    return spec.model_copy(update={"model": as_placed_here(spec.model)})


def _environment(device: str) -> dict[str, object]:
    versions = {}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {
        "versions": versions,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": device,
        "commit": _commit(),
    }


def _commit() -> str | None:
    """The commit of the checkout; None outside one."""
    git = shutil.which("git")
    if git is None or not (REPO / ".git").exists():
        return None
    found = subprocess.run([git, "rev-parse", "HEAD"], cwd=REPO, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def _heartbeat(run: RunPaths, *, starter: int | None) -> threading.Event:
    """Beat until the event is set; the job stops where it was cancelled, or where who started it is gone.

    Args:
        starter: Process id of a task that an engine may kill; None: it outlives whoever started it.
    """
    stop = threading.Event()

    def keep_beating() -> None:
        while True:
            with contextlib.suppress(OSError):  # a full disk must not end the thread that says the job is alive
                beat(run.heartbeat)
            # Whoever cancelled from another machine could not send the signal.
            is_unwanted = run.cancel.exists() or starter not in {None, os.getppid()}
            if is_unwanted and not stop.is_set():
                os.kill(os.getpid(), signal.SIGTERM)
                return
            if stop.wait(HEARTBEAT_S):
                return

    threading.Thread(target=keep_beating, name="heartbeat", daemon=True).start()
    return stop


def _on_term(number: int, frame: FrameType | None) -> None:
    del frame
    signal.signal(number, signal.SIG_IGN)  # what is written down now is not cut short by a second one
    raise _Cancelled


def _write_failure(run: RunPaths, error: BaseException, *, log: EventLog) -> None:
    run.reserve.unlink(missing_ok=True)
    name, message = type(error).__name__, str(error)
    if is_disk_full(error):
        free_mb = shutil.disk_usage(run.root).free // 2**20
        name = "DiskFull"
        message = (
            f"No space left below {run.root.parent.parent}: {free_mb} MB are free. A run needs about four times the "
            "size of its model for checkpoints and stages. Free some space, then retry the run: it goes on from its "
            "last checkpoint."
        )
    if name == "PanicException":  # of a library in Rust, and no `Exception`
        message = (
            f"A library panicked (most often the tokenizer's): {message}. The model's tokenizer files "
            "may be damaged, or its longest input too small for this task. The log has the whole traceback."
        )
    text = "".join(traceback.format_exception(error))
    sys.stderr.write(text)
    with contextlib.suppress(OSError):  # on a full disk one of the two may still fit
        log.emit(RunFailed(error=name, message=message, traceback=text))
    with contextlib.suppress(OSError, DiskFull, NotWritable):
        _write_json(run.failed, {"error": name, "message": message, "traceback": text})


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, came from a full disk.

    Args:
        error: What was raised; safetensors and torch wrap the system's error in their own words.
    """
    while error is not None:
        if getattr(error, "errno", None) == errno.ENOSPC or "No space left on device" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _write_json(target: Path, content: dict[str, Any]) -> None:
    write_text(target, json.dumps(content, ensure_ascii=False, indent=1))


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    leave(main())
