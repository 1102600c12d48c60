"""What the training benches train: encoders with random weights, and rows of ids with the lengths of known data.

A task of each kind: pairs with MNLI's lengths, sentences with PAN-X's, windows of a passage with SQuAD's. Pieces follow
Zipf's law, and what is to be learned is in the ids themselves, so that a loss falls.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.types.pieces import IGNORED, Features

SHAPES = {"minilm": (30_522, 6, 384), "e5-small": (250_037, 12, 384), "xlmr-base": (250_002, 12, 768)}
"""Pieces, layers and width of well-known encoders."""
N_POOL = 4_000
"""Rows that the trained ones are taken from: their pieces are those of the training data."""
_FIRST_WORD = 1_000
"""Ids below stand for special pieces."""

Ints = np.ndarray[Any, np.dtype[Any]]


class Kind(NamedTuple):
    """A task of the benches."""

    type: str
    """Name in `core/types`."""
    outputs: int
    """Of the head."""
    longest: int
    """Longest row in pieces."""
    is_padded_by_script: bool
    """Whether transformers' example script pads to the longest allowed input unless told otherwise."""
    steps: int
    """Enough to measure on a laptop's core."""


KINDS = {
    "classification": Kind("classification", 3, 128, True, 12),  # run_glue.py
    "tagging": Kind("tagging", 7, 128, False, 40),  # run_ner.py
    "qa": Kind("span_qa", 2, 384, True, 2),  # run_qa.py
}
"""By the word on the command line."""


class Rows(NamedTuple):
    """Rows of ids with what is to be said of them."""

    ids: list[Ints]
    """One array a row."""
    targets: list[Any]
    """A label; a label for each piece, or `IGNORED`; the places of the first and the last piece of an answer."""

    def take(self, places: Ints) -> Rows:
        """Some of the rows, in that order.

        Args:
            places: Their indices.
        """
        return Rows([self.ids[i] for i in places], [self.targets[i] for i in places])

    @property
    def lengths(self) -> Ints:
        """(n,) pieces of each row."""
        return np.array([len(row) for row in self.ids])

    def features(self, kind: Kind) -> Features:
        """As our training reads them.

        Args:
            kind: Says what a target belongs to.
        """
        on_pieces = kind.type == "tagging"
        return Features(
            ids=np.concatenate(self.ids).astype(np.int32),
            types=None,
            starts=np.concatenate([[0], np.cumsum(self.lengths)]),
            item_starts=np.arange(len(self.ids) + 1),
            targets=(np.concatenate if on_pieces else np.array)(self.targets).astype(np.int64),
            example_of=np.arange(len(self.ids)),
            targets_on="pieces" if on_pieces else "places" if kind.type == "span_qa" else "items",
        )

    def examples(self, kind: Kind) -> list[dict[str, Any]]:
        """As transformers' data collators read them.

        Args:
            kind: Says what the model calls its targets.
        """
        if kind.type == "span_qa":
            named = [{"start_positions": int(first), "end_positions": int(last)} for first, last in self.targets]
        else:
            named = [{"labels": np.asarray(target).tolist()} for target in self.targets]
        return [{"input_ids": row.tolist()} | target for row, target in zip(self.ids, named, strict=True)]


def make_rows(kind: Kind, *, pieces: int, n: int = N_POOL) -> Rows:
    """Rows of one kind, always the same.

    Args:
        kind: Which.
        pieces: Of the vocabulary.
        n: How many.
    """
    rng = np.random.default_rng(0)
    if kind.type == "tagging":
        return _sentences(rng, pieces=pieces, n=n)
    if kind.type == "span_qa":
        return _windows(rng, pieces=pieces, n=n)
    lengths = np.clip(np.round(np.exp(rng.normal(3.58, 0.42, n))), 8, kind.longest).astype(int)  # MNLI: median 36
    ids, labels = _texts(rng, lengths, pieces=pieces), rng.integers(0, kind.outputs, n)
    for row, label in zip(ids, labels, strict=True):
        row[1] = 2_000 + label
    return Rows(ids, list(labels))


def _sentences(rng: np.random.Generator, *, pieces: int, n: int) -> Rows:
    """PAN-X in English: eight words a sentence, here of 1.6 pieces each; the first piece of a word has its label."""
    kind = KINDS["tagging"]
    sizes = [
        rng.geometric(0.62, words) for words in np.clip(np.round(np.exp(rng.normal(1.95, 0.55, n))), 2, 60).astype(int)
    ]
    ids = _texts(rng, np.array([min(kind.longest, 2 + int(size.sum())) for size in sizes]), pieces=pieces)
    targets = []
    for row, size in zip(ids, sizes, strict=True):
        firsts = 1 + np.concatenate([[0], np.cumsum(size)[:-1]])
        firsts = firsts[firsts < len(row) - 1]
        labels = np.full(len(row), IGNORED)
        labels[firsts] = row[firsts] % kind.outputs
        targets.append(labels)
    return Rows(ids, targets)


def _windows(rng: np.random.Generator, *, pieces: int, n: int) -> Rows:
    """256 to 384 pieces; an answer of one to eight, with a piece of its own at either end."""
    lengths = rng.integers(256, KINDS["qa"].longest + 1, n)
    ids, targets = _texts(rng, lengths, pieces=pieces), []
    for row in ids:
        first = int(rng.integers(20, len(row) - 10))
        last = first + int(rng.integers(0, 8))
        row[last], row[first] = 2_001, 2_000
        targets.append((first, last))
    return Rows(ids, targets)


def _texts(rng: np.random.Generator, lengths: Ints, *, pieces: int) -> list[Ints]:
    weights = 1 / np.arange(1, pieces - _FIRST_WORD + 1)
    pool = rng.choice(np.arange(_FIRST_WORD, pieces), size=int(lengths.sum()), p=weights / weights.sum())
    rows = np.split(pool, np.cumsum(lengths)[:-1])
    for row in rows:
        row[0], row[-1] = 101, 102
    return rows


def make_encoder(shape: tuple[int, int, int], folder: Path) -> Path:
    """Write an encoder with random weights, and a tokenizer that knows a handful of words; the folder.

    Args:
        shape: Pieces, layers and width.
        folder: Made if needed.
    """
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    pieces, layers, width = shape
    config = transformers.BertConfig(
        vocab_size=pieces, hidden_size=width, num_hidden_layers=layers, num_attention_heads=12,
        intermediate_size=4 * width,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(str(folder))
    words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"123abcd")
    named = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    named.pre_tokenizer = pre_tokenizers.Whitespace()
    specials = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=named, model_max_length=512, model_input_names=["input_ids", "attention_mask"], **specials
    ).save_pretrained(str(folder))
    return folder
