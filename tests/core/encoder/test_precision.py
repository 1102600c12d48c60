"""Precision: who decides it, what it reaches, and that keys of float32 stay what they were."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.encoder import device as module
from core.encoder.device import autocast, precision_of
from core.encoder.loading import load_encoder
from core.errors import SpecError
from core.heads.states import Batch, encode
from core.spec.protocol import StageProtocol
from core.training.stages import StageIdentity
from core.variables import PRECISION
from tests.fakes import tiny_model

CPU = torch.device("cpu")


def test_what_is_asked_comes_before_the_variable_and_that_before_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    for has_units, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(module, "has_bf16_units", lambda has_units=has_units: has_units)
        monkeypatch.setenv(PRECISION, "auto")
        assert precision_of(CPU, asked="auto") == expected
        monkeypatch.setenv(PRECISION, "fp32")
        assert precision_of(CPU, asked="auto") == "fp32"
        assert precision_of(CPU, asked="bf16") == "bf16"
    monkeypatch.setenv(PRECISION, "half")
    with pytest.raises(SpecError, match="ATLAS_PRECISION is 'half', expected auto, bf16, fp16, fp32"):
        precision_of(CPU, asked="auto")


@pytest.mark.parametrize("supported,expected", [(True, "bf16"), (False, "fp16")])
def test_a_gpu_without_bfloat16_computes_in_float16(
    monkeypatch: pytest.MonkeyPatch, supported: bool, expected: str
) -> None:
    monkeypatch.delenv(PRECISION)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert precision_of(torch.device("cuda:0"), asked="auto") == expected


def test_products_are_in_the_encoders_precision_and_weights_and_gradients_in_float32(tmp_path: Path) -> None:
    encoder, kinds = load_encoder(tiny_model(tmp_path)), []
    linear = next(m for m in encoder.model.modules() if isinstance(m, torch.nn.Linear))
    linear.register_forward_hook(lambda *found: kinds.append(found[-1].dtype))
    batch = Batch(torch.tensor([[5, 6, 7]]), torch.ones(1, 3, dtype=torch.long), None, None, 1.0, is_padded=False)
    for encoder.precision in ("fp32", "bf16", "fp16"):
        encoder.model.zero_grad()
        with autocast(encoder):
            states = encode(encoder, batch)
        (states.float() * torch.linspace(-1, 2, states.numel()).view_as(states)).sum().backward()
        assert all(p.dtype == torch.float32 for p in encoder.model.parameters())
        assert linear.weight.grad is not None and linear.weight.grad.norm() > 0
    assert kinds == [torch.float32, torch.bfloat16, torch.float16]


def test_a_stage_of_another_precision_is_another_stage_and_float32_says_nothing_of_it() -> None:
    fields = {
        "kind": "target", "code": 3, "model": "m", "parent": None, "tasks": ("t",), "data": ("d",), "labels": (("a",),),
        "protocol": StageProtocol(learning_rate=1e-5), "max_length": None, "seed": 1, "placebo": None,
    }  # fmt: skip
    usual, half = StageIdentity(**fields), StageIdentity(**fields, precision="bf16")
    assert "precision" not in usual.canonical_json() and usual.digest() != half.digest()
