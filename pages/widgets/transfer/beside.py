"""Own runs beside the gallery's: columns of their own in the same heatmap, marked, and in none of its numbers.

A column of one's own is named `yours/<intermediate>`, in the address, too.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from core.analysis.cells import Grid, in_columns
from core.queries.transfer import View
from pages.widgets.shared import titles

MARK = "yours/"
"""Begins the name of a column of one's own."""

_SAME = ("target", "model", "metric", "data_source")


class Own(NamedTuple):
    """The reader's own view beside one of the gallery."""

    view: View
    """What is fixed in it."""
    protocol: str
    """What its heads say besides: the protocol, where it is another one than the gallery's; else empty."""


def own_beside(rows: pd.DataFrame, view: View) -> Own | None:
    """The reader's own runs of the same model, target, metric and data; those of the same protocol before others.

    Args:
        rows: As `choice.views` returns them.
        view: What is looked at; one's own view has nothing beside it.
    """
    if view.collection == "yours":
        return None
    same = rows["collection"].eq("yours")
    for name in _SAME:
        same &= rows[name].eq(getattr(view, name))
    fingerprint = rows["model_fingerprint"]
    same &= fingerprint.isna() if view.model_fingerprint is None else fingerprint.eq(view.model_fingerprint)
    found = rows[same].sort_values(
        "protocol_digest", key=lambda digests: digests.ne(view.protocol_digest), kind="stable"
    ).to_dict("records")  # fmt: skip
    if not found:
        return None
    row: dict[Any, Any] = found[0]
    fields = view._asdict() | {"collection": "yours", "protocol_digest": row["protocol_digest"]}
    is_same = row["protocol_digest"] == view.protocol_digest
    return Own(View(**fields), "" if is_same else str(row["protocol"]))


def bare(name: str) -> str:
    """The intermediate of a column.

    Args:
        name: Of the column.
    """
    return name.removeprefix(MARK)


def is_own(name: str | None) -> bool:
    """Whether a column holds the reader's own runs.

    Args:
        name: Of the column.
    """
    return bool(name) and str(name).startswith(MARK)


def titled(name: str) -> str:
    """What people read for a column.

    Args:
        name: Of the column.
    """
    return f"{titles().of(bare(name))} (yours)" if is_own(name) else titles().of(name)


def joined(found: Grid, own: Grid, *, columns: tuple[str, ...]) -> tuple[Grid, tuple[str, ...]]:
    """One grid of both, and the order of its columns: one's own after the gallery's of that name, others first.

    Means, tests and their correction stay those of each.

    Args:
        found: The gallery's.
        own: The reader's.
        columns: Order of the gallery's.
    """
    cells, means = (part.assign(intermediate=MARK + part["intermediate"]) for part in (own.cells, own.means))
    mine = list(pd.unique(own.cells["intermediate"]))
    order = [MARK + name for name in mine if name not in columns]
    for name in columns:
        order += [name, *([MARK + name] if name in mine else [])]
    both = Grid(
        pd.concat([found.cells, cells], ignore_index=True), pd.concat([found.means, means], ignore_index=True),
        found.averaged, found.n_tested + own.n_tested, found.n_excluded + own.n_excluded,
    )  # fmt: skip
    return in_columns(both, order), tuple(order)


def notes(own: Own, grid: Grid, gallery: Grid) -> list[str]:
    """What a reader must know of the columns of one's own.

    Args:
        own: The reader's view.
        grid: Its cells and means.
        gallery: Those of the gallery.
    """
    other = (
        f" They were made by another protocol ({own.protocol}), with other hyper-parameters." if own.protocol else ""
    )
    said = f"Columns “(yours)” are runs made here. They are in no mean, test or rank of the other columns.{other}"
    if grid.averaged != gallery.averaged:
        said += f" Their means are over {len(grid.averaged)} languages."
    return [said]


def told_apart(cells: pd.DataFrame, view: View, own: Own | None) -> pd.DataFrame:
    """Cells with all that fixes them as columns, for a file: an own column has its own collection and protocol.

    Args:
        cells: Of both.
        view: The gallery's.
        own: The reader's, if any.
    """
    mine = cells["intermediate"].map(is_own).astype(bool)
    parts = [cells[~mine].assign(**view._asdict())]
    if own is not None and mine.any():
        rest = cells[mine]
        parts.append(rest.assign(intermediate=rest["intermediate"].map(bare), **own.view._asdict()))
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
