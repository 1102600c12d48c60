"""Runs become committed figures and come back as the collection "measured"."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import StoreError
from core.events import LanguageSkipped
from core.paths import REPO, AtlasPaths
from core.spec.run import MIRROR, DataSource, DataSourceKind
from core.store.connection import Store
from core.store.exchange.portable import portable_spec, portable_text
from core.store.exchange.tables import save_gallery
from core.store.gallery import FAMILIES, MEASURED, Collection, load_family
from core.store.ingest import ingest
from tests.makers.folders import MODEL, history, run_spec, scored, write_run
from tests.makers.tables import Planted, add_rows, planted


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


CREDITS: Mapping[float, list[float]] = {0.5: [1.0, 0.0, 1.0, 0.0], 0.75: [1.0, 1.0, 1.0, 0.0]}
"""What four examples give to each score."""


def finished(paths: AtlasPaths) -> list[str]:
    """A baseline and a run with a gain of a quarter in German, on four examples."""
    specs = [run_spec(), run_spec("mnli")]
    for spec, score in zip(specs, (0.5, 0.75), strict=True):
        run = write_run(paths, spec, history(spec, [scored("de", score)]))
        write_predictions(run.predictions, CREDITS[score])
    return [spec.run_id for spec in specs]


def write_predictions(file: Path, credits: list[float]) -> None:
    """Answers in German as the chain leaves them, in another order than the test set's; F1 has no credit each."""
    n = len(credits)
    columns = {"lang": ["de"] * n, "index": list(range(n)), "example_id": [f"secret-{i}" for i in range(n)],
               "prediction": ["secret"] * n}  # fmt: skip
    accuracy = pa.table(columns | {"metric": ["accuracy"] * n, "correct": pa.array(credits, pa.float64())})
    f1 = pa.table(columns | {"metric": ["f1"] * n, "correct": pa.array([1.0] + [None] * (n - 1), pa.float64())})
    pq.write_table(pa.concat_tables([accuracy, f1]).take(list(range(2 * n))[::-1]), file)


def gains_of(store: Store) -> list[tuple[object, ...]]:
    with store.cursor() as cur:
        return cur.execute("SELECT collection, lang, gain, run_id FROM gains ORDER BY ALL").fetchall()


def test_saved_figures_come_back_as_the_measured_collection(tmp_path: Path) -> None:
    here, there = Paths(tmp_path / "here"), Paths(tmp_path / "there")
    ids = finished(here)
    with Store.open(":memory:") as store:
        ingest(store, here)
        rows = save_gallery(store, folder=there.gallery, ids=ids)
    assert (rows["runs"], rows["scores"]) == (2, 2)
    with Store.open(":memory:") as store:
        ingest(store, there)
        assert gains_of(store) == [("measured", "de", 0.25, f"gallery-{ids[1]}")]


def test_credits_are_committed_without_answers_or_ids(tmp_path: Path) -> None:
    here, there = Paths(tmp_path / "here"), Paths(tmp_path / "there")
    ids = finished(here)
    with Store.open(":memory:") as store:
        ingest(store, here)
        assert save_gallery(store, folder=there.gallery, ids=ids)["credits"] == 2
    with Store.open(":memory:") as store:
        ingest(store, there)
        with store.cursor() as cur:
            found = cur.execute(
                "SELECT run_id, lang, metric, correct FROM credits ORDER BY list_sum(correct)"
            ).fetchall()
    # A metric with a hole in its credits is left out, the others are in the order of the test set.
    assert found == [
        (f"gallery-{ids[0]}", "de", "accuracy", CREDITS[0.5]),
        (f"gallery-{ids[1]}", "de", "accuracy", CREDITS[0.75]),
    ]
    for file in there.gallery.glob("*.parquet"):
        assert "secret" not in str(pq.read_table(file).to_pylist()), file.name


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    ids = finished(paths)
    for name, parts in (("one", [ids]), ("two", [ids[1:], ids[:1], ids])):
        with Store.open(":memory:") as store:
            ingest(store, Elsewhere(tmp_path))
            for part in parts:
                save_gallery(store, folder=tmp_path / name, ids=part)
    for file in (tmp_path / "one").glob("*.parquet"):
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes(), file.name


def test_saving_twice_and_in_parts_gives_each_run_once(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    ids = finished(paths)
    other = tmp_path / "gallery"
    with Store.open(":memory:") as store:
        ingest(store, paths)
        for part in (ids[:1], ids, ids[1:], []):
            rows = save_gallery(store, folder=other, ids=part)
    assert (rows["runs"], rows["scores"]) == (2, 2)
    assert sorted(pq.read_table(other / "runs.parquet")["run_id"].to_pylist()) == sorted(ids)


def test_unfinished_runs_and_runs_of_the_gallery_are_not_saved(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    ids = finished(paths)
    half = run_spec("qqp")
    write_run(paths, half, history(half, [scored("de", 0.9)])[:-1], finished=False)
    with Store.open(":memory:") as store:
        ingest(store, paths)
        save_gallery(store, folder=paths.gallery, ids=ids)
        load_family(store, FAMILIES[0], collection=Collection(MEASURED, paths.gallery))
        rows = save_gallery(store, folder=tmp_path / "again", ids=[*ids, half.run_id, f"gallery-{ids[0]}"])
    assert rows["runs"] == 2


def test_no_folder_of_this_machine_is_committed() -> None:
    model = MODEL.model_copy(update={"path": "/secret/models/tiny", "fingerprint": "abc"})
    source = DataSource(kind=DataSourceKind.MIRROR, root="/secret/hub")
    spec = run_spec("mnli").model_copy(update={"model": model, "data_source": source})
    found = portable_spec(spec.model_dump_json())
    assert "/secret" not in found
    assert json.loads(found)["data_source"]["root"] == MIRROR
    assert json.loads(found)["model"] == json.loads(spec.model_dump_json())["model"] | {"path": "tiny"}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("/secret/hub/google/xtreme holds no data files.", "…/xtreme holds no data files."),
        ("Cannot read '/secret/a b/x.tsv', line 3", "Cannot read '…/a b/x.tsv', line 3"),
        ("read google/xtreme and/or https://example.org/a/b", "read google/xtreme and/or https://example.org/a/b"),
    ],
)
def test_sentences_lose_the_folders_of_a_path(said: str, kept: str) -> None:
    assert portable_text(said) == kept


def test_no_folder_of_this_machine_is_committed_in_a_reason(tmp_path: Path) -> None:
    paths, spec = Paths(tmp_path), run_spec()
    skipped = LanguageSkipped(lang="sw", reason="/secret/hub/x/xnli holds no data files.")
    write_run(paths, spec, history(spec, [scored("de", 0.5), skipped]))
    with Store.open(":memory:") as store:
        ingest(store, Elsewhere(tmp_path))
        save_gallery(store, folder=paths.gallery, ids=[spec.run_id])
    assert pq.read_table(paths.gallery / "skips.parquet")["reason"].to_pylist() == ["…/xnli holds no data files."]


def test_a_file_that_is_not_the_gallerys_is_named_and_kept(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    ids = finished(paths)
    paths.gallery.mkdir()
    (paths.gallery / "runs.parquet").write_bytes(b"no parquet")
    with Store.open(":memory:") as store:
        ingest(store, Elsewhere(tmp_path))
        with pytest.raises(StoreError, match=r"runs.parquet is not a file of the gallery .* Restore it from version"):
            save_gallery(store, folder=paths.gallery, ids=ids)
    assert (paths.gallery / "runs.parquet").read_bytes() == b"no parquet"


def test_a_gallery_as_large_as_the_coming_one_is_small_and_there_at_once(tmp_path: Path) -> None:
    """Nine hundred runs x 13 languages x 200 examples and 100,000 similarities: under 8 MiB, far under 3 s."""
    paths, rng = Paths(tmp_path), np.random.default_rng(0)
    langs = ("en", "de", "sw", "zh", "hi", "ru", "ar", "tr", "th", "ur", "vi", "fr", "es")
    plan = Planted(langs=langs, seeds=range(1, 16))
    with Store.open(":memory:") as store:
        planted(store, plan)
        with store.cursor() as cur:
            keys = cur.execute("SELECT run_id, lang, metric FROM scores").df()
        drawn = rng.random((len(keys), 200)) < 0.5
        add_rows(store, "credits", keys.assign(correct=list(drawn.astype(float))))
        add_rows(store, "similarities", _similarities(100_000, rng))
        with store.cursor() as cur:
            ids = [
                row[0]
                for row in cur.execute("SELECT run_id FROM runs UNION ALL SELECT profile_id FROM profiles").fetchall()
            ]
        rows = save_gallery(store, folder=paths.gallery, ids=ids)
    assert (rows["runs"], rows["credits"]) == (13 * 5 * 15, 13 * 5 * 15 * 13)
    assert rows["similarities"] > 100_000
    assert sum(file.stat().st_size for file in paths.gallery.glob("*.parquet")) < 8 * 2**20
    began = time.process_time()
    with Store.open(paths.database) as store:
        ingest(store, paths)
        assert len(gains_of(store)) == 12 * 5 * 15 * 13
    assert time.process_time() - began < 6  # processor time, twice the second it takes on two cores and more


COMMITTED = REPO / "data" / "gallery"
_FOLDER = r"""["' =](/[a-z]+){2}"""
"""How a folder of a machine begins."""


@pytest.mark.skipif(not (COMMITTED / "runs.parquet").exists(), reason="no gallery is committed yet")
def test_what_is_committed_is_a_gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It loads, is small, names no folder of a machine, and every gain has its baseline beside it."""
    monkeypatch.setenv("ATLAS_GALLERY", str(COMMITTED))
    paths = AtlasPaths(home=tmp_path)
    files = list(paths.gallery.glob("*.parquet"))
    assert sum(file.stat().st_size for file in files) < 8 * 2**20
    assert not (paths.gallery / "steps.parquet").exists()
    with Store.open(paths.database) as store:
        ingest(store, paths)
        assert len(gains_of(store)) > 0
        with store.cursor() as cur:
            texts = cur.execute("""
                SELECT spec, environment FROM runs UNION ALL SELECT spec, environment FROM profiles
                UNION ALL SELECT reason, NULL FROM skips UNION ALL SELECT reason, NULL FROM profile_skips
                UNION ALL SELECT message, NULL FROM flags
            """)
            strays = [text for row in texts.fetchall() for text in row if text and re.search(_FOLDER, text)]
            unpaired = cur.execute("SELECT count(*) FROM gains WHERE missing = 'no baseline'").fetchone()
    assert strays == []
    assert unpaired == (0,)


def _similarities(n: int, rng: np.random.Generator) -> pd.DataFrame:
    value = rng.random(n)
    rows = {"profile_id": "domain-centroid_cosine-minilm", "a": [f"a{i // 300}" for i in range(n)],
            "b": [f"b{i % 300}" for i in range(n)], "measure": "mmd", "centred": False, "value": value,
            "ci_low": value - rng.random(n), "ci_high": value + rng.random(n), "n_a": 1000, "n_b": 1000,
            "resamples": 200}  # fmt: skip
    return pd.DataFrame(rows)
