"""Push and pull: equal stores, however often interrupted; strangers' files and broken copies are named and left."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem
from typer.testing import CliRunner

from core.cli.main import app
from core.errors import NotWritable, SpecError, StoreError, UnknownName
from core.paths import AtlasPaths
from core.store.connection import Store
from core.store.exchange.address import Address, address_of
from core.store.exchange.folders import Moved, Outcome, pull, push
from core.store.exchange.imports import import_results
from core.store.ingest import PARTS, ingest
from tests.makers.folders import history, run_spec, scored, write_run


def home(folder: Path, *, seeds: range = range(0)) -> AtlasPaths:
    paths = AtlasPaths(folder)
    for seed in seeds:
        spec = run_spec("mnli" if seed % 2 else None, seed=seed)
        run = write_run(paths, spec, history(spec, [scored("en", 0.5), scored("de", 0.01 * seed)]), study="s")
        run.log.write_text("/home/me\n")
        run.checkpoints.mkdir()
    return paths


def dump(paths: AtlasPaths) -> dict[str, list[tuple[object, ...]]]:
    with Store.open(":memory:") as store:
        ingest(store, paths)
        with store.cursor() as cur:
            tables = ("runs", *PARTS, "rankings")
            return {t: cur.execute(f"SELECT * FROM {t} ORDER BY ALL").fetchall() for t in tables}


def counts(moved: list[Moved]) -> dict[Outcome, int]:
    return {each: sum(m.outcome is each for m in moved) for each in Outcome if any(m.outcome is each for m in moved)}


@pytest.mark.parametrize("address", ["folder", "memory://push-and-pull"])
def test_two_homes_are_equal_and_the_same_twice_copies_nothing(address: str, tmp_path: Path) -> None:
    a, b = home(tmp_path / "a", seeds=range(4)), home(tmp_path / "b")
    a.rankings.mkdir()
    there = address_of(str(tmp_path / address) if "://" not in address else address)
    assert counts(list(push(a, there))) == {Outcome.COPIED: 4}
    assert counts(list(pull(b, there))) == {Outcome.COPIED: 4}
    assert dump(a) == dump(b)
    assert len(dump(b)["scores"]) == 8
    assert counts(list(push(a, there))) == counts(list(pull(b, there))) == {Outcome.THERE: 4}
    assert sorted(p.name for p in next(b.runs.iterdir()).iterdir()) == [
        "events.jsonl",
        "finished.json",
        "job.json",
        "spec.json",
    ], "no log, no weights"


class _Cut(BaseException):
    """The process ends here."""


class _Frail(LocalFileSystem):
    """Leaves half a file and ends after so many files."""

    left = 0
    cachable = False

    def _count(self, file: str, text: bytes) -> None:
        self.left -= 1
        if self.left < 0:
            Path(file).write_bytes(text[: len(text) // 2])
            raise _Cut

    def put_file(self, lpath: str, rpath: str, **rest: object) -> None:
        self._count(rpath, Path(lpath).read_bytes())
        super().put_file(lpath, rpath, **rest)

    def get_file(self, rpath: str, lpath: str, **rest: object) -> None:
        self._count(lpath, Path(rpath).read_bytes())
        super().get_file(rpath, lpath, **rest)

    def pipe_file(self, path: str, value: bytes, **rest: object) -> None:
        self._count(path, value)
        super().pipe_file(path, value, **rest)


def test_interrupted_twenty_times_each_way_the_stores_are_equal(tmp_path: Path) -> None:
    rng = random.Random(1)
    a, b = home(tmp_path / "a", seeds=range(30)), home(tmp_path / "b", seeds=range(30, 33))
    files = _Frail()
    there = Address(files, str(tmp_path / "there"))
    for paths, way in ((a, push), (b, push), (b, pull), (a, pull)):
        cuts = 0
        while True:
            files.left = rng.randint(1, 9) if cuts < 20 else 10**6
            try:
                list(way(paths, there))
            except _Cut:
                cuts += 1
            else:
                break
        assert cuts <= 20
        assert all(p.name.isalnum() for p in paths.runs.iterdir()), "no half of a folder"
    assert dump(a) == dump(b)
    assert len(dump(a)["runs"]) == 33


def test_results_of_ones_own_stay_unless_the_others_are_asked_for(tmp_path: Path) -> None:
    a, b, there = home(tmp_path / "a", seeds=range(1)), home(tmp_path / "b"), address_of(str(tmp_path / "there"))
    spec = run_spec(seed=0)
    own = write_run(b, spec, history(spec, [scored("en", 0.9)]))
    list(push(a, there))
    assert counts(list(pull(b, there))) == counts(list(push(b, there))) == {Outcome.DIFFERS: 1}
    assert "0.9" in own.events.read_text()
    assert counts(list(pull(b, there, replace=True))) == {Outcome.COPIED: 1}
    assert own.events.read_text() == a.run(spec.run_id).events.read_text()


@pytest.mark.parametrize("cut", range(7))
def test_a_replacement_that_is_cut_off_leaves_what_lay_there_whole(cut: int, tmp_path: Path) -> None:
    a, b, c = home(tmp_path / "a", seeds=range(1)), home(tmp_path / "b"), home(tmp_path / "c")
    spec = run_spec(seed=0)
    newer = write_run(b, spec, history(spec, [scored("en", 0.9)]))
    files = _Frail()
    there = Address(files, str(tmp_path / "there"))
    files.left = 10**6
    list(push(a, there))
    files.left = cut
    try:
        done = list(push(b, there, replace=True))
    except _Cut:
        done = []
    files.left = 10**6
    assert counts(list(pull(c, there))) == {Outcome.COPIED: 1}
    kept = newer if done else a.run(spec.run_id)
    assert c.run(spec.run_id).events.read_text() == kept.events.read_text()
    assert bool(done) == (cut > 4), "four files and the marker are put there"
    assert counts(list(push(b, there, replace=True))) == {Outcome.THERE if done else Outcome.COPIED: 1}
    assert counts(list(pull(c, there, replace=True))) == {Outcome.THERE if done else Outcome.COPIED: 1}
    assert c.run(spec.run_id).events.read_text() == newer.events.read_text()
    left = sorted(p.name for p in (tmp_path / "there" / "runs" / spec.run_id).iterdir())
    assert len(left) == 2 and left[1] == "pushed.json", "nothing of the former results"


def test_what_is_queued_here_is_left_and_a_push_in_progress_is_not_taken(tmp_path: Path) -> None:
    a, b, there = home(tmp_path / "a", seeds=range(2)), home(tmp_path / "b"), address_of(str(tmp_path / "there"))
    write_run(b, run_spec(seed=0), [], finished=False)
    list(push(a, there))
    (tmp_path / "there" / "runs" / run_spec("mnli", seed=1).run_id / "pushed.json").write_text('{"spec.js')
    assert counts(list(pull(b, there))) == {Outcome.UNFINISHED: 1}


def _in_its_place(file: Path, *, put: Callable[[Path], None] = Path.mkdir) -> None:
    file.unlink()
    put(file)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "events.jsonl").write_text("other"), "events.jsonl is not what was pushed"),
        (lambda f: (f / "spec.json").unlink(), "spec.json is missing"),
        (lambda f: (f / "pushed.json").write_text('{"../../x": "1"}'), "names '../../x', which is no file of a job"),
        (lambda f: (f / "pushed.json").write_text('{"spec.json": "1"}'), "events.jsonl, finished.json is missing"),
        (lambda f: (f / "pushed.json").write_text('{"cancel": "1"}'), "names 'cancel', which is no file of a job"),
        (lambda f: (f / "pushed.json").write_text("[1]"), "holds [1], expected digests by name"),
        (
            lambda f: (f / "pushed.json").write_text('{"folder": "../x", "files": {"a": "b"}}'),
            "expected digests by name",
        ),
        (lambda f: (f / "pushed.json").write_text('{"folder": 5, "files": [1]}'), "expected digests by name"),
        (lambda f: _in_its_place(f / "pushed.json", put=os.mkfifo), "pushed.json is no file there but a pipe"),
        (lambda f: _in_its_place(f / "events.jsonl", put=os.mkfifo), "events.jsonl is no file there but a pipe"),
        (lambda f: os.truncate(f / "pushed.json", 65 * 2**20), "pushed.json has 65 MB there, expected 64 MB at most"),
        (lambda f: os.truncate(f / "events.jsonl", 3 * 2**30), "events.jsonl has 3,072 MB there, expected 2,048 MB"),
        (lambda f: _in_its_place(f / "pushed.json"), "pushed.json cannot be read or written there: Is a directory"),
        (lambda f: _in_its_place(f / "spec.json"), "spec.json cannot be read or written there: Is a directory"),
    ],
)
def test_a_copy_that_is_not_what_was_pushed_is_named_and_the_rest_taken(spoil, said: str, tmp_path: Path) -> None:  # noqa: ANN001
    a, b, there = home(tmp_path / "a", seeds=range(2)), home(tmp_path / "b"), address_of(str(tmp_path / "there"))
    list(push(a, there))
    spoil(tmp_path / "there" / "runs" / run_spec(seed=0).run_id)
    found = {m.name: m for m in pull(b, there)}
    broken = found.pop(run_spec(seed=0).run_id)
    assert broken.outcome is Outcome.DAMAGED
    assert said in (broken.message or "")
    assert [m.outcome for m in found.values()] == [Outcome.COPIED]
    assert [p.name for p in b.runs.iterdir()] == list(found)


def test_drafts_of_killed_pulls_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    b = home(tmp_path / "b")
    for name, age in ((".old.1-a.tmp", 7200), (".new.1-a.tmp", 0)):
        (b.runs / name).mkdir(parents=True)
        then = (b.runs / name).stat().st_mtime - age
        os.utime(b.runs / name, (then, then))
    (tmp_path / "there").mkdir()
    list(pull(b, address_of(str(tmp_path / "there"))))
    assert [p.name for p in b.runs.iterdir()] == [".new.1-a.tmp"]


def test_one_bad_name_on_either_side_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    """A copied folder, a ranking that is a folder, and at the address files where folders are expected."""
    a, b, there = home(tmp_path / "a", seeds=range(2)), home(tmp_path / "b"), tmp_path / "there"
    shutil.copytree(a.run(run_spec(seed=0).run_id).root, a.runs / "0123456789ab")
    a.ranking("r1").mkdir(parents=True)
    a.ranking("r2").write_text("{}")
    sent = {m.name: m.message for m in push(a, address_of(str(there))) if m.outcome is Outcome.BROKEN}
    assert "it was changed, copied or renamed" in (sent.pop("0123456789ab") or "")
    assert "r1.json is a folder" in (sent.pop("r1") or "") and "r2.json" in (sent.pop("r2") or "") and not sent
    (there / "runs" / "fedcba987654").write_text("x")
    (there / "runs" / "loop").symlink_to("loop")
    (there / "rankings" / "r1.json").mkdir()
    found = list(pull(b, address_of(str(there))))
    assert counts(found) == {Outcome.COPIED: 2, Outcome.DAMAGED: 3}
    assert dump(b)["runs"] == dump(home(tmp_path / "c", seeds=range(2)))["runs"]


@pytest.mark.parametrize(
    "text",
    ["nosuch://x/y", "~nosuchuser/x", "github://x/y", "tar://x::/etc/passwd", "x" * 5000],
)
def test_an_address_that_nothing_answers_to(text: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be reached") as error:
        address_of(text)
    with pytest.raises(SpecError, match="cannot be reached"):
        import_results(home(tmp_path), text, name="ana")
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("text", ["", "  ", "s3:/bucket/atlas"])
def test_what_would_be_a_folder_by_mistake_is_no_address(text: str) -> None:
    with pytest.raises(SpecError, match="two slashes as in s3://bucket/atlas"):
        address_of(text)


def test_what_is_not_there_is_no_empty_answer(tmp_path: Path) -> None:
    a, there = home(tmp_path / "a", seeds=range(1)), address_of(str(tmp_path / "there"))
    with pytest.raises(StoreError, match="There is nothing at"):
        list(pull(a, there))
    with pytest.raises(UnknownName, match="No finished run or profile named 'nosuch'"):
        list(push(a, there, only=("nosuch",)))
    list(push(a, there))
    with pytest.raises(UnknownName, match="No run or profile at the address named 'nosuch'"):
        list(pull(a, there, only=("nosuch",)))


def test_an_address_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")
    with pytest.raises(StoreError, match="the same command goes on with the rest"):
        list(push(home(tmp_path / "a", seeds=range(1)), address_of(str(tmp_path / "there"))))


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = home(tmp_path / "a", seeds=range(3)), home(tmp_path / "b")
    run, there = CliRunner(), str(tmp_path / "there")
    monkeypatch.setenv("ATLAS_HOME", str(a.home))
    one = run_spec(seed=0).run_id
    sent = run.invoke(app, ["push", there, "--id", one])
    assert (sent.exit_code, sent.stderr) == (0, "1 pushed.\n")
    assert run.invoke(app, ["push", there]).stderr == "2 pushed; 1 there already.\n"
    monkeypatch.setenv("ATLAS_HOME", str(b.home))
    taken = run.invoke(app, ["pull", there, "--json"])
    assert {row["outcome"] for row in json.loads(taken.stdout)} == {"copied"}
    assert dump(a) == dump(b)
    assert run.invoke(app, ["pull", there]).stdout == "Nothing new.\n"
    monkeypatch.setenv("ATLAS_READ_ONLY", "1")
    assert isinstance(run.invoke(app, ["pull", there]).exception, NotWritable)


def collections_of(paths: AtlasPaths) -> dict[str, tuple[int, int]]:
    """Runs and gains by collection, the committed one apart."""
    with Store.open(":memory:") as store:
        ingest(store, paths)
        with store.cursor() as cur:
            return {
                name: (runs, gains)
                for name, runs, gains in cur.execute(
                    "SELECT collection, count(*), (SELECT count(*) FROM gains g WHERE g.collection = r.collection) "
                    "FROM runs r WHERE collection <> 'measured' GROUP BY ALL ORDER BY ALL"
                ).fetchall()
            }


def test_a_colleagues_runs_are_a_collection_of_their_own(tmp_path: Path) -> None:
    """The same runs in both homes: nothing is paired across collections, and a removed folder takes its rows along."""
    a, b, there = home(tmp_path / "a", seeds=range(4)), home(tmp_path / "b", seeds=range(2)), tmp_path / "there"
    list(push(a, address_of(str(there))))
    found = import_results(b, str(there), name="ana")
    assert (found.runs, found.profiles, found.left_out) == (4, 0, ())
    own = collections_of(home(tmp_path / "b"))
    assert {name: runs for name, (runs, _) in own.items()} == {"ana": 4, "yours": 2}
    assert own["ana"] == collections_of(a)["yours"]
    assert json.loads((b.imported / "ana" / "origin.json").read_text())["source"] == str(there)
    for strange in ("yours", "o'brien"):  # put there by hand: neither mixes with one's own, nor stops the others
        shutil.copytree(b.imported / "ana", b.imported / strange)
    again = import_results(b, str(b.imported / "ana"), name="twice")
    assert again.runs == 4, "a gallery's folder"
    with Store.open(tmp_path / "kept.duckdb") as store:
        ingest(store, b)
        shutil.rmtree(b.imported / "twice")
        ingest(store, b)
        with store.cursor() as cur:
            names = cur.execute("SELECT DISTINCT collection FROM runs ORDER BY ALL").fetchall()
    assert names == [("ana",), ("yours",)]


@pytest.mark.parametrize("name", ["yours", "measured", "Ana", "../x", "a" * 41, ""])
def test_a_collection_has_a_plain_name_that_is_free(name: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be the name of a collection"):
        import_results(home(tmp_path), str(tmp_path), name=name)


def test_what_holds_no_results_leaves_nothing(tmp_path: Path) -> None:
    b = home(tmp_path / "b")
    with pytest.raises(StoreError, match="holds no finished run"):
        import_results(b, str(tmp_path), name="ana")
    (tmp_path / "runs.parquet").write_text("PAR1")
    with pytest.raises(StoreError, match=f"^{tmp_path}/runs.parquet does not hold the table"):
        import_results(b, str(tmp_path), name="ana")
    assert not list(b.imported.iterdir())


def test_the_import_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_HOME", str(tmp_path / "b"))
    list(push(home(tmp_path / "a", seeds=range(2)), address_of(str(tmp_path / "there"))))
    found = CliRunner().invoke(app, ["import", str(tmp_path / "there"), "--name", "ana", "--json"])
    assert json.loads(found.stdout) == [{"collection": "ana", "runs": 2, "profiles": 0, "left_out": 0}]
    assert found.stderr == "Compare with: python -m core gains --collection ana\n"
    assert CliRunner().invoke(app, found.stderr.split("python -m core ")[1].split()).exit_code == 0
    with pytest.raises(UnknownName, match="Did you mean 'ana'"):
        CliRunner().invoke(app, ["gains", "--collection", "anna"], catch_exceptions=False)
