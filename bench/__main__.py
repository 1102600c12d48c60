"""`make bench`: every measurement, one after another, and a table at the end; name some to run only those."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

from bench.table import Row, measured, render

ALL: dict[str, tuple[str, ...]] = {
    "startup": ("startup",),
    "ingest": ("ingest",),
    "queue": ("queue",),
    "pages": ("pages",),
    "analysis": ("analysis",),
    "launch": ("launch", "--turns", "3"),
    "launch-e5": ("launch", "--turns", "3", "--warm-only", "--model", "e5-small-q4"),
    "training": ("training",),
    "training-xlmr": ("training", "--shape", "xlmr-base", "--steps", "10"),
    "tagging": ("training", "--task", "tagging"),
    "qa": ("training", "--task", "qa"),
    "freezing": ("freezing",),
    "grid": ("grid",),
    "profile": ("profile",),
}
"""Module of `bench/` and the words of its command line, by the name of the measurement."""


def main() -> None:
    """Run the named measurements, or all, each in a process of its own."""
    names = sys.argv[1:] or list(ALL)
    unknown = set(names) - set(ALL)
    if unknown:
        sys.exit(f"No measurement named {', '.join(sorted(unknown))}. Known: {', '.join(ALL)}.")
    rows: list[Row] = []
    for name in names:
        print(f"== {name}", flush=True)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            rows += process.submit(measured, *ALL[name]).result()
    print(render(rows))


if __name__ == "__main__":
    main()
