"""LoRA: what is trained, that packed attention reads the adapters, and that a stage hands on an ordinary encoder."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, SqueezeBertConfig, SqueezeBertModel

from core.chain.pipeline import execute
from core.encoder.batches import collate, step_items, training_batch
from core.encoder.features import featurise
from core.encoder.loading import load_encoder, save_encoder
from core.errors import ModelError
from core.events import DevScored, Event, LanguageScored, StageFinished
from core.heads.states import Batch, Encoder, encode, packs
from core.spec.protocol import StageProtocol
from core.spec.run import DataSource, DataSourceKind
from core.training.adapters import Adapters
from core.training.gradients import StageJob
from core.training.loader import EnglishData
from core.training.loop import train_stage
from core.training.objectives import fresh_head, supervised
from core.training.optimisation import rate_at
from core.training.seeds import Draws
from core.types.table import learning_of
from tests.fakes import ARCHITECTURES, tiny_model, toy_context, toy_mirror, toy_protocol, toy_run, toy_split

_SAMPLE = DataSource(kind=DataSourceKind.SAMPLE)
_DRAWS = Draws(3, "target", ("toy",))
_LORA = StageProtocol(learning_rate=1e-2, batch_size=8, evaluations=2, epochs=2, lora_rank=4, dropout=0.1)
_PLAIN = _LORA.model_copy(update={"dropout": 0.0, "selection": "last"})

Weights = dict[str, torch.Tensor]


def _data(kind: str) -> EnglishData:
    return EnglishData(train=toy_split(kind, role="train", n=24), dev=toy_split(kind, role="dev", n=12))


def _stage(
    folder: Path,
    kind: str,
    *,
    protocol: StageProtocol = _LORA,
    stop: int | None = None,
    scores: list[float] | None = None,
    precision: str = "fp32",
) -> dict[str, Weights]:
    """What a tiny stage hands to `keep`, by name: weights of the encoder and, as `head.…`, of the head.

    Args:
        stop: Raises KeyboardInterrupt when that step is scored.
        scores: Take the place of the development scores.
    """
    spec = tiny_model(folder / "model")
    encoder = load_encoder(spec, dropout=protocol.dropout)
    encoder.precision = precision  # type: ignore[assignment]  # one of the two
    goals = supervised([_data(kind)], encoder=encoder, protocol=protocol, draws=_DRAWS, max_length=None)
    if scores is not None:
        goals[0].dev_score, goals[0].judge = iter(scores).__next__, lambda: None

    def emit(event: Event) -> None:
        if isinstance(event, DevScored) and event.step == stop:
            raise KeyboardInterrupt

    kept = dict[str, Weights]()

    def keep(which: str) -> None:
        head = {f"head.{name}": tensor for name, tensor in goals[0].head.state_dict().items()}
        kept[which] = {name: t.clone() for name, t in {**encoder.model.state_dict(), **head}.items()}

    context = toy_context(toy_run(spec, target=kind, source=_SAMPLE), folder, emit=emit, save_every_s=0.0)
    job = StageJob(key="k", kind="target", name="toy", protocol=protocol, draws=_DRAWS)
    train_stage(context, job, encoder=encoder, objectives=goals, keep=keep)
    return kept


def _by_hand(folder: Path, kind: str) -> Weights:
    """The same stage in peft's, torch's and transformers' own words: padded, one batch a step, no dropout."""
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415  slow to load, and this test alone does

    encoder = load_encoder(tiny_model(folder / "model"), dropout=0.0)
    data, learning = _data(kind), learning_of(kind)
    features = featurise(data.train, encoder=encoder)
    head = fresh_head(data.train, encoder=encoder, dropout=0.0, draws=_DRAWS)
    model = AutoModel.from_pretrained(str(folder / "model"), add_pooling_layer=False, attn_implementation="eager")
    torch.manual_seed(_DRAWS.number("adapters"))
    adapted = get_peft_model(model.eval(), LoraConfig(r=4, lora_alpha=8, target_modules="all-linear"))
    trained = [p for p in [*adapted.parameters(), *head.parameters()] if p.requires_grad]
    matrices, vectors = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups)
    for step in range(6):
        items = step_items(features.n_items, seed=_DRAWS.number("order"), step=step, batch_size=8)
        batch = training_batch(features, np.asarray(items), encoder=encoder)
        states = adapted(input_ids=batch.ids, attention_mask=batch.mask, token_type_ids=batch.types).last_hidden_state
        (learning.loss_sum(head(states, batch.mask), batch) / batch.weight).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, total=6, protocol=_PLAIN)
        optimiser.step()
        optimiser.zero_grad()
    ordinary = adapted.merge_and_unload()
    return {**ordinary.state_dict(), **{f"head.{name}": tensor for name, tensor in head.state_dict().items()}}


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # of get_peft_model alone
@pytest.mark.parametrize("kind", ["classification", "tagging"])
def test_a_stage_trains_what_peft_trains_by_hand_and_nothing_else(tmp_path: Path, kind: str) -> None:
    before = load_encoder(tiny_model(tmp_path / "a" / "model")).model.state_dict()
    by_hand, found = _by_hand(tmp_path / "b", kind), _stage(tmp_path / "c", kind, protocol=_PLAIN)["selected"]
    assert found.keys() == by_hand.keys(), "an ordinary encoder, and its head"
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, by_hand[name], rtol=0, atol=2e-5, msg=name)
    changed = {name for name in before if not torch.equal(before[name], found[name])}
    matrices = {n for n in before if n.endswith(".weight") and "LayerNorm" not in n and not n.startswith("embeddings.")}
    assert changed == matrices, "the matrices of attention and feed-forward; no bias, no norm, no embedding"


def _moved(encoder: Encoder, protocol: StageProtocol = _LORA) -> Adapters:
    """Adapters as after some training: none of their matrices is zero."""
    adapters = Adapters(encoder, protocol, draws=_DRAWS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for name, parameter in encoder.model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.3)
    return adapters


def _texts(encoder: Encoder) -> tuple[Batch, torch.Tensor]:
    batch, _ = collate(featurise(toy_split("tagging"), encoder=encoder), np.arange(9), encoder=encoder)
    return batch, batch.mask.bool()


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "mpnet", "xlm", "convbert", "fnet"])
def test_a_merged_encoder_gives_the_states_of_the_adapters(tmp_path: Path, architecture: str) -> None:
    spec = tiny_model(tmp_path / "model", architecture=architecture)
    encoder = load_encoder(spec)
    batch, is_real = _texts(encoder)
    encoder.train(False)
    names, untouched = encoder.model.state_dict().keys(), encode(encoder, batch)[is_real]
    adapters = Adapters(encoder, _LORA, draws=_DRAWS)
    torch.testing.assert_close(encode(encoder, batch)[is_real], untouched, rtol=0, atol=0, msg="B starts at zero")
    encoder = load_encoder(spec)
    encoder.train(False)
    adapters = _moved(encoder)
    with_adapters, weights = encode(encoder, batch)[is_real], _copied(encoder)
    assert (with_adapters - untouched).abs().max() > 0.01
    with adapters.merged():
        assert encoder.model.state_dict().keys() == names
        torch.testing.assert_close(encode(encoder, batch)[is_real], with_adapters, rtol=0, atol=2e-5)
    again = encoder.model.state_dict()
    assert weights.keys() == again.keys() and all(torch.equal(weights[n], again[n]) for n in weights), "to the bit"
    adapters.merge()
    save_encoder(encoder, tmp_path / "saved")
    assert sorted(file.name for file in (tmp_path / "saved").iterdir()) == ["config.json", "model.safetensors"]
    read = load_encoder(spec, weights=tmp_path / "saved")
    read.train(False)
    torch.testing.assert_close(encode(read, batch)[is_real], with_adapters, rtol=0, atol=2e-5)


def _copied(encoder: Encoder) -> Weights:
    return {name: tensor.clone() for name, tensor in encoder.model.state_dict().items()}


@pytest.mark.parametrize("architecture,named", [
    ("bert", ("query", "key", "value", "output.dense", "intermediate.dense")),
    ("modernbert", ("Wqkv", "attn.Wo", "mlp.Wi", "mlp.Wo")),
    ("distilbert", ("q_lin", "k_lin", "v_lin", "out_lin", "ffn.lin1", "ffn.lin2")),
])  # fmt: skip
def test_packed_rows_give_every_adapter_the_gradient_of_padded_ones(
    tmp_path: Path, architecture: str, named: tuple[str, ...]
) -> None:
    """Attention of packed rows is ours: were it to read a layer's bare weight, its adapter would learn nothing."""
    spec, gradients = tiny_model(tmp_path / "model", architecture=architecture), list[Weights]()
    for is_packed in (True, False):
        encoder = load_encoder(spec, dropout=0.0)
        if not is_packed:
            encoder.first_position = None
        assert packs(encoder) is is_packed
        _moved(encoder)
        encoder.train(True)
        batch, is_real = _texts(encoder)
        (encode(encoder, batch)[is_real] * torch.linspace(-1, 1, 16)).sum().backward()
        gradients.append({n: p.grad for n, p in encoder.model.named_parameters() if p.grad is not None})
    packed, padded = gradients
    assert packed.keys() == padded.keys() and all("lora_" in name for name in packed), "no other gradient is formed"
    for layer in named:
        found = [gradient for name, gradient in packed.items() if f"{layer}.lora_" in name]
        assert len(found) >= 4 and all(gradient.abs().max() > 1e-3 for gradient in found), f"A and B of {layer}"
    for name, gradient in packed.items():
        torch.testing.assert_close(gradient, padded[name], rtol=1e-3, atol=1e-4, msg=name)


def test_a_stage_with_adapters_goes_on_after_an_interruption_from_a_small_checkpoint(tmp_path: Path) -> None:
    undisturbed = _stage(tmp_path / "a", "tagging")["selected"]
    with pytest.raises(KeyboardInterrupt):
        _stage(tmp_path / "b", "tagging", stop=6)
    (state,) = (tmp_path / "b").rglob("checkpoints/k.pt")
    saved = torch.load(state, weights_only=True)
    names = [n for n, t in saved["weights"]["encoder"].items() if t.is_floating_point()]
    assert names and all("lora_" in name for name in names), "weights that are as they were are not in it"
    n_head = len(saved["weights"]["head:toy_tagging"])
    assert len(saved["optimiser"]["state"]) == len(names) + n_head
    resumed = _stage(tmp_path / "b", "tagging")["selected"]
    assert all(torch.equal(undisturbed[name], resumed[name]) for name in undisturbed)


def test_the_best_step_and_the_last_are_both_handed_on_without_adapters(tmp_path: Path) -> None:
    kept = _stage(tmp_path / "a", "classification", scores=[0.9, 0.1])
    short = _stage(
        tmp_path / "b", "classification", protocol=_LORA.model_copy(update={"patience": 1}), scores=[0.9, 0.9]
    )
    alone = _stage(tmp_path / "c", "classification", protocol=_LORA.model_copy(update={"selection": "last"}))
    assert (
        set(kept) == {"selected", "last"} and kept["selected"].keys() == kept["last"].keys() == alone["selected"].keys()
    )
    assert all(torch.equal(kept["last"][name], tensor) for name, tensor in alone["selected"].items())
    assert all(torch.equal(kept["selected"][name], tensor) for name, tensor in short["selected"].items())
    assert not torch.equal(kept["selected"]["head.out.weight"], kept["last"]["head.out.weight"])


def test_adapters_train_in_bfloat16_and_stay_in_float32(tmp_path: Path) -> None:
    plain, found = (
        _stage(tmp_path / precision, "classification", protocol=_PLAIN, precision=precision)["selected"]
        for precision in ("fp32", "bf16")
    )
    start = load_encoder(tiny_model(tmp_path / "model")).model.state_dict()
    moved = {name: (plain[name] - start[name]).norm() for name in start if "query.weight" in name}
    for name, size in moved.items():
        assert found[name].dtype == torch.float32 and size > 0
        assert 0 < (found[name] - plain[name]).norm() < 0.5 * size, "rounded products, much the same step"


def test_a_chain_starts_new_adapters_in_every_stage_and_scores_ordinary_encoders(tmp_path: Path) -> None:
    """The intermediate stage is masked-language modelling: its head is transformers' own, around our adapters."""
    source, spec = toy_mirror(tmp_path / "mirror", kinds=("classification", "tagging")), tiny_model(tmp_path / "model")
    settings = {"source": source, "protocol": toy_protocol(lora_rank=2)}
    run = toy_run(spec, target="classification", intermediate="toy_tagging~mlm", **settings)  # type: ignore[arg-type]
    events: list[Event] = []
    context = toy_context(run, tmp_path / "home", emit=events.append)
    execute(context)
    assert any(isinstance(event, LanguageScored) for event in events)
    keys = [event.key for event in events if isinstance(event, StageFinished) and event.kind != "evaluation"]
    chain = [load_encoder(spec, weights=context.paths.stage(key) / "encoder").model.state_dict() for key in keys]
    chain.insert(0, load_encoder(spec).model.state_dict())
    query, word = "encoder.layer.0.attention.self.query.weight", "embeddings.word_embeddings.weight"
    for earlier, later in pairwise(chain):
        assert earlier.keys() == later.keys() and torch.equal(earlier[word], later[word])
        change = later[query] - earlier[query]
        assert change.abs().max() > 0 and torch.linalg.matrix_rank(change, rtol=1e-3) <= 2
    assert len(chain) == 3 and torch.linalg.matrix_rank(chain[2][query] - chain[0][query], rtol=1e-3) > 2


def test_an_architecture_without_linear_layers_but_its_pooler_is_refused(tmp_path: Path) -> None:
    encoder = load_encoder(tiny_model(tmp_path / "model"))
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    encoder.model = SqueezeBertModel(SqueezeBertConfig(vocab_size=50, embedding_size=16, **shape))
    with pytest.raises(ModelError, match="lora_rank is 4, but architecture 'squeezebert' has no linear layer"):
        Adapters(encoder, _LORA, draws=_DRAWS)
