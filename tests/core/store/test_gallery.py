"""Runs become committed figures and come back as the collection "measured"."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from core.errors import StoreError
from core.paths import AtlasPaths
from core.spec import DataSource, DataSourceKind
from core.store.connection import Store
from core.store.gallery import MIRROR, portable_spec, save_gallery
from core.store.ingest import ingest, load_gallery
from tests.core.store.makers import MODEL, history, run_spec, scored, write_run


class Paths(AtlasPaths):
    """Paths whose gallery is in the home too."""

    @property
    def gallery(self) -> Path:
        return self.home / "gallery"


class Elsewhere(AtlasPaths):
    """Paths without a gallery."""

    @property
    def gallery(self) -> Path:
        return self.home / "none"


def finished(paths: AtlasPaths) -> list[str]:
    """A baseline and a run with a gain of a quarter in German."""
    specs = [run_spec(), run_spec("mnli")]
    for spec, score in zip(specs, (0.5, 0.75), strict=True):
        write_run(paths, spec, history(spec, [scored("de", score)]))
    return [spec.run_id for spec in specs]


def gains_of(store: Store) -> list[tuple[object, ...]]:
    with store.cursor() as cur:
        return cur.execute("SELECT collection, lang, gain, run_id FROM gains ORDER BY ALL").fetchall()


def test_saved_figures_come_back_as_the_measured_collection(tmp_path: Path) -> None:
    here, there = Paths(tmp_path / "here"), Paths(tmp_path / "there")
    ids = finished(here)
    with Store.open(":memory:") as store:
        ingest(store, here)
        rows = save_gallery(store, folder=there.gallery, run_ids=ids)
    assert (rows["runs"], rows["scores"]) == (2, 2)
    with Store.open(":memory:") as store:
        ingest(store, there)
        assert gains_of(store) == [("measured", "de", 0.25, f"gallery-{ids[1]}")]


def test_saving_twice_and_in_parts_gives_each_run_once(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    ids = finished(paths)
    other = tmp_path / "gallery"
    with Store.open(":memory:") as store:
        ingest(store, paths)
        for part in (ids[:1], ids, ids[1:], []):
            rows = save_gallery(store, folder=other, run_ids=part)
    assert (rows["runs"], rows["scores"]) == (2, 2)
    assert sorted(pq.read_table(other / "runs.parquet")["run_id"].to_pylist()) == sorted(ids)


def test_unfinished_runs_and_runs_of_the_gallery_are_not_saved(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    ids = finished(paths)
    half = run_spec("qqp")
    write_run(paths, half, history(half, [scored("de", 0.9)])[:-1], finished=False)
    with Store.open(":memory:") as store:
        ingest(store, paths)
        save_gallery(store, folder=paths.gallery, run_ids=ids)
        load_gallery(store, paths)
        rows = save_gallery(store, folder=tmp_path / "again", run_ids=[*ids, half.run_id, f"gallery-{ids[0]}"])
    assert rows["runs"] == 2


def test_no_folder_of_this_machine_is_committed() -> None:
    model = MODEL.model_copy(update={"path": "/secret/models/tiny", "fingerprint": "abc"})
    source = DataSource(kind=DataSourceKind.MIRROR, root="/secret/hub")
    spec = run_spec("mnli").model_copy(update={"model": model, "data_source": source})
    found = portable_spec(spec.model_dump_json())
    assert "/secret" not in found
    assert json.loads(found)["data_source"]["root"] == MIRROR
    assert json.loads(found)["model"] == json.loads(spec.model_dump_json())["model"] | {"path": "tiny"}


def test_a_file_that_is_not_the_gallerys_is_named_and_kept(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    ids = finished(paths)
    paths.gallery.mkdir()
    (paths.gallery / "runs.parquet").write_bytes(b"no parquet")
    with Store.open(":memory:") as store:
        ingest(store, Elsewhere(tmp_path))
        with pytest.raises(StoreError, match=r"runs.parquet is not a file of the gallery .* Restore it from version"):
            save_gallery(store, folder=paths.gallery, run_ids=ids)
    assert (paths.gallery / "runs.parquet").read_bytes() == b"no parquet"
