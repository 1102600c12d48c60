"""A loaded split and the examples in it, whatever their type; the records themselves stand in `core/types`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple, Protocol

from core.spec.match import Match
from core.spec.task import TaskSpec

SplitRole = Literal["train", "dev", "test"]
"""What a split serves as."""


class Example(Protocol):
    """One example of any task type: a `NamedTuple` of its type's module."""

    @property
    def id(self) -> str:
        """Of the data set, or the number of the row."""
        ...

    def __iter__(self) -> Iterator[Any]:  # Any: a field of a type's own
        """All fields, in order."""
        ...


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
    matched: Match | None = None
    """How it is matched with the rest of what it was cut from, where it is a third."""


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
