"""AdamW's parameter groups, the learning rate, freezing, and training only the embeddings that the data use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  the name everybody reads

from core.heads.frozen import stack_of
from core.heads.states import Encoder
from core.spec.protocol import StageProtocol
from core.types.pieces import Ints


class CompactEmbedding(nn.Module):
    """The rows of an embedding matrix that the training data use; ids stay what they are.

    On a CPU its gradient has one place for the whole stage, where a step clears the rows of the one before and fills
    those of its own pieces; a fresh matrix of zeros for each step takes longer. The lookup is the weight's only use.
    """

    index: torch.Tensor

    def __init__(self, full: nn.Embedding, *, used: Ints) -> None:
        """Copy the used rows.

        Args:
            full: The whole matrix; not changed.
            used: Ascending ids, the padding id among them where the matrix has one.
        """
        super().__init__()
        index = torch.zeros(full.num_embeddings, dtype=torch.long)
        index[torch.from_numpy(used)] = torch.arange(len(used))
        self.register_buffer("index", index.to(full.weight.device), persistent=False)
        self.weight = nn.Parameter(full.weight.detach()[torch.from_numpy(used).to(full.weight.device)].clone())
        self.padding_idx = None if full.padding_idx is None else int(np.searchsorted(used, full.padding_idx))

        self._gradient: torch.Tensor | None = None
        self._filled: list[torch.Tensor] = []

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Rows of the ids, (…, dim)."""
        rows = self.index[ids]
        if self.weight.device.type != "cpu" or not (self.weight.requires_grad and torch.is_grad_enabled()):
            return F.embedding(rows, self.weight, padding_idx=self.padding_idx)
        return _Rows.apply(self.weight, rows, self)  # type: ignore[no-untyped-call,no-any-return]

    def add_gradient(self, rows: torch.Tensor, gradient: torch.Tensor) -> None:
        """Add to the gradient of some rows.

        Args:
            rows: (…) int64.
            gradient: (…, dim).
        """
        rows, gradient = rows.reshape(-1), gradient.reshape(-1, gradient.shape[-1])
        if self.padding_idx is not None:
            gradient = gradient.masked_fill((rows == self.padding_idx).unsqueeze(-1), 0.0)
        if self._gradient is None:
            self._gradient = torch.zeros_like(self.weight)
        elif self.weight.grad is None:
            for filled in self._filled:
                self._gradient.index_fill_(0, filled, 0.0)
            self._filled.clear()
        self._filled.append(rows)
        self._gradient.index_add_(0, rows, gradient.to(self._gradient.dtype))
        self.weight.grad = self._gradient


class _Rows(torch.autograd.Function):
    """Rows of a compact embedding; its backward pass adds to the gradient in place."""

    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, rows: torch.Tensor, owner: CompactEmbedding) -> torch.Tensor:  # noqa: ANN401  torch's, untyped
        ctx.save_for_backward(rows)
        ctx.owner = owner
        return F.embedding(rows, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[None, None, None]:  # noqa: ANN401  torch's, untyped
        (rows,) = ctx.saved_tensors
        ctx.owner.add_gradient(rows, gradients[0])
        return None, None, None


class Compaction:
    """Trains with the used embedding rows only, and puts the whole matrix back afterwards.

    AdamW leaves a row whose gradient was always zero at p·Π(1 - lr·wd), because its moments stay zero. So only that
    product is applied to the rows that no example holds, and neither gradient nor moments are kept for them: with
    XLM-R's 250,000 pieces that is most of the optimiser's memory and much of its time.
    """

    def __init__(self, encoder: Encoder, *, used: Ints | None) -> None:
        """Put the compact matrix in place, unless the architecture's embedding is not a plain one.

        Args:
            encoder: Changed.
            used: Ids in the training and development data; None: leave the matrix as it is.
        """
        self._encoder, self._compact = encoder, None
        full = encoder.model.get_input_embeddings()
        if used is None or type(full) is not nn.Embedding or full.max_norm is not None or full.sparse:
            return
        if not full.weight.requires_grad:
            return  # nothing of it is trained
        extra = [] if full.padding_idx is None else [full.padding_idx]
        self._full, self._used = full, np.union1d(used, np.asarray(extra, dtype=np.int64)).astype(np.int64)
        self._original = full.weight.detach()
        self._compact = CompactEmbedding(full, used=self._used)
        encoder.model.set_input_embeddings(self._compact)

    @contextmanager
    def whole(self, *, decay: float) -> Iterator[None]:
        """Inside the block the encoder has its whole matrix, as if all of it had been trained.

        Args:
            decay: What weight decay left of the unused rows, in (0, 1].
        """
        if self._compact is None:
            yield
            return
        with torch.no_grad():
            weight = self._original * decay
            weight[torch.from_numpy(self._used).to(weight.device)] = self._compact.weight.detach()
        self._full.weight = nn.Parameter(weight)
        self._encoder.model.set_input_embeddings(self._full)
        try:
            yield
        finally:
            self._encoder.model.set_input_embeddings(self._compact)

    def end(self, *, decay: float) -> None:
        """Put the whole matrix back for good.

        Args:
            decay: What weight decay left of the unused rows, in (0, 1].
        """
        if self._compact is None:
            return
        with torch.no_grad():  # in its own place: a second whole matrix would be the most memory that a stage takes
            self._original.mul_(decay)
            self._original[torch.from_numpy(self._used).to(self._original.device)] = self._compact.weight.detach()
        self._full.weight = nn.Parameter(self._original)
        self._encoder.model.set_input_embeddings(self._full)


def parameter_groups(modules: Iterable[nn.Module], *, weight_decay: float) -> list[dict[str, Any]]:
    """Each parameter that is trained once, without weight decay for biases and layer norms.

    Args:
        modules: Encoder and heads; tied parameters may occur in both.
        weight_decay: For the others.
    """
    seen: set[int] = set()
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for module in modules:
        for parameter in module.parameters():
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                (decayed if parameter.ndim > 1 else plain).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def clip(parameters: Sequence[nn.Parameter], *, largest: float) -> float:
    """Scale the gradients down where their norm is too large, as `torch.nn.utils.clip_grad_norm_`; the norm before.

    Args:
        parameters: Whose gradients.
        largest: Norm that they may have together.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if norm + 1e-6 > largest:  # else every gradient would be read and written to stay as it is
        torch.nn.utils.clip_grads_with_norm_(parameters, largest, norm)
    return float(norm)


def rate_at(step: int, *, total: int, protocol: StageProtocol) -> float:
    """Learning rate of a step: linear warm-up, then linear decay to zero or constant.

    Args:
        step: From 0 to total - 1.
        total: Steps of the stage.
        protocol: Peak, warm-up and schedule.
    """
    warmup = protocol.warmup_steps if protocol.warmup_steps is not None else round(protocol.warmup_fraction * total)
    warmup = min(warmup, total)
    if step < warmup:
        return protocol.learning_rate * (step + 1) / warmup
    if protocol.schedule == "constant":
        return protocol.learning_rate
    return protocol.learning_rate * (total - step) / max(1, total - warmup)


def decay_until(steps: int, *, total: int, protocol: StageProtocol, first: int = 0) -> float:
    """What weight decay alone leaves of a weight after some steps, in (0, 1].

    Args:
        steps: Steps taken.
        total: Steps of the stage.
        protocol: Rates and decay.
        first: Step from which on the weight is trained; AdamW does not touch one without a gradient.
    """
    product = 1.0
    for step in range(first, steps):
        product *= 1.0 - rate_at(step, total=total, protocol=protocol) * protocol.weight_decay
    return product


def set_frozen(encoder: Encoder, *, freezing: str, step: int, total: int, epoch_steps: int) -> None:
    """Which encoder weights are updated at a step.

    Gradual unfreezing (Howard & Ruder 2018): first the head with the top layer, then one layer more per epoch; where a
    stage has fewer epochs than layers, at even intervals, so that the embeddings are trained in the last part.

    Args:
        encoder: Changed in place.
        freezing: As in `StageProtocol`.
        step: From 0.
        total: Steps of the stage.
        epoch_steps: Steps per epoch.
    """
    if freezing == "none":
        return
    embeddings = encoder.model.get_input_embeddings()
    if freezing == "embeddings":
        embeddings.requires_grad_(False)
        return
    layers = _layers_of(encoder)
    n_open = 1 + step // _interval(layers, total=total, epoch_steps=epoch_steps)
    encoder.model.requires_grad_(n_open > len(layers))
    for layer in layers[max(0, len(layers) - n_open) :]:
        layer.requires_grad_(True)


def left_of_unused(encoder: Encoder, protocol: StageProtocol, *, step: int, total: int, epoch_steps: int) -> float:
    """What weight decay has left of embeddings that no example holds, in (0, 1]; 1 where they were never trained.

    Args:
        encoder: Trained, or to be.
        protocol: Rates, decay, and when the embeddings are trained.
        step: Steps taken.
        total: Steps of the stage.
        epoch_steps: Steps per epoch.
    """
    layers = _layers_of(encoder)
    opened = len(layers) * _interval(layers, total=total, epoch_steps=epoch_steps)
    first = {"none": 0, "gradual": opened, "embeddings": total}[protocol.freezing]
    return decay_until(step, total=total, protocol=protocol, first=first)


def _layers_of(encoder: Encoder) -> list[nn.Module]:
    return stack_of(encoder.model) or [encoder.model]


def _interval(layers: Sequence[nn.Module], *, total: int, epoch_steps: int) -> int:
    """Steps after which gradual unfreezing opens one layer more."""
    return max(1, min(epoch_steps, total // (len(layers) + 1)))
