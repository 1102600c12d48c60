"""Exact match and token F1 of answers to questions, with the official normalisations.

`squad` (SQuAD v1.1; XTREME scores XQuAD and TyDiQA with it in every language): lower case, without ASCII punctuation
and English articles, single spaces. `mlqa`: every Unicode punctuation mark goes, articles are those of the language,
Chinese is cut into characters. With `no_answer` questions may have none (SQuAD v2.0).
"""

from __future__ import annotations

import re
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import DataError

Normalisation = Literal["squad", "mlqa"]

_ENGLISH = re.compile(r"\b(a|an|the)\b")
_ARTICLES: Mapping[str, re.Pattern[str] | None] = {
    "en": _ENGLISH,
    "es": re.compile(r"\b(un|una|unos|unas|el|la|los|las)\b"),
    "hi": None,
    "vi": re.compile(r"\b(của|là|cái|chiếc|những)\b"),
    "de": re.compile(r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b"),
    # The official pattern has a second branch that can never match; what is left removes "ال" inside words too.
    "ar": re.compile("ال"),
    "zh": None,
}
_HAN = re.compile("([\u4e00-\u9fa5])")
_ASCII_PUNCTUATION = dict.fromkeys(map(ord, string.punctuation))

MLQA_LANGUAGES: tuple[str, ...] = tuple(sorted(_ARTICLES))
"""Languages that MLQA's script knows."""


class AnswerScores(NamedTuple):
    """Means over questions, and each question's own contribution."""

    exact_match: float
    """In [0, 1]."""
    f1: float
    """In [0, 1]."""
    exact_each: npt.NDArray[np.float64]
    """(n,) 0 or 1."""
    f1_each: npt.NDArray[np.float64]
    """(n,) in [0, 1]."""


@lru_cache(maxsize=65536)  # gold answers recur: every checkpoint is scored against the same ones
def normalise(text: str, *, normalisation: Normalisation = "squad", lang: str = "en") -> str:
    """The text as it is compared.

    Args:
        text: An answer.
        normalisation: Which script's rules.
        lang: Language of the answer; `squad` does not look at it.

    Raises:
        DataError: MLQA's rules are asked for in a language that they do not know.
    """
    if normalisation == "squad":
        return " ".join(_ENGLISH.sub(" ", text.lower().translate(_ASCII_PUNCTUATION)).split())
    if lang not in _ARTICLES:
        raise DataError(f"MLQA's normalisation knows no '{lang}'. Expected one of {', '.join(MLQA_LANGUAGES)}.")
    bare = text.lower().translate(_punctuation())
    articles = _ARTICLES[lang]
    bare = articles.sub(" ", bare) if articles else bare
    return " ".join((_HAN.sub(r" \1 ", bare) if lang == "zh" else bare).split())


def score_answers(
    predicted: Sequence[str],
    gold: Sequence[Sequence[str]],
    *,
    normalisation: Normalisation = "squad",
    lang: str = "en",
    no_answer: bool = False,
) -> AnswerScores:
    """Exact match and F1, each the best over the gold answers of a question, averaged over questions.

    Args:
        predicted: (n) answers; empty text means "no answer".
        gold: (n) gold answers of each question; empty means that there is none.
        normalisation: Which script's rules.
        lang: Language of the answers.
        no_answer: Whether a question can have no answer; then none predicted for none there is right, and gold
            answers that normalise to nothing do not count (SQuAD v2.0).

    Raises:
        DataError: Nothing to score, the lengths differ, or a question without gold answer where each must have one.
    """
    if len(predicted) != len(gold):
        raise DataError(f"There are {len(predicted)} predicted answers for {len(gold)} questions. Expected the same.")
    if not predicted:
        raise DataError("There is nothing to score: no questions. Expected at least one.")
    each = np.zeros((2, len(predicted)), dtype=np.float64)
    for i, (answer, answers) in enumerate(zip(predicted, gold, strict=True)):
        if not answers and not no_answer:
            raise DataError(f"Question {i} has no gold answer. Expected one, or a task with `has_no_answer`.")
        golds = [normalise(a, normalisation=normalisation, lang=lang) for a in answers]
        if no_answer:
            golds = [g for g in golds if g] or [""]
        found = normalise(answer, normalisation=normalisation, lang=lang)
        each[0, i] = found in golds
        each[1, i] = max(_token_f1(found, g, no_answer=no_answer) for g in golds)
    return AnswerScores(float(each[0].mean()), float(each[1].mean()), each[0], each[1])


def _token_f1(predicted: str, gold: str, *, no_answer: bool) -> float:
    """F1 of bags of tokens; two empty bags are equal in SQuAD v2.0 alone, as in the official scripts."""
    a, b = predicted.split(), gold.split()
    if no_answer and not (a and b):
        return float(a == b)
    shared = sum((Counter(a) & Counter(b)).values())
    return 2 * shared / (len(a) + len(b)) if shared else 0.0


@cache
def _punctuation() -> dict[int, None]:
    """Every character of Unicode category P, and ASCII's punctuation (which includes symbols such as `$`)."""
    marks = (i for i in range(sys.maxunicode) if unicodedata.category(chr(i)).startswith("P"))
    return dict.fromkeys(marks) | _ASCII_PUNCTUATION
