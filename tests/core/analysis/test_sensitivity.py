"""The model under every pair of measures: what is planted in one measure is found with that measure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd
import pytest

from core.analysis.answer import answer
from core.analysis.model import analyse
from core.analysis.sensitivity import COLUMNS, measured_cells, n_pairs, sensitivity, spread_in_words
from core.queries.evidence import AnalysisOptions, Evidence, evidence, runs_to_pool
from core.queries.filters import Filter
from core.queries.scales import UNITS
from core.store.connection import Store
from tests.makers.tables import Planted, planted


class World(NamedTuple):
    """Evidence and cells; two measures of difficulty have the same values, large where easy in one of them."""

    found: Evidence
    cells: pd.DataFrame


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Store.open(":memory:") as store:
        planted(store, Planted(difficulty=0.02, similarity=0.01, spread=0.004))
        with store.cursor() as cur:
            cur.execute("""
                INSERT INTO difficulties BY NAME
                SELECT * REPLACE ('label_entropy' AS measure) FROM difficulties
                WHERE measure = 'headroom'
            """)
            found = evidence(cur, runs_to_pool(cur, Filter()), options=AnalysisOptions())
            yield World(found, measured_cells(cur, found))


@pytest.fixture(scope="module")
def rows(world: World) -> pd.DataFrame:
    return sensitivity(world.cells)


def test_every_pair_of_measures_has_both_terms(rows: pd.DataFrame, world: World) -> None:
    assert tuple(rows.columns) == COLUMNS
    hard = [c.split(":")[1] for c in world.cells if c.startswith("difficulty:")]
    near = [c.split(":")[1] for c in world.cells if c.startswith("similarity:")]
    assert {"headroom", "label_entropy"} <= set(hard) and "centroid_cosine" in near
    pairs = rows.groupby(["difficulty_measure", "similarity_measure"])["name"].agg(set)
    assert len(pairs) == len(hard) * len(near) == n_pairs(world.cells) and all(
        names == {"difficulty", "similarity"} for names in pairs
    )


def test_the_pair_of_the_page_has_the_estimates_of_the_page(rows: pd.DataFrame, world: World) -> None:
    whole = analyse(world.found)
    mine = rows[(rows["difficulty_measure"] == "headroom") & (rows["similarity_measure"] == "centroid_cosine")]
    for row in mine.to_dict("records"):
        assert whole.fit is not None
        (theirs,) = (c for c in whole.fit.coefficients if c.name == row["name"])
        assert row["estimate"] == pytest.approx(theirs.interval.estimate, rel=1e-9)
        assert row["ci_low"] == pytest.approx(theirs.interval.low, rel=1e-9)


def test_a_sign_that_hangs_on_the_measure_is_said_in_the_answer(rows: pd.DataFrame, world: World) -> None:
    model = analyse(world.found)
    torn = answer(world.found, model, every=rows)
    assert "whether difficulty helps or hurts depends on the measure" in torn.headline
    assert any(detail.startswith("With every known measure") and "above zero" in detail for detail in torn.details)
    both = answer(
        world.found, model, every=pd.concat([rows, rows[rows["name"] == "difficulty"].assign(name="similarity")])
    )
    assert "whether difficulty and similarity help or hurt depends on the measure" in both.headline
    one = answer(world.found, model, every=rows[rows["difficulty_measure"] == "headroom"])
    assert "depends on the measure" not in one.headline
    assert not any("every one of similarity" in detail for detail in one.details)  # one pair, which is the model above
    assert "depends on the measure" not in answer(world.found, model).headline


def test_the_spread_in_words(rows: pd.DataFrame) -> None:
    some = pd.DataFrame(
        {"name": ["difficulty"] * 3, "estimate": [0.01, -0.03, 0.02], "ci_low": [0.001, -0.04, -0.01],
         "ci_high": [0.02, -0.02, 0.05]}
    )  # fmt: skip
    assert spread_in_words(some, term="difficulty", unit=UNITS["headroom"]) == (
        "With every known measure of difficulty beside every one of similarity (3 pairs), the effect of difficulty "
        "is estimated as −3.00 to +2.00 % of the head-room (median +1.00); 1 95 % interval above zero, 1 below."
    )
    assert "zero lies inside every 95 % interval" in spread_in_words(
        some[2:], term="difficulty", unit=UNITS["headroom"]
    )
    assert (
        spread_in_words(rows[:0], term="similarity", unit=UNITS["headroom"])
        == "The effect of similarity cannot be estimated with any measure."
    )


def test_a_pair_without_a_model_says_why(world: World) -> None:
    few = world.cells[world.cells["intermediate"].isin(sorted(set(world.cells["intermediate"]))[:3])]
    found = sensitivity(few)
    assert found["estimate"].isna().all()
    assert found["note"].str.startswith("3 intermediates have a gain").all()
