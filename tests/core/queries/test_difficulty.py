"""Difficulty and encoder changes asked of the store, against rows made by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest

from core.errors import UnknownName
from core.measures.difficulty.table import DIFFICULTIES
from core.queries.difficulty import ProfileView, difficulties, difficulty_table, encoder_changes, views
from core.store.connection import Store

_VIEW = ProfileView("yours", "m", None, "quick", "sample")


@pytest.fixture
def store() -> Iterator[Store]:
    """Two seeds, an older profile of one seed, another protocol."""
    with Store.open(":memory:") as made:
        with made.write() as cur:
            for profile, kind, seed, day, protocol in (
                ("old", "difficulty", 1, 1, "quick"),
                ("new", "difficulty", 1, 2, "quick"),
                ("two", "difficulty", 2, 1, "quick"),
                ("std", "difficulty", 1, 3, "standard"),
                ("enc", "encoder", 1, 1, "quick"),
            ):
                spec = f'{{"protocol": {{"name": "{protocol}"}}}}'
                row = [profile, kind, seed, f"2026-11-0{day} 00:00:00", spec]
                cur.execute("INSERT INTO profiles VALUES (?, 'yours', ?, 'm', NULL, 'sample', ?, ?, 1.0, ?, NULL)", row)
            for profile, name, measure, value in (
                ("old", "mnli", "headroom", 0.9),
                ("new", "mnli", "headroom", 0.2),
                ("two", "mnli", "headroom", 0.4),
                ("new", "sst2", "headroom", 0.8),
                ("new", "mnli", "code_length", 1.5),
                ("std", "mnli", "headroom", 0.7),
            ):
                row = [profile, name, measure, value, value - 0.1, value + 0.1 if name == "mnli" else None]
                cur.execute("INSERT INTO difficulties VALUES (?, ?, ?, ?, ?, ?, 500, 200)", row)
            for name, lang, layer, measure, value in (
                ("mnli", "de", 0, "cka", 0.9),
                ("mnli", "en", 0, "cka", 0.8),
                ("mnli", "de", 3, "retrieval", 0.5),
                ("none", "de", 3, "retrieval", 0.6),
            ):
                row = [name, lang, layer, measure, value]
                cur.execute("INSERT INTO encoder_changes VALUES ('enc', ?, ?, ?, ?, ?, 0, 1, 200)", row)
        yield made


def test_means_over_seeds_of_the_newest_profiles(store: Store) -> None:
    with store.cursor() as cur:
        rows = difficulties(cur, _VIEW, measure="headroom").set_index("intermediate")
    assert rows.index.tolist() == ["mnli", "sst2"], "hardest first: of mnli less of the headroom was taken"
    mnli = rows.loc["mnli"]
    # Seeds 1 (0.2, the newer profile) and 2 (0.4): mean 0.3, limits 0.2 and 0.4, standard deviation 0.1 × √2.
    assert (mnli["value"], mnli["ci_low"], mnli["ci_high"]) == pytest.approx((0.3, 0.2, 0.4))
    assert mnli["sd"] == pytest.approx(0.1 * 2**0.5)
    assert (mnli["n_seeds"], mnli["seeds"], mnli["n"], mnli["hardness"]) == (2, "1, 2", "500", pytest.approx(-0.3))
    assert pd.isna(rows.loc["sst2", "ci_high"]) and pd.isna(rows.loc["sst2", "sd"])


def test_a_table_leaves_holes(store: Store) -> None:
    with store.cursor() as cur:
        table = difficulty_table(cur, _VIEW).set_index("intermediate")
        assert views(cur, kind="difficulty")[["protocol", "seeds", "profiles"]].values.tolist() == [
            ["quick", "1, 2", 3],
            ["standard", "1", 1],
        ]
    assert table.columns.tolist() == list(DIFFICULTIES)
    assert table.loc["mnli", "code_length"] == 1.5 and pd.isna(table.loc["sst2", "code_length"])


def test_encoder_changes_per_language(store: Store) -> None:
    with store.cursor() as cur:
        assert encoder_changes(cur, _VIEW, measure="cka")["lang"].tolist() == ["en", "de"]
        found = encoder_changes(cur, _VIEW, measure="retrieval")
        assert found[["intermediate", "value"]].values.tolist() == [["mnli", 0.5], ["none", 0.6]]
        assert len(encoder_changes(cur, _VIEW, measure="retrieval", intermediate="none")) == 1


def test_an_unknown_measure_names_the_known(store: Store) -> None:
    with store.cursor() as cur, pytest.raises(UnknownName, match="Did you mean 'headroom'"):
        difficulties(cur, _VIEW, measure="headrom")
