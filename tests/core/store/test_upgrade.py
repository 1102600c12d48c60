"""Homes of earlier versions open after an upgrade; one of a newer version says that it is.

The archives were written by the code of those days, out of the history: 0.1 by that of 2026-11-22 (85140e6, with three
tables of the store and no gallery), 0.2.0 by the release (0336cee). Each holds a baseline and a run with an
intermediate, both finished, one that failed, and the database.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from core.jobs.folders import statuses
from core.jobs.records import JobState
from core.paths import AtlasPaths
from core.spec.base import run_id_before
from core.store.connection import Store
from core.store.ingest import ingest, rebuild
from core.store.schema import MIGRATIONS
from tests.makers.folders import history, run_spec, scored, write_run
from tools.faults.home import Home

ARCHIVES = Path(__file__).parents[2] / "fixtures"
VERSIONS = ("0.1", "0.2.0")
GAINS = "SELECT intermediate, target, lang, gain, excluded FROM gains ORDER BY ALL"


def home_of(version: str, folder: Path) -> Home:
    """The home that a version wrote."""
    with tarfile.open(ARCHIVES / f"home-{version}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return Home(home=folder)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_earlier_home_opens_with_all_that_it_held(tmp_path: Path, version: str) -> None:
    paths = home_of(version, tmp_path)
    (paths.home / "gallery").rename(paths.home / "put aside") if paths.gallery.exists() else None
    with Store.open(paths.database) as store:
        report = ingest(store, paths)
        assert report.n_damaged == 0
        with store.cursor() as cur:
            assert cur.execute("SELECT name FROM migrations ORDER BY name").fetchall() == [(n,) for n, _ in MIGRATIONS]
            gains = cur.execute(GAINS).fetchall()
            credits = cur.execute("SELECT lang, correct FROM credits ORDER BY run_id, lang").fetchall()
    old = "made by an earlier version"
    assert gains == [("mnli", "xnli", "de", 0.25, old), ("mnli", "xnli", "sw", 0.25, old)]
    assert credits == [("de", [1, 1, 0, 0]), ("de", [1, 1, 1, 0])]
    assert sorted((job.intermediate, job.state) for job in statuses(paths)) == [
        ("mnli", JobState.DONE), ("none", JobState.DONE), ("qqp", JobState.FAILED),
    ]  # fmt: skip
    rebuild(paths.database, paths)
    with Store.open(paths.database) as store, store.cursor() as cur:
        assert cur.execute(GAINS).fetchall() == gains


def test_the_gallery_of_the_release_is_read_and_counts_as_earlier(tmp_path: Path) -> None:
    paths = home_of("0.2.0", tmp_path)
    (paths.home / "runs").rename(tmp_path / "put aside")
    with Store.open(":memory:") as store:
        assert ingest(store, paths).n_damaged == 0
        with store.cursor() as cur:
            found = cur.execute("SELECT collection, lang, gain FROM gains ORDER BY ALL").fetchall()
    assert found == [("measured", "de", 0.25), ("measured", "sw", 0.25)]


def test_a_run_under_its_earlier_id_pairs_with_one_that_has_a_new_one(tmp_path: Path) -> None:
    """What describes a task was part of an id: a reworded caution made its runs strangers to each other."""
    paths = AtlasPaths(tmp_path)
    for spec, score in ((run_spec(), 0.5), (run_spec("mnli"), 0.75)):
        write_run(paths, spec, history(spec, [scored("de", score)]))
    base = run_spec()
    old = run_id_before(base.model_dump(mode="json"))
    assert old != base.run_id
    paths.run(base.run_id).root.rename(paths.run(old).root)
    for file in ("job.json", "events.jsonl"):
        path = paths.run(old).root / file
        path.write_text(path.read_text().replace(base.run_id, old))
    with Store.open(":memory:") as store:
        assert ingest(store, paths).n_damaged == 0
        with store.cursor() as cur:
            assert cur.execute("SELECT baseline_run_id, lang, gain FROM gains").fetchall() == [(old, "de", 0.25)]


def test_an_index_from_before_the_ids_changed_pairs_anew(tmp_path: Path) -> None:
    paths = AtlasPaths(tmp_path)
    for spec, score in ((run_spec(), 0.5), (run_spec("mnli"), 0.75)):
        write_run(paths, spec, history(spec, [scored("de", score)]))
    with Store.open(paths.database) as store:
        ingest(store, paths)
        with store.write() as cur:
            cur.execute("UPDATE runs SET pair_key = 'before'; DELETE FROM migrations WHERE name = '017_ids'")
    with Store.open(paths.database) as store:
        ingest(store, paths)
        with store.cursor() as cur:
            assert cur.execute("SELECT DISTINCT pair_key FROM runs").fetchall() == [(run_spec().run_id,)]


@pytest.mark.parametrize("what", ["event", "field"])
def test_a_run_of_a_newer_version_says_so_and_the_others_are_read(tmp_path: Path, what: str) -> None:
    paths = home_of("0.2.0", tmp_path)
    run = paths.run(run_id_before(run_spec("mnli").model_dump(mode="json")))
    if what == "event":
        lines = run.events.read_text().splitlines(keepends=True)
        lines[3] = json.dumps(json.loads(lines[3]) | {"event": {"type": "dreamt", "of": "sheep"}}) + "\n"
        run.events.write_text("".join(lines))
    else:
        run.spec.write_text(json.dumps(json.loads(run.spec.read_text()) | {"dreams": 1}))
    with Store.open(":memory:") as store:
        ingest(store, paths)
        with store.cursor() as cur:
            ((folder, reason),) = cur.execute("SELECT folder, reason FROM damaged").fetchall()
            rest = cur.execute("SELECT count(*) FROM runs WHERE collection = 'yours'").fetchone()
    assert folder == run.run_id and "A newer version of Transfer Atlas may have written it: update" in reason
    assert rest == (2,)
