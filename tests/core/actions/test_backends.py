"""One way to start and change jobs, whoever executes them; a backend is a module and a line in a table."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from core.actions import queue
from core.actions.launch import Where, launch, launch_profiles
from core.cli.main import app, spread
from core.errors import JobError, UnknownName
from core.jobs import local
from core.jobs.backend import BACKENDS, Backend, backend_class, chosen_backend
from core.jobs.dispatch import Dispatcher
from core.jobs.local import LocalBackend
from core.jobs.records import JobRecord, JobState, read_job, write_failure
from core.paths import REPO, AtlasPaths
from core.spec.run import StudySpec
from core.spec.versions import CODE_VERSION
from core.studies import ProfileRequest, StudyRequest, build_profile, build_study
from tests.core.jobs.toybackend import ToyBackend

REQUEST = StudyRequest(intermediates=("qqp",), targets=("xnli", "pawsx"), name="s")
TOY = Where(backend="toy")
WAKE = LocalBackend.wake
DIRECT = ("core.jobs.local", "core.jobs.folders", "core.jobs.backend")
"""What only the rooms `jobs` and `actions` may import."""


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AtlasPaths]:
    """An empty home where the toy is one line in the table; no dispatcher starts."""
    monkeypatch.setitem(BACKENDS, "toy", "tests.core.jobs.toybackend:ToyBackend")
    monkeypatch.setattr(LocalBackend, "wake", lambda _self: False)
    monkeypatch.setenv("ATLAS_HOME", str(tmp_path))
    monkeypatch.delenv("ATLAS_BACKEND", raising=False)
    yield AtlasPaths(home=tmp_path)
    ToyBackend.alive.clear()


@pytest.fixture
def study(paths: AtlasPaths) -> StudySpec:
    return build_study(REQUEST, paths=paths)


def no_cursor() -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    raise AssertionError("one intermediate is no choice: nothing is ranked, and the store is not opened")


def states(paths: AtlasPaths) -> list[tuple[str, str, JobState]]:
    return [(job.run_id, job.backend, job.state) for job in queue.list_runs(paths)]


def in_place(paths: AtlasPaths) -> list[str]:
    """Ids of what waits or runs, by place in the queue."""
    jobs = [job for job in queue.list_runs(paths) if job.state in {JobState.QUEUED, JobState.RUNNING}]
    return [job.run_id for job in sorted(jobs, key=lambda job: job.position or 0.0)]


def command(*words: str) -> list[dict[str, object]]:
    done = CliRunner().invoke(app, spread([*words, "--json"]), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def test_every_backend_of_the_table_is_what_its_line_says(paths: AtlasPaths) -> None:
    del paths
    verbs = [name for name in vars(Backend) if not name.startswith("_")]
    assert {"submit", "jobs", "cancel", "retry", "move", "wake", "is_alive"} <= set(verbs)
    for name in BACKENDS:
        found = backend_class(name)
        assert found.name == name
        owed = set(verbs) - {"name", "check", "warm", "awaits"}  # one that takes all jobs, and needs no preparation
        assert all(getattr(found, verb) is not getattr(Backend, verb) for verb in owed)


def test_a_backend_is_used_through_the_actions(paths: AtlasPaths, study: StudySpec) -> None:
    launched = launch(REQUEST, paths=paths, cursor=no_cursor, where=TOY)
    ids = [spec.run_id for spec in study.runs()]
    assert [job.run_id for job in launched.jobs] == ids
    assert launched.messages == ("4 of 4 runs are queued or running.",)
    # Woken: its one slot is taken by a process that this machine does not know.
    assert states(paths) == [(ids[0], "toy", JobState.RUNNING), *((i, "toy", JobState.QUEUED) for i in ids[1:])]
    assert queue.move([ids[3]], place="first", paths=paths)[0].state is JobState.QUEUED
    assert [job.state for job in queue.cancel([ids[0]], paths=paths)] == [JobState.CANCELLED]
    assert ids[0] not in ToyBackend.alive
    assert states(paths)[0] == (ids[3], "toy", JobState.RUNNING), "cancelling made room, and the first was started"
    assert [job.state for job in queue.retry([ids[0]], paths=paths)] == [JobState.QUEUED]
    assert [run_id for run_id, *_ in states(paths)] == [ids[3], ids[1], ids[2], ids[0]]
    ToyBackend(paths).end(ids[3])
    queue.wake(paths)
    assert ToyBackend.alive == {ids[1]}
    ToyBackend.alive.clear()
    assert states(paths)[-2][::2] == (ids[1], JobState.LOST), "it is the backend that says who lives"


def test_runs_of_an_earlier_version_are_named_and_made_anew_where_that_is_asked(
    paths: AtlasPaths, study: StudySpec
) -> None:
    launch(REQUEST, paths=paths, cursor=no_cursor, where=TOY)
    ids = [spec.run_id for spec in study.runs()]
    for i, code in enumerate(({}, {"code": {"target": 2}}, {"code": CODE_VERSION})):
        ToyBackend(paths).end(ids[i])
        paths.run(ids[i]).finished.write_text(json.dumps({"seconds": 1.0} | code))
    launched = launch(REQUEST, paths=paths, cursor=no_cursor, where=TOY)
    assert launched.messages == (
        "1 of 4 runs are queued or running.",
        "2 of 4 were finished by an earlier version that gave other results, and stay as they are. "
        "The same command with --again makes them anew.",
    )
    again = launch(REQUEST, paths=paths, cursor=no_cursor, where=TOY, again=True)
    assert again.messages == ("4 of 4 runs are queued or running.",)
    assert all((paths.run(i).earlier / "1" / "finished.json").is_file() for i in ids[:3])
    ToyBackend.alive.clear()


def test_a_backend_is_used_through_the_commands(
    paths: AtlasPaths, study: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--intermediate", "qqp", "--target", "xnli", "pawsx", "--name", "s", "--no-wait")
    ids = [str(row["run_id"]) for row in command("run", *words, "--backend", "toy")]
    assert sorted(ids) == sorted(spec.run_id for spec in study.runs())
    assert [(row["run_id"], row["backend"], row["state"]) for row in command("runs")][0] == (ids[0], "toy", "running")
    assert command("cancel", ids[0])[0]["state"] == "cancelled"
    assert ToyBackend.alive == {ids[1]}
    assert command("retry", ids[0])[0]["state"] == "queued"
    assert command("move", ids[0], "first")[0]["state"] == "queued"
    assert [row["run_id"] for row in command("move", "first", "--study", "s")] == [ids[0], ids[2], ids[3]]
    assert [row["run_id"] for row in command("runs")] == [ids[1], ids[0], ids[2], ids[3]]
    monkeypatch.setenv("ATLAS_BACKEND", "toy")
    (profile,) = command("profile", "--kind", "difficulty", "--intermediate", "qqp", "--no-wait")
    assert {job.backend for job in queue.list_profiles(paths)} == {"toy"}
    assert profile["state"] == "queued", "the toy's one slot is taken by a run: they share the queue"
    again = command("run", *words, "--backend", "local")
    assert {row["state"] for row in again} == {"running", "queued"}
    assert {job.backend for job in queue.list_runs(paths)} == {"toy"}, "who has a job keeps it"


@pytest.mark.parametrize("backend", ["toy", "local"])
def test_a_paused_study_keeps_its_places_and_goes_on(paths: AtlasPaths, backend: str) -> None:
    """Beside another study that was submitted later, which stays behind it; a cancelled one is not resumed."""
    where = Where(backend=backend)
    launch(REQUEST, paths=paths, cursor=no_cursor, where=where)
    later = REQUEST.model_copy(update={"name": "later", "seeds": (9,)})
    launch(later, paths=paths, cursor=no_cursor, where=where)
    order = in_place(paths)
    rows = command("pause", "--study", "s")
    assert {(row["state"], row["message"]) for row in rows} == {
        ("cancelled", "Paused: resume it, and it goes on from its last checkpoint, in its old place in the queue.")
    }
    assert in_place(paths) == order[len(rows) :]
    gone = str(rows[0]["run_id"])
    queue.cancel([gone], paths=paths)
    with pytest.raises(JobError, match="cancelled and not paused"):
        queue.resume([gone], paths=paths)
    with pytest.raises(JobError, match="only a queued or running one can be paused"):
        queue.pause([gone], paths=paths)
    assert {row["state"] for row in command("resume", "--study", "s")} == {"queued"}
    assert in_place(paths) == [run_id for run_id in order if run_id != gone]
    assert command("resume", "--study", "s") == []


def test_one_of_several_that_cannot_be_changed_holds_no_other_back(paths: AtlasPaths) -> None:
    """As when it ends, or another session resumes it, between the list and the click."""
    launch(REQUEST, paths=paths, cursor=no_cursor, where=Where(backend="local"))
    first, ended, *rest = in_place(paths)
    write_failure(paths.run(ended).failed, error="Diverged", message="nan")
    for act, state in ((queue.pause, "paused"), (queue.resume, "queued"), (queue.cancel, "cancelled")):
        with pytest.raises(JobError, match=f"^{len(rest) + 1} of {len(rest) + 2} were changed.* Run {ended} is failed"):
            act([first, ended, ended, *rest], paths=paths)
        assert {queue.looked_at(run_id, paths=paths).shown for run_id in (first, *rest)} == {state}
    assert {job.state for job in queue.retry([ended, first], paths=paths)} == {JobState.QUEUED}
    with pytest.raises(JobError, match=f"^{len(rest) - 1} of {len(rest) + 1} were changed.*No run named 'x'"):
        queue.retry([first, *rest[1:], "x"], paths=paths)
    with pytest.raises(UnknownName):
        queue.retry(["x"], paths=paths)


def test_a_failed_job_goes_to_the_backend_it_is_submitted_to_again(paths: AtlasPaths, study: StudySpec) -> None:
    launch(study, paths=paths, cursor=no_cursor, where=TOY)
    first = study.runs()[0].run_id
    paths.run(first).failed.write_text("{}")
    ToyBackend.alive.clear()
    launch(study, paths=paths, cursor=no_cursor)
    assert [(run_id, backend) for run_id, backend, _ in states(paths) if backend == "local"] == [(first, "local")]


def test_jobs_of_this_machine_are_written_down_as_they_always_were(paths: AtlasPaths, study: StudySpec) -> None:
    launch(study, paths=paths, cursor=no_cursor)
    written = json.loads(paths.run(study.runs()[0].run_id).job.read_bytes())
    fields = {"run_id", "study", "position", "device", "submitted_at", "attempts_allowed", "attempts", "slot", "note"}
    assert set(written) == fields
    assert JobRecord.model_validate(written).backend == "local"
    profile = build_profile(ProfileRequest(intermediates=("qqp",)), paths=paths)
    launched = launch_profiles([profile], paths=paths, where=TOY)
    assert launched.messages == ("1 of 1 profiles are queued or running.",)
    record = read_job(paths.profile(profile.profile_id).job)
    assert record is not None and record.backend == "toy"


def test_this_machine_leaves_the_jobs_of_others_alone(
    paths: AtlasPaths, study: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(local, "start_detached", lambda module, *_, **__: started.append(module))
    launch(study, paths=paths, cursor=no_cursor, where=TOY)
    ToyBackend.alive.clear()  # one is lost now, which this machine's dispatcher must not put back
    before = states(paths)
    dispatcher = Dispatcher(paths, worker="no.such.worker", slots=("cpu",))
    assert not dispatcher.step() and not dispatcher.has_work()
    assert states(paths) == before
    assert LocalBackend(paths).jobs() == []
    assert not WAKE(LocalBackend(paths)) and started == []
    queue.cancel([study.runs()[1].run_id], paths=paths)
    launch(study, paths=paths, cursor=no_cursor)
    assert WAKE(LocalBackend(paths)) and started == ["core.jobs.dispatch"]


def test_an_unknown_backend_is_named_with_those_there_are(
    paths: AtlasPaths, study: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ", ".join(sorted(BACKENDS))
    with pytest.raises(UnknownName, match=rf"No job backend named 'tyo'\. Did you mean 'toy'\? Known: {known}\."):
        launch(study, paths=paths, cursor=no_cursor, where=Where(backend="tyo"))
    with pytest.raises(UnknownName, match=r"No job backend \(ATLAS_BACKEND\) named 'slrm'.*Did you mean 'slurm'"):
        chosen_backend(None, paths=paths, environ={"ATLAS_BACKEND": "slrm"})
    assert queue.list_runs(paths) == [], "nothing was queued"
    launch(study, paths=paths, cursor=no_cursor, where=TOY)
    monkeypatch.delitem(BACKENDS, "toy")
    running = next(job for job in queue.list_runs(paths) if job.state is JobState.DAMAGED)
    assert f"No job backend named 'toy'. Known: {', '.join(sorted(BACKENDS))}." in (running.message or "")


def _imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_nobody_goes_past_the_actions() -> None:
    """Pages, commands, reports and tools start and change jobs through core.actions alone."""
    files = [f for folder in ("core", "pages", "tools", "bench") for f in (REPO / folder).rglob("*.py")]
    # Campaigns have a worker of their own, which only the backend itself can be told; a measurement starts nothing.
    outside = (REPO / "tools" / "faults", REPO / "bench" / "queue.py")
    inside = (REPO / "core" / "jobs", REPO / "core" / "actions", *outside)
    past = {
        f"{file.relative_to(REPO)}: {name}"
        for file in files
        if not any(map(file.is_relative_to, inside))
        for name in _imported(file)
        if name.startswith(DIRECT)
    }
    assert len(files) > 200 and past == set()
