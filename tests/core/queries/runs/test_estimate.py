"""Estimates: counts worked by hand, times from what stages took where there are any, and how often they hold."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from core.events import DataLoaded, Event, StageFinished, StageStarted, StepLogged
from core.paths import AtlasPaths
from core.queries.runs.estimate import StudyEstimate, chain_of, estimate, time_left
from core.queries.runs.pace import (
    GUESSED_M_EXAMPLES_PER_S,
    GUESSED_START_S,
    Machine,
    Pace,
    StageTime,
    Times,
    measured,
    sizes_found,
)
from core.queries.runs.slots import Piece, end_times
from core.spec.run import DataSource, DataSourceKind, IntermediateSpec, RunSpec, StudySpec
from core.store.connection import Store
from core.store.gallery import FAMILIES, MEASURED, Collection, load_family
from core.store.ingest import ingest
from tests.makers.folders import MODEL, PROTOCOL, SAMPLE, history, run_spec, scored, task, write_run

ONE = Machine(("cpu",), threads=1)


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


def of(wanted: StudySpec, *, machine: Machine = ONE, paths: AtlasPaths | None = None) -> StudyEstimate:
    with Store.open(":memory:") as store:
        if paths:
            ingest(store, paths)
        with store.cursor() as cur:
            return estimate(cur, wanted, machine=machine)


def loaded(name: str, role: str, n: int, *, lang: str = "en") -> Event:
    return DataLoaded(task=name, role=role, lang=lang, split="s", n=n, n_available=n, fingerprint="f", revision=None)  # type: ignore[arg-type]  # pydantic checks the role


def test_reuse_saves_trainings() -> None:
    found = of(study(intermediates=9, targets=7, seeds=5))
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
    found = of(plain.model_copy(update={"intermediates": thirds}))
    # Three intermediate stages, 2 x (3 + 1) target stages, and two folds that all of them share.
    assert found.n_trainings == 3 + 8 + 2


def test_near_and_far_thirds_cost_one_embedding_of_the_pool() -> None:
    plain = study(intermediates=1, targets=1, seeds=1)
    by_bits, near, both = (
        of(plain.model_copy(update={"intermediates": tuple(IntermediateSpec.parse(name) for name in names)}))
        for names in (("i0@easiest",), ("i0@near:t0",), ("i0@near:t0", "i0@far:t0"))
    )
    assert (near.n_trainings, near.n_evaluations) == (by_bits.n_trainings, by_bits.n_evaluations)
    # A pool of 3 x 1,000 and 1,000 texts of the target, forward alone, a quarter of ten million parameters.
    embedding = (3000 + 1000) / 3 * 2.5 / GUESSED_M_EXAMPLES_PER_S["cpu"][1]
    assert near.seconds_low - by_bits.seconds_low == pytest.approx(embedding)
    # Far costs a start, its own stage, a target and an evaluation more: no second embedding and no fold.
    own = 1000 + 500 + 2 * 4 * 2000 / 3 + 3 * 100 / 3
    more = GUESSED_START_S[0] + own * 2.5 / GUESSED_M_EXAMPLES_PER_S["cpu"][1]
    assert both.seconds_low - near.seconds_low == pytest.approx(more)


def test_a_model_that_was_never_measured_is_guessed_from_its_parameters() -> None:
    small = study(intermediates=0, targets=1, seeds=1)
    # Target 500 examples, its development set four times at a third, three languages of 100 test examples at a third.
    work = 500 + 4 * 2000 / 3 + 3 * 100 / 3
    slow, fast = GUESSED_M_EXAMPLES_PER_S["cpu"]
    one, four, gpu = (of(small, machine=m) for m in (ONE, Machine(("cpu",), 4), Machine(("cuda:0",))))
    # Ten million parameters, of which a quarter to all are multiplied with.
    assert one.seconds_low == pytest.approx(GUESSED_START_S[0] + work * 2.5 / fast)
    assert one.seconds_high == pytest.approx(GUESSED_START_S[1] + work * 10 / slow)
    # Four threads are four times as fast at best, 4^0.3 times at worst.
    assert four.seconds_low == pytest.approx(GUESSED_START_S[0] + work * 2.5 / fast / 4)
    assert four.seconds_high == pytest.approx(GUESSED_START_S[1] + work * 10 / slow / 4**0.3)
    assert gpu.seconds_high == pytest.approx(
        GUESSED_START_S[1] + work * 10 / GUESSED_M_EXAMPLES_PER_S["cuda"][0]
    )  # whatever its number of threads
    known = small.model_copy(update={"models": (MODEL.model_copy(update={"name": "xlm-r-base"}),)})
    assert of(known).seconds_high == pytest.approx(GUESSED_START_S[1] + work * 85 / slow)


def _write(paths: AtlasPaths, *, seed: int, took: float, target: str = "t0") -> RunSpec:
    """A run of 500 examples in 16 steps of 32, whose stages took so long, the evaluation a tenth of it, start 3 s."""
    spec = run_spec(target=target, seed=seed)
    events = history(spec, [scored(lang, 0.5) for lang in ("en", "de")], steps=16)
    sizes = [loaded(target, "train", 500), *(loaded(target, "test", 100, lang=lang) for lang in ("en", "de"))]
    timed: list[Event] = []
    for event in events:
        if isinstance(event, StageFinished):
            seconds = took / 10 if event.kind == "evaluation" else took
            timed.append(event.model_copy(update={"seconds": seconds}))
        else:
            timed.append(event)
    timed[-1] = timed[-1].model_copy(update={"seconds": 1.1 * took + 3})
    write_run(paths, spec, [timed[0], *sizes, *timed[1:]])
    return spec


def test_times_are_what_such_stages_took(tmp_path: Path) -> None:
    paths = AtlasPaths(home=tmp_path)
    for seed in range(100, 150):
        _write(paths, seed=seed, took=float(seed))
    found = of(study(intermediates=0, targets=1, seeds=1), paths=paths)
    # The middle nine tenths of 100, 101 … 149: nearly from 102.4 to 146.6 for 512 + 4 x 2000 / 3 examples, of which
    # the run has 500; and as much for the test sets of the two languages that the data have, not the three of the spec.
    share = (500 + 8000 / 3) / (512 + 8000 / 3)
    assert found.seconds_low == pytest.approx(102.4 * (share + 0.1) + 3, rel=0.002)
    assert found.seconds_high == pytest.approx(146.6 * (share + 0.1) + 3, rel=0.002)
    assert found.n_evaluations == 2
    said = "The estimate is from 100 earlier trainings and scorings on cpu; its range holds nine of ten such times."
    assert found.basis == said
    gpu = of(study(intermediates=0, targets=1, seeds=1), machine=Machine(("cuda:0",)), paths=paths)
    assert "Nothing was measured on cuda" in gpu.basis


def test_slots_divide_the_time_whatever_they_are_called(tmp_path: Path) -> None:
    paths = AtlasPaths(home=tmp_path)
    for seed in range(100, 150):
        _write(paths, seed=seed, took=float(seed))
    wanted = study(intermediates=0, targets=1, seeds=4)
    one = of(wanted, paths=paths)
    two = of(wanted, machine=Machine(("cpu:0", "cpu:1")), paths=paths)
    many = of(wanted, machine=Machine(tuple(f"cpu:{i}" for i in range(9))), paths=paths)
    assert two.seconds_high == pytest.approx(one.seconds_high / 2)
    assert many.seconds_high == pytest.approx(one.seconds_high / 4)  # no run is faster for free slots
    assert {e.basis for e in (one, two, many)} == {one.basis}


def test_finished_runs_and_stages_that_are_there_cost_nothing(tmp_path: Path) -> None:
    paths = AtlasPaths(home=tmp_path)
    wanted = study(intermediates=1, targets=2, seeds=1)
    first = next(run for run in wanted.runs() if run.intermediate and run.target == "t0")
    write_run(paths, first, history(first, [scored("en", 0.5)]))
    with Store.open(":memory:") as store:
        ingest(store, paths)
        with store.cursor() as cur:
            gone = estimate(cur, wanted, machine=ONE)
            there = estimate(cur, wanted, machine=ONE, exists=lambda key: key == "i-i0-0")
            again = estimate(cur, wanted, machine=ONE, exists=lambda _: True, again=True)
    # Two baselines and t1's own run are left; its intermediate is trained where t0's run left none behind.
    assert (gone.n_done, gone.n_trainings, gone.n_trainings_there) == (1, 4, 0)
    assert (there.n_done, there.n_trainings, there.n_trainings_there) == (1, 3, 1)
    assert there.seconds_low < gone.seconds_low and there.disk_bytes < gone.disk_bytes
    assert (again.n_done, again.n_trainings, again.n_trainings_there) == (0, 3, 2)
    for run in wanted.runs():
        if run != first:
            write_run(paths, run, history(run, [scored("en", 0.5)]))
    found = of(wanted, paths=paths)
    assert (found.n_done, found.seconds_high, found.basis) == (4, 0.0, "Everything is done already.")


def test_stages_of_another_task_or_source_speak_where_there_are_none_of_the_same(tmp_path: Path) -> None:
    paths = AtlasPaths(home=tmp_path)
    for seed in (1, 2):
        _write(paths, seed=seed, took=100.0, target="t9")
    same, other = study(intermediates=0, targets=1, seeds=1), study(intermediates=0, targets=1, seeds=1)
    known = same.model_copy(update={"targets": ("t9",), "tasks": (task("t9"),)})
    as_known, as_type = of(known, paths=paths), of(other, paths=paths)
    assert as_type.n_evaluations == 3  # nothing is known of its data
    assert as_type.seconds_high == pytest.approx(as_known.seconds_high, rel=0.1)
    mirror = known.model_copy(update={"data_source": DataSource(kind=DataSourceKind.HUB)})
    far = of(mirror, paths=paths)
    # The laboratory's texts are short: other data take one to three times as long, so 3^0.5 times in the middle.
    few = 1.645 * 0.35 * math.sqrt(1.5)  # half the width of limits from two stages
    wider = math.hypot(few, math.log(3) / 2) - few
    low, high = (math.exp(math.log(3) / 2 + sign * wider) for sign in (-1, 1))
    assert far.seconds_low == pytest.approx(low * as_known.seconds_low, rel=0.1)
    assert far.seconds_high == pytest.approx(high * as_known.seconds_high, rel=0.1)


def test_folds_without_text_and_real_texts_say_little_of_others() -> None:
    def limits(*made: tuple[str, str, float], name: str = "qqp", source: str = "sample") -> tuple[float, float]:
        stages = [
            StageTime(f"r{i}", True, "intermediate", of, "classification", where, 1, 1.0, seconds)
            for i, (of, where, seconds) in enumerate(made)
        ]
        pace = Pace(MODEL, Times(tuple(stages), ()), machine=ONE)
        return pace.stage("intermediate", name, task_type="classification", data_source=source, work=1.0)

    whole = [("mnli", "mirror", 10.0)] * 25
    blank = [("mnli, fold 1 of 2, without input", "mirror", 1.0)] * 25
    assert limits(*whole, *blank, source="mirror") == pytest.approx((10, 10))
    assert limits(*whole, *blank, source="mirror", name="qqp, fold 2 of 2, without input") == pytest.approx((1, 1))
    # Generated sentences are a third as long as real ones, or as long.
    assert limits(*whole) == pytest.approx((10 / 3, 10))


def test_other_threads_and_other_machines_widen_the_limits(tmp_path: Path) -> None:
    paths = AtlasPaths(home=tmp_path)
    for seed in range(30):
        _write(paths, seed=seed, took=100.0)
    with Store.open(":memory:") as store:
        ingest(store, paths)
        with store.write() as cur:
            cur.execute("UPDATE runs SET threads = 1")
        with store.cursor() as cur:
            times = measured(cur, MODEL.name, device="cpu")

    def limits(times: Times, machine: Machine) -> tuple[float, float]:
        pace = Pace(MODEL, times, machine=machine)
        work = times.stages[0].work
        return pace.stage("target", "t0", task_type="classification", data_source="sample", work=work)

    assert limits(times, ONE) == pytest.approx((100, 100))
    # Four threads: 4^0.3 to 4 times as fast as one.
    assert limits(times, Machine(("cpu",), 4)) == pytest.approx((100 / 4, 100 / 4**0.3))
    elsewhere = times._replace(stages=tuple(t._replace(is_own=False) for t in times.stages))
    assert limits(elsewhere, ONE) == pytest.approx((50, 200))
    both = math.hypot(math.log(2), 0.35 * math.log(4))  # of two reasons, not one after the other
    middle = 100 / 4**0.65
    assert limits(elsewhere, Machine(("cpu",), 4)) == pytest.approx((middle / math.exp(both), middle * math.exp(both)))
    # Stages of another model were made here as well, and took three times as long.
    assert limits(elsewhere._replace(here=math.log(3)), ONE) == pytest.approx((300 / 1.3, 300 * 1.3))
    # Two stages of this machine say more than thirty of another.
    mixed = times._replace(stages=(*elsewhere.stages, *(t._replace(seconds=10.0) for t in times.stages[:4:2])))
    low, high = limits(mixed, ONE)
    assert 3 < low < 10 < high < 30


@pytest.mark.parametrize(("n", "said"), [(3, math.log(2)), (1, None)])
def test_equal_stages_tell_how_slow_this_machine_is(tmp_path: Path, n: int, said: float | None) -> None:
    paths = AtlasPaths(home=tmp_path)
    for target in [f"t{i}" for i in range(n)]:
        _write(paths, seed=1, took=100.0, target=target)
        _write(paths, seed=2, took=200.0, target=target)
    with Store.open(":memory:") as store:
        ingest(store, paths)
        with store.write() as cur:
            cur.execute("UPDATE runs SET collection = 'measured' WHERE seed = 1")
        with store.cursor() as cur:
            found = measured(cur, "a model that was never run", device="cpu").here
    assert found == (said if said is None else pytest.approx(said))


def test_a_run_in_progress_goes_on_at_its_own_pace(tmp_path: Path) -> None:
    paths = AtlasPaths(home=tmp_path)
    for seed in range(100, 130):
        _write(paths, seed=seed, took=100.0)
    running, queued = run_spec(target="t0", seed=1), run_spec(target="t0", seed=2)
    whole = history(running, [], steps=16)
    start = next(i for i, event in enumerate(whole) if isinstance(event, StageStarted))
    step = next(event for event in whole if isinstance(event, StepLogged))
    # Eight of 16 steps in 8 s, one line a second: the others take 8 s, the evaluation 10 s as those before.
    events = [*whole[: start + 1], *(step.model_copy(update={"step": n}) for n in range(1, 9))]
    write_run(paths, running, events, finished=False)
    write_run(paths, queued, [], finished=False)
    with Store.open(":memory:") as store:
        ingest(store, paths)
        with store.cursor() as cur:
            one = time_left(cur, [running.run_id, queued.run_id, "unknown"], machine=ONE)
            two = time_left(cur, [running.run_id, queued.run_id], machine=Machine(("cpu:0", "cpu:1")))
    share = (500 + 8000 / 3) / (512 + 8000 / 3)
    assert list(one) == [running.run_id, queued.run_id]
    assert one[running.run_id] == pytest.approx((18, 18), rel=0.01)
    assert one[queued.run_id] == pytest.approx((18 + 3 + 100 * share + 10,) * 2, rel=0.01)
    assert two[queued.run_id] == pytest.approx((3 + 100 * share + 10,) * 2, rel=0.01)


def test_committed_runs_took_what_the_others_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATLAS_GALLERY", raising=False)
    with Store.open(":memory:") as store:
        load_family(store, FAMILIES[0], collection=Collection(MEASURED, AtlasPaths.from_environment().gallery))
        with store.write() as cur:  # as if this machine had made them: the limits are then no wider than their spread
            cur.execute("UPDATE runs SET collection = 'yours'")
        with store.cursor() as cur:
            sql = """
                SELECT r.run_id, r.spec, coalesce(r.threads, json_extract(r.environment, '$.threads')::INTEGER),
                       r.seconds, list(g.kind)
                FROM runs r JOIN stages g USING (run_id) WHERE r.attempts = 1 AND g.state = 'finished'
                GROUP BY ALL ORDER BY r.run_id
            """
            rows = cur.execute(sql).fetchall()[::5]
            times = measured(cur, "atlas-mini", device="cpu")
            names = [name for (name,) in cur.execute("SELECT DISTINCT task FROM splits").fetchall()]
            sizes = {source: sizes_found(cur, names, data_source=source) for source in ("sample", "mirror")}
    held, factors = [], []
    for run_id, text, threads, seconds, made in rows:
        run = RunSpec.model_validate(json.loads(text), strict=False)
        source = str(run.data_source.kind)
        others = Times(
            tuple(stage for stage in times.stages if stage.run_id != run_id),
            tuple(start for start in times.starts if start[0] != run_id),
        )
        pace = Pace(run.model, others, machine=Machine(("cpu",), threads))
        spans = [pace.start()] + [
            pace.stage(part.kind, part.name, task_type=part.task_type, data_source=source, work=part.work)
            for part in chain_of(run_id, run, sizes=sizes[source]).parts
            if part.kind in made
        ]
        low, high = (sum(span[end] for span in spans) for end in (0, 1))
        held.append(low <= seconds <= high)
        factors.append(high / low)
    assert len(held) > 100
    # Nine of ten are meant; runs made on a busier day than the others fall out, as most of the real encoder's are.
    assert np.mean(held) > 0.75 and np.median(factors) < 3


def test_a_job_that_needs_what_another_trains_lets_others_by() -> None:
    shared, free = [Piece(10, "a"), Piece(1)], [Piece(4)]
    # One slot: the stage is trained once: 11, 12 and 16 s.
    assert end_times([shared, shared, free], n_slots=1) == [11, 12, 16]
    # Two: the third job takes the second's turn and ends at 4; the second begins when the stage is there, at 10.
    assert end_times([shared, shared, free], n_slots=2) == [11, 11, 4]
    # Whatever comes next is taken until then, and the first slot that is free afterwards is the second job's.
    assert end_times([shared, shared, [Piece(9, "b")], free, free], n_slots=2) == [11, 12, 9, 13, 16]
    # What both need first decides: a job whose stage is there needs the next one.
    assert end_times([[Piece(2, "a"), Piece(8, "b")], [Piece(2, "a"), Piece(3, "c")], free], n_slots=2) == [10, 7, 4]
    assert end_times([shared, shared], n_slots=2) == [11, 11]
    assert end_times([], n_slots=2) == []
