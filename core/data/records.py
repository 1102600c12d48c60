"""What a loaded split is: one record per task type, and the split that holds them.

The records are the one schema of all data sources. A new task type adds one `NamedTuple` here, one entry in `Example`
and one reader in `readers.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from core.paths import AtlasPaths
from core.spec.run import DataSource
from core.spec.task import TaskSpec

SplitRole = Literal["train", "dev", "test"]
"""What a split serves as."""


class TextExample(NamedTuple):
    """A text or a pair with one label (classification)."""

    id: str
    text: str
    text_pair: str | None
    label: int
    """Index into `Split.labels`."""


class MultiLabelExample(NamedTuple):
    """A text with any number of labels."""

    id: str
    text: str
    labels: tuple[int, ...]
    """Ascending indices into `Split.labels`; may be empty."""


class ScoredExample(NamedTuple):
    """A text or a pair with a real number (regression)."""

    id: str
    text: str
    text_pair: str | None
    value: float
    """In the task's own `score_range`, not rescaled."""


class TaggedExample(NamedTuple):
    """A sentence of words with a tag each."""

    id: str
    words: tuple[str, ...]
    tags: tuple[int, ...]
    """One index into `Split.labels` a word."""


class SpanExample(NamedTuple):
    """A question about a passage."""

    id: str
    question: str
    context: str
    answers: tuple[str, ...]
    """Gold answers; empty where the question has none."""
    starts: tuple[int, ...]
    """First character of each answer in the context; -1 where the answer is not in it word by word."""


class ChoiceExample(NamedTuple):
    """A text with several continuations or answers, one of them right."""

    id: str
    text: str
    choices: tuple[str, ...]
    label: int
    """Index into `choices`."""


class PairExample(NamedTuple):
    """A sentence and its English translation; for mining either side may be empty where it has no partner."""

    id: str
    source: str
    target: str


Example = TextExample | MultiLabelExample | ScoredExample | TaggedExample | SpanExample | ChoiceExample | PairExample
"""One example of any task type."""


class Flag(NamedTuple):
    """Something a reader of the scores must know; becomes the event `Flagged`."""

    flag: str
    """Short name: `split_fallback`, `dev_cut_from_train`."""
    message: str
    """One sentence with the values."""


class Split(NamedTuple):
    """One split of one task in one language, read and checked."""

    task: TaskSpec
    role: SplitRole
    lang: str
    """XTREME's code."""
    split: str
    """The split really read, such as `validation` or `train[:90%]`."""
    examples: tuple[Example, ...]
    """In the order of the file, or of the seeded sample, which keeps that order."""
    n_available: int
    """Usable examples of the split before any sample."""
    fingerprint: str
    """First 12 hexadecimal digits of a SHA-256 over the examples in order."""
    revision: str | None
    """Resolved commit on the hub; None for a folder."""
    labels: tuple[str, ...]
    """Label names in id order; for `labels_from_data` those of the training split, sorted."""
    flags: tuple[Flag, ...] = ()
    """What happened on the way."""


@dataclass(frozen=True)
class DataOrigin:
    """Where examples come from: everything a loader needs beside the task."""

    source: DataSource
    """Sample, mirror or hub."""
    paths: AtlasPaths
    """Cache and licensed local data."""
    domain: str | None = None
    """Domain of the sample tasks; None: all of them."""
    difficulty: str | None = None
    """Difficulty of the sample tasks; None: the mixture."""
    tasks: tuple[TaskSpec, ...] = ()
    """Definitions of the parts of joined tasks (ANLI+)."""


def text_of(example: Example) -> str:
    """All text of an example, joined by single spaces: for masked-language modelling and domain profiles.

    Args:
        example: Any record; labels and gold answers are left out (an answer is part of its passage).
    """
    match example:
        case TextExample() | ScoredExample():
            parts: tuple[str, ...] = (example.text, example.text_pair or "")
        case MultiLabelExample():
            parts = (example.text,)
        case TaggedExample():
            parts = example.words
        case SpanExample():
            parts = (example.question, example.context)
        case ChoiceExample():
            parts = (example.text, *example.choices)
        case PairExample():
            parts = (example.source, example.target)
    return " ".join(part for part in parts if part)


def fingerprint(examples: Iterable[Example]) -> str:
    """First 12 hexadecimal digits of a SHA-256 over the examples in order, ids and labels included.

    Args:
        examples: Records; another order gives another digest.
    """
    running = hashlib.sha256()
    for example in examples:
        line = json.dumps([type(example).__name__, *example], ensure_ascii=False, separators=(",", ":"))
        running.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return running.hexdigest()[:12]
