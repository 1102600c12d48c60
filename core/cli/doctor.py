"""What this machine can do, and what is wrong: the checks behind `python -m core doctor`."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from core.actions.limits import OPEN_TO_ALL, is_public, served_at
from core.actions.notes import skipped_notes
from core.actions.own import skipped_protocol_files
from core.actions.queue import list_profiles, list_runs, skipped_backend_file
from core.errors import AtlasError, SpecError
from core.jobs.records import JobState
from core.jobs.slots import ask_torch, device_of, visible_slots
from core.models import resolve_model, skipped_model_files
from core.models.default import default_model
from core.paths import REPO, AtlasPaths
from core.queries.runs.listing import damaged
from core.store.connection import Store
from core.store.reading import cursor_for_reading
from core.tasks import skipped_task_files
from core.variables import CPU_SLOTS, GPU_SLOTS, is_read_only, wrong

_GIB = 2**30
_LOW_DISK_GIB = 5
_MOST_WAITING = 5


class Check(NamedTuple):
    """One thing that was looked at."""

    check: str
    """What."""
    state: Literal["good", "note", "wrong"]
    """Whether it works; a note is something to know."""
    found: str
    """What is there."""
    advice: str
    """What to do; empty if nothing."""


def examine(paths: AtlasPaths) -> list[Check]:
    """All checks, in order of importance.

    Args:
        paths: The Atlas home to examine.
    """
    checks = [_python(), *_packages(), *_variables(), _torch(), _devices(), _memory(), _home(paths), _database(paths)]
    checks += [*_files(paths), *_folders(paths), *_waiting(paths)]
    return [*checks, _server(), _model(paths), _samples(paths), _hub(), _git(), _browser()]


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    return Check("python", "good" if good else "wrong", found, "" if good else "Install Python 3.11 or newer.")


def _packages() -> Iterator[Check]:
    for line in (REPO / "requirements.txt").read_text(encoding="utf-8").splitlines():
        pinned, _, marker = line.partition(";")
        name, _, wanted = pinned.strip().partition("==")
        if not wanted:
            continue
        try:
            found = importlib.metadata.version(name).split("+")[0]
        except importlib.metadata.PackageNotFoundError:
            advice = f"pip install {pinned}" + (f", where it can be had ({marker.strip()})." if marker else "")
            yield Check(f"package {name}", "note" if marker else "wrong", "not installed", advice)
            continue
        if found != wanted:
            yield Check(f"package {name}", "note", found, f"Tested with {wanted}; pip install {pinned}")


def _variables() -> Iterator[Check]:
    return (Check("variable", "wrong", text, "") for text in wrong(os.environ))


def _torch() -> Check:
    try:
        found = ask_torch(os.environ)
    except SpecError as error:
        return Check("torch", "wrong", str(error), "pip install -r requirements.txt")
    return Check("torch", "good", f"{found.version}, {found.api or 'no GPU'}, {found.threads} threads", "")


def _devices() -> Check:
    try:
        slots = visible_slots(os.environ)
    except SpecError as error:
        return Check("devices", "wrong", str(error), f"Set or unset {CPU_SLOTS} or {GPU_SLOTS}.")
    if slots[0].startswith("cpu"):
        advice = f"Use protocol 'quick' and small models; jobs at a time: {len(slots)} ({CPU_SLOTS})."
        return Check("devices", "note", "CPU only", advice)
    try:
        names = ask_torch(os.environ).devices
    except SpecError:
        names = {}
    gpus = list(dict.fromkeys(map(device_of, slots)))
    if unusable := [gpu for gpu in gpus if gpu not in names]:
        advice = "Install a build of torch for them, or hide them (CUDA_VISIBLE_DEVICES=) and use the CPU."
        return Check("devices", "wrong", f"torch cannot use {', '.join(unusable)}", advice)
    shared = f"; jobs at a time: {len(slots)} ({GPU_SLOTS})" if len(slots) > len(gpus) else ""
    return Check("devices", "good", ", ".join(f"{gpu} ({names[gpu]})" for gpu in gpus) + shared, "")


def _memory() -> Check:
    pages = os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    gib = pages * os.sysconf("SC_PAGE_SIZE") / _GIB if pages else 0.0
    low = 0 < gib < 4
    return Check("memory", "note" if low else "good", f"{gib:.0f} GiB", "Use small models." if low else "")


def _home(paths: AtlasPaths) -> Check:
    place = paths.home
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK):
        return Check("home", "wrong", f"{paths.home} cannot be written", "Set ATLAS_HOME to a folder of yours.")
    free = shutil.disk_usage(place).free / _GIB
    state: Literal["good", "note"] = "good" if free > _LOW_DISK_GIB else "note"
    advice = "" if state == "good" else "Set ATLAS_HOME to a larger disk, or empty cache/stages."
    return Check("home", state, f"{paths.home}, {free:.0f} GiB free", advice)


def _database(paths: AtlasPaths) -> Check:
    if not paths.database.exists():
        return Check("database", "good", "none yet", "")
    try:
        store = Store.open(paths.database)
    except AtlasError as error:
        return Check("database", "wrong", str(error), "")
    version = store.version()
    store.close()
    return Check("database", "good", f"{paths.database}, version {version}", "")


def _server() -> Check:
    address = served_at(os.environ)
    if not is_public(address):
        return Check("server", "good", f"{address}: this machine alone", "")
    try:
        if is_read_only():
            return Check("server", "good", f"{address or 'all addresses'}: for visitors, who change nothing", "")
    except SpecError as error:
        return Check("server", "wrong", str(error), "")
    return Check("server", "note", f"{address or 'all addresses'}: others can reach it", OPEN_TO_ALL)


def _model(paths: AtlasPaths) -> Check:
    default = default_model()
    try:
        model = resolve_model(default.name, paths=paths)
    except AtlasError as error:
        return Check("default model", "wrong", str(error), "Name another with --model.")
    state: Literal["good", "note"] = "note" if default.why else "good"
    return Check("default model", state, f"{model.name} ({model.fingerprint})", default.why)


def _files(paths: AtlasPaths) -> Iterator[Check]:
    """Files of the user that cannot be used."""
    skipped = {
        "task file": skipped_task_files, "model file": skipped_model_files, "protocol file": skipped_protocol_files,
        "note": skipped_notes,
    }  # fmt: skip
    for kind, of in skipped.items():
        for text in of(paths):
            yield Check(kind, "wrong", text, "It is skipped; everything else goes on.")
    if (problem := skipped_backend_file(paths)) is not None:
        yield Check("backend file", "wrong", problem, "Jobs for Slurm and Ray wait; everything else goes on.")


def _folders(paths: AtlasPaths) -> Iterator[Check]:
    """Folders and committed files that cannot be read."""
    try:
        with cursor_for_reading(paths) as cur:
            found = damaged(cur)
    except AtlasError as error:
        yield Check("folders", "wrong", str(error), "")
        return
    for folder, reason in zip(found["folder"], found["reason"], strict=True):
        yield Check("folder", "wrong", f"{folder}: {reason}", "It is left out; everything else goes on.")


def _waiting(paths: AtlasPaths) -> Iterator[Check]:
    """Jobs that are not started, and why; the queue knows folders that the index has not looked at."""
    jobs = (*list_runs(paths), *list_profiles(paths))
    waiting = [job for job in jobs if job.state is JobState.QUEUED and job.message]
    for job in waiting[:_MOST_WAITING]:
        yield Check("queue", "note", f"{job.run_id}: {job.message}", "")
    if len(waiting) > _MOST_WAITING:  # on a cluster every job that waits has a reason
        more = f"{len(waiting) - _MOST_WAITING:,} more jobs wait for a reason"
        yield Check("queue", "note", more, "All of them: python -m core runs")


def _samples(paths: AtlasPaths) -> Check:
    there = paths.sample_sources.is_dir() and any(paths.sample_sources.rglob("*.yaml"))
    return Check(
        "sample tasks",
        "good" if there else "wrong",
        "bundled" if there else "missing",
        "" if there else "Take data/sample from the repository.",
    )


def _hub() -> Check:
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}:
        return Check("hub", "note", "switched off by HF_HUB_OFFLINE", "Use --data-source mirror or sample.")
    code = (
        "import sys, urllib.request as u\n"
        "try: u.urlopen(u.Request(sys.argv[1], method='HEAD'), timeout=3); print('ok')\n"
        "except OSError as e: print(getattr(e, 'reason', e))"
    )
    done = subprocess.run([sys.executable, "-c", code, endpoint], capture_output=True, text=True, check=False)
    answer = done.stdout.strip()
    if answer == "ok":
        return Check("hub", "good", endpoint, "")
    return Check("hub", "note", f"{endpoint}: {answer}", "Offline: use --data-source mirror or sample, local models.")


def _git() -> Check:
    there = (REPO / ".git").exists() and shutil.which("git") is not None
    return Check("git", "good", "yes", "") if there else Check("git", "note", "no", "Runs record no commit.")


def _browser() -> Check:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    return Check("browser", "good" if found else "note", Path(found).name if found else "none found", "")
