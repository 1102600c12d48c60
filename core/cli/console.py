"""What commands print: tables for people, JSON for programs, errors for both."""

from __future__ import annotations

import errno
import io
import json
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd
import typer

from core.errors import AtlasError, SpecError
from core.spec.plain import shortened
from core.store.reading import StoreBusy

Row = Mapping[str, Any]


def show(rows: Sequence[Row], *, as_json: bool, empty: str, columns: Sequence[str] = ()) -> None:
    """Print rows as a JSON list of flat objects, or as an aligned table.

    Args:
        rows: Flat records; a missing value is None.
        as_json: JSON on standard output and nothing else.
        empty: What people read when there are no rows.
        columns: Columns of the table, in order; all of the first row's if empty. JSON always holds all.
    """
    if as_json:
        typer.echo(json.dumps([dict(row) for row in rows], ensure_ascii=False, allow_nan=False, default=str, indent=1))
    elif not rows:
        typer.echo(empty)
    else:
        names = list(columns) or list(rows[0])
        table = [[_cell(row.get(name), name=name) for name in names] for row in rows]
        widths = [max(len(name), *(len(line[i]) for line in table)) for i, name in enumerate(names)]
        for line in (names, *table):
            typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a frame as plain Python values; NaN, NaT and NA become None.

    Args:
        frame: Any frame with scalar cells.
    """
    rows = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
    return [{str(name): _plain(value) for name, value in row.items()} for row in rows]


def note(text: str) -> None:
    """Tell people something on standard error, where it never mixes with the result.

    Args:
        text: One line.
    """
    typer.echo(_visible(text), err=True)


@contextmanager
def errors_as_messages() -> Iterator[None]:
    """Turn an `AtlasError` into its text on standard error and exit status 1, a busy store into a note.

    Memory that ran out is one line, too. Bugs keep their traceback, other warnings their place in the code. A letter
    that the terminal's encoding lacks is printed as its number.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with warnings.catch_warnings():
        shown = warnings.showwarning
        warnings.showwarning = lambda w, *rest: note(str(w)) if isinstance(w, StoreBusy) else shown(w, *rest)
        try:
            yield
        except AtlasError as error:
            note(f"error: {error}")
            sys.exit(1)
        except MemoryError:
            note("error: Memory ran out. Close other programs, or raise this one's limit (ulimit -v), and try again.")
            sys.exit(1)
        except OSError as error:
            # A file that the user named, or a disk: the program's own have errors of their own.
            if error.filename is None and error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            note(f"error: {error.filename or 'what is printed cannot be written'}: {error.strerror}.")
            sys.exit(1)


def _plain(value: Any) -> Any:  # noqa: ANN401  # whatever a frame holds
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


def _cell(value: Any, *, name: str) -> str:  # noqa: ANN401  # whatever a row holds
    if value is None:
        return "–"
    if isinstance(value, float):
        text = f"{value:z.4f}"
        return "<0.0001" if text == "0.0000" and name.startswith(("p_", "q_")) else text
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return _visible(str(value)).replace("\n", "\\n")


_STEERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What moves a terminal's cursor, colours it or turns letters round, and halves of letters."""


def _visible(text: str) -> str:
    """Text of others, in which nothing steers the terminal."""
    return _STEERS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def readable(words: list[str]) -> list[str]:
    """The words of a command line, all of which must be text.

    Raises:
        SpecError: One holds bytes that are not UTF-8.
    """
    for place, word in enumerate(words, start=1):
        try:
            word.encode()
        except UnicodeEncodeError as error:
            shown = shortened(word.encode("utf-8", "surrogateescape") if _is_escaped(word) else word)
            raise SpecError(f"Word {place} of the command is not UTF-8: {shown}. Type it anew.") from error
    return words


def _is_escaped(word: str) -> bool:
    """Whether each half of a letter stands for a byte that Python could not read."""
    return all("\udc80" <= letter <= "\udcff" for letter in word if "\ud800" <= letter <= "\udfff")
