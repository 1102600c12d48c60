r"""A heatmap as it stands in a paper: LaTeX and SVG of one view, title and note inside, drawn without a browser."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.sax.saxutils import escape

import pandas as pd

from core.analysis.cells import Grid, in_columns, only, ordered_columns, valued
from core.figures.heat_table import heat_table
from core.figures.heatmap import Quantity, cell_marks, cell_text
from core.files import written_beside
from core.languages import language
from core.report.latex import MISSING, escaped

if TYPE_CHECKING:
    from core.report.gathered import Chapter

_FONT = "Arial, Helvetica, DejaVu Sans, sans-serif"
_LABEL_PX, _CELL_PX, _ROW_PX, _LETTER_PX, _LINE_PX = 150, 46, 22, 6.4, 15
_MARKS = {"*": r"$^{*}$", "†": r"$^{\dag}$"}


class Sheet(NamedTuple):
    """A heatmap with the words that go with it."""

    grid: Grid
    """Cells and means, in the order in which they are drawn."""
    quantity: Quantity
    """gain, score, rank or z."""
    title: str
    """What it shows: target, metric, model."""
    notes: tuple[str, ...]
    """How to read it, one sentence each."""
    named: Callable[[str], str]
    """From an intermediate to what people read."""


def chapter_sheet(chapter: Chapter) -> Sheet:
    """The gains of a chapter: its intermediates by mean gain, the best first, languages without a value left out.

    Args:
        chapter: What was gathered.
    """
    found = only(chapter.heatmap.grid, langs=valued(chapter.heatmap.grid.cells))
    names = ordered_columns(found, order="mean gain", lang=None, similarity={})
    title = f"Gains on {chapter.named.of(chapter.heatmap.view.target)}, {chapter.heatmap.label}"
    notes = tuple(note.replace("; the table says why", "") for note in chapter.notes)
    return Sheet(in_columns(found, names), "gain", title, notes, chapter.named.of)


def write_sheet(sheet: Sheet, *, file: Path) -> None:
    """Write a sheet, beside and renamed.

    Args:
        sheet: What is written.
        file: Its name ends in one of `PAPER`.

    Raises:
        KeyError: It ends otherwise.
        DiskFull: No space is left; an existing file is as it was.
    """
    text = PAPER[file.suffix.lower()](sheet)
    with written_beside(file) as draft:
        draft.write_text(text, encoding="utf-8")


def latex_sheet(sheet: Sheet) -> str:
    r"""Languages by intermediates for `\input`: the best of each row bold, marks as superscripts, brackets kept.

    Gains stand in points and scores in per cent; the best is the largest (of ranks the smallest) among what is
    evidence.

    Args:
        sheet: What is written.
    """
    cells, columns = sheet.grid.cells, [str(name) for name in pd.unique(sheet.grid.cells["intermediate"])]
    heads = " & ".join(rf"\rotatebox{{90}}{{{escaped(sheet.named(name))}}}" for name in columns)
    lines = [rf"language & {heads} \\", r"\midrule"]
    if sheet.grid.averaged and cells["lang"].nunique() > 1:
        means = {str(row["intermediate"]): row for row in sheet.grid.means.to_dict("records")}
        plain = {"excluded": None, "significant": False}
        lines += [_latex_row("mean", [means.get(name, {"value": None}) | plain for name in columns], sheet.quantity)]
        lines += [r"\midrule"]
    for code, part in cells.groupby("lang", sort=False):
        rows = {str(row["intermediate"]): row for row in part.to_dict("records")}
        name = f"{language(str(code)).name} ({code})"
        lines += [_latex_row(name, [rows.get(c, {"value": None}) for c in columns], sheet.quantity)]
    notes = (note.replace("; orange below and purple above zero", "") for note in sheet.notes)  # a table has no colours
    caption = " ".join((sheet.title.rstrip(".") + ".", "Best of each row in bold.", *notes))
    return "\n".join([
        r"% needs \usepackage{booktabs,graphicx}", r"\begin{table}", r"\centering", r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}", rf"\caption{{{escaped(caption)}}}",
        rf"\begin{{tabular}}{{l{'r' * len(columns)}}}", r"\toprule", *lines, r"\bottomrule", r"\end{tabular}",
        r"\end{table}", "",
    ])  # fmt: skip


def svg_sheet(sheet: Sheet) -> str:
    """The heatmap as a drawing of its own, on white: colours, numbers, marks, scale, title and notes.

    Args:
        sheet: What is drawn.
    """
    means = sheet.grid.means if sheet.grid.averaged and sheet.grid.cells["lang"].nunique() > 1 else None
    table = heat_table(sheet.grid.cells, quantity=sheet.quantity, means=means, title=sheet.named)
    width = max(_LABEL_PX + _CELL_PX * len(table["columns"]) + 20, 560)
    title = textwrap.wrap(sheet.title, int((width - 20) / (_LETTER_PX * 1.15)))
    notes = [line for note in sheet.notes for line in textwrap.wrap(note, int((width - 20) / (_LETTER_PX * 0.9)))]
    head = 12 + 18 * len(title)
    top = head + 12 + int(_LETTER_PX * 1.1 * max(len(name) for _, name in table["columns"]))
    bottom = top + _ROW_PX * len(table["rows"])
    height = bottom + 40 + _LINE_PX * len(notes)
    parts = [_text(10, 20 + 18 * i, line, size=14, weight="bold") for i, line in enumerate(title)]
    for i, (_, name) in enumerate(table["columns"]):
        x = _LABEL_PX + _CELL_PX * (i + 0.5) + 4
        parts.append(_text(x, top - 6, name, turned=True))
    for j, (code, name) in enumerate(table["rows"]):
        y = top + _ROW_PX * j
        label = name if not code else f"{name} · {code}"
        parts.append(_text(_LABEL_PX - 8, y + 15, label, anchor="end", weight="normal" if code else "bold"))
        for i, cell in enumerate(table["cells"][j]):
            parts += _cell(cell or {"text": "–"}, x=_LABEL_PX + _CELL_PX * i, y=y)
    parts += _scale(table["scale"], y=bottom + 12)
    parts += [_text(10, bottom + 44 + _LINE_PX * i, line, size=11, fill="#46545D") for i, line in enumerate(notes)]
    box = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="{_FONT}" role="img">'
        f'<title>{escape(sheet.title)}</title><rect width="100%" height="100%" fill="#FFFFFF"/>{"".join(parts)}</svg>\n'
    )


def _latex_row(name: str, row: list[dict[Any, Any]], quantity: Quantity) -> str:
    counted = [float(cell["value"]) for cell in row if _counts(cell)]
    best = (min if quantity == "rank" else max)(counted) if counted else None
    return " & ".join([escaped(name), *(_latex_cell(cell, quantity, best=best) for cell in row)]) + r" \\"


def _latex_cell(cell: dict[Any, Any], quantity: Quantity, *, best: float | None) -> str:
    if pd.isna(cell["value"]):
        return MISSING
    text = escaped(cell_text(cell["value"], quantity=quantity))
    is_best = _counts(cell) and best is not None and text == escaped(cell_text(best, quantity=quantity))
    marks = "".join(_MARKS[mark] for mark in cell_marks(cell))
    text = rf"\textbf{{{text}}}{marks}" if is_best else text + marks
    return text if pd.isna(cell["excluded"]) else f"({text})"


def _counts(cell: dict[Any, Any]) -> bool:
    return bool(pd.notna(cell["value"])) and bool(pd.isna(cell.get("excluded")))


def _cell(cell: dict[str, Any], *, x: float, y: float) -> list[str]:
    text = cell["text"] + cell.get("marks", "")
    text = f"({text})" if cell.get("excluded") else text
    middle = _text(x + _CELL_PX / 2, y + 15, text, anchor="middle", fill=cell.get("ink", "#46545D"), size=11)
    if "background" not in cell:
        return [middle]
    size = f'width="{_CELL_PX - 2}" height="{_ROW_PX - 2}"'
    return [f'<rect x="{x}" y="{y}" {size} fill="{cell["background"]}"/>', middle]


def _scale(bar: dict[str, Any], *, y: float) -> list[str]:
    step, left = 16, _LABEL_PX + 36
    parts = [_text(left - 6, y + 10, bar["low"], anchor="end", size=11)]
    parts += [
        f'<rect x="{left + step * i}" y="{y}" width="{step}" height="12" fill="{color}"/>'
        for i, color in enumerate(bar["colors"])
    ]
    return [*parts, _text(left + step * len(bar["colors"]) + 6, y + 10, f"{bar['high']}  {bar['title']}", size=11)]


def _text(  # noqa: PLR0913  # what a text of SVG has
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, weight: str = "normal",
    fill: str = "#15212B", turned: bool = False,
) -> str:  # fmt: skip
    turn = f' transform="rotate(-90 {x:g} {y:g})"' if turned else ""
    look = f'text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" fill="{fill}"'
    return f'<text x="{x:g}" y="{y:g}" {look}{turn}>{escape(text)}</text>'


PAPER: dict[str, Callable[[Sheet], str]] = {".tex": latex_sheet, ".svg": svg_sheet}
"""Ending of a file → what writes its content."""
