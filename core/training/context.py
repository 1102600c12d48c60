"""What a job carries through its stages: what was asked for, where it computes, where its files and facts go.

Every function of the job wing that needs more than its data takes a context first; what follows from it is made here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

import torch

from core.encoder.device import precision_of
from core.encoder.memory import TRAINING_TOKENS, checkpoint_gradients
from core.events import Emit
from core.heads.states import Encoder
from core.paths import AtlasPaths
from core.spec.execution import USUAL, ExecutionOptions, Precision
from core.spec.profile import ProfileSpec
from core.spec.run import RunSpec
from core.training.loader import Loader

SpecT = TypeVar("SpecT", RunSpec, ProfileSpec)


@dataclass(frozen=True)
class JobContext(Generic[SpecT]):
    """A run or a profile and the world it is executed in."""

    spec: SpecT
    """What was asked for."""
    paths: AtlasPaths
    """The Atlas home."""
    device: torch.device
    """Where it computes."""
    emit: Emit
    """Takes the facts."""
    checkpoints: Path
    """Folder for resumable state."""
    save_every_s: float = 30.0
    """Seconds between two checkpoints."""
    execution: ExecutionOptions = USUAL
    """Token budget, precision, gradient checkpointing."""
    helpers: tuple[torch.device, ...] = ()
    """Further devices that compute a share of each step's gradients."""

    @property
    def batch_tokens(self) -> int:
        """Most tokens, padding included, that go through the model at once in training."""
        return self.execution.batch_tokens or TRAINING_TOKENS

    @property
    def precision(self) -> Precision:
        """What products are computed in."""
        return precision_of(self.device, asked=self.execution.precision)

    def place(self, encoder: Encoder) -> None:
        """Put an encoder on the device, to compute in the job's precision.

        Args:
            encoder: Changed in place.

        Raises:
            ModelError: Gradient checkpointing is asked for, and its architecture has none.
        """
        encoder.model.to(self.device)
        encoder.precision = self.precision
        if self.execution.gradient_checkpointing:
            checkpoint_gradients(encoder.model)

    @cached_property
    def loader(self: JobContext[RunSpec]) -> Loader:
        """Reads the run's data and reports them; one for the whole run, as it remembers what was trained on."""
        return Loader(self.spec, paths=self.paths, emit=self.emit)

    def of_run(self, spec: RunSpec) -> RunContext:
        """The same job with a run that it trains, such as the chain whose intermediate stage a profile looks at."""
        world = (self.paths, self.device, self.emit, self.checkpoints, self.save_every_s, self.execution, self.helpers)
        return JobContext(spec, *world)


RunContext: TypeAlias = JobContext[RunSpec]
ProfileContext: TypeAlias = JobContext[ProfileSpec]
