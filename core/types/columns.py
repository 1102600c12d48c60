"""Columns of a data set as the readers of task types see them: rows of one split, texts, numbers and ids of labels.

Readers know nothing of files, splits or languages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from core.errors import WrongColumns
from core.examples import Example, Flag, SplitRole
from core.spec.task import Columns, TaskSpec

if TYPE_CHECKING:
    import pyarrow as pa

UNLABELLED: frozenset[object] = frozenset({-1, "-1", "-", "", None})
"""Raw labels that mean "no label": GLUE's and SNLI's -1, MNLI's dash, HellaSwag's empty string."""

Values = Sequence[Any]  # Any: cells of a stranger's table


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
    """Records, and what happened to rows on the way."""

    examples: tuple[Example, ...]
    unlabelled: int = 0
    """Rows without a label, left out."""
    remarks: tuple[Flag, ...] = ()
    """What else a reader of the scores must know; messages are half sentences without a full stop."""


def wrong(rows: Rows, found: str, expected: str) -> WrongColumns:
    """The error for a column that does not hold what its type needs.

    Args:
        found: What it holds.
        expected: What it should hold.
    """
    return WrongColumns(
        f"Task '{rows.task.name}', {rows.where}: {found}; expected {expected}. "
        "Fix `columns`, `labels` or `label_values` in the task's definition."
    )


def cells_of(rows: Rows, name: str) -> Values:
    """Cells of a column; a dot in its name enters structs.

    Raises:
        WrongColumns: It is not there; lists what is.
    """
    head, *rest = name.replace("{lang}", rows.own_lang).split(".")
    if head not in rows.table.column_names:
        raise wrong(rows, f"there is no column '{head}', only {', '.join(rows.table.column_names)}", f"'{name}'")
    cells: Values = rows.table.column(head).to_pylist()
    for key in rest:
        cells = [_entered(rows, cell, key) for cell in cells]
    return cells


def _entered(rows: Rows, cell: Any, key: str) -> Any:  # noqa: ANN401  # a stranger's cell
    if isinstance(cell, list):
        return [_entered(rows, part, key) for part in cell]
    if not isinstance(cell, Mapping) or key not in cell:
        has = f"fields {', '.join(cell)}" if isinstance(cell, Mapping) else f"{cell!r}"[:80]
        raise wrong(rows, f"a cell has {has}", f"a field '{key}'")
    return cell[key]


def column_of(rows: Rows, field: str) -> Values:
    """Cells of the column that a field of `Columns` names.

    Args:
        field: Such as `label`.

    Raises:
        WrongColumns: The field names no column, or the column is not there.
    """
    name = getattr(rows.columns, field)
    if not isinstance(name, str):
        raise wrong(rows, f"columns.{field} is {name!r}", "the name of a column")
    return cells_of(rows, name)


def text_of(rows: Rows, field: str) -> list[str]:
    """A text per row; several columns are joined by a space.

    Args:
        field: Of `Columns`.

    Raises:
        WrongColumns: A column is not there or holds something else.
    """
    named = getattr(rows.columns, field)
    names = (named,) if isinstance(named, str) else tuple(named or ())
    if not names:
        raise wrong(rows, f"columns.{field} is not set", "the name of a column")
    columns = [cells_of(rows, name) for name in names]
    if len(columns) == 1:
        return _strings(rows, columns[0], names[0])
    return [" ".join(str(part) for part in row if part) for row in zip(*columns, strict=True)]


def _strings(rows: Rows, cells: Values, name: str) -> list[str]:
    odd = next((c for c in cells if c is not None and not isinstance(c, str)), None)
    if odd is not None:
        raise wrong(rows, f"column '{name}' holds {odd!r}"[:160], "text")
    return [c or "" for c in cells]


def optional_text(rows: Rows, field: str) -> Sequence[str | None]:
    """A text per row, or None for each where the field names no column.

    Args:
        field: Of `Columns`.
    """
    return text_of(rows, field) if getattr(rows.columns, field) else [None] * rows.table.num_rows


def ids_of(rows: Rows) -> list[str]:
    """An identifier per row: the row's number where no column is named."""
    if rows.columns.id is None:
        return [str(i) for i in range(rows.table.num_rows)]
    return [str(value) for value in cells_of(rows, rows.columns.id)]


def number_of(rows: Rows, raw: Any) -> float | None:  # noqa: ANN401  # a stranger's cell
    """A cell as a number; None where it is empty or not a number at all (NaN).

    Args:
        raw: Cell of the label column.

    Raises:
        WrongColumns: It is something else.
    """
    try:
        value = None if raw is None or raw == "" else float(raw)
    except (TypeError, ValueError) as error:
        raise wrong(rows, f"column '{rows.columns.label}' holds {raw!r}", "a number") from error
    return None if value is None or math.isnan(value) else value


def label_ids(rows: Rows, raw: Values, *, column: str = "label") -> list[int | None]:
    """Ids of raw labels, None for the unlabelled; each distinct value is looked up once.

    Args:
        raw: One label a cell.
        column: Field of `Columns` that they came from.

    Raises:
        WrongColumns: A label is not among the task's.
    """
    name = str(getattr(rows.columns, column)).split(".", maxsplit=1)[0]
    odd = next((value for value in raw if isinstance(value, list | dict)), None)
    if odd is not None:
        raise wrong(rows, f"column '{name}' holds {odd!r}"[:160], "one label a cell")
    _check_names(rows, raw, name)
    table = {value: _label_id(rows, value, name) for value in dict.fromkeys(raw)}
    if rows.role == "train" and not rows.label_values and _is_shifted(table, n=len(rows.labels)):
        found = ", ".join(str(number) for number in range(-1, len(rows.labels) - 1))
        raise wrong(
            rows, f"column '{name}' holds {found}: with -1 for \"no label\", '{rows.labels[-1]}' would never occur",
            f"ids from 0 to {len(rows.labels) - 1}, or `label_values: [{found}]`",
        )  # fmt: skip
    return [table[value] for value in raw]


def _label_id(rows: Rows, raw: Any, column: str) -> int | None:  # noqa: ANN401  # a stranger's cell
    values, number = tuple(map(str, rows.label_values)), _whole(raw)
    for said in (str(raw), *(() if number is None else (str(number),))):
        if said in values:
            return values.index(said)
    names = rows.class_names.get(column, ())
    if isinstance(raw, int) and not values and _is_other_order(names, rows.labels) and 0 <= raw < len(names):
        return rows.labels.index(names[raw])
    if isinstance(raw, str) and not values and raw in rows.labels:
        return rows.labels.index(raw)
    if raw in UNLABELLED or (isinstance(raw, float) and math.isnan(raw)):
        return None
    if number is not None and not values and 0 <= number < len(rows.labels):
        return number
    wanted = ", ".join(values or rows.labels)
    raise wrong(rows, f"column '{column}' holds the label {raw!r}", f"one of {wanted} ({len(rows.labels)} labels)")


def _whole(raw: Any) -> int | None:  # noqa: ANN401  # a stranger's cell
    """The whole number that a cell stands for: 1, 1.0 (integers beside empty cells become floats), "1", true."""
    if isinstance(raw, float):
        return int(raw) if raw.is_integer() else None
    if isinstance(raw, str):
        return int(raw) if raw.strip().removeprefix("-").isdecimal() else None
    return int(raw) if isinstance(raw, int) else None


def _is_other_order(names: tuple[str, ...], labels: tuple[str, ...]) -> bool:
    return set(names) == set(labels) and names != labels


def _is_shifted(ids: Mapping[Any, int | None], *, n: int) -> bool:
    """Whether raw labels are the n numbers from -1 on: classes, and not ids with a mark for "no label"."""
    numbers = {_whole(raw): label for raw, label in ids.items()}
    return n > 1 and numbers.keys() - {None} == set(range(-1, n - 1)) and numbers[-1] is None


def _check_names(rows: Rows, raw: Values, column: str) -> None:
    """Refuse ids whose names in the file are others than the task's labels: each would stand for another class."""
    names = rows.class_names.get(column, ())
    if rows.label_values or not any(isinstance(value, int) for value in raw):
        return
    is_told = len(names) == len(rows.labels) and not all(name.isdecimal() for name in names)
    if is_told and set(names) != set(rows.labels):
        raise wrong(
            rows, f"the file names the classes of column '{column}' {', '.join(names)}",
            f"{', '.join(rows.labels)}, as `labels` says (are these other words for them, in this order: "
            f"`label_values: {list(range(len(names)))}`)",
        )  # fmt: skip
