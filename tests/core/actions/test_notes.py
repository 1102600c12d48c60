"""Notes on runs and cells: kept, replaced, taken away, and narrowed by a filter."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random

import pytest

from core.actions.notes import COLUMNS, MOST_CHARACTERS, note_on, noted, skipped_notes, write_note
from core.errors import NotWritable, RunFolderDamaged, SpecError
from core.paths import AtlasPaths
from core.queries.filters import Filter
from core.spec.note import Noted
from tests.makers.garbage import randomly, tries
from tools.faults.garbage import garbled

CELL = Noted(model="m", protocol="quick", data_source="sample", intermediate="mnli", target="xnli", lang="sw")
RUN = CELL.model_copy(update={"lang": None, "run_id": "abc"})


def test_a_note_is_kept_replaced_and_taken_away(tmp_path: Path) -> None:
    paths = AtlasPaths(tmp_path)
    assert note_on(CELL, paths=paths) is None
    write_note(CELL, "  odd: look at the labels\n", paths=paths, by="ada")
    write_note(RUN, "on a busy day", paths=paths)
    found = note_on(CELL, paths=paths)
    assert found is not None and (found.text, found.written_by) == ("odd: look at the labels", "ada")
    write_note(CELL, "seen again", paths=paths)
    (paths.notes / "broken.json").write_text("{")
    rows = noted(Filter(target="xnli"), paths=paths)
    assert tuple(rows.columns) == COLUMNS
    assert rows["text"].tolist() == ["on a busy day", "seen again"]
    assert rows["about"].tolist() == [
        "mnli → xnli run abc, m, quick, sample",
        "mnli → xnli in sw, m, quick, sample",
    ]
    # A note on a run has no language, so a filter by language leaves it in.
    assert noted(Filter(langs=("de",)), paths=paths)["text"].tolist() == ["on a busy day"]
    assert noted(Filter(target="panx"), paths=paths).empty and noted(Filter(model=("n", "o")), paths=paths).empty
    write_note(CELL, " ", paths=paths)
    assert note_on(CELL, paths=paths) is None and len(noted(Filter(), paths=paths)) == 1


def test_what_is_too_long_or_not_allowed_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = AtlasPaths(tmp_path)
    with pytest.raises(SpecError, match=r"has 4,001 characters; expected 4,000 at most"):
        write_note(CELL, "x" * (MOST_CHARACTERS + 1), paths=paths)
    monkeypatch.setenv("ATLAS_READ_ONLY", "1")
    with pytest.raises(NotWritable):
        write_note(CELL, "x", paths=paths)
    assert not paths.notes.exists()


@tries(30)
@randomly
def test_garbage_in_a_note_is_named_and_the_others_are_there(
    tmp_path_factory: pytest.TempPathFactory, rng: Random
) -> None:
    paths = AtlasPaths(tmp_path_factory.mktemp("home"))
    write_note(RUN, "whole", paths=paths)
    (other,) = paths.notes.iterdir()
    write_note(CELL, "mine", paths=paths)
    (mine,) = set(paths.notes.iterdir()) - {other}
    good, whole = mine.read_bytes(), noted(Filter(), paths=paths)
    mine.write_bytes(garbled(good, rng))
    found, problems = noted(Filter(), paths=paths), skipped_notes(paths)
    assert "whole" in found["text"].tolist() and len(found) + len(problems) == 2
    assert all(problem.startswith(f"{paths.notes}: {mine.name}") and len(problem) < 1000 for problem in problems)
    mine.write_bytes(good)
    assert noted(Filter(), paths=paths).equals(whole) and skipped_notes(paths) == ()


def test_what_is_no_note_is_named_and_one_that_is_written_takes_its_place(tmp_path: Path) -> None:
    paths = AtlasPaths(tmp_path)
    write_note(CELL, "mine", paths=paths)
    (file,) = paths.notes.iterdir()
    file.rename(paths.notes / "copy.json")
    (paths.notes / "read.me").write_text("x")
    (paths.notes / os.fsdecode(b"\xff.json")).symlink_to("nowhere")
    file.write_text("{")
    with pytest.raises(RunFolderDamaged, match=file.name):
        note_on(CELL, paths=paths)
    assert noted(Filter(), paths=paths).empty
    assert [problem.removeprefix(f"{paths.notes}: ").split()[0].rstrip(":") for problem in skipped_notes(paths)] == [
        file.name, "copy.json", "read.me", r"\xff.json",
    ]  # fmt: skip
    write_note(CELL, "again", paths=paths)
    assert noted(Filter(), paths=paths)["text"].tolist() == ["again"]
    shutil.rmtree(paths.notes)
    paths.notes.write_text("in its place")
    assert "expected a folder" in skipped_notes(paths)[0] and noted(Filter(), paths=paths).empty
    for text in ("x", ""):
        with pytest.raises(NotWritable, match="cannot be written: Not a directory|cannot be written: File exists"):
            write_note(CELL, text, paths=paths)
