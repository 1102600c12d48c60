"""Difficulty and encoder changes asked of the store, against rows made by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest

from core.errors import UnknownName
from core.queries.difficulty import (
    ProfileView,
    closest_view,
    difficulties,
    selector_scores,
    views,
)
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


def test_three_seeds_are_averaged_and_a_range_of_examples_is_told(store: Store) -> None:
    with store.write() as cur:
        for name, seed, value, n in (("three", 3, 0.9, 700), ("four", 4, 0.5, 100)):
            cur.execute("INSERT INTO profiles BY NAME SELECT * REPLACE (? AS profile_id, ? AS seed) FROM profiles "
                        "WHERE profile_id = 'two'", [name, seed])  # fmt: skip
            cur.execute("INSERT INTO difficulties VALUES (?, 'mnli', 'headroom', ?, 0, 1, ?, 200)", [name, value, n])
    with store.cursor() as cur:
        row = difficulties(cur, _VIEW, measure="headroom").set_index("intermediate").loc["mnli"]
    # 0.2, 0.4, 0.9 and 0.5: mean 0.5, median 0.45.
    assert row["value"] == pytest.approx(0.5) and row["hardness"] == pytest.approx(-0.5)
    assert (row["n"], row["seeds"]) == ("100–700", "1, 2, 3, 4")


def test_the_profiles_most_like_the_runs_answer() -> None:
    """The model counts most, then its weights, the protocol, the collection, and last the number of profiles."""
    likes = [  # from the least like to the most
        ("yours", "other", None, "quick", 9),
        ("yours", "m", "old", "standard", 5),
        ("measured", "m", "old", "quick", 1),
        ("measured", "m", "w", "standard", 3),
        ("yours", "m", "w", "standard", 1),
        ("measured", "m", "w", "quick", 1),
        ("yours", "m", "w", "quick", 1),
    ]
    wanted = ProfileView("yours", "m", "w", "quick", "sample")
    with Store.open(":memory:") as made:
        for i, (collection, model, weights, protocol, n) in enumerate(likes):
            spec = f'{{"protocol": {{"name": "{protocol}"}}}}'
            with made.write() as cur:
                cur.executemany(
                    "INSERT INTO profiles VALUES (?, ?, 'selectors', ?, ?, 'sample', ?, '2026-11-01', 1.0, ?, NULL)",
                    [[f"{i}-{k}", collection, model, weights, k, spec] for k in range(n)],
                )
            with made.cursor() as cur:
                expected = ProfileView(collection, model, weights, protocol, "sample")
                assert closest_view(cur, kind="selectors", like=wanted) == expected
        with made.cursor() as cur:
            assert closest_view(cur, kind="selectors", like=wanted._replace(data_source="hub")) is None
            assert closest_view(cur, kind="difficulty", like=wanted) is None
            assert views(cur, kind="selectors")[["collection", "profiles"]].values.tolist() == [
                ["yours", 9], ["yours", 5], ["yours", 1], ["yours", 1], ["measured", 3], ["measured", 1],
                ["measured", 1],
            ]  # fmt: skip


def test_selectors_are_averaged_over_the_newest_profile_of_each_seed(store: Store) -> None:
    with store.write() as cur:
        for profile, value in (("old", 9.0), ("new", 1.0), ("two", 2.0), ("std", 9.0)):
            cur.execute("UPDATE profiles SET kind = 'selectors' WHERE profile_id = ?", [profile])
            cur.execute("INSERT INTO selector_scores BY NAME SELECT ? AS profile_id, 'mnli' AS intermediate, 'xnli' AS "
                        "target, 'logme' AS selector, ? AS value, 5 AS n", [profile, value])  # fmt: skip
        cur.execute("INSERT INTO profiles BY NAME SELECT * REPLACE ('three' AS profile_id, 3 AS seed) FROM profiles "
                    "WHERE profile_id = 'two'")  # fmt: skip
        cur.execute("INSERT INTO selector_scores BY NAME SELECT * REPLACE ('three' AS profile_id, 6.0 AS value) "
                    "FROM selector_scores WHERE profile_id = 'two'")  # fmt: skip
    with store.cursor() as cur:
        rows = selector_scores(cur, _VIEW)
    assert rows.values.tolist() == [["logme", "mnli", "xnli", 3.0, 3]]  # of 1, 2 and 6, whose median is 2


def test_an_unknown_measure_names_the_known(store: Store) -> None:
    with store.cursor() as cur, pytest.raises(UnknownName, match="Did you mean 'headroom'"):
        difficulties(cur, _VIEW, measure="headrom")
