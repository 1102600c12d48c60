"""The recipe's arithmetic, on cases small enough to work by hand."""

import numpy as np
import pytest
import torch

from tools.encoder.card import fill
from tools.encoder.evaluate import margin, paired_seeds
from tools.encoder.layers import join, mask
from tools.encoder.network import build_network, padded, sentence_vectors, start_from
from tools.encoder.retrieval import accuracy
from tools.encoder.static import RowAdam, TokenTable, contrast, framed, stacked
from tools.encoder.tokens import Ragged, other_case
from tools.encoder.vocabulary import SPECIAL

CLS, SEP = SPECIAL.index("[CLS]"), SPECIAL.index("[SEP]")


def ragged(*texts: list[int]) -> Ragged:
    flat = [piece for text in texts for piece in text]
    return Ragged(np.array(flat, dtype=np.int32), np.cumsum([0, *(len(text) for text in texts)]))


def lists(texts: Ragged) -> list[list[int]]:
    return [texts.flat[a:b].tolist() for a, b in zip(texts.offsets[:-1], texts.offsets[1:], strict=True)]


def test_take_repeats_and_reorders() -> None:
    assert lists(ragged([7, 8], [], [9]).take(np.array([2, 0, 2, 1]))) == [[9], [7, 8], [9], []]


def test_framed_stacked_and_joined() -> None:
    a, b = ragged([7, 8], [9]), ragged([10], [11, 12])
    assert lists(framed(a)) == [[CLS, 7, 8, SEP], [CLS, 9, SEP]]
    assert lists(stacked(a, second=b)) == [[7, 8], [9], [10], [11, 12]]
    assert lists(join(a, second=b)) == [[CLS, 7, 8, SEP, 10, SEP], [CLS, 9, SEP, 11, 12, SEP]]


def test_mask_labels_only_what_it_chose_and_never_special_pieces() -> None:
    ids = padded(framed(ragged(list(range(5, 205)))))
    hidden, labels = mask(ids, rng=np.random.default_rng(0), size=300)
    chosen = labels != -100
    assert torch.equal(hidden[~chosen], ids[~chosen])
    assert torch.equal(labels[chosen], ids[chosen])
    assert not chosen[:, [0, -1]].any()
    assert 20 <= int(chosen.sum()) <= 52  # 200 pieces, 18 % expected: 36, within three standard deviations


def test_contrast_leaves_out_rows_of_the_same_meaning() -> None:
    # Two orthogonal rows, temperature 0.05: scores 20 and 0, loss log(1 + e^-20). Three equal rows of one key: only the
    # own target is left, loss 0.
    rows = torch.eye(2)
    assert contrast(rows, targets=rows, keys=torch.tensor([0, 1])).item() == pytest.approx(
        np.log1p(np.exp(-20)), abs=1e-6
    )
    same = torch.ones(3, 1)
    assert contrast(same, targets=same, keys=torch.zeros(3, dtype=torch.int64)).item() == pytest.approx(0.0, abs=1e-6)


def test_row_adam_is_adam_when_every_row_is_used() -> None:
    table, reference = TokenTable(4, seed=0), TokenTable(4, seed=0)
    ours = RowAdam(table)
    theirs = torch.optim.Adam([reference.vectors], lr=0.01, betas=(0.9, 0.99), eps=1e-8)
    for step in range(3):
        gradient = torch.full((4, 256), 0.5 - step)
        reference.vectors.grad = gradient.clone()
        theirs.step()
        ours.step(torch.arange(4), gradient=gradient, rate=0.01, step=step)
    assert torch.allclose(table.vectors, reference.vectors, atol=1e-6)


def test_network_starts_as_the_static_vectors() -> None:
    table = TokenTable(60, seed=3)
    network = build_network(60, seed=3).eval()
    start_from(network, table=table)
    texts = ragged([7, 8, 9], [10, 11])
    with torch.no_grad():
        static = torch.nn.functional.normalize(table(texts), dim=-1)
        cosine = (static * sentence_vectors(network, ids=padded(framed(texts)))).sum(-1)
    assert (cosine > 0.99).all()


def test_accuracy_ignores_length_and_counts_own_rows() -> None:
    source = np.array([[2.0, 0.0], [0.0, 5.0], [1.0, 1.0]])
    target = np.array([[1.0, 0.1], [1.0, 0.0], [3.0, 3.0]])
    # Row 0 is nearest to target 1, row 1 to target 2, row 2 to its own.
    assert accuracy(source, target=target) == pytest.approx(1 / 3)


def test_margin_is_a_paired_t_interval() -> None:
    # Differences 0.1, 0.2, 0.3: mean 0.2, sd 0.1, t(0.975, 2) = 4.30265, half width 4.30265 * 0.1 / sqrt(3) = 0.24841.
    found = margin([0.5, 0.6, 0.7], random=[0.4, 0.4, 0.4])
    assert found["mean"] == pytest.approx(0.2)
    assert found["low"] == pytest.approx(0.2 - 0.24841, abs=1e-5)
    assert found["high"] == pytest.approx(0.2 + 0.24841, abs=1e-5)


def test_only_seeds_with_both_kinds_are_paired() -> None:
    assert paired_seeds({"trained-1": {}, "random-2": {}, "trained-2": {}}) == ["2"]


def test_card_refuses_a_mark_without_a_figure() -> None:
    assert fill("mean {{a}}", marks={"a": "0.5"}) == "mean 0.5"
    with pytest.raises(KeyError):
        fill("mean {{b}}", marks={"a": "0.5"})


@pytest.mark.parametrize(("text", "other"), [("The Cat", "the cat"), ("the cat", "The cat"), ("猫", "猫")])
def test_other_case(text: str, other: str) -> None:
    assert other_case(text) == other
