"""A job that needs what another is training lets others by: by specs and events, and with real processes."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import psutil
import pytest

from core.events import StageReused, StageStarted
from core.jobs.folders import Submission, enqueue
from core.jobs.local import LocalBackend
from core.jobs.records import LOCAL, JobState, JobStatus
from core.jobs.sharing import Trainings
from core.paths import AtlasPaths
from core.spec.execution import USUAL
from core.spec.profile import ProfileKind, ProfileSpec
from core.spec.run import RunSpec
from core.spec.sharing import trained_by, trained_by_job
from core.variables import CPU_SLOTS
from tests.core.jobs.fakeworker import read
from tests.core.jobs.test_dispatch import OPTIONS, started_for, starts, states, wait_for
from tests.makers.folders import MODEL, PROTOCOL, SAMPLE, lines, run_spec, task


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AtlasPaths]:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv(CPU_SLOTS, "2")
    paths = AtlasPaths(home=tmp_path)
    yield paths
    for process in started_for(paths):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def submit(paths: AtlasPaths, *specs: RunSpec | ProfileSpec) -> list[JobStatus]:
    return enqueue(specs, paths=paths, how=Submission(LOCAL, None, USUAL, None), again=False)


def profile(kind: ProfileKind, *intermediates: str) -> ProfileSpec:
    targets = () if kind is ProfileKind.DIFFICULTY else ("xnli",)
    tasks = tuple(task(name) for name in sorted({"mnli", "qqp", "xnli"}))
    return ProfileSpec(
        kind=kind, model=MODEL, data_source=SAMPLE, intermediates=intermediates, targets=targets, tasks=tasks,
        protocol=PROTOCOL, seed=1,
    )  # fmt: skip


def report(paths: AtlasPaths, job: JobStatus, *names: str, reused: bool = False) -> None:
    """The job says that it has begun or found stages; the key of each is its name."""
    kind = {"kind": "intermediate"}
    more = {} if reused else {"task_type": "classification", "total_steps": 9}
    made = StageReused if reused else StageStarted
    events = [made.model_validate({"key": name, "name": name} | kind | more) for name in names]
    with paths.job(job.run_id).events.open("a") as stream:
        stream.write(lines(events))


# ------------------------------------------------------------------------------------- what is one training


def test_what_trains_the_same_by_spec_and_by_file() -> None:
    """The estimate reads specs, the dispatcher files: both say the same of every run."""
    specs = [run_spec(name) for name in (None, "mnli", "mnli@food,hard", "mnli~shuffled@hardest", "mnli+qqp")]
    for spec in [*specs, run_spec("mnli", seed=2)]:
        assert trained_by_job(spec.model_dump(mode="json")) == trained_by(spec)
    assert trained_by(run_spec()) == ()
    assert trained_by(run_spec("mnli", target="pawsx")) == trained_by(run_spec("mnli"))
    assert not set(trained_by(run_spec("mnli"))) & set(trained_by(run_spec("mnli", seed=2)))
    hard, easy = (trained_by(run_spec(f"mnli@{third}")) for third in ("hardest", "easiest"))
    assert hard[:2] == easy[:2] and hard[2] != easy[2], "the folds are shared, the thirds are not"
    near, far = (trained_by(run_spec(f"mnli@{name}:pawsx")) for name in ("near", "far"))
    assert near[:2] == far[:2] == hard[:2] and near[2] != far[2], "by similarity as by difficulty"


def test_profiles_share_the_stages_that_they_look_at() -> None:
    both = (*trained_by(run_spec("mnli")), *trained_by(run_spec("qqp")))
    for kind, expected in ((ProfileKind.ENCODER, both), (ProfileKind.SELECTORS, both), (ProfileKind.DIFFICULTY, ())):
        assert trained_by_job(profile(kind, "qqp", "mnli").model_dump(mode="json")) == expected


# ---------------------------------------------------------------------------------------- how far a job has come


def test_a_stage_is_in_progress_from_the_start_of_its_job_until_its_folder_is_there(paths: AtlasPaths) -> None:
    running, same, other = submit(paths, run_spec("mnli"), run_spec("mnli", target="pawsx"), run_spec("qqp"))
    known = Trainings(paths)
    assert known.in_progress([running]) == {known.next_of(same)}, "it has reported nothing yet"
    assert known.next_of(other) not in known.in_progress([running])
    events = paths.job(running.run_id).events
    os.mkfifo(events)  # whoever opens it waits for a writer, and with the dispatcher the queue
    assert known.in_progress([running]) == {known.next_of(same)}
    events.unlink()
    report(paths, running, "mnli")
    assert known.in_progress([running]) == {known.next_of(same)}
    paths.stage("mnli").mkdir(parents=True)
    assert known.in_progress([running]) == set()
    assert known.next_of(same) is None, "it will find the stage"
    assert Trainings(paths).in_progress([running]) == set(), "the next dispatcher reads the same"
    assert known.in_progress([]) == set()


def test_a_stage_that_was_removed_again_is_in_progress_again(paths: AtlasPaths) -> None:
    running, same = submit(paths, run_spec("mnli"), run_spec("mnli", target="pawsx"))
    known = Trainings(paths)
    report(paths, running, "mnli", reused=True)
    assert known.in_progress([running]) == {known.next_of(same)} != {None}


def test_half_a_line_is_read_when_it_is_whole(paths: AtlasPaths) -> None:
    running, same = submit(paths, run_spec("mnli"), run_spec("mnli", target="pawsx"))
    known = Trainings(paths)
    report(paths, running, "something else", "mnli")
    paths.stage("mnli").mkdir(parents=True)
    events = paths.job(running.run_id).events
    text = events.read_bytes()
    events.write_bytes(text[:-9])
    assert known.in_progress([running]) == {known.next_of(same)}
    events.write_bytes(text)
    assert known.in_progress([running]) == set()


def test_thirds_wait_for_their_folds_and_then_for_their_own(paths: AtlasPaths) -> None:
    hard, easy, again = submit(
        paths, run_spec("mnli@hardest"), run_spec("mnli@easiest"), run_spec("mnli@hardest", target="pawsx")
    )
    known = Trainings(paths)
    folds = known.in_progress([hard])
    assert folds == {known.next_of(easy)} == {known.next_of(again)}
    report(paths, hard, "mnli@hardest")
    own = known.in_progress([hard])
    assert own == {known.next_of(again)} and own != folds
    assert known.next_of(easy) not in own


def test_a_profile_is_at_one_of_its_stages(paths: AtlasPaths) -> None:
    many, first, second = submit(
        paths, profile(ProfileKind.ENCODER, "mnli", "qqp"), run_spec("mnli"), run_spec("qqp")
    )  # fmt: skip
    known = Trainings(paths)
    assert known.in_progress([many]) == {known.next_of(first)}
    report(paths, many, "qqp")  # the first could not be measured, so it was passed over
    assert known.in_progress([many]) == {known.next_of(second)}
    paths.stage("qqp").mkdir(parents=True)
    assert known.in_progress([many]) == set()


def test_a_stage_is_not_taken_for_the_folds_of_its_thirds(paths: AtlasPaths) -> None:
    """A profile of a task and of its hardest third: the folds are trained after the task, and bear its name."""
    both, whole, third = submit(
        paths, profile(ProfileKind.ENCODER, "mnli", "mnli@hardest"), run_spec("mnli"), run_spec("mnli@hardest")
    )
    known = Trainings(paths)
    report(paths, both, "mnli")
    assert known.in_progress([both]) == {known.next_of(whole)}
    paths.stage("mnli").mkdir(parents=True)
    assert known.in_progress([both]) == {known.next_of(third)} != {None}


def test_a_spec_that_is_damaged_where_no_list_looks_stops_nobody(paths: AtlasPaths) -> None:
    """It is started like any other: its worker says what is wrong with it."""
    broken, other = submit(paths, profile(ProfileKind.ENCODER, "mnli"), run_spec("mnli"))
    file = paths.job(broken.run_id).spec
    file.write_text(json.dumps(json.loads(file.read_text()) | {"intermediates": ["mnli@@"]}))
    known = Trainings(paths)
    assert known.next_of(broken) is None and known.next_of(other) is not None
    assert known.in_progress([broken]) == set()


# ------------------------------------------------------------------------------------------- with real processes


def stages(paths: AtlasPaths) -> list[str]:
    return read(paths.home / "stages.txt")


def grid(*intermediates: str | None) -> list[RunSpec]:
    """Two runs of each, one after the other, as a grid is where a target is asked for after the other."""
    return [run_spec(name, target=target) for name, target in product(intermediates, ("xnli", "pawsx"))]


def test_a_grid_trains_each_stage_once_and_nobody_waits_for_another(paths: AtlasPaths) -> None:
    (paths.home / "fake.txt").write_text("stage=2")
    first, _, other, _ = specs = grid("mnli", "qqp")
    LocalBackend(paths).submit(specs)
    LocalBackend(paths, options=OPTIONS).wake()
    wait_for(lambda: states(paths) == {JobState.DONE})
    assert set(starts(paths)[:2]) == {first.run_id, other.run_id}, "the second needs what the first trains"
    assert sorted(stages(paths)) == ["found mnli", "found qqp", "trained mnli", "trained qqp"]


def test_a_slot_takes_all_other_work_while_a_stage_is_trained(paths: AtlasPaths) -> None:
    (paths.home / "fake.txt").write_text("stage=3")
    first, _, *baselines = specs = grid("mnli", None)
    LocalBackend(paths).submit(specs)
    LocalBackend(paths, options=OPTIONS).wake()
    wait_for(lambda: states(paths) == {JobState.DONE})
    assert set(starts(paths)[:3]) == {run.run_id for run in (first, *baselines)}
    assert stages(paths) == ["trained mnli", "found mnli"]


def test_a_job_that_dies_with_a_stage_lets_the_others_go_on(paths: AtlasPaths) -> None:
    (paths.home / "fake.txt").write_text("stage=1 once=crash")
    first, same, *_ = specs = grid("mnli", None)
    LocalBackend(paths).submit(specs)
    LocalBackend(paths, options=OPTIONS).wake()
    wait_for(lambda: states(paths) == {JobState.DONE})
    assert starts(paths).count(first.run_id) == 2
    assert stages(paths) == ["trained mnli", "trained mnli", "found mnli"]
    assert starts(paths)[-1] == same.run_id
