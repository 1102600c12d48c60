"""Pairs that mean the same or only look so: paraphrases with exchanged roles, questions, graded similarity."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from core.sample.nli import fact_with_synonym, synonym
from core.sample.realise import Ref
from core.sample.scenes import Draw, Fact, Sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.sample.spec import Difficulty

SCORES: Final = (0, 1, 2, 3, 4, 5)
"""STS-B's grades: 5 the same, 4 but for a detail, 3 another place or day, 2 another thing, 1 same domain, 0 nothing."""
_HALF: Final = 0.5
_THING_SHARE: Final = 0.5
_PERSON_SHARE: Final = 0.8
_VERB_SHARE: Final = 0.9
_OTHER_QUESTION: Final = {"q_where": "q_when", "q_when": "q_where"}


class Pair(NamedTuple):
    """Two texts of one or more sentences."""

    first: tuple[Sentence, ...]
    second: tuple[Sentence, ...]


def pair(draw: Draw, *, same: bool, difficulty: Difficulty) -> Pair:
    """Two texts that say the same, or not."""
    return draw.pick(_WAYS[difficulty, same])(draw)


def _two(draw: Draw) -> tuple[Fact, Fact]:
    """Two facts of one domain; a pair of words of either holds for its own part."""
    fact = fact_with_synonym(draw)
    return fact, draw.fact(but=[fact])


def _reworded(draw: Draw) -> Pair:
    fact = fact_with_synonym(draw)
    pattern = draw.pick(("act_pl", "act_dp", "act_day"))
    return (
        Pair((fact.say(pattern),), (synonym(draw, fact).say(pattern),)) if synonym(draw, fact) != fact else _voice(draw)
    )


def _voice(draw: Draw) -> Pair:
    fact = draw.fact()
    first, second = draw.shuffled(["act_pl", "top_pl"])
    return Pair((fact.say(first),), (fact.say(second),))


def _maybe_synonym(draw: Draw, fact: Fact) -> Fact:
    return synonym(draw, fact) if draw.number() < _HALF else fact


def _in_any_order(draw: Draw, fact: Fact, other: Fact) -> tuple[Fact, Fact]:
    return (fact, other) if draw.number() < _HALF else (other, fact)


def _crossed(fact: Fact, other: Fact) -> tuple[Fact, Fact]:
    """The two facts with their persons exchanged."""
    return fact._replace(person=other.person), other._replace(person=fact.person)


# The next four exist in both kinds with the same patterns, so that only who did what where tells them apart.


def _clauses(draw: Draw, *, same: bool) -> Pair:
    """Two clauses, and the same two or those with exchanged persons, in any order."""
    fact, other = _two(draw)
    told = (fact, other) if same else _crossed(fact, other)
    first, second = _in_any_order(draw, _maybe_synonym(draw, told[0]), told[1])
    said = fact.and_(other)
    return Pair((said,), (first.and_(second),)) if first.and_(second) != said else _clauses(draw, same=same)


def _places(draw: Draw, *, same: bool) -> Pair:
    """Two sentences with places, and the same two or those with exchanged places, in any order and voice."""
    fact, other = _two(draw)
    other = other._replace(place=draw.place(fact.domain, but=[fact.place]))
    told = (fact, other)
    if not same:
        told = (fact._replace(place=other.place), other._replace(place=fact.place))
    patterns = ("act_pl", "top_pl")
    first, second = _in_any_order(draw, _maybe_synonym(draw, told[0]), told[1])
    said = (fact.say(draw.pick(patterns)), other.say(draw.pick(patterns)))
    again = (first.say(draw.pick(patterns)), second.say(draw.pick(patterns)))
    return Pair(said, again) if said != again else _places(draw, same=same)


def _denial(draw: Draw, *, same: bool) -> Pair:
    """One did not, the other did; then the same or with exchanged persons, in one sentence or in two."""
    fact, other = _two(draw)
    denied, done = (fact, other) if same else _crossed(fact, other)
    denied = _maybe_synonym(draw, denied)
    second: tuple[Sentence, ...] = (denied.and_(done, pattern="but"),)
    if draw.number() < _HALF or second == (fact.and_(other, pattern="but"),):
        second = (done.say(draw.pick(("act", "top"))), denied.say("neg"))
    return Pair((fact.and_(other, pattern="but"),), second)


def _place(draw: Draw, *, same: bool) -> Pair:
    """A deed at a place, and the same in the other voice or with another verb, there or elsewhere."""
    fact = fact_with_synonym(draw)
    told = fact if same else fact._replace(place=draw.place(fact.domain, but=[fact.place]))
    first, second = draw.shuffled(["act_pl", "top_pl"])
    return Pair((fact.say(first),), (_maybe_synonym(draw, told).say(second),))


def _other_thing(draw: Draw) -> Pair:
    fact = draw.fact()
    other = draw.fact(but=[fact])._replace(person=fact.person, place=fact.place, day=fact.day)
    pattern = draw.pick(("act_pl", "act_dp"))
    return Pair((fact.say(pattern),), (other.say(pattern),))


def _negated(draw: Draw) -> Pair:
    fact = draw.fact()
    first, second = draw.shuffled(["neg", draw.pick(("act", "top"))])
    return Pair((fact.say(first),), (fact.say(second),))


def _person(draw: Draw) -> Pair:
    fact = draw.fact()
    other = fact._replace(person=draw.person(but=[fact.person]))
    return Pair((fact.say("act_dp"),), (other.say(draw.pick(("act_dp", "top_pl"))),))


def _same(way: Callable[..., Pair], *, same: bool) -> Callable[[Draw], Pair]:
    return partial(way, same=same)


_BOTH: Final = {"medium": (_clauses, _place), "hard": (_clauses, _places, _denial, _place)}
_WAYS: Final[dict[tuple[Difficulty, bool], tuple[Callable[[Draw], Pair], ...]]] = {
    ("easy", True): (_reworded, _voice),
    ("easy", False): (_other_thing, _person),
    ("medium", True): (_reworded, _voice, *(_same(way, same=True) for way in _BOTH["medium"])),
    ("medium", False): (_other_thing, _negated, _person, *(_same(way, same=False) for way in _BOTH["medium"])),
    ("hard", True): tuple(_same(way, same=True) for way in _BOTH["hard"]),
    ("hard", False): tuple(_same(way, same=False) for way in _BOTH["hard"]),
}


def questions(draw: Draw, *, same: bool, difficulty: Difficulty) -> Pair:
    """Two questions with the same answer, or two that only look alike."""
    asked = draw.pick(("q_where", "q_when", "q_who", "q_what"))
    fact = fact_with_synonym(draw)
    second = fact.say(asked)
    if same:
        if synonym(draw, fact) == fact:
            return questions(draw, same=same, difficulty=difficulty)
        second = synonym(draw, fact).say(asked)
    elif difficulty == "easy":
        second = fact_with_synonym(draw, but=(fact,)).say(asked)
    else:
        asked, second = _lookalike(draw, fact, asked=asked, difficulty=difficulty)
    first, second = draw.shuffled([fact.say(asked), second])
    return Pair((first,), (second,))


def _lookalike(draw: Draw, fact: Fact, *, asked: str, difficulty: Difficulty) -> tuple[str, Sentence]:
    """A question that asks for something else; hard ones differ in one word, as a paraphrase does.

    Returns the pattern of the first question with it, because not every pattern names the person or the thing.
    """
    named = draw.pick(("q_where", "q_when"))
    kept = synonym(draw, fact) if difficulty == "medium" and draw.number() < _HALF else fact
    u = draw.number()
    if u < _THING_SHARE:
        other = draw.fact(but=[fact], verb=fact.verb.key)
        if other.verb == fact.verb:
            return named, kept._replace(noun=other.noun).say(named)
    if u < _PERSON_SHARE:
        return named, kept._replace(person=draw.person(but=[fact.person])).say(named)
    verbs = [v for v in draw.verbs_for(fact) if v != draw.concepts.synonyms.get(fact.verb.key)]
    if verbs and u < _VERB_SHARE:
        return asked, fact._replace(verb=Ref("verb", draw.pick(verbs))).say(asked)
    return asked, kept.say(_OTHER_QUESTION.get(asked, "q_where"))


def graded(draw: Draw, *, score: int, difficulty: Difficulty) -> Pair:
    """Two sentences of a similarity from 0 to 5; the harder, the less their words tell."""
    fact = fact_with_synonym(draw)
    plain = difficulty == "easy"
    pattern = "act_dp"
    other = fact if plain else synonym(draw, fact)
    if score == 5:
        return Pair((fact.say("act_pl"),), (other.say("top_pl"),))
    if score == 4:
        pattern = draw.pick(("act", "act_pl", "act_day") if plain else ("top", "act", "some"))
    elif score == 3:
        other = other._replace(place=draw.place(fact.domain, but=[fact.place]))
        other = other if plain else other._replace(day=draw.day(but=[fact.day]))
    elif score == 2:
        other = draw.fact(but=[fact])._replace(person=fact.person)
    elif score == 1:
        other = draw.fact(but=[fact])
    else:
        away = draw.pick(tuple(draw.concepts.nouns), but=[fact.domain])
        other = draw.fact(domain=away)
        other = other if plain else other._replace(person=fact.person)
    return Pair((fact.say("act_dp"),), (other.say(pattern),))
