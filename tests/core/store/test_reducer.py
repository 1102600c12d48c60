"""Events reduced to rows: what later facts supersede, what markers decide, what a folder without a queue says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from core.events import (
    DataLoaded,
    DevScored,
    Event,
    Flagged,
    LanguageSkipped,
    PlannedStage,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunPlanned,
    RunStarted,
    StageFinished,
    StageReused,
    StageStarted,
    StepLogged,
)
from core.paths import AtlasPaths, RunPaths
from core.spec.task import Metric
from core.store.reducer import reduce_run
from tests.makers.folders import history, lines, run_spec, scored, write_run

SPEC = run_spec("mnli")
STARTED, PLANNED = history(SPEC, [])[:2]
KEY = f"t-{SPEC.run_id}"
STAGE = StageStarted(key=KEY, kind="target", name="xnli", task_type="classification", total_steps=40)


@pytest.fixture
def paths(tmp_path: Path) -> AtlasPaths:
    return AtlasPaths(home=tmp_path)


def write(paths: AtlasPaths, events: Sequence[Event], *, finished: bool = False) -> RunPaths:
    return write_run(paths, SPEC, events, finished=finished)


StageKind = Literal["intermediate", "target", "evaluation"]


def _plan(*keys: str, code: int | None = None) -> RunPlanned:
    kinds: list[StageKind] = ["intermediate", "target", "evaluation"]
    stages = [
        PlannedStage(key=key, kind=kind, name="x", parent=None, is_done=False, code=code)
        for key, kind in zip(keys, kinds, strict=True)
    ]
    return RunPlanned(stages=tuple(stages))


def _trained(key: str, kind: StageKind) -> Sequence[Event]:
    return (
        StageStarted(key=key, kind=kind, name="x", task_type="classification", total_steps=2),
        DevScored(key=key, step=2, metric=Metric.ACCURACY, score=0.5, n=10),
        StageFinished(key=key, kind=kind, name="x", seconds=1.0, best_step=2),
    )


def _loaded(role: Literal["train", "test"], fingerprint: str) -> DataLoaded:
    return DataLoaded(
        task="xnli", role=role, lang="en", split=role, n=10, n_available=10, fingerprint=fingerprint, revision=None
    )


def step(number: int, *, loss: float = 1.0) -> StepLogged:
    return StepLogged(key=KEY, step=number, loss=loss, learning_rate=1e-5, examples_per_s=10)


def test_a_folder_without_a_queue_has_its_events_alone(paths: AtlasPaths) -> None:
    run = write(paths, history(SPEC, [scored("en", 0.5)]))
    run.job.unlink()
    row = reduce_run(run).run
    assert (row["outcome"], row["study"], row["submitted_at"]) == ("finished", None, None)


def test_a_queued_run_has_no_outcome_until_a_marker_says_so(paths: AtlasPaths) -> None:
    """Its events say finished, but the process has not written its marker: it may still be writing tables."""
    run = write(paths, history(SPEC, [scored("en", 0.5)]))
    row = reduce_run(run).run
    assert (row["outcome"], row["finished_at"]) == (None, None)
    run.finished.write_text("{}")
    row = reduce_run(run).run
    assert row["outcome"] == "finished" and row["finished_at"] is not None


@pytest.mark.parametrize(
    ("markers", "outcome"),
    [("finished cancel failed", "finished"), ("cancel failed", "cancelled"), ("failed", "failed")],
)
def test_which_marker_decides(paths: AtlasPaths, markers: str, outcome: str) -> None:
    run = write(paths, [STARTED, PLANNED, STAGE, RunFailed(error="OutOfMemory", message="try 8", traceback="")])
    for marker in (run.finished, run.cancel, run.failed):
        if marker.stem in markers.split():
            marker.write_text('{"error": "JobLost", "message": "of the marker"}')
    row = reduce_run(run).run
    failed = outcome == "failed"
    assert row["outcome"] == outcome
    assert (row["error"], row["message"]) == (("OutOfMemory", "try 8") if failed else (None, None))


def test_the_marker_speaks_where_the_events_do_not(paths: AtlasPaths) -> None:
    run = write(paths, [STARTED, PLANNED, STAGE])
    run.failed.write_text('{"error": "JobLost", "message": "its process vanished"}')
    row = reduce_run(run).run
    assert (row["error"], row["message"]) == ("JobLost", "its process vanished")


def test_the_last_line_counts_when_it_is_whole(paths: AtlasPaths) -> None:
    run = write(paths, [STARTED, PLANNED, STAGE, step(5)])
    whole = run.events.read_bytes()
    assert reduce_run(run).size == len(whole)
    run.events.write_bytes(whole + b'{"seq": 4, "ti')
    torn = reduce_run(run)
    assert torn.size == len(whole)
    assert [row["step"] for row in torn.rows("steps")] == [5]


def test_steps_after_the_checkpoint_are_taken_again_and_those_of_other_stages_stay(paths: AtlasPaths) -> None:
    other = StepLogged(key="other", step=30, loss=1, learning_rate=1e-5, examples_per_s=1)
    scores = [DevScored(key=KEY, step=n, metric=Metric.ACCURACY, score=0.5, n=9) for n in (10, 20)]
    again = STAGE.model_copy(update={"resumed_at": 10})
    used = step(10).model_copy(update={"memory_mb": 700.0, "cores": 0.9})
    run = write(paths, [STARTED, PLANNED, other, STAGE, used, step(11), *scores, again])
    found = reduce_run(run)
    assert {(row["key"], row["step"]) for row in found.rows("steps")} == {("other", 30), (KEY, 10)}
    assert [row["step"] for row in found.rows("dev_scores")] == [10]
    # An event of an earlier version says nothing of what was in use.
    in_use = {row["key"]: (row["memory_mb"], row["cores"]) for row in found.rows("steps")}
    assert in_use == {"other": (None, None), KEY: (700.0, 0.9)}
    assert found.stages[KEY]["step"] == 10 and found.stages[KEY]["state"] == "running"


def test_a_stage_is_where_its_last_step_was_and_planned_again_when_its_attempt_ends(paths: AtlasPaths) -> None:
    run = write(paths, [STARTED, PLANNED, STAGE, step(7)])
    assert reduce_run(run).stages[KEY]["step"] == 7
    assert reduce_run(run).stages[KEY]["state"] == "running"
    run.events.write_text(lines([STARTED, PLANNED, STAGE, step(7), PLANNED]))
    assert reduce_run(run).stages[KEY]["state"] == "planned", "a new plan: nothing runs yet"
    run.events.write_text(lines([STARTED, PLANNED, STAGE, step(7), RunCancelled()]))
    assert reduce_run(run).stages[KEY]["state"] == "planned"


def test_a_stage_that_this_run_finished_stays_finished_and_another_is_reused(paths: AtlasPaths) -> None:
    reused = [StageReused(key=key, kind="target", name="xnli") for key in (KEY, "of-another-run")]
    done = StageFinished(key=KEY, kind="target", name="xnli", seconds=12.5, best_step=30, peak_memory_mb=99)
    run = write(paths, [STARTED, PLANNED, STAGE, done, *reused])
    stages = reduce_run(run).stages
    assert stages[KEY]["state"] == "finished" and stages["of-another-run"]["state"] == "reused"
    assert (stages[KEY]["seconds"], stages[KEY]["best_step"], stages[KEY]["peak_memory_mb"]) == (12.5, 30, 99)
    assert stages["of-another-run"]["seconds"] is None, "nothing was spent here"
    assert [row["position"] for row in stages.values()] == [0, 1, 2, 3], "a stage beyond the plan comes last"


def test_time_is_counted_per_attempt_and_by_the_end_where_it_was_said(paths: AtlasPaths) -> None:
    """Lines are a second apart: an attempt of lines 0 to 3 that said no goodbye, then one that says 100 s."""
    second = RunStarted(run_id=SPEC.run_id, attempt=2, device="cuda:0", pid=2)
    run = write(paths, [STARTED, PLANNED, STAGE, second, RunFinished(seconds=100)], finished=True)
    row = reduce_run(run).run
    # The first attempt ends with the line that begins the second: 3 s.
    assert row["seconds"] == 103
    assert (row["attempts"], row["device"]) == (2, "cuda:0")
    assert row["started_at"].second == 0, "when it first began"
    assert row["finished_at"].second == 4


def test_a_clock_that_was_turned_back_takes_no_time_away(paths: AtlasPaths) -> None:
    run = write(paths, [STARTED, PLANNED, STAGE, step(1)])
    run.events.write_text(
        run.events.read_text().replace("00:00:03", "00:00:00").replace("00:00:00.000Z", "00:00:02Z", 1)
    )
    tables = reduce_run(run)
    assert tables.run["seconds"] == 0 and tables.stages[KEY]["seconds"] == 0


def test_an_attempt_counts_once_more_however_it_is_numbered(paths: AtlasPaths) -> None:
    again = [STARTED, STARTED, STARTED]  # each says attempt 1, as workers that were started by hand do
    assert reduce_run(write(paths, again)).run["attempts"] == 3
    late = write_run(AtlasPaths(home=paths.home / "b"), SPEC, [STARTED.model_copy(update={"attempt": 3})])
    assert reduce_run(late).run["attempts"] == 3, "attempts that left no line count too"


def test_another_plan_leaves_nothing_of_the_attempts_before_it(paths: AtlasPaths) -> None:
    """A run that is retried by newer code, or on data that have changed, trains other stages."""
    evaluation = StageStarted(key="e", kind="evaluation", name="xnli", task_type="classification", total_steps=3)
    old_flag, new_flag = Flagged(flag="overlap", message="old"), Flagged(flag="overlap", message="new")
    before = [
        *(STARTED, _loaded("train", "a"), _loaded("test", "a"), old_flag, _plan("i", "t", "e")),
        *_trained("i", "intermediate"),
        *_trained("t", "target"),
        *(evaluation, scored("de", 0.5), scored("en", 0.6), LanguageSkipped(lang="sw", reason="none")),
    ]
    again = [STARTED, _loaded("train", "b"), *_trained("fold", "intermediate"), new_flag]
    unplanned = reduce_run(write(paths, [*before, *again]))
    assert set(unplanned.scores) == {("de", "accuracy"), ("en", "accuracy")}, "nothing is known of a new plan yet"

    other = reduce_run(write_run(AtlasPaths(home=paths.home / "b"), SPEC, [*before, *again, _plan("i", "t2", "e2")]))
    assert not other.scores and not other.skips
    assert set(other.stages) == {"i", "fold", "t2", "e2"}
    assert other.stages["i"]["state"] == "finished", "a stage of both plans is what it was"
    assert {row["key"] for row in other.dev_scores.values()} == {"i", "fold"}
    assert [row["fingerprint"] for row in other.splits.values()] == ["b"]
    assert [row["message"] for row in other.flags.values()] == ["new"]

    same = reduce_run(write_run(AtlasPaths(home=paths.home / "c"), SPEC, [*before, *again, _plan("i", "t", "e")]))
    assert set(same.scores) == {("de", "accuracy"), ("en", "accuracy")} and set(same.skips) == {"sw"}
    assert {row["message"] for row in same.flags.values()} == {"old", "new"}


def test_trainings_that_sort_examples_before_the_plan_are_of_its_code(paths: AtlasPaths) -> None:
    """Without a version the run would be taken for one of an earlier program."""
    folds = [*_trained("fold 1", "intermediate"), *_trained("fold 2", "intermediate")]
    planned = reduce_run(write(paths, [STARTED, *folds, _plan("i", "t", "e", code=3)]))
    assert {key: row["code"] for key, row in planned.stages.items()} == dict.fromkeys(
        ("fold 1", "fold 2", "i", "t", "e"), 3
    )


def test_a_language_has_a_score_or_a_reason_whichever_came_last(paths: AtlasPaths) -> None:
    skip = LanguageSkipped(lang="de", reason="no test split")
    facts = [scored("de", 0.5), scored("de", 0.4, metric=Metric.F1), scored("en", 0.6)]
    first = reduce_run(write(paths, [STARTED, PLANNED, *facts, skip]))
    assert set(first.scores) == {("en", "accuracy")} and set(first.skips) == {"de"}
    second = reduce_run(write_run(AtlasPaths(home=paths.home / "b"), SPEC, [STARTED, PLANNED, skip, *facts]))
    assert set(second.scores) == {("de", "accuracy"), ("de", "f1"), ("en", "accuracy")} and not second.skips


def test_an_evaluation_is_as_far_as_the_languages_it_has_scored_or_skipped(paths: AtlasPaths) -> None:
    evaluation = StageStarted(key="e", kind="evaluation", name="xnli", task_type="classification", total_steps=3)
    facts = [scored("de", 0.5), scored("de", 0.4, metric=Metric.F1), LanguageSkipped(lang="sw", reason="none")]
    found = reduce_run(write(paths, [STARTED, evaluation, *facts]))
    assert found.stages["e"]["step"] == 2
    training = reduce_run(write_run(AtlasPaths(home=paths.home / "b"), SPEC, [STARTED, STAGE, step(7), *facts]))
    assert training.stages[KEY]["step"] == 7, "languages are no steps of a training"


def test_a_remark_that_is_made_twice_is_one(paths: AtlasPaths) -> None:
    remarks = [Flagged(flag="x", message=text) for text in ("a", "b", "a")]
    assert [row["message"] for row in reduce_run(write(paths, [STARTED, *remarks])).rows("flags")] == ["a", "b"]


def test_what_the_queue_says_of_a_run(paths: AtlasPaths) -> None:
    run = write(paths, [STARTED])
    job = json.loads(run.job.read_text()) | {"study": "mine"}
    run.job.write_text(json.dumps(job))
    row = reduce_run(run).run
    assert row["study"] == "mine" and row["submitted_at"].year == 2026
    assert (row["collection"], row["intermediate"], row["chance"]) == ("yours", "mnli", 0.5)
