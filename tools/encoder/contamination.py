"""Is any XTREME evaluation text in the parallel text? `python -m tools.encoder.contamination` prints the overlap.

Two strings are the same when they agree after NFKC, case folding and removal of everything but letters, marks and
digits. Contexts of the reading tasks are compared whole and sentence by sentence; token lists are joined. The exit
code is 1 when anything overlaps.

A piece of a context counts from FRAGMENT_LETTERS letters up: cutting at full stops leaves "etc." and "D.I.P.", and a
lexicon may hold those. Everything else counts at any length.
"""

import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import pandas as pd
import regex
import typer

from tools.encoder.layout import SHARED

TEXT_COLUMNS = ("source_sentence", "target_sentence", "sentence1", "sentence2", "context", "question", "tokens")
"""Columns of XTREME's tables that hold text; the rest are labels, ids and language codes."""

FRAGMENT_LETTERS = 8
"""Shortest piece of a context that is compared, in letters, marks and digits."""

_NOT_TEXT = regex.compile(r"[^\p{L}\p{M}\p{N}]+")
_SENTENCE_END = regex.compile(r"(?<=[.!?؟।])\s+|(?<=[。！？])")


class Overlap(NamedTuple):
    """Rows of one file of the parallel folder that hold evaluation text."""

    file: str
    """File name without extension."""
    rows: int
    """Rows compared."""
    overlapping: int
    """Rows whose text or English side equals an evaluation string."""


def normal_form(text: str) -> str:
    """Letters, marks and digits of the text after NFKC and case folding; empty if there are none."""
    return _NOT_TEXT.sub("", unicodedata.normalize("NFKC", text).casefold())


def _pieces(value: object, *, column: str) -> Iterator[str]:
    if column == "tokens":
        yield " ".join(str(token) for token in value)  # type: ignore[attr-defined]
        return
    text = str(value)
    yield text
    if column == "context":
        yield from (piece for piece in _SENTENCE_END.split(text) if len(normal_form(piece)) >= FRAGMENT_LETTERS)


def evaluation_strings(hub: Path) -> set[str]:
    """Normal forms of all texts in the non-train splits of google/xtreme under `hub`.

    Raises:
        FileNotFoundError: if there is no such split.
    """
    paths = [path for path in sorted((hub / "google" / "xtreme").rglob("*.parquet")) if "train" not in path.name]
    if not paths:
        raise FileNotFoundError(f"No evaluation splits under {hub / 'google' / 'xtreme'}; pass --shared.")
    found: set[str] = set()
    for path in paths:
        frame = pd.read_parquet(path)
        for column in TEXT_COLUMNS:
            if column in frame:
                found.update(normal_form(text) for value in frame[column] for text in _pieces(value, column=column))
    return found - {""}


def overlaps(parallel: Path, *, evaluation: set[str]) -> list[Overlap]:
    """One record per file of the parallel folder, in name order.

    Raises:
        FileNotFoundError: if the folder holds no Parquet file.
    """
    paths = sorted(parallel.glob("*.parquet"))
    if not paths:
        raise FileNotFoundError(f"No parallel text in {parallel}; pass --shared.")
    found = []
    for path in paths:
        frame = pd.read_parquet(path, columns=["text", "english"])
        sides = zip(frame["text"], frame["english"].fillna(""), strict=True)
        rows = sum(any(normal_form(side) in evaluation for side in pair) for pair in sides)
        found.append(Overlap(path.stem, len(frame), rows))
    return found


def main(
    shared: Annotated[Path, typer.Option(help="Folder that holds parallel/ and hub/.")] = SHARED,
) -> None:
    """Print the overlap of each file and their sum, which has to be zero."""
    evaluation = evaluation_strings(shared / "hub")
    found = overlaps(shared / "parallel", evaluation=evaluation)
    for overlap in found:
        sys.stdout.write(f"{overlap.file:24} {overlap.rows:9} rows {overlap.overlapping:6} overlapping\n")
    total = sum(overlap.overlapping for overlap in found)
    sys.stdout.write(f"evaluation strings: {len(evaluation)}; overlapping rows: {total}\n")
    raise typer.Exit(code=int(total > 0))


if __name__ == "__main__":
    typer.run(main)
