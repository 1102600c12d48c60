"""Which test examples a model has met: in training or development data, as the same text or as its translation."""

from __future__ import annotations

from typing import Literal

from core.examples import Flag, Split
from core.types.base import ENOUGH
from core.types.table import task_type

_SERVES: dict[Literal["train", "dev"], tuple[str, str]] = {
    "train": ("overlap", "training data"),
    "dev": ("dev_overlap", "development data, which select the model"),
}
_SAME_LABELS = 0.99
"""Share of equal gold labels from which on the rows of two languages are the same items."""

_TELLING_ID = 12
"""Characters from which on an id that is no number cannot be met by chance."""


class Seen:
    """What a model was trained and selected on, to be told from what it is scored on.

    Compared are whole texts (pairs as pairs, passages of questions, sentences of tagged text) after lower-casing and
    with single spaces, and ids: those of English test examples whose text is known, and long ones as they are.
    """

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._texts: dict[str, set[int]] = {role: set() for role in _SERVES}
        self._ids: dict[str, set[str]] = {role: set() for role in _SERVES}

    def add(self, split: Split) -> None:
        """Remember a training or development split.

        Args:
            split: As it is used, sampled.
        """
        text = task_type(split.task.type).known_text
        self._texts[split.role].update(_normalised(text(e)) for e in split.examples)
        self._ids[split.role].update(e.id for e in split.examples if _is_telling(e.id))

    def flags(self, split: Split, *, drawn: Split | None = None, english: Split | None = None) -> tuple[Flag, ...]:
        """How many test examples are known, one flag for training and one for development data.

        Args:
            split: A test set, whole.
            drawn: The sample of it that is scored; None: all of it.
            english: The English test set of the same task, whole; None where there is none.
        """
        scored = (drawn or split).examples
        text, what = task_type(split.task.type).known_text, f"{split.task.name} test texts ({split.lang})"
        is_parallel = english is not None and split.lang != "en" and _is_parallel(english, split)
        found: list[Flag] = []
        for role, (flag, where) in _SERVES.items():
            texts, ids = self._texts[role], set(self._ids[role])
            if is_parallel and english is not None and texts:
                ids |= {e.id for e in english.examples if _normalised(text(e)) in texts}
            same = [_normalised(text(e)) in texts for e in scored]
            translated = sum(e.id in ids and not is_same for e, is_same in zip(scored, same, strict=True))
            n = sum(same) + translated
            if n:
                how = f", {translated} of them by their ids, as translations" if translated else ""
                found.append(Flag(flag, f"{n} of {len(scored)} {what} occur in the {where}{how}."))
        return tuple(found)


def _normalised(text: str) -> int:
    return hash(" ".join(text.casefold().split()))


def _is_telling(name: str) -> bool:
    return len(name) >= _TELLING_ID and not name.isdecimal()


def _is_parallel(english: Split, other: Split) -> bool:
    """Whether equal ids are translations: the data set's own ids, or rows whose gold labels are the same throughout."""
    ref = other.task.test
    columns = (ref.columns if ref else None) or other.task.columns
    if columns.id is not None:
        return True
    learning = task_type(other.task.type).learning
    if learning is None or len(english.examples) != len(other.examples) or len(other.examples) < ENOUGH:
        return False
    golds = [[(e.id, learning.gold(e)) for e in split.examples] for split in (english, other)]
    same: int = sum(a == b for a, b in zip(*golds, strict=True))
    return same >= _SAME_LABELS * len(other.examples)
