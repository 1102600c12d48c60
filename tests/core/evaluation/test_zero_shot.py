"""An evaluation that was killed and goes on: every score is among the facts, once, and the predictions are the same."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from core.chain.pipeline import execute
from core.chain.worker import EventLog
from core.events import ENVELOPE, DataLoaded, Event, LanguageScored, LanguageSkipped, StageStarted
from core.paths import AtlasPaths, RunPaths
from core.spec.run import RunSpec
from tests.fakes import tiny_model, toy_context, toy_mirror, toy_protocol, toy_run

Stop = Callable[[Event], bool]


class _Killed(BaseException):
    """Stands for kill -9: nothing is written any more."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunSpec:
    """A tagging run: two languages, each with two metrics, and one language without data."""
    folder = tmp_path_factory.mktemp("toy")
    source = toy_mirror(folder / "hub", kinds=("tagging",), n=20)
    protocol = toy_protocol(max_steps=2, evaluations=1)
    return toy_run(tiny_model(folder / "model"), target="tagging", source=source, protocol=protocol)


@pytest.fixture(scope="module")
def undisturbed(run: RunSpec, tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """The folder of the run after one attempt."""
    home = tmp_path_factory.mktemp("home")
    _attempt(run, home)
    return AtlasPaths(home).run(run.run_id)


def _attempt(run: RunSpec, home: Path, *, before: Stop | None = None, after: Stop | None = None) -> None:
    """Execute a run as its process does; killed before or after the first fact that `before` or `after` chooses."""
    files = AtlasPaths(home).run(run.run_id)
    files.root.mkdir(parents=True, exist_ok=True)
    log = EventLog(files.events)

    def emit(event: Event) -> None:
        if before is not None and before(event):
            raise _Killed
        log.emit(event)
        if after is not None and after(event):
            raise _Killed

    with contextlib.closing(log):
        execute(toy_context(run, home, emit=emit))


def _facts(files: RunPaths) -> list[Event]:
    return [ENVELOPE.validate_json(line).event for line in files.events.read_text(encoding="utf-8").splitlines()]


def _scores(files: RunPaths) -> list[LanguageScored]:
    return [fact for fact in _facts(files) if isinstance(fact, LanguageScored)]


def _is(lang: str, metric: str) -> Stop:
    return lambda event: isinstance(event, LanguageScored) and (event.lang, str(event.metric)) == (lang, metric)


def _last_part(files: RunPaths) -> Path:
    return max(files.checkpoints.glob("*-*.parquet"), key=lambda file: file.stat().st_mtime_ns)


def test_every_score_of_an_attempt_is_a_fact(undisturbed: RunPaths) -> None:
    places = [(fact.lang, str(fact.metric)) for fact in _scores(undisturbed)]
    assert places == [("en", "f1"), ("en", "accuracy"), ("de", "f1"), ("de", "accuracy")]
    assert [fact.lang for fact in _facts(undisturbed) if isinstance(fact, LanguageSkipped)] == ["sw"]


@pytest.mark.parametrize(
    ("stops", "scored_again"),
    [
        ({"before": _is("en", "f1")}, ["en", "de"]),  # predictions on disk, no score reported
        ({"after": _is("en", "f1")}, ["en", "de"]),  # one of two metrics reported
        ({"after": _is("en", "accuracy")}, ["de"]),
        ({"before": _is("de", "accuracy")}, ["de"]),
        ({"after": _is("de", "accuracy")}, []),
    ],
)
def test_killed_anywhere_it_ends_with_each_score_once(
    stops: dict[str, Stop], scored_again: list[str], run: RunSpec, undisturbed: RunPaths, tmp_path: Path
) -> None:
    with pytest.raises(_Killed):
        _attempt(run, tmp_path, **stops)
    files = AtlasPaths(tmp_path).run(run.run_id)
    n_before = len(_facts(files))
    _attempt(run, tmp_path)
    assert _scores(files) == _scores(undisturbed)
    assert files.predictions.read_bytes() == undisturbed.predictions.read_bytes()
    loaded = [f.lang for f in _facts(files)[n_before:] if isinstance(f, DataLoaded) and f.role == "test"]
    assert loaded == scored_again


def test_reported_but_its_predictions_lost_a_language_is_predicted_again_and_reported_once(
    run: RunSpec, undisturbed: RunPaths, tmp_path: Path
) -> None:
    with pytest.raises(_Killed):
        _attempt(run, tmp_path, after=_is("en", "accuracy"))
    files = AtlasPaths(tmp_path).run(run.run_id)
    _last_part(files).unlink()
    _attempt(run, tmp_path)
    assert _scores(files) == _scores(undisturbed)
    assert files.predictions.read_bytes() == undisturbed.predictions.read_bytes()


def test_progress_goes_on_where_it_was(run: RunSpec, tmp_path: Path) -> None:
    with pytest.raises(_Killed):
        _attempt(run, tmp_path, after=_is("en", "accuracy"))
    _attempt(run, tmp_path)
    facts = _facts(AtlasPaths(tmp_path).run(run.run_id))
    started = [f.resumed_at for f in facts if isinstance(f, StageStarted) and f.kind == "evaluation"]
    assert started == [0, 1]
