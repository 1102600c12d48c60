"""Frozen layers: what belongs to them, states that are kept, and that neither changes what is learned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from transformers.models.bert.modeling_bert import BertLayer

from core.chain.pipeline import execute
from core.encoder import frozen, predicting
from core.encoder.batches import collate
from core.encoder.features import featurise
from core.encoder.frozen import freeze, with_states
from core.encoder.loading import load_encoder
from core.errors import ModelError, SpecError
from core.events import DevScored, Event, LanguageScored
from core.heads.frozen import FrozenPart
from core.heads.states import Batch, Encoder, encode
from core.paths import REPO
from core.spec.protocol import StageProtocol
from core.spec.run import DataSource, DataSourceKind
from core.training.gradients import StageJob
from core.training.loader import EnglishData
from core.training.loop import train_stage
from core.training.objectives import supervised
from core.training.seeds import Draws
from core.types.pieces import Array, Features
from tests.fakes import tiny_model, toy_context, toy_mirror, toy_protocol, toy_run, toy_split

_SAMPLE = DataSource(kind=DataSourceKind.SAMPLE)
_DRAWS = Draws(3, "target", ("toy",))
_LOWEST = StageProtocol(learning_rate=1e-3, batch_size=8, evaluations=2, epochs=2, freeze_layers=1, dropout=0.1)


class _ByHand(Encoder):
    """BERT with its embeddings and lowest layer frozen in torch's own words."""

    def train(self, on: bool) -> None:
        self.model.train(on)
        for module in (self.model.embeddings, self.model.encoder.layer[0]):
            module.eval().requires_grad_(False)


def _stage(
    folder: Path, kind: str, *, way: str, stop: int | None = None
) -> tuple[dict[str, torch.Tensor], list[float]]:
    """Weights and development scores of a tiny stage whose lowest layer is frozen: `kept`, `computed` or `by hand`."""
    spec = tiny_model(folder / "model")
    encoder = load_encoder(spec, dropout=0.1)
    if way == "by hand":
        encoder = _ByHand(**{name: value for name, value in vars(encoder).items() if name != "frozen"})
        encoder.train(False)
    else:
        freeze(encoder, _LOWEST, where="Model 'x'", kept_in=folder / "states" if way == "kept" else None)
    data = EnglishData(train=toy_split(kind, role="train", n=24), dev=toy_split(kind, role="dev", n=12))
    goals = supervised([data], encoder=encoder, protocol=_LOWEST, draws=_DRAWS, max_length=None)
    assert (goals[0].features.states is not None) is (way == "kept")
    scores: list[float] = []

    def emit(event: Event) -> None:
        if isinstance(event, DevScored):
            scores.append(event.score)
            if event.step == stop:
                raise KeyboardInterrupt

    context = toy_context(toy_run(spec, target=kind, source=_SAMPLE), folder, emit=emit, save_every_s=0.0)
    job = StageJob(key="k", kind="target", name="toy", protocol=_LOWEST, draws=_DRAWS)
    train_stage(context, job, encoder=encoder, objectives=goals, keep=lambda which: None)
    heads = {f"head.{name}": tensor for name, tensor in goals[0].head.state_dict().items()}
    return {**encoder.model.state_dict(), **heads}, scores


@pytest.mark.parametrize("kind", ["classification", "tagging", "span_qa", "multiple_choice"])
def test_kept_states_train_what_freezing_by_hand_trains(tmp_path: Path, kind: str) -> None:
    by_hand, scores = _stage(tmp_path / "a", kind, way="by hand")
    before = load_encoder(tiny_model(tmp_path / "b" / "model")).model.state_dict()
    for way, tolerance in (("computed", 0.0), ("kept", 2e-5)):
        found, found_scores = _stage(tmp_path / way, kind, way=way)
        assert found_scores == pytest.approx(scores, abs=1e-6)
        assert found.keys() == by_hand.keys(), "the encoder is whole"
        if kind == "span_qa":
            # The softmax over places takes the bias out: its gradient is rounding alone, of which AdamW makes steps.
            del found["head.out.bias"]
        for name, tensor in found.items():
            torch.testing.assert_close(tensor, by_hand[name], rtol=0, atol=tolerance, msg=f"{way}: {name}")
    is_frozen = [name for name in before if torch.equal(before[name], found[name])]
    assert all(name.startswith(("embeddings.", "encoder.layer.0.")) for name in is_frozen) and len(is_frozen) > 20
    assert not any(name.startswith("encoder.layer.1.") for name in is_frozen), "the layer above is trained"


def test_a_frozen_stage_goes_on_after_an_interruption_and_its_checkpoint_holds_what_is_trained(tmp_path: Path) -> None:
    undisturbed, _ = _stage(tmp_path / "a", "tagging", way="kept")
    with pytest.raises(KeyboardInterrupt):
        _stage(tmp_path / "b", "tagging", way="kept", stop=6)
    (state,) = (tmp_path / "b").rglob("checkpoints/k.pt")
    saved = torch.load(state, weights_only=True)
    assert saved["weights"]["encoder"] and not [
        name for name in saved["weights"]["encoder"] if name.startswith(("embeddings.word", "encoder.layer.0"))
    ]
    resumed, _ = _stage(tmp_path / "b", "tagging", way="kept")
    assert all(torch.equal(undisturbed[name], resumed[name]) for name in undisturbed)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pieces of every split whose states were computed, in order."""
    seen: list[int] = []
    original = frozen._computed

    def counted(features: Features, *, encoder: Encoder) -> Iterator[Array]:
        seen.append(len(features.ids))
        return original(features, encoder=encoder)

    monkeypatch.setattr(frozen, "_computed", counted)
    return seen


def test_runs_share_the_states_of_the_same_text_and_evaluation_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computed: list[int]
) -> None:
    source = toy_mirror(tmp_path / "mirror", kinds=("classification", "tagging"))
    layers, by_batch = list[int](), set[tuple[int, ...]]()
    layer = BertLayer.forward

    def counted(self: BertLayer, *args: object, **kwargs: object) -> object:
        layers.append(self.attention.self.layer_idx)
        return layer(self, *args, **kwargs)

    def watched(encoder: Encoder, batch: Batch) -> torch.Tensor:
        layers.clear()
        states = encode(encoder, batch)
        by_batch.add(tuple(layers))
        return states

    monkeypatch.setattr(BertLayer, "forward", counted)
    monkeypatch.setattr(predicting, "encode", watched)
    spec, protocol = tiny_model(tmp_path / "model"), toy_protocol(epochs=2.0, max_steps=None, freeze_layers=1)
    scores: dict[str, list[float]] = {}
    for gigabytes, ran in (("1", {(1,)}), ("0", {(0, 1)})):
        monkeypatch.setenv("ATLAS_STATES_GB", gigabytes)
        by_batch.clear()
        for intermediate, n_computed, n_files in ((None, 4, 4), ("toy_tagging", 2, 6)):
            run = toy_run(spec, target="classification", intermediate=intermediate, source=source, protocol=protocol)
            events: list[Event] = []
            computed.clear()
            context = toy_context(run, tmp_path / gigabytes, emit=events.append)
            execute(context)
            scores.setdefault(gigabytes, []).extend(e.score for e in events if isinstance(e, LanguageScored))
            found = len(computed), len(list(context.paths.states.glob("*.npy")))
            expected = (n_computed, n_files) if gigabytes == "1" else (0, 0)
            assert found == expected, "train, dev and two tests; then train and dev of the intermediate alone"
        assert by_batch == ran, "layers that development data and tests go through"
    assert scores["1"] == pytest.approx(scores["0"], abs=1e-6)


def _three_layers() -> transformers.BertModel:
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
    return transformers.BertModel(transformers.BertConfig(vocab_size=50, **shape))


def test_states_are_shared_by_equal_frozen_weights_alone() -> None:
    probe = torch.arange(5, 12)[None]

    words = "embeddings.word_embeddings.weight"

    def digest(n_layers: int, change: str | None = None, row: int = 0) -> str:
        model = _three_layers()
        if change is not None:
            model.get_parameter(change).data[row] += 1e-6
        return FrozenPart(model, n_layers=n_layers, probe=probe, padding=0).digest(torch.tensor([7, 9]))

    assert digest(1) == digest(1) == digest(1, "encoder.layer.1.output.dense.bias") == digest(1, words, row=8)
    others = [digest(2), digest(1, words, row=9), digest(1, "encoder.layer.0.output.dense.bias")]
    assert len({digest(1), *others}) == 4


@pytest.mark.parametrize("architecture", ["xlnet", "deberta-v2", "modernbert", "distilbert", "xlm-roberta", "mpnet"])
def test_kept_states_stand_for_the_lower_part_of_every_architecture(tmp_path: Path, architecture: str) -> None:
    encoder = load_encoder(tiny_model(tmp_path / "model", architecture=architecture))
    features = featurise(toy_split("tagging"), encoder=encoder)
    batch, _ = collate(features, np.arange(9), encoder=encoder)
    encoder.train(False)
    whole = encode(encoder, batch)
    freeze(encoder, _LOWEST, where="Model 'x'", kept_in=tmp_path / "states")
    kept = with_states(features, encoder=encoder)
    assert kept.states is not None and kept.states.shape == (len(features.ids), 16)
    given, _ = collate(kept, np.arange(9), encoder=encoder)
    is_real = batch.mask.bool()
    torch.testing.assert_close(encode(encoder, given)[is_real], whole[is_real], rtol=0, atol=1e-5)


def test_an_architecture_that_reads_padding_keeps_no_states(tmp_path: Path) -> None:
    encoder = load_encoder(tiny_model(tmp_path / "model", architecture="fnet"))
    features = featurise(toy_split("classification"), encoder=encoder)
    freeze(encoder, _LOWEST, where="Model 'x'", kept_in=tmp_path / "states")
    assert with_states(features, encoder=encoder) is features


@pytest.mark.parametrize("architecture", ["albert", "xlm"])
def test_an_architecture_without_layers_of_their_own_is_refused(tmp_path: Path, architecture: str) -> None:
    encoder = load_encoder(tiny_model(tmp_path / "model", architecture=architecture))
    with pytest.raises(ModelError, match=f"architecture '{architecture}' has no stack of layers"):
        freeze(encoder, _LOWEST, where="Model 'x'", kept_in=None)


def test_the_longest_unused_states_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load_encoder(tiny_model(tmp_path / "model"))
    freeze(encoder, _LOWEST, where="Model 'x'", kept_in=tmp_path)
    splits = [featurise(toy_split("classification", seed=seed), encoder=encoder) for seed in range(3)]
    size = max(4 * 16 * len(f.ids) for f in splits)
    monkeypatch.setenv("ATLAS_STATES_GB", str(2.5 * (size + 200) / 2**30))
    first, second = (with_states(f, encoder=encoder) for f in splits[:2])
    files = sorted(tmp_path.glob("*.npy"), key=lambda file: file.stat().st_mtime_ns)
    for age, file in enumerate(files):
        os.utime(file, (1_000 + age, 1_000 + age))
    with_states(splits[0], encoder=encoder)  # used again
    with_states(splits[2], encoder=encoder)
    left = set(tmp_path.glob("*.npy"))
    assert len(left) == 2 and files[0] in left and files[1] not in left
    assert first.states is not None and second.states is not None
    assert np.isfinite(second.states).all(), "a job that reads a file goes on reading it"
    monkeypatch.setenv("ATLAS_STATES_GB", "much")
    with pytest.raises(SpecError, match="ATLAS_STATES_GB is 'much', expected a number from 0 on: GB for states"):
        with_states(featurise(toy_split("classification", seed=9), encoder=encoder), encoder=encoder)


def _features(folder: Path) -> tuple[Features, Encoder]:
    """Of a split whose states are kept in a folder."""
    encoder = load_encoder(tiny_model(folder / "model"))
    freeze(encoder, _LOWEST, where="Model 'x'", kept_in=folder / "states")
    return featurise(toy_split("classification"), encoder=encoder), encoder


def keep_until_killed(folder: Path) -> None:
    """Write kept states, and be killed after the first piece of them: what a process of its own does."""
    features, encoder = _features(folder)
    original = frozen._computed

    def computed(features: Features, *, encoder: Encoder) -> Iterator[Array]:
        states = next(original(features, encoder=encoder))
        yield states[: len(states) // 2]
        os.kill(os.getpid(), signal.SIGKILL)

    frozen._computed = computed  # type: ignore[assignment]
    with_states(features, encoder=encoder)


def test_a_job_killed_while_it_keeps_states_leaves_none_and_the_next_one_keeps_them(tmp_path: Path) -> None:
    features, encoder = _features(tmp_path)
    words = "import sys, pathlib; from tests.core.training.test_frozen import keep_until_killed as k; "
    words += "k(pathlib.Path(sys.argv[1]))"
    killed = subprocess.run([sys.executable, "-c", words, str(tmp_path)], cwd=REPO, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    states = tmp_path / "states"
    assert list(states.glob(".*.tmp")) and not list(states.glob("*.npy"))
    found = with_states(features, encoder=encoder).states
    (whole,) = frozen._computed(features, encoder=encoder)
    assert found is not None and np.array_equal(found, whole)
    assert not list(states.glob(".*.tmp")), "nor does its draft stay"


@pytest.mark.parametrize("left", [0, 7, 100, 128, 1000, -1])
def test_torn_states_are_computed_again(tmp_path: Path, left: int) -> None:
    """As a disk may leave them when the machine goes down."""
    features, encoder = _features(tmp_path)
    with_states(features, encoder=encoder)
    (file,) = (tmp_path / "states").glob("*.npy")
    whole = file.read_bytes()
    file.write_bytes(whole[:left])
    found = with_states(features, encoder=encoder).states
    assert found is not None and np.isfinite(found).all()
    assert file.read_bytes() == whole


def test_states_are_kept_where_two_passes_use_them(tmp_path: Path) -> None:
    encoder = load_encoder(tiny_model(tmp_path / "model"))
    freeze(encoder, _LOWEST, where="Model 'x'", kept_in=tmp_path)
    data = EnglishData(train=toy_split("tagging", role="train"), dev=toy_split("tagging", role="dev"))
    for kind, epochs, is_kept in (("intermediate", 1, False), ("intermediate", 2, True)):
        protocol = _LOWEST.model_copy(update={"epochs": epochs})
        draws = Draws(3, kind, ("toy",))  # type: ignore[arg-type]
        (goal,) = supervised([data], encoder=encoder, protocol=protocol, draws=draws, max_length=None)
        assert (goal.features.states is not None) is is_kept
