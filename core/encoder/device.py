"""What depends on the device: its memory, random state of one's own, and what products are computed in."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from core.heads.states import Encoder
from core.processes import held_memory_mb
from core.spec.execution import Precision
from core.variables import PRECISION, word

_CPU_INFO = Path("/proc/cpuinfo")


@cache
def fast_products() -> bool:
    """Have oneDNN multiply float32 matrices where MKL does not use the processor's wide registers; whether it does.

    On AMD processors with AVX-512, torch's MKL computes with AVX2: half the speed of oneDNN's float32 kernels
    (docs/notebook/2026-11-25.md). Torch hands float32 products to oneDNN only where a lower precision is allowed; with
    the instruction set held below the matrix units (AMX) oneDNN has no such kernel, so that the products stay float32:
    a test looks at their error. For the process of a CPU job; before the first product.
    """
    vendor = _CPU_INFO.read_text(encoding="utf-8", errors="replace") if _CPU_INFO.is_file() else ""
    if "AuthenticAMD" not in vendor or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX512_CORE_BF16"
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"  # type: ignore[attr-defined]
    return True


def attention_kernel() -> str | None:
    """Which of transformers' attentions is fastest here; None: its own choice.

    The fused one for CPUs makes many small products, for which oneDNN's start-up costs more than it gains.
    """
    products: str = torch.backends.mkldnn.matmul.fp32_precision  # type: ignore[attr-defined]
    return "eager" if products == "bf16" else None


def arithmetic(device: torch.device) -> dict[str, str | int]:
    """What decides the last digits of a result beside code and versions: two that differ here may round otherwise.

    Args:
        device: Where it computes.

    Returns:
        `device_name`; on a CPU also torch's `cpu_capability` (AVX2, AVX512), whether `mkl` or
        `onednn` makes float32 `products`, and the number of `threads`.
    """
    if device.type == "mps":
        return {"device_name": f"{_cpu_model()} (mps)"}
    if device.type != "cpu":
        return {"device_name": str(torch.get_device_module(device).get_device_name(device))}
    return {
        "device_name": _cpu_model(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "products": "mkl" if attention_kernel() is None else "onednn",
        "threads": torch.get_num_threads(),
    }


def _cpu_model() -> str:
    text = _CPU_INFO.read_text(encoding="utf-8", errors="replace") if _CPU_INFO.is_file() else ""
    names = (line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


@contextmanager
def own_threads() -> Iterator[None]:
    """After the block torch has as many threads as before: a resumed stage sets those that it began with."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """State of torch's generators, the CPU's and the device's.

    Args:
        device: Whose generator counts beside the CPU's.
    """
    state = {"cpu_rng": torch.get_rng_state()}
    if device.type == "mps":
        state["mps_rng"] = torch.mps.get_rng_state()
    elif device.type != "cpu":
        state[f"{device.type}_rng"] = torch.get_device_module(device).get_rng_state(device)
    return state


def set_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Put generators into a state; one that the state does not hold stays as it is.

    Args:
        state: Of `random_state`, among whatever else.
        device: Whose generator is set beside the CPU's.
    """
    torch.set_rng_state(state["cpu_rng"])
    own = state.get(f"{device.type}_rng") if device.type != "cpu" else None
    if own is None:
        return
    if device.type == "mps":
        torch.mps.set_rng_state(own)
    else:
        torch.get_device_module(device).set_rng_state(own, device)


@contextmanager
def own_random_state(seed: int, *, device: torch.device) -> Iterator[None]:
    """Inside the block torch's random state is the stage's own: dropout depends on its seed alone.

    Args:
        seed: Of the stage.
        device: Whose generator is set beside the CPU's.
    """
    before = random_state(device)
    try:
        torch.manual_seed(seed)
        yield
    finally:
        set_random_state(before, device)


def peak_memory_mb(device: torch.device) -> float:
    """Largest memory so far: allocated on a GPU, resident on a CPU, in MB.

    Args:
        device: Where it computes.
    """
    if device.type == "mps":  # it keeps no maximum: what its driver holds, freed blocks included, never shrinks here
        return float(torch.mps.driver_allocated_memory()) / 2**20
    if device.type != "cpu":
        return float(torch.get_device_module(device).max_memory_allocated(device)) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def memory_now_mb(device: torch.device) -> float:
    """Memory held at this moment: reserved by torch on a GPU, resident on a CPU, in MB.

    Args:
        device: Where it computes.
    """
    if device.type == "mps":
        return float(torch.mps.driver_allocated_memory()) / 2**20
    if device.type != "cpu":
        return float(torch.get_device_module(device).memory_reserved(device)) / 2**20
    return held_memory_mb()


@cache
def has_bf16_units() -> bool:
    """Whether this processor multiplies bfloat16 in units of its own (AMX, AVX-512-BF16)."""
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def precision_of(device: torch.device, *, asked: Literal["auto"] | Precision) -> Precision:
    """The precision of a job's products.

    Args:
        device: Where it computes.
        asked: `auto`: what `ATLAS_PRECISION` says, else what the device is fast and safe with.

    Raises:
        SpecError: The variable names none.
    """
    named = word(PRECISION, os.environ, usual="auto") if asked == "auto" else asked
    for known in get_args(Precision):
        if named == known:
            found: Precision = known
            return found
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if device.type == "cpu" and has_bf16_units() else "fp32"


def autocast(encoder: Encoder) -> AbstractContextManager[None]:
    """Inside the block products are computed in the encoder's precision; its weights stay float32.

    Args:
        encoder: On its device.
    """
    dtype = torch.float16 if encoder.precision == "fp16" else torch.bfloat16
    return torch.autocast(encoder.device.type, dtype=dtype, enabled=encoder.precision != "fp32")
