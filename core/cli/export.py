"""Commands that write files to hand on: export, report, gallery, figure, submission. `core.cli.main` registers them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import duckdb
import typer

from core.cli.console import note, show
from core.cli.options import AsJson, Similarity, answering, filtered
from core.data.datasets import TEST_SEED, load_split, subsample
from core.data.origin import DataOrigin
from core.errors import SpecError
from core.paths import AtlasPaths
from core.queries.evidence import AnalysisOptions
from core.queries.filters import Filter
from core.report.export import export as export_table
from core.report.export import format_of, write_table
from core.report.submission import English, ReadEnglish, write_submission
from core.spec.run import RunSpec
from core.store.reading import open_for_reading
from core.types.table import task_type

if TYPE_CHECKING:
    from core.report.gathered import Gathered

_CELLS = "cells"


def register(app: typer.Typer) -> None:
    """Add the commands to the program.

    Args:
        app: The program's.
    """
    for function in (export, figure, report, gallery, submission):
        app.command(function.__name__)(function)


@filtered
def export(
    wanted: Filter,
    out: Annotated[Path, typer.Argument(help="File to write; .csv, .parquet or .tex.")],
    what: Annotated[
        str, typer.Option(help="gains, scores, runs, or cells: means over seeds with intervals.")
    ] = "gains",
    column: Annotated[list[str] | None, typer.Option(help="Only these columns, in this order.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a table as CSV, Parquet or LaTeX."""
    format_of(out)
    with open_for_reading(AtlasPaths.from_environment()) as store:
        if what == _CELLS:
            from core.analysis.every_cell import every_cell  # noqa: PLC0415  # loads pandas and scipy

            with store.cursor() as cur:
                n = write_table(every_cell(cur, wanted), what=what, file=out, columns=column or ())
        else:
            kept = {"lang" if k == "langs" else k: v for k, v in vars(wanted).items() if v}
            n = export_table(store, what=what, file=out, columns=column or (), kept=kept)
    if as_json:
        show([{"table": what, "rows": n, "file": str(out)}], as_json=True, empty="")
    else:
        typer.echo(f"{n} rows of {what} written to {out}.")


@filtered
def figure(
    wanted: Filter,
    out: Annotated[
        Path,
        typer.Argument(help="File to write: .html, .svg, .pdf or .png; of a heatmap .tex, too."),
    ],
    kind: Annotated[
        str, typer.Option(help="heatmap, map (of domains) or scatter (similarity against gain).")
    ] = "heatmap",
    similarity: Similarity = "centroid_cosine",
    as_json: AsJson = False,
) -> None:
    """Write one figure of the Transfer page."""
    from core.report.chapters import draw, figure_title  # noqa: PLC0415  # loads plotly
    from core.report.gathered import one_chapter  # noqa: PLC0415
    from core.report.image import write_figure  # noqa: PLC0415
    from core.report.paper import PAPER, chapter_sheet, write_sheet  # noqa: PLC0415

    paths = AtlasPaths.from_environment()
    with open_for_reading(paths) as store, store.cursor() as cur:
        chapter = one_chapter(cur, wanted, similarity=similarity, paths=paths)
    if kind == "heatmap" and out.suffix.lower().removeprefix(".") in PAPER:
        write_sheet(chapter_sheet(chapter), file=out)
    else:
        drawn = draw(chapter, kind=kind)
        write_figure(drawn.figure, file=out, title=figure_title(chapter, kind=kind), width_px=drawn.width_px)
    if as_json:
        show([{"file": str(out), "kind": kind, "target": chapter.heatmap.view.target}], as_json=True, empty="")
    else:
        typer.echo(f"Written to {out}: {figure_title(chapter, kind=kind)}.")


@answering
def report(
    options: AnalysisOptions,
    out: Annotated[Path, typer.Argument(help="File to write; .html.")],
    as_json: AsJson = False,
) -> None:
    """Write one self-contained HTML file: answer, heatmaps, map of domains, numbers, methods, versions."""
    from core.files import written_beside  # noqa: PLC0415
    from core.report.onefile import made, report_html  # noqa: PLC0415  # loads plotly

    if out.suffix.lower() not in {".html", ".htm"}:
        raise SpecError(f"'{out.name}' is not a file name for a report: expected a name ending in .html.")
    paths = AtlasPaths.from_environment()
    with open_for_reading(paths) as store, store.cursor() as cur:
        found = _gathered(cur, options, paths=paths)
    text = report_html(found, made=made(datetime.now(UTC)))
    with written_beside(out) as draft:
        draft.write_text(text, encoding="utf-8")
    row = {
        "file": str(out),
        "bytes": len(text.encode()),
        "heatmaps": len(found.chapters),
        "answer": found.full.answer.headline,
    }
    if as_json:
        show([row], as_json=True, empty="")
    else:
        typer.echo(f"{found.full.answer.headline}\n\nReport with {len(found.chapters)} heatmaps written to {out}.")


@answering
def gallery(
    options: AnalysisOptions,
    out: Annotated[Path, typer.Argument(help="Folder to write: new, empty, or an earlier gallery's.")],
    as_json: AsJson = False,
) -> None:
    """Write a static gallery that opens from disk without a server: an index and one page per target."""
    from core.report.gallery import write_gallery  # noqa: PLC0415  # loads plotly
    from core.report.onefile import made  # noqa: PLC0415

    paths = AtlasPaths.from_environment()
    with open_for_reading(paths) as store, store.cursor() as cur:
        found = _gathered(cur, options, paths=paths)
        pages = write_gallery(cur, found, folder=out, made=made(datetime.now(UTC)))
    rows = [{"file": p.file, "collection": p.collection, "title": p.title, "summary": p.summary} for p in pages]
    show(rows, as_json=as_json, empty="The store holds no results to show; only an index page was written.")
    if not as_json:
        typer.echo(f"\nOpen {out / 'index.html'} in a browser; no server is needed.")


def submission(
    words: Annotated[
        list[str],
        typer.Argument(metavar="RUN_ID... OUT_FOLDER", help="Ids of runs, one per task; then the output folder."),
    ],
    partial: Annotated[bool, typer.Option("--partial", help="Also write files that cannot be submitted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write predictions as the folder that XTREME's evaluate.py reads."""
    *run_ids, out = words
    if not run_ids:
        raise SpecError("A submission needs run ids and then a folder: python -m core submission RUN_ID... OUT_FOLDER")
    paths = AtlasPaths.from_environment()
    with open_for_reading(paths) as store:
        rows = write_submission(
            store, run_ids=run_ids, folder=Path(out), paths=paths, read_english=_english_reader(paths), partial=partial
        )
    for row in rows:
        if row.problem:
            note(f"{row.task} {row.lang} cannot be submitted: {row.problem}.")
    show([row._asdict() for row in rows], as_json=as_json, empty="Nothing was written.",
         columns=("task", "lang", "n", "n_full", "file"))  # fmt: skip
    if not as_json:
        typer.echo(
            f"\nScore it with XTREME's script: python evaluate.py --prediction_folder {Path(out) / 'predictions'} …"
        )


def _english_reader(paths: AtlasPaths) -> ReadEnglish:
    def _read(spec: RunSpec, lang: str) -> English:
        split = load_split(spec.task(spec.target), role="test", lang=lang, origin=DataOrigin(spec.data_source, paths))
        kind = task_type(split.task.type)
        split = subsample(split, n=kind.scored_of(spec.protocol.max_test_examples), seed=TEST_SEED)
        pair = kind.translation
        english = tuple(pair(e)[1] for e in split.examples) if pair else ()
        return English(english, split.fingerprint)

    return _read


def _gathered(cur: duckdb.DuckDBPyConnection, options: AnalysisOptions, *, paths: AtlasPaths) -> Gathered:
    # scipy's fitting takes half a second to load, which other commands need not wait for.
    from core.report.gathered import gather  # noqa: PLC0415

    return gather(cur, options, paths=paths)
