"""`python -m core sql "…"`: a question of one's own. `core.cli.main` registers it."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer

from core.cli.console import note, show
from core.cli.options import AsJson
from core.paths import AtlasPaths
from core.store.asking import MOST_ROWS, MOST_S, ask
from core.store.reading import open_for_reading


def sql(
    question: Annotated[str, typer.Argument(help="One SELECT; docs/schema.md lists the tables and their columns.")],
    rows: Annotated[int, typer.Option(help="Rows to print at most.")] = MOST_ROWS,
    seconds: Annotated[float, typer.Option(help="Seconds to wait for the answer.")] = MOST_S,
    as_json: AsJson = False,
) -> None:
    """Ask the store in SQL: reads alone, and beside an open application, too."""
    with open_for_reading(AtlasPaths.from_environment()) as store:
        found = ask(store, question, most_rows=rows, most_s=seconds)
    lines = [dict(zip(found.columns, map(_plain, row), strict=True)) for row in found.rows]
    show(lines, as_json=as_json, empty="No rows.", columns=found.columns)
    if found.is_cut:
        note(f"The first {rows} rows; there are more. Raise --rows, or narrow the question.")


def _plain(value: Any) -> Any:  # noqa: ANN401  # whatever a column holds
    return None if isinstance(value, float) and not math.isfinite(value) else value
