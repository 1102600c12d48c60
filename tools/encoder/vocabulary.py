"""The tokenizer: `python -m tools.encoder.vocabulary`.

Subword pieces trained on a sample that gives every language the same number of lines, so that small languages get
pieces too. Case is kept, because named entities need it; the training steps vary the case of their inputs instead.
"""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import typer
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import decoders as token_decoders
from transformers import PreTrainedTokenizerFast

from tools.encoder.corpus import SOURCES, load_monolingual, load_pairs
from tools.encoder.layout import SHARED, WORK

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""Special tokens; a token's place is its id."""

LINES_PER_LANGUAGE = 20_000
"""Most lines of one language in the training sample; English gets four times as many."""

LEXICON_LINES = 4_000
"""Most lexicon entries among them."""

MAX_LENGTH = 512
"""Longest input in pieces, special tokens included."""

SEED = 20

Kind = Literal["unigram", "bpe"]


def build_normalizer() -> normalizers.Normalizer:
    """Compatibility forms, no zero-width characters (Persian half-spaces become spaces), no Arabic vowel signs."""
    return normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Replace("\u200c", " "),
            normalizers.Replace(Regex(r"[\u200b-\u200f\u202a-\u202e\u2060\ufeff\u00ad\u064b-\u0652\u0640]"), ""),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )


def build_pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    """Words with the space before them as a mark, punctuation apart.

    Before punctuation and in scripts written without spaces the mark is dropped: there it would make two pieces of one
    word, or be a word's only first piece, from which taggers read the label.
    """
    unmarked = Regex(r"\u2581(?=[\p{P}\p{S}\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Myanmar}])")
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(prepend_scheme="always"),
            pre_tokenizers.Split(unmarked, behavior="removed"),
            pre_tokenizers.Punctuation(behavior="isolated"),
        ]
    )


def training_lines(shared: Path) -> list[str]:
    """The sample: LINES_PER_LANGUAGE lines of each language (fewer where there are fewer), English among them."""
    rng = np.random.default_rng(SEED)
    pairs = load_pairs(shared)
    lexicon = pairs["file"].map(lambda name: SOURCES[name].kind == "lexicon")
    sentences = pd.concat([pairs[~lexicon], load_monolingual(shared)])
    lines: list[str] = []
    for lang, group in sentences.groupby("lang"):
        entries = pairs.loc[lexicon & (pairs["lang"] == lang), "text"].to_numpy()
        entries = rng.permutation(entries)[:LEXICON_LINES]
        room = LINES_PER_LANGUAGE - len(entries)
        lines += [*rng.permutation(group["text"].to_numpy())[:room], *entries]
    english = pairs["english"].drop_duplicates().to_numpy()
    return lines + list(rng.permutation(english)[: 4 * LINES_PER_LANGUAGE])


def train(lines: list[str], *, kind: Kind, size: int) -> Tokenizer:
    """A tokenizer of `size` pieces with the template [CLS] A [SEP] and [CLS] A [SEP] B [SEP]."""
    if kind == "unigram":
        tokenizer = Tokenizer(models.Unigram())
        trainer = trainers.UnigramTrainer(
            vocab_size=size, special_tokens=list(SPECIAL), unk_token="[UNK]", show_progress=False
        )
    else:
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
        trainer = trainers.BpeTrainer(
            vocab_size=size, special_tokens=list(SPECIAL), show_progress=False, max_token_length=16
        )
    tokenizer.normalizer = build_normalizer()
    tokenizer.pre_tokenizer = build_pre_tokenizer()
    tokenizer.decoder = token_decoders.Metaspace(prepend_scheme="always")
    tokenizer.train_from_iterator(lines, trainer=trainer, length=len(lines))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", SPECIAL.index("[CLS]")), ("[SEP]", SPECIAL.index("[SEP]"))],
    )
    return tokenizer


def wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """The tokenizer in the class that AutoTokenizer loads."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MAX_LENGTH,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def shorten_scores(path: Path) -> None:
    """Rewrite tokenizer.json with piece scores of four decimals and no indentation; it weighs half as much."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["model"]["type"] == "Unigram":
        content["model"]["vocab"] = [[piece, round(score, 4)] for piece, score in content["model"]["vocab"]]
    path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


def main(
    shared: Annotated[Path, typer.Option(help="Folder that holds parallel/.")] = SHARED,
    work: Annotated[Path, typer.Option(help="Folder for intermediate results.")] = WORK,
    kind: Annotated[Kind, typer.Option(help="unigram or bpe.")] = "bpe",
    size: Annotated[int, typer.Option(help="Number of pieces.")] = 48_000,
) -> None:
    """Train a tokenizer and save it under WORK/tokenizer-KIND-SIZE."""
    started = time.monotonic()
    lines = training_lines(shared)
    folder = work / f"tokenizer-{kind}-{size}"
    wrap(train(lines, kind=kind, size=size)).save_pretrained(str(folder))
    shorten_scores(folder / "tokenizer.json")
    seconds = time.monotonic() - started
    sys.stdout.write(f"{kind} {size}: {len(lines)} lines, {seconds:.0f} s, saved to {folder.name}\n")


if __name__ == "__main__":
    typer.run(main)
