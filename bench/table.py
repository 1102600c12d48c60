"""The rows of the table that `make bench` ends with, and how one measurement gives its own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """One thing that was measured."""

    measure: str
    """What, with the machine-independent part of how."""
    goal: str
    """What is wanted of it; empty where it is stated alone."""
    median: str
    """Over the turns, with its unit."""
    turns: int
    """How often it was measured."""


def render(rows: Sequence[Row]) -> str:
    """The table as text, one line a row under a head.

    Args:
        rows: In order.
    """
    lines = [Row._fields, *((row.measure, row.goal, row.median, str(row.turns)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(" | ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def times(value: float) -> str:
    """A ratio.

    Args:
        value: Of two speeds.
    """
    return f"{value:.2f} ×"


def measured(module: str, *words: str) -> list[Row]:
    """The rows of one measurement, in this process. Not in `bench.__main__`, which a new process cannot import.

    Args:
        module: Of `bench/`.
        words: Of its command line.
    """
    sys.argv[1:] = words
    rows: list[Row] | None = importlib.import_module(f"bench.{module}").main()
    return rows or []  # a measurement without a row has printed what it found
