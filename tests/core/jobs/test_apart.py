"""One job that cannot be started never holds up the others."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.actions.queue import list_profiles, list_runs
from core.errors import DiskFull, NotWritable
from core.jobs import dispatch, records, state
from core.jobs.dispatch import Dispatcher
from core.jobs.local import LocalBackend
from core.jobs.records import JobState
from core.jobs.state import derive_state
from core.paths import AtlasPaths
from tests.core.jobs.test_dispatch import OPTIONS, paths, states, wait_for  # noqa: F401  # `paths` is a fixture
from tests.makers.folders import run_spec

SPECS = [run_spec(seed=seed) for seed in (1, 2, 3)]


def test_a_log_that_cannot_be_opened_fails_its_job_and_the_next_one_starts(paths: AtlasPaths) -> None:  # noqa: F811
    """The dispatcher died of it at each look, and every state said "queued"."""
    LocalBackend(paths).submit(SPECS)
    first, second = (paths.run(spec.run_id) for spec in SPECS[:2])
    first.log.mkdir()
    os.mkfifo(second.log)  # opening it would wait for somebody who reads
    LocalBackend(paths, options=OPTIONS).wake()
    wait_for(lambda: states(paths) == {JobState.DONE, JobState.FAILED})
    failed = derive_state(first)
    assert failed.state is JobState.FAILED
    assert failed.message == f"It could not be started: [Errno 21] Is a directory: '{first.log}'"
    assert (
        derive_state(second).message == f"It could not be started: [Errno 6] No such device or address: '{second.log}'"
    )
    first.log.rmdir(), second.log.unlink()
    for run in (first, second):
        LocalBackend(paths).retry(run.run_id)
    LocalBackend(paths, options=OPTIONS).wake()
    wait_for(lambda: states(paths) == {JobState.DONE})


def test_a_folder_that_cannot_be_written_is_let_be_until_it_changes(
    paths: AtlasPaths,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As another user's in a shared home: it keeps its place with its reason, and nothing asks for a dispatcher."""
    LocalBackend(paths).submit(SPECS[:2])
    foreign, own = (paths.run(spec.run_id) for spec in SPECS[:2])
    usual, access = dispatch.write_text, os.access

    def refusing(file: Path, text: str) -> None:
        if file.parent == foreign.root:
            raise NotWritable(f"{file} cannot be written")
        usual(file, text)

    monkeypatch.setattr(dispatch, "write_text", refusing)
    monkeypatch.setattr("core.jobs.records.write_text", refusing)
    monkeypatch.setattr(state.os, "access", lambda file, mode: file != foreign.root and access(file, mode))
    dispatcher = Dispatcher(paths, worker="tests.core.jobs.fakeworker", slots=("cpu",))
    assert dispatcher.step()
    wait_for(lambda: derive_state(own).state is JobState.DONE)
    waiting = derive_state(foreign)
    assert waiting.state is JobState.QUEUED and f"this user cannot write {foreign.root}" in (waiting.message or "")
    wait_for(lambda: not dispatcher.step())
    assert not LocalBackend(paths, options=OPTIONS).wake()
    monkeypatch.undo()
    (foreign.root / "mended").touch()
    assert dispatcher.step()
    wait_for(lambda: derive_state(foreign).state is JobState.DONE)


def test_a_full_disk_fails_no_job(
    paths: AtlasPaths,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    LocalBackend(paths).submit(SPECS[:1])

    def full(file: Path, text: str) -> None:
        raise DiskFull(f"No space left to write {file}.")

    monkeypatch.setattr(records, "write_text", full)
    with caplog.at_level(logging.WARNING):
        Dispatcher(paths, worker="tests.core.jobs.fakeworker", slots=("cpu",)).step()
    assert "has to wait: No space left" in caplog.text
    monkeypatch.undo()
    assert states(paths) == {JobState.QUEUED}


def test_sessions_that_start_the_same_runs_at_one_instant_do_not_collide(tmp_path: Path) -> None:
    """Drafts were named by the process, and sessions are threads of one: 204 of 360 starts failed."""
    backend, specs = LocalBackend(AtlasPaths(home=tmp_path)), [run_spec(seed=seed) for seed in range(5)]
    with ThreadPoolExecutor(6) as sessions:
        started = list(sessions.map(lambda _: backend.submit(specs), range(12)))
        for spec in specs:
            backend.cancel(spec.run_id)
        again = list(sessions.map(lambda _: backend.submit(specs), range(12)))
    for jobs in (*started, *again):
        assert [job.run_id for job in jobs] == [spec.run_id for spec in specs]
    assert {job.state for job in backend.jobs()} == {JobState.QUEUED}
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == sorted(spec.run_id for spec in specs)


def test_garbage_in_a_running_jobs_events_keeps_the_dispatcher_alive(paths: AtlasPaths) -> None:  # noqa: F811
    (paths.home / "fake.txt").write_text("sleep=0.5")
    specs = [run_spec("mnli", seed=1), run_spec("mnli", seed=2)]
    LocalBackend(paths).submit(specs)
    paths.run(specs[0].run_id).events.write_text('"stage_started" is no JSON\n{"event":{"type":"stage_started"}}\n')
    LocalBackend(paths, options=OPTIONS).wake()
    wait_for(lambda: states(paths) == {JobState.DONE})


def test_a_folder_of_jobs_that_cannot_be_listed_holds_up_nothing(paths: AtlasPaths) -> None:  # noqa: F811
    LocalBackend(paths).submit(SPECS[:1])
    paths.profiles.symlink_to(paths.profiles)
    assert [status.run_id for status in list_runs(paths)] == [SPECS[0].run_id]
    assert list_profiles(paths) == []
