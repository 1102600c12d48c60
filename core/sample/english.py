"""Rows of the English data sets: the intermediates, some of which are also the training sets of targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from core.sample import causes, choices, nli, paraphrase, questions, singles
from core.sample.realise import realise, write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.sample.lexicon import Language
    from core.sample.scenes import Draw, Sentence
    from core.sample.spec import Difficulty

Row = dict[str, Any]
"""A row by column name. Any: strings, numbers and nested lists, checked against the schema when written."""

NEWS_TOPICS: Final = {"travel": 0, "sport": 1, "money": 2, "health": 3}
"""AG News' World, Sports, Business and Sci/Tech, from the nearest domains."""
_LETTERS: Final = "ABCDE"
_TRIES: Final = 20


class Making(NamedTuple):
    """What a maker of one row needs."""

    draw: Draw
    english: Language
    number: int
    """Number of the row; labels go round with it, so they are balanced."""
    difficulty: Difficulty

    def text(self, sentences: Sequence[Sentence]) -> str:
        """The sentences as English text."""
        return " ".join(say(self.english, sentence) for sentence in sentences)


def say(language: Language, sentence: Sentence) -> str:
    """A sentence as text."""
    tokens = realise(language.code, pattern=sentence.pattern, fillers=sentence.fillers)
    return write(language, tokens=tokens)


def rows(name: str, *, draw: Draw, english: Language, n: int, prefix: str) -> list[Row]:
    """Up to n different rows of an English data set.

    Args:
        name: Name of the intermediate task.
        draw: Where its meanings come from.
        english: The English words.
        n: Number of rows.
        prefix: Beginning of ids, different for every split.
    """
    found: list[Row] = []
    seen: set[str] = set()
    for index in range(n):
        for _ in range(_TRIES):
            made = _MAKERS[name](Making(draw, english, index, draw.level()))
            key = repr(made)
            if key not in seen:
                seen.add(key)
                found.append(_numbered(name, made, index=index, prefix=prefix))
                break
    return found


def _numbered(name: str, made: Row, *, index: int, prefix: str) -> Row:
    """The row with the columns that only number it."""
    key = f"{prefix}-{index:05d}"
    keyed: dict[str, Row] = {
        "anli": {"uid": key},
        "swag": {"video-id": key, "fold-ind": str(index)},
        "hellaswag": {"ind": index, "source_id": key, "split": prefix},
        "paws": {"id": index},
        **dict.fromkeys(("squad", "squad_v2", "cosmosqa", "commonsenseqa"), {"id": key}),
        **dict.fromkeys(("snli", "imdb", "ag_news", "socialiqa", "piqa"), {}),
    }
    return {**keyed.get(name, {"idx": index}), **made}


def _nli(m: Making) -> Row:
    label = m.number % 3
    item = nli.item(m.draw, label=nli.LABELS[label], difficulty=m.difficulty)
    return {"premise": m.text(item.premise), "hypothesis": say(m.english, item.hypothesis), "label": label}


def _easier_nli(m: Making) -> Row:
    """SNLI is easier than MNLI, as in life: no hard items, unless they are asked for."""
    eased = m.difficulty if m.draw.difficulty else ("medium" if m.difficulty == "hard" else m.difficulty)
    return _nli(m._replace(difficulty=eased))


def _anli(m: Making) -> Row:
    """ANLI is harder: no easy items, unless they are asked for."""
    harder = m.difficulty if m.draw.difficulty else ("hard" if m.difficulty == "easy" else m.difficulty)
    return {**_nli(m._replace(difficulty=harder)), "reason": ""}


def _rte(m: Making) -> Row:
    label = m.number % 2
    kind: nli.Label = "entailment" if label == 0 else m.draw.pick(("neutral", "contradiction"))
    item = nli.item(m.draw, label=kind, difficulty=m.difficulty)
    return {"sentence1": m.text(item.premise), "sentence2": say(m.english, item.hypothesis), "label": label}


def _qnli(m: Making) -> Row:
    """Does the passage answer the question?"""
    label = m.number % 2
    asked = questions.question(m.draw, difficulty=m.difficulty, answerable=label == 0)
    written = questions.write_question(m.english, asked=asked)
    return {"question": written.question, "sentence": written.context, "label": label}


def _pair(m: Making) -> Row:
    label = m.number % 2
    made = paraphrase.pair(m.draw, same=label == 1, difficulty=m.difficulty)
    return {"sentence1": m.text(made.first), "sentence2": m.text(made.second), "label": label}


def _mrpc(m: Making) -> Row:
    """Like news: the pair has a sentence in common besides."""
    row = _pair(m)
    common = say(m.english, singles.plain(m.draw))
    return {**row, "sentence1": f"{row['sentence1']} {common}", "sentence2": f"{common} {row['sentence2']}"}


def _qqp(m: Making) -> Row:
    label = m.number % 2
    made = paraphrase.questions(m.draw, same=label == 1, difficulty=m.difficulty)
    return {"question1": m.text(made.first), "question2": m.text(made.second), "label": label}


def _stsb(m: Making) -> Row:
    score = m.number % len(paraphrase.SCORES)
    made = paraphrase.graded(m.draw, score=score, difficulty=m.difficulty)
    return {"sentence1": m.text(made.first), "sentence2": m.text(made.second), "label": float(score)}


def _cola(m: Making) -> Row:
    label = m.number % 2
    text = singles.acceptability(m.english, draw=m.draw, acceptable=label == 1, difficulty=m.difficulty)
    return {"sentence": text, "label": label}


def _sst2(m: Making) -> Row:
    label = m.number % 2
    made = singles.opinion(m.draw, mood=1 if label else -1, difficulty=m.difficulty)
    return {"sentence": m.text(made.sentences), "label": label}


def _imdb(m: Making) -> Row:
    label = m.number % 2
    made = singles.review(m.draw, mood=1 if label else -1, difficulty=m.difficulty)
    return {"text": m.text(made.sentences), "label": label}


def _ag_news(m: Making) -> Row:
    topic = tuple(NEWS_TOPICS)[m.number % len(NEWS_TOPICS)]
    said = singles.news(m.draw, topics=tuple(NEWS_TOPICS), topic=topic, difficulty=m.difficulty)
    return {"text": m.text(said), "label": NEWS_TOPICS[topic]}


def _squad(m: Making, *, answerable: bool = True) -> Row:
    asked = questions.question(m.draw, difficulty=m.difficulty, answerable=answerable)
    written = questions.write_question(m.english, asked=asked)
    answers = {"text": [written.answer], "answer_start": [written.start]} if answerable else None
    return {
        "title": asked.domain,
        "context": written.context,
        "question": written.question,
        "answers": answers or {"text": [], "answer_start": []},
    }


def _squad_v2(m: Making) -> Row:
    """Every third question has no answer."""
    return _squad(m, answerable=m.number % 3 != 0)


def _writer(m: Making) -> choices.Writer:
    return choices.Writer(m.english, m.draw, m.number)


def _hellaswag(m: Making) -> Row:
    made = choices.ending(_writer(m), difficulty=m.difficulty)
    return {
        "activity_label": made.concept,
        "ctx_a": made.context,
        "ctx_b": made.question,
        "ctx": f"{made.context} {made.question}",
        "endings": list(made.choices),
        "split_type": "indomain",
        "label": str(made.right),
    }


def _swag(m: Making) -> Row:
    made = choices.ending(_writer(m), difficulty=m.difficulty)
    begun = {
        "startphrase": f"{made.context} {made.question}",
        "sent1": made.context,
        "sent2": made.question,
        "gold-source": "gold",
    }
    return {**begun, **{f"ending{i}": text for i, text in enumerate(made.choices)}, "label": made.right}


def _cosmos(m: Making) -> Row:
    made = choices.reading(_writer(m), difficulty=m.difficulty)
    texts = {f"answer{i}": text for i, text in enumerate(made.choices)}
    return {"context": made.context, "question": made.question, **texts, "label": made.right}


def _common_sense(m: Making) -> Row:
    made = choices.common_sense(_writer(m), difficulty=m.difficulty)
    return {
        "question": made.question,
        "question_concept": made.concept,
        "choices": {"label": list(_LETTERS), "text": list(made.choices)},
        "answerKey": _LETTERS[made.right],
    }


def _social(m: Making) -> Row:
    made = choices.social(_writer(m), difficulty=m.difficulty)
    texts = {f"answer{letter}": text for letter, text in zip("ABC", made.choices, strict=True)}
    return {"context": made.context, "question": made.question, **texts, "label": str(made.right + 1)}


def _piqa(m: Making) -> Row:
    made = choices.physical(_writer(m), difficulty=m.difficulty)
    return {"goal": made.question, "sol1": made.choices[0], "sol2": made.choices[1], "label": made.right}


def _copa(m: Making) -> Row:
    return cause_row(m.english, causes.causal(m.draw, number=m.number, difficulty=m.difficulty))


def cause_row(language: Language, made: causes.Causal) -> Row:
    """A row of COPA or XCOPA, without its number."""
    texts = {f"choice{i}": say(language, choice) for i, choice in enumerate(made.choices, start=1)}
    return {"premise": say(language, made.premise), **texts, "question": made.question, "label": made.right}


_MAKERS: Final[dict[str, Callable[[Making], Row]]] = {
    "mnli": _nli,
    "snli": _easier_nli,
    "anli": _anli,
    "rte": _rte,
    "qnli": _qnli,
    "qqp": _qqp,
    "mrpc": _mrpc,
    "paws": _pair,
    "stsb": _stsb,
    "cola": _cola,
    "sst2": _sst2,
    "imdb": _imdb,
    "ag_news": _ag_news,
    "squad": _squad,
    "squad_v2": _squad_v2,
    "hellaswag": _hellaswag,
    "swag": _swag,
    "cosmosqa": _cosmos,
    "commonsenseqa": _common_sense,
    "socialiqa": _social,
    "piqa": _piqa,
    "copa": _copa,
}
