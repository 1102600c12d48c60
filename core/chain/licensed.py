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


def find(path: str, *, folders: tuple[Path, ...]) -> Path:
    """The file of a `file:` path in the first folder that has it.

    Args:
        path: Such as `file:ccg/train.tsv`.
        folders: Where to look, in order.

    Raises:
        MissingSplit: It is in none of them; names the places and the format.
    """
    name = path.removeprefix(PREFIX)
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise DataError(f"'{path}' leaves the folder of local data. Expected a relative name: file:ccg/train.tsv.")
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    places = " or ".join(str(folder / name) for folder in folders)
    raise MissingSplit(f"The file {places} is not there. These data are licensed, so you put them in place: {FORMAT}.")


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
                raise DataError(f"{file}, line {number}: found {line[:80]!r}, expected `word<TAB>tag`. Mend the line.")
            words.append(cells[0].strip())
            tags.append(cells[1].strip())
        elif words:
            sentences.append(TaggedSentence(tuple(words), tuple(tags)))
            words, tags = [], []
    if not sentences:
        raise DataError(f"{file} holds no sentence. Expected {FORMAT}.")
    return tuple(sentences)
