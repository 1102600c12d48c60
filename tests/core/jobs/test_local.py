"""The queue on disk: submitting, listing, reordering, retrying; no process is started here."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import psutil
import pytest

from core.actions.queue import list_runs, queued_of
from core.errors import DiskFull, JobError, UnknownName
from core.jobs import local
from core.jobs.local import LocalBackend
from core.jobs.records import JobState, read_job
from core.jobs.state import derive_state
from core.paths import AtlasPaths
from core.processes import ProcessRecord
from core.spec.execution import ExecutionOptions
from tests.makers.folders import run_spec


@pytest.fixture
def paths(tmp_path: Path) -> AtlasPaths:
    return AtlasPaths(home=tmp_path)


def seeds(paths: AtlasPaths) -> list[int | None]:
    return [s.seed for s in LocalBackend(paths).jobs()]


def test_submit_queues_in_order_and_says_what_was_asked(paths: AtlasPaths) -> None:
    first, second = LocalBackend(paths).submit([run_spec("mnli", seed=2), run_spec(seed=1)], study="s")
    assert (first.state, first.intermediate, first.study, first.position) == (JobState.QUEUED, "mnli", "s", 1.0)
    assert (second.intermediate, second.model, second.data_source) == ("none", "tiny", "sample")
    assert seeds(paths) == [2, 1]


def test_submitting_twice_doubles_nothing_and_keeps_what_is_done(paths: AtlasPaths) -> None:
    spec = run_spec()
    LocalBackend(paths).submit([spec, spec])
    job = paths.run(spec.run_id).job.read_text()
    LocalBackend(paths).submit([spec])
    assert paths.run(spec.run_id).job.read_text() == job
    paths.run(spec.run_id).finished.write_text("{}")
    assert [s.state for s in LocalBackend(paths).submit([spec])] == [JobState.DONE]
    assert len(LocalBackend(paths).jobs()) == 1


def test_a_done_run_is_queued_again_where_that_is_asked_and_nothing_of_it_is_lost_or_left(paths: AtlasPaths) -> None:
    spec = run_spec()
    LocalBackend(paths).submit([spec])
    run = paths.run(spec.run_id)
    for attempt in (1, 2):
        run.events.write_text(f"facts {attempt}\n")
        run.predictions.write_text(f"predictions {attempt}")
        run.finished.write_text("{}")
        assert LocalBackend(paths).submit([spec])[0].state is JobState.DONE
        assert LocalBackend(paths).submit([spec], again=True)[0].state is JobState.QUEUED
        assert {entry.name for entry in run.root.iterdir()} == {"spec.json", "job.json", "earlier"}
        before = run.earlier / str(attempt)
        assert (before / "events.jsonl").read_text() == f"facts {attempt}\n"
        assert (before / "predictions.parquet").is_file() and (before / "finished.json").is_file()
    assert LocalBackend(paths).submit([spec], again=True)[0].state is JobState.QUEUED
    assert not (run.earlier / "3").exists(), "a queued run is not put aside"


def test_a_failed_run_is_queued_again_by_submit_and_by_retry(paths: AtlasPaths) -> None:
    spec = run_spec()
    LocalBackend(paths).submit([spec])
    run = paths.run(spec.run_id)
    for again in (lambda: LocalBackend(paths).submit([spec])[0], lambda: LocalBackend(paths).retry(spec.run_id)):
        run.failed.write_text(json.dumps({"message": "no memory"}))
        assert derive_state(run)[1] is JobState.FAILED
        assert derive_state(run).message == "no memory"
        assert again().state is JobState.QUEUED


def test_a_cancelled_queued_run_leaves_the_queue(paths: AtlasPaths) -> None:
    spec = run_spec()
    LocalBackend(paths).submit([spec])
    assert LocalBackend(paths).cancel(spec.run_id).state is JobState.CANCELLED
    assert LocalBackend(paths).retry(spec.run_id).state is JobState.QUEUED
    with pytest.raises(JobError, match="is queued: only a failed, cancelled or lost one can be retried"):
        LocalBackend(paths).retry(spec.run_id)


def test_reorder_moves_to_any_place_even_where_numbers_run_out(paths: AtlasPaths) -> None:
    specs = [run_spec(seed=i) for i in range(4)]
    LocalBackend(paths).submit(specs)
    LocalBackend(paths).move([specs[3].run_id], place="first")
    assert seeds(paths) == [3, 0, 1, 2]
    LocalBackend(paths).move([specs[3].run_id], place="last")
    assert seeds(paths) == [0, 1, 2, 3]
    for i in range(200):  # halving the gap 200 times exhausts a float's 52 bits unless places are numbered anew
        LocalBackend(paths).move([specs[2 + i % 2].run_id], place=1)
    assert seeds(paths) == [0, 3, 2, 1]


def test_unknown_runs_and_places_are_refused_with_what_to_do(paths: AtlasPaths) -> None:
    spec = run_spec()
    LocalBackend(paths).submit([spec])
    with pytest.raises(UnknownName, match=f"No run named 'nope'.*Known: {spec.run_id}"):
        LocalBackend(paths).cancel("nope")
    with pytest.raises(JobError, match="expected 0 for the head"):
        LocalBackend(paths).move([spec.run_id], place=-1)
    assert len(LocalBackend(paths).jobs()) == 1


def test_several_are_moved_together_in_their_order(paths: AtlasPaths) -> None:
    specs = [run_spec(seed=seed) for seed in range(6)]
    LocalBackend(paths).submit(specs, study="grid")
    a, b, c, d, e, f = (spec.run_id for spec in specs)

    def order() -> list[str]:
        return [status.run_id for status in list_runs(paths)]

    LocalBackend(paths).move([e, b], place="first")
    assert order() == [e, b, a, c, d, f]
    LocalBackend(paths).move([a, e], place=2)
    assert order() == [b, c, a, e, d, f]
    for _ in range(40):  # until no number is left between two neighbours
        LocalBackend(paths).move([a, e], place=1)
        LocalBackend(paths).move([d, f], place=1)
    assert order() == [b, d, f, a, e, c]
    with pytest.raises(UnknownName):
        LocalBackend(paths).move([c, "0123456789ab"], place="first")
    assert order() == [b, d, f, a, e, c], "all or none"
    assert queued_of("grid", paths=paths) == order()


def test_a_retry_keeps_the_options_that_it_does_not_name(paths: AtlasPaths) -> None:
    spec = run_spec()
    LocalBackend(paths).submit([spec], execution=ExecutionOptions(device="cuda:0", batch_tokens=4096))
    LocalBackend(paths).cancel(spec.run_id)
    LocalBackend(paths).retry(spec.run_id, execution=ExecutionOptions(batch_tokens=1024, precision="fp32"))
    job = read_job(paths.run(spec.run_id).job)
    assert job is not None
    assert job.execution == ExecutionOptions(device="cuda:0", batch_tokens=1024, precision="fp32")


def test_damaged_folders_are_listed_with_their_reason_and_harm_no_other(paths: AtlasPaths) -> None:
    spec = run_spec()
    LocalBackend(paths).submit([spec])
    (paths.runs / "empty").mkdir()
    (paths.runs / "half").mkdir()
    (paths.runs / "half" / "spec.json").write_bytes(b'{"model": \xff')
    (paths.runs / ".draft.1.tmp").mkdir()
    states = {s.run_id: s for s in LocalBackend(paths).jobs()}
    assert states.pop(spec.run_id).state is JobState.QUEUED
    assert {s.state for s in states.values()} == {JobState.DAMAGED}
    assert "holds no spec.json" in (states["empty"].message or "")
    assert "is not the spec of a run" in (states["half"].message or "")
    with pytest.raises(JobError, match="is damaged"):
        LocalBackend(paths).retry("empty")


def test_a_pid_that_belongs_to_somebody_else_is_a_lost_job(paths: AtlasPaths) -> None:
    spec = run_spec()
    LocalBackend(paths).submit([spec])
    run, me = paths.run(spec.run_id), psutil.Process()
    run.process.write_text(json.dumps({"pid": me.pid, "started": me.create_time()}))
    assert derive_state(run).state is JobState.RUNNING
    run.process.write_text(json.dumps({"pid": me.pid, "started": me.create_time() - 3600}))
    assert derive_state(run).state is JobState.LOST


def test_a_full_disk_leaves_nothing_half_written(paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    LocalBackend(paths).submit([run_spec(seed=1)])
    real, written = Path.write_bytes, []

    def write_until_full(self: Path, *args: object, **kwargs: object) -> int:
        written.append(self)
        if len(written) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_bytes", write_until_full)
    with pytest.raises(DiskFull, match="No space left to write .*ATLAS_HOME"):
        LocalBackend(paths).submit([run_spec(seed=2), run_spec(seed=3)])
    assert [p.name for p in paths.runs.iterdir()] == [run_spec(seed=1).run_id]


def test_a_dispatcher_that_is_being_started_is_not_started_again(
    paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine it takes seconds to its lock, and each look of a page or command started one more."""
    LocalBackend(paths).submit([run_spec()])
    starts = []

    def start(*_: object, record: Path, **__: object) -> None:
        me = psutil.Process()
        starts.append(record)
        assert not record.exists(), "else the new one is not written down"
        record.write_text(ProcessRecord(pid=me.pid, started=me.create_time()).model_dump_json())

    monkeypatch.setattr(local, "start_detached", start)
    assert [LocalBackend(paths).wake() for _ in range(3)] == [True, False, False]
    for gone in (ProcessRecord(pid=2**22 + 1, started=0.0).model_dump_json(), "{"):
        paths.dispatcher_starting.write_text(gone)
        assert LocalBackend(paths).wake()
    assert len(starts) == 3
