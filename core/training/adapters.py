"""LoRA (Hu et al. 2021, 2106.09685) through `peft`: small matrices are trained beside the linear layers, not these.

Every linear layer of the encoder has one adapter, W + (alpha / rank)·BA, in attention as in feed-forward; all else of
the encoder stays as it is, and heads are trained whole. The stage hands on an ordinary encoder: the adapters are added
to the weights at its end, and the next stage starts new ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from core.errors import ModelError
from core.heads.states import Encoder
from core.spec.protocol import StageProtocol
from core.training.seeds import Draws

_NAME = "lora"


class Adapters:
    """Adapters of an encoder while a stage trains them; none where its protocol has no `lora_rank`."""

    def __init__(self, encoder: Encoder, protocol: StageProtocol, *, draws: Draws) -> None:
        """Put adapters beside the linear layers and take everything else of the encoder out of training.

        Args:
            encoder: On its device; changed, its states stay what they are.
            protocol: Of the stage.
            draws: Of the stage.

        Raises:
            ModelError: The architecture has no linear layer.
        """
        self._model = encoder.model
        self._layers: dict[str, Any] = {}
        if protocol.lora_rank is None:
            return
        _inject(encoder, protocol, rank=protocol.lora_rank, seed=draws.number("adapters"))
        self._layers = {name: module for name, module in self._model.named_modules() if hasattr(module, "lora_A")}

    @contextmanager
    def merged(self) -> Iterator[None]:
        """Inside the block the encoder is an ordinary one, with the adapters added to its weights."""
        before = {name: layer.get_base_layer().weight for name, layer in self._layers.items()}
        self.merge()
        try:
            yield
        finally:
            for name, layer in self._layers.items():
                # The very weights from before: subtracting what was added would leave rounding.
                layer.get_base_layer().weight = before[name]
                self._model.set_submodule(name, layer)

    def merge(self) -> None:
        """Add the adapters to the weights and take them out of the encoder."""
        for name, layer in self._layers.items():
            linear = layer.get_base_layer()
            with torch.no_grad():
                linear.weight = nn.Parameter(linear.weight + layer.get_delta_weight(_NAME))
            self._model.set_submodule(name, linear)


def _inject(encoder: Encoder, protocol: StageProtocol, *, rank: int, seed: int) -> None:
    from peft import LoraConfig, inject_adapter_in_model  # noqa: PLC0415  only stages with adapters load it

    model = encoder.model
    # A pooler is never read. Embeddings are no linear layers; XLNet's attention is none, either.
    names = [name for name, m in model.named_modules() if isinstance(m, nn.Linear) and "pooler" not in name]
    if not names:
        raise ModelError(
            f"lora_rank is {rank}, but architecture '{model.config.model_type}' has no linear layer to put an adapter "
            "beside. Choose a protocol without lora_rank, or another model."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        settings = LoraConfig(r=rank, lora_alpha=protocol.lora_alpha or 2 * rank, target_modules=names)
        inject_adapter_in_model(settings, model, adapter_name=_NAME)
    del model.peft_config  # nothing of peft is in what a stage saves
