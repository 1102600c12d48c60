"""Simulations that are counted as they come: one that was stopped goes on where it was.

With `--file` every block of replications becomes a line of JSON. A file holds what one state of the program says: after
a change of the methods begin another one. `0` replications print what a file holds.
"""

from __future__ import annotations

import argparse
import json
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

BLOCK = 20
"""Replications between two lines."""


class Share(NamedTuple):
    """A mean over replications: of 0 and 1 it is a share."""

    mean: float
    error: float
    """Standard error."""
    n: int
    """Replications in which there was something to count."""


class Wanted(NamedTuple):
    """What the command line asks for."""

    replications: int
    file: Path | None
    only: str
    """Part of the names of the simulations to run; empty: all."""


def wanted(description: str | None, *, replications: int) -> Wanted:
    """The command line of a calibration.

    Args:
        description: For `--help`.
        replications: Where none are asked for.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("replications", type=int, nargs="?", default=replications)
    parser.add_argument("--file", type=Path, help="counts, a line a block; goes on from what it holds")
    parser.add_argument("--only", default="", help="part of the names of the simulations to run")
    found = parser.parse_args()
    return Wanted(found.replications, found.file, found.only)


def tally(
    name: str,
    simulate: Callable[[np.random.Generator], Mapping[str, float | None]],
    *,
    replications: int,
    file: Path | None = None,
    seed: int = 0,
) -> dict[str, Share]:
    """Means of what a simulation says, by what it says.

    Args:
        name: Of the simulation; each replication has a generator of this name, the seed and its number.
        simulate: Numbers of one replication by name; None is not counted.
        replications: How many in all, those of the file included.
        file: Counts of earlier and coming blocks; None: of none.
        seed: Of the generators.
    """
    sums: dict[str, np.ndarray] = {}
    done = 0
    for until, counted in _blocks(file, name=name, seed=seed) if file and file.is_file() else ():
        if done < until <= done + BLOCK:  # else the block before it cannot be read, and is simulated again
            done = until
            _add(sums, counted)
    while done < replications:
        until, part = min(done + BLOCK, replications), {}
        for number in range(done, until):
            said = simulate(np.random.default_rng([seed, zlib.crc32(name.encode()), number]))
            _add(part, {what: [1.0, value, value**2] for what, value in said.items() if value is not None})
        _add(sums, part)
        done = until
        if file:
            line = {"name": name, "seed": seed, "until": until, "sums": {k: v.tolist() for k, v in part.items()}}
            with file.open("ab") as out:
                out.write(b"" if _ends_a_line(file) else b"\n")
                out.write(json.dumps(line).encode() + b"\n")
    return {what: _share(*values) for what, values in sums.items()}


def _blocks(file: Path, *, name: str, seed: int) -> Iterator[tuple[int, dict[str, list[float]]]]:
    """How far each block went and its sums; a line that was not written to its end, or is damaged, is left out."""
    for line in file.read_bytes().splitlines():
        try:
            block = json.loads(line)
            if (block["name"], block["seed"]) == (name, seed):
                counted = {str(what): [float(n), float(t), float(q)] for what, (n, t, q) in block["sums"].items()}
                yield int(block["until"]), counted
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
            continue


def _ends_a_line(file: Path) -> bool:
    return not file.is_file() or file.read_bytes()[-1:] in {b"", b"\n"}


def percent(share: Share | None) -> str:
    """A share with its standard error, or a dash.

    Args:
        share: From `tally`.
    """
    return "–" if share is None else f"{100 * share.mean:.1f} % ± {100 * share.error:.1f}"


def _add(sums: dict[str, np.ndarray], more: Mapping[str, object]) -> None:
    for what, values in more.items():
        sums[what] = sums.get(what, np.zeros(3)) + np.asarray(values, dtype=float)


def _share(n: float, total: float, squares: float) -> Share:
    mean = total / n
    return Share(mean, math.sqrt(max(squares / n - mean**2, 0.0) / n), int(n))
