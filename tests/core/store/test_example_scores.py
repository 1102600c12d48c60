"""The table `credits`: lists whose mean is the score beside them, and no others."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import RunFolderDamaged
from core.paths import REPO, AtlasPaths, RunPaths
from core.store.connection import Store
from core.store.example_scores import read_example_scores
from core.store.gallery import FAMILIES, MEASURED, Collection, load_family
from core.store.ingest import ingest
from tests.makers.folders import history, run_spec, scored, write_run

COUNTS = [[2.0, 2.0, 3.0], [1.0, 2.0, 1.0], [0.0, 0.0, 2.0]]
"""Right, gold and predicted chunks of three sentences: F1 2 · 3 / (4 + 6) = 0.6; the mean of their own F1 is 0.489."""
EACH = [0.8, 2 / 3, 0.0]


class Elsewhere(AtlasPaths):
    """Paths without a gallery."""

    @property
    def gallery(self) -> Path:
        return self.home / "none"


class Committed(AtlasPaths):
    """Paths with the gallery of the repository."""

    @property
    def gallery(self) -> Path:
        return REPO / "data" / "gallery"


def write(run: RunPaths, columns: dict[str, object]) -> None:
    """Predictions of three sentences in German, the last first."""
    n = 3
    table = pa.table({"lang": ["de"] * n, "metric": ["accuracy"] * n, "index": list(range(n)), **columns})
    pq.write_table(table.take([2, 1, 0]), run.predictions)


def taken(tmp_path: Path, columns: dict[str, object], *, score: float) -> list[tuple[str | None, list[float]]]:
    """Rows of `credits` after the run of these predictions was read: functional and list."""
    paths, spec = Elsewhere(tmp_path), run_spec()
    write(write_run(paths, spec, history(spec, [scored("de", score)])), columns)
    with Store.open(":memory:") as store:
        ingest(store, paths)
        with store.cursor() as cur:
            return cur.execute("SELECT functional, correct FROM credits").fetchall()


def test_counts_become_values_whose_mean_is_the_score(tmp_path: Path) -> None:
    columns = {"correct": EACH, "functional": ["f1"] * 3, "counts": COUNTS}
    ((functional, values),) = taken(tmp_path, columns, score=0.6)
    assert functional == "f1" and np.mean(values) == pytest.approx(0.6, abs=1e-12)
    # (2 · right - 0.6 · size) / (10 / 3) + 0.6, in the order of the test set.
    assert values == pytest.approx([0.9, 0.66, 0.24])


def test_a_mean_over_examples_stays_as_it_is_in_files_of_any_age(tmp_path: Path) -> None:
    old = taken(tmp_path / "old", {"correct": [1.0, 0.0, 1.0]}, score=2 / 3)
    nothing = pa.nulls(3, pa.list_(pa.float64()))
    columns = {"correct": [1.0, 0.0, 1.0], "functional": pa.nulls(3, pa.string()), "counts": nothing}
    assert old == taken(tmp_path / "new", columns, score=2 / 3) == [(None, [1.0, 0.0, 1.0])]


def test_the_f1_of_sentences_is_no_credit_of_entity_f1(tmp_path: Path) -> None:
    """Predictions of an earlier version hold no counts: their cells fall back on seeds."""
    assert taken(tmp_path, {"correct": EACH}, score=0.6) == []


@pytest.mark.parametrize(("away", "n_kept"), [(0.0, 1), (1e-12, 1), (4e-8, 0), (-1e-3, 0)])
def test_a_mean_that_is_another_number_is_another_quantity(away: float, n_kept: int, tmp_path: Path) -> None:
    assert len(taken(tmp_path, {"correct": EACH}, score=sum(EACH) / 3 + away)) == n_kept


def test_counts_that_do_not_fit_their_functional_are_damage(tmp_path: Path) -> None:
    paths, spec = Elsewhere(tmp_path), run_spec()
    run = write_run(paths, spec, history(spec, [scored("de", 0.6)]))
    write(run, {"correct": EACH, "functional": ["spearman"] * 3, "counts": COUNTS})
    with pytest.raises(RunFolderDamaged, match=r"Counts of 'spearman' have shape \(3, 3\)"):
        read_example_scores(run)


def test_every_committed_list_is_of_its_score(tmp_path: Path) -> None:
    """The gallery of an earlier version holds lists of the F1 of sentences; none of them is read as more."""
    with Store.open(":memory:") as store:
        load_family(store, FAMILIES[0], collection=Collection(MEASURED, Committed(tmp_path).gallery))
        with store.cursor() as cur:
            assert _farthest(cur) <= 1e-9


def _farthest(cur: duckdb.DuckDBPyConnection) -> float:
    """The largest distance of a list's mean from its score."""
    found = cur.execute("""
        SELECT max(abs(list_avg(c.correct) - s.score)), count(*)
        FROM credits c JOIN scores s USING (run_id, lang, metric)
    """).fetchone()
    assert found is not None and found[1] > 0
    return float(found[0])
