"""The stage graph as job arrays: what is shared is a task, and who shares it waits for the task of its own number."""

from __future__ import annotations

from core.jobs.slurm.arrays import Array, LiveStage, Task, arrays, ranges
from core.spec.sharing import SharedTraining, trained_by
from tests.makers.folders import run_spec


def needs(*shared: str | None) -> dict[str, tuple[SharedTraining, ...]]:
    """Jobs `0`, `1` … with what each trains before its target: `a`, or the folds and the third `f/a`."""
    return {
        str(i): tuple(SharedTraining(what, what) for what in (name or "").split("/") if what)
        for i, name in enumerate(shared)
    }


def drawn(found: list[Array]) -> list[tuple[int | str | None, list[str]]]:
    """What each array waits for, and its tasks as `number:job` or `number:stage[jobs]`."""
    return [(array.waits_for, [_drawn(task) for task in array.tasks]) for array in found]


def _drawn(task: Task) -> str:
    return f"{task.index}:{task.stage}[{''.join(task.jobs)}]" if task.stage else f"{task.index}:{task.jobs[0]}"


def test_a_shared_stage_is_trained_once_and_its_runs_wait_for_it_alone() -> None:
    # Two intermediates of two and three targets, a run whose intermediate nobody shares, and a baseline.
    found = drawn(arrays(needs("a", "a", "b", "b", "b", "c", None), live={}, size=100))
    assert found == [
        (None, ["0:a[01]", "1:b[234]", "2:6", "3:5"]),
        (0, ["0:0", "1:2"]),
        (0, ["0:1", "1:3"]),
        (0, ["1:4"]),
    ]


def test_calls_of_sbatch_do_not_grow_with_runs_and_no_array_is_too_large() -> None:
    many = [f"stage {i % 300}" for i in range(3000)]
    found = arrays(needs(*many), live={}, size=1000)
    assert len(found) == 1 + 10
    found = arrays(needs(*many), live={}, size=100)
    assert len(found) == 3 + 3 * 10 and max(len(array.tasks) for array in found) == 100
    for array in found:
        assert [task.index for task in array.tasks] == list(range(100))
        if array.waits_for is not None:
            assert isinstance(array.waits_for, int)
            before = found[array.waits_for].tasks
            assert all(task.jobs[0] in before[task.index].jobs for task in array.tasks)
    done = [task.jobs[0] for array in found for task in array.tasks if task.stage is None]
    assert sorted(done) == sorted(needs(*many))


def test_a_stage_that_slurm_trains_already_is_waited_for_and_not_trained_again() -> None:
    found = drawn(arrays(needs("a", "b", "b"), live={"a": LiveStage("77", 5)}, size=100))
    assert found == [(None, ["0:b[12]"]), (0, ["0:1"]), (0, ["0:2"]), ("77", ["5:0"])]


def test_thirds_of_a_task_wait_for_the_first_of_them_which_trains_the_folds_of_all() -> None:
    found = drawn(arrays(needs("f/hard", "f/hard", "f/easy"), live={}, size=100))
    assert found == [(None, ["0:hard[01]"]), (0, ["0:0"]), (0, ["0:1"]), (0, ["0:2"])]


def test_every_job_is_there_once_whatever_is_shared() -> None:
    specs = [
        run_spec(name, target=target, seed=seed)
        for name in (None, "mnli", "mnli@hardest", "mnli@easiest", "qqp")
        for target in ("xnli", "pawsx", "xcopa")
        for seed in (1, 2)
    ]
    found = arrays({spec.run_id: trained_by(spec) for spec in specs}, live={}, size=4)
    tasks = [task for array in found for task in array.tasks]
    assert sorted(t.jobs[0] for t in tasks if t.stage is None) == sorted(spec.run_id for spec in specs)
    stages = [t.stage for t in tasks if t.stage]
    assert len(stages) == len(set(stages)) == 2 * 4, "four intermediates of two seeds"
    for place, array in enumerate(found):
        assert array.waits_for is None or (isinstance(array.waits_for, int) and array.waits_for < place)
        assert len(array.tasks) <= 4


def test_numbers_are_written_as_sbatch_reads_them() -> None:
    assert ranges([0, 1, 2, 5, 7, 8]) == "0-2,5,7-8"
    assert ranges([3]) == "3"
