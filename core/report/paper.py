r"""A heatmap as it stands in a paper: LaTeX, SVG and PDF of one view, title and notes inside, without a browser."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from core.analysis.cells import Grid, in_columns, only, ordered_columns, valued
from core.figures.heatmap import Quantity, cell_marks, cell_text, transfer_heatmap, width_px
from core.files import written_beside
from core.languages import language
from core.queries.transfer import View
from core.report.drawn import IMAGES
from core.report.latex import MISSING, escaped
from core.spec.run import DataSourceKind
from core.tasks.titles import Titles, metric_title

if TYPE_CHECKING:
    from core.report.gathered import Chapter

_WHAT: dict[Quantity, str] = {
    "gain": "Gains", "score": "Scores", "rank": "Ranks of the gains", "z": "z-scores of the gains",
}  # fmt: skip
_MARKS = {"*": r"$^{*}$", "†": r"$^{\dag}$"}


PAPER = {
    "tex": ("LaTeX table", "application/x-tex"),
    **{form: (form.upper(), IMAGES[form]) for form in ("svg", "pdf")},
}
"""Format → its name on a button, and what it is on the web."""


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
    view, named = chapter.heatmap.view, chapter.named
    notes = tuple(note.replace("; the table says why", "") for note in chapter.notes)
    title = sheet_title(view, "gain", named=named)
    return Sheet(in_columns(found, names), "gain", title, notes, partial(named.head, target=view.target))


def sheet_title(view: View, quantity: Quantity, *, named: Titles) -> str:
    """What a sheet shows, in one line: quantity, target, metric, model and what the data are.

    Args:
        view: What is fixed.
        quantity: What a cell is.
        named: Titles of tasks and models.
    """
    of = f"{named.of(view.target)} ({metric_title(view.metric)})"
    data = DataSourceKind(view.data_source).words
    return f"{_WHAT[quantity]} on {of}, {named.of_model(view.model)}, {data}"


def write_sheet(sheet: Sheet, *, file: Path) -> None:
    """Write a sheet, beside and renamed.

    Args:
        sheet: What is written.
        file: Its name ends in a dot and one of `PAPER`.

    Raises:
        DiskFull: No space is left; an existing file is as it was.
    """
    content = sheet_file(sheet, form=file.suffix.lower().removeprefix("."))
    with written_beside(file) as draft:
        draft.write_bytes(content)


def sheet_file(sheet: Sheet, *, form: str) -> bytes:
    """What a file of a sheet holds.

    Args:
        sheet: What is written.
        form: One of `PAPER`.
    """
    if form == "tex":
        return latex_sheet(sheet).encode()
    from core.report.image import image  # noqa: PLC0415  # loads matplotlib

    cells = sheet.grid.cells
    drawn = transfer_heatmap(cells, quantity=sheet.quantity, means=sheet.grid.shown_means, title=sheet.named)
    width = width_px(cells["intermediate"].nunique())
    return image(drawn, form=form, title=sheet.title, notes=sheet.notes, width_px=width)


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
    if (shown := sheet.grid.shown_means) is not None:
        means = {str(row["intermediate"]): row for row in shown.to_dict("records")}
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
