"""What of the cache may go: weights that no open job reads. Results, logs and specs are never touched.

Everything here can be made again, at the price of training it: a removed stage is trained anew by the next run that
needs it, and gives the same weights. Removing happens under the lock that a stage is trained under, and by renaming
first, so that nothing half-removed is ever taken for a stage.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from core.errors import RunFolderDamaged, as_damage
from core.files import is_folder_entry, listed, read_whole
from core.jobs.folders import open_jobs
from core.paths import STAGE_MARKER, AtlasPaths
from core.spec.sharing import trained_by_job
from core.variables import KEEP_FREE, number

USUAL_FREE_GB = 5.0
_DAY_S = 86_400.0


class Rules(NamedTuple):
    """What is to go."""

    targets: bool = True
    """Weights of target stages: once a run is scored nobody reads them."""
    intermediates: bool = False
    """Weights of intermediate stages that no open job needs; the next launch with one of them trains it anew."""
    older_than_days: float | None = None
    """Kept states, embeddings and data that nobody used for so long; None: they stay."""


class Prunable(NamedTuple):
    """A folder that may go."""

    path: Path
    """In the cache of the Atlas home."""
    what: str
    """What it is, for the user."""
    size: int
    """Bytes."""


def prunable(paths: AtlasPaths, *, rules: Rules) -> list[Prunable]:
    """What may go now, the largest first; nothing is changed.

    Args:
        rules: What is to go.
    """
    found = [*_stages(paths, rules=rules), *_unused(paths, days=rules.older_than_days)]
    return sorted(found, key=lambda each: (-each.size, each.path))


def prune(wanted: Prunable, *, paths: AtlasPaths) -> int:
    """Remove one; bytes that were freed, 0 where a job holds it or it is gone.

    Args:
        wanted: Of `prunable`.
    """
    beside = wanted.path.with_name(f".{wanted.path.name}.gone")
    try:
        with FileLock(f"{wanted.path}.lock", timeout=0):
            # What is needed is asked again: a job may have been submitted since the list was made.
            if wanted.path.parent == paths.stages and _is_needed(wanted.path, needed=_needed(paths)):
                return 0
            wanted.path.rename(beside)
    except (Timeout, FileNotFoundError):
        return 0
    shutil.rmtree(beside, ignore_errors=True)
    return wanted.size


def make_room(paths: AtlasPaths, environ: Mapping[str, str]) -> list[Prunable]:
    """Remove weights of target stages, the largest first, until enough of the disk is free (`ATLAS_KEEP_FREE_GB`).

    Args:
        environ: Where the variable is looked up; 5 GB where it is not set, 0 removes nothing by itself.

    Returns:
        What was removed.

    Raises:
        SpecError: The variable is not a number of GB.
    """
    wanted, gone = wanted_free(environ), list[Prunable]()
    if not paths.stages.is_dir() or shutil.disk_usage(paths.stages).free >= wanted:
        return gone
    for each in prunable(paths, rules=Rules()):
        if prune(each, paths=paths):
            gone.append(each)
        if shutil.disk_usage(paths.stages).free >= wanted:
            break
    return gone


def wanted_free(environ: Mapping[str, str]) -> float:
    """Bytes of the disk that stay free (`ATLAS_KEEP_FREE_GB`, 5 GB unless set).

    Args:
        environ: Where the variable is looked up.

    Raises:
        SpecError: It is not a number of GB.
    """
    return number(KEEP_FREE, environ, usual=USUAL_FREE_GB) * 1e9


class _Needed(NamedTuple):
    """What open jobs read of finished stages."""

    names: frozenset[tuple[str, int]]
    """Name and seed of stages; a stage of that name and seed may be another model's, and stays all the same."""
    seeds: frozenset[int]
    """Of open jobs whose stages are not known from their specs."""


def _needed(paths: AtlasPaths) -> _Needed:
    names, seeds = set[tuple[str, int]](), set[int]()
    for job in open_jobs(paths):
        # Its worker cannot read what cannot be read here.
        with suppress(RunFolderDamaged, FileNotFoundError), as_damage(job.run_id):
            raw = json.loads(read_whole(job.spec))
            seed = int(raw["seed"])
            if raw.get("kind", "run") == "run":
                names |= {(training.stage, seed) for training in trained_by_job(raw)} | {(str(raw["target"]), seed)}
            else:
                seeds.add(seed)
    return _Needed(frozenset(names), frozenset(seeds))


class _Stage(NamedTuple):
    """What its marker says of a finished stage."""

    kind: str
    """target or intermediate."""
    name: str
    """What it was trained on."""
    seed: int
    """Of its training."""


def _is_needed(stage: Path, *, needed: _Needed) -> bool:
    found = _stage_in(stage)
    return found is None or found.seed in needed.seeds or (found.name, found.seed) in needed.names


def _stages(paths: AtlasPaths, *, rules: Rules) -> Iterator[Prunable]:
    wanted = {
        kind for kind, is_wanted in (("target", rules.targets), ("intermediate", rules.intermediates)) if is_wanted
    }
    if not wanted:
        return
    needed = _needed(paths)
    for name, entry in listed(paths.stages).items():
        folder = paths.stage(name)
        found = _stage_in(folder) if is_folder_entry(entry) else None
        if found and found.kind in wanted and not _is_needed(folder, needed=needed):
            what = f"weights of the {found.kind} stage '{found.name}', seed {found.seed}"
            yield Prunable(folder, what, _size(folder))


def _unused(paths: AtlasPaths, *, days: float | None) -> Iterator[Prunable]:
    if days is None or any(open_jobs(paths)):
        return  # a job that waits may read any of it
    oldest = time.time() - days * _DAY_S
    for root, what in ((paths.states, "states of frozen layers"), (paths.embeddings, "sentence embeddings")):
        for name in listed(root):
            used = (max(there.st_mtime, there.st_atime) for there in _seen(root / name))
            if not name.endswith(".lock") and max(used, default=math.inf) < oldest:
                yield Prunable(root / name, what, _size(root / name))


def _stage_in(folder: Path) -> _Stage | None:
    """None: not a stage, or one whose marker is damaged, as the next run that needs it says."""
    try:
        with as_damage(STAGE_MARKER):
            found = json.loads(read_whole(folder / STAGE_MARKER))
            return _Stage(str(found["kind"]), str(found["name"]), int(found["identity"]["seed"]))
    except RunFolderDamaged:
        return None


def _seen(path: Path) -> list[os.stat_result]:
    """What the system says of a file, or of a folder and all in it; without what goes while it is looked at."""
    found = list[os.stat_result]()
    inside = (Path(root, name) for root, folders, names in os.walk(path) for name in (*folders, *names))
    for file in (path, *(() if path.is_symlink() else inside)):
        with suppress(OSError):
            found.append(file.lstat())
    return found


def _size(path: Path) -> int:
    return sum(there.st_size for there in _seen(path) if stat.S_ISREG(there.st_mode))
