"""`ATLAS_READ_ONLY=1`: what would write refuses with one sentence, and the home stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from core.actions import queue
from core.actions.launch import launch, launch_profiles
from core.errors import NotWritable, SpecError
from core.jobs.fits import FitKind, ask
from core.jobs.records import JobState
from core.paths import AtlasPaths
from core.store.ingest import rebuild
from core.store.reading import cursor_for_reading, opened
from core.studies import StudyRequest
from core.variables import LOOK_ONLY
from tests.makers.home import fill


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AtlasPaths:
    """A filled home that may only be read."""
    fill(tmp_path)
    monkeypatch.setenv("ATLAS_READ_ONLY", "1")
    return AtlasPaths(home=tmp_path)


def _files(paths: AtlasPaths) -> dict[Path, float]:
    return {path: path.stat().st_mtime for path in paths.home.rglob("*")}


def test_nothing_is_started_changed_or_made_anew(home: AtlasPaths) -> None:
    before = _files(home)
    asked = StudyRequest(targets=("xnli",))
    writers: tuple[Callable[[], object], ...] = (
        partial(launch, asked, paths=home, cursor=partial(cursor_for_reading, home)),
        partial(launch_profiles, (), paths=home),
        partial(queue.cancel, ["0123456789ab"], paths=home),
        partial(queue.retry, ["0123456789ab"], paths=home),
        partial(queue.move, "0123456789ab", place="first", paths=home),
        partial(rebuild, home.database, home),
    )
    for write in writers:
        with pytest.raises(NotWritable, match="nothing can be started or changed here"):
            write()
    queue.wake(home)
    queue.warm(home)
    assert ask(FitKind.ADDITIVE_NULL, pd.DataFrame({"gain": [0.1]}), paths=home) == (
        JobState.FAILED, None, 0, 0, LOOK_ONLY,
    )  # fmt: skip
    with opened(home).store as store:
        assert store.path is None
    assert _files(home) == before


def test_what_says_no_opens_the_home_and_what_says_nothing_clear_opens_nothing(
    home: AtlasPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    for said in ("0", "false"):
        monkeypatch.setenv("ATLAS_READ_ONLY", said)
        with opened(home).store as store:
            assert store.path == home.database
    monkeypatch.setenv("ATLAS_READ_ONLY", "perhaps")
    for write in (partial(opened, home), partial(queue.cancel, ["0123456789ab"], paths=home)):
        with pytest.raises(SpecError, match="^ATLAS_READ_ONLY is 'perhaps', expected 1, true"):
            write()
