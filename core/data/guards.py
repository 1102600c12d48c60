"""What makes a loaded split unfit to be trained on or scored, as errors and flags.

Each guard stands for a trap that others fell into (placeholder test labels, dropped rows, training on test text).
"""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import DataError, PlaceholderLabels
from core.examples import Flag, SplitRole
from core.spec.task import TaskSpec
from core.types.columns import Read
from core.types.table import task_type


def check_labels(read: Read, *, task: TaskSpec, role: SplitRole, where: str) -> None:
    """Refuse a split without usable labels.

    Args:
        read: What was read.
        task: Its declaration.
        role: Test and development splits must hold real labels, training splits at least one example.
        where: For messages.

    Raises:
        PlaceholderLabels: Blank labels, or one class alone, where scores would mean nothing.
        DataError: No example at all, or training examples of one class alone.
    """
    reason = _placeholder(read, task)
    if reason and (role != "train" or not read.examples):
        raise PlaceholderLabels(
            f"The {role} split of task '{task.name}' ({where}) has placeholder labels: {reason}. Scores on it would "
            "mean nothing. The official download of XTREME strips test labels; use a copy that has them, or name a "
            "labelled split in `fallbacks` of the task's definition."
        )
    if not read.examples:
        raise DataError(f"The {role} split of '{task.name}' ({where}) has no usable example. Expected at least one.")
    if reason:
        raise DataError(
            f"The {role} split of '{task.name}' ({where}) cannot be learned from: {reason}. Expected two labels."
        )


def _placeholder(read: Read, task: TaskSpec) -> str | None:
    if not read.examples:
        return f"all {read.unlabelled} rows are unlabelled (-1 or blank)" if read.unlabelled else None
    return task_type(task.type).placeholder(read.examples, task)


def check_texts(texts: Sequence[str], *, task: TaskSpec, role: SplitRole, where: str) -> None:
    """Refuse a split without any text.

    Args:
        texts: Of all examples.
        task: Its declaration.
        role: Of the split.
        where: For messages.

    Raises:
        DataError: Every text is empty.
    """
    if texts and not any(text.strip() for text in texts):
        raise DataError(
            f"The {role} split of '{task.name}' ({where}) has no text: all {len(texts)} are empty. Expected text in "
            "the columns that `columns` names."
        )


def unused_labels(read: Read, labels: Sequence[str], task: TaskSpec) -> tuple[str, ...]:
    """Declared labels that no example has.

    Args:
        read: What was read of a training split.
        labels: Names in id order.
        task: Its declaration.
    """
    names = task_type(task.type).label_names
    found = {name for example in read.examples for name in names(example, labels)}
    return tuple(label for label in labels if label not in found) if found else ()


def flags_of(read: Read, texts: Sequence[str], *, what: str, unused: Sequence[str] = ()) -> tuple[Flag, ...]:
    """What was left out or mended while reading, and what is odd in what was read, as flags.

    Args:
        read: What was read.
        texts: Of all examples.
        what: Task, role and language, for messages.
        unused: Labels that training data lack.
    """
    found = []
    if read.unlabelled:
        left_out = f"{read.unlabelled} rows without a label were left out, {len(read.examples)} are used"
        found.append(Flag("unlabelled_dropped", left_out))
    if n_empty := sum(not text.strip() for text in texts):
        found.append(Flag("empty_texts", f"{n_empty} of {len(texts)} texts are empty"))
    if unused:
        found.append(Flag("unused_labels", f"no example has the label {' or '.join(unused[:10])}"))
    return tuple(Flag(name, f"{what}: {message}.") for name, message in (*found, *read.remarks))
