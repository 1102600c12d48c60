"""Estimates: counts worked by hand, speeds from the store where there are any."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.paths import AtlasPaths
from core.queries.runs.estimate import estimate
from core.spec.run import IntermediateSpec, StudySpec
from core.store.connection import Store
from core.store.ingest import ingest
from tests.makers.folders import MODEL, PROTOCOL, SAMPLE, history, run_spec, scored, task, write_run


def study(*, intermediates: int, targets: int, seeds: int) -> StudySpec:
    tasks = [f"t{i}" for i in range(targets)]
    between = [f"i{i}" for i in range(intermediates)]
    return StudySpec(
        name="s",
        models=(MODEL,),
        intermediates=tuple(IntermediateSpec.parse(name) for name in between) or (None,),
        targets=tuple(tasks),
        seeds=tuple(range(seeds)),
        protocol=PROTOCOL,
        data_source=SAMPLE,
        tasks=tuple(task(name) for name in sorted(tasks + between)),
    )


def test_reuse_saves_trainings() -> None:
    with Store.open(":memory:") as store, store.cursor() as cur:
        found = estimate(cur, study(intermediates=9, targets=7, seeds=5))
    # 9 x 7 x 5 = 315 runs and 35 baselines; 9 x 5 = 45 intermediate stages + 350 target stages;
    # without reuse 2 x 315 + 35.
    assert (found.n_runs, found.n_trainings, found.n_trainings_without_reuse) == (350, 395, 665)
    assert found.n_evaluations == 350 * 3
    # 10 M weights of 4 bytes for each of 395 stages, and a checkpoint of three times that.
    assert found.disk_bytes == (395 + 3) * 40_000_000
    assert "guessed from the number of parameters" in found.basis


def test_thirds_cost_their_folds_once() -> None:
    plain = study(intermediates=1, targets=2, seeds=1)
    thirds = tuple(IntermediateSpec.parse(name) for name in ("i0@easiest", "i0@hardest", "i0~shuffled@hardest"))
    with Store.open(":memory:") as store, store.cursor() as cur:
        found = estimate(cur, plain.model_copy(update={"intermediates": thirds}))
    # Three intermediate stages, 2 x (3 + 1) target stages, and two folds that all of them share.
    assert found.n_trainings == 3 + 8 + 2


def test_measured_speeds_replace_the_guess_and_done_runs_cost_nothing(tmp_path: Path) -> None:
    paths = AtlasPaths(home=tmp_path)
    spec = run_spec(target="t0", seed=7)
    write_run(paths, spec, history(spec, [scored("en", 0.5)], speed=100.0))
    small = study(intermediates=1, targets=1, seeds=1)
    with Store.open(":memory:") as store:
        ingest(store, paths)
        with store.cursor() as cur:
            found = estimate(cur, small)
    # Intermediate 1000 + 4 x 2000 / 3; target 500 + 4 x 2000 / 3, twice (baseline too); test 3 x 100 / 3, twice.
    seconds = (1000 + 2 * 500 + 3 * 8000 / 3 + 2 * 100) / 100.0
    assert found.seconds_low == found.seconds_high == pytest.approx(seconds)
    assert "measured on 1 earlier stages" in found.basis
    for run in small.runs():
        write_run(paths, run, history(run, [scored("en", 0.5)]))
    with Store.open(":memory:") as store:
        ingest(store, paths)
        with store.cursor() as cur:
            found = estimate(cur, small)
    assert (found.n_done, found.n_trainings, found.seconds_high, found.basis) == (
        2,
        0,
        0.0,
        "Everything is done already.",
    )


def test_guessed_speeds_are_those_of_the_parameters_and_evaluation_is_a_third_of_the_work() -> None:
    small = study(intermediates=0, targets=1, seeds=1)
    with Store.open(":memory:") as store, store.cursor() as cur:
        found = estimate(cur, small)
        on_gpu = estimate(cur, small, device="cuda")
    # Target 500 examples, its development set four times at a third, three languages of 100 test examples at a third.
    work = 500 + 4 * 2000 / 3 + 3 * 100 / 3
    # 500 to 5,000 (cuda: 40,000 to 600,000) examples a second times a million parameters, of which there are ten.
    assert found.seconds_high == pytest.approx(work / (500 / 10))
    assert found.seconds_low == pytest.approx(work / (5_000 / 10))
    assert on_gpu.seconds_high == pytest.approx(work / (40_000 / 10))
    assert on_gpu.seconds_low == pytest.approx(work / (600_000 / 10))


def test_a_task_made_of_parts_is_as_large_as_they_are_together() -> None:
    known = study(intermediates=0, targets=1, seeds=1)
    (own,) = known.tasks
    parts = tuple(task(name, examples=n) for name, n in (("pa", 100), ("pb", 40)))
    whole = own.model_copy(update={"train_examples": None, "parts": ("pa", "pb"), "train": None})
    with Store.open(":memory:") as store, store.cursor() as cur:
        found = estimate(cur, known.model_copy(update={"tasks": (whole, *parts)}))
        bare = estimate(cur, known)
    # 140 instead of the 500 that the protocol takes at most, at 50 examples a second.
    assert bare.seconds_high - found.seconds_high == pytest.approx((500 - 140) / 50)


def test_unknown_sizes_take_the_stated_guesses() -> None:
    known = study(intermediates=0, targets=1, seeds=1)
    free = PROTOCOL.model_copy(
        update={
            "max_test_examples": None,
            "target": PROTOCOL.target.model_copy(update={"max_train_examples": None}),
        }
    )
    (own,) = known.tasks
    nameless = own.model_copy(update={"train_examples": None, "test_examples": None})
    guessed = known.model_copy(update={"protocol": free, "tasks": (nameless,)})
    told = known.model_copy(update={"protocol": free})
    with Store.open(":memory:") as store, store.cursor() as cur:
        unknown, exact = estimate(cur, guessed), estimate(cur, told)
    # 50,000 training and 2,000 test examples a language, where the task says 5,000 and 1,000.
    assert unknown.seconds_high == pytest.approx((50_000 + 4 * 2000 / 3 + 3 * 2000 / 3) / 50)
    assert exact.seconds_high == pytest.approx((5_000 + 4 * 2000 / 3 + 3 * 1000 / 3) / 50)


def test_retrieval_is_counted_with_its_whole_pool() -> None:
    known = study(intermediates=0, targets=1, seeds=1)
    (own,) = known.tasks
    pool = own.model_copy(update={"type": "retrieval", "train": None, "test_examples": 1_000})
    known = known.model_copy(update={"tasks": (pool,)})
    with Store.open(":memory:") as store, store.cursor() as cur:
        found = estimate(cur, known)
    # 3 languages with all of their 1,000 sentences, at a third of the work of a training, 50 examples a second.
    assert PROTOCOL.max_test_examples is not None and PROTOCOL.max_test_examples < 1_000
    assert found.seconds_high == pytest.approx(3 * 1_000 / 3 / 50)


def test_the_middle_half_of_the_stages_of_the_same_type_on_the_same_device_sets_the_speed(tmp_path: Path) -> None:
    paths = AtlasPaths(home=tmp_path)
    for seed, speed in enumerate((10.0, 20.0, 30.0, 40.0, 50.0)):
        spec = run_spec(target="t9", seed=seed)
        write_run(paths, spec, history(spec, [scored("en", 0.5)], speed=speed))
    small = study(intermediates=0, targets=1, seeds=1)
    work = 500 + 4 * 2000 / 3 + 3 * 100 / 3
    with Store.open(":memory:") as store:
        ingest(store, paths)
        with store.cursor() as cur:
            found, on_gpu = estimate(cur, small), estimate(cur, small, device="cuda")
        with store.write() as cur:  # stages of another type speak where there are none of the same
            cur.execute("UPDATE stages SET task_type = 'tagging' WHERE run_id <> ?", [run_spec(target="t9").run_id])
        with store.cursor() as cur:
            same = estimate(cur, small)
        with store.write() as cur:
            cur.execute("UPDATE stages SET task_type = 'tagging'")
        with store.cursor() as cur:
            others = estimate(cur, small)
    assert (found.seconds_high, found.seconds_low) == (pytest.approx(work / 20), pytest.approx(work / 40))
    assert "measured on 5 earlier stages" in found.basis
    assert same.seconds_high == same.seconds_low == pytest.approx(work / 20) and "on 1 earlier" in same.basis
    assert others.seconds_high == pytest.approx(work / 20) and "on 5 earlier" in others.basis
    assert "No stage was measured on cuda" in on_gpu.basis
