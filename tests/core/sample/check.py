"""Looks for violations in built sample tasks: schemas, offsets, labels, balance, and sentences in train and test."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow.parquet as pq

from core.sample import layout
from core.sample.build import MARKER, SOURCES
from core.sample.lexicon import load_language
from core.sample.spec import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from core.sample.layout import DataSet, Feature

Row = dict[str, Any]  # Any: cells of any column type
BALANCE: Final = 0.04
"""How far the share of a label may be from an even share; squad_v2 is meant to have a third without answer."""
_MIN_ROWS: Final = 200
"""Balance is only looked at in splits of this size or more."""
_SENTENCE_COLUMNS: Final = (
    "premise", "hypothesis", "sentence1", "sentence2", "sentence", "question1", "question2", "question", "context",
    "text", "ctx", "startphrase", "goal", "source_sentence", "target_sentence",
)  # fmt: skip
_LABEL_COLUMNS: Final = ("label", "gold_label", "category", "answerKey")
_MARKUP: Final = frozenset("|_+")
"""Signs of the lexicons that must not come out in a text."""
_FAMILIES: Final = {
    "nyu-mll/glue/mnli": "XNLI", "google/xtreme/XNLI": "XNLI", "rajpurkar/squad/plain_text": "XQuAD",
    "aps/super_glue/copa": "XCOPA", "cambridgeltl/xcopa": "XCOPA",
    "google/xtreme/SQuAD": "XQuAD", "google/xtreme/XQuAD": "XQuAD", "google/xtreme/MLQA": "XQuAD",
}  # fmt: skip
"""Data sets that are one task: its training set lies elsewhere."""


class Split(NamedTuple):
    """One file of a build."""

    dataset: DataSet
    name: str
    path: Path

    def __str__(self) -> str:
        return f"{self.dataset.hub_id}/{self.dataset.config}/{self.name}"


def check_sample(root: Path) -> list[str]:
    """Every violation found in a built folder, one line each; an empty list if all is well.

    Args:
        root: What `ensure_sample` returned.
    """
    if not (root / MARKER).exists():
        return [f"{root}: no {MARKER}, so this is not a whole build"]
    found: list[str] = []
    told: dict[str, dict[str, set[str]]] = {}
    for split in splits(root):
        found += _check_schema(split)
        rows: list[Row] = pq.read_table(split.path).to_pylist()
        found += [f"{split}: {problem}" for problem in _check_rows(split, rows)]
        part = "train" if split.name.startswith("train") else "test"
        told.setdefault(_family(split), {}).setdefault(part, set()).update(_sentences(rows))
    for family, parts in told.items():
        twice = parts.get("train", set()) & parts.get("test", set())
        found += [f"{family}: in train and in test: {text!r}" for text in sorted(twice)]
    return found


def splits(root: Path) -> Iterator[Split]:
    """Every file that a build of its spec must have, in a fixed order."""
    counts = json.loads((root / MARKER).read_text(encoding="utf-8"))["counts"]
    languages = {code: load_language(SOURCES, code=code) for code in LANGUAGES}
    sets = [
        *layout.INTERMEDIATES.values(),
        *layout.xtreme_datasets(
            tatoeba={code: language.tatoeba for code, language in languages.items()},
            udpos={code: language.udpos for code, language in languages.items()},
        ).values(),
        *layout.beyond_datasets().values(),
    ]
    by_name = {f"{dataset.hub_id}/{dataset.config}": dataset for dataset in sets}
    for key in sorted(counts):
        name, _, split = key.rpartition("/")
        dataset = by_name[name]
        yield Split(dataset, split, root / dataset.hub_id / dataset.folder / f"{split}-00000-of-00001.parquet")


def _family(split: Split) -> str:
    """The task that a split belongs to: its training set may be another data set."""
    hub_id, config = split.dataset.hub_id, split.dataset.config
    if hub_id in {dataset.hub_id for dataset in layout.beyond_datasets().values()}:
        return _FAMILIES.get(hub_id, hub_id)
    name = f"{hub_id}/{config}".split(".", maxsplit=1)[0]
    return _FAMILIES.get(name, name)


def _check_schema(split: Split) -> list[str]:
    if not split.path.exists():
        return [f"{split}: the file is missing"]
    schema = pq.read_schema(split.path).remove_metadata()
    wanted = split.dataset.schema()
    return [] if schema.equals(wanted) else [f"{split}: columns are {schema}, expected {wanted}"]


def _check_rows(split: Split, rows: list[Row]) -> Iterable[str]:
    if not rows:
        yield "no rows"
        return
    texts = Counter(json.dumps(_content(row), sort_keys=True) for row in rows)
    yield from (f"twice: {text}" for text, n in texts.items() if n > 1)
    for name, feature in split.dataset.columns.items():
        yield from _check_classes(rows, name=name, feature=feature)
    for row in rows:
        yield from _check_row(row)
    yield from _check_balance(split, rows)


def _content(row: Row) -> Row:
    return {key: value for key, value in row.items() if key not in {"id", "idx", "uid", "index_id", "celex_id"}}


def _check_classes(rows: list[Row], *, name: str, feature: Feature) -> Iterable[str]:
    inner = feature.get("feature", feature)
    if inner.get("_type") != "ClassLabel":
        return
    cells = [row[name] for row in rows]
    values = {v for cell in cells for v in (cell if isinstance(cell, list) else [cell])}
    if odd := [v for v in values if not 0 <= v < len(inner["names"])]:
        yield f"{name} holds {odd}, expected 0 to {len(inner['names']) - 1}"


def _check_row(row: Row) -> Iterable[str]:
    """Problems of one row: answers, word lists, empty text, retrieval."""
    answers = row.get("answers")
    if answers:
        for text, start in zip(answers["text"], answers["answer_start"], strict=True):
            if not text or row["context"][start : start + len(text)] != text:
                yield f"{row['id']}: {text!r} is not at {start} of {row['context']!r}"
    tags = row.get("pos_tags") or row.get("ner_tags")
    if tags is not None and len(tags) != len(row["tokens"]):
        yield f"{len(tags)} tags for {row['tokens']}"
    if "tokens" in row and not all(word.strip() and word.isprintable() for word in row["tokens"]):
        yield f"an empty word in {row['tokens']}"
    told = [*row.get("tokens", ()), *(row[name] for name in _SENTENCE_COLUMNS if name in row)]
    yield from (f"markup of a lexicon is left in {text!r}" for text in told if _MARKUP & set(text))
    yield from (f"{name} is empty" for name in _SENTENCE_COLUMNS if name in row and not row[name].strip())
    choices = row.get("endings") or (row.get("choices") or {}).get("text")
    if choices and len(set(choices)) != len(choices):
        yield f"a choice stands twice in {choices}"


def _check_balance(split: Split, rows: list[Row]) -> Iterable[str]:
    """Labels in even shares; multiple choice by the place of the right answer."""
    name = next((column for column in _LABEL_COLUMNS if column in split.dataset.columns), "")
    if not name or len(rows) < _MIN_ROWS:
        return
    shares = Counter(row[name] for row in rows)
    for label, n in sorted(shares.items(), key=str):
        if abs(n / len(rows) - 1 / len(shares)) > BALANCE:
            yield f"label {label!r} has {n} of {len(rows)} rows, expected about 1 in {len(shares)}"


def _sentences(rows: list[Row]) -> Iterable[str]:
    """The texts of rows, and the words of tagged ones as one text; a context counts with its question."""
    for row in rows:
        if "tokens" in row:
            yield " ".join(row["tokens"])
        for name in _SENTENCE_COLUMNS:
            if name in row and row[name] not in {"cause", "effect"}:  # what COPA asks for is no sentence
                yield row[name]
