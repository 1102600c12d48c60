"""Features: windows cover every word once, spans map back to the answer, choices are grouped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.encoder.features import featurise
from core.encoder.loading import load_encoder
from core.errors import DataError, ModelError
from core.heads.states import Encoder
from core.types.pieces import IGNORED
from core.types.span_qa import SpanExample, best_span
from core.types.table import learning_of
from core.types.tagging import TaggedExample
from tests.fakes import ARCHITECTURES, WORDS, tiny_model, toy_split


@pytest.fixture(params=["bert", "roberta", "xlnet"])
def encoder(request: pytest.FixtureRequest, tmp_path: Path) -> Encoder:
    return load_encoder(tiny_model(tmp_path, architecture=request.param))


def test_every_word_of_a_long_sentence_is_predicted_exactly_once(encoder: Encoder) -> None:
    words = tuple(WORDS[i % len(WORDS)] for i in range(100))  # a hundred words in windows of 32 pieces
    tags = tuple(i % 3 for i in range(100))
    split = toy_split("tagging")._replace(examples=(TaggedExample("long", words, tags),))
    features = featurise(split, encoder=encoder)
    assert features.positions is not None
    assert len(features.starts) > 3
    assert features.row_lengths.max() <= 32
    kept = features.positions >= 0
    assert sorted(features.positions[kept]) == list(range(100))
    assert [tags[w] for w in features.positions[kept]] == list(features.targets[kept])
    assert (features.targets[~kept] == IGNORED).all()


def test_the_answer_is_found_again_in_some_window(encoder: Encoder) -> None:
    context = " ".join(["the cat sleeps"] * 12 + ["one bird sings"] + ["a dog runs"] * 5)
    start = context.index("bird")
    split = toy_split("span_qa")._replace(examples=(SpanExample("q", "not yes ?", context, ("bird",), (start,)),))
    features = featurise(split, encoder=encoder)
    assert features.positions is not None
    found = set()
    for row in range(len(features.example_of)):
        begin, end = (int(features.starts[row] + t) for t in features.targets[row])
        nowhere = 0 if encoder.summary == "first" else int(features.row_lengths[row]) - 1
        if features.targets[row, 0] != nowhere:
            found.add(context[features.positions[begin, 0] : features.positions[end, 1] + 1])
    assert found == {"bird"}
    assert len(features.example_of) > 2, "the passage does not fit one window"
    covered = {int(c) for a, b in features.positions if a >= 0 for c in range(a, b + 1)}
    assert covered == {i for i, c in enumerate(context) if c != " "}, "windows leave no character out"


def test_best_span_by_hand() -> None:
    logits = np.array([[9.0, 9.0], [1.0, 0.0], [0.0, 3.0], [2.0, 1.0]], dtype=np.float32)
    usable = np.array([False, True, True, True])
    # starts 1, 0, 2 and ends 0, 3, 1 on pieces 1 to 3: 1→2 gives 4; 3→3 gives 3; 3→2 would be backwards.
    assert best_span(logits, usable=usable) == (4.0, 1, 2)
    assert best_span(logits, usable=np.zeros(4, dtype=bool)) is None


def test_choices_of_a_question_are_one_item(encoder: Encoder) -> None:
    features = featurise(toy_split("multiple_choice", n=5), encoder=encoder)
    assert features.n_items == 5
    assert len(features.example_of) == 15
    assert (features.item_lengths == features.row_lengths.reshape(5, 3).max(axis=1)).all()


def test_empty_splits_and_slow_tokenizers_say_what_is_wrong(encoder: Encoder) -> None:
    with pytest.raises(DataError, match=r"Split 'train' of task 'toy_tagging' \(en\) has no example"):
        featurise(toy_split("tagging")._replace(examples=()), encoder=encoder)

    class Slow:
        is_fast = False

    encoder.tokenizer = Slow()
    with pytest.raises(ModelError, match="slow tokenizer.*tokenizer.json"):
        featurise(toy_split("tagging"), encoder=encoder)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_architecture_facts(tmp_path: Path, architecture: str) -> None:
    found = load_encoder(tiny_model(tmp_path, architecture=architecture))
    assert found.summary == ("last" if architecture == "xlnet" else "first")
    assert found.pads_left == (architecture == "xlnet")
    # RoBERTa's 66 rows hold 64 tokens: positions are counted from the padding index on.
    assert found.max_length == 64
    assert found.takes_types == (architecture in {"bert", "xlnet", "electra", "albert"})
    assert found.heads_read == ("mean" if architecture == "modernbert" else "summary")


def test_heads_read_what_the_configuration_names(tmp_path: Path) -> None:
    encoder = load_encoder(tiny_model(tmp_path, architecture="modernbert"))
    head = learning_of("classification").head(encoder, 2, 0.0)
    states = torch.randn(2, 3, encoder.hidden_size)
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    padding = torch.cat([states[:, :2], torch.full_like(states[:, :1], 9.0)], dim=1)
    # Padding does not count: the first row is the mean of its two real tokens whatever stands in the third place.
    assert torch.allclose(head(states, mask)[0], head(padding, mask)[0])
    assert not torch.allclose(head(states, mask)[1], head(padding, mask)[1])
    alike = states[:, :2].mean(dim=1, keepdim=True).expand(-1, 3, -1)
    assert torch.allclose(head(states, mask)[0], head(alike, mask)[0], atol=1e-6)


def test_a_multilabel_head_starts_at_the_labels_shares(tmp_path: Path) -> None:
    encoder = load_encoder(tiny_model(tmp_path))
    split = toy_split("multilabel")
    features, learning = featurise(split, encoder=encoder), learning_of("multilabel")
    targets = torch.from_numpy(features.targets)
    head = learning.head(encoder, targets.shape[1], 0.0)
    assert learning.start is not None
    learning.start(head, features)
    states, mask = torch.zeros(1, 2, encoder.hidden_size), torch.ones(1, 2, dtype=torch.long)
    shares = torch.sigmoid(head(states, mask))[0]
    assert torch.allclose(shares, (targets.sum(dim=0) + 0.5) / (len(targets) + 1), atol=1e-5)
    # A label that never occurs is rare, not impossible: its logit stays finite.
    learning.start(head, replace(features, targets=np.zeros_like(features.targets)))
    assert torch.isfinite(head.out.bias).all()
