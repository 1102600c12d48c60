"""The commands that answer, on planted effects: JSON for programs, words for people, errors with what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.cli.main import app, spread
from core.errors import DataError, UnknownName
from core.jobs.local import LocalBackend
from core.paths import AtlasPaths
from core.store.connection import Store
from tests.makers.tables import INTERMEDIATES, TARGETS, Planted, planted


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("home")
    with Store.open(folder / "atlas.duckdb") as store:
        plan = Planted(
            difficulty=0.02, spread=0.005, seeds=(1, 2), intermediates=INTERMEDIATES[:8], targets=TARGETS[1:4]
        )
        planted(store, plan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATLAS_HOME", str(folder))
        yield folder


def rows_of(*words: str) -> list[dict[str, object]]:
    done = CliRunner().invoke(app, spread([*words, "--json"]), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def test_analyse_answers_in_words_and_numbers(home: Path) -> None:
    del home
    rows = rows_of("analyse", "--by", "target", "--cells")
    assert rows[0]["name"] == "contrast 1", "inside data sets first"
    headline = next(row for row in rows if row["name"] == "headline")
    assert "8 intermediates" in str(headline["label"])
    kinds = {str(row["kind"]) for row in rows}
    assert {"answer", "contrast", "term", "naive", "share", "null", "permutation", "cell"} <= kinds
    difficulty = next(row for row in rows if (row["kind"], row["name"]) == ("term", "difficulty"))
    assert difficulty["ci_low"] < difficulty["estimate"] < difficulty["ci_high"]  # type: ignore[operator]
    assert difficulty["n"] == 8
    assert {row.get("group") for row in rows if row["kind"] == "share"} >= set(TARGETS[1:3])
    cell = next(row for row in rows if row["kind"] == "cell")
    assert cell["method"] == "t over seeds"


def test_contrasts_are_a_command_of_their_own(home: Path) -> None:
    del home
    rows = rows_of("contrasts", "--by", "family")
    assert [row["contrast"] for row in rows] == ["harder", "nearer", "labels", "task"]
    assert {row["n"] for row in rows} == {0}
    said = CliRunner().invoke(app, ["contrasts", "--scale", "noise"], catch_exceptions=False).stdout
    assert "No runs compare the hardest third of a task with its easiest third yet." in said
    with pytest.raises(UnknownName, match="headroom"):
        CliRunner().invoke(app, ["contrasts", "--scale", "points"], catch_exceptions=False)


def test_analyse_fits_every_measure_on_request(home: Path) -> None:
    del home
    rows = [row for row in rows_of("analyse", "--every-measure") if row["kind"] == "specification"]
    assert [row["name"] for row in rows] == ["difficulty", "similarity"]
    assert {(row["difficulty_measure"], row["similarity_measure"]) for row in rows} == {("headroom", "centroid_cosine")}
    assert rows[0]["ci_low"] < rows[0]["estimate"] < rows[0]["ci_high"]  # type: ignore[operator]


def test_predict_judges_against_random(home: Path) -> None:
    del home
    rows = {str(row["selector"]): row for row in rows_of("predict")}
    assert rows["random"]["ndcg"] is not None
    assert rows["logme"]["ndcg"] is None
    judged = [row for row in rows.values() if row["ndcg"] is not None]
    assert len(judged) >= 5
    assert all(row["pairs"] and row["ndcg_random"] is not None for row in judged)
    assert rows["difficulty"]["ndcg_mnli"] == pytest.approx(rows["always_mnli"]["ndcg"])
    printed = CliRunner().invoke(app, ["predict"], catch_exceptions=False).stdout.splitlines()
    assert {"pairs", "ndcg_random", "ndcg_over_random_low"} <= set(printed[0].split())


def test_predict_shows_what_a_launch_froze(home: Path) -> None:
    """Frozen through `run`, whose runs nobody executes; on an empty home there is a ranking and no gain yet."""
    words = ["--intermediate", "mnli", "qqp", "--target", "udpos", "tydiqa"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalBackend, "wake", lambda _self: False)
        queued = rows_of("run", *words, "--no-wait")
        assert {row["state"] for row in queued} == {"queued"}
        (file,) = AtlasPaths(home).rankings.glob("*.json")
        before = file.read_text()
        rows_of("run", *words, "--no-wait")
        assert file.read_text() == before
        rows_of("run", "--intermediate", "mnli", "--target", "udpos", "--no-wait")
    assert [f.name for f in AtlasPaths(home).rankings.iterdir()] == [file.name], "one intermediate is no ranking"
    rows = [row for row in rows_of("predict") if row["kind"] == "frozen"]
    assert {row["target"] for row in rows} == {"tydiqa", "udpos"}
    waiting = {row["selector"]: row["state"] for row in rows if row["target"] == "udpos"}
    assert waiting["centroid_cosine"] == waiting["random"] == "waiting"
    assert waiting["logme"] == "unscored"
    assert any(row["kind"] == "held out" for row in rows_of("predict"))
    for option in (["--target", "tatoeba"], ["--protocol", "standard"], ["--data-source", "hub"]):
        done = CliRunner().invoke(app, ["predict", "--json", *option])
        assert "frozen" not in done.stdout, option
    assert "frozen" in {row["kind"] for row in rows_of("predict", "--protocol", "quick", "--data-source", "sample")}


def test_claims_have_the_promised_fields(home: Path) -> None:
    del home
    rows = rows_of("claims", "--id", "S1", "P6", "P4")
    assert [row["id"] for row in rows] == ["S1", "P4", "P6"]
    for row in rows:
        assert {"id", "claim", "verdict", "estimate", "ci_low", "ci_high", "n", "source", "laboratory"} <= set(row)
    assert rows[0]["verdict"] == "not testable"
    assert rows[0]["estimate"] is None
    assert rows[1]["n"] is not None  # the paper's own table is always there


def test_next_says_what_to_run(home: Path) -> None:
    """Every pair has two seeds of the three wanted, so a third of each is proposed; with two wanted nothing is."""
    del home
    rows = pairs_of("--limit", "3")
    assert [row["kind"] for row in rows] == ["seeds"] * 3
    worth = [float(str(row["worth"])) for row in rows]
    assert worth == sorted(worth, reverse=True) and worth[-1] > 0
    for row in rows:
        assert row["target"] == "tydiqa udpos"
        assert row["runs"] == 4, "of two trained targets one seed more, and its baseline"
        assert f"--intermediate {row['intermediate']} " in str(row["command"])
        assert "--seeds 1 2 3 " in str(row["command"])
    assert len(pairs_of()) == 8, "as many as there are intermediates"
    assert pairs_of("--seeds", "2") == []


def test_next_says_what_would_settle_each_open_sentence(home: Path) -> None:
    """No third and no placebo was run: four contrasts are open, each with runs that start it."""
    del home
    rows = [row for row in rows_of("next") if row["kind"] == "settle"]
    assert [row["name"] for row in rows if row["n_unit"] == "base tasks"] == ["harder", "nearer", "labels", "task"]
    for row in rows[:4]:
        assert "no task has been compared yet" in str(row["said"])
        assert str(row["command"]).startswith("python -m core run ")
        assert row["runs"] > 0
        assert 0 < row["seconds_low"] <= row["seconds_high"]


def pairs_of(*options: str) -> list[dict[str, object]]:
    return [row for row in rows_of("next", *options) if row["kind"] != "settle"]


def test_mistakes_say_what_is_known(home: Path) -> None:
    del home
    for words, message in (
        (["claims", "--id", "S99"], "No claim named 'S99'"),
        (["analyse", "--by", "tagret"], "Did you mean 'target'"),
        (["analyse", "--anchor", "dev"], "No anchor named 'dev'"),
    ):
        with pytest.raises(UnknownName, match=message):
            CliRunner().invoke(app, words, catch_exceptions=False)
    with pytest.raises(DataError, match=r"No gain to analyse.*python -m core run"):
        CliRunner().invoke(app, ["analyse", "--model", "mbert"], catch_exceptions=False)
