"""Words of a sentence become the pieces that they are in the running text, whatever the kind of tokenizer."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow.parquet as pq
import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from core.encoder.features import featurise
from core.encoder.loading import embed, load_encoder
from core.errors import ModelError
from core.heads.states import Encoder
from core.models import MODELS
from core.profiling.encoder_change import all_layers
from core.sample.build import ensure_sample
from core.sample.spec import SampleSpec
from core.types.classification import TextExample
from core.types.pieces import IGNORED, only_specials, tokenise_words
from core.types.table import learning_of
from core.types.tagging import TaggedExample
from tests.fakes import tiny_model, toy_split

TEXTS = [
    "He was born in New York City .",
    "She was here in 1990 .",
    "The city was new , he said .",
    "彼 は 東京 に いた",
] * 20
WORDS = ("He", "was", "born", "in", "New", "York", "City", ".")
_SPECIALS = ["<s>", "<pad>", "</s>", "<unk>"]


def _byte_level(raw: Tokenizer) -> None:
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False)


def _byte_level_trimmed(raw: Tokenizer) -> None:
    """As RoBERTa's."""
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.post_processor = processors.ByteLevel(trim_offsets=True)


def _byte_level_digits(raw: Tokenizer) -> None:
    """As Llama 3's and EuroBERT's: the space before a number is a piece."""
    rule = Regex(r" ?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+")
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(rule, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )


def _gemma(raw: Tokenizer) -> None:
    """As mmBERT's: a space becomes a mark before its word, and the first word has none."""
    raw.normalizer = normalizers.Replace(" ", "▁")
    raw.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")


def _space_behind(raw: Tokenizer) -> None:
    raw.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")


def _metaspace_first(raw: Tokenizer) -> None:
    raw.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")


def _metaspace(raw: Tokenizer) -> None:
    raw.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")


def _whitespace(raw: Tokenizer) -> None:
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()


GLUED = {
    "byte-level": (models.BPE, _byte_level),
    "byte-level-trimmed": (models.BPE, _byte_level_trimmed),
    "byte-level-digits": (models.BPE, _byte_level_digits),
    "gemma": (models.BPE, _gemma),
    "space-behind": (models.BPE, _space_behind),
}
"""Kinds that glue words together when they are given alone."""
RIGHT = {
    "metaspace-first": (models.BPE, _metaspace_first),
    "sentencepiece-unigram": (models.Unigram, _metaspace),
    "sentencepiece-bpe": (models.BPE, _metaspace),
    "wordpiece": (models.WordPiece, _whitespace),
}


def _trained(kind: str, *, specials: bool = True) -> PreTrainedTokenizerFast:
    model, prepare = (GLUED | RIGHT)[kind]
    raw = Tokenizer(model(unk_token="<unk>") if model is models.WordPiece else model())
    prepare(raw)
    trainer = {models.BPE: trainers.BpeTrainer, models.Unigram: trainers.UnigramTrainer}.get(
        model, trainers.WordPieceTrainer
    )
    options = {"unk_token": "<unk>"} if model is models.Unigram else {}
    raw.train_from_iterator(TEXTS, trainer(vocab_size=300, special_tokens=_SPECIALS, show_progress=False, **options))
    if kind == "gemma":
        raw.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    if specials:
        marks = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
        )
        raw.post_processor = processors.Sequence([raw.post_processor, marks]) if raw.post_processor else marks
    named = {"cls_token": "<s>", "sep_token": "</s>", "unk_token": "<unk>"} if specials else {}
    return PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", **named)


def _encoder(tokenizer: Any) -> Encoder:  # noqa: ANN401  transformers' tokenizers share no typed base
    return cast("Encoder", SimpleNamespace(tokenizer=tokenizer, takes_types=False, max_length=512))


@pytest.mark.parametrize("kind", [*GLUED, *RIGHT])
def test_words_are_the_pieces_of_the_running_text(kind: str) -> None:
    tokenizer = _trained(kind)
    encoded, words = tokenise_words(_encoder(tokenizer), [WORDS], limit=64, stride=16)
    assert encoded["input_ids"] == tokenizer([" ".join(WORDS)])["input_ids"]
    assert words[0][[0, -1]].tolist() == [-1, -1]
    assert np.unique(words[0][1:-1]).tolist() == list(range(len(WORDS)))
    assert (np.diff(words[0][1:-1]) >= 0).all()
    pieces = [
        tokenizer.decode([i for i, of in zip(encoded["input_ids"][0], words[0], strict=True) if of == w])
        for w in range(len(WORDS))
    ]
    assert [p.replace("▁", " ").replace(" ", "").replace("Ġ", "").replace("##", "") for p in pieces] == list(WORDS)


@pytest.mark.parametrize("kind", GLUED)
def test_words_alone_would_be_other_pieces(kind: str) -> None:
    """What these tokenizers make of a list of words: the reason why they are given the running text."""
    tokenizer = _trained(kind)
    assert tokenizer([list(WORDS)], is_split_into_words=True)["input_ids"] != tokenizer([" ".join(WORDS)])["input_ids"]


def test_a_space_that_is_a_piece_is_of_the_word_behind_it() -> None:
    encoder = _encoder(_trained("byte-level-digits"))
    encoded, words = tokenise_words(encoder, [("in", "1990", ".")], limit=64, stride=16)
    pieces = encoder.tokenizer.convert_ids_to_tokens(encoded["input_ids"][0])
    assert pieces[2] == "Ġ"
    assert words[0].tolist() == [-1, 0, *[1] * (len(pieces) - 4), 2, -1]


def test_a_word_that_vanishes_takes_no_piece_of_its_neighbour() -> None:
    encoder = _encoder(_trained("sentencepiece-bpe"))
    backend = encoder.tokenizer.backend_tokenizer
    backend.normalizer = normalizers.Sequence(
        [normalizers.Replace("\u200b", ""), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    encoded, words = tokenise_words(encoder, [("He", "\u200b", "was")], limit=64, stride=16)
    assert encoder.tokenizer.convert_ids_to_tokens(encoded["input_ids"][0]) == ["<s>", "▁He", "▁was", "</s>"]
    assert words[0].tolist() == [-1, 0, 2, -1]


@pytest.mark.parametrize("kind", [*GLUED, *RIGHT])
def test_every_word_of_every_window_is_predicted_once_and_blank_ones_never(kind: str) -> None:
    words = ("", *WORDS, " ", "\u3000") * 6
    tags = tuple(i % 3 for i in range(len(words)))
    split = toy_split("tagging")._replace(examples=(TaggedExample("long", words, tags),))
    encoder = _encoder(_trained(kind))
    features = featurise(split, encoder=encoder, max_length=16)
    assert features.positions is not None and len(features.starts) > 3
    kept = features.positions >= 0
    assert sorted(features.positions[kept]) == [i for i, w in enumerate(words) if w.strip()]
    assert features.targets[kept].tolist() == [tags[w] for w in features.positions[kept]]
    assert (features.targets[~kept] == IGNORED).all()
    decoded = learning_of("tagging").decoded(np.full(len(features.ids), 2), features, split, encoder)
    assert decoded == [tuple(2 if w.strip() else 0 for w in words)]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_sample(tmp_path_factory.mktemp("sample"), SampleSpec(scale=0.01))


@pytest.mark.parametrize("task", ["PAN-X", "udpos"])
def test_the_bundled_encoder_reads_what_it_read_when_words_were_given_alone(sample: Path, task: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(MODELS["atlas-mini"].path)
    languages = sorted((sample / "google" / "xtreme").glob(f"{task}*"))
    assert len(languages) >= 12
    sentences = [tokens for lang in languages for tokens in _sentences(lang)]
    # Words beside the sample's: marks alone, digits, blanks within and around, scripts without spaces.
    sentences += [["a", "b c", "«", "10", "%"], ["", "ที่นี่", "東京", "x"], ["می\u200cگوید", "\u200b", "ín", "…"]]
    alone = tokenizer(
        sentences, is_split_into_words=True, truncation=True, max_length=32, stride=8, return_overflowing_tokens=True
    )
    encoded, words = tokenise_words(_encoder(tokenizer), sentences, limit=32, stride=8)
    assert encoded["input_ids"] == alone["input_ids"]
    assert encoded["overflow_to_sample_mapping"] == alone["overflow_to_sample_mapping"]
    for row, found in enumerate(words):
        assert found.tolist() == [-1 if w is None else w for w in alone.word_ids(row)]


def _sentences(lang: Path) -> list[list[str]]:
    rows: list[list[str]] = pq.read_table(next(lang.glob("test-*.parquet")))["tokens"].to_pylist()
    return rows[:30]


@pytest.fixture
def bare(tmp_path: Path) -> Encoder:
    """An encoder whose tokenizer adds no special piece."""
    encoder = load_encoder(tiny_model(tmp_path))
    encoder.tokenizer = _trained("metaspace-first", specials=False)
    return encoder


def test_a_text_of_no_pieces_is_a_row_of_one(bare: Encoder) -> None:
    vectors = embed(bare, ["", "He was"], layer=None, pooling="mean", batch_tokens=64)
    assert vectors.shape == (2, 16) and np.isfinite(vectors).all() and not np.allclose(vectors[0], vectors[1])
    assert np.isfinite(all_layers(bare, ["", "He was"])).all()
    texts = (TextExample("a", "", "", 0), TextExample("b", "He was", "", 1))
    features = featurise(toy_split("classification")._replace(examples=texts), encoder=bare)
    assert features.row_lengths.min() == 1
    assert only_specials(features, bare).row_lengths.tolist() == [1, 1]
    tagged = (TaggedExample("a", ("",), (1,)), TaggedExample("b", WORDS[:2], (1, 2)))
    features = featurise(toy_split("tagging")._replace(examples=tagged), encoder=bare)
    assert features.row_lengths[0] == 1 and features.positions is not None and features.positions[0] == -1


def test_a_row_too_short_for_a_question_and_a_window_is_refused(tmp_path: Path) -> None:
    encoder = load_encoder(tiny_model(tmp_path))
    split = toy_split("span_qa")
    split = split._replace(task=split.task.model_copy(update={"doc_stride": 128}))
    # 18 pieces: a question may take 9 and markers 3; 6 are left, as many as windows share. 19: 10 - 3 = 7 > 6.
    with pytest.raises(ModelError, match=r"rows of at least 19 pieces .* found 18: the model's longest input is 64"):
        featurise(split, encoder=encoder, max_length=18)
    longest = toy_split("span_qa").examples[0]._replace(question="red " * 30, context="a cat " * 40)  # type: ignore[call-arg]
    assert len(featurise(split._replace(examples=(longest,)), encoder=encoder, max_length=19).starts) > 3
