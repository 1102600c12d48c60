"""The tables of docs/measures.md, written from the records of the measures: `python -m tools.measures`.

`tests/tools/test_measures.py` holds the document to the records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.measures.base import Measure
from core.measures.difficulty.table import DIFFICULTIES
from core.measures.similarity.table import SIMILARITIES
from core.measures.transferability.table import SELECTORS
from core.paths import REPO

DOCUMENT = REPO / "docs" / "measures.md"

KINDS: dict[str, tuple[Mapping[str, Measure], dict[int, str]]] = {
    "similarity": (SIMILARITIES, {1: "near", -1: "far"}),
    "difficulty": (DIFFICULTIES, {1: "hard", -1: "easy"}),
    "selectors": (SELECTORS, {1: "a good choice", -1: "a bad choice"}),
}
"""The records of each kind, and what a large value means by direction."""


def table(measures: Iterable[Measure], *, large: Mapping[int, str]) -> str:
    """One row a measure.

    Args:
        large: What a large value means, by direction.
    """
    lines = ["| measure | what it says | formula | unit, range | large is | source |", "|---|---|---|---|---|---|"]
    for each in measures:
        cells = (f"`{each.name}`<br>{each.title}", each.meaning, each.formula, each.unit, large[each.direction])
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in (*cells, each.source)) + " |")
    return "\n".join(lines)


def with_tables(document: str) -> str:
    """A document whose parts between the marks are the tables.

    Args:
        document: Holds both marks of every kind.
    """
    for kind, (measures, large) in KINDS.items():
        begin, end = f"<!-- {kind}: written by `python -m tools.measures` -->", f"<!-- end of {kind} -->"
        before, rest = document.split(begin)
        after = rest.split(end)[1]
        document = f"{before}{begin}\n\n{table(measures.values(), large=large)}\n\n{end}{after}"
    return document


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
