"""How much goes through the model at once, and less of it where the device's memory runs out.

What ran out of memory is computed again from its beginning with half as much at once, so that what comes of it is
what a smaller budget would have given from the start: never half a gradient, nothing counted twice.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import torch

from core.encoder.batches import sorted_batches
from core.encoder.device import random_state, set_random_state
from core.errors import ModelError, OutOfMemory
from core.heads.packed import keeping_no_weights, packed, present_packing
from core.types.pieces import Ints

TRAINING_TOKENS = 8192
"""Tokens with padding that go through the model at once in training, unless a job says otherwise."""

_LOG = logging.getLogger(__name__)
_WORDS = ("out of memory", "not enough memory", "DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED")
A = TypeVar("A")
T = TypeVar("T")


class Cut(Protocol):
    """Splits rows into batches."""

    def __call__(self, lengths: Ints, *, batch_tokens: int) -> Iterable[Ints]:
        """Indices of the rows of each batch, which hold a budget or a single row."""


class Halved(NamedTuple, Generic[T]):
    """What was computed in the end."""

    value: T
    """Of the attempt that fitted."""
    tokens: int
    """Its budget: the one asked for, or a half, a quarter … of it."""


def halving(compute: Callable[[int], T], *, tokens: int, largest: Callable[[], int], device: torch.device) -> Halved[T]:
    """Compute within a budget of tokens; where memory runs out, again with half of it.

    Every attempt begins with the same random state; what `compute` left behind elsewhere is its own to undo.

    Args:
        compute: Gets the budget.
        tokens: Budget of the first attempt.
        largest: Tokens of the largest single example, asked for where memory ran out: no budget makes batches smaller.
        device: Where it computes.

    Raises:
        OutOfMemory: The largest example does not fit by itself.
    """
    before = random_state(device)

    def single() -> int | None:
        size = largest()
        return size if tokens <= size else None

    while (found := _tried(compute, tokens, single=single, device=device)) is None:
        _free(device, tokens=tokens)
        set_random_state(before, device)
        tokens //= 2
    return Halved(found[0], tokens)


def over_batches(
    lengths: Ints,
    compute: Callable[[Ints], None],
    *,
    batch_tokens: int,
    device: torch.device,
    cut: Cut = sorted_batches,
) -> None:
    """Compute batch by batch; where memory runs out, the batch that did not fit and all after it in smaller ones.

    Args:
        lengths: (n,) tokens of each row.
        compute: Gets the indices of some rows, each row once unless it failed; its tensors end with the call.
        batch_tokens: Most tokens, padding included, in a batch, unless one row has more.
        device: Where it computes.
        cut: Makes the batches.

    Raises:
        OutOfMemory: A single row does not fit by itself.
    """
    left = np.arange(len(lengths))
    while len(left):
        is_done = np.zeros(len(left), dtype=bool)
        for batch in cut(lengths[left], batch_tokens=batch_tokens):
            rows = left[batch]
            single = partial(_single, lengths[rows])
            if _tried(compute, rows, single=single, device=device) is None:
                _free(device, tokens=batch_tokens)
                batch_tokens = max(1, batch_tokens // 2)
                break
            is_done[batch] = True
        left = left[~is_done]


def checkpoint_gradients(model: Any) -> None:  # noqa: ANN401  untyped third party
    """Have the layers of a model keep their inputs alone in training, and compute the rest again for the backward pass.

    Args:
        model: transformers' base model; computes what it computed before.

    Raises:
        ModelError: Its architecture has no layers for which transformers can do that.
    """
    try:
        # The other form (`use_reentrant`) needs inputs with gradients, and so gradients of frozen embeddings.
        model.activation_checkpointing_enable({"use_reentrant": False, "context_fn": _contexts})
        model.disable_input_require_grads()
    except ValueError as error:
        raise ModelError(f"{error} Start the run without --gradient-checkpointing.") from error


def _contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Around a layer at first, and when it is computed again, where the micro-batch must be known once more."""
    packing = present_packing()
    return keeping_no_weights(), nullcontext() if packing is None else packed(packing)


def _single(lengths: Ints) -> int | None:
    return int(lengths[0]) if len(lengths) == 1 else None


def _tried(
    compute: Callable[[A], T], argument: A, *, single: Callable[[], int | None], device: torch.device
) -> tuple[T] | None:
    """What was computed, or None where memory ran out; the failed attempt's tensors end with this call.

    Args:
        single: Tokens of the example where nothing smaller can be tried, else None.
    """
    try:
        return (compute(argument),)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if (size := single()) is not None:
            raise OutOfMemory(
                f"The memory of {device} does not hold one example of {size} tokens beside the model. Choose another "
                "device (--device), a smaller model, or a protocol with a smaller max_length."
            ) from error
    return None


@contextmanager
def memory_problems(device: torch.device) -> Iterator[None]:
    """Turn running out of memory into an error that says what to do, where nothing can be computed in smaller parts.

    Args:
        device: Where it computes.

    Raises:
        OutOfMemory: The device has no memory left.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(
            f"The memory of {device} is full, and smaller batches would not help: {error} Choose another device "
            "(--device) or a smaller model, or end what else uses the memory, then retry the run."
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device's memory, or this machine's, ran out.

    Args:
        error: Of torch or Python.
    """
    is_memory = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return is_memory or any(words in str(error) for words in _WORDS)


def _free(device: torch.device, *, tokens: int) -> None:
    _LOG.warning("%s ran out of memory with %d tokens at once: going on with half of them", device, tokens)
    gc.collect()
    if device.type != "cpu":
        torch.get_device_module(device).empty_cache()
