"""Profiles asked for similarities and points, against rows made by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.queries.similarity import current_profile, points, profiles, similarities
from core.spec.profile import text_point
from core.store.connection import Store

_TEXTS = (
    ("cola", "cola", "intermediate", "en"),
    ("mnli", "mnli", "intermediate", "en"),
    ("qqp", "qqp", "intermediate", "en"),
    ("xnli:test:de", "xnli", "test", "de"),
    ("xnli:train", "xnli", "train", "en"),
)
_COSINE = {"cola": 0.2, "mnli": 0.9, "qqp": 0.5}
_MMD = {"cola": 0.3, "mnli": 0.4, "qqp": 0.1}


@pytest.fixture
def store() -> Iterator[Store]:
    """`old` has four points and is newer, `full` has five; `hub` is of another data source."""
    with Store.open(":memory:") as made:
        with made.write() as cur:
            for profile, source, day, texts in (
                ("full", "sample", 1, _TEXTS),
                ("part", "sample", 2, _TEXTS[:4]),
                ("hub", "hub", 3, _TEXTS[:1]),
            ):
                cur.execute(
                    "INSERT INTO profiles VALUES (?, 'yours', 'domain', 'm', NULL, ?, 1, ?, 1.0, '{}', NULL)",
                    [profile, source, f"2026-11-0{day} 00:00:00"],
                )
                for point, task, role, lang in texts:
                    row = [profile, point, task, role, lang]
                    cur.execute("INSERT INTO profile_texts VALUES (?, ?, ?, ?, ?, 's', 40, 400, 'f')", row)
            cur.execute("INSERT INTO profile_skips VALUES ('full', 'ccg', 'licensed')")
            cur.execute("INSERT INTO positions VALUES ('full', 'mnli', 'pca', false, 0.5, -0.5)")
            for measure, values in (("centroid_cosine", _COSINE), ("mmd", _MMD)):
                for name, value in values.items():
                    row = [name, "xnli:test:de", measure, value]
                    cur.execute("INSERT INTO similarities VALUES ('full', ?, ?, ?, false, ?, 0, 1, 40, 30, 0)", row)
            # A pair whose target comes first in the alphabet of points, and one among intermediates.
            cur.execute("INSERT INTO similarities VALUES ('full', 'xnli:train', 'zzz', 'mmd', false, 1, 0, 1, 7, 8, 0)")
            cur.execute("INSERT INTO profile_texts VALUES ('full', 'zzz', 'zzz', 'intermediate', 'en', 's', 8, 8, 'f')")
            cur.execute("INSERT INTO similarities VALUES ('full', 'cola', 'mnli', 'mmd', false, 1, 0, 1, 9, 9, 0)")
        yield made


def test_the_fullest_profile_answers_and_the_newest_is_listed_first(store: Store) -> None:
    with store.cursor() as cur:
        assert current_profile(cur, data_source="sample") == "full"
        assert current_profile(cur, data_source="sample", model="m") == "full"
        assert current_profile(cur, data_source="sample", model="other") is None
        assert current_profile(cur, data_source="sample", kind="difficulty") is None
        assert profiles(cur)["profile_id"].tolist() == ["hub", "part", "full"]
        assert profiles(cur).set_index("profile_id").loc["full", ["n_points", "n_skipped"]].tolist() == [6, 1]
        assert profiles(cur).set_index("profile_id").loc["part", ["n_points", "n_skipped"]].tolist() == [4, 0]


def test_of_equally_full_profiles_the_newest_answers(store: Store) -> None:
    with store.write() as cur:
        for name, day in (("again", 5), ("a-later", 6), ("z-later", 6), ("a-earlier", 4)):
            row = [name, f"2026-11-0{day} 00:00:00"]
            cur.execute("INSERT INTO profiles BY NAME SELECT * REPLACE (? AS profile_id, ?::TIMESTAMP AS finished_at) "
                        "FROM profiles WHERE profile_id = 'full'", row)  # fmt: skip
            cur.execute("INSERT INTO profile_texts BY NAME SELECT * REPLACE (? AS profile_id) FROM profile_texts "
                        "WHERE profile_id = 'full'", [name])  # fmt: skip
    with store.cursor() as cur:
        assert current_profile(cur, data_source="sample") == "a-later", "of equally new ones the smaller id"


def test_a_pair_is_read_from_the_intermediate_whichever_point_comes_first(store: Store) -> None:
    with store.cursor() as cur:
        rows = similarities(cur, "full", target="xnli")
        cosines = similarities(cur, "full", measure="centroid_cosine", centred=False)
    assert dict(zip(cosines["intermediate"], cosines["value"], strict=True)) == _COSINE
    turned = rows[rows["role"] == "train"].iloc[0]
    assert (turned["intermediate"], turned["n_intermediate"], turned["n_target"]) == ("zzz", 8, 7)
    assert set(rows["target"]) == {"xnli"}, "pairs among intermediates are no pairs with a target"


def test_points_without_a_place_have_none(store: Store) -> None:
    with store.cursor() as cur:
        found = points(cur, "full").set_index("point")
        assert (found.loc["mnli", "x"], found.loc["mnli", "y"]) == (0.5, -0.5)
        assert found.loc["qqp", ["x", "y"]].isna().all()


def test_a_placebo_has_the_point_of_its_text() -> None:
    assert text_point("mnli~shuffled") == "mnli"
    assert text_point("imdb~mlm@food") == "imdb@food"
