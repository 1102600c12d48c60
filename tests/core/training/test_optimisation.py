"""Learning rates, freezing and clipping by hand, and the gradient of an embedding of which few rows are trained."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from core.encoder.loading import load_encoder
from core.spec.protocol import StageProtocol
from core.training.optimisation import CompactEmbedding, clip, decay_until, rate_at, set_frozen
from tests.fakes import tiny_model


def test_a_compact_embedding_has_the_gradient_of_the_whole_one_in_every_step_and_micro_batch() -> None:
    full = torch.nn.Embedding(9, 4, padding_idx=1)
    compact = CompactEmbedding(full, used=np.array([1, 2, 5, 8]))
    for step in ([[[1, 2, 5], [5, 5, 2]], [[8, 2, 1]]], [[[2, 2, 2]]], [[[5, 1, 8]], [[8, 8, 8]]]):
        for module in (full, compact):
            module.zero_grad(set_to_none=True)
            for ids in step:
                states = module(torch.tensor(ids))
                (states * torch.arange(1.0, states.numel() + 1).view_as(states)).sum().backward()
        assert full.weight.grad is not None and compact.weight.grad is not None
        assert torch.equal(compact.weight.grad, full.weight.grad[[1, 2, 5, 8]])


@pytest.mark.parametrize("largest", [0.01, 100.0])
def test_gradients_are_clipped_as_torch_clips_them(largest: float) -> None:
    ours, torchs = ([torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(2, 2))] for _ in range(2))
    for parameters in (ours, torchs):
        for i, parameter in enumerate(parameters):
            parameter.grad = torch.linspace(-1, 1, parameter.numel()).view_as(parameter) + i
    norm = torch.nn.utils.clip_grad_norm_(torchs, largest, foreach=True)
    assert clip(ours, largest=largest) == float(norm)
    for a, b in zip(ours, torchs, strict=True):
        assert a.grad is not None and b.grad is not None and torch.equal(a.grad, b.grad)


def test_gradients_are_clipped_where_torch_has_no_joint_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Apple's GPUs, where `foreach=True` is an error."""
    for module in (torch.utils._foreach_utils, sys.modules["torch.nn.utils.clip_grad"]):
        monkeypatch.setattr(module, "_device_has_foreach_support", lambda device: False)
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([3.0, 4.0])
    assert clip([parameter], largest=1.0) == 5.0
    assert torch.allclose(parameter.grad, torch.tensor([0.6, 0.8]))


def test_learning_rate_by_hand() -> None:
    protocol = StageProtocol(learning_rate=1.0, warmup_fraction=0.2, weight_decay=0.1)
    # 10 steps, 2 of warm-up: 1/2, 2/2, then (10 - step)/8 from step 2 on.
    rates = [rate_at(step, total=10, protocol=protocol) for step in range(10)]
    assert rates == [0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]
    assert decay_until(2, total=10, protocol=protocol) == pytest.approx(0.95 * 0.9)


def test_gradual_unfreezing_opens_from_the_top(tmp_path: Path) -> None:
    encoder = load_encoder(tiny_model(tmp_path))

    def open_at(step: int) -> list[bool]:
        set_frozen(encoder, freezing="gradual", step=step, total=30, epoch_steps=10)
        layers = encoder.model.encoder.layer
        parts = [encoder.model.get_input_embeddings(), *layers]
        return [all(p.requires_grad for p in part.parameters()) for part in parts]

    assert [open_at(s) for s in (0, 10, 20)] == [[False, False, True], [False, True, True], [True, True, True]]
