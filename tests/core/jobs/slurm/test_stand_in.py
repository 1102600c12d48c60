"""What Slurm is told, with scripts in the place of its commands; how states follow from what squeue says."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.actions import queue
from core.cli.main import app
from core.errors import JobError, SpecError, UnknownName
from core.holding import beat
from core.jobs.backend import backend_file
from core.jobs.records import JobState, JobStatus, change_job, read_job
from core.jobs.slurm import backend as slurm
from core.jobs.slurm import book, engine
from core.jobs.slurm.backend import SlurmBackend
from core.jobs.slurm.task import main as task_main
from core.jobs.state import derive_state
from core.paths import AtlasPaths
from core.processes import ProcessRecord
from core.spec.cluster import BackendFile, SlurmOptions
from core.spec.run import RunSpec
from tests.makers.folders import run_spec

_SBATCH = """#!/bin/bash
cd {folder}
if [ -e refuse ]; then echo "sbatch: error: invalid partition specified: gpuu" >&2; exit 1; fi
n=$(( $(cat n 2>/dev/null || echo 100) + 1 )); echo $n > n
echo "$*" >> said; cat > script.$n
if [ -e once ]; then mv once refuse; fi
echo $n
"""
_SQUEUE = """#!/bin/bash
cat {folder}/queue 2>/dev/null
[ ! -e {folder}/away ]
"""
_OTHER = """#!/bin/bash
echo "$(basename $0) $*" >> {folder}/told
[ ! -e {folder}/refuse ]
"""


class Slurm:
    """Scripts that note what they are told; `says` is what squeue answers."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs = folder, "0:10"
        folder.mkdir()
        scripts = {"sbatch": _SBATCH, "squeue": _SQUEUE, "scancel": _OTHER, "scontrol": _OTHER}
        for name, text in scripts.items():
            (folder / name).write_text(text.format(folder=folder))
            (folder / name).chmod(0o755)

    def said(self) -> list[str]:
        """Command lines of sbatch."""
        return self._lines("said")

    def told(self) -> list[str]:
        """Command lines of scancel and scontrol."""
        return self._lines("told")

    def _lines(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []

    def says(self, paths: AtlasPaths, *lines: str) -> None:
        """Lines `JOB STATE REASON` of a run's own task, or of the stage that it carries (`stage:JOB`)."""
        found = []
        for line in lines:
            name, state, *reason = line.split()
            job, is_stage = name.removeprefix("stage:"), name.startswith("stage:")
            for known in reversed(book.Book(paths, ()).tasks):
                if known.task.jobs[0] == job and (known.task.stage is not None) == is_stage:
                    index = known.task.index
                    found.append(f"7|{index}|{state}|{' '.join(reason)}|atlas-{known.token}|7_{index}|{self.runs}")
                    break
        (self.folder / "queue").write_text("".join(f"{line}\n" for line in found))
        book._LOOKS.clear()
        slurm._CHECKED.clear()


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AtlasPaths:
    monkeypatch.setenv("ATLAS_HOME", str(tmp_path / "home"))
    book._LOOKS.clear()
    slurm._CHECKED.clear()
    return AtlasPaths(home=tmp_path / "home")


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    found = Slurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{found.folder}:{os.environ['PATH']}")
    return found


def grid() -> list[RunSpec]:
    """Two targets after one intermediate, and their baselines."""
    return [run_spec(name, target=target) for name in ("mnli", None) for target in ("xnli", "pawsx")]


def state(paths: AtlasPaths, spec: RunSpec) -> tuple[JobState, str | None]:
    found = derive_state(paths.run(spec.run_id))
    return found.state, found.message


def test_the_graph_and_the_file_reach_sbatch(paths: AtlasPaths, scripts: Slurm) -> None:
    paths.home.mkdir()
    paths.backend_file.write_text(
        "slurm: {partition: gpu, account: nlp, gres: gpu:1, cpus: 4, memory: 32G, time: '24:00:00', at_once: 8,\n"
        "        options: [--constraint=a100], setup: [module load cuda], container: [apptainer, exec, atlas.sif],\n"
        "        python: python3}\n"
    )
    SlurmBackend(paths).submit(grid(), study="s")
    first, second, third = scripts.said()
    assert "--array=0-2%8" in first and "--dependency" not in first, "the stage and the two baselines"
    assert "--array=0%8" in second and "--dependency=aftercorr:101" in second and "aftercorr:101" in third
    words = ("--partition=gpu", "--account=nlp", "--gres=gpu:1", "--cpus-per-task=4", "--mem=32G", "--time=24:00:00")
    assert all(word in first.split() for word in (*words, "--constraint=a100", "--requeue", "--signal=B:USR1@90"))
    script = (scripts.folder / "script.101").read_text()
    assert script.index("module load cuda") < script.index("apptainer exec atlas.sif python3 -m core.jobs.slurm.task")
    assert f"export ATLAS_HOME={paths.home}\n" in script


def test_what_is_wrong_with_the_file_is_said_before_anything_is_queued(paths: AtlasPaths, scripts: Slurm) -> None:
    paths.home.mkdir()
    paths.backend_file.write_text("slurm:\n  partitoin: gpu\n  memory: 32 gigabytes\n")
    with pytest.raises(SpecError) as told:
        SlurmBackend(paths).submit(grid())
    text = str(told.value)
    assert "backend.yaml" in text and "'slurm.partitoin' is not known. Did you mean 'partition'?" in text
    assert "'slurm.memory': found '32 gigabytes'; expected: text such as 32G." in text and "docs/scale.md" in text
    assert not paths.runs.exists() and scripts.said() == []
    paths.backend_file.write_text("slurm:\n  time: 12:00:00\n")
    with pytest.raises(SpecError, match="write it in quotes"):
        SlurmBackend(paths).submit(grid())


@pytest.mark.parametrize("text", ["", "# nothing\n", "slurm:\nray:\n", "slurm:\n  # partition: gpu\n"])
def test_what_is_left_out_of_the_file_is_as_the_site_has_it(paths: AtlasPaths, text: str) -> None:
    paths.home.mkdir()
    paths.backend_file.write_text(text)
    assert backend_file(paths) == BackendFile()


def test_without_slurm_nothing_is_queued(paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SpecError, match="no sbatch on this machine"):
        SlurmBackend(paths).submit(grid())
    tried = CliRunner().invoke(app, ["run", "--target", "xnli", "--backend", "slurm", "--dry-run"])
    assert isinstance(tried.exception, SpecError) and "no sbatch" in str(tried.exception)
    assert not paths.runs.exists() and not SlurmBackend(paths).wake()


def test_states_follow_slurm_and_no_local_number(paths: AtlasPaths, scripts: Slurm) -> None:
    first, second, *_ = specs = grid()
    SlurmBackend(paths).submit(specs)
    run = paths.run(first.run_id)
    scripts.says(paths, f"stage:{first.run_id} PENDING Priority", f"{first.run_id} PENDING Dependency")
    assert state(paths, first) == (JobState.QUEUED, "Slurm 7_0: pending (Dependency)")
    # Its stage is trained in its folder, by a process of another machine whose number is somebody else's here.
    run.process.write_text(ProcessRecord(pid=os.getpid(), started=1.0, host="node-3").model_dump_json())
    beat(run.heartbeat)
    scripts.says(paths, f"stage:{first.run_id} RUNNING", f"{first.run_id} PENDING Dependency")
    assert state(paths, first)[0] is JobState.RUNNING
    assert state(paths, second)[0] is JobState.QUEUED
    # Preempted: back in Slurm's queue, however fresh the heartbeat.
    scripts.says(paths, f"stage:{first.run_id} PENDING BeginTime", f"{first.run_id} PENDING Dependency")
    assert state(paths, first) == (JobState.QUEUED, "Slurm 7_0: pending (Dependency)")
    scripts.says(paths)
    assert state(paths, first)[0] is JobState.LOST, "Slurm knows of nothing"
    (scripts.folder / "away").touch()
    scripts.says(paths)
    assert state(paths, first)[0] is JobState.RUNNING, "it beats, and Slurm does not answer"
    os.utime(run.heartbeat, (time.time() - 90, time.time() - 90))
    assert state(paths, first) == (JobState.QUEUED, "Slurm cannot be asked from this machine, or does not answer.")


def test_a_task_whose_node_lost_it_is_not_running_and_is_started_again(paths: AtlasPaths, scripts: Slurm) -> None:
    (spec,) = [run_spec()]
    SlurmBackend(paths).submit([spec])
    run = paths.run(spec.run_id)
    run.process.write_text(ProcessRecord(pid=os.getpid(), started=1.0, host="node-3").model_dump_json())
    beat(run.heartbeat)
    scripts.says(paths, f"{spec.run_id} RUNNING")
    assert state(paths, spec)[0] is JobState.RUNNING
    # The node died and came back within seconds: Slurm asks it for the job again in an hour.
    os.utime(run.heartbeat, (time.time() - 130, time.time() - 130))
    scripts.says(paths, f"{spec.run_id} RUNNING")
    assert state(paths, spec) == (JobState.QUEUED, "Slurm 7_0: running, its process starts")
    SlurmBackend(paths).wake()
    assert scripts.told() == [], "the heartbeat is of before: this start loads its container"
    scripts.runs = "1-00:02:20"
    scripts.says(paths, f"{spec.run_id} RUNNING")
    silent = (JobState.QUEUED, "Slurm 7_0: running, but nobody has begun, or is heard of any more")
    assert state(paths, spec) == silent
    SlurmBackend(paths).wake()
    assert scripts.told() == ["scontrol requeue 7_0"]
    scripts.says(paths, f"{spec.run_id} SUSPENDED")
    SlurmBackend(paths).wake()
    assert len(scripts.told()) == 1, "stopped by an administrator, and not lost"


def test_a_task_that_slurm_holds_because_no_node_could_start_it_is_freed_and_given_up_after_three(
    paths: AtlasPaths, scripts: Slurm
) -> None:
    first, second, *_ = specs = grid()
    SlurmBackend(paths).submit(specs)
    lines = (f"stage:{first.run_id} PENDING launch_failed_requeued_held", f"{second.run_id} PENDING held")
    for tries in (1, 2, 3):
        scripts.says(paths, *lines)
        SlurmBackend(paths).wake()
        job = read_job(paths.run(first.run_id).job)
        assert job is not None and job.attempts == tries and "Slurm could not start it" in (job.note or "")
        assert scripts.told() == ["scontrol release 7_0"] * tries, "who is held by a user stays so"
    for _ in range(2):
        scripts.says(paths, *lines)
        SlurmBackend(paths).wake()
    found, message = state(paths, first)
    assert found is JobState.FAILED and "(launch failed requeued held). The job was started 3 times" in (message or "")
    assert state(paths, second)[0] is JobState.QUEUED, "the next carries the stage"
    assert scripts.told()[3:] == ["scontrol release 7_0"]
    paths.run(second.run_id).finished.write_text("{}")
    scripts.says(paths, *lines)
    SlurmBackend(paths).wake()
    assert scripts.told()[4:] == ["scancel --quiet 7_0"], "nobody needs it any more"


def test_a_task_waits_for_the_process_that_an_earlier_start_left(
    paths: AtlasPaths, scripts: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spec,) = [run_spec()]
    SlurmBackend(paths).submit([spec])
    run, waited = paths.run(spec.run_id), []
    run.process.write_text(ProcessRecord(pid=os.getpid(), started=1.0, host="node-3").model_dump_json())
    beat(run.heartbeat)

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        assert not run.log.exists(), "not started beside it"
        if len(waited) == 3:
            run.finished.write_text("{}")  # it was not lost, and ends

    monkeypatch.setattr("core.jobs.slurm.task.time.sleep", sleep)
    (file,) = book.submissions(paths)
    assert task_main([str(file), "0"]) == 0 and len(waited) == 3 and not run.log.exists()


def test_cancelled_jobs_and_stages_that_nobody_needs_are_stopped_in_one_call(paths: AtlasPaths, scripts: Slurm) -> None:
    first, second, *baselines = specs = grid()
    SlurmBackend(paths).submit(specs)
    lines = (f"stage:{first.run_id} RUNNING", *(f"{spec.run_id} PENDING Dependency" for spec in specs))
    scripts.says(paths, *lines)
    queue.cancel([first.run_id], paths=paths)
    assert scripts.told() == ["scancel --quiet 7_0"], "the other one still needs the stage"
    scripts.says(paths, *lines[:1], *lines[2:])
    queue.cancel([second.run_id], paths=paths)
    assert len(scripts.told()) == 2 and scripts.told()[1].split()[2:] == ["7_0", "7_0"], "the stage, and the second"
    assert [state(paths, spec)[0] for spec in baselines] == [JobState.QUEUED] * 2


def test_a_refusal_is_told_and_the_jobs_are_handed_over_when_slurm_takes_them(
    paths: AtlasPaths, scripts: Slurm
) -> None:
    (scripts.folder / "refuse").touch()
    with pytest.raises(JobError, match="invalid partition specified: gpuu.*stay queued.*backend.yaml"):
        SlurmBackend(paths).submit(grid())
    found = state(paths, grid()[0])
    assert found == (JobState.QUEUED, "Not handed to Slurm yet: sbatch: error: invalid partition specified: gpuu")
    (scripts.folder / "refuse").unlink()
    assert not SlurmBackend(paths).wake() and not scripts.said(), "it is asked again after some seconds, as for states"
    slurm._CHECKED.clear()
    assert SlurmBackend(paths).wake() and len(scripts.said()) == 3
    assert state(paths, grid()[0]) == (JobState.QUEUED, None)
    slurm._CHECKED.clear()
    (later,) = (spec for spec in [run_spec("mnli", target="xcopa")])
    scripts.says(paths, f"stage:{grid()[0].run_id} RUNNING", *(f"{spec.run_id} PENDING" for spec in grid()))
    SlurmBackend(paths).submit([later])
    assert "--dependency=aftercorr:7" in scripts.said()[-1], "the stage is at work already, of another submission"


def test_a_refusal_is_told_though_what_was_taken_before_it_cannot_be_taken_back(
    paths: AtlasPaths, scripts: Slurm
) -> None:
    (scripts.folder / "once").touch()
    with pytest.raises(JobError, match="invalid partition specified: gpuu"):
        SlurmBackend(paths).submit(grid())
    assert len(scripts.said()) == 1 and scripts.told() == ["scancel --quiet 101"], "one was taken, the next refused"


def test_a_job_that_vanished_is_handed_over_again_and_given_up_after_three_tries(
    paths: AtlasPaths, scripts: Slurm
) -> None:
    (spec,) = [run_spec()]
    SlurmBackend(paths).submit([spec])
    for tries in (1, 2):
        scripts.says(paths, f"{spec.run_id} FAILED NonZeroExitCode")
        assert SlurmBackend(paths).wake() and len(scripts.said()) == 1 + tries
        job = read_job(paths.run(spec.run_id).job)
        assert job is not None and job.attempts == tries and "ended without a result (failed)" in (job.note or "")
    scripts.says(paths, f"{spec.run_id} PREEMPTED")
    assert SlurmBackend(paths).wake() and len(scripts.said()) == 4, "not its fault"
    scripts.says(paths, f"{spec.run_id} OUT_OF_MEMORY")
    assert not SlurmBackend(paths).wake() and len(scripts.said()) == 4
    found = state(paths, spec)
    assert found[0] is JobState.FAILED and "(out_of_memory). It was tried 3 times" in (found[1] or "")
    assert list(paths.slurm.glob("*.json")) == []


@pytest.mark.parametrize(("end", "left"), [("NODE_FAIL", 1), ("PREEMPTED", 1), ("FAILED", 2)])
def test_a_start_that_its_node_ended_does_not_count(paths: AtlasPaths, scripts: Slurm, end: str, left: int) -> None:
    (spec,) = [run_spec()]
    SlurmBackend(paths).submit([spec])
    run = paths.run(spec.run_id)
    run.process.write_text(ProcessRecord(pid=2**22 + 1, started=0.0).model_dump_json())
    change_job(run, lambda job: {"attempts": 2})
    scripts.says(paths, f"{spec.run_id} {end}")
    assert SlurmBackend(paths).wake()
    assert (job := read_job(run.job)) and job.attempts == left and not run.process.exists()


def test_who_cancels_with_slurms_own_command_has_cancelled_the_run(paths: AtlasPaths, scripts: Slurm) -> None:
    (spec,) = [run_spec()]
    SlurmBackend(paths).submit([spec])
    scripts.says(paths, f"{spec.run_id} CANCELLED")
    assert not SlurmBackend(paths).wake() and state(paths, spec)[0] is JobState.CANCELLED
    queue.retry([spec.run_id], paths=paths)
    assert len(scripts.said()) == 2
    scripts.says(paths, f"{spec.run_id} PENDING")
    SlurmBackend(paths).wake()
    assert state(paths, spec)[0] is JobState.QUEUED, "what was said of the first task is over"


@pytest.mark.parametrize(("stop", "put_back"), [(queue.cancel, queue.retry), (queue.pause, queue.resume)])
def test_many_that_are_put_back_are_handed_over_together_and_a_refusal_is_shown(
    paths: AtlasPaths, scripts: Slurm, stop: Callable[..., object], put_back: Callable[..., list[JobStatus]]
) -> None:
    ids = [spec.run_id for spec in grid()]
    SlurmBackend(paths).submit(grid())
    asked = [line.partition("--array=")[2].split()[0] for line in scripts.said()]
    stop(ids, paths=paths)
    scripts.says(paths)
    (scripts.folder / "refuse").touch()
    found = put_back(ids, paths=paths)
    assert {job.state for job in found} == {JobState.QUEUED}
    assert all("Not handed to Slurm yet: sbatch: " in (job.message or "") for job in found)
    (scripts.folder / "refuse").unlink()
    slurm._CHECKED.clear()
    assert SlurmBackend(paths).wake()
    again = [line.partition("--array=")[2].split()[0] for line in scripts.said()[len(asked) :]]
    assert again == asked, "one array for the stage and the baselines, one for each that waits: as they were submitted"
    scripts.says(paths, *(f"{run_id} PENDING" for run_id in ids))
    SlurmBackend(paths).wake()
    assert len(scripts.said()) == 2 * len(asked), "nothing is handed over twice"


def test_what_waits_for_a_stage_that_ended_badly_is_let_go(paths: AtlasPaths, scripts: Slurm) -> None:
    first, *_ = specs = grid()
    SlurmBackend(paths).submit(specs)
    scripts.says(paths, *(f"{spec.run_id} PENDING DependencyNeverSatisfied" for spec in specs[:1]))
    SlurmBackend(paths).wake()
    assert scripts.told() == ["scontrol update JobId=7_0 Dependency="]
    with pytest.raises(JobError, match="order Slurm decides; to let others by: scontrol update JobId=7_0 Nice=100"):
        queue.move([first.run_id], place="first", paths=paths)


def test_a_task_whose_jobs_have_ended_does_nothing(paths: AtlasPaths, scripts: Slurm) -> None:
    specs = grid()
    SlurmBackend(paths).submit(specs)
    for spec in specs:
        paths.run(spec.run_id).cancel.touch()
    for file in book.submissions(paths):
        for task in json.loads(file.read_text())["tasks"]:
            assert task_main([str(file), str(task["index"])]) == 0
    assert not any(paths.run(spec.run_id).log.exists() for spec in specs)


def test_the_script_without_options_is_plain(paths: AtlasPaths) -> None:
    text = engine.script(SlurmOptions(), paths=paths, token="t")
    assert f'{paths.slurm}/t.json "$SLURM_ARRAY_TASK_ID" & job=$!' in text and "\n\n" not in text.strip()


def test_a_study_is_cancelled_by_its_name(paths: AtlasPaths, scripts: Slurm) -> None:
    first, *others = specs = grid()
    SlurmBackend(paths).submit(specs, study="grid")
    SlurmBackend(paths).submit([later := run_spec(seed=9)], study="other")
    paths.run(first.run_id).finished.write_text("{}")
    scripts.says(paths, *(f"{spec.run_id} PENDING" for spec in (*specs, later)))
    done = CliRunner().invoke(app, ["cancel", "--study", "grid", "--json"], catch_exceptions=False)
    assert sorted(row["run_id"] for row in json.loads(done.stdout)) == sorted(spec.run_id for spec in others)
    assert len(scripts.told()) == 1 and len(scripts.told()[0].split()) == 2 + len(others)
    assert state(paths, later)[0] is JobState.QUEUED and state(paths, first)[0] is JobState.DONE
    with pytest.raises(UnknownName, match="No study named 'gird'. Did you mean 'grid'"):
        queue.open_of("gird", paths=paths)
