"""Estimates: counts worked by hand, speeds from the store where there are any."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.paths import AtlasPaths
from core.queries.runs.estimate import estimate
from core.spec.run import IntermediateSpec, StudySpec
from core.store.connection import Store
from core.store.ingest import ingest
from tests.core.store.makers import MODEL, PROTOCOL, SAMPLE, history, run_spec, scored, task, write_run


def study(*, intermediates: int, targets: int, seeds: int) -> StudySpec:
    tasks = [f"t{i}" for i in range(targets)]
    between = [f"i{i}" for i in range(intermediates)]
    return StudySpec(
        name="s",
        models=(MODEL,),
        intermediates=tuple(IntermediateSpec.parse(name) for name in between),
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
