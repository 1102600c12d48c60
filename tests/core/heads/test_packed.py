"""Packed rows: the same states and gradients as with padding, in every architecture that can read them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.encoder.loading import load_encoder
from core.heads import packed
from core.heads.dropout import FastDropout, keep, with_fast_dropout
from core.heads.packed import Scores, packed_attention, packing_of
from core.heads.states import Batch, Encoder, encode, inputs_of
from tests.fakes import ARCHITECTURES, tiny_model

HEADS, WIDTH = 2, 3


def _three(n: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(n)
    return [
        torch.randn(1, HEADS, n, WIDTH, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(3)
    ]


def _by_row(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *, lengths: list[int], window: int | None
) -> torch.Tensor:
    """Attention of one row after the other, as the formula says."""
    parts, begun = [], 0
    for n in lengths:
        mine = slice(begun, begun + n)
        scores = 0.7 * q[0, :, mine] @ k[0, :, mine].transpose(1, 2)
        if window is not None:
            places = torch.arange(n)
            scores = scores.masked_fill((places[:, None] - places).abs() >= window, -torch.inf)
        parts.append((scores.softmax(-1) @ v[0, :, mine]).transpose(0, 1))
        begun += n
    return torch.cat(parts)[None]


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=7),
    window=st.sampled_from([None, 1, 3]),
    at_once=st.sampled_from([1, 100, 2**19]),
)
def test_attention_and_its_gradient_are_those_of_each_row_alone(
    lengths: list[int], window: int | None, at_once: int
) -> None:
    three, same = _three(sum(lengths)), _three(sum(lengths))
    packing = packing_of(np.array(lengths))
    with mock.patch.object(packed, "_AT_ONCE", at_once):
        found = packed_attention(*three, packing=packing, scores=Scores(0.7, 0.0, window))
        weights = torch.linspace(-1, 2, found.numel(), dtype=torch.float64).view_as(found)
        (found * weights).sum().backward()
    wanted = _by_row(*same, lengths=lengths, window=window)
    torch.testing.assert_close(found, wanted)
    (wanted * weights).sum().backward()
    for a, b in zip(three, same, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_attention_that_is_computed_again_has_the_same_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    gradients = []
    for saved in (100, 0):
        monkeypatch.setattr(packed, "_SAVED_LENGTH", saved)
        torch.manual_seed(3)
        three = _three(20)
        packed_attention(
            *three, packing=packing_of(np.array([9, 8, 3])), scores=Scores(0.7, 0.4, None)
        ).sum().backward()
        gradients.append([t.grad for t in three])
    for a, b in zip(*gradients, strict=True):
        assert a is not None
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_dropout_keeps_the_mean_and_the_share_and_follows_its_seed() -> None:
    factors = keep((1000, 101), rate=0.1, dtype=torch.float32, seed=5)
    assert factors.unique().tolist() == [0.0, pytest.approx(1 / 0.9, rel=1e-4)]
    assert float((factors == 0).float().mean()) == pytest.approx(0.1, abs=0.004), "four standard errors"
    assert float(factors.mean()) == pytest.approx(1.0, abs=0.005)
    assert torch.equal(factors, keep((1000, 101), rate=0.1, dtype=torch.float32, seed=5))
    assert not torch.equal(factors, keep((1000, 101), rate=0.1, dtype=torch.float32, seed=6))


def test_dropout_is_put_everywhere_and_is_still_outside_training() -> None:
    model = torch.nn.Sequential(
        torch.nn.Dropout(0.5), torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.2))
    )
    with_fast_dropout(model)
    assert [m.p for m in model.modules() if isinstance(m, FastDropout)] == [0.5, 0.2]
    values = torch.ones(64, 4)
    assert torch.equal(model[0].eval()(values), values)
    torch.manual_seed(1)
    first = model[0].train()(values)
    torch.manual_seed(1)
    assert torch.equal(first, model[0](values)), "torch's random state decides"
    assert set(first.unique().tolist()) == {0.0, 2.0}


def _batch(encoder: Encoder, lengths: list[int]) -> Batch:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 30, (len(lengths), max(lengths)), generator=generator)
    mask = torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]
    types = (torch.arange(max(lengths))[None, :] > 2).long().expand_as(ids) if encoder.takes_types else None
    padded = not bool(mask.all())
    return Batch(ids, mask.long(), types, targets=None, weight=1.0, is_padded=padded)


@pytest.mark.parametrize("lengths", [[4, 11, 1, 6], [5, 5]], ids=["padded", "equal"])
@pytest.mark.parametrize("architecture", [a for a in ARCHITECTURES if a != "xlnet"])
def test_states_and_gradients_are_those_with_padding(tmp_path: Path, architecture: str, lengths: list[int]) -> None:
    encoder = load_encoder(tiny_model(tmp_path, architecture=architecture))
    encoder.model.eval()
    batch, found = _batch(encoder, lengths), []
    for one in (encoder, dataclasses.replace(encoder, first_position=None)):
        one.model.zero_grad()
        states = encode(one, batch) * batch.mask[..., None]
        (states * torch.linspace(-1, 1, states.numel()).view_as(states)).sum().backward()
        found.append(
            (states.detach(), {n: p.grad.clone() for n, p in one.model.named_parameters() if p.grad is not None})
        )
    (packed_states, packed_grads), (states, grads) = found
    torch.testing.assert_close(packed_states, states, rtol=1e-4, atol=1e-5)
    assert set(packed_grads) == set(grads)
    for name, gradient in grads.items():
        torch.testing.assert_close(packed_grads[name], gradient, rtol=1e-3, atol=1e-5)


def test_which_architectures_are_packed(tmp_path: Path) -> None:
    first = {a: load_encoder(tiny_model(tmp_path / a, architecture=a)).first_position for a in ARCHITECTURES}
    assert first["bert"] == first["modernbert"] == 0
    assert first["xlm-roberta"] == 2, "its positions begin behind the padding index"
    assert first["deberta-v2"] is None, "its attention reads relative positions, which ours does not know"
    encoder = load_encoder(tiny_model(tmp_path / "again"))
    with inputs_of(encoder, _batch(encoder, [4, 11, 1])) as rows:
        assert rows.inputs["input_ids"].shape == (1, 16), "no padding"
        assert rows.inputs["position_ids"].tolist() == [[*range(4), *range(11), 0]]
