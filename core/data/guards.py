"""What makes a loaded split unfit to be trained on or scored, as errors and flags.

Each guard stands for a trap that others fell into (placeholder test labels, dropped rows, training on test text).
"""

from __future__ import annotations

from collections.abc import Iterable

from core.data.readers import Read
from core.data.records import (
    ChoiceExample,
    Example,
    Flag,
    MultiLabelExample,
    PairExample,
    ScoredExample,
    SpanExample,
    Split,
    SplitRole,
    TaggedExample,
    TextExample,
    text_of,
)
from core.errors import DataError, PlaceholderLabels
from core.spec.task import TaskSpec

ENOUGH = 10
"""From so many examples on, a single class among them cannot be chance."""


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
    examples = read.examples
    if not examples:
        return f"all {read.unlabelled} rows are unlabelled (-1 or blank)" if read.unlabelled else None
    first = examples[0]
    if isinstance(first, SpanExample):
        empty = not task.has_no_answer and not any(e.answers for e in examples if isinstance(e, SpanExample))
        return f"the answers of all {len(examples)} questions are empty" if empty else None
    if isinstance(first, MultiLabelExample):
        empty = not any(e.labels for e in examples if isinstance(e, MultiLabelExample))
        return f"all {len(examples)} texts have no label" if empty else None
    values = _distinct(examples)
    if values is None or len(values) > 1 or len(examples) < ENOUGH:
        return None
    return f"all {len(examples)} examples have the label {_label_name(next(iter(values)), task)}"


def _distinct(examples: Iterable[Example]) -> set[float] | None:
    found: set[float] = set()
    for example in examples:
        match example:
            case TextExample() | ChoiceExample():
                found.add(example.label)
            case ScoredExample():
                found.add(example.value)
            case TaggedExample():
                found.update(example.tags)
            case _:
                return None
        if len(found) > 1:
            break
    return found


def _label_name(value: float, task: TaskSpec) -> str:
    index = int(value)
    return f"'{task.labels[index]}'" if value == index and 0 <= index < len(task.labels) else f"{value:g}"


def flags_of(read: Read, *, what: str) -> tuple[Flag, ...]:
    """What was left out or mended while reading, as flags.

    Args:
        read: What was read.
        what: Task, role and language, for messages.
    """
    n = len(read.examples)
    wanted = (
        (read.unlabelled, "unlabelled_dropped", f"{read.unlabelled} rows without a label were left out, {n} are used"),
        (
            read.answer_not_found,
            "answers_dropped",
            f"{read.answer_not_found} questions whose answer is not in the passage were left out, {n} are used",
        ),
        (read.repaired, "offsets_repaired", f"{read.repaired} wrong answer offsets were mended by search"),
        (read.textual, "answers_not_in_passage", f"{read.textual} answers are not in the passage word by word"),
    )
    return tuple(Flag(name, f"{what}: {message}.") for count, name, message in wanted if count)


def overlap(train: Split, test: Split) -> int:
    """Number of test examples whose text occurs in the training split.

    Compared are whole texts (pairs as pairs, passages of questions, sentences of tagged text) after lower-casing and
    with single spaces; SQuAD's validation split and XQuAD share passages this way.

    Args:
        train: What is trained on.
        test: What is scored.
    """
    seen = {_normalised(example) for example in train.examples}
    return sum(_normalised(example) in seen for example in test.examples)


def _normalised(example: Example) -> str:
    match example:
        case SpanExample():
            text = example.context
        case ChoiceExample():
            text = example.text
        case PairExample():
            text = example.source
        case _:
            text = text_of(example)
    return " ".join(text.casefold().split())
