"""What runs out of memory is computed in smaller parts, and gives the same; what is something else stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from core.encoder.batches import training_batch
from core.encoder.features import featurise
from core.encoder.frozen import freeze
from core.encoder.loading import embed, load_encoder, model_problems
from core.encoder.log_probabilities import gold_log_probabilities
from core.encoder.memory import checkpoint_gradients, halving, memory_problems, over_batches
from core.encoder.mlm import load_for_mlm
from core.encoder.predicting import label_scores, predict
from core.errors import ModelError, OutOfMemory
from core.heads.dropout import with_fast_dropout
from core.heads.states import Encoder, encode, packs
from core.profiling.selector_features import pick, squared_gradients
from core.spec.protocol import StageProtocol
from core.training.loader import EnglishData
from core.training.objectives import masked, supervised
from core.training.seeds import Draws
from core.types.table import learning_of
from tests.fakes import small_memory, tiny_model, toy_split

_CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return load_encoder(tiny_model(tmp_path_factory.mktemp("model")))


def _predicted(encoder: Encoder) -> np.ndarray:
    split = toy_split("classification", n=30)
    head = learning_of("classification").head(encoder, len(split.labels), None)
    features = featurise(split, encoder=encoder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        torch.nn.init.normal_(next(iter(head.parameters())))
    logits = label_scores(encoder, head, features=features, split=split)
    nats = gold_log_probabilities(encoder, head, features=features, kind="classification").nats
    classes = np.unique(predict(encoder, head, features=features, split=split), return_inverse=True)[1]
    return np.column_stack([logits, nats, classes])


def _embedded(encoder: Encoder) -> np.ndarray:
    texts = [" ".join(["red cat runs"] * (1 + i % 7)) for i in range(40)]
    return embed(encoder, texts, layer=None, pooling="mean", batch_tokens=4096)


def _squares(encoder: Encoder) -> np.ndarray:
    return squared_gradients(encoder, pick(toy_split("classification", n=40), encoder=encoder, max_length=None, seed=3))


def _loss_of_a_mixture(encoder: Encoder) -> np.ndarray:
    """Objectives of different metrics score by their loss."""
    data = [
        EnglishData(train=toy_split(kind, role="train", n=24), dev=toy_split(kind, role="dev", n=24))
        for kind in ("classification", "regression")
    ]
    protocol = StageProtocol(learning_rate=1e-3)
    draws = Draws(3, "intermediate", ("toy",))
    goals = supervised(data, encoder=encoder, protocol=protocol, draws=draws, max_length=None)
    for goal in goals:
        goal.head.eval()
    encoder.model.eval()
    return np.array([goal.dev_score() for goal in goals])


@pytest.mark.parametrize("compute", [_predicted, _embedded, _squares, _loss_of_a_mixture])
def test_what_does_not_fit_at_once_gives_the_same_in_parts(
    encoder: Encoder, compute: Callable[[Encoder], np.ndarray]
) -> None:
    torch.manual_seed(0)
    whole = compute(encoder)
    torch.manual_seed(0)
    with small_memory(encoder, tokens=60) as refused:
        assert compute(encoder) == pytest.approx(whole, abs=1e-5)
    assert refused


@pytest.mark.parametrize("compute", [_predicted, _embedded])
def test_an_example_that_does_not_fit_alone_is_an_error(
    encoder: Encoder, compute: Callable[[Encoder], np.ndarray]
) -> None:
    message = r"memory of cpu does not hold one example of \d+ tokens.*--device"
    with small_memory(encoder, tokens=2), pytest.raises(OutOfMemory, match=message):
        compute(encoder)


def test_masked_text_is_scored_as_with_the_smaller_budget_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Masks depend on the batches, so all of the text is scored anew, and from then on with that budget."""
    data = EnglishData(train=toy_split("tagging", role="train", n=24), dev=toy_split("tagging", role="dev", n=40))
    encoder, head = load_for_mlm(tiny_model(tmp_path), seed=0)
    encoder.model.eval()
    protocol = StageProtocol(learning_rate=1e-3)

    def score() -> Callable[[], float]:
        return masked([data], encoder=encoder, head=head, protocol=protocol, max_length=None)[0].dev_score

    monkeypatch.setattr("core.training.objectives.INFERENCE_TOKENS", {"cpu": 64})
    small = score()()
    monkeypatch.setattr("core.training.objectives.INFERENCE_TOKENS", {"cpu": 256})
    healed = score()
    with small_memory(encoder, tokens=64) as refused:
        assert [healed(), healed()] == [small, small]
    assert len(refused) == 2, "256 and 128 tokens, once each"
    assert score()() != small, "other batches, other masks"


def test_every_row_is_computed_once_and_the_budget_stays_small() -> None:
    lengths, seen, sizes = np.array([3, 9, 1, 4, 4, 2, 8]), [], []

    def compute(rows: np.ndarray) -> None:
        sizes.append(int(lengths[rows].max() * len(rows)))
        if sizes[-1] > 12:
            raise MemoryError
        seen.extend(rows.tolist())

    over_batches(lengths, compute, batch_tokens=40, device=_CPU)
    assert sorted(seen) == list(range(7))
    assert [size > 12 for size in sizes[:2]] == [True, True] and max(sizes[2:]) <= 12


def test_every_attempt_begins_with_the_same_random_state() -> None:
    draws: list[float] = []

    def compute(tokens: int) -> int:
        draws.append(float(torch.rand(())))
        if tokens > 30:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9")
        return tokens

    assert halving(compute, tokens=100, largest=lambda: 7, device=_CPU) == (25, 25)
    assert len(draws) == 3 and len(set(draws)) == 1


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError(), RuntimeError("MPS backend out of memory")]
)
def test_memory_is_known_in_every_device_s_words(error: Exception) -> None:
    def fail(_tokens: int) -> None:
        raise error

    with pytest.raises(OutOfMemory, match="does not hold one example of 40 tokens"):
        halving(fail, tokens=100, largest=lambda: 40, device=_CPU)
    with pytest.raises(OutOfMemory, match="is full, and smaller batches would not help"), memory_problems(_CPU):
        raise error


def test_another_error_is_not_tried_again() -> None:
    tries: list[int] = []

    def fail(tokens: int) -> None:
        tries.append(tokens)
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), memory_problems(_CPU):
        halving(fail, tokens=100, largest=lambda: 1, device=_CPU)
    assert tries == [100]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("unable to mmap 471 bytes from file </m/model.safetensors>: Cannot allocate memory (12)"), True),
        (MemoryError(), True),
        (OSError("no file named model.safetensors found in directory"), False),
    ],
)
def test_too_little_memory_for_a_model_is_called_that(tmp_path: Path, error: Exception, kind: bool) -> None:
    """It was called pickled weights that can execute code, because the file's name holds "safetensors"."""
    spec = tiny_model(tmp_path)
    with pytest.raises(OutOfMemory if kind else ModelError) as found, model_problems(spec):
        raise error
    assert ("does not fit into the memory that is free" in str(found.value)) == kind
    assert "Pickled" not in str(found.value), "its weights are there"


@pytest.mark.parametrize("how", ["packed", "padded", "frozen"])
def test_checkpointed_gradients_are_the_same_to_the_bit_and_keep_a_quarter_of_the_memory(
    tmp_path: Path, how: str
) -> None:
    spec, found = tiny_model(tmp_path), []
    for is_on in (False, True):
        encoder = load_encoder(spec, dropout=0.2)
        encoder.first_position = None if how == "padded" else encoder.first_position
        assert packs(encoder) == (how != "padded")
        with_fast_dropout(encoder.model)
        if is_on:
            checkpoint_gradients(encoder.model)
        layers = StageProtocol(learning_rate=1e-3, batch_size=8, freeze_layers=1 if how == "frozen" else None)
        freeze(encoder, layers, where="toy", kept_in=None)
        encoder.train(True)
        batch = training_batch(
            featurise(toy_split("classification", n=30), encoder=encoder), np.arange(16), encoder=encoder
        )
        torch.manual_seed(3)
        kept: dict[int, int] = {}

        def keep(tensor: torch.Tensor, kept: dict[int, int] = kept) -> torch.Tensor:
            kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            states = encode(encoder, batch)
        states.square().sum().backward()  # type: ignore[no-untyped-call]
        gradients = [parameter.grad for parameter in encoder.model.parameters()]
        found.append((gradients, sum(kept.values()), torch.get_rng_state()))
    (usual, usual_bytes, usual_state), (again, again_bytes, again_state) = found
    assert all(a is b or torch.equal(a, b) for a, b in zip(usual, again, strict=True))
    assert torch.equal(usual_state, again_state) and again_bytes < usual_bytes / 4


def test_an_architecture_without_layers_to_checkpoint_is_named(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(encoder.model), "supports_gradient_checkpointing", False)
    with pytest.raises(ModelError, match="BertModel does not support.*without --gradient-checkpointing"):
        checkpoint_gradients(encoder.model)
