"""The static gallery: a folder of HTML pages that opens from disk, plotly.js beside it once, data as CSV.

`index.html` and one page per collection and target, and one per published table. Pages are written beside and renamed,
the index last; `gallery.json` lists them, so that a page of an earlier gallery that is no longer made is taken away,
and nothing else ever is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import pandas as pd

from core.errors import StoreError
from core.figures.published import UNITS, languages_down, printed_text, published_heatmap, sheet_width_px
from core.files import written_beside
from core.queries.published import Sheet, figures, matrix, sheets, tables
from core.report.chapters import chapter_pages
from core.report.drawn import Drawn, drawn, plotly_js
from core.report.export import encoded
from core.report.gathered import Chapter, Gathered
from core.report.onefile import Made, answered, asset, rendered, sources
from core.report.tables import Column, points, table

MARKER = "gallery.json"
"""Names the files of a gallery."""

_COLLECTIONS = {
    "yours": "Runs made here.",
    "measured": "Measured results that came with the application.",
    "published": "Figures from papers, as printed, one page a table; never mixed with measured ones.",
}
_PUBLISHED = {
    name: Column(name) for name in ("model", "intermediate", "target", "lang", "metric", "split", "kind", "printed",
                                    "derived", "caution", "source")
}  # fmt: skip


class Page(NamedTuple):
    """One page of the gallery."""

    file: str
    """Relative to the folder."""
    collection: str
    """published, measured or yours."""
    title: str
    """Of the page."""
    summary: str
    """On its card: what is to be seen, with its n."""
    detail: str
    """On its card: from what."""
    html: str
    """The page itself; empty until it is written."""
    cells: pd.DataFrame | None
    """Its data, written as CSV; None: no file."""

    @property
    def csv(self) -> str:
        """Where its data go."""
        return f"data/{Path(self.file).stem}.csv"


class SheetPage(NamedTuple):
    """One sheet of a published table on its page."""

    title: str
    """What the picker of the application calls it."""
    figure: Drawn
    """Its heatmap."""
    note: str
    """How to read it."""


def write_gallery(
    cur: duckdb.DuckDBPyConnection,
    gathered: Gathered,
    *,
    folder: Path,
    made: Made,
) -> list[Page]:
    """Write the gallery; its pages, the index aside.

    Args:
        cur: Cursor of the store: published tables are asked one by one.
        folder: A new or empty folder, or that of an earlier gallery.
        made: What it is made with.

    Raises:
        StoreError: The folder holds something else, or a damaged list of its files.
        DiskFull: No space is left.
    """
    old = _earlier(folder)
    pages = _target_pages(gathered, made=made)
    if "published" in (gathered.options.wanted.collection or "published"):
        pages += _published_pages(cur, made=made)
    files: dict[str, bytes] = {
        "assets/plotly.min.js": plotly_js().encode(),
        "assets/style.css": asset("style.css").encode(),
        "assets/script.js": asset("script.js").encode(),
    }
    for page in pages:
        files[page.file] = page.html.encode()
        if page.cells is not None:
            files[page.csv] = encoded(page.cells, what="cells", form="csv")
    files["index.html"] = _index(gathered, pages, made=made).encode()
    files[MARKER] = (json.dumps(sorted(files), indent=1) + "\n").encode()
    for name, content in files.items():
        with written_beside(folder / name) as draft:
            draft.write_bytes(content)
    for name in old - set(files):
        (folder / name).unlink(missing_ok=True)
    return pages


def _earlier(folder: Path) -> set[str]:
    """Files of an earlier gallery in the folder."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return set()
    marker = folder / MARKER
    if not marker.is_file():
        raise StoreError(
            f"{folder} is not empty and holds no gallery (no {MARKER}). Name a new or empty folder, or an earlier "
            "gallery's."
        )
    try:
        names = [str(name) for name in json.loads(marker.read_text(encoding="utf-8"))]
    except (ValueError, TypeError) as error:
        raise StoreError(
            f"{marker} is not a valid list of a gallery's files ({error}), so the files in {folder} are not "
            "overwritten. Name a new folder, or delete this one."
        ) from error
    inside = folder.resolve()
    return {name for name in names if inside in (folder / name).resolve().parents}


def _target_pages(gathered: Gathered, *, made: Made) -> list[Page]:
    groups: dict[tuple[str, str], list[Chapter]] = {}
    for chapter in gathered.chapters:
        groups.setdefault((chapter.heatmap.view.collection, chapter.heatmap.view.target), []).append(chapter)
    blank = [_target_page(key, chapters) for key, chapters in groups.items()]
    pages = []
    for page, chapters in zip(blank, groups.values(), strict=True):
        siblings = [(other.file, other.title) for other in blank if other.collection == page.collection]
        text = rendered(
            "target.html", made=made, title=page.title, here=page.file, siblings=siblings, collection=page.collection,
            summary=page.summary, csv=page.csv, chapters=chapter_pages(chapters),
        )  # fmt: skip
        pages.append(page._replace(html=text))
    return pages


def _target_page(key: tuple[str, str], chapters: Sequence[Chapter]) -> Page:
    collection, target = key
    cells = pd.concat([chapter.heatmap.table for chapter in chapters], ignore_index=True)
    settings = "; ".join(dict.fromkeys(c.heatmap.label for c in chapters))
    # Names of tasks are names of files; `slug` would make one of `my-task` and `my_task`.
    file = f"{collection}-{target}.html"
    return Page(file, collection, chapters[0].named.of(target), _best(chapters), settings, "", cells)


def _best(chapters: Iterable[Chapter]) -> str:
    """The largest mean gain of the first heatmap that has one, with interval and n; in-task pairs left out."""
    for chapter in chapters:
        means = chapter.heatmap.grid.means
        counted = means[means["value"].notna() & ~means["in_task"].astype(bool)]
        if counted.empty:
            continue
        row = counted.iloc[int(counted["value"].astype("float64").argmax())]
        limits = f" [{points(row['low'])}, {points(row['high'])}]" if pd.notna(row["low"]) else ""
        seeds = f"{row['n_seeds']} seed{'s' if row['n_seeds'] != 1 else ''}"
        return (
            f"Largest mean gain: {points(row['value'])} points{limits} after {chapter.named.of(row['intermediate'])}, "
            f"over {row['n_langs']} languages and {seeds}, best of {len(counted)}."
        )
    if all(chapter.heatmap.grid.n_excluded for chapter in chapters):
        return "No gain here is evidence: the cells say why."
    return "No mean over languages: see the cells."


def _published_pages(cur: duckdb.DuckDBPyConnection, *, made: Made) -> list[Page]:
    pages = []
    rows = [{str(k): None if pd.isna(v) else v for k, v in row.items()} for row in tables(cur).to_dict("records")]
    for about in rows:
        name, n = str(about["name"]), sum(int(about[kind] or 0) for kind in ("n_gains", "n_scores", "n_facts"))
        file = f"published-{name}.html"
        found = figures(cur, name)
        text = rendered(
            "published.html", made=made, title=about["title"], here=file, siblings=[], about=about,
            sheets=[_sheet(cur, sheet, number=i) for i, sheet in enumerate(sheets(cur, name), 1)],
            rows=table(found, _PUBLISHED, caption=f"Figures of {name}"),
        )  # fmt: skip
        summary = f"{n} figure{'s' if n != 1 else ''} as printed"
        pages.append(Page(file, "published", str(about["title"]), summary, str(about["version"]), text, found))
    return pages


def _sheet(cur: duckdb.DuckDBPyConnection, sheet: Sheet, *, number: int) -> SheetPage:
    cells = matrix(cur, sheet)
    cells["text"] = [printed_text(row, kind=sheet.kind) for row in cells.to_dict("records")]
    cells["hover"] = [
        "<br>".join(str(p) for p in (f"{r['row']}, {r['column']}", r["text"], r["caution"]) if pd.notna(p))
        for r in cells.to_dict("records")
    ]
    cells = languages_down(cells) if sheet.target else cells
    figure = drawn(
        f"sheet-{number}",
        lambda mode: published_heatmap(cells, kind=sheet.kind, mode=mode),
        alt=f"Heatmap of published {sheet.label}. The table below holds the numbers as printed.",
        min_width_px=sheet_width_px(cells),
    )
    note = f"{UNITS[sheet.kind]} What was not printed is empty. ‡ derived from printed figures."
    return SheetPage(sheet.label, figure, note)


def _index(gathered: Gathered, pages: Sequence[Page], *, made: Made) -> str:
    told = _COLLECTIONS | {
        p.collection: "Imported results of others." for p in pages if p.collection not in _COLLECTIONS
    }
    collections = [(name, text, [page for page in pages if page.collection == name]) for name, text in told.items()]
    return rendered(
        "index.html", made=made, title="Transfer Atlas", here="index.html", siblings=[],
        collections=[entry for entry in collections if entry[2]], **answered(gathered), **sources(gathered),
    )  # fmt: skip
