"""The connection after trouble: a full disk that was freed, a home that cannot be written, an insert that failed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from core.errors import AtlasError, DiskFull, NotWritable, StoreError
from core.paths import AtlasPaths
from core.store.connection import Store
from core.store.ingest import ingest, rebuild
from core.store.reading import StoreBusy, open_for_reading, opened
from core.store.setting_aside import insert_table
from tests.makers.folders import history, run_spec, scored, write_run


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MiB, where the machine lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "none", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_after_a_full_disk_is_freed_the_same_process_goes_on(small_disk: Path) -> None:
    """Every page failed until the server was restarted: DuckDB refuses a connection that met a full disk."""
    with Store.open(small_disk / "atlas.duckdb") as store:
        with store.write() as cur:
            cur.execute("INSERT INTO damaged VALUES ('before', 'x')")
        filler = small_disk / "filler"
        filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 300_000))
        with pytest.raises(AtlasError, match="No space left|cannot be read as a database"), store.write() as cur:
            cur.execute("INSERT INTO damaged SELECT 'r' || range, repeat('x' || range, 999) FROM range(20000)")
        filler.unlink()
        with store.write() as cur:
            cur.execute("INSERT INTO damaged VALUES ('after', 'x')")
        with store.cursor() as cur:
            assert cur.execute("SELECT folder FROM damaged ORDER BY 1").fetchall() == [("after",), ("before",)]


@pytest.mark.parametrize("room", [0, 4096, 20_000])
def test_an_index_that_a_full_disk_left_no_room_for_leaves_nothing_behind(small_disk: Path, room: int) -> None:
    """What DuckDB had begun was "no valid database" for ever, also after space was made."""
    index, filler = small_disk / "atlas.duckdb", small_disk / "filler"
    filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - room))
    for _ in range(2):
        with pytest.raises(DiskFull, match="No space left to write .*atlas.duckdb"):
            Store.open(index)
        assert list(small_disk.iterdir()) == [filler]
    filler.unlink()
    with Store.open(index) as store:
        assert store.version() == 0


def test_a_failed_insert_is_what_is_told(tmp_path: Path) -> None:
    """Its cleaning up failed after it, and hid it."""
    del tmp_path
    with Store.open(":memory:") as store, pytest.raises(duckdb.Error, match="nonsense"), store.write() as cur:
        insert_table(cur, "damaged", table=pa.table({"nonsense": [1]}))


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[AtlasPaths]:
    """A home with one run, on a file system that cannot be written."""
    paths = AtlasPaths(home=tmp_path / "home")
    write_run(paths, run_spec("mnli"), history(run_spec("mnli"), [scored("en", 0.5)]))
    bind = ["mount", "--bind", "-o", "ro", str(paths.home), str(paths.home)]
    if subprocess.run(bind, check=False, capture_output=True).returncode:
        pytest.skip("mounting needs root")
    subprocess.run(["mount", "-o", "remount,ro,bind", str(paths.home)], check=False, capture_output=True)
    yield paths
    subprocess.run(["umount", "--lazy", str(paths.home)], check=True)


def test_a_home_that_cannot_be_written_is_read_and_says_so(read_only: AtlasPaths) -> None:
    with pytest.raises(NotWritable, match="cannot be written"):
        Store.open(read_only.database)
    with (
        pytest.warns(StoreBusy, match="for reading alone"),
        open_for_reading(read_only) as store,
        store.cursor() as cur,
    ):
        assert cur.execute("SELECT count(*) FROM runs WHERE collection = 'yours'").fetchone() == (1,)
    found = opened(read_only)
    assert found.remark is not None and "Delete" not in found.remark
    found.store.close()
    with pytest.raises(NotWritable):
        rebuild(read_only.database, read_only)


def test_ingest_says_what_the_index_says(tmp_path: Path) -> None:
    paths = AtlasPaths(home=tmp_path)
    with Store.open(":memory:") as store:
        ingest(store, paths)
        store._con.execute("DROP TABLE ingested")
        with pytest.raises(StoreError, match="The index cannot be brought up to date"):
            ingest(store, paths)
