"""Columns of a data set → records: one reader per task type.

A reader gets the rows of one split as a table and the task's declaration, and returns records together with counts of
what it left out. Readers know nothing of files, splits or languages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from core.data.records import (
    ChoiceExample,
    Example,
    MultiLabelExample,
    PairExample,
    ScoredExample,
    SpanExample,
    SplitRole,
    TaggedExample,
    TextExample,
)
from core.errors import WrongColumns
from core.spec.task import Columns, TaskSpec, TaskType

UNLABELLED: frozenset[object] = frozenset({-1, "-1", "-", "", None})
"""Raw labels that mean "no label": GLUE's and SNLI's -1, MNLI's dash, HellaSwag's empty string."""

_Values = Sequence[Any]  # Any: cells of a stranger's table


class Rows(NamedTuple):
    """The rows of one split, with all that a reader needs to understand them."""

    table: pa.Table
    task: TaskSpec
    columns: Columns
    labels: tuple[str, ...]
    """Label names in id order."""
    label_values: tuple[str | int, ...]
    """Raw values in label order; empty where raw is the id or the name."""
    class_names: Mapping[str, tuple[str, ...]]
    """Column → names of its integer classes, where the file states them."""
    own_lang: str
    """The data set's own name of the language; replaces `{lang}` in column names."""
    role: SplitRole
    where: str
    """For messages."""


class Read(NamedTuple):
    """Records, and how many rows were left out and why."""

    examples: tuple[Example, ...]
    unlabelled: int = 0
    """Rows without a label."""
    answer_not_found: int = 0
    """Training questions whose answer is not in the passage, left out."""
    repaired: int = 0
    """Answers whose offset was wrong and was found by search."""
    textual: int = 0
    """Answers that are not in the passage word by word; kept for scoring by text."""


def read(rows: Rows) -> Read:
    """Records of the task's type.

    Args:
        rows: The split.

    Raises:
        WrongColumns: A column is missing or holds something else than declared; lists found and expected.
    """
    return _READERS[rows.task.type](rows)


def _classification(rows: Rows) -> Read:
    ids, texts, pairs = _ids(rows), _text(rows, "text"), _optional_text(rows, "text_pair")
    labels = _label_ids(rows, _column(rows, "label"))
    found = tuple(
        TextExample(i, t, p, y) for i, t, p, y in zip(ids, texts, pairs, labels, strict=True) if y is not None
    )
    return Read(found, unlabelled=len(ids) - len(found))


def _multilabel(rows: Rows) -> Read:
    raw = _column(rows, "label")
    odd = next((cell for cell in raw if not isinstance(cell, list | type(None))), None)
    if odd is not None:
        raise _wrong(rows, f"column '{rows.columns.label}' holds {odd!r}", "a list of labels in each cell")
    flat = _label_ids(rows, [v for cell in raw for v in (cell or ())])
    taken = iter(flat)
    sets = [tuple(sorted({y for _ in (cell or ()) if (y := next(taken)) is not None})) for cell in raw]
    named = zip(_ids(rows), _text(rows, "text"), sets, strict=True)
    return Read(tuple(MultiLabelExample(i, t, y) for i, t, y in named))


def _regression(rows: Rows) -> Read:
    ids, texts, pairs = _ids(rows), _text(rows, "text"), _optional_text(rows, "text_pair")
    low, high = rows.task.score_range or (float("-inf"), float("inf"))
    found: list[Example] = []
    for i, t, p, raw in zip(ids, texts, pairs, _column(rows, "label"), strict=True):
        value = _number(rows, raw)
        if value is None or (value == -1 and low > -1):  # GLUE hides the test scores of STS-B as -1
            continue
        if not low <= value <= high:
            raise _wrong(rows, f"column '{rows.columns.label}' holds {value}", f"values from {low} to {high}")
        found.append(ScoredExample(i, t, p, value))
    return Read(tuple(found), unlabelled=len(ids) - len(found))


def _tagging(rows: Rows) -> Read:
    ids, words, tags = _ids(rows), _column(rows, "words"), _column(rows, "tags")
    if any(not isinstance(cell, list) for cell in tags):
        raise _wrong(rows, f"column '{rows.columns.tags}' holds {tags[0]!r}"[:160], "a list of tags in each cell")
    taken = iter(_label_ids(rows, [t for cell in tags for t in cell], column="tags"))
    found: list[Example] = []
    for i, w, t in zip(ids, words, tags, strict=True):
        if not isinstance(w, list) or len(w) != len(t):
            raise _wrong(rows, f"row {i} has {len(w)} words and {len(t)} tags", "one tag a word")
        ys = tuple(next(taken) for _ in t)
        if w and None not in ys:
            found.append(TaggedExample(i, tuple(map(str, w)), tuple(y for y in ys if y is not None)))
    return Read(tuple(found), unlabelled=len(ids) - len(found))


def _span_qa(rows: Rows) -> Read:
    found: list[Example] = []
    lost = repaired = textual = 0
    questions, contexts = _text(rows, "question"), _text(rows, "context")
    for i, q, c, cell in zip(_ids(rows), questions, contexts, _column(rows, "answers"), strict=True):
        texts, stated = _answers(rows, cell)
        if not texts and rows.role == "train" and not rows.task.has_no_answer:
            lost += 1
            continue
        starts = tuple(_start(c, text, at) for text, at in zip(texts, stated, strict=True))
        repaired += sum(s not in (-1, at) for s, at in zip(starts, stated, strict=True))
        textual += starts.count(-1)
        if rows.role == "train" and texts and max(starts) < 0:
            lost += 1
            continue
        found.append(SpanExample(i, q, c, texts, starts))
    return Read(tuple(found), answer_not_found=lost, repaired=repaired, textual=textual)


def _start(context: str, answer: str, stated: int) -> int:
    """Where the answer begins: as stated if it is there, else the nearest place it occurs, else -1."""
    if answer and stated >= 0 and context.startswith(answer, stated):
        return stated
    if not answer or answer not in context:
        return -1
    before = context.rfind(answer, 0, max(stated, 0) + len(answer))
    after = context.find(answer, max(stated, 0))
    return min((at for at in (before, after) if at >= 0), key=lambda at: (abs(at - stated), at))


def _answers(rows: Rows, cell: Any) -> tuple[tuple[str, ...], tuple[int, ...]]:  # noqa: ANN401  # a stranger's cell
    if isinstance(cell, Mapping) and "text" in cell:
        texts, starts = cell["text"] or (), cell.get("answer_start")
    elif isinstance(cell, list):
        texts, starts = [a["text"] for a in cell], [a.get("answer_start", -1) for a in cell]
    else:
        raise _wrong(rows, f"column '{rows.columns.answers}' holds {cell!r}"[:200], "lists `text` and `answer_start`")
    found = [(str(t), int(s)) for t, s in zip(texts, starts or [-1] * len(texts), strict=True) if t]
    return tuple(t for t, _ in found), tuple(s for _, s in found)


def _multiple_choice(rows: Rows) -> Read:
    ids, texts, raw = _ids(rows), _text(rows, "text"), _column(rows, "label")
    choices = _choices(rows)
    keys = _values(rows, rows.columns.choice_keys) if rows.columns.choice_keys else [None] * len(ids)
    found = []
    for i, t, cs, ks, label in zip(ids, texts, choices, keys, raw, strict=True):
        if label in UNLABELLED:
            continue
        index = _choice_index(rows, label, keys=ks, n=len(cs))
        found.append(ChoiceExample(i, t, tuple(map(str, cs)), index))
    return Read(tuple(found), unlabelled=len(ids) - len(found))


def _choice_index(rows: Rows, label: Any, *, keys: _Values | None, n: int) -> int:  # noqa: ANN401
    values = tuple(map(str, keys)) if keys else tuple(map(str, rows.label_values))
    if values:
        index = values.index(str(label)) if str(label) in values else -1
    else:
        index = int(label) if str(label).isdecimal() else -1
    if not 0 <= index < n:
        expected = f"one of {', '.join(values)}" if values else f"an index from 0 to {n - 1}"
        raise _wrong(rows, f"column '{rows.columns.label}' holds {label!r} for {n} choices", expected)
    return index


def _choices(rows: Rows) -> list[_Values]:
    named = rows.columns.choices or ()
    if isinstance(named, str):
        return list(_values(rows, named))
    return [list(row) for row in zip(*(_values(rows, name) for name in named), strict=True)]


def _retrieval(rows: Rows) -> Read:
    named = zip(_ids(rows), _text(rows, "source"), _text(rows, "target"), strict=True)
    return Read(tuple(PairExample(i, s.strip(), t.strip()) for i, s, t in named))


_READERS: Mapping[TaskType, Callable[[Rows], Read]] = {
    TaskType.CLASSIFICATION: _classification,
    TaskType.MULTILABEL: _multilabel,
    TaskType.REGRESSION: _regression,
    TaskType.TAGGING: _tagging,
    TaskType.SPAN_QA: _span_qa,
    TaskType.MULTIPLE_CHOICE: _multiple_choice,
    TaskType.RETRIEVAL: _retrieval,
}


# -------------------------------------------------------------------------------------------------------- columns


def _wrong(rows: Rows, found: str, expected: str) -> WrongColumns:
    return WrongColumns(
        f"Task '{rows.task.name}', {rows.where}: {found}; expected {expected}. "
        "Mend `columns`, `labels` or `label_values` in the task's definition."
    )


def _values(rows: Rows, name: str) -> _Values:
    """Cells of a column; a dot enters structs."""
    head, *rest = name.replace("{lang}", rows.own_lang).split(".")
    if head not in rows.table.column_names:
        raise _wrong(rows, f"there is no column '{head}', only {', '.join(rows.table.column_names)}", f"'{name}'")
    cells: _Values = rows.table.column(head).to_pylist()
    for key in rest:
        cells = [_entered(rows, cell, key) for cell in cells]
    return cells


def _entered(rows: Rows, cell: Any, key: str) -> Any:  # noqa: ANN401  # a stranger's cell
    if isinstance(cell, list):
        return [_entered(rows, part, key) for part in cell]
    if not isinstance(cell, Mapping) or key not in cell:
        has = f"fields {', '.join(cell)}" if isinstance(cell, Mapping) else f"{cell!r}"[:80]
        raise _wrong(rows, f"a cell has {has}", f"a field '{key}'")
    return cell[key]


def _column(rows: Rows, field: str) -> _Values:
    name = getattr(rows.columns, field)
    if not isinstance(name, str):
        raise _wrong(rows, f"columns.{field} is {name!r}", "the name of a column")
    return _values(rows, name)


def _text(rows: Rows, field: str) -> list[str]:
    named = getattr(rows.columns, field)
    names = (named,) if isinstance(named, str) else tuple(named or ())
    if not names:
        raise _wrong(rows, f"columns.{field} is not set", "the name of a column")
    columns = [_values(rows, name) for name in names]
    if len(columns) == 1:
        return _strings(rows, columns[0], names[0])
    return [" ".join(str(part) for part in row if part) for row in zip(*columns, strict=True)]


def _strings(rows: Rows, cells: _Values, name: str) -> list[str]:
    odd = next((c for c in cells if c is not None and not isinstance(c, str)), None)
    if odd is not None:
        raise _wrong(rows, f"column '{name}' holds {odd!r}"[:160], "text")
    return [c or "" for c in cells]


def _optional_text(rows: Rows, field: str) -> Iterable[str | None]:
    return _text(rows, field) if getattr(rows.columns, field) else [None] * rows.table.num_rows


def _ids(rows: Rows) -> list[str]:
    if rows.columns.id is None:
        return [str(i) for i in range(rows.table.num_rows)]
    return [str(value) for value in _values(rows, rows.columns.id)]


def _number(rows: Rows, raw: Any) -> float | None:  # noqa: ANN401  # a stranger's cell
    try:
        value = None if raw is None or raw == "" else float(raw)
    except (TypeError, ValueError) as error:
        raise _wrong(rows, f"column '{rows.columns.label}' holds {raw!r}", "a number") from error
    return None if value is None or math.isnan(value) else value


# --------------------------------------------------------------------------------------------------------- labels


def _label_ids(rows: Rows, raw: _Values, *, column: str = "label") -> list[int | None]:
    """Ids of raw labels, None for the unlabelled; each distinct value is looked up once."""
    name = str(getattr(rows.columns, column)).split(".", maxsplit=1)[0]
    odd = next((value for value in raw if isinstance(value, list | dict)), None)
    if odd is not None:
        raise _wrong(rows, f"column '{name}' holds {odd!r}"[:160], "one label a cell")
    table = {value: _label_id(rows, value, name) for value in dict.fromkeys(raw)}
    return [table[value] for value in raw]


def _label_id(rows: Rows, raw: Any, column: str) -> int | None:  # noqa: ANN401  # a stranger's cell
    values = tuple(map(str, rows.label_values))
    if str(raw) in values:
        return values.index(str(raw))
    names = rows.class_names.get(column, ())
    if isinstance(raw, int) and not values and _is_other_order(names, rows.labels) and 0 <= raw < len(names):
        return rows.labels.index(names[raw])
    if isinstance(raw, str) and not values and raw in rows.labels:
        return rows.labels.index(raw)
    if raw in UNLABELLED:
        return None
    number = int(raw) if isinstance(raw, int | float) and raw == int(raw) else None
    if isinstance(raw, str) and raw.strip().isdecimal():
        number = int(raw)
    if number is not None and not values and 0 <= number < len(rows.labels):
        return number
    wanted = ", ".join(values or rows.labels)
    raise _wrong(rows, f"column '{column}' holds the label {raw!r}", f"one of {wanted} ({len(rows.labels)} labels)")


def _is_other_order(names: tuple[str, ...], labels: tuple[str, ...]) -> bool:
    return set(names) == set(labels) and names != labels
