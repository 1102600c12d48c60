"""Causes and effects, for COPA and XCOPA: of two sentences the one about the same thing goes with the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from core.sample.realise import Ref

if TYPE_CHECKING:
    from core.sample.scenes import Draw, Sentence
    from core.sample.spec import Difficulty

_QUESTIONS = ("cause", "effect")


class Causal(NamedTuple):
    """What somebody did, two sentences, and which of them is its cause or its effect."""

    premise: Sentence
    choices: tuple[Sentence, Sentence]
    question: str
    """`cause` or `effect`."""
    right: int
    """Index into `choices`."""


def causal(draw: Draw, *, number: int, difficulty: Difficulty) -> Causal:
    """A premise with its choices; the wrong one is of another domain in easy examples alone.

    Args:
        draw: Where its meaning comes from.
        number: Of the example; questions and the place of the right choice go round with it.
        difficulty: Hard ones have a day and a place besides.
    """
    fact = draw.fact()
    opposite = draw.concepts.opposite_verbs.get(fact.verb.key)
    verbs = [verb for verb in draw.verbs_for(fact) if verb != opposite] or [fact.verb.key]
    goes = fact._replace(verb=Ref("verb", draw.pick(verbs)))
    away = [domain for domain in draw.concepts.nouns if domain != fact.domain]
    other = draw.fact(but=[fact], domain=draw.pick(away) if difficulty == "easy" else fact.domain)
    wrong = other._replace(person=fact.person)
    said = "act_dp" if difficulty == "hard" else "act"
    pair = (goes.say(said), wrong.say(said))
    right = number % 2
    choices = pair if right == 0 else (pair[1], pair[0])
    return Causal(fact.say(said), choices, _QUESTIONS[number // 2 % 2], right)
