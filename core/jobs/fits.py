"""Ask for a long fit: its result where it is there, else how far the detached process is that computes it.

A fit lives in `<home>/cache/fits/<key>/`; the key is the digest of the cells and of what is fitted to them, so that a
store that changed elsewhere, or another filter that leaves the same cells, finds it ready. The process gets the cells
as a file, because DuckDB lets only one process have the index.
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

from core.errors import StoreError
from core.files import disk_full_as_error, write_text, written_beside
from core.jobs.records import failure_text
from core.paths import AtlasPaths, FitPaths
from core.processes import ProcessRecord, is_alive, read_process, record_of, start_detached

CODE = 1
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


class FitState(StrEnum):
    """How far it is."""

    DONE = "done"
    """The result is there."""
    RUNNING = "running"
    """A process is at it."""
    FAILED = "failed"
    """It ended without a result."""


class Fit(NamedTuple):
    """What is known of a fit."""

    state: FitState
    """How far it is."""
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
    fit = paths.fit(fit_key(kind, cells))
    is_damaged = False
    if fit.result.exists():
        try:
            return Fit(FitState.DONE, pd.read_parquet(fit.result))
        except (OSError, ValueError):  # ArrowInvalid is a ValueError
            fit.result.unlink(missing_ok=True)
            is_damaged = True
    with disk_full_as_error(fit.root):
        fit.root.mkdir(parents=True, exist_ok=True)
    with FileLock(fit.lock):  # two sessions may ask in the same moment
        process = read_process(fit.process)
        has_ended = fit.failed.exists() or process is None or not is_alive(process)
        if is_damaged or (again and has_ended):
            fit.failed.unlink(missing_ok=True)
            fit.process.unlink(missing_ok=True)
            process = None
        if process is None and not fit.failed.exists():
            _start(fit, kind=kind, cells=cells, paths=paths)
            return Fit(FitState.RUNNING)
    return _look(fit, process)


def known(kind: FitKind, cells: pd.DataFrame, *, paths: AtlasPaths) -> pd.DataFrame | None:
    """The result of a fit that somebody asked for before, None where it is not there; nothing is started.

    Args:
        cells: As for `ask`.
    """
    try:
        return pd.read_parquet(paths.fit(fit_key(kind, cells)).result)
    except (OSError, ValueError):  # not there, or not whole: `ask` sees to that
        return None


def _look(fit: FitPaths, process: ProcessRecord | None) -> Fit:
    message = failure_text(fit.failed)
    if message is not None:
        return Fit(FitState.FAILED, message=message)
    # Aliveness first: a process that ends between the two looks has left its result or its reason.
    if process is not None and is_alive(process):
        return _progress(fit)
    if fit.result.exists() or fit.failed.exists():
        return Fit(FitState.RUNNING)  # read at the next look
    return Fit(FitState.FAILED, message=f"Its process ended without a result; {fit.log} may say why.")


def _start(fit: FitPaths, *, kind: FitKind, cells: pd.DataFrame, paths: AtlasPaths) -> None:
    _forget_oldest(paths)
    with written_beside(fit.cells) as draft:
        cells.to_parquet(draft, index=False)
    with disk_full_as_error(fit.log):
        process = start_detached(
            "core.jobs.fit_worker",
            str(kind),
            fit.root.name,
            log=fit.log,
            environ={"ATLAS_HOME": str(paths.home)},
        )
    record = record_of(process)
    if record is not None:
        write_text(fit.process, record.model_dump_json())


def _progress(fit: FitPaths) -> Fit:
    try:
        found = json.loads(fit.progress.read_bytes())
        return Fit(FitState.RUNNING, done=int(found["done"]), total=int(found["total"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return Fit(FitState.RUNNING)


def _forget_oldest(paths: AtlasPaths) -> None:
    if not paths.fits.is_dir():
        return
    with contextlib.suppress(OSError):  # another session may be tidying, too
        folders = sorted((f for f in paths.fits.iterdir() if f.is_dir()), key=lambda f: f.stat().st_mtime)
        for folder in folders[: max(0, len(folders) - MOST_KEPT + 1)]:
            process = read_process(FitPaths(folder).process)
            if process is None or not is_alive(process):
                shutil.rmtree(folder, ignore_errors=True)


def check_cells(fit: FitPaths) -> pd.DataFrame:
    """The cells that a process was given.

    Raises:
        StoreError: They are not there.
    """
    try:
        return pd.read_parquet(fit.cells)
    except (OSError, ValueError) as error:
        raise StoreError(f"{fit.cells} cannot be read: {error}. Ask for the fit again.") from error
