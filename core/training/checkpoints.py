"""Resumable state of the stage in progress: written beside and renamed, so that a kill at any moment leaves one whole.

Three kinds of file: `<key>.pt`, everything that the next step depends on, with the one before it in `<key>-before.pt`;
`<key>-best-<step>.pt`, the weights that model selection would take, removed once no state on disk names it; and
`<key>-at-<step>.pt`, the weights of each checkpoint where all of them are scored, kept until the stage ends. torch
writes a checksum of each tensor, and all are checked before a file is used: a damaged one costs time, never the run.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import nn

from core.errors import DiskFull, RunFolderDamaged, as_damage
from core.events import Emit, Flagged
from core.files import check_regular, written_beside

_MOST_BYTES = 2**40

T = TypeVar("T")


@dataclass
class Progress:
    """Where a training stands, beside weights and moments."""

    step: int = 0
    """Optimiser steps taken."""
    best_step: int | None = None
    """Step of the best checkpoint so far."""
    best_score: float | None = None
    """Its score."""
    since_best: int = 0
    """Evaluations since then."""
    seconds: float = 0.0
    """Training time so far, over all attempts."""
    judged: list[dict[str, Any]] = field(default_factory=list)
    """What the development data say of the best checkpoint, as `Judgement`s."""
    batch_tokens: int | None = None
    """Token budget that memory has held the stage to; None: it never ran out."""


class Loaded(NamedTuple):
    """What an earlier attempt left."""

    state: dict[str, Any] | None
    """The last whole state, or None."""
    damage: str | None
    """What could not be used, for the log."""


@dataclass
class Checkpoints:
    """The files of one stage inside a run's `checkpoints/`."""

    folder: Path
    """Made when the first file is written."""
    key: str
    """Of the stage."""
    _named: int | None = None
    """Best step that the state on disk names."""

    @property
    def state_file(self) -> Path:
        """Everything that the next step depends on."""
        return self.folder / f"{self.key}.pt"

    @property
    def state_before(self) -> Path:
        """The state that was written before it."""
        return self.folder / f"{self.key}-before.pt"

    def best_file(self, step: int) -> Path:
        """Weights at a step that was the best so far.

        Args:
            step: Steps taken.
        """
        return self.folder / f"{self.key}-best-{step}.pt"

    def save_best(self, weights: dict[str, Any], *, step: int) -> None:
        """Write the weights of the best step.

        Args:
            weights: Module name → state dict.
            step: Steps taken.
        """
        write(weights, self.best_file(step))

    def load_best(self, step: int) -> dict[str, Any]:
        """Weights that `save_best` wrote.

        Args:
            step: Steps taken.

        Raises:
            RunFolderDamaged: The file is not as it was written.
        """
        with as_damage(self.best_file(step).name):
            return _read(self.best_file(step))

    def point_file(self, step: int) -> Path:
        """Weights of a checkpoint that is scored whether it is the best or not.

        Args:
            step: Steps taken.
        """
        return self.folder / f"{self.key}-at-{step}.pt"

    def save_point(self, weights: dict[str, Any], *, step: int) -> None:
        """Write the weights of a checkpoint that will be scored.

        Args:
            weights: Module name → state dict.
            step: Steps taken.
        """
        write(weights, self.point_file(step))

    def load_point(self, step: int) -> dict[str, Any]:
        """Weights that `save_point` wrote.

        Args:
            step: Steps taken.

        Raises:
            RunFolderDamaged: The file is gone, or not as it was written.
        """
        with as_damage(self.point_file(step).name):
            return _read(self.point_file(step))

    def save(self, state: dict[str, Any], *, progress: Progress) -> None:
        """Write the state, keep the one before it, then drop best files that neither names.

        Args:
            state: Weights, moments, random state.
            progress: Where the training stands.
        """
        content = {"progress": vars(progress).copy(), "threads": torch.get_num_threads(), **state}
        write(content, self.state_file, before=self.state_before)
        kept = {self.best_file(step) for step in (progress.best_step, self._named) if step is not None}
        self._named = progress.best_step
        for old in self.folder.glob(f"{self.key}-best-*.pt"):
            if old not in kept:
                old.unlink(missing_ok=True)

    def load(self) -> Loaded:
        """The last whole state; one whose best weights are gone or damaged counts as damaged, too, and is removed."""
        damage: list[str] = []
        for file in (self.state_file, self.state_before):
            try:
                state = _read(file)
                with as_damage(file.name):
                    best = Progress(**state["progress"]).best_step
                if best is not None:
                    _check(self.best_file(best))
            except FileNotFoundError as error:
                damage += [] if error.filename in {None, str(file)} else [f"{error.filename} is gone"]
            except RunFolderDamaged as error:
                damage.append(str(error))
                with suppress(OSError):
                    file.unlink()
            else:
                self._named = best
                return Loaded(state, "; ".join(damage) or None)
        return Loaded(None, "; ".join(damage) or None)

    def clear(self) -> None:
        """Remove all files of the stage."""
        for file in self.folder.glob(f"{self.key}*.pt"):
            file.unlink(missing_ok=True)


def anew_if_damaged(files: Checkpoints, train: Callable[[], T], *, what: str, emit: Emit) -> T:
    """What a training gives; where its checkpoints turn out to be of no use, it begins anew and says so.

    Args:
        files: Of the training.
        train: Loads the encoder and trains.
        what: Which training it is, in words.
        emit: Takes the fact.
    """
    try:
        return train()
    except RunFolderDamaged as error:
        files.clear()
        flag_damage(emit, what=what, text=f"{error}. The training begins anew.")
    return train()


@contextmanager
def as_it_was_written() -> Iterator[None]:
    """What does not fit the training that it is loaded into is damage; memory that runs out is not.

    Raises:
        RunFolderDamaged: Something is missing, of another shape or of another type.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        if type(error) is RuntimeError and "loading state_dict" not in str(error):
            raise
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise RunFolderDamaged(f"It does not fit the training ({type(error).__name__}: {error})") from error


def flag_damage(emit: Emit, *, what: str, text: str) -> None:
    """Report a checkpoint that could not be used.

    Args:
        emit: Takes the fact.
        what: Which training it is of, in words.
        text: What is wrong with it, and what is done.
    """
    emit(Flagged(flag="checkpoint_damaged", message=f"A checkpoint of the {what} was damaged: {text}"))


def trained_part(module: nn.Module, parameters: Iterable[nn.Parameter]) -> dict[str, torch.Tensor]:
    """State of a module without what is not trained, which is as it was; buffers are there.

    Args:
        module: Encoder or head.
        parameters: What is trained, of this module and others.
    """
    trained = {id(p) for p in parameters}
    state = module.state_dict(keep_vars=True).items()
    return {name: t.detach() for name, t in state if id(t) in trained or not isinstance(t, nn.Parameter)}


def write(content: dict[str, Any], target: Path, *, before: Path | None = None) -> None:
    """`torch.save` beside the target, then rename.

    Args:
        content: Tensors and plain values.
        target: Its folder is made if needed.
        before: Takes what was there.

    Raises:
        DiskFull: No space is left.
    """
    try:
        with written_beside(target) as draft:
            torch.save(content, draft)
            if before is not None and target.exists():
                target.replace(before)
    except RuntimeError as error:
        # torch's own writer says where in its container it stopped, and not why: it stops for want of space alone.
        if "inline_container" in str(error) or "file write" in str(error):
            message = f"No space left for the checkpoint '{target}'. Free some space, then retry the run."
            raise DiskFull(message) from error
        raise


def _read(file: Path) -> dict[str, Any]:
    _check(file)
    with as_damage(file.name):
        content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return content


def _check(file: Path) -> None:
    """Compare every checksum of a file; torch writes them and reads past them.

    Raises:
        FileNotFoundError: It is not there.
        RunFolderDamaged: It is not as it was written.
    """
    found = file.stat()
    with as_damage(file.name):
        check_regular(found, file=file, most_bytes=_MOST_BYTES)
        with zipfile.ZipFile(file) as archive:
            if (wrong := archive.testzip()) is not None:
                raise RunFolderDamaged(f"{file.name}: the checksum of {wrong} does not match.")
