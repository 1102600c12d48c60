"""Profile folders into the index: once, again, damaged, rebuilt, committed and read back."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.events import ENVELOPE, Envelope, Event, PointSkipped, RunFinished, RunStarted
from core.paths import AtlasPaths, ProfilePaths
from core.spec.profile import ProfileKind, ProfileSpec
from core.store.connection import Store
from core.store.exchange.tables import save_gallery
from core.store.ingest import ingest, rebuild
from core.store.profiles import PARTS
from tests.makers.folders import MODEL, PROTOCOL, SAMPLE, history, run_spec, scored, task, write_run

_TABLES = ("profiles", *PARTS)


class _Paths(AtlasPaths):
    """A home whose gallery is beside it and not the checkout's."""

    @property
    def gallery(self) -> Path:
        return self.home / "gallery"


@pytest.fixture
def paths(tmp_path: Path) -> AtlasPaths:
    return _Paths(home=tmp_path)


def _spec(kind: ProfileKind = ProfileKind.DOMAIN, **changes: object) -> ProfileSpec:
    fields = {
        "kind": kind,
        "model": MODEL.model_copy(update={"fingerprint": "abc"}),
        "data_source": SAMPLE,
        "intermediates": ("mnli",),
        "targets": ("xnli",),
        "tasks": (task("mnli"), task("xnli")),
        "protocol": None if kind is ProfileKind.DOMAIN else PROTOCOL,
        "seed": 1,
    }
    return ProfileSpec.model_validate(fields | changes)


def _finished(paths: AtlasPaths, spec: ProfileSpec) -> ProfilePaths:
    folder = paths.profile(spec.profile_id)
    folder.root.mkdir(parents=True)
    folder.spec.write_text(spec.canonical_json(), encoding="utf-8")
    if spec.kind is ProfileKind.DOMAIN:
        text = {"split": "train", "n": 9, "n_available": 90, "fingerprint": "f"}
        _table(folder, "profile_texts", {"point": "mnli", "task": "mnli", "role": "intermediate", "lang": "en"} | text)
        pair = {"a": "mnli", "b": "xnli:test:de", "measure": "mmd", "centred": False, "value": 0.25}
        _table(folder, "similarities", pair | {"ci_low": 0.2, "ci_high": 0.3, "n_a": 9, "n_b": 8, "resamples": 0})
        _table(folder, "positions", {"point": "mnli", "method": "pca", "centred": False, "x": 1.0, "y": 2.0})
    elif spec.kind is ProfileKind.SELECTORS:
        row = {"intermediate": "mnli", "target": "xnli", "selector": "logme", "value": 0.5, "ci_low": 0.4}
        _table(folder, "selector_scores", row | {"ci_high": 0.6, "n": 5})
    else:
        row = {"intermediate": "mnli", "measure": "headroom", "value": 0.5, "ci_low": None, "ci_high": None}
        _table(folder, "difficulties", row | {"n": 5, "resamples": 0})
    facts: tuple[Event, ...] = (
        RunStarted(run_id=spec.profile_id, attempt=1, device="cpu", pid=1),
        PointSkipped(point="mnli", reason="of an attempt that was interrupted"),
        PointSkipped(point="ccg", reason="of that attempt too"),
        RunStarted(run_id=spec.profile_id, attempt=2, device="cpu", pid=1),
        PointSkipped(point="xnli:test:sw", reason="no such split"),
        RunFinished(seconds=2.0),
    )
    lines = [Envelope(seq=i, time="2026-11-02T03:04:05.000Z", event=fact) for i, fact in enumerate(facts)]
    folder.events.write_bytes(b"".join(ENVELOPE.dump_json(line) + b"\n" for line in lines))
    folder.finished.write_text(json.dumps({"seconds": 2.0, "rows": 3}), encoding="utf-8")
    return folder


def _table(folder: ProfilePaths, name: str, row: dict[str, object]) -> None:
    pq.write_table(pa.Table.from_pylist([{"profile_id": folder.run_id} | row]), folder.table(name))


def _all(store: Store) -> dict[str, list[tuple[object, ...]]]:
    with store.cursor() as cur:
        return {name: cur.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall() for name in _TABLES}


def test_a_finished_folder_is_read_once_and_a_rebuild_gives_the_same_rows(paths: AtlasPaths) -> None:
    _finished(paths, _spec())
    _finished(paths, _spec(ProfileKind.DIFFICULTY))
    _finished(paths, _spec(ProfileKind.SELECTORS))
    write_run(paths, run_spec("mnli"), history(run_spec("mnli"), [scored("en", 0.5)], steps=2))
    with Store.open(paths.database) as store:
        assert ingest(store, paths).n_new == 4
        first, version = _all(store), store.version()
        assert ingest(store, paths)[:3] == (0, 0, 0)
        assert store.version() == version, "nothing changed, nothing was written"
    assert [len(first[name]) for name in _TABLES] == [3, 1, 3, 1, 1, 1, 0, 1]
    assert {row[1:] for row in first["profile_skips"]} == {("xnli:test:sw", "no such split")}, "of the last attempt"
    rebuild(paths.database, paths)
    with Store.open(paths.database) as store:
        assert _all(store) == first
        with store.cursor() as cur:
            assert cur.execute("SELECT count(*) FROM runs").fetchone() == (1,)


def test_an_unfinished_folder_has_no_rows_and_a_changed_or_vanished_one_loses_its_old(paths: AtlasPaths) -> None:
    folder = _finished(paths, _spec())
    marker = folder.finished.read_text()
    folder.finished.unlink()
    with Store.open(":memory:") as store:
        assert ingest(store, paths).n_new == 0
        folder.finished.write_text(marker)
        assert ingest(store, paths).n_new == 1
        pair = {"a": "a", "b": "b", "measure": "mmd", "centred": True, "value": 1.0}
        folder.table("similarities").unlink()
        _table(folder, "similarities", pair | {"ci_low": None, "ci_high": None, "n_a": 1, "n_b": 1, "resamples": 0})
        assert ingest(store, paths).n_updated == 1
        assert [row[1:4] for row in _all(store)["similarities"]] == [("a", "b", "mmd")]
        folder.root.rename(folder.root.with_name(".away"))
        ingest(store, paths)
        assert not any(_all(store).values())


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda f: f.table("positions").unlink(), "no positions.parquet"),
        (lambda f: f.table("positions").write_bytes(b"PAR1 cut"), "positions.parquet"),
        (lambda f: f.spec.write_text("{ half"), "not the spec of a profile"),
        (lambda f: f.spec.write_text(_spec(seed=2).canonical_json()), "it was changed"),
        (lambda f: f.finished.write_text("{}"), "finished.json: KeyError"),
    ],
)
def test_a_damaged_folder_is_listed_with_its_reason(paths: AtlasPaths, harm: object, reason: str) -> None:
    good, bad = _finished(paths, _spec(seed=7)), _finished(paths, _spec())
    harm(bad)  # type: ignore[operator]
    with Store.open(":memory:") as store:
        assert ingest(store, paths).n_damaged == 1
        with store.cursor() as cur:
            (found,) = cur.execute("SELECT folder, reason FROM damaged").fetchall()
            assert cur.execute("SELECT profile_id FROM profiles").fetchall() == [(good.run_id,)]
    assert found[0] == bad.run_id
    assert reason in found[1]


def test_committed_profiles_are_measured_ones_and_name_no_folder(paths: AtlasPaths, tmp_path: Path) -> None:
    """Saved twice they are there once; another home reads them beside its own profile of the same id."""
    folder = _finished(paths, _spec())
    elsewhere = _Paths(home=tmp_path / "other")
    with Store.open(":memory:") as store:
        ingest(store, paths)
        own = _all(store)
        for _ in range(2):
            counts = save_gallery(store, folder=elsewhere.gallery, ids=[folder.run_id, "pabsent"])
    assert {name: counts[name] for name in _TABLES} == {name: len(rows) for name, rows in own.items()}
    assert not (elsewhere.gallery / "runs.parquet").exists(), "no run was saved, so no file of runs is written"
    _finished(elsewhere, _spec())
    with Store.open(":memory:") as store:
        ingest(store, elsewhere)
        ingest(store, elsewhere)
        with store.cursor() as cur:
            rows = cur.execute("SELECT profile_id, collection, spec FROM profiles ORDER BY collection").fetchall()
            values = cur.execute("SELECT value FROM similarities").fetchall()
    assert [row[:2] for row in rows] == [(f"gallery-{folder.run_id}", "measured"), (folder.run_id, "yours")]
    assert json.loads(rows[0][2])["model"]["path"] == "tiny", "the place of a fingerprinted model is nobody's business"
    assert values == [(0.25,), (0.25,)]
    for file in elsewhere.gallery.glob("*.parquet"):
        file.unlink()
    with Store.open(":memory:") as store:
        ingest(store, dataclasses.replace(elsewhere))
        with store.cursor() as cur:
            assert cur.execute("SELECT count(*) FROM profiles").fetchone() == (1,)
