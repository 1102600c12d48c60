"""Ask for a long fit: its result where it is there, else how far the detached process is that computes it.

A fit lives in `<home>/cache/fits/<key>/`; the key is the digest of the cells and of what is fitted to them, so that a
store that changed elsewhere, or another filter that leaves the same cells, finds it ready. The process gets the cells
as a file, because DuckDB lets only one process have the index.

The folder is a job's, with the same process record, markers and states. But somebody waits for it at the page, and its
seconds need no GPU: it is started at once, and has no `job.json`, which is a place in the queue.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from enum import StrEnum
from typing import NamedTuple

import pandas as pd
from filelock import FileLock

from core.errors import RunFolderDamaged, StoreError, as_damage
from core.files import check_regular, file_errors, read_whole, written_beside
from core.jobs.records import JobState
from core.jobs.state import Stand, stand_of
from core.paths import AtlasPaths, FitPaths
from core.processes import start_detached
from core.variables import LOOK_ONLY, is_read_only

WORKER = "core.actions.fit_worker"
"""Module that computes a fit; named and never imported, because this room knows no model."""

CODE = 2
"""Raised when the same cells would give another result."""

MOST_KEPT = 200
"""Fits whose files are kept; the oldest go first."""


class FitKind(StrEnum):
    """What is fitted to the cells."""

    ADDITIVE_NULL = "additive_null"
    """Held-out comparison with intermediate + target."""
    BY_TARGET = "target"
    """The model within each target."""
    BY_FAMILY = "family"
    """The model within each language family."""
    BY_SCRIPT = "script"
    """The model within each script."""
    EVERY_MEASURE = "measures"
    """The model with every measure of difficulty and similarity."""


class Fit(NamedTuple):
    """What is known of a fit."""

    state: JobState
    """Done, running or failed."""
    frame: pd.DataFrame | None = None
    """The result, where it is done."""
    done: int = 0
    """Parts that are computed."""
    total: int = 0
    """Parts there are; 0: not known yet."""
    message: str | None = None
    """Why it failed."""


def fit_key(kind: FitKind, cells: pd.DataFrame) -> str:
    """Digest of what decides the result.

    Args:
        cells: From `cell_means`, or from `measured_cells` where every measure is wanted.
    """
    running = hashlib.sha256(f"{CODE} {kind} {list(cells.columns)}".encode())
    running.update(pd.util.hash_pandas_object(cells, index=False).to_numpy().tobytes())
    return running.hexdigest()[:12]


def ask(kind: FitKind, cells: pd.DataFrame, *, paths: AtlasPaths, again: bool = False) -> Fit:
    """The result of a fit, or how far it is; started, detached, where nobody is at it.

    Args:
        cells: From `cell_means`.
        again: Start one that failed once more; nothing where somebody has done so already.

    Raises:
        DiskFull: No space is left for the cells.
        StoreError: They cannot be written.
    """
    if is_read_only():
        there = known(kind, cells, paths=paths)
        return Fit(JobState.FAILED, message=LOOK_ONLY) if there is None else Fit(JobState.DONE, there)
    fit = paths.fit(fit_key(kind, cells))
    with file_errors(fit.root):
        fit.root.mkdir(parents=True, exist_ok=True)
    with FileLock(fit.lock):  # two sessions may ask in the same moment
        stand = _stand(fit)
        found = _read(fit) if stand.state is JobState.DONE else None
        if found is not None:
            return Fit(JobState.DONE, found)
        # It is done, or damaged, and cannot be read: compute it once more.
        is_useless = stand.state in {JobState.DONE, JobState.DAMAGED}
        if is_useless or (again and stand.state in {JobState.FAILED, JobState.LOST}):
            _clear(fit)
            stand = Stand(JobState.QUEUED)
        if stand.state is JobState.QUEUED:
            _start(fit, kind=kind, cells=cells, paths=paths)
    return _so_far(fit, stand)


def known(kind: FitKind, cells: pd.DataFrame, *, paths: AtlasPaths) -> pd.DataFrame | None:
    """The result of a fit that somebody asked for before, None where it is not there; nothing is started.

    Args:
        cells: As for `ask`.
    """
    return _read(paths.fit(fit_key(kind, cells)))


def _stand(fit: FitPaths) -> Stand:
    try:
        with as_damage(fit.root.name):
            return stand_of(fit)
    except RunFolderDamaged as error:
        return Stand(JobState.DAMAGED, message=str(error))


def _clear(fit: FitPaths) -> None:
    with file_errors(fit.root):
        for marker in (fit.finished, fit.failed, fit.progress, fit.process, fit.hold, fit.cancel):
            if marker.is_dir() and not marker.is_symlink():
                shutil.rmtree(marker)
            marker.unlink(missing_ok=True)


def write_result(found: pd.DataFrame, *, fit: FitPaths) -> None:
    """Write the result of a fit, whole and with checksums.

    Args:
        found: Its table.

    Raises:
        DiskFull: No space is left.
    """
    with written_beside(fit.finished) as draft:
        found.to_parquet(draft, index=False, write_page_checksum=True)


def _read(fit: FitPaths) -> pd.DataFrame | None:
    """The result, None where it is not there or not as it was written."""
    try:
        with as_damage(fit.finished.name):
            check_regular(fit.finished.stat(), file=fit.finished)
            return pd.read_parquet(fit.finished, page_checksum_verification=True)
    except RunFolderDamaged:
        return None


def _so_far(fit: FitPaths, stand: Stand) -> Fit:
    if stand.state is JobState.FAILED:
        return Fit(JobState.FAILED, message=stand.message)
    if stand.state is JobState.LOST:
        return Fit(JobState.FAILED, message=f"Its process ended without a result; see {fit.log}.")
    try:
        with as_damage(fit.progress.name):
            found = json.loads(read_whole(fit.progress))
            return Fit(JobState.RUNNING, done=int(found["done"]), total=int(found["total"]))
    except RunFolderDamaged:  # it has not said so yet
        return Fit(JobState.RUNNING)


def _start(fit: FitPaths, *, kind: FitKind, cells: pd.DataFrame, paths: AtlasPaths) -> None:
    _forget_oldest(paths)
    with written_beside(fit.cells) as draft:
        cells.to_parquet(draft, index=False)
    environ = {"ATLAS_HOME": str(paths.home)}
    with file_errors(fit.log):
        start_detached(WORKER, str(kind), fit.root.name, log=fit.log, environ=environ, record=fit.process)


def _forget_oldest(paths: AtlasPaths) -> None:
    if not paths.fits.is_dir():
        return
    with contextlib.suppress(OSError):  # another session may be tidying, too
        folders = sorted((f for f in paths.fits.iterdir() if f.is_dir()), key=lambda f: f.stat().st_mtime)
        for folder in folders[: max(0, len(folders) - MOST_KEPT + 1)]:
            if _stand(FitPaths(folder)).state is not JobState.RUNNING:
                shutil.rmtree(folder, ignore_errors=True)


def check_cells(fit: FitPaths) -> pd.DataFrame:
    """The cells that a process was given.

    Raises:
        StoreError: They are not there.
    """
    try:
        return pd.read_parquet(fit.cells)
    except (OSError, ValueError) as error:
        raise StoreError(f"{fit.cells} cannot be read: {error}. Start the fit again.") from error
