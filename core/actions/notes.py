"""Notes on runs and cells: one file each in the home, so that those of several people never mix."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from core.errors import RunFolderDamaged, SpecError, as_damage
from core.files import file_errors, is_there, listed, name_as_text, read_whole, why_no_folder, written_beside
from core.paths import AtlasPaths
from core.queries.filters import Filter
from core.spec.note import Note, Noted
from core.variables import refuse_read_only

_ENDING = ".json"

MOST_CHARACTERS = 4000
"""Of a note."""

COLUMNS = ("about", "text", "written_at", "written_by")
"""Columns of `noted`."""


def note_on(about: Noted, *, paths: AtlasPaths) -> Note | None:
    """The note on a run or cell, None where there is none.

    Args:
        about: What it is about.

    Raises:
        RunFolderDamaged: There is one, and it cannot be read.
    """
    file = _file(about, paths=paths)
    return _read(file) if is_there(file) or file.is_symlink() else None


def write_note(about: Noted, text: str, *, paths: AtlasPaths, by: str | None = None) -> None:
    """Keep a note in place of what was there; an empty one takes it away.

    Args:
        about: What it is about.
        text: At most `MOST_CHARACTERS`.
        by: Who wrote it, where users sign in.

    Raises:
        SpecError: It is too long.
        NotWritable: Nothing may be changed here, or its file cannot be written.
        DiskFull: No space is left for it.
    """
    refuse_read_only()
    text = text.strip()
    if len(text) > MOST_CHARACTERS:
        raise SpecError(f"The note has {len(text):,} characters; expected {MOST_CHARACTERS:,} at most. Shorten it.")
    file = _file(about, paths=paths)
    if not text:
        with file_errors(file):
            file.unlink(missing_ok=True)
        return
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    with written_beside(file) as draft:
        note = Note(about=about, text=text, written_at=now, written_by=by)
        draft.write_text(note.model_dump_json(), encoding="utf-8")


def noted(wanted: Filter, *, paths: AtlasPaths) -> pd.DataFrame:
    """The notes on what a filter keeps, one a row; a file that cannot be read is left out (`skipped_notes`).

    Columns: `COLUMNS`; about is in words. Order: target, intermediate, language, run.

    Args:
        wanted: Rows to keep; its metric and collection are not used.
    """
    found = [note for note in _every(paths).values() if isinstance(note, Note) and _is_kept(note, wanted)]
    found.sort(key=lambda n: (n.about.target, n.about.intermediate, n.about.lang or "", n.about.run_id or ""))
    rows = [(in_words(note.about), note.text, note.written_at, note.written_by) for note in found]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def skipped_notes(paths: AtlasPaths) -> tuple[str, ...]:
    """Why files among the notes cannot be read, one text a file; empty where all are sound.

    Args:
        paths: The Atlas home.
    """
    if (why := why_no_folder(paths.notes)) is not None:
        return (why,)
    return tuple(f"{paths.notes}: {said}" for said in _every(paths).values() if isinstance(said, str))


def in_words(about: Noted) -> str:
    """What a note is about: "mnli → xnli in sw, e5-small-q4, quick, sample".

    Args:
        about: Run or cell.
    """
    what = f"run {about.run_id}" if about.run_id else f"in {about.lang}"
    return f"{about.intermediate} → {about.target} {what}, {about.model}, {about.protocol}, {about.data_source}"


def _is_kept(note: Note, wanted: Filter) -> bool:
    about = note.about
    asked = (
        (wanted.target, about.target), (wanted.model, about.model), (wanted.protocol, about.protocol),
        (wanted.data_source, about.data_source), (wanted.langs or None, about.lang),
    )  # fmt: skip
    return all(
        values is None or value is None or value in ((values,) if isinstance(values, str) else values)
        for values, value in asked
    )


def _file(about: Noted, *, paths: AtlasPaths) -> Path:
    return paths.notes / f"{about.digest()}{_ENDING}"


def _every(paths: AtlasPaths) -> dict[str, Note | str]:
    """The notes by the names of their files; of what is none, why."""
    found = dict[str, Note | str]()
    for name in listed(paths.notes):
        try:
            found[name] = _read(paths.notes / name)
        except RunFolderDamaged as error:
            found[name] = str(error)
    return found


def _read(file: Path) -> Note:
    with as_damage(name_as_text(file.name)):
        if file.suffix != _ENDING:
            raise RunFolderDamaged(f"{name_as_text(file.name)} is no note: expected a name that ends in {_ENDING}.")
        note = Note.model_validate_json(read_whole(file))
        if note.about.digest() != file.stem:
            raise RunFolderDamaged(f"{file.name} is a note on something else: it was changed, or renamed.")
    return note
