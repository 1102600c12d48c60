"""Ingest and rebuild: keyed, incremental, and deaf to damage next door."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.actions.queue import list_profiles, list_runs
from core.errors import StoreError, StoreLocked, UnknownName
from core.events import Flagged, LanguageSkipped, RunFailed, RunStarted, StageStarted, StepLogged
from core.jobs import folders
from core.jobs.records import JobStatus
from core.jobs.state import derive_state
from core.paths import REPO, AtlasPaths, RunPaths
from core.report.export import export
from core.store.connection import Store
from core.store.ingest import PARTS, ingest, rebuild
from core.store.schema import MIGRATIONS
from tests.makers.folders import history, lines, run_spec, scored, write_run

TABLES = ("runs", "damaged", "ingested", *PARTS)


class Home(AtlasPaths):
    """Paths whose gallery is in the home too."""

    @property
    def gallery(self) -> Path:
        return self.home / "gallery"


@pytest.fixture
def paths(tmp_path: Path) -> AtlasPaths:
    return Home(home=tmp_path)


@pytest.fixture
def store() -> Store:
    return Store.open(":memory:")


def dump(store: Store) -> dict[str, list[tuple[object, ...]]]:
    with store.cursor() as cur:
        return {t: cur.execute(f"SELECT * FROM {t} ORDER BY ALL").fetchall() for t in TABLES}


def count(store: Store, sql: str) -> object:
    with store.cursor() as cur:
        row = cur.execute(sql).fetchone()
    return row[0] if row else None


def test_twice_is_once_and_a_quiet_ingest_writes_nothing(store: Store, paths: AtlasPaths) -> None:
    for seed in (1, 2):
        spec = run_spec("mnli", seed=seed)
        write_run(paths, spec, history(spec, [scored("en", 0.5), scored("de", 0.25)]), study="s")
    report = ingest(store, paths)
    assert (report.n_new, report.n_updated, report.n_damaged) == (2, 0, 0)
    first, version = dump(store), store.version()
    assert len(first["scores"]) == 4 and len(first["stages"]) == 6 and len(first["steps"]) == 8
    assert ingest(store, paths)[:3] == (0, 0, 0)
    assert store.version() == version
    run = paths.run(spec.run_id)
    run.events.write_text(run.events.read_text() * 2)  # every line again, with the same seq
    assert ingest(store, paths).n_updated == 1
    assert dump(store)["scores"] == first["scores"]


def test_facts_alone_say_a_score_and_the_last_one_of_a_language_counts(store: Store, paths: AtlasPaths) -> None:
    """Folders of earlier versions report a language again after an interruption, and hold a copy of the scores."""
    spec = run_spec("mnli")
    run = write_run(paths, spec, history(spec, [scored("en", 0.5), scored("de", 0.25), scored("en", 0.75)]))
    pq.write_table(pa.table({"lang": ["en"], "metric": ["accuracy"], "score": [0.0]}), run.root / "scores.parquet")
    assert ingest(store, paths)[:3] == (1, 0, 0)
    with store.cursor() as cur:
        assert cur.execute("SELECT lang, score FROM scores ORDER BY lang").fetchall() == [("de", 0.25), ("en", 0.75)]


def test_rebuild_gives_the_rows_of_incremental_ingest(store: Store, paths: AtlasPaths) -> None:
    spec = run_spec("mnli")
    events = history(spec, [scored("en", 0.5), scored("de", 0.25), LanguageSkipped(lang="sw", reason="none")])
    run = write_run(paths, spec, [], finished=False)
    for i in range(len(events)):
        run.events.write_text(lines(events[: i + 1]))
        ingest(store, paths)
    run.finished.write_text("{}")
    (paths.runs / "broken").mkdir()
    ingest(store, paths)
    rebuild(paths.database, paths)
    with Store.open(paths.database) as again:
        assert dump(again) == dump(store)
        with pytest.raises(StoreLocked, match="is open in this process"):
            rebuild(paths.database, paths)


def test_predictions_that_cannot_be_read_are_damage_with_a_way_out(store: Store, paths: AtlasPaths) -> None:
    spec = run_spec()
    run = write_run(paths, spec, history(spec, [scored("en", 0.5)]))
    run.predictions.write_bytes(b"PAR1 cut")
    assert ingest(store, paths).n_damaged == 1
    assert "predictions.parquet" in str(count(store, "SELECT reason FROM damaged"))
    assert "Remove the file to keep the scores alone" in str(count(store, "SELECT reason FROM damaged"))
    run.predictions.unlink()
    assert ingest(store, paths).n_damaged == 0
    assert (count(store, "SELECT count(*) FROM scores"), count(store, "SELECT count(*) FROM credits")) == (1, 0)


def test_a_torn_line_waits_until_it_is_whole(store: Store, paths: AtlasPaths) -> None:
    spec = run_spec()
    whole = lines([*history(spec, [])[:2], scored("en", 0.5)])
    run = write_run(paths, spec, [], finished=False)
    run.events.write_text(whole[:-20])
    ingest(store, paths)
    assert count(store, "SELECT count(*) FROM scores") == 0 and count(store, "SELECT count(*) FROM damaged") == 0
    run.events.write_text(whole)
    ingest(store, paths)
    assert count(store, "SELECT score FROM scores") == 0.5


def test_ingest_while_a_writer_appends_never_sees_damage(store: Store, paths: AtlasPaths) -> None:
    spec = run_spec()
    run = write_run(paths, spec, [], finished=False)
    text = lines(history(spec, [scored("en", 0.5)], steps=300)).encode()

    def write() -> None:
        with run.events.open("ab", buffering=0) as file:
            for start in range(0, len(text), 97):  # pieces that end anywhere
                file.write(text[start : start + 97])

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        assert ingest(store, paths).n_damaged == 0
    writer.join()
    ingest(store, paths)
    assert count(store, "SELECT count(*) FROM steps") == 300


def test_every_kind_of_damage_is_listed_and_harms_no_other(store: Store, paths: AtlasPaths) -> None:
    good = run_spec(seed=1)
    write_run(paths, good, history(good, [scored("en", 0.5)]))
    (paths.runs / "empty").mkdir()
    (paths.runs / "badjson").mkdir()
    (paths.runs / "badjson" / "spec.json").write_text('{"model": ')
    (paths.runs / "latin").mkdir()
    (paths.runs / "latin" / "spec.json").write_bytes(b'{"model": "\xff\xfe"}')
    (paths.runs / "moved").mkdir()
    (paths.runs / "moved" / "spec.json").write_text(good.canonical_json())
    (paths.runs / ".draft.tmp").mkdir()
    (paths.runs / "a-file").write_text("")
    garbage, unknown = run_spec(seed=2), run_spec(seed=3)
    write_run(paths, garbage, []).events.write_bytes(lines(history(garbage, [])[:1]).encode() + b"\x00\xff garbage\n")
    write_run(paths, unknown, []).events.write_text(
        '{"seq":0,"time":"2026-01-01T00:00:00.000Z","event":{"type":"run_sang"}}\n'
    )
    assert ingest(store, paths)[:3] == (7, 0, 7)
    with store.cursor() as cur:
        reasons = dict(cur.execute("SELECT * FROM damaged").fetchall())
    assert reasons["runs/a-file"].startswith("It is no folder, or a link to none")
    assert reasons["empty"] == "There is no spec.json."
    assert reasons["badjson"].startswith("spec.json: ") and reasons["latin"].startswith("spec.json: ")
    assert f"is of run {good.run_id}, but the folder is named moved" in reasons["moved"]
    assert "events.jsonl, line 2: " in reasons[garbage.run_id]
    assert "events.jsonl, line 1: " in reasons[unknown.run_id] and "run_sang" in reasons[unknown.run_id]
    assert count(store, "SELECT string_agg(run_id) FROM runs") == good.run_id


def test_a_name_that_no_job_has_takes_nothing_away_and_is_forgotten_when_it_goes(
    store: Store, paths: AtlasPaths
) -> None:
    """Copies in the wrong folder, names of other things in the index, bytes that are no text."""
    good = run_spec(seed=1)
    run = write_run(paths, good, history(good, [scored("en", 0.5)]))
    here = ("a:b", "imported:c:runs", "p0123456789ab", "gallery")
    strays = [paths.runs / name for name in here] + [paths.profiles / good.run_id]
    for folder in strays:
        shutil.copytree(run.root, folder)
    strays.append(paths.runs / os.fsdecode(b"\xff\xfe"))
    strays[-1].mkdir()
    paths.rankings.mkdir()
    (paths.rankings / os.fsdecode(b"\xff.json")).write_text("{}")
    (run.root / os.fsdecode(b"\xff")).write_text("")
    for _ in range(2):
        report = ingest(store, paths)
    with store.cursor() as cur:
        reasons = dict(cur.execute("SELECT * FROM damaged").fetchall())
    assert sorted(reasons) == [
        "gallery", f"profiles/{good.run_id}", "rankings/\\xff.json", "runs/\\xff\\xfe", "runs/a:b",
        "runs/imported:c:runs", "runs/p0123456789ab",
    ]  # fmt: skip
    assert reasons["runs/a:b"] == "No folder in runs can have such a name: move it away or rename it."
    assert report == (0, 0, 7, report.seconds)
    assert count(store, "SELECT string_agg(run_id) FROM runs") == good.run_id
    run.events.write_text("garbage\n")  # its stamp names every file in it
    assert ingest(store, paths).n_damaged == 8
    for folder in (*strays, paths.rankings):
        shutil.rmtree(folder)
    assert ingest(store, paths).n_damaged == 1


def test_a_link_in_a_circle_takes_no_run_away(store: Store, paths: AtlasPaths) -> None:
    """It ended the list of all folders: whatever the system named behind it was gone without a word."""
    for seed in (1, 2, 3):
        spec = run_spec(seed=seed)
        write_run(paths, spec, history(spec, [scored("en", 0.5)]))
    for root in (paths.runs, paths.profiles, paths.imported):
        root.mkdir(exist_ok=True)
        (root / "circle").symlink_to("circle")
        (root / "unmounted").symlink_to("/nowhere/at/all")
    (paths.imported / "Ana").mkdir()
    paths.rankings.mkdir()
    (paths.rankings / "read.me").write_text("x")
    assert ingest(store, paths).n_damaged == 8
    assert count(store, "SELECT count(*) FROM runs") == 3
    assert len(list_runs(paths)) == 3 and not list_profiles(paths)
    with store.cursor() as cur:
        reasons = dict(cur.execute("SELECT * FROM damaged").fetchall())
    said = "It is no folder, or a link to none that can be read. Mend the link, or move it out of runs."
    assert reasons["runs/circle"] == reasons["runs/unmounted"] == said
    assert "can have such a name" in reasons["imported/Ana"]
    assert reasons["rankings/read.me"].startswith("It is not read: expected files that end in .json.")
    (paths.rankings / "new.json").write_text("{")  # rankings are read anew, and forget only what is theirs
    assert ingest(store, paths).n_damaged == 9
    for root in (paths.runs, paths.profiles, paths.imported):
        (root / "circle").unlink()
        (root / "unmounted").unlink()
    shutil.rmtree(paths.rankings)
    (paths.imported / "Ana").rmdir()
    assert ingest(store, paths).n_damaged == 0


def test_a_run_that_is_deleted_while_it_is_listed_ends_no_list(
    paths: AtlasPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = [run_spec(seed=seed) for seed in (1, 2, 3)]
    for spec in specs:
        write_run(paths, spec, history(spec, [scored("en", 0.5)]))
    gone = paths.run(specs[1].run_id)
    usual = folders._entries

    def listed(paths: AtlasPaths) -> Iterator[tuple[object, os.DirEntry[str]]]:
        for make, entry in list(usual(paths)):
            if entry.name == gone.run_id and gone.root.exists():
                shutil.rmtree(gone.root)
            yield make, entry

    monkeypatch.setattr(folders, "_entries", listed)
    assert {job.run_id for job in list_runs(paths)} == {specs[0].run_id, specs[2].run_id}

    def derived(run: RunPaths) -> JobStatus:
        shutil.rmtree(run.root)
        return derive_state(run)

    monkeypatch.setattr(folders, "derive_state", derived)
    monkeypatch.setattr(folders, "_KEPT", {})
    assert list_runs(paths) == [], "what goes between two looks is not called damaged"


def test_what_lies_in_the_place_of_a_folder_is_named(store: Store, paths: AtlasPaths) -> None:
    """Results that vanish with a disk that is not mounted are no empty home."""
    paths.runs.symlink_to("/nowhere/at/all")
    paths.imported.write_text("x")
    paths.gallery.symlink_to(paths.gallery.name)
    assert ingest(store, paths).n_damaged == 3
    with store.cursor() as cur:
        reasons = dict(cur.execute("SELECT * FROM damaged").fetchall())
    assert f"{paths.runs} cannot be listed (No such file or directory), expected a folder" in reasons["runs/"]
    assert "Not a directory" in reasons["imported/"] and "symbolic links" in reasons["gallery/"]
    for file in (paths.runs, paths.imported, paths.gallery):
        file.unlink()
    assert ingest(store, paths).n_damaged == 0


def test_a_vanished_folder_and_a_mended_one(store: Store, paths: AtlasPaths) -> None:
    spec = run_spec()
    run = write_run(paths, spec, history(spec, [scored("en", 0.5)]))
    good = run.events.read_text()
    run.events.write_text("garbage\n")
    assert ingest(store, paths).n_damaged == 1
    run.events.write_text(good)
    assert ingest(store, paths)[:3] == (0, 1, 0)
    for file in run.root.iterdir():
        file.unlink()
    run.root.rmdir()
    ingest(store, paths)
    assert dump(store) == {table: [] for table in TABLES}


def test_a_line_that_was_written_twice_in_a_row_counts_once(store: Store, paths: AtlasPaths) -> None:
    spec = run_spec("mnli")
    run = write_run(paths, spec, history(spec, [scored("en", 0.5)]))
    ingest(store, paths)
    once = dump(store)
    run.events.write_text("".join(line * 2 for line in run.events.read_text().splitlines(keepends=True)))
    ingest(store, paths)
    twice = dump(store)
    assert count(store, "SELECT attempts FROM runs") == 1
    assert count(store, "SELECT sum(seconds) FROM stages") == 24  # 10 + 10 + 4, as the stages themselves say
    assert {t: twice[t] for t in TABLES if t != "ingested"} == {t: once[t] for t in TABLES if t != "ingested"}


def test_a_resumed_attempt_supersedes_the_one_before(store: Store, paths: AtlasPaths) -> None:
    spec = run_spec()
    plan = history(spec, [])[1]
    start = RunStarted(run_id=spec.run_id, attempt=1, device="cpu", pid=1)
    key = f"t-{spec.run_id}"
    stage = StageStarted(key=key, kind="target", name="xnli", task_type="classification", total_steps=4)
    step = StepLogged(key=key, step=1, loss=1, learning_rate=1e-5, examples_per_s=10)
    crash = RunFailed(error="OutOfMemory", message="try 8", traceback="")
    first = [start, plan, stage, step, step.model_copy(update={"step": 2}), crash]
    run = write_run(paths, spec, first, finished=False)
    run.failed.write_text(json.dumps({"error": "OutOfMemory", "message": "try 8"}))
    ingest(store, paths)
    assert count(store, "SELECT outcome || message FROM runs") == "failedtry 8"
    assert count(store, f"SELECT state FROM stages WHERE key = '{key}'") == "planned"
    run.failed.unlink()
    again = [start.model_copy(update={"attempt": 2}), plan, stage.model_copy(update={"resumed_at": 1})]
    run.events.write_text(
        lines([*first, *again, step.model_copy(update={"step": 2, "loss": 0.5}), Flagged(flag="x", message="y")])
    )
    ingest(store, paths)
    assert count(store, "SELECT outcome FROM runs") is None
    assert count(store, "SELECT attempts FROM runs") == 2
    assert count(store, f"SELECT state FROM stages WHERE key = '{key}'") == "running"
    with store.cursor() as cur:  # step 2 of the first attempt was taken again
        assert cur.execute("SELECT step, loss FROM steps ORDER BY step").fetchall() == [(1, 1.0), (2, 0.5)]
    # First attempt: lines 0 to 5, a second apart: 5 s. Second: lines 6 to 10: 4 s.
    assert count(store, "SELECT seconds FROM runs") == 9


def test_the_gallery_is_a_collection_beside_yours(store: Store, paths: AtlasPaths, tmp_path: Path) -> None:
    spec = run_spec("mnli")
    for s in (run_spec(), spec):
        write_run(paths, s, history(s, [scored("en", 0.5)]))
    ingest(store, paths)
    paths.gallery.mkdir()
    with store.cursor() as cur:
        for table in ("runs", "scores"):
            pq.write_table(cur.sql(f"SELECT * FROM {table}").to_arrow_table(), paths.gallery / f"{table}.parquet")
    ingest(store, paths)
    ingest(store, paths)
    with store.cursor() as cur:
        found = cur.execute("SELECT collection, run_id, gain FROM gains ORDER BY 1").fetchall()
    assert found == [("measured", f"gallery-{spec.run_id}", 0.0), ("yours", spec.run_id, 0.0)]
    (paths.gallery / "scores.parquet").write_bytes(b"no parquet")
    before = store.version()
    assert ingest(store, paths).n_damaged == 1
    with store.cursor() as cur:
        ((name, reason),) = cur.execute("SELECT * FROM damaged").fetchall()
        assert cur.execute("SELECT collection, run_id, gain FROM gains ORDER BY 1").fetchall() == found, "as before"
    assert name == "gallery/runs" and "does not hold the table 'scores'" in reason
    assert ingest(store, paths).n_damaged == 1 and store.version() == before + 1, "refused once, until a file changes"


def test_two_processes_on_one_file_name_the_holder(tmp_path: Path) -> None:
    file = tmp_path / "a.duckdb"
    with Store.open(file):
        code = (
            f"from core.store.connection import Store\ntry: Store.open({str(file)!r})\n"
            "except Exception as e: print(type(e).__name__, e)"
        )
        answer = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPO, check=True
        ).stdout
    assert answer.startswith("StoreLocked")
    assert f"is open in process {os.getpid()} (python" in answer and "ATLAS_HOME=FOLDER" in answer


def test_a_file_that_is_no_database_says_how_to_rebuild_and_is_rebuilt(paths: AtlasPaths) -> None:
    paths.database.write_bytes(b"garbage" * 5000)
    with pytest.raises(StoreError, match="Delete it and run `make rebuild`"):
        Store.open(paths.database)
    rebuild(paths.database, paths)
    Store.open(paths.database).close()


@pytest.mark.parametrize("name", ["atlas.duckdb", "atlas.duckdb.wal"])
@pytest.mark.parametrize(("put", "kind"), [(Path.mkdir, "a folder"), (os.mkfifo, "a pipe, socket or device")])
def test_what_can_be_no_index_is_named_and_left(
    paths: AtlasPaths, name: str, put: Callable[[Path], None], kind: str
) -> None:
    file = paths.home / name
    put(file)
    for call in (lambda: Store.open(paths.database), lambda: rebuild(paths.database, paths)):
        with pytest.raises(StoreError, match=f"/{name} is {kind}, expected a database or nothing. Move it away; the"):
            call()
    assert file.is_dir() or file.is_fifo()
    file.replace(paths.home / "away")
    rebuild(paths.database, paths)


def test_a_newer_database_is_refused_and_an_older_one_is_brought_up(tmp_path: Path) -> None:
    file = tmp_path / "a.duckdb"
    with Store.open(file) as store, store.write() as cur:
        cur.execute("INSERT INTO migrations VALUES ('999_future', now()::TIMESTAMP)")
    with pytest.raises(StoreError, match="newer version of Transfer Atlas: it has 999_future"):
        Store.open(file)


def test_a_failed_write_changes_nothing(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write() as cur:
        cur.execute("INSERT INTO damaged VALUES ('a', 'b')")
        raise ZeroDivisionError
    assert count(store, "SELECT count(*) FROM damaged") == 0
    assert store.version() == 0


def test_export_writes_missing_as_missing(store: Store, paths: AtlasPaths, tmp_path: Path) -> None:
    spec = run_spec("mnli")
    write_run(paths, spec, history(spec, [scored("en", 0.5)]))
    ingest(store, paths)
    assert export(store, what="gains", file=tmp_path / "g.csv") == 1
    head, row = (tmp_path / "g.csv").read_text().splitlines()
    cells = dict(zip(head.replace('"', "").split(","), row.split(","), strict=True))
    assert (cells["score"], cells["gain"], cells["baseline_run_id"], cells["missing"]) == (
        "0.5",
        "",
        "",
        '"no baseline"',
    )
    assert export(store, what="scores", file=tmp_path / "s.parquet") == 1
    with pytest.raises(UnknownName, match="No table named 'gain'. Did you mean 'gains'"):
        export(store, what="gain", file=tmp_path / "g.csv")
    with pytest.raises(StoreError, match="ending in .csv or .parquet"):
        export(store, what="runs", file=tmp_path / "g.xls")
    assert len(MIGRATIONS) >= 4
