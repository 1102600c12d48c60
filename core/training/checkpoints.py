"""Resumable state of the stage in progress: written beside and renamed, so that a kill at any moment leaves one whole.

Two kinds of file: `<key>.pt`, everything that the next step depends on, and `<key>-best-<step>.pt`, the weights that
model selection would take. A best file is removed only after the state that no longer names it is on disk.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.errors import DiskFull
from core.files import written_beside


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


@dataclass(frozen=True)
class Checkpoints:
    """The files of one stage inside a run's `checkpoints/`."""

    folder: Path
    """Made when the first file is written."""
    key: str
    """Of the stage."""

    @property
    def state_file(self) -> Path:
        """Everything that the next step depends on."""
        return self.folder / f"{self.key}.pt"

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
        """
        return _read(self.best_file(step))

    def save(self, state: dict[str, Any], *, progress: Progress) -> None:
        """Write the state, then drop best files that it does not name.

        Args:
            state: Weights, moments, random state.
            progress: Where the training stands.
        """
        write({"progress": vars(progress).copy(), "threads": torch.get_num_threads(), **state}, self.state_file)
        for old in self.folder.glob(f"{self.key}-best-*.pt"):
            if progress.best_step is None or old != self.best_file(progress.best_step):
                old.unlink(missing_ok=True)

    def load(self) -> dict[str, Any] | None:
        """The last whole state, or None; a state whose best weights are gone counts as none."""
        if not self.state_file.is_file():
            return None
        try:
            state = _read(self.state_file)
        except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, KeyError):
            return None  # a damaged checkpoint costs time, never the run
        best = state["progress"]["best_step"]
        return state if best is None or self.best_file(best).is_file() else None

    def clear(self) -> None:
        """Remove all files of the stage."""
        for file in self.folder.glob(f"{self.key}*.pt"):
            file.unlink(missing_ok=True)


def trained_part(module: nn.Module, parameters: Iterable[nn.Parameter]) -> dict[str, torch.Tensor]:
    """State of a module without what is not trained, which is as it was; buffers are there.

    Args:
        module: Encoder or head.
        parameters: What is trained, of this module and others.
    """
    trained = {id(p) for p in parameters}
    state = module.state_dict(keep_vars=True).items()
    return {name: t.detach() for name, t in state if id(t) in trained or not isinstance(t, nn.Parameter)}


def write(content: dict[str, Any], target: Path) -> None:
    """`torch.save` beside the target, then rename.

    Args:
        content: Tensors and plain values.
        target: Its folder is made if needed.

    Raises:
        DiskFull: No space is left.
    """
    try:
        with written_beside(target) as draft:
            torch.save(content, draft)
    except RuntimeError as error:
        # torch's own writer says where in its container it stopped, and not why: it stops for want of space alone.
        if "inline_container" in str(error) or "file write" in str(error):
            message = f"No space left for the checkpoint '{target}'. Free some space, then retry the run."
            raise DiskFull(message) from error
        raise


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return content
