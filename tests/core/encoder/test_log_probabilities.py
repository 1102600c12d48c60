"""Log-probabilities of gold labels: against the training loss, against heads whose output is known, without input."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from core.encoder.batches import training_batch
from core.encoder.features import featurise
from core.encoder.loading import load_encoder
from core.encoder.log_probabilities import gold_log_probabilities
from core.heads.layers import Head, SummaryHead, TokenHead
from core.heads.states import Encoder, encode
from core.types.table import learning_of
from tests.fakes import TRAINED, tiny_model, toy_split


@pytest.fixture(scope="module", params=["bert", "xlnet"])
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """One that pads on the right and one that pads on the left."""
    return load_encoder(tiny_model(tmp_path_factory.mktemp("model"), architecture=request.param))


def _head(kind: str, encoder: Encoder) -> Head:
    split = toy_split(kind)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = learning_of(kind).head(encoder, len(split.labels), None)
        for parameter in head.parameters():
            torch.nn.init.normal_(parameter)
    return head.eval()


@pytest.mark.parametrize("kind", TRAINED)
def test_log_probabilities_sum_to_the_training_loss(kind: str, encoder: Encoder) -> None:
    split, head = toy_split(kind, n=11), _head(kind, encoder)
    features = featurise(split, encoder=encoder)
    assert len(features.example_of) == features.item_starts[-1]
    found = gold_log_probabilities(encoder, head, features=features, kind=kind)
    batch = training_batch(features, np.arange(features.n_items), encoder=encoder)
    with torch.no_grad():
        loss = float(learning_of(kind).loss_sum(head(encode(encoder, batch), batch.mask), batch))
    # The loss of a span is the mean of start and end, that of a set of labels the mean over labels; the errors of a
    # regression are kept as errors.
    factor = {"span_qa": 2, "multilabel": len(split.labels), "regression": -1}.get(kind, 1)
    assert -found.nats.sum() == pytest.approx(factor * loss, rel=1e-4)
    words = sum(len(e.words) for e in split.examples) if kind == "tagging" else 11  # type: ignore[union-attr]
    assert found.decisions.sum() == words
    assert len(found.nats) == len(found.decisions) == 11


def test_a_head_that_always_says_the_same(encoder: Encoder) -> None:
    # p = 1/2, 1/4, 1/4 whatever the input: label 0 costs 1 bit, the others 2; a word of a sentence likewise.
    for kind in ("classification", "tagging"):
        split = toy_split(kind, n=9)
        head = _head(kind, encoder)
        assert isinstance(head, SummaryHead | TokenHead)
        with torch.no_grad():
            head.out.weight.zero_()
            head.out.bias.copy_(torch.log(torch.tensor([0.5, 0.25, 0.25])))
        found = gold_log_probabilities(encoder, head, features=featurise(split, encoder=encoder), kind=kind)
        gold = [e.tags if kind == "tagging" else (e.label,) for e in split.examples]  # type: ignore[union-attr]
        bits = [sum(1 if label == 0 else 2 for label in labels) for labels in gold]
        assert -found.nats / math.log(2) == pytest.approx(np.array(bits, dtype=float), rel=1e-5)


def test_a_passage_in_windows_counts_where_its_answer_is(encoder: Encoder) -> None:
    split = toy_split("span_qa", n=12)
    split = split._replace(task=split.task.model_copy(update={"max_length": 16, "doc_stride": 4}))
    features, head = featurise(split, encoder=encoder), _head("span_qa", encoder)
    assert len(features.example_of) > 12, "every passage fits into one window: the test says nothing"
    found = gold_log_probabilities(encoder, head, features=features, kind="span_qa")
    for example in range(12):
        rows = np.flatnonzero(features.example_of == example)
        assert features.positions is not None
        holds = [r for r in rows if features.positions[features.starts[r] + features.targets[r, 0], 0] >= 0]
        row = np.array([(holds or list(rows))[0]])
        batch = training_batch(features, row, encoder=encoder)
        with torch.no_grad():
            loss = float(learning_of("span_qa").loss_sum(head(encode(encoder, batch), batch.mask), batch))
        assert -found.nats[example] == pytest.approx(2 * loss, rel=1e-3)


def test_the_uniform_code_by_hand(encoder: Encoder) -> None:
    for kind, one in (("classification", 3), ("multiple_choice", 3), ("multilabel", 8)):
        features = featurise(toy_split(kind, n=5), encoder=encoder)
        assert learning_of(kind).uniform(features, 3).nats == pytest.approx(np.full(5, -math.log(one)))
    tagged = toy_split("tagging", n=5)
    found = learning_of("tagging").uniform(featurise(tagged, encoder=encoder), 3)
    words = np.array([len(e.words) for e in tagged.examples], dtype=float)  # type: ignore[union-attr]
    assert found.nats == pytest.approx(-math.log(3) * words)
    features = featurise(toy_split("span_qa", n=5), encoder=encoder)
    found = learning_of("span_qa").uniform(features, 0)
    assert found.nats == pytest.approx(-2 * np.log(features.row_lengths))


@pytest.mark.parametrize("kind", TRAINED)
def test_without_input_every_text_is_the_same(kind: str, encoder: Encoder) -> None:
    features = featurise(toy_split(kind, n=8), encoder=encoder)
    blank = learning_of(kind).blanked(features, encoder)
    assert blank.targets is features.targets and blank.n_items == features.n_items
    rows = [tuple(blank.ids[a:b]) for a, b in zip(blank.starts[:-1], blank.starts[1:], strict=True)]
    if kind in {"tagging", "span_qa"}:  # only the length is left
        assert [len(r) for r in rows] == features.row_lengths.tolist()
        assert len(set(rows)) == len({(len(r), *np.flatnonzero(np.isin(r, (0, 2)))) for r in rows})
    else:
        assert len(set(rows)) == 1 and set(rows[0]) <= {0, 2}
    batch = training_batch(blank, np.arange(blank.n_items), encoder=encoder)
    assert encode(encoder, batch).shape[0] == len(rows)
