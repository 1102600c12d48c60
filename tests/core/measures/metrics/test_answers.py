"""Answers: SQuAD and MLQA normalisation by hand and against a plain re-derivation in all seven languages."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter

import numpy as np
import pytest

from core.errors import DataError
from core.measures.metrics import answers

BY_HAND = [
    # what goes: articles of the language, Unicode punctuation, case, doubled spaces
    ("en", "The  «Panthers»!", "panthers"),
    ("es", "¿La casa de los niños?", "casa de niños"),
    ("de", "Der Hund, das Tier", "hund tier"),
    ("vi", "Những chiếc xe của tôi", "xe tôi"),
    ("ar", "الكتاب،", "كتاب"),
    ("hi", "भारत।", "भारत"),  # the danda is punctuation; no articles
    ("zh", "1990年，北京 Beijing", "1990 年 北 京 beijing"),  # Han characters one by one, the rest by spaces
]


@pytest.mark.parametrize(("lang", "raw", "normal"), BY_HAND)
def test_mlqa_normalisation_by_hand(lang: str, raw: str, normal: str) -> None:
    assert answers.normalise(raw, normalisation="mlqa", lang=lang) == normal


def test_squad_by_hand() -> None:
    # normalised "panthers" against "carolina panthers": shared 1, P = 1, R = 1/2 → F1 2/3; the best gold answer counts
    found = answers.score_answers(["The Panthers!", "in 1990"], [["Carolina Panthers", "a Bear"], ["1990", "in 1990."]])
    assert found.f1_each.tolist() == pytest.approx([2 / 3, 1])
    assert (found.exact_match, found.f1) == pytest.approx((0.5, 5 / 6))
    # SQuAD's own rules keep Spanish articles and «» (not ASCII), MLQA's do not
    assert answers.score_answers(["«La casa»"], [["casa"]]).exact_match == 0
    assert answers.score_answers(["«La casa»"], [["casa"]], normalisation="mlqa", lang="es").exact_match == 1


def test_no_answer_by_hand() -> None:
    found = answers.score_answers(["", "", "Rome"], [[], ["Rome"], []], no_answer=True)
    assert found.exact_each.tolist() == [1, 0, 0]
    assert found.f1_each.tolist() == [1, 0, 0]
    # v1.1: an answer that is only an article normalises to nothing, matches exactly and has F1 0; v2.0 gives it 1
    assert answers.score_answers(["the"], [["a"]]).f1 == 0
    assert answers.score_answers(["the"], [["a"]]).exact_match == 1
    assert answers.score_answers(["the"], [["a"]], no_answer=True).f1 == 1


ARTICLES = {
    "en": "a an the",
    "es": "un una unos unas el la los las",
    "vi": "của là cái chiếc những",
    "de": "ein eine einen einem eines einer der die das den dem des",
}
POOL = {
    "en": "the a An Cat's theory, $5 (x) “q” – the",
    "es": "La el casa ¿qué? niños unas «s» las!",
    "hi": "भारत की राजधानी। दिल्ली, है",
    "vi": "của Là người những cái, Việt Nam…",
    "de": "Der die Straße ein Über 'des' Haus.",
    "ar": "الكتاب في المدينة، قال؟ سالم ال",
    "zh": "北京 是 中国的，首都。Beijing 2008年！ 〇龥",
}


def _plain(text: str, lang: str) -> str:
    kept = "".join(
        c for c in text.lower() if not unicodedata.category(c).startswith("P") and c not in string.punctuation
    )
    if lang in ARTICLES:
        kept = re.sub(rf"\b({'|'.join(ARTICLES[lang].split())})\b", " ", kept)
    if lang == "ar":
        kept = re.sub("\\sال^|ال", " ", kept)
    if lang != "zh":
        return " ".join(kept.split())
    tokens, run = [], ""
    for c in kept:
        if "\u4e00" <= c <= "\u9fa5":
            tokens += [*run.split(), c]
            run = ""
        else:
            run += c
    return " ".join([*tokens, *run.split()])


@pytest.mark.parametrize("lang", answers.MLQA_LANGUAGES)
def test_equal_to_a_plain_derivation_in_every_language(lang: str) -> None:
    rng = np.random.default_rng(len(lang) + ord(lang[0]))
    parts = POOL[lang].split(" ")
    texts = [" ".join(rng.choice(parts, size=rng.integers(1, 7))) for _ in range(200)]
    predicted, gold = texts[:100], [[texts[100 + i], texts[i - 1]] for i in range(100)]
    exact, f1 = [], []
    for p, gs in zip(predicted, gold, strict=True):
        exact.append(max(_plain(p, lang) == _plain(g, lang) for g in gs))
        scores = []
        for g in gs:
            a, b = _plain(p, lang).split(), _plain(g, lang).split()
            same = sum((Counter(a) & Counter(b)).values())
            precision, recall = same / max(len(a), 1), same / max(len(b), 1)
            scores.append(2 * precision * recall / (precision + recall) if same else 0)
        f1.append(max(scores))
    found = answers.score_answers(predicted, gold, normalisation="mlqa", lang=lang)
    assert found.exact_each.tolist() == exact
    assert found.f1_each.tolist() == pytest.approx(f1, abs=1e-9)
    assert 0 < found.f1 < 1


def test_errors() -> None:
    with pytest.raises(DataError, match="knows no 'fi'. Expected one of ar, de, en, es, hi, vi, zh"):
        answers.score_answers(["x"], [["x"]], normalisation="mlqa", lang="fi")
    with pytest.raises(DataError, match="Question 0 has no gold answer"):
        answers.score_answers(["x"], [[]])
    with pytest.raises(DataError, match="no questions"):
        answers.score_answers([], [])
