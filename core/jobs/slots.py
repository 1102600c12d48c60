"""Places for one job at a time, on the devices of this machine, found without torch in this process."""

from __future__ import annotations

import json
import logging
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from core.errors import SpecError
from core.paths import REPO
from core.processes import total_memory_mb
from core.spec.execution import AUTO, n_devices
from core.variables import CPU_SLOTS, GPU_SLOTS, number

USUAL_CPU_SLOTS = 2
"""A run and its baseline side by side, each on half of the cores: a job gains less from its second half of them."""

ASKED = "core.chain.accelerators"
"""Module that says what torch can use; named and never imported, because it loads torch."""

HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
"""Environment variables that say which GPUs a process sees."""

UNKNOWN_PARAMETERS_M = 280.0
"""Taken for a model whose size is not known: XLM-R base."""

_SHARED = "#"
# Weights, gradients and AdamW's two moments in float32 are 16 bytes; 118 M parameters took 2.2 GB in training.
_BYTES_PER_PARAMETER, _JOB_MB, _MEMORY_SHARE = 20, 500, 0.75
_SMI_WAIT_S = 30.0
_TORCH_WAIT_S = 120.0
_NODES = ("nvidia[0-9]*", "kfd", "dxg")
_DEV = Path("/dev")
_LOG = logging.getLogger(__name__)


class TorchSays(NamedTuple):
    """What torch can use here."""

    version: str
    """Of torch."""
    threads: int
    """Of torch on the CPU."""
    api: str | None
    """Such as `CUDA 12.8`, `ROCm 6.4`, `MPS (Apple)`; None without a usable GPU."""
    devices: dict[str, str]
    """Name of each GPU by its slot."""


def visible_slots(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Places for one job at a time: `cuda:0` …, `xpu:0` … or `mps`, else those of `cpu_slots`.

    Where several jobs share a GPU, its further places are `cuda:0#2`, `cuda:0#3` and so on, after the first of each.

    `nvidia-smi` counts NVIDIA's; where it is missing or fails and yet something hints at a GPU, torch is asked, which
    takes seconds, once.

    Args:
        environ: `CUDA_VISIBLE_DEVICES` and its like are respected; torch counts the visible devices from 0.

    Raises:
        SpecError: The number of slots that the environment asks for is none.
    """
    cpus, each = cpu_slots(environ), int(number(GPU_SLOTS, environ, usual=1))
    gpus = _counted_by_nvidia(environ) or _found_by_torch(environ)
    return tuple(gpu if i == 1 else f"{gpu}{_SHARED}{i}" for i in range(1, each + 1) for gpu in gpus) or cpus


def device_of(slot: str) -> str:
    """The device of a slot, as torch names it: `cuda:0` of `cuda:0#2`.

    Args:
        slot: Of `visible_slots`.
    """
    return slot.partition(_SHARED)[0]


def cpu_slots(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Slots of a machine without GPUs: `cpu:0`, `cpu:1`, or as many as `ATLAS_CPU_SLOTS` asks for; one is `cpu`.

    Args:
        environ: Environment to read.

    Raises:
        SpecError: The variable holds no whole number from 1 to 256.
    """
    n = int(number(CPU_SLOTS, environ, usual=min(USUAL_CPU_SLOTS, os.cpu_count() or 1)))
    return ("cpu",) if n == 1 else tuple(f"cpu:{i}" for i in range(n))


def is_here(device: str, slots: Sequence[str]) -> bool:
    """Whether a machine has what a job asks for; a CPU every machine has.

    Args:
        device: That it asked for.
        slots: Of the machine.
    """
    devices = {device_of(slot) for slot in slots}
    if device.startswith(AUTO):
        return n_devices(device) == 1 or (not slots[0].startswith("cpu") and n_devices(device) <= len(devices))
    return all(named == "cpu" or named in devices for named in device.split(","))


def free_for(options: Sequence[str], taken: Collection[str], *, device: str) -> tuple[str, ...]:
    """Slots that a job would take now, one of each device that it computes on; empty: it has to wait.

    Args:
        options: Those that it may take.
        taken: Those that others have.
        device: That it asked for.
    """
    free = {device_of(slot): slot for slot in reversed(options) if slot not in taken}
    if device_of(options[0]).startswith("cpu"):  # its slots are one device's
        return tuple(slot for slot in options if slot not in taken)[:1]
    named = list(dict.fromkeys(map(device_of, options))) if device.startswith(AUTO) else device.split(",")
    found = tuple(free[one] for one in named if one in free)[: n_devices(device)]
    return found if len(found) == n_devices(device) else ()


def slots_for(
    slots: tuple[str, ...], *, device: str, parameters_m: float | None, environ: Mapping[str, str]
) -> tuple[str, ...]:
    """Those of a machine's slots that jobs of a model may take.

    On the CPU they are as many as such jobs fit into its memory at a time, unless `ATLAS_CPU_SLOTS` says how many.

    Args:
        slots: Of the machine, from `visible_slots`.
        device: That was asked for: `auto`, `cpu` or that of some of the slots.
        parameters_m: Of the model, in millions; None: not known.
    """
    on_cpu = slots[0].startswith("cpu")
    if not device.startswith(AUTO) and not (on_cpu and device == "cpu"):
        # `cpu` is a slot of its own for who asks for it where there are GPUs.
        return tuple(slot for slot in slots if device_of(slot) in device.split(",")) or (device,)
    if not on_cpu or CPU_SLOTS in environ:
        return slots
    return slots[: max(1, int(_MEMORY_SHARE * total_memory_mb() / _needs_mb(parameters_m)))]


def fits_beside(
    running: Sequence[float | None], *, parameters_m: float | None, slot: str, environ: Mapping[str, str]
) -> bool:
    """Whether the memory holds a job beside those that run: two of one model may, and not one of a larger with it.

    Args:
        running: Parameters of the model of each job that runs, in millions; None: not known.
        parameters_m: The same of the job.
        slot: That it would take; the memory of GPUs is each their own.
        environ: `ATLAS_CPU_SLOTS` is taken at its word.
    """
    if not running or not slot.startswith("cpu:") or CPU_SLOTS in environ:
        return True
    return sum(map(_needs_mb, [*running, parameters_m])) <= _MEMORY_SHARE * total_memory_mb()


def _needs_mb(parameters_m: float | None) -> float:
    return _JOB_MB + _BYTES_PER_PARAMETER * (UNKNOWN_PARAMETERS_M if parameters_m is None else parameters_m)


def ask_torch(environ: Mapping[str, str]) -> TorchSays:
    """What torch can use, from a process of its own; the answer is kept for the life of this one.

    Args:
        environ: Environment of that process.

    Raises:
        SpecError: torch cannot be loaded, or does not answer.
    """
    return _asked(tuple(sorted(environ.items())))


def _counted_by_nvidia(environ: Mapping[str, str]) -> tuple[str, ...]:
    asked = _named(environ, "CUDA_VISIBLE_DEVICES")
    if asked == [] or shutil.which("nvidia-smi", path=environ.get("PATH")) is None:
        return ()
    words = ["nvidia-smi", "-L"]
    try:
        answer = subprocess.run(
            words, capture_output=True, text=True, timeout=_SMI_WAIT_S, check=False, env=dict(environ)
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        _LOG.warning("nvidia-smi does not answer: %s", error)
        return ()
    n_found = sum(line.startswith("GPU ") for line in answer.stdout.splitlines()) if answer.returncode == 0 else 0
    return tuple(f"cuda:{i}" for i in range(n_found if asked is None else min(n_found, len(asked))))


def _found_by_torch(environ: Mapping[str, str]) -> tuple[str, ...]:
    if not _hints_at_gpu(environ):
        return ()
    try:
        return tuple(ask_torch(environ).devices)
    except SpecError as error:
        _LOG.warning("%s Jobs run on the CPU.", error)
        return ()


def _hints_at_gpu(environ: Mapping[str, str]) -> bool:
    """Whether asking torch is worth its seconds: a driver's node, Intel's tool, or a Mac with Apple's processor."""
    if any(_named(environ, name) == [] for name in HIDING):
        return False
    if (platform.system(), platform.machine()) == ("Darwin", "arm64"):
        return True
    has_node = any(next(_DEV.glob(pattern), None) is not None for pattern in _NODES)
    return has_node or shutil.which("xpu-smi", path=environ.get("PATH")) is not None


def _named(environ: Mapping[str, str], variable: str) -> list[str] | None:
    """Devices that a variable leaves visible; None where it is not set."""
    named = environ.get(variable)
    return None if named is None else [d for d in named.split(",") if d.strip() not in {"", "-1", "NoDevFiles"}]


@lru_cache(maxsize=8)
def _asked(environ: tuple[tuple[str, str], ...]) -> TorchSays:
    words = [sys.executable, "-m", ASKED]
    try:
        answer = subprocess.run(
            words, capture_output=True, text=True, timeout=_TORCH_WAIT_S, check=False, cwd=REPO, env=dict(environ)
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        raise SpecError(f"torch did not say what it can use: {error}.") from error
    if answer.returncode:
        last = (answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"])[-1]
        raise SpecError(f"torch cannot be loaded: {last}.")
    return TorchSays(**json.loads(answer.stdout.splitlines()[-1]))
