"""Measures of many pairs against the plain functions of one pair, which have hand-worked cases of their own."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import DataError
from core.measures.inference.intervals import Floats, Interval
from core.measures.similarity.domains import Domain, prepare, random_axes
from core.measures.similarity.embeddings import mmd
from core.measures.similarity.pair import Offset, Pair, Text
from core.measures.similarity.table import SIMILARITIES, compare
from core.measures.similarity.vocabulary import near_duplicates, unigram_jsd, vocabulary_overlap
from core.measures.similarity.words import count_words, split_words
from tests.reference import similarity
from tests.reference.vocabulary import nearest_overlap, overlap_interval, token_counts

_DIMENSIONS = 12


def _rows(n: int, *, shift: float, seed: int) -> Floats:
    return np.random.default_rng(seed).normal(size=(n, _DIMENSIONS)) @ _mixing() + shift + 0.2


def _mixing() -> Floats:
    return np.random.default_rng(99).normal(size=(_DIMENSIONS, _DIMENSIONS)) / 3


def _prepared(rows: Floats) -> Domain:
    axes = random_axes(_DIMENSIONS, count=16, rng=np.random.default_rng(7))
    return prepare(rows, axes=axes, kernel_rows=1000)


def _pair(a: Domain, b: Domain, *, texts: tuple[list[str], list[str]] | None = None, resamples: int = 20) -> Pair:
    vocabulary: dict[str, int] = {}
    rng = np.random.default_rng(1)
    films, food = texts or (_FILMS, _FOOD)
    words = [count_words(t, vocabulary=vocabulary, rng=rng, resamples=resamples) for t in (films, food)]
    return Pair(Text(films, "en", a, words[0]), Text(food, "en", b, words[1]), seed=(0,))


def _embedded(pair: Pair, *, plain: dict[str, Interval | None] | None = None) -> dict[str, Interval | None]:
    return compare(pair, measures=[m for m in SIMILARITIES.values() if m.is_embedded], plain=plain)


def pair_of_texts(films: list[str], food: list[str], *, resamples: int = 20) -> Pair:
    rows = _rows(9, shift=0.0, seed=1)
    return _pair(_prepared(rows), _prepared(rows), texts=(films, food), resamples=resamples)


def _plain(x: Floats, y: Floats) -> dict[str, Interval]:
    return {
        "centroid_cosine": similarity.centroid_cosine(x, other=y),
        "frechet": similarity.frechet_distance(x, other=y),
        "proxy_a": similarity.proxy_a_distance(x, other=y),
        "sliced_wasserstein": similarity.sliced_wasserstein(x, other=y, rng=np.random.default_rng(7), directions=16),
    }


@pytest.mark.parametrize("sizes", [(60, 60), (60, 45), (45, 60), (8, 60)], ids=str)
def test_prepared_texts_give_the_values_and_intervals_of_the_plain_functions(sizes: tuple[int, int]) -> None:
    """With and without an offset; (8, 60) has fewer sentences than dimensions."""
    x, y = _rows(sizes[0], shift=0.0, seed=1), _rows(sizes[1], shift=0.3, seed=2)
    offset = Offset(np.full(_DIMENSIONS, 0.1), np.linspace(-0.2, 0.3, _DIMENSIONS))
    pair = _pair(_prepared(x), _prepared(y))
    first = _embedded(pair)
    found = (first, _embedded(pair.centred(offset), plain=first))
    for measures, (u, v) in zip(found, ((x, y), (x - offset.a, y - offset.b)), strict=True):
        for name, wanted in _plain(u, v).items():
            value = measures[name]
            assert value is not None
            assert value[:3] == pytest.approx(wanted[:3], rel=1e-4, abs=1e-5), name
        plain, value = similarity.mean_discrepancy(u, other=v), measures["mmd"]
        assert value is not None
        assert value.estimate == pytest.approx(plain.estimate, abs=0.1 * abs(plain.estimate) + 0.01)


def test_mmd_takes_the_first_rows() -> None:
    """The rest of a text changes nothing of it, and n says how many were looked at."""
    x, y = _rows(60, shift=0.0, seed=1), _rows(60, shift=0.3, seed=2)
    axes = random_axes(_DIMENSIONS, count=16, rng=np.random.default_rng(7))
    short, whole = (
        mmd(_pair(prepare(x[:rows], axes=axes, kernel_rows=20), prepare(y, axes=axes, kernel_rows=20)))
        for rows in (20, 60)
    )
    assert short == whole
    assert whole is not None
    assert whole.n == 20


def test_texts_of_one_language_change_in_the_cosine_alone() -> None:
    """The same vector is subtracted from both: what says that it does not see that, is not computed again."""
    pair = _pair(_prepared(_rows(50, shift=0.0, seed=3)), _prepared(_rows(50, shift=0.2, seed=4)))
    mean = np.full(_DIMENSIONS, 0.2)
    raw = _embedded(pair)
    again, kept = _embedded(pair.centred(Offset(mean, mean))), _embedded(pair.centred(Offset(mean, mean)), plain=raw)
    assert again == kept
    moved = {name for name in raw if raw[name] != again[name]}
    assert moved == {m.name for m in SIMILARITIES.values() if m.is_embedded and not m.ignores_common_shift}
    assert "centroid_cosine" in moved


def test_a_mean_of_zero_has_no_cosine() -> None:
    rows = np.vstack([np.eye(_DIMENSIONS), -np.eye(_DIMENSIONS)])
    found = _embedded(_pair(_prepared(rows), _prepared(_rows(30, shift=0.1, seed=5))))
    assert found["centroid_cosine"] is None
    assert found["frechet"] is not None


def test_texts_prepared_with_other_axes_are_refused() -> None:
    rows = _rows(20, shift=0.0, seed=6)
    other = prepare(rows, axes=random_axes(_DIMENSIONS, count=16, rng=np.random.default_rng(8)))
    with pytest.raises(DataError, match="same axes"):
        _embedded(_pair(_prepared(rows), other))
    with pytest.raises(DataError, match="3 or more"):
        prepare(rows[:2], axes=other.axes)


_FILMS = ["the film was long", "the actors of the film", "a long long film"]
_FOOD = ["the soup was hot", "a long table", "hot soup and bread", "the cook"]


def test_words_are_counted_as_the_plain_functions_count_them() -> None:
    pair = pair_of_texts(_FILMS, _FOOD, resamples=4000)
    counts = token_counts([t.split() for t in _FILMS], other=[t.split() for t in _FOOD])
    for measure, plain in ((vocabulary_overlap, "jaccard"), (unigram_jsd, "divergence")):
        found = measure(pair)
        wanted = overlap_interval(counts, measure=plain, rng=np.random.default_rng(2))  # type: ignore[arg-type]
        assert found.estimate == pytest.approx(wanted.estimate, abs=1e-6)
        assert found[1:3] == pytest.approx(wanted[1:3], abs=0.06), "two bootstraps of a handful of sentences"
    # Films: the film was long actors of a; food: the soup was hot a long table and bread cook. 4 of 13 are shared.
    assert vocabulary_overlap(pair).estimate == pytest.approx(4 / 13)


def test_the_same_words_have_no_divergence_and_others_one_bit() -> None:
    same, other = pair_of_texts(_FILMS, _FILMS), pair_of_texts(_FILMS, ["xyz", "uvw"])
    assert unigram_jsd(same).estimate == pytest.approx(0, abs=1e-6)
    assert unigram_jsd(other).estimate == pytest.approx(1)
    assert vocabulary_overlap(other).estimate == 0


def test_words_of_scripts_without_spaces_are_their_letters_with_marks() -> None:
    assert split_words("Don't stop, 42 cats!") == ["don", "t", "stop", "42", "cats"]
    assert split_words("हिन्दी में") == ["हिन्दी", "में"], "vowel signs stay in their word"
    assert split_words("电影很好。") == ["电", "影", "很", "好"]
    assert split_words("ที่นี่") == ["ที่", "นี่"]


def test_near_duplicates_count_both_sides() -> None:
    """One of three texts here and one of two there have a near copy: 2 of 5."""
    x = ["the actors sang a very long song about the sea", "nothing like it", "something else again"]
    other = ["The actors  sang a very long song about the sea.", "entirely different words"]
    found = near_duplicates(pair_of_texts(x, other))
    assert found.estimate == pytest.approx(2 / 5)
    assert found.n == 5
    both = np.concatenate((nearest_overlap(x, other=other), nearest_overlap(other, other=x)))
    assert found.estimate == np.mean(both >= 0.8), "as the plain function of one side"
