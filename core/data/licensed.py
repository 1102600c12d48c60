"""Licensed data that the user puts in place: `file:ccg/train.tsv`.

Format: UTF-8 text, one `word<TAB>tag` a line, an empty line between sentences.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from core.errors import DataError, MissingSplit

PREFIX = "file:"
"""What a path under `data/local` begins with."""

FORMAT = "UTF-8 text with one `word<TAB>tag` a line and an empty line between sentences"


class TaggedSentence(NamedTuple):
    """One sentence of the file."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


def file_name(path: str, *, split: str) -> str:
    """Relative name of a split's file: `file:ccg/train.tsv` names one, `file:ccg` a folder with one file a split.

    Args:
        path: As in the task's definition.
        split: Such as `train`.

    Raises:
        DataError: The name leaves the folder of local data.
    """
    name = path.removeprefix(PREFIX)
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise DataError(
            f"'{path}' points outside the folder of local data. Expected a relative name: file:ccg/train.tsv."
        )
    return name if Path(name).suffix else f"{name}/{split}.tsv"


def find(name: str, *, folders: tuple[Path, ...]) -> Path | None:
    """The file in the first folder that has it, or None.

    Args:
        name: Relative name.
        folders: Where to look, in order.
    """
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def missing(names: list[str], *, folders: tuple[Path, ...]) -> MissingSplit:
    """The error for a file that is nowhere: names the places and the format.

    Args:
        names: Relative names that were tried.
        folders: Where they were looked for.
    """
    places = " or ".join(str(folder / name) for name in dict.fromkeys(names) for folder in folders)
    return MissingSplit(
        f"There is no file {places}. These data are licensed, so you must add the file yourself: {FORMAT}."
    )


def read_tagged(file: Path) -> tuple[TaggedSentence, ...]:
    """All sentences of a file.

    Args:
        file: In the format of this module.

    Raises:
        DataError: A line is of another form, or the file is not UTF-8; names file and line number.
    """
    sentences: list[TaggedSentence] = []
    words: list[str] = []
    tags: list[str] = []
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 (byte {error.start}). Expected {FORMAT}.") from error
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip():
            cells = line.split("\t")
            if len(cells) != len(("word", "tag")) or not all(cell.strip() for cell in cells):
                raise DataError(f"{file}, line {number}: found {line[:80]!r}, expected `word<TAB>tag`. Fix the line.")
            words.append(cells[0].strip())
            tags.append(cells[1].strip())
        elif words:
            sentences.append(TaggedSentence(tuple(words), tuple(tags)))
            words, tags = [], []
    if not sentences:
        raise DataError(f"{file} holds no sentence. Expected {FORMAT}.")
    return tuple(sentences)
