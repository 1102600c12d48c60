"""Sentence vectors: what stands before a text, and what that does to keys."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from core.encoder.identity import identity_of
from core.encoder.loading import embed, load_encoder
from core.encoder.sentences import SentenceEncoder
from core.heads.states import packs
from tests.fakes import tiny_model


def test_the_models_prefix_stands_before_every_text(tmp_path: Path) -> None:
    """The vectors are those of the longer texts, and none of another prefix is taken from the cache."""
    bare = tiny_model(tmp_path / "model")
    prefixed = bare.model_copy(update={"retrieval_prefix": "blue dog "})
    found = {}
    for spec, texts in ((bare, ["red cat", "one bird"]), (prefixed, ["red cat", "one bird"])):
        encoder = SentenceEncoder(spec, device=torch.device("cpu"))
        found[spec.retrieval_prefix] = encoder.embed(texts, fingerprint="x", cache=tmp_path / "cache")
    longer = ["blue dog red cat", "blue dog one bird"]
    expected = embed(load_encoder(bare), longer, layer=None, pooling="mean", batch_tokens=64)
    assert not found["blue dog "].was_ready and found["blue dog "].key != found[""].key
    assert np.allclose(found["blue dog "].rows, expected, atol=1e-3)
    assert not np.allclose(found[""].rows, expected, atol=1e-3)


def test_what_heads_read_is_the_models_record_and_part_of_what_it_is(tmp_path: Path) -> None:
    spec = tiny_model(tmp_path / "model")
    mean = spec.model_copy(update={"heads_read": "mean"})
    assert (load_encoder(spec).heads_read, load_encoder(mean).heads_read) == ("summary", "mean")
    assert identity_of(spec) == spec.fingerprint != identity_of(mean), "their stages are not each other's"


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("layer", [None, 0, 1])
def test_vectors_of_rows_without_padding_are_those_of_padded_rows(
    tmp_path: Path, layer: int | None, pooling: str
) -> None:
    encoder = load_encoder(tiny_model(tmp_path))
    assert packs(encoder)
    padded = dataclasses.replace(encoder, first_position=None)
    texts = ["a cat", "red", "the boy saw a red bird here"]
    found, expected = (embed(e, texts, layer=layer, pooling=pooling, batch_tokens=64) for e in (encoder, padded))
    assert np.allclose(found, expected, atol=1e-5)
