"""Garbage in any file that is read: the folder is named, all others are answered, and a repaired one heals."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from core.files import read_whole
from core.jobs.folders import job_folders
from core.jobs.records import JobState
from core.jobs.state import derive_state
from core.paths import RunPaths
from core.processes import ProcessRecord
from core.spec.base import run_id_of
from core.spec.ranking import FrozenRanking, RankedIntermediate, SelectorRanking
from core.store.connection import Store
from core.store.exchange.tables import save_gallery
from core.store.ingest import ingest
from core.store.rankings import save_ranking
from tests.core.store.test_gallery import CREDITS, write_predictions
from tests.core.store.test_profiles import _finished, _spec
from tests.makers.folders import history, run_spec, scored, write_run
from tests.makers.garbage import randomly, tries
from tools.faults.garbage import garbled
from tools.faults.home import Home


class Made(NamedTuple):
    """A home with a bit of everything, and an index of it."""

    paths: Home
    store: Store
    bad: RunPaths
    """The run whose files are damaged."""
    profile: RunPaths
    """The profile whose files are."""
    rows: dict[str, list[tuple[object, ...]]]
    """What the index held while all was well."""


TABLES = ("runs", "scores", "credits", "profiles", "similarities", "rankings", "damaged")


def dump(store: Store) -> dict[str, list[tuple[object, ...]]]:
    with store.cursor() as cur:
        return {t: cur.execute(f"SELECT * FROM {t} ORDER BY ALL").fetchall() for t in TABLES}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    paths = Home(home=tmp_path_factory.mktemp("home"))
    for seed in (1, 2, 3):
        spec = run_spec("mnli", seed=seed)
        run = write_run(paths, spec, history(spec, [scored("de", 0.5)]))
        write_predictions(run.predictions, CREDITS[0.5])
        run.environment.write_text('{"precision": "fp32"}')
        run.process.write_text(ProcessRecord(pid=2**22 + 1, started=0.0).model_dump_json())
        run.hold.write_bytes(run.process.read_bytes())
        run.heartbeat.write_text("00000000000000012.000")
    bad = paths.run(run_spec("mnli", seed=2).run_id)
    profile = _finished(paths, _spec(seed=1))
    _finished(paths, _spec(seed=2))
    ranked = SelectorRanking(
        model="tiny", model_fingerprint=None, target="xnli", selector="difficulty", label="d",
        items=(RankedIntermediate(intermediate="mnli", score=1.0),),
    )  # fmt: skip
    for name in ("one", "two"):
        ranking = FrozenRanking(
            ranking_id=name, study=None, frozen_at="2026-01-01T00:00:00.000Z", protocol="quick", protocol_digest="d",
            data_source="sample", seeds=(1,), runs=("a",), n_done=0, rankings=(ranked,),
        )  # fmt: skip
        save_ranking(ranking, paths=paths)
    with Store.open(":memory:") as store:
        ingest(store, paths)
        for folder in (paths.gallery, paths.imported / "ana"):
            save_gallery(store, folder=folder, ids=[bad.run_id, profile.run_id])
        ingest(store, paths)
        rows = dump(store)
        assert rows["damaged"] == [] and len(rows["runs"]) == 5 and len(rows["rankings"]) == 2
        yield Made(paths, store, bad, profile, rows)


def in_turn(file: Path, content: bytes, *, beside: bool) -> None:
    """Another content: in place, or renamed into it as this program does."""
    if beside:
        draft = file.with_name(".draft")
        draft.write_bytes(content)
        draft.replace(file)
    else:
        file.write_bytes(content)


def check(made: Made, file: Path, content: bytes, *, names: set[str]) -> None:
    """Write garbage into a file, look, repair it, look again."""
    original = file.read_bytes()
    in_turn(file, content, beside=True)
    ingest(made.store, made.paths)
    found = dump(made.store)
    named = {str(folder) for folder, _ in found["damaged"]}
    assert named <= names, "nobody else is named"
    assert all(0 < len(str(reason)) < 2000 for _, reason in found["damaged"])
    for table, rows in made.rows.items():
        kept = [row for row in rows if not _is_of(row, names)]
        assert [row for row in found[table] if not _is_of(row, names)] == kept, f"others' rows of {table}"
    run_ids = {row[0] for row in found["runs"]} | named
    assert made.bad.run_id in run_ids, "it is listed or named, never gone"
    states = {run.run_id: derive_state(run).state for run in job_folders(made.paths)}
    assert set(states.values()) <= {JobState.DONE, JobState.DAMAGED} and len(states) == 5
    in_turn(file, original, beside=False)
    ingest(made.store, made.paths)
    after = dump(made.store)
    assert [table for table in TABLES if after[table] != made.rows[table]] == [], "the repaired folder heals"


def _is_of(row: tuple[object, ...], names: set[str]) -> bool:
    return any(isinstance(cell, str) and (cell in names or cell.removesuffix(".json") in names) for cell in row)


usual = tries(4)

RUN_FILES: dict[str, Callable[[RunPaths], Path]] = {
    "spec": lambda run: run.spec,
    "events": lambda run: run.events,
    "job": lambda run: run.job,
    "predictions": lambda run: run.predictions,
    "environment": lambda run: run.environment,
    "process": lambda run: run.process,
    "finished": lambda run: run.finished,
    "heartbeat": lambda run: run.heartbeat,
    "hold": lambda run: run.hold,
}


@pytest.mark.parametrize("name", RUN_FILES)
@usual
@randomly
def test_garbage_in_a_run(made: Made, name: str, rng: Random) -> None:
    file = RUN_FILES[name](made.bad)
    check(made, file, garbled(file.read_bytes(), rng), names={made.bad.run_id})


@pytest.mark.parametrize("name", ["spec.json", "events.jsonl", "similarities.parquet", "finished.json"])
@usual
@randomly
def test_garbage_in_a_profile(made: Made, name: str, rng: Random) -> None:
    file = made.profile.root / name
    check(made, file, garbled(file.read_bytes(), rng), names={made.profile.run_id})


@usual
@randomly
def test_garbage_in_a_ranking(made: Made, rng: Random) -> None:
    file = made.paths.ranking("one")
    check(made, file, garbled(file.read_bytes(), rng), names={"one", "rankings/one.json"})


@pytest.mark.parametrize("name", ["runs", "scores", "similarities"])
@pytest.mark.parametrize("collection", ["gallery", "imported/ana"])
@usual
@randomly
def test_garbage_in_a_collection_leaves_what_was_read_before(
    made: Made, collection: str, name: str, rng: Random
) -> None:
    file = made.paths.home / collection / f"{name}.parquet"
    head = "profiles" if name == "similarities" else "runs"
    prefix = "gallery-" if collection == "gallery" else "ana."
    names = {f"{prefix}{made.bad.run_id}", f"{prefix}{made.profile.run_id}", f"{collection}/{head}"}
    check(made, file, garbled(file.read_bytes(), rng), names=names)


@pytest.mark.parametrize("name", ["spec", "events", "job", "predictions"])
def test_a_folder_and_a_pipe_in_place_of_a_file(made: Made, name: str) -> None:
    """A pipe that nobody writes would be waited for without end."""
    file = RUN_FILES[name](made.bad)
    original = file.read_bytes()
    for make in (os.mkfifo, os.mkdir):
        file.unlink()
        make(file)
        ingest(made.store, made.paths)
        found = dump(made.store)
        assert [folder for folder, _ in found["damaged"]] == [made.bad.run_id]
        assert f"{file.name} is " in str(found["damaged"][0][1]), "which file it is"
        assert len(found["runs"]) == 4
        derive_state(made.bad)
        shutil.rmtree(file) if file.is_dir() else file.unlink()
        file.write_bytes(original)
        ingest(made.store, made.paths)
        assert dump(made.store) == made.rows


def test_an_unknown_language_is_named_with_its_folder_and_field(made: Made, tmp_path: Path) -> None:
    """Every page and command stopped at it, without a word of which folder."""
    spec = run_spec("mnli", seed=9).model_dump(mode="json")
    for task in spec["tasks"]:
        task["languages"] = ["en", "english!"]
    run = made.paths.run(run_id_of(spec))
    write_run(made.paths, run_spec("mnli", seed=9), [])
    made.paths.run(run_spec("mnli", seed=9).run_id).root.rename(run.root)
    run.spec.write_text(json.dumps(spec))
    ingest(made.store, made.paths)
    ((folder, reason),) = dump(made.store)["damaged"]
    assert folder == run.run_id
    assert "spec.json: tasks.0.languages: No language named 'english!'." in reason
    shutil.rmtree(run.root)
    ingest(made.store, made.paths)
    assert dump(made.store) == made.rows


def test_a_number_that_no_column_holds_is_that_runs_damage(made: Made) -> None:
    """The whole transaction failed with it, and nothing of any run was read."""
    text = made.bad.events.read_text()
    made.bad.events.write_text(text.replace('"n":100', '"n":1' + "0" * 30))
    ingest(made.store, made.paths)
    ((folder, reason),) = dump(made.store)["damaged"]
    assert folder == made.bad.run_id and reason.startswith("What it reports has no place in the index: ")
    made.bad.events.write_text(text)
    ingest(made.store, made.paths)
    assert dump(made.store) == made.rows


def test_a_small_file_needs_little_memory_to_be_read(tmp_path: Path) -> None:
    """Memory for the largest was asked for at each, which ended every command where memory is limited."""
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"small")
    assert read_whole(file, most_bytes=2**45) == b"small"
