"""Frames as tables of a page: named columns in an order, numbers written as people read them, a dash where missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from core.languages import language

Write = Callable[[Any], str]
"""Writes the value of a cell that has one."""


class Column(NamedTuple):
    """One column."""

    label: str
    """Its head."""
    write: Write = str
    """How a value is written."""
    is_number: bool = False
    """Whether it stands to the right."""


class Table(NamedTuple):
    """A table as a template writes it."""

    caption: str
    """What it holds, with its n."""
    head: list[Column]
    """Columns."""
    rows: list[list[str]]
    """Cells."""


def table(frame: pd.DataFrame, columns: Mapping[str, Column], *, caption: str) -> Table:
    """The named columns that the frame has and that hold anything, in order.

    Args:
        frame: Any rows.
        columns: Column of the frame → how it is shown.
        caption: What the table holds.
    """
    there = [name for name in columns if name in frame and frame[name].notna().any()]
    rows = [
        ["–" if _is_missing(row[name]) else columns[name].write(row[name]) for name in there]
        for row in frame[there].to_dict("records")
    ]
    return Table(f"{caption}, {len(rows)} row{'s' if len(rows) != 1 else ''}", [columns[n] for n in there], rows)


def points(fraction: float) -> str:
    """A gain in points with its sign.

    Args:
        fraction: The gain.
    """
    return f"{100 * float(fraction):+.2f}".replace("-", "−")


def percent(fraction: float) -> str:
    """A share or score in per cent.

    Args:
        fraction: In [0, 1].
    """
    return f"{100 * float(fraction):.2f}".replace("-", "−")


def number(value: float) -> str:
    """A number of no known unit, four significant digits.

    Args:
        value: Any.
    """
    return f"{float(value):.4g}".replace("-", "−")


def whole(value: float) -> str:
    """A count.

    Args:
        value: A whole number.
    """
    return f"{int(value):,}"


def named(code: str) -> str:
    """Name and code of a language.

    Args:
        code: XTREME's code.
    """
    return f"{language(code).name} ({code})"


def yes(value: bool) -> str:  # noqa: FBT001  # the value of a cell
    """A mark where something holds.

    Args:
        value: Whether it does.
    """
    return "yes" if value else ""


CELLS = {
    "intermediate": Column("intermediate"), "lang": Column("language", named),
    "gain": Column("gain, points", points, True), "low": Column("95 % low", points, True),
    "high": Column("95 % high", points, True), "tested_by": Column("interval and test over"),
    "n_seeds": Column("seeds", whole, True),
    "score": Column("score, %", percent, True), "q_value": Column("q (differs from zero?)", number, True),
    "n": Column("test examples", str, True), "in_task": Column("in-task", yes), "state": Column("state"),
    "missing": Column("why missing"), "excluded": Column("why it does not count"),
}  # fmt: skip
"""Of a heatmap's twin."""

MEANS = {
    "intermediate": Column("intermediate"), "value": Column("mean gain, points", points, True),
    "low": Column("95 % low", points, True), "high": Column("95 % high", points, True),
    "n_langs": Column("languages", whole, True), "n_seeds": Column("seeds with all of them", whole, True),
    "in_task": Column("in-task", yes),
}  # fmt: skip
"""Of the row of means."""

NEAR = {
    "intermediate": Column("intermediate"), "similarity": Column("similarity", number, True),
    "similarity_low": Column("95 % low", number, True), "similarity_high": Column("95 % high", number, True),
    "gain": Column("mean gain, points", points, True), "gain_low": Column("95 % low", points, True),
    "gain_high": Column("95 % high", points, True), "n_langs": Column("languages", whole, True),
    "counts": Column("counted", yes),
}  # fmt: skip
"""Of the scatter."""

PLACES = {
    "label": Column("text"), "role": Column("role"), "lang": Column("language", named),
    "n": Column("texts", whole, True), "x": Column("x", number, True), "y": Column("y", number, True),
}  # fmt: skip
"""Of the map."""

ESTIMATES = {
    "kind": Column("kind"), "label": Column("what"), "estimate": Column("estimate", number, True),
    "ci_low": Column("95 % low", number, True), "ci_high": Column("95 % high", number, True),
    "p_value": Column("p", number, True), "n": Column("n", whole, True), "n_unit": Column("of"),
    "unit": Column("unit"), "detectable": Column("detectable", number, True), "method": Column("method"),
    "note": Column("note"),
}  # fmt: skip
"""Every number of the analysis."""

CONTRASTS = {
    "label": Column("contrast"), "group": Column("where"), "estimate": Column("difference", number, True),
    "ci_low": Column("95 % low", number, True), "ci_high": Column("95 % high", number, True), "unit": Column("unit"),
    "n": Column("base tasks", whole, True), "points": Column("points", number, True),
    "points_low": Column("95 % low, points", number, True), "points_high": Column("high, points", number, True),
    "targets": Column("targets", whole, True), "langs": Column("languages", whole, True),
    "seeds": Column("seeds", whole, True), "pairs": Column("pairs", whole, True), "note": Column("note"),
}  # fmt: skip
"""Contrasts inside data sets, as people read them."""

PROTOCOLS = {
    "collection": Column("collection"), "model": Column("model"), "protocol": Column("protocol"),
    "protocol_digest": Column("digest"), "data_source": Column("data"), "runs": Column("runs", whole, True),
    "intermediates": Column("intermediates, none included", whole, True), "targets": Column("targets", whole, True),
    "seeds": Column("seeds"), "first": Column("first", lambda d: str(d)[:10]),
    "last": Column("last", lambda d: str(d)[:10]),
}  # fmt: skip
"""Runs by what must not be mixed."""

SOFTWARE = {
    "python": Column("Python"), "torch": Column("torch"), "transformers": Column("transformers"),
    "device": Column("device"), "commit": Column("commit", lambda c: str(c)[:12]), "runs": Column("runs", whole, True),
}  # fmt: skip
"""What runs were made with."""

SCORED = {
    "target": Column("target"), "data_source": Column("data"), "lang": Column("language", named),
    "split": Column("split"), "n": Column("n", whole, True), "fingerprint": Column("fingerprint"),
    "runs": Column("runs", whole, True),
}  # fmt: skip
"""Test sets."""

PROFILES = {
    "profile_id": Column("profile"), "kind": Column("kind"), "model": Column("model"), "data_source": Column("data"),
    "seed": Column("seed", whole, True), "n_points": Column("texts", whole, True),
}  # fmt: skip
"""Profiles."""

COUNTS = {
    "collection": Column("collection"), "runs": Column("runs", whole, True),
    "finished": Column("finished", whole, True), "models": Column("models", whole, True),
    "intermediates": Column("intermediates", whole, True), "targets": Column("targets", whole, True),
    "langs": Column("languages", whole, True), "scores": Column("scores", whole, True),
    "gains": Column("gains", whole, True), "counted": Column("evidence", whole, True),
}  # fmt: skip
"""What the store holds."""

MISSING = {
    "what": Column("what"), "cells": Column("cells", whole, True), "names": Column("names"), "why": Column("why"),
    "remedy": Column("command"),
}  # fmt: skip
"""Excluded cells, and what would fill it."""


def _is_missing(value: Any) -> bool:  # noqa: ANN401  # a cell
    return value is None or value is pd.NaT or (not isinstance(value, list | tuple | str) and bool(pd.isna(value)))


NOTES = {
    "about": Column("about"), "text": Column("note"), "written_at": Column("written", lambda d: str(d)[:10]),
    "written_by": Column("by"),
}  # fmt: skip
"""What users wrote."""
