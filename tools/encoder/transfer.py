"""Zero-shot transfer of the encoder: fine-tune on English, score every language, compare with random weights.

A small loop of its own, so that the recipe does not depend on the application. XNLI trains on the mirror's MNLI,
PAN-X and UDPOS on their English train split; PAN-X is scored on validation, because the mirror has no test labels.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from seqeval.metrics import f1_score
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

XNLI_LABELS = ("entailment", "neutral", "contradiction")
PANX_LABELS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
UDPOS_LABELS = (
    "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ",
    "SYM", "VERB", "X",
)  # fmt: skip
UDPOS_LANGUAGES = {
    "Afrikaans": "af", "Basque": "eu", "Bulgarian": "bg", "Chinese": "zh", "Dutch": "nl", "English": "en",
    "Estonian": "et", "Finnish": "fi", "French": "fr", "German": "de", "Greek": "el", "Hebrew": "he", "Hindi": "hi",
    "Hungarian": "hu", "Indonesian": "id", "Italian": "it", "Japanese": "ja", "Kazakh": "kk", "Korean": "ko",
    "Marathi": "mr", "Persian": "fa", "Portuguese": "pt", "Russian": "ru", "Spanish": "es", "Tagalog": "tl",
    "Tamil": "ta", "Telugu": "te", "Thai": "th", "Turkish": "tr", "Urdu": "ur", "Vietnamese": "vi", "Yoruba": "yo",
}  # fmt: skip

MAX_PIECES = 128
"""Longest input of a fine-tuning, special tokens included."""


class Settings(NamedTuple):
    """What decides the outcome of a fine-tuning and how many examples it sees."""

    train: int
    """Most English training examples."""
    test: int
    """Most test examples a language."""
    epochs: int
    """Passes over the training examples."""
    rate: float
    """Peak learning rate of AdamW; rises over the first 10 % of steps, then falls in a line."""
    batch: int = 32
    """Examples an update."""


DEFAULTS = {
    "xnli": Settings(train=5_000, test=120, epochs=2, rate=5e-4),
    "panx": Settings(train=3_000, test=80, epochs=2, rate=5e-4),
    "udpos": Settings(train=3_000, test=60, epochs=2, rate=5e-4),
}
"""Settings of the card's figures: what two shared cores can do in half an hour."""

QUICK = {
    "xnli": Settings(train=2_000, test=60, epochs=2, rate=5e-4),
    "panx": Settings(train=1_000, test=40, epochs=2, rate=5e-4),
    "udpos": Settings(train=1_000, test=30, epochs=2, rate=5e-4),
}
"""Settings of --quick."""


class Examples(NamedTuple):
    """Inputs of a task with their labels, row by row."""

    first: list
    """Sentences, or lists of words."""
    second: list[str] | None
    """Second sentences of a pair task."""
    labels: list
    """One label id per example, or one per word."""


class Task(NamedTuple):
    """An English training set and a test set per language."""

    labels: tuple[str, ...]
    """Names of the label ids."""
    train: Examples
    """English training examples."""
    test: dict[str, Examples]
    """Test examples by language code."""
    chance: float
    """Score of always answering the commonest label (0 for span F1)."""


def _frame(path: Path) -> pd.DataFrame:
    return pd.read_parquet(sorted(path.parent.glob(f"{path.name}-*.parquet"))[0])


def _sentence_pairs(frame: pd.DataFrame, *, columns: tuple[str, str, str], most: int) -> Examples:
    part = frame.sample(n=min(most, len(frame)), random_state=0)
    labels = [XNLI_LABELS.index(label) if isinstance(label, str) else int(label) for label in part[columns[2]]]
    return Examples(part[columns[0]].tolist(), part[columns[1]].tolist(), labels)


def _tagged(frame: pd.DataFrame, *, column: str, most: int) -> Examples:
    part = frame.sample(n=min(most, len(frame)), random_state=0)
    return Examples([list(words) for words in part["tokens"]], None, [list(tags) for tags in part[column]])


def load_xnli(hub: Path, *, settings: Settings) -> Task:
    """XNLI's test set, trained on MNLI."""
    mnli = _frame(hub / "nyu-mll" / "glue" / "mnli" / "train")
    test = _frame(hub / "google" / "xtreme" / "XNLI" / "test")
    names = ("sentence1", "sentence2", "gold_label")
    return Task(
        labels=XNLI_LABELS,
        train=_sentence_pairs(mnli, columns=("premise", "hypothesis", "label"), most=settings.train),
        test={
            str(lang): _sentence_pairs(group, columns=names, most=settings.test)
            for lang, group in test.groupby("language")
        },
        chance=1 / 3,
    )


def load_panx(hub: Path, *, settings: Settings) -> Task:
    """PAN-X, scored on validation."""
    root = hub / "google" / "xtreme"
    languages = sorted(path.name.split(".")[1] for path in root.glob("PAN-X.*"))
    return Task(
        labels=PANX_LABELS,
        train=_tagged(_frame(root / "PAN-X.en" / "train"), column="ner_tags", most=settings.train),
        test={
            lang: _tagged(_frame(root / f"PAN-X.{lang}" / "validation"), column="ner_tags", most=settings.test)
            for lang in languages
        },
        chance=0.0,
    )


def load_udpos(hub: Path, *, settings: Settings) -> Task:
    """UDPOS, scored on test where the mirror has it."""
    root = hub / "google" / "xtreme"
    test = {}
    for name, lang in UDPOS_LANGUAGES.items():
        if list((root / f"udpos.{name}").glob("test-*.parquet")):
            test[lang] = _tagged(_frame(root / f"udpos.{name}" / "test"), column="pos_tags", most=settings.test)
    tags = np.concatenate([np.concatenate(examples.labels) for lang, examples in test.items() if lang != "en"])
    return Task(
        labels=UDPOS_LABELS,
        train=_tagged(_frame(root / "udpos.English" / "train"), column="pos_tags", most=settings.train),
        test=test,
        chance=float(np.bincount(tags).max() / len(tags)),
    )


LOADERS = {"xnli": load_xnli, "panx": load_panx, "udpos": load_udpos}
"""How to read each task."""


def build_model(folder: Path, *, task: Task, seed: int, trained: bool) -> PreTrainedModel:
    """The shipped network under a new head, or the same network with random weights."""
    torch.manual_seed(seed)
    kind = AutoModelForSequenceClassification if task.train.second is not None else AutoModelForTokenClassification
    if trained:
        model = kind.from_pretrained(str(folder), num_labels=len(task.labels), local_files_only=True)
    else:
        model = kind.from_config(AutoConfig.from_pretrained(str(folder), num_labels=len(task.labels)))
    model.set_attn_implementation("eager")  # on CPU the fused kernel's backward takes twice as long at these lengths
    return model


def encode(tokenizer: PreTrainedTokenizerFast, *, examples: Examples) -> list[tuple[list[int], list[int]]]:
    """Piece ids and labels of each example; a tagging label stands at its word's first piece, -100 elsewhere."""
    words = examples.second is None
    encoded = tokenizer(
        examples.first, examples.second, truncation=True, max_length=MAX_PIECES, is_split_into_words=words
    )
    if not words:
        return [(ids, [label]) for ids, label in zip(encoded["input_ids"], examples.labels, strict=True)]
    found = []
    for index, tags in enumerate(examples.labels):
        ids = encoded.word_ids(index)
        first = [word is not None and (place == 0 or ids[place - 1] != word) for place, word in enumerate(ids)]
        labels = [int(tags[word]) if starts else -100 for word, starts in zip(ids, first, strict=True)]
        found.append((encoded["input_ids"][index], labels))
    return found


def batches(
    rows: list[tuple[list[int], list[int]]], *, size: int, pad: int, rng: np.random.Generator | None
) -> Iterator[tuple[np.ndarray, torch.Tensor, torch.Tensor]]:
    """Row numbers, ids and labels of batches with similar lengths; in random order if `rng` is given."""
    lengths = np.array([len(ids) for ids, _ in rows])
    noise = rng.random(len(rows)) * 8 if rng else np.zeros(len(rows))
    order = np.argsort(lengths + noise, kind="stable")
    chunks = [order[start : start + size] for start in range(0, len(order), size)]
    for index in rng.permutation(len(chunks)) if rng else range(len(chunks)):
        chunk = chunks[index]
        longest = int(lengths[chunk].max())
        ids = torch.tensor([rows[row][0] + [pad] * (longest - lengths[row]) for row in chunk])
        width = max(len(rows[row][1]) for row in chunk)
        labels = torch.tensor([rows[row][1] + [-100] * (width - len(rows[row][1])) for row in chunk])
        yield chunk, ids, labels


def fine_tune(
    model: PreTrainedModel, *, rows: list[tuple[list[int], list[int]]], settings: Settings, seed: int
) -> None:
    """Train all weights in place."""
    rng = np.random.default_rng(seed)
    pad = int(model.config.pad_token_id)
    total = settings.epochs * -(-len(rows) // settings.batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.rate, weight_decay=0.01, fused=True)
    model.train()
    step = 0
    for _ in range(settings.epochs):
        for _, ids, labels in batches(rows, size=settings.batch, pad=pad, rng=rng):
            share = min((step + 1) / (0.1 * total), (total - step) / (0.9 * total))
            for group in optimizer.param_groups:
                group["lr"] = settings.rate * share
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(input_ids=ids, attention_mask=ids != pad).logits
            loss = functional.cross_entropy(logits.float().view(-1, logits.shape[-1]), labels.view(-1))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1


@torch.no_grad()
def predict(model: PreTrainedModel, *, rows: list[tuple[list[int], list[int]]]) -> list[np.ndarray]:
    """Predicted label ids at the labelled places of each example, in the examples' order."""
    model.eval()
    pad = int(model.config.pad_token_id)
    found: list[np.ndarray] = [np.zeros(0)] * len(rows)
    for chunk, ids, labels in batches(rows, size=128, pad=pad, rng=None):
        with torch.autocast("cpu", torch.bfloat16):
            best = model(input_ids=ids, attention_mask=ids != pad).logits.argmax(-1)
        for place, row in enumerate(chunk):
            found[row] = (best[place] if best.dim() == 1 else best[place][labels[place] != -100]).reshape(-1).numpy()
    return found


def score(name: str, *, task: Task, rows: list[tuple[list[int], list[int]]], predicted: list[np.ndarray]) -> float:
    """Accuracy over examples (XNLI) or words (UDPOS), span F1 (PAN-X), in [0, 1]."""
    gold = [[label for label in labels if label != -100] for _, labels in rows]
    if name == "panx":
        named = [[[task.labels[label] for label in part] for part in side] for side in (gold, predicted)]
        return float(f1_score(named[0], named[1], zero_division=0))
    return float(np.mean(np.concatenate(predicted) == np.concatenate(gold)))


def run(name: str, *, folder: Path, task: Task, settings: Settings, seed: int, trained: bool) -> dict[str, float]:
    """Fine-tune once and score every language, in [0, 1]."""
    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    model = build_model(folder, task=task, seed=seed, trained=trained)
    fine_tune(model, rows=encode(tokenizer, examples=task.train), settings=settings, seed=seed)
    found = {}
    for lang, examples in task.test.items():
        rows = encode(tokenizer, examples=examples)
        found[lang] = score(name, task=task, rows=rows, predicted=predict(model, rows=rows))
    return found
