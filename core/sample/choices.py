"""Multiple choice in English: what comes next, where, why, how and how somebody feels.

The right answer follows from what goes together in concepts.yaml: a thing and its place, a verb and its thing, a deed
and its consequence. Phrases of this file are English patterns that no other language needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from core.sample.realise import Ref, realise, write
from core.sample.scenes import Draw, Fact, Sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.sample.lexicon import Language
    from core.sample.spec import Difficulty

_MEN: Final = "he"
_WOMEN: Final = "she"


class Choice(NamedTuple):
    """A context, a question (or the beginning of the answer), choices and the index of the right one."""

    context: str
    question: str
    choices: tuple[str, ...]
    right: int
    concept: str
    """The word that the question turns on."""


class Writer(NamedTuple):
    """English, and the draw that its sentences are for."""

    language: Language
    draw: Draw
    number: int = 0
    """Number of the question; the place of the right answer goes round with it."""

    def say(self, sentence: Sentence) -> str:
        """The sentence as text."""
        tokens = realise(self.language.code, pattern=sentence.pattern, fillers=sentence.fillers)
        return write(self.language, tokens=tokens)

    def thing(self, noun: Ref) -> str:
        """`the camera`."""
        return "the " + self.language.entries["noun"][noun.key]["s"]

    def verb(self, verb: Ref, *, form: str = "base") -> str:
        """A form of a verb: past, base or part."""
        return self.language.entries["verb"][verb.key][form]

    def place(self, place: Ref) -> str:
        """`at the cinema`."""
        return self.language.entries["place"][place.key]["s"].replace("/NOUN", "")

    def name(self, person: Ref) -> str:
        """First and second name."""
        return f"{person.key} {person.surname}".strip()

    def pronoun(self, person: Ref) -> str:
        """`he` or `she`."""
        return _MEN if self.language.entries["person"][person.key]["g"] == "m" else _WOMEN


def _mixed(w: Writer, *, right: str, wrong: Sequence[str], context: str, question: str, concept: str) -> Choice:
    choices = w.draw.shuffled(wrong)
    at = w.number % (len(choices) + 1)
    choices.insert(at, right)
    return Choice(context, question, tuple(choices), at, concept)


def _wrong(w: Writer, fact: Fact, *, difficulty: Difficulty, n: int) -> list[Fact]:
    """Facts that do not fit: of other domains, in hard questions of the same domain with another thing."""
    found: list[Fact] = []
    away = [d for d in w.draw.concepts.nouns if d != fact.domain]
    for i in range(n):
        near = difficulty == "hard" and i > 0
        found.append(w.draw.fact(but=[fact, *found], domain=fact.domain if near else w.draw.pick(away)))
    return found


def ending(w: Writer, *, difficulty: Difficulty) -> Choice:
    """What happens next: the person goes on with the same thing (HellaSwag, SWAG).

    Beyond easy ones, a wrong ending goes on with the thing of somebody else in the story.
    """
    fact = w.draw.fact(
        verbs=("buy", "find", "choose", "rent", "pack", "prepare", "win", "sign", "watch", "visit", "prescribe")
    )
    pronoun = w.pronoun(fact.person)
    after = _next_verb(w, fact)
    wrong = _wrong(w, fact, difficulty=difficulty, n=3)
    other = w.draw.fact(but=[fact, *wrong])
    if difficulty != "easy":
        wrong[0] = other
    says = [f"{w.verb(_next_verb(w, f), form='past')} {w.thing(f.noun)} {w.place(f.place)}." for f in wrong]
    right = f"{w.verb(after, form='past')} {w.thing(fact.noun)} {w.place(fact.place)}."
    context = w.say(fact.say("act_pl" if difficulty != "hard" else "act_day"))
    if difficulty != "easy":
        context += " " + w.say(other.say("act_day"))
    question = f"Later, {w.name(fact.person)}" if difficulty != "easy" else f"Then {pronoun}"
    return _mixed(w, right=right, wrong=says, context=context, question=question, concept=fact.noun.key)


def _next_verb(w: Writer, fact: Fact) -> Ref:
    """Another verb for the same thing; never the opposite, which would deny what was just told."""
    opposite = w.draw.concepts.opposite_verbs.get(fact.verb.key)
    verbs = [verb for verb in w.draw.verbs_for(fact) if verb != opposite]
    return Ref("verb", w.draw.pick(verbs or [fact.verb.key]))


def common_sense(w: Writer, *, difficulty: Difficulty) -> Choice:
    """Where somebody goes to do something; places of other domains are wrong (CommonsenseQA)."""
    fact = w.draw.fact()
    away = w.draw.shuffled([d for d in w.draw.concepts.nouns if d != fact.domain])
    places = [w.place(w.draw.place(d)) for d in away[:4]]
    asks = {
        "easy": f"Where would {w.name(fact.person)} {w.verb(fact.verb)} {w.thing(fact.noun)}?",
        "medium": f"{w.name(fact.person)} wants to {w.verb(fact.verb)} {w.thing(fact.noun)}. Where is it?",
        "hard": f"{w.say(w.draw.fact(but=[fact]).say())} {w.name(fact.person)} does not want that, but wants to "
        f"{w.verb(fact.verb)} {w.thing(fact.noun)}. Where is it?",
    }
    right = w.place(fact.place)
    return _mixed(w, right=right, wrong=places, context="", question=asks[difficulty], concept=fact.noun.key)


def reading(w: Writer, *, difficulty: Difficulty) -> Choice:
    """What is true by a short story, in other words (Cosmos QA)."""
    fact = w.draw.fact()
    others = [w.draw.fact(but=[fact])]
    while len(others) < {"easy": 1, "medium": 2, "hard": 3}[difficulty]:
        others.append(w.draw.fact(but=[fact, *others]))
    said = w.draw.shuffled([fact.say("act_pl"), *(other.say("act_day") for other in others)])
    crossed = fact._replace(person=others[0].person)
    right = w.say(fact.say("act" if difficulty == "easy" else "top"))
    wrong = [
        w.say(crossed.say("top" if difficulty == "hard" else "act")),
        w.say(others[0].say("act", p=fact.person)),
        "None of the above choices." if difficulty == "easy" else w.say(fact.say("nobody")),
    ]
    context = " ".join(w.say(sentence) for sentence in said)
    name = w.name(fact.person)
    return _mixed(w, right=right, wrong=wrong, context=context, question=f"What is true about {name}?", concept="")


_FEELINGS: Final = {1: ("happy", "proud", "grateful"), -1: ("angry", "disappointed", "ashamed")}
_GOOD: Final = ("praised", "thanked", "rewarded")
_BAD: Final = ("criticised", "blamed", "punished")
_CALM: Final = ("tired of waiting", "hungry", "cold")


def social(w: Writer, *, difficulty: Difficulty) -> Choice:
    """How somebody feels after being praised or blamed for a deed (Social IQa)."""
    fact = w.draw.fact()
    other = w.draw.person(but=[fact.person])
    mood = 1 if w.draw.number() < 1 / 2 else -1
    deed = w.draw.pick(_GOOD if mood > 0 else _BAD)
    denied = difficulty == "hard"
    who = w.name(fact.person)
    clause = f"{w.name(other)} {deed} {who} for it"
    if denied:
        base = w.draw.pick(_BAD if mood > 0 else _GOOD)
        clause = (
            f"{w.name(other)} never {base} {who} for it, as {who} had feared"
            if mood > 0
            else (f"{w.name(other)} never {base} {who} for it, as {who} had hoped")
        )
    context = f"{w.say(fact.say('act_pl'))} {clause}."
    if difficulty == "easy":
        wrong = [w.draw.pick(_FEELINGS[-mood]), w.draw.pick(_CALM)]
    else:
        wrong = list(w.draw.shuffled(_FEELINGS[-mood])[:2])
    question = f"How does {who} feel?"
    right = w.draw.pick(_FEELINGS[mood])
    return _mixed(w, right=right, wrong=wrong, context=context, question=question, concept=fact.noun.key)


def physical(w: Writer, *, difficulty: Difficulty) -> Choice:
    """How to reach a goal with a thing: the verb must suit the thing and the place the deed (PIQA)."""
    fact = w.draw.fact()
    away = w.draw.pick([d for d in w.draw.concepts.nouns if d != fact.domain])
    stranger = w.draw.fact(domain=away)
    goal = f"To {w.verb(fact.verb)} {w.thing(fact.noun)},"
    right = f"look for {w.thing(fact.noun)} {w.place(fact.place)}."
    if difficulty == "easy":
        wrong = f"look for {w.thing(stranger.noun)} {w.place(stranger.place)}."
    elif difficulty == "medium":
        wrong = f"look for {w.thing(fact.noun)} {w.place(stranger.place)}."
    else:
        near = w.draw.fact(but=[fact])
        wrong = f"look for {w.thing(near.noun)} {w.place(fact.place)}."
        goal = f"To {w.verb(fact.verb)} {w.thing(fact.noun)} and not {w.thing(near.noun)},"
    return _mixed(w, right=right, wrong=[wrong], context="", question=goal, concept=fact.noun.key)
