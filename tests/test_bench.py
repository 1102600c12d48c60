"""What `make bench` runs: each measurement imports, the table reads, and the ways of a training learn the same."""

from __future__ import annotations

import argparse
import importlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from bench import sessions
from bench.__main__ import ALL
from bench.grid import spread
from bench.level_bound import most_at_least, nearest, ours, problem
from bench.made import KINDS, make_encoder, make_rows
from bench.plain import same_loss
from bench.table import Row, measured, render
from core.paths import AtlasPaths
from core.studies import StudyRequest, build_study
from core.types.pieces import IGNORED


@pytest.mark.parametrize("name", ALL)
def test_each_measurement_is_there(name: str) -> None:
    assert callable(importlib.import_module(f"bench.{ALL[name][0]}").main)


def test_a_process_of_its_own_finds_what_it_is_asked_to_run() -> None:
    """`python -m bench` names its own module `__main__`, which a process that it starts does not import."""
    assert measured.__module__ == "bench.table"
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process, pytest.raises(ModuleNotFoundError):
        process.submit(measured, "no_such_measurement").result()


def test_the_table_of_sessions_has_a_line_for_each_page_and_its_errors() -> None:
    found = [sessions.Asked("runs", float(s), errors=s == 3) for s in range(1, 21)] + [sessions.Asked("", 0.5, 0)]
    _, _, first, second, every, _, memory = sessions.table(found, [sessions.Sample(5.0, 420.4, 17)]).splitlines()
    assert (first, second) == ("| overview | 1 | 0 | 0.50 | 0.50 |", "| runs | 20 | 1 | 11.00 | 20.00 |")
    assert every.startswith("| all | 21 | 1 | ") and memory == "after 5 s: 420 MB, 17 files"


def test_the_table_has_a_line_for_each_row_and_aligned_columns() -> None:
    head, rule, first, second = render(
        [Row("training", "≥ 2", "2.05 ×", 3), Row("two epochs with frozen layers", "", "1.80 ×", 1)]
    ).splitlines()
    assert head.split() == ["measure", "|", "goal", "|", "median", "|", "turns"]
    assert set(rule) <= {"-", " ", "|"}
    assert first.index("≥ 2") == head.index("goal")
    assert second.index("1.80 ×") == first.index("2.05 ×") == head.index("median")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder((3_000, 2, 24), tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("task", KINDS)
def test_our_training_has_the_losses_of_a_plain_loop(task: str, tiny: Path) -> None:
    options = argparse.Namespace(task=task, steps=3, batch=4, device="cpu", precision="fp32", model=str(tiny))
    found = same_loss(options)
    assert len(found["ours"]) == 3
    assert len(set(found["ours"])) == 3


def test_words_have_a_label_at_their_first_piece_alone() -> None:
    rows = make_rows(KINDS["tagging"], pieces=3_000, n=50)
    assert all(len(row) == len(target) for row, target in zip(*rows, strict=True))
    labelled = sum(int((target != IGNORED).sum()) for target in rows.targets)
    assert 0.5 < labelled / (rows.lengths.sum() - 2 * 50) < 0.75  # 1.6 pieces a word
    assert all(target[0] == target[-1] == IGNORED for target in rows.targets)


def test_answers_lie_inside_their_windows() -> None:
    rows = make_rows(KINDS["qa"], pieces=3_000, n=50)
    assert 256 <= rows.lengths.min() <= rows.lengths.max() <= 384
    assert all(0 < first <= last < len(row) - 1 for row, (first, last) in zip(*rows, strict=True))


def test_the_chains_that_stand_for_a_grid_have_each_target_as_often(tmp_path: Path) -> None:
    wanted = StudyRequest(
        intermediates=("mnli", "qqp", "sst2", "ag_news"), targets=("xnli", "pawsx", "tweet_sentiment"), seeds=(1, 2),
        with_baselines=False,
    )  # fmt: skip
    runs = build_study(wanted, paths=AtlasPaths(home=tmp_path)).runs()
    some = spread(runs, n=6)
    assert sorted(run.target for run in some) == [
        "pawsx",
        "pawsx",
        "tweet_sentiment",
        "tweet_sentiment",
        "xnli",
        "xnli",
    ]
    assert len({run.intermediate for run in some}) == 4
    assert {run.run_id for run in spread(runs, n=24)} == {run.run_id for run in runs}


@pytest.mark.parametrize("seeds, k", [(2, 0.0), (3, 2.0)])
def test_no_interval_over_seeds_and_examples_can_do_what_ours_does_not(seeds: int, k: float) -> None:
    rules = problem(seeds, k=k, floor=1.0, steps=30)
    rates = ours(rules, seeds=seeds, k=k)
    best = most_at_least(rules)
    assert rates.max() < 0.051, "never too sure"
    assert 0 < rates.min() < best < 0.05, "a safe rule, which the best one is not worse than"
    # Where a rule may be as near as that, the best safe one's rate is one such: 5 % less the distance, or more.
    assert 0.005 < nearest(rules) <= 0.05 - best + 1e-6
    assert nearest(problem(seeds, k=k, floor=0.8, steps=30)) < nearest(rules)
