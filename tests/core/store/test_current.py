"""Runs that stand twice: which one counts, which baseline it is measured against, and that nothing is lost."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from core.paths import AtlasPaths
from core.queries.filters import Filter
from core.queries.runs import listing as run_queries
from core.spec.run import DataSource, DataSourceKind, RunSpec
from core.store.connection import Store
from core.store.ingest import ingest
from core.store.schema import MIGRATIONS
from tests.makers.folders import history, run_spec, scored, write_run

OLD, NEW = "/old/place/hub", "/new/place/hub"


def mirrored(intermediate: str | None, *, root: str, seed: int = 1) -> RunSpec:
    """A run on a mirror in some folder."""
    source = DataSource(kind=DataSourceKind.MIRROR, root=root)
    return run_spec(intermediate, seed=seed).model_copy(update={"data_source": source})


def write(  # noqa: PLR0913  # one parameter for each thing that the rule looks at
    paths: AtlasPaths, spec: RunSpec, score: float, *, month: int, fingerprint: str = "f", finished: bool = True
) -> str:
    """A run folder with one score in German, all its facts in one month of 2026; its run id."""
    run = write_run(
        paths, spec, history(spec, [scored("de", score, fingerprint=fingerprint)])[: None if finished else -1],
        finished=finished,
    )  # fmt: skip
    run.events.write_text(run.events.read_text().replace("2026-01-01", f"2026-{month:02}-01"))
    return spec.run_id


@pytest.fixture
def paths(tmp_path: Path) -> AtlasPaths:
    return AtlasPaths(home=tmp_path)


def counted(paths: AtlasPaths) -> list[tuple[str, float, float | None]]:
    """Run, score and gain of what counts, after an ingest."""
    with Store.open(":memory:") as store:
        ingest(store, paths)
        with store.cursor() as cur:
            sql = "SELECT run_id, score, round(gain, 6) FROM current_gains ORDER BY run_id"
            return [tuple(row) for row in cur.execute(sql).fetchall()]


def test_the_later_of_two_places_counts_with_its_own_baseline(paths: AtlasPaths) -> None:
    write(paths, mirrored(None, root=NEW), 0.5, month=3)
    new = write(paths, mirrored("mnli", root=NEW), 0.6, month=4)
    write(paths, mirrored(None, root=OLD), 0.4, month=1)
    write(paths, mirrored("mnli", root=OLD), 0.7, month=2)
    assert counted(paths) == [(new, 0.6, 0.1)]


def test_all_runs_stay_in_the_list_of_runs_and_have_their_gains(paths: AtlasPaths) -> None:
    for month, root in enumerate((OLD, NEW), start=1):
        write(paths, mirrored(None, root=root), 0.5, month=month)
        write(paths, mirrored("mnli", root=root), 0.6, month=month)
    with Store.open(":memory:") as store:
        ingest(store, paths)
        with store.cursor() as cur:
            assert len(run_queries.runs(cur, Filter())) == 4
            assert cur.execute("SELECT is_current, round(gain, 6) FROM gains ORDER BY 1").fetchall() == [
                (False, 0.1), (True, 0.1)
            ]  # fmt: skip


def test_seeds_and_places_of_other_cells_are_not_touched(paths: AtlasPaths) -> None:
    ids = [write(paths, mirrored("mnli", root=OLD, seed=seed), 0.6, month=seed) for seed in (1, 2, 3)]
    ids.append(write(paths, run_spec("mnli"), 0.6, month=1))  # the bundled sample is another data source
    assert [row[0] for row in counted(paths)] == sorted(ids)


def test_a_run_that_has_not_finished_takes_nothing_away(paths: AtlasPaths) -> None:
    write(paths, mirrored(None, root=OLD), 0.4, month=1)
    old = write(paths, mirrored("mnli", root=OLD), 0.7, month=2)
    write(paths, mirrored(None, root=NEW), 0.5, month=3)
    write(paths, mirrored("mnli", root=NEW), 0.6, month=4, finished=False)
    assert counted(paths) == [(old, 0.7, 0.3)]


def test_a_run_made_again_without_its_baseline_takes_no_gain_away(paths: AtlasPaths) -> None:
    write(paths, mirrored(None, root=OLD), 0.4, month=1)
    old = write(paths, mirrored("mnli", root=OLD), 0.7, month=2)
    write(paths, mirrored("mnli", root=NEW), 0.6, month=4)
    assert counted(paths) == [(old, 0.7, 0.3)]


def test_equal_times_are_decided_by_the_id(paths: AtlasPaths) -> None:
    ids = [write(paths, mirrored("mnli", root=root), 0.6, month=1) for root in (OLD, NEW, "/third")]
    assert [row[0] for row in counted(paths)] == [min(ids)]


def test_of_two_baselines_of_one_pair_the_one_with_the_same_examples_is_taken(paths: AtlasPaths) -> None:
    """Versions of the program that knew other fields gave one baseline two ids; both have the same pair key."""
    write(paths, run_spec(None), 0.4, month=1)
    with Store.open(":memory:") as store:
        run = write(paths, run_spec("mnli"), 0.6, month=2)
        ingest(store, paths)
        with store.write() as cur:  # a later one, of the same examples
            _again(cur, score=0.5, month=5, fingerprint="f-de", name="same")
        assert _gain(store) == [(run, "same", 0.1)]
        with store.write() as cur:  # the latest, of others
            _again(cur, score=0.1, month=6, fingerprint="g-de", name="other")
        assert _gain(store) == [(run, "same", 0.1)]


def _runs(store: Store, *rows: tuple[str, str, str, str | None, str | None, float]) -> None:
    """Runs (id, collection, intermediate, outcome, finished_at, score) of one seed of one cell and pair."""
    with store.write() as cur:
        for run, collection, intermediate, outcome, finished, score in rows:
            cur.execute(
                "INSERT INTO runs BY NAME SELECT $run AS run_id, $collection AS collection, 'm' AS model, $name AS "
                "intermediate, 'xnli' AS target, 'classification' AS task_type, 1 AS seed, 'quick' AS protocol, 'd' AS "
                "protocol_digest, 'mirror' AS data_source, 'pair' AS pair_key, 'accuracy' AS headline_metric, .3 AS "
                "chance, 1 AS attempts, $outcome AS outcome, $finished::TIMESTAMP AS finished_at, '{}' AS spec",
                {"run": run, "collection": collection, "name": intermediate, "outcome": outcome, "finished": finished},
            )
            cur.execute(
                "INSERT INTO scores BY NAME SELECT $run AS run_id, 'de' AS lang, 'accuracy' AS metric, $score AS score,"
                " 9 AS n, 'test' AS split, 'f' AS fingerprint",
                {"run": run, "score": score},
            )


DAY, LATER = "2026-01-01", "2026-01-02"


def test_a_baseline_of_another_collection_is_nobodys(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a.duckdb") as store:
        _runs(store, ("yours", "yours", "mnli", "finished", DAY, 0.6),
              ("theirs", "measured", "none", "finished", LATER, 0.1))  # fmt: skip
        with store.cursor() as cur:
            assert cur.execute("SELECT gain, missing FROM current_gains").fetchall() == [(None, "no baseline")]


@pytest.mark.parametrize(
    ("first", "second", "gain"),
    [
        ((None, DAY), ("finished", DAY), 0.2),
        (("failed", LATER), ("finished", DAY), 0.2),
        (("finished", DAY), ("finished", LATER), 0.2),
        (("finished", None), ("finished", DAY), 0.2),
        (("finished", DAY), ("finished", DAY), 0.1),
    ],
    ids=["not ended", "failed", "earlier", "of unknown time", "alike: the smaller id"],
)
def test_which_of_two_baselines_counts(
    tmp_path: Path, first: tuple[str | None, str | None], second: tuple[str, str], gain: float
) -> None:
    with Store.open(tmp_path / "a.duckdb") as store:
        _runs(store, ("a", "yours", "none", *first, 0.5), ("b", "yours", "none", *second, 0.4),
              ("run", "yours", "mnli", "finished", DAY, 0.6))  # fmt: skip
        with store.cursor() as cur:
            assert cur.execute("SELECT round(gain, 9) FROM current_gains").fetchall() == [(gain,)]
            current = cur.execute("SELECT run_id FROM current_runs WHERE intermediate = 'none'").fetchall()
    assert current == [("b",) if gain == 0.2 else ("a",)], "the baseline that is shown is the one that is measured with"


@pytest.mark.parametrize(
    ("outcome", "finished", "expected"),
    [("finished", LATER, "b"), (None, LATER, "a"), ("failed", LATER, "a"), ("finished", None, "a"),
     ("finished", DAY, "a")],
    ids=["later", "not ended", "failed", "of unknown time", "alike: the smaller id"],
)  # fmt: skip
def test_which_of_two_runs_counts(tmp_path: Path, outcome: str | None, finished: str | None, expected: str) -> None:
    with Store.open(tmp_path / "a.duckdb") as store:
        _runs(store, ("a", "yours", "mnli", "finished", DAY, 0.6), ("b", "yours", "mnli", outcome, finished, 0.7))
        with store.cursor() as cur:
            assert cur.execute("SELECT run_id FROM current_runs").fetchall() == [(expected,)]


def test_a_store_of_an_earlier_version_knows_which_runs_count(tmp_path: Path) -> None:
    file = tmp_path / "a.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute("CREATE TABLE migrations (name VARCHAR PRIMARY KEY, applied_at TIMESTAMP NOT NULL)")
        for name, migration in MIGRATIONS:
            if name < "011":
                migration(con)
                con.execute("INSERT INTO migrations VALUES (?, now()::TIMESTAMP)", [name])
        for run in ("a", "b"):
            con.execute(
                "INSERT INTO runs BY NAME SELECT $run AS run_id, 'yours' AS collection, 'm' AS model, 'mnli' AS "
                "intermediate, 'xnli' AS target, 'classification' AS task_type, 1 AS seed, 'quick' AS protocol, 'd' AS "
                "protocol_digest, 'mirror' AS data_source, $run AS pair_key, 'accuracy' AS headline_metric, .3 AS "
                "chance, 1 AS attempts, 'finished' AS outcome, '{}' AS spec",
                {"run": run},
            )
    with Store.open(file) as store, store.cursor() as cur:
        assert cur.execute("SELECT run_id FROM current_runs").fetchall() == [("a",)]


def _again(cur: duckdb.DuckDBPyConnection, *, score: float, month: int, fingerprint: str, name: str) -> None:
    """The baseline once more under another id."""
    first = {"name": name, "run": run_spec(None).run_id}
    cur.execute(
        "INSERT INTO runs BY NAME SELECT * REPLACE ($name AS run_id, make_timestamp(2026, $month, 1, 0, 0, 0) AS "
        "finished_at) FROM runs WHERE run_id = $run",
        first | {"month": month},
    )
    cur.execute(
        "INSERT INTO scores BY NAME SELECT * REPLACE ($name AS run_id, $score AS score, $fingerprint AS fingerprint) "
        "FROM scores WHERE run_id = $run",
        first | {"score": score, "fingerprint": fingerprint},
    )


def _gain(store: Store) -> list[tuple[str, str, float]]:
    with store.cursor() as cur:
        sql = "SELECT run_id, baseline_run_id, round(gain, 6) FROM current_gains ORDER BY ALL"
        return [tuple(row) for row in cur.execute(sql).fetchall()]
