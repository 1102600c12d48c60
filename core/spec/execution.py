"""How a job is executed: options that no run's id holds, so that nothing is trained anew for another value of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, ValidationError

from core.errors import RunFolderDamaged, SpecError
from core.spec.base import Spec

FEWEST_TOKENS = 64
"""Least token budget that can be asked for."""

AUTO = "auto"
"""The device of a job that may run anywhere; `auto:2` of one that takes two GPUs."""

Precision = Literal["bf16", "fp16", "fp32"]
"""What products are computed in."""

_DEVICE = r"^(auto(:[1-9]\d?)?|cpu(:\d+)?|(cuda|xpu):\d+(,(cuda|xpu):\d+)*|mps)$"


class ExecutionOptions(Spec):
    """Where and how a job computes."""

    device: str = Field(default="auto", pattern=_DEVICE)
    """Where it may run: `auto` (any slot), `cpu`, `cuda:1`, `xpu:0`, `mps`; on two GPUs: `auto:2`, `cuda:0,cuda:1`."""
    batch_tokens: int | None = Field(default=None, ge=FEWEST_TOKENS, exclude_if=lambda value: value is None)
    """Most tokens, padding included, that go through the model at once in training; None: as the device can."""
    precision: Literal["auto"] | Precision = Field(default="auto", exclude_if=lambda value: value == "auto")
    """What products are computed in; `auto`: as `ATLAS_PRECISION` says, else what the device is fast with."""

    gradient_checkpointing: bool = Field(default=False, exclude_if=lambda value: not value)
    """Whether training keeps the inputs of layers alone and computes the rest again: less memory, more time."""

    def changed_by(self, asked: ExecutionOptions) -> ExecutionOptions:
        """These options with those in their place that somebody has named.

        Args:
            asked: Only what was given to it counts.
        """
        return self.model_copy(update={name: getattr(asked, name) for name in asked.model_fields_set})


def n_devices(device: str) -> int:
    """How many devices a job computes on at a time.

    Args:
        device: That it asked for, as in `ExecutionOptions`.
    """
    return int(device.partition(":")[2] or 1) if device.startswith(AUTO) else 1 + device.count(",")


USUAL = ExecutionOptions()
"""Nothing was said."""


def execution_options(
    *,
    device: str | None = None,
    batch_tokens: int | None = None,
    precision: str | None = None,
    gradient_checkpointing: bool | None = None,
) -> ExecutionOptions:
    """The options that somebody typed; what is None was not said.

    Args:
        device: As in `ExecutionOptions`, like the others.

    Raises:
        SpecError: One of them is none.
    """
    said = {
        "device": device,
        "batch_tokens": batch_tokens,
        "precision": precision,
        "gradient_checkpointing": gradient_checkpointing,
    }
    try:
        return ExecutionOptions.model_validate({name: value for name, value in said.items() if value is not None})
    except ValidationError as error:
        expected = {
            "device": "auto, cpu, mps, cuda: or xpu: and a number, such as cuda:0, or several: auto:2, cuda:0,cuda:1",
            "batch_tokens": f"a whole number of tokens from {FEWEST_TOKENS} on",
            "precision": ", ".join(("auto", *get_args(Precision))),
            "gradient_checkpointing": "yes or no",
        }
        name = str(error.errors()[0]["loc"][0])
        raise SpecError(f"--{name.replace('_', '-')} '{said[name]}': expected {expected[name]}.") from error


def stored_execution(job: Path) -> ExecutionOptions:
    """The options in a `job.json`; the usual ones where there is no such file.

    Raises:
        RunFolderDamaged: The file does not hold them.
    """
    try:
        raw = json.loads(job.read_bytes())
        return ExecutionOptions.model_validate({n: raw[n] for n in ExecutionOptions.model_fields if n in raw})
    except FileNotFoundError:
        return USUAL
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise RunFolderDamaged(f"{job} cannot be read: {error}") from error
