"""Notes on runs and cells: kept, replaced, taken away, and narrowed by a filter."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.actions.notes import COLUMNS, MOST_CHARACTERS, note_on, noted, write_note
from core.errors import NotWritable, SpecError
from core.paths import AtlasPaths
from core.queries.filters import Filter
from core.spec.note import Noted

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
