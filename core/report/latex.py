r"""A table as LaTeX: booktabs rules, every character escaped, numbers to the right, missing values as a dash.

A p or q value below what its digits can show is written as below it ($<$0.0001): it is never zero.

The result is meant for `\input`: nothing in it depends on the document but the packages its first line names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pyarrow as pa

LONGEST = 40
"""Rows above which the table may break across pages (`longtable`)."""
MISSING = "--"
"""Stands for a missing value, never for zero."""
_CHANCES = ("p_", "q_")
"""How the names of columns of p and q values begin."""
_DIGITS = 4
_PLAIN = 10.0
"""Columns within ±10 have a fixed number of digits, others four significant ones."""

_SPECIAL = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}",
    # `\textquotedbl` is unknown to LaTeX's usual font encoding, OT1.
    '"': r"{\char34}",
    # A bracket behind `\\` would be read as that command's argument.
    "[": "{[}", "]": "{]}",
    "−": "$-$", "–": "--", "—": "---", "…": r"\ldots{}", "†": r"\dag{}", "×": r"$\times$",
    "·": r"\textperiodcentered{}", "→": r"$\rightarrow$", "±": r"$\pm$", "≤": r"$\leq$", "≥": r"$\geq$",
    "τ": r"$\tau$", "ρ": r"$\rho$",
    "\n": " ", "\u00a0": "~",
}  # fmt: skip


def escaped(text: str) -> str:
    """Text in which no character has a meaning for LaTeX.

    Args:
        text: Anything; letters of other scripts stay as they are (UTF-8).
    """
    return "".join(_SPECIAL.get(c, c) for c in text)


def latex_table(table: pa.Table, *, caption: str = "", label: str = "") -> str:
    r"""The table as LaTeX, with its n of rows in the caption.

    Args:
        table: Columns of text, numbers, booleans, dates or lists of them.
        caption: Plain text; empty: none.
        label: For `\ref`; empty: none.
    """
    columns = [column.to_pylist() for column in table.columns]
    numeric = [_is_number(field.type) for field in table.schema]
    cells = [_column(values, name=name) if is_number else [_text(v) for v in values]
             for name, values, is_number in zip(table.column_names, columns, numeric, strict=True)]  # fmt: skip
    spec = "".join("r" if is_number else "l" for is_number in numeric)
    head = " & ".join(escaped(name) for name in table.column_names) + r" \\"
    rows = [" & ".join(row) + r" \\" for row in zip(*cells, strict=True)]
    said = [rf"\caption{{{escaped(caption)}}}"] if caption else []
    said += [rf"\label{{{label}}}"] if label else []
    return _long(spec, head, rows, said) if len(rows) > LONGEST else _short(spec, head, rows, said)


def _short(spec: str, head: str, rows: Sequence[str], said: Sequence[str]) -> str:
    body = [rf"\begin{{tabular}}{{{spec}}}", r"\toprule", head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}"]
    if not said:
        return "\n".join([r"% needs \usepackage{booktabs}", *body]) + "\n"
    floating = [r"\begin{table}", r"\centering", *said, *body, r"\end{table}"]
    return "\n".join([r"% needs \usepackage{booktabs}", *floating]) + "\n"


def _long(spec: str, head: str, rows: Sequence[str], said: Sequence[str]) -> str:
    top = ["".join(said) + r" \\"] if said else []
    repeated = [r"\toprule", head, r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot"]
    lines = [rf"\begin{{longtable}}{{{spec}}}", *top, *repeated, *rows, r"\end{longtable}"]
    return "\n".join([r"% needs \usepackage{booktabs,longtable}", *lines]) + "\n"


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _column(values: Sequence[Any], *, name: str) -> list[str]:
    """Numbers of one column, all written alike; without a sign where they are zero as written."""
    there = [abs(float(v)) for v in values if not _is_missing(v)]
    form = f"z.{_DIGITS}f" if there and max(there) < _PLAIN else f".{_DIGITS}g"
    texts = [_number(v, form) for v in values]
    if not name.startswith(_CHANCES):
        return texts
    zero, least = f"{0:.{_DIGITS}f}", f"$<${10**-_DIGITS:.{_DIGITS}f}"
    return [least if text == zero else text for text in texts]


def _number(value: Any, form: str) -> str:  # noqa: ANN401  # a cell
    if _is_missing(value):
        return MISSING
    text = str(value) if isinstance(value, int) else format(float(value), form)
    return text.replace("-", "$-$", 1) if text.startswith("-") else text


def _text(value: Any) -> str:  # noqa: ANN401  # a cell
    if _is_missing(value) or value == "":
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime | date):
        return value.isoformat(sep=" ", timespec="seconds") if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, list):
        return ", ".join(_text(v) for v in value)
    return escaped(str(value))


def _is_missing(value: Any) -> bool:  # noqa: ANN401  # a cell
    return value is None or (isinstance(value, float) and math.isnan(value))
