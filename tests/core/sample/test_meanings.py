"""Labels follow from meanings, and no part of the data knows the words of another."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from core.sample import causes, choices, nli, paraphrase, questions
from core.sample.build import SOURCES
from core.sample.lexicon import Language, load_concepts
from core.sample.realise import Ref, realise, write
from core.sample.scenes import Draw, Part, divided
from core.sample.spec import Difficulty

CONCEPTS = load_concepts(SOURCES)

_LEVELS: tuple[Difficulty, ...] = get_args(Difficulty)


def _draw(part: Part = "train", *, seed: int = 0) -> Draw:
    return Draw(CONCEPTS, rng=np.random.default_rng(seed), part=part)


def test_words_are_divided_about_60_15_25_and_every_part_gets_one() -> None:
    # 20 words: 25 % is 5, 15 % is 3, 12 are left. 3 words: one each.
    parts = list(divided([f"w{i}" for i in range(20)], salt="s").values())
    assert (parts.count("test"), parts.count("dev"), parts.count("train")) == (5, 3, 12)
    assert sorted(divided(["a", "b", "c"], salt="s").values()) == ["dev", "test", "train"]


def test_parts_share_no_pair_of_words_and_no_name() -> None:
    parts: tuple[Part, ...] = ("train", "dev", "test")
    draws = {part: _draw(part) for part in parts}
    facts = {part: [draw.fact() for _ in range(400)] for part, draw in draws.items()}
    pairs = {part: {(f.verb.key, f.noun.key) for f in found} for part, found in facts.items()}
    names = {part: {f.person.key for f in found} for part, found in facts.items()}
    for first, second in (("train", "test"), ("train", "dev"), ("dev", "test")):
        assert not pairs[first] & pairs[second]
        assert not names[first] & names[second]


def test_opposites_and_synonyms_of_one_thing_stay_in_one_part() -> None:
    draw = _draw("test")
    for _ in range(200):
        quality = draw.quality()
        opposite = Ref("adjective", draw.opposite(quality.adjective.key))
        assert any(
            (opposite.key, quality.noun.key) == pair for domain in CONCEPTS.adjectives.values() for pair in domain
        )


@pytest.mark.parametrize("difficulty", _LEVELS)
@pytest.mark.parametrize("label", nli.LABELS)
def test_inference_pairs_can_be_drawn_in_every_part(label: nli.Label, difficulty: Difficulty) -> None:
    parts: tuple[Part, ...] = ("train", "dev", "test")
    for part in parts:
        draw = _draw(part)
        for _ in range(60):
            item = nli.item(draw, label=label, difficulty=difficulty)
            assert item.hypothesis not in item.premise


def test_hard_inference_has_more_to_read_than_easy() -> None:
    sizes = {
        level: sum(len(nli.item(_draw(seed=i), label="neutral", difficulty=level).premise) for i in range(60))
        for level in _LEVELS
    }
    assert sizes["easy"] < sizes["hard"]


def test_paraphrases_differ_from_their_originals() -> None:
    draw = _draw()
    for level in _LEVELS:
        for same in (True, False):
            for _ in range(60):
                pair = paraphrase.pair(draw, same=same, difficulty=level)
                assert pair.first != pair.second


@pytest.mark.parametrize("code", ["de", "ar", "zh", "fi", "hi"])
def test_answers_stand_where_they_are_said_to(code: str, languages: dict[str, Language]) -> None:
    draw = _draw("test")
    for level in _LEVELS:
        for _ in range(40):
            asked = questions.question(draw, difficulty=level)
            written = questions.write_question(languages[code], asked=asked)
            assert written.context[written.start :].startswith(written.answer)
            assert written.answer


def test_the_answer_is_often_not_in_the_first_sentence() -> None:
    draw = _draw("test")
    first = [questions.question(draw, difficulty="hard").at == 0 for _ in range(200)]
    assert sum(first) < 100


def test_harder_passages_are_longer() -> None:
    draw = _draw()
    lengths = [sum(len(questions.question(draw, difficulty=level).passage) for _ in range(40)) for level in _LEVELS]
    assert lengths == sorted(set(lengths))


def test_a_question_without_an_answer_has_none(languages: dict[str, Language]) -> None:
    asked = questions.question(_draw(), difficulty="medium", answerable=False)
    written = questions.write_question(languages["en"], asked=asked)
    assert (written.answer, written.start) == ("", -1)


@pytest.mark.parametrize("difficulty", _LEVELS)
def test_choices_are_different_and_the_right_one_moves(difficulty: Difficulty, languages: dict[str, Language]) -> None:
    draw = _draw()
    makers = (choices.ending, choices.common_sense, choices.reading, choices.social, choices.physical)
    for make in makers:
        made = [make(choices.Writer(languages["en"], draw, i), difficulty=difficulty) for i in range(40)]
        assert all(len(set(item.choices)) == len(item.choices) for item in made)
        assert len({item.right for item in made}) == len(made[0].choices)


@pytest.mark.parametrize("part", get_args(Part))
@pytest.mark.parametrize("difficulty", _LEVELS)
def test_what_causes_or_follows_is_about_the_same_thing(difficulty: Difficulty, part: Part) -> None:
    draw = _draw(part)
    made = [causes.causal(draw, number=i, difficulty=difficulty) for i in range(60)]
    for item in made:
        thing, person = (dict(item.premise.fillers)[slot] for slot in "op")
        things = [dict(choice.fillers)["o"] for choice in item.choices]
        assert things.index(thing) == item.right and things.count(thing) == 1
        assert {dict(choice.fillers)["p"] for choice in item.choices} == {person}, "who it was gives nothing away"
    assert len({(item.question, item.right) for item in made}) == 4


def test_what_comes_next_is_never_the_opposite_of_what_was_told(languages: dict[str, Language]) -> None:
    draw = _draw()
    made = [choices.ending(choices.Writer(languages["en"], draw, i), difficulty="easy") for i in range(400)]
    won = [item for item in made if " won " in item.context]
    assert won
    assert not [item for item in won if item.choices[item.right].startswith("lost ")]


def test_price_questions_ask_for_the_number(languages: dict[str, Language]) -> None:
    draw = _draw()
    asked = [questions.question(draw, difficulty="easy") for _ in range(120)]
    costs = [item for item in asked if item.slot == "x"]
    written = [questions.write_question(languages["en"], asked=item) for item in costs]
    assert written
    assert all(item.answer.isdecimal() for item in written)


def test_a_sentence_is_the_same_meaning_in_every_language(languages: dict[str, Language]) -> None:
    fact = _draw().fact()
    sentence = fact.say("act_pl")
    said = {
        code: write(lang, tokens=realise(code, pattern=sentence.pattern, fillers=sentence.fillers))
        for code, lang in languages.items()
    }
    assert len(set(said.values())) == len(said)
