"""A model is used only with all of its own weights, if it reads both ways; dropout reaches all of it, or it is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn

from core.encoder.fitting import dropout_gap
from core.encoder.loading import load_encoder, save_encoder
from core.encoder.mlm import load_for_mlm
from core.encoder.sentences import SentenceEncoder
from core.errors import ModelError
from core.events import Event, Flagged
from core.heads.layers import token_head
from core.spec.model import ModelSpec
from core.training.plan import plan
from core.training.reuse import train_or_reuse
from tests.fakes import ARCHITECTURES, tiny_model, tiny_tokenizer, toy_context, toy_mirror, toy_protocol, toy_run

EUROBERT = {"num_key_value_heads": 2, "bos_token_id": 0, "eos_token_id": 2}


def _tiny(folder: Path, kind: str, **fields: object) -> ModelSpec:
    """A tiny model of an architecture that `tiny_model` does not make."""
    tokenizer = tiny_tokenizer("bert")
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    common = {"vocab_size": len(tokenizer), "pad_token_id": 1}
    config = transformers.AutoConfig.for_model(kind, **(sizes | common | fields))
    transformers.AutoModel.from_config(config).save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    about = {"title": "Tiny", "languages": "english", "licence": "none", "citation": "none"}
    return ModelSpec.model_validate({"name": "tiny", "path": str(folder), "architecture": kind} | about)


def _rewrite(folder: Path, change: object) -> None:
    file = folder / "model.safetensors"
    save_file(change(load_file(str(file))), str(file), metadata={"format": "pt"})  # type: ignore[operator]


def test_missing_tensors_refuse_the_model_by_name(tmp_path: Path) -> None:
    spec = tiny_model(tmp_path)
    _rewrite(tmp_path, lambda tensors: {k: v for k, v in tensors.items() if "layer.1." not in k})
    with pytest.raises(ModelError, match=r"would be random: 16 missing \(encoder.layer.1.\S+, .+, …\)") as refused:
        load_encoder(spec)
    assert str(refused.value).count("encoder.layer.1.") == 5 and str(tmp_path) in str(refused.value)


def test_weights_that_hold_nan_are_refused_before_anything_is_scored(tmp_path: Path) -> None:
    spec, name = tiny_model(tmp_path), "encoder.layer.1.output.dense.weight"
    _rewrite(tmp_path, lambda tensors: tensors | {name: tensors[name] * torch.nan})
    with pytest.raises(ModelError, match=r"no finite numbers, so its weights hold nan. Copy or download them again"):
        load_encoder(spec)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_masked_language_modelling_needs_the_encoder_and_no_head(tmp_path: Path, architecture: str) -> None:
    spec = tiny_model(tmp_path, architecture=architecture)  # saved without a head
    assert load_for_mlm(spec, seed=0)[0].hidden_size == 16
    gone = next(k for k in load_file(str(tmp_path / "model.safetensors")) if "layer" in k and k.endswith("weight"))
    _rewrite(tmp_path, lambda tensors: {k: v for k, v in tensors.items() if k != gone})
    with pytest.raises(ModelError, match=rf"would be random: 1 missing \(\S*{gone}\)"):
        load_for_mlm(spec, seed=0)


def test_a_file_none_of_whose_names_fit_is_refused(tmp_path: Path) -> None:
    spec = tiny_model(tmp_path)
    _rewrite(tmp_path, lambda tensors: {f"foo.{k}": v for k, v in tensors.items()})
    n = len(load_file(str(tmp_path / "model.safetensors")))
    with pytest.raises(ModelError, match=rf"The file has {n} that the model does not know \(foo.embeddings"):
        load_encoder(spec)


def test_a_tensor_of_another_shape_is_refused(tmp_path: Path) -> None:
    spec = tiny_model(tmp_path)
    name = "embeddings.word_embeddings.weight"
    rows = len(tiny_tokenizer("bert"))
    _rewrite(tmp_path, lambda tensors: tensors | {name: torch.zeros(7, 16)})
    with pytest.raises(ModelError, match=rf"1 of another shape \({name} \[7, 16\] for \[{rows}, 16\]\)"):
        load_encoder(spec)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_heads_of_other_tasks_and_poolers_do_not_matter(tmp_path: Path, architecture: str) -> None:
    spec = tiny_model(tmp_path, architecture=architecture)
    _rewrite(
        tmp_path,
        lambda tensors: {k: v for k, v in tensors.items() if "pooler" not in k} | {"classifier.weight": torch.ones(2)},
    )
    expected = load_encoder(spec)
    save_encoder(expected, tmp_path / "stage")
    again = load_encoder(spec, weights=tmp_path / "stage")
    for name, tensor in expected.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name]), name


def test_a_saved_stage_goes_through_the_same_check(tmp_path: Path) -> None:
    spec = tiny_model(tmp_path)
    save_encoder(load_encoder(spec), tmp_path / "stage")
    _rewrite(tmp_path / "stage", lambda tensors: {k: v for k, v in tensors.items() if "LayerNorm" not in k})
    with pytest.raises(ModelError, match=rf"Model '{tmp_path}/stage': the weights do not fit"):
        load_encoder(spec, weights=tmp_path / "stage")


def test_a_sentence_encoder_with_modules_goes_through_the_same_check(tmp_path: Path) -> None:
    spec = tiny_model(tmp_path / "model")
    _rewrite(tmp_path / "model", lambda tensors: {k: v for k, v in tensors.items() if "LayerNorm" not in k})
    (tmp_path / "model" / "modules.json").write_text('[{"type": "sentence_transformers.models.Dense"}]')
    encoder = SentenceEncoder(spec, device=torch.device("cpu"))
    with pytest.raises(ModelError, match="Tensors that would be random: 10 missing"):
        encoder.embed(["red"], fingerprint="x", cache=tmp_path / "cache")


def test_weights_that_are_cut_off_are_named(tmp_path: Path) -> None:
    spec = tiny_model(tmp_path)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(ModelError, match=rf"Model '{tmp_path}': its safetensors are cut off or damaged"):
        load_encoder(spec)


@pytest.mark.parametrize(
    ("kind", "fields"), [("llama", {"num_key_value_heads": 2}), ("bert", {"is_decoder": True}), ("t5", {"d_model": 16})]
)
def test_what_is_no_encoder_is_refused_in_a_job(tmp_path: Path, kind: str, fields: dict[str, object]) -> None:
    with pytest.raises(ModelError, match=f"found architecture '{kind}'.*, expected an encoder. Encoders only, so far"):
        load_encoder(_tiny(tmp_path, kind, **fields))


def test_a_model_that_reads_from_left_to_right_is_found_by_trying(tmp_path: Path) -> None:
    # XLNet's configuration has a field for it that the architecture's name does not tell.
    both = {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32}
    assert load_encoder(_tiny(tmp_path / "bi", "xlnet", **both)).hidden_size == 16
    with pytest.raises(ModelError, match="reads from left to right: another last piece changes no state before it"):
        load_encoder(_tiny(tmp_path / "uni", "xlnet", attn_type="uni", **both))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_dropout_reaches_every_dropout(tmp_path: Path, architecture: str) -> None:
    encoder = load_encoder(tiny_model(tmp_path, architecture=architecture), dropout=0.3)
    rates = {name: m.p for name, m in encoder.model.named_modules() if isinstance(m, nn.Dropout)}
    assert len(rates) > 3
    assert set(rates.values()) == {0.3}, rates
    fields = {k: v for k, v in vars(encoder.model.config).items() if "dropout" in k and isinstance(v, float)}
    assert set(fields.values()) == {0.3}, fields
    assert dropout_gap(encoder) is None


def test_what_dropout_does_not_reach_is_said(tmp_path: Path) -> None:
    spec = _tiny(tmp_path / "model", "eurobert", **EUROBERT)
    source = toy_mirror(tmp_path / "hub", kinds=("classification",))
    events: list[Event] = []
    protocol = toy_protocol(dropout=0.3)
    run = toy_run(spec, target="classification", source=source, protocol=protocol)
    context = toy_context(run, tmp_path / "home", emit=events.append)
    train_or_reuse(context, plan(context)[-1], parent=None)
    (flag,) = [e for e in events if isinstance(e, Flagged)]
    assert flag.flag == "dropout_partial"
    assert (
        "in the encoder, attention_dropout alone: architecture 'eurobert' has no dropout on its hidden" in flag.message
    )


def test_a_head_has_the_dropout_that_the_configuration_gives_a_classifier(tmp_path: Path) -> None:
    encoder = load_encoder(tiny_model(tmp_path / "modern", architecture="modernbert"))
    assert encoder.model.config.classifier_dropout == 0.0
    assert token_head(encoder, outputs=2, dropout=None).dropout.p == 0.0
    assert token_head(encoder, outputs=2, dropout=0.2).dropout.p == 0.2
    bert = load_encoder(tiny_model(tmp_path / "bert"))  # whose classifier has no rate of its own: that of its states
    assert token_head(bert, outputs=2, dropout=None).dropout.p == bert.model.config.hidden_dropout_prob == 0.1
