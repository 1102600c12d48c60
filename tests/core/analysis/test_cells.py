"""Rows, states, cells and means of the Transfer page, on rows made by hand and on the runs of the fixture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from core.analysis.cells import (
    TESTS,
    DisplayOptions,
    cell_table,
    common_languages,
    grid,
    how_excluded,
    how_tested,
    not_learned,
    only,
    valued,
)
from core.measures.inference.intervals import t_interval
from core.measures.inference.stats import benjamini_hochberg
from core.paths import AtlasPaths
from core.queries.credits import view_tests
from core.queries.flips import credit_flips, flips
from core.queries.transfer import View, choices, seed_rows, states
from core.store.connection import Store
from core.store.counted import EARLIER, FLOOR, INTERMEDIATE
from core.store.ingest import ingest
from tests.makers.home import N, fill, score_of, spec


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    fill(folder)
    return folder


@pytest.fixture(scope="module")
def store(home: Path) -> Iterator[Store]:
    with Store.open(":memory:") as opened:
        ingest(opened, AtlasPaths(home=home))
        yield opened


@pytest.fixture
def cur(store: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    with store.cursor() as opened:
        yield opened


def _view(cur: duckdb.DuckDBPyConnection, target: str) -> View:
    rows = choices(cur)
    row = rows[rows["target"] == target].iloc[0].to_dict()
    fields = {name: row[name] for name in View._fields}
    return View(
        **fields | {"model_fingerprint": None if pd.isna(row["model_fingerprint"]) else row["model_fingerprint"]}
    )


LANGS = ("en", "de", "sw")


def _rows(values: dict[tuple[str, str], list[float | None]]) -> pd.DataFrame:
    """Gains by (lang, intermediate), seeds 1, 2, …; None is a score without a pair."""
    rows = [
        (lang, name, seed, 0.5 + (gain or 0.0), gain, 100, False, None if gain is not None else "no baseline")
        for (lang, name), gains in values.items()
        for seed, gain in enumerate(gains, start=1)
    ]
    columns = ["lang", "intermediate", "seed", "score", "gain", "n", "in_task", "missing"]
    frame = pd.DataFrame(rows, columns=columns).assign(baseline_score=0.5, excluded=None).astype({"gain": "float64"})
    return frame.astype({"lang": "category", "intermediate": "category"})


def _states(names: tuple[str, ...]) -> pd.DataFrame:
    grid_of = [(lang, name, "missing", "not scored in this language") for name in names for lang in LANGS]
    return pd.DataFrame(grid_of, columns=["lang", "intermediate", "state", "reason"])


ROWS = _rows({
    ("en", "a"): [0.10, 0.20], ("de", "a"): [0.01, 0.03], ("sw", "a"): [0.04, 0.08],
    ("en", "b"): [0.05, 0.05], ("de", "b"): [0.03, 0.04], ("sw", "b"): [None, None],
    ("en", "c"): [0.00], ("de", "c"): [-0.02],
})  # fmt: skip
STATES = _states(("a", "b", "c"))


def _cell(cells: pd.DataFrame, lang: str, intermediate: str) -> pd.Series:
    return cells[(cells["lang"] == lang) & (cells["intermediate"] == intermediate)].iloc[0]


def test_a_cell_is_a_mean_with_its_interval() -> None:
    cell = _cell(cell_table(ROWS, STATES, shown=DisplayOptions(LANGS)), "de", "a")
    expected = t_interval([0.01, 0.03])
    assert (cell["value"], cell["low"], cell["high"]) == pytest.approx(expected[:3])
    assert cell["sd"] == pytest.approx(0.02 / np.sqrt(2))
    assert (cell["n_seeds"], cell["seeds"], cell["n"], cell["state"]) == (2, "1, 2", "100", "done")
    assert cell["score"] == pytest.approx(0.52)


def test_holes_keep_their_state_and_are_never_zero() -> None:
    cells = cell_table(ROWS, STATES, shown=DisplayOptions(LANGS))
    no_pair, not_run, alone = (_cell(cells, *which) for which in (("sw", "b"), ("sw", "c"), ("de", "c")))
    assert pd.isna(no_pair["value"]) and (no_pair["state"], no_pair["missing"]) == ("missing", "no baseline")
    assert pd.isna(not_run["value"]) and not_run["missing"] == "not scored in this language"
    assert alone["value"] == -0.02 and pd.isna(alone["low"])  # one seed has no interval
    assert _cell(cells, "en", "b")["sd"] == 0 and pd.isna(_cell(cells, "en", "b")["low"])  # copies have none either


def test_the_correction_is_over_the_cells_shown() -> None:
    everything = grid(ROWS, STATES, shown=DisplayOptions(LANGS))
    fewer = grid(ROWS, STATES, shown=DisplayOptions(("de",)))
    assert (everything.n_tested, fewer.n_tested) == (4, 2)  # two seeds that differ: a in three languages, b in German
    # t = mean / (sd / sqrt 2) with one degree of freedom, p = 1 - 2 arctan(t) / pi: for 0.01, 0.03 t = 2, p = 0.295;
    # for 0.03, 0.04 t = 7, p = 0.0903.
    p = [1 - 2 * np.arctan(2.0) / np.pi, 1 - 2 * np.arctan(7.0) / np.pi]
    q = fewer.cells.set_index("intermediate")["q_value"]
    assert q[["a", "b"]].tolist() == pytest.approx(list(benjamini_hochberg(p).q_values))
    assert q["b"] < _cell(everything.cells, "de", "b")["q_value"]


def _tests(*rows: tuple[str, str, float, float, float, int]) -> pd.DataFrame:
    columns = ["lang", "intermediate", "low", "high", "p_value", "n_tested"]
    return pd.DataFrame(rows, columns=columns).assign(n_examples=100)


def test_a_test_over_examples_takes_the_place_of_the_one_over_seeds() -> None:
    """A cell with credits has its limits, p-value and words; the others stay, all in one family of the correction."""
    tests = _tests(("de", "c", -0.03, -0.01, 0.001, 1), ("de", "a", 0.005, 0.035, 0.02, 2))
    found = grid(ROWS, STATES, shown=DisplayOptions(LANGS), tests=tests)
    one, two, seeds = (_cell(found.cells, "de", name) for name in "cab")
    assert (one["low"], one["high"], one["tested_by"]) == (-0.03, -0.01, "examples")
    assert (two["low"], two["high"], two["tested_by"]) == (0.005, 0.035, "seeds and examples")
    assert seeds["tested_by"] == "seeds" and pd.isna(_cell(found.cells, "sw", "b")["tested_by"])
    # Four cells have two seeds that differ; c in German has one seed and its examples.
    assert found.n_tested == 5
    assert one["q_value"] == pytest.approx(0.001 * 5) and one["significant"]
    said = how_tested(found.cells)
    assert all(text in said for text in TESTS.values())
    assert how_tested(grid(ROWS, STATES, shown=DisplayOptions(LANGS)).cells) == TESTS["seeds"]


def test_scores_keep_their_limits_over_seeds() -> None:
    tests = _tests(("de", "a", 0.005, 0.035, 0.02, 2))
    cells = grid(ROWS, STATES, shown=DisplayOptions(LANGS, quantity="score"), tests=tests).cells
    assert _cell(cells, "de", "a")["low"] < 0.5 < _cell(cells, "de", "a")["high"]
    assert cells["q_value"].isna().all()


def test_cells_of_a_view_are_tested_on_their_examples(cur: duckdb.DuckDBPyConnection, home: Path) -> None:
    """The fixture keeps predictions of MNLI and its baseline, of two seeds."""
    view = _view(cur, "xnli")
    found = view_tests(cur, view).set_index(["intermediate", "lang"])
    assert set(found.index.get_level_values(0)) == {"mnli"}
    assert len(found) == 15 and set(found["n_tested"]) == {2} and set(found["n_examples"]) == {N}
    credit = {
        name: pd.read_parquet(home / "runs" / spec(name, "xnli").run_id / "predictions.parquet")
        .query("lang == 'de'").sort_values("index")["correct"].to_numpy()
        for name in ("mnli", "none")
    }  # fmt: skip
    difference = credit["mnli"] - credit["none"]
    alone = view_tests(cur, view, seed=1).set_index(["intermediate", "lang"])
    assert set(alone["n_tested"]) == {1} and len(alone) == 15
    # Of one seed examples alone vary: Student's t over two hundred of them.
    half = 1.9720 * difference.std(ddof=1) / np.sqrt(N)
    assert alone.loc[("mnli", "de"), "low"] == pytest.approx(difference.mean() - half, abs=1e-5)
    assert view_tests(cur, view, seed=9).empty
    assert view_tests(cur, view._replace(metric="macro_f1")).empty


def test_a_cell_of_which_one_run_kept_no_credits_is_not_tested_on_examples(home: Path) -> None:
    with Store.open(":memory:") as own:
        ingest(own, AtlasPaths(home=home))
        with own.write() as cur:
            cur.execute("DELETE FROM credits WHERE run_id = ? AND lang = 'de'", [spec("mnli", "xnli", seed=2).run_id])
        with own.cursor() as cur:
            found = view_tests(cur, _view(cur, "xnli"))
    assert len(found) == 14 and "de" not in set(found["lang"])


def test_means_are_over_the_languages_that_all_have_without_english() -> None:
    found = grid(ROWS, STATES, shown=DisplayOptions(LANGS))
    # c has two of three languages (at least half), b has no Swahili: German alone is common.
    assert found.averaged == ("de",)
    assert found.means["value"].tolist() == pytest.approx([0.02, 0.035, -0.02])
    assert grid(ROWS, STATES, shown=DisplayOptions(("en",))).averaged == ("en",)


def test_languages_that_nobody_has_change_no_number_and_can_be_left_out() -> None:
    langs = (*LANGS, "af", "th", "ur", "vi")
    bare = [(lang, name, "missing", "not scored in this language") for name in "abc" for lang in langs[3:]]
    everything = grid(
        ROWS, pd.concat([STATES, pd.DataFrame(bare, columns=STATES.columns)]), shown=DisplayOptions(langs)
    )
    plain = grid(ROWS, STATES, shown=DisplayOptions(LANGS))
    # Of six languages besides English no intermediate has half; of the two that anybody has, a and c have.
    assert everything.averaged == plain.averaged == ("de",)
    assert len(everything.cells) == 3 * 7 and valued(everything.cells) == LANGS
    fewer = only(everything, langs=valued(everything.cells))
    pd.testing.assert_frame_equal(fewer.cells, plain.cells)
    pd.testing.assert_frame_equal(fewer.means, plain.means)
    assert fewer.n_tested == plain.n_tested
    assert valued(plain.cells.assign(value=np.nan)) == LANGS  # nothing has a value: all are there to say why


def test_an_intermediate_with_few_languages_takes_none_away() -> None:
    rows = ROWS[~((ROWS["intermediate"] == "b") | ((ROWS["intermediate"] == "c") & (ROWS["lang"] == "de")))]
    found = grid(
        rows, STATES, shown=DisplayOptions(LANGS)
    )  # c has English only: one of the languages that are averaged, none
    assert found.averaged == ("de", "sw")
    means = found.means.set_index("intermediate")
    assert means.loc["a", "value"] == pytest.approx((0.02 + 0.06) / 2)
    assert pd.isna(means.loc["b", "value"]) and pd.isna(means.loc["c", "value"])


def test_the_interval_of_a_mean_is_over_seeds_that_have_every_language() -> None:
    found = grid(ROWS[ROWS["intermediate"] == "a"], _states(("a",)), shown=DisplayOptions(LANGS))
    # Seed 1: (0.01 + 0.04) / 2, seed 2: (0.03 + 0.08) / 2.
    expected = t_interval([0.025, 0.055])
    row = found.means.iloc[0]
    assert (row["value"], row["low"], row["high"], row["n_seeds"]) == pytest.approx((*expected[:3], 2))


def test_ranks_share_places_and_leave_holes_out() -> None:
    rows = _rows({("de", "a"): [0.3], ("de", "b"): [0.1], ("de", "c"): [0.3], ("sw", "a"): [0.1], ("sw", "b"): [0.2]})
    cells = cell_table(rows, STATES, shown=DisplayOptions(("de", "sw"), None, "rank"))
    ranks = cells.pivot(index="lang", columns="intermediate", values="value")
    assert ranks.loc["de"].tolist() == [1.5, 3.0, 1.5]
    assert ranks.loc["sw"].tolist()[:2] == [2.0, 1.0] and pd.isna(ranks.loc["sw", "c"])


def test_z_scores_are_within_a_language_and_need_three() -> None:
    rows = _rows({("de", "a"): [0.1], ("de", "b"): [0.2], ("de", "c"): [0.3], ("sw", "a"): [0.1], ("sw", "b"): [0.2]})
    cells = cell_table(rows, STATES, shown=DisplayOptions(("de", "sw"), None, "z"))
    assert cells[cells["lang"] == "de"]["value"].tolist() == pytest.approx([-1, 0, 1])
    swahili = cells[cells["lang"] == "sw"]
    assert swahili["value"].isna().all()
    assert swahili["missing"].tolist()[0] == "a z-score needs 3 intermediates that differ"


def test_one_seed_is_shown_as_it_is() -> None:
    found = grid(ROWS, STATES, shown=DisplayOptions(LANGS, 2))
    assert _cell(found.cells, "de", "a")["value"] == 0.03
    assert pd.isna(_cell(found.cells, "de", "c")["value"])  # c has seed 1 alone
    assert found.n_tested == 0


def _excluding(**reasons: str) -> pd.DataFrame:
    """The rows with a reason for all of an intermediate, or for a seed of it: `a1` is seed 1 of a."""
    names = ROWS["intermediate"].astype(str)
    keys = names.map(reasons).fillna((names + ROWS["seed"].astype(str)).map(reasons))
    return ROWS.assign(excluded=keys.astype(object).where(keys.notna(), None))


def test_values_that_are_no_evidence_are_shown_and_enter_no_mean_no_test_no_rank() -> None:
    found = grid(_excluding(a=INTERMEDIATE), STATES, shown=DisplayOptions(LANGS))
    cell = _cell(found.cells, "de", "a")
    assert (cell["value"], cell["excluded"], cell["state"]) == (pytest.approx(0.02), INTERMEDIATE, "done")
    assert pd.isna(cell["low"]) and pd.isna(cell["q_value"]) and pd.isna(cell["tested_by"])
    assert (found.n_excluded, found.n_tested) == (3, 1)  # b in German alone has two seeds that differ
    means = found.means.set_index("intermediate")["value"]
    assert pd.isna(means["a"]) and means["c"] == pytest.approx(-0.02)
    assert how_excluded(found) == (
        "3 of 7 values do not count: they stand in brackets, outside of averages and tests (3 whose intermediate "
        "(a task or a part of one) was not learned)."
    )
    assert not_learned(found.cells) == {"a"}
    assert how_excluded(grid(ROWS, STATES, shown=DisplayOptions(LANGS))) == ""
    ranks = cell_table(_excluding(b=FLOOR), STATES, shown=DisplayOptions(("de",), None, "rank"))
    assert pd.isna(_cell(ranks, "de", "b")["value"]) and _cell(ranks, "de", "a")["value"] == 1.0


def test_a_seed_that_is_no_evidence_leaves_the_others() -> None:
    found = grid(_excluding(a1=INTERMEDIATE), STATES, shown=DisplayOptions(LANGS))
    cell = _cell(found.cells, "de", "a")
    assert (cell["value"], cell["n_seeds"], cell["seeds"], cell["excluded"]) == (0.03, 1, "2", None)
    assert (found.n_excluded, not_learned(found.cells)) == (0, frozenset())


def test_a_score_is_left_out_only_where_other_code_made_it() -> None:
    shown = DisplayOptions(LANGS, None, "score")
    assert grid(_excluding(a=FLOOR), STATES, shown=shown).n_excluded == 0
    assert grid(_excluding(a=EARLIER), STATES, shown=shown).n_excluded == 3


def test_cells_come_in_the_order_asked_for() -> None:
    cells = cell_table(ROWS, STATES, shown=DisplayOptions(("sw", "en")))
    assert cells["lang"].tolist()[:2] == ["sw", "en"]
    assert common_languages(cells) == ("sw",) or common_languages(cells) == ()


def test_cells_of_the_fixture(cur: duckdb.DuckDBPyConnection) -> None:
    view = _view(cur, "xnli")
    rows, grid_states = seed_rows(cur, view), states(cur, view)
    langs = tuple(pd.unique(grid_states["lang"]))
    cells = cell_table(rows, grid_states, shown=DisplayOptions(langs))
    gains = [
        score_of(spec("mnli", "xnli", seed=s), "de") - score_of(spec("none", "xnli", seed=s), "de") for s in (1, 2)
    ]
    assert _cell(cells, "de", "mnli")["value"] == pytest.approx(sum(gains) / 2)
    assert len(cells) == 15 * 5 and "none" not in set(cells["intermediate"])
    scores = cell_table(rows, grid_states, shown=DisplayOptions(langs, None, "score"))
    assert len(scores) == 15 * 6 and scores["intermediate"].iloc[0] == "none"
    for found in (cells, scores):
        assert (found["value"].isna() == found["missing"].notna()).all()
        assert ((found["state"] == "done") == found["value"].notna()).all()
    reasons = cells.set_index(["lang", "intermediate"])
    assert reasons.loc[("sw", "qqp"), ["state", "missing"]].tolist() == ["skipped", "no test split in this data source"]
    assert reasons.loc[("sw", "stsb"), "state"] == "failed"


@pytest.mark.parametrize(
    ("outcome", "started", "state"),
    [(None, True, "running"), (None, False, "queued"), ("cancelled", True, "cancelled")],
)
def test_states_of_open_runs(cur: duckdb.DuckDBPyConnection, outcome: str | None, started: bool, state: str) -> None:
    cur.begin()
    cur.execute(
        f"UPDATE runs SET outcome = $outcome{'' if started else ', started_at = NULL'} WHERE run_id = $run_id",
        {"outcome": outcome, "run_id": spec("stsb", "xnli").run_id},
    )
    found = states(cur, _view(cur, "xnli"))
    cur.rollback()
    assert set(found[found["intermediate"] == "stsb"]["state"]) == {state}


def test_flips_by_hand(cur: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    def write(name: str, credit: list[float | None]) -> Path:
        rows = [("de", "accuracy", i, f"e{i}", f"{name}{c}", c) for i, c in enumerate(credit)]
        rows.append(("sw", "accuracy", 0, "e0", "other language", 1.0))
        file = tmp_path / f"{name}.parquet"
        columns = ["lang", "metric", "index", "example_id", "prediction", "correct"]
        pd.DataFrame(rows, columns=columns).to_parquet(file)
        return file

    after, before = write("a", [1, 1, 0, 1, None]), write("b", [0, 1, 1, 0, 1])
    found = flips(cur, after=after, before=before, lang="de", metric="accuracy")
    assert found is not None and found.n == 4  # the last has no credit in one of them
    assert list(zip(found.rows["example_id"], found.rows["change"], strict=True)) == [("e0", 1), ("e2", -1), ("e3", 1)]
    assert found.test is not None and (found.test.gained, found.test.lost) == (2, 1)
    assert found.rows.iloc[0][["before", "after"]].tolist() == ["b0", "a1"]
    partial = flips(cur, after=write("c", [0.5, 1.0]), before=before, lang="de", metric="accuracy")
    assert partial is not None and partial.test is None
    assert flips(cur, after=after, before=before, lang="de", metric="f1") is None


def test_flips_from_the_store_are_those_of_the_files(cur: duckdb.DuckDBPyConnection, home: Path) -> None:
    ids = [spec(name, "xnli").run_id for name in ("mnli", "none")]
    files = [home / "runs" / run_id / "predictions.parquet" for run_id in ids]
    by_file = flips(cur, after=files[0], before=files[1], lang="de", metric="accuracy")
    by_store = credit_flips(cur, after=ids[0], before=ids[1], lang="de", metric="accuracy")
    assert by_file is not None and by_store is not None
    assert len(by_store.rows) > 0 and (by_store.n, by_store.test) == (by_file.n, by_file.test)
    assert (
        by_store.rows[["index", "change"]].to_numpy().tolist() == by_file.rows[["index", "change"]].to_numpy().tolist()
    )
    assert credit_flips(cur, after=ids[0], before=ids[1], lang="de", metric="macro_f1") is None
    assert credit_flips(cur, after=ids[0], before="nobody", lang="de", metric="accuracy") is None
