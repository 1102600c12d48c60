"""What would settle an open contrast: power by simulation, seeds against tasks, and runs that can be started."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.analysis.contrasts.sentences import in_words
from core.analysis.contrasts.settling import FIRST_TASKS, settling
from core.analysis.contrasts.table import contrast_rows
from core.analysis.model import analyse
from core.analysis.next_cells import Plan
from core.measures.inference.correlation import t_limits
from core.paths import AtlasPaths
from core.queries.evidence import Evidence
from core.queries.scales import UNITS
from core.studies import problems
from core.tasks import TASKS
from tests.core.analysis.contrasts.test_contrasts import BASES, gather, laboratory, row_of
from tests.core.analysis.test_model import gather as gather_planted
from tests.makers.tables import INTERMEDIATES, Planted

PLAN = Plan(TASKS, seeds=2, limit=10)


def rows_of(evidence: Evidence) -> pd.DataFrame:
    return settling(evidence, analyse(evidence), plan=PLAN).set_index("name")


def noisy(*, tasks: float, seeds: float, effect: float = 0.02) -> pd.DataFrame:
    """Thirds of six data sets with seeds 1 and 2; `tasks` and `seeds` are standard deviations of their differences."""
    rng, rows = np.random.default_rng(2), []
    own = {base: rng.normal(effect, tasks) for base in BASES}
    for base, run in itertools.product(BASES, (1, 2)):
        half = (own[base] + rng.normal(0, seeds)) / 2
        found = {"none": 0.5, f"{base}@hardest": 0.6 + half, f"{base}@easiest": 0.6 - half}
        rows += [(name, "udpos", "de", run, score) for name, score in found.items()]
    frame = pd.DataFrame(rows, columns=["intermediate", "target", "lang", "seed", "score"])
    return frame.drop_duplicates(["intermediate", "target", "lang", "seed"])


def test_what_has_a_verdict_is_not_asked_for() -> None:
    rows = rows_of(gather(laboratory(harder=-0.03, nearer=0.02, labels=0.04)))
    assert not {"harder", "nearer", "labels"} & set(rows.index)


def test_what_is_about_the_same_is_not_asked_for() -> None:
    """All of the interval within 1 % of zero; as wide and off to one side it holds an effect that matters."""
    unit = UNITS["headroom"]
    assert unit.holds(-0.009, 0.002) and unit.holds(-0.01, 0.01)
    assert not unit.holds(-0.011, 0.0) and not unit.holds(0.0, 0.0101) and not unit.holds(float("nan"), 0.0)
    same = gather(noisy(tasks=0.004, seeds=0.0, effect=0.0))
    row = row_of(contrast_rows(same), "harder")
    assert unit.holds(row["ci_low"], row["ci_high"]) and "about the same" in in_words(contrast_rows(same))[0]
    assert "harder" not in rows_of(same).index


def test_the_number_of_tasks_gives_the_power_that_is_said() -> None:
    row = rows_of(gather(noisy(tasks=0.04, seeds=0.0))).loc["harder"]
    m, sd = int(row["tasks_needed"]), float(gather_sd())
    rng = np.random.default_rng(0)
    draws = rng.normal(row["find"], sd, size=(4_000, m))
    low, high, _ = t_limits(draws.mean(1).tolist(), sd=draws.std(1, ddof=1).tolist(), n=[m] * len(draws))
    found = np.mean((low > 0) | (high < 0))
    assert 0.76 < found < 0.88, f"{m} tasks: {found}"
    assert m > row["n"] == len(BASES)
    assert f"{m} tasks ({m - len(BASES)} more than now)" in row["said"]


def gather_sd() -> float:
    frame = noisy(tasks=0.04, seeds=0.0)
    one = frame[frame["intermediate"].str.endswith("hardest")].set_index(["intermediate", "seed"])["score"]
    other = frame[frame["intermediate"].str.endswith("easiest")].set_index(["intermediate", "seed"])["score"]
    means = pd.Series(one.to_numpy() - other.to_numpy(), index=one.index).groupby("intermediate").mean()
    return float(means.std())


def test_seeds_are_enough_only_where_they_are_the_noise() -> None:
    by_seeds = rows_of(gather(noisy(tasks=0.0, seeds=0.06, effect=0.015))).loc["harder"]
    assert 2 < by_seeds["seeds_needed"] < 60
    assert f"{by_seeds['seeds_needed']} seeds of the tasks that are there would do" in by_seeds["said"]
    by_tasks = rows_of(gather(noisy(tasks=0.06, seeds=0.001, effect=0.01))).loc["harder"]
    assert pd.isna(by_tasks["seeds_needed"])
    assert "More seeds alone are not enough" in by_tasks["said"]


def test_with_one_seed_its_noise_is_not_guessed() -> None:
    frame = noisy(tasks=0.06, seeds=0.0)
    row = rows_of(gather(frame[frame["seed"] == 1])).loc["harder"]
    assert pd.isna(row["seeds_needed"])
    assert "no task was run with two" in row["said"]


def test_a_contrast_nobody_ran_asks_for_tasks_that_can_be_started(tmp_path: Path) -> None:
    row = rows_of(gather(noisy(tasks=0.04, seeds=0.0))).loc["task"]
    request = row["request"]
    assert row["n"] == 0
    assert len(request.intermediates) == 2 * FIRST_TASKS
    assert row["said"].endswith(f"how many are needed. The runs below add {FIRST_TASKS}.")
    assert [f"{name}~mlm" for name in request.intermediates[::2]] == list(request.intermediates[1::2])
    runnable = request.model_copy(update={"models": ("atlas-mini",), "protocol": "quick"})
    assert problems(runnable, paths=AtlasPaths(tmp_path)) == []


def test_new_thirds_are_of_tasks_that_lack_them() -> None:
    request = rows_of(gather(noisy(tasks=0.04, seeds=0.0))).loc["harder", "request"]
    asked = {name.split("@")[0] for name in request.intermediates}
    assert asked
    assert not asked & set(BASES)
    assert request.targets == ("udpos",)
    assert request.seeds == (1, 2)


@pytest.mark.parametrize("contrast", ["nearer", "labels", "task"])
def test_every_open_sentence_has_a_row(contrast: str) -> None:
    assert contrast in rows_of(gather(noisy(tasks=0.04, seeds=0.0))).index


def test_an_open_term_across_tasks_asks_for_whole_tasks_that_were_not_tried() -> None:
    found = gather_planted(Planted(intermediates=INTERMEDIATES[:6], spread=0.03, noise=0.02))
    rows = rows_of(found)
    row = rows.loc["difficulty"]
    request, tried = row["request"], set(found.frame["intermediate"])
    assert 0 < len(request.intermediates) <= PLAN.limit
    assert not tried & set(request.intermediates)
    assert all(name in TASKS and not TASKS[name].parts for name in request.intermediates)
    assert "tatoeba" not in request.targets and set(request.targets) <= set(found.frame["target"])
    assert f"The runs below add {len(request.intermediates)} of them." in row["said"]
    few = settling(found, analyse(found), plan=Plan({name: TASKS[name] for name in (*tried, *request.targets)}))
    assert few.set_index("name").loc["difficulty", "request"] is None
