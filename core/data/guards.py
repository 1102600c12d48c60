"""What makes a loaded split unfit to be trained on or scored, as errors and flags.

Each guard stands for a trap that others fell into (placeholder test labels, dropped rows, training on test text).
"""

from __future__ import annotations

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
        DataError: No example at all.
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


def _placeholder(read: Read, task: TaskSpec) -> str | None:
    if not read.examples:
        return f"all {read.unlabelled} rows are unlabelled (-1 or blank)" if read.unlabelled else None
    return task_type(task.type).placeholder(read.examples, task)


def flags_of(read: Read, *, what: str) -> tuple[Flag, ...]:
    """What was left out or mended while reading, as flags.

    Args:
        read: What was read.
        what: Task, role and language, for messages.
    """
    left_out = f"{read.unlabelled} rows without a label were left out, {len(read.examples)} are used"
    unlabelled = (Flag("unlabelled_dropped", left_out),) if read.unlabelled else ()
    return tuple(Flag(name, f"{what}: {message}.") for name, message in (*unlabelled, *read.remarks))
