"""Span questions: a passage of facts, a question about one of them, and where in the passage its answer stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from core.sample.nli import synonym
from core.sample.realise import Ref, locate, realise, write
from core.sample.scenes import Draw, Fact, Sentence, cost, lives, works

if TYPE_CHECKING:
    from core.sample.lexicon import Language
    from core.sample.spec import Difficulty

_FACTS: Final[dict[Difficulty, int]] = {"easy": 2, "medium": 4, "hard": 6}
_REWORDED: Final[dict[Difficulty, float]] = {"easy": 0.0, "medium": 0.4, "hard": 0.8}


class Question(NamedTuple):
    """A passage, a question, and the sentence and slot that answer it."""

    domain: str
    passage: tuple[Sentence, ...]
    question: Sentence
    at: int
    """Sentence of the passage with the answer; -1 when it is not there."""
    slot: str


class Written(NamedTuple):
    """A question in a language."""

    context: str
    question: str
    answer: str
    start: int


class _Asked(NamedTuple):
    statement: Sentence
    question: Sentence
    slot: str


def question(draw: Draw, *, difficulty: Difficulty, answerable: bool = True) -> Question:
    """A question about a passage; the harder, the more facts share its words."""
    domain = draw.domain()
    asked = _asked(draw, domain=domain, difficulty=difficulty)
    around = _around(draw, asked, domain=domain, difficulty=difficulty)
    kept = [asked.statement, *around] if answerable else [*around, _instead(draw, asked, domain=domain)]
    passage = draw.shuffled(kept)
    index = passage.index(asked.statement) if answerable else -1
    return Question(domain, tuple(passage), asked.question, index, asked.slot)


def _asked(draw: Draw, *, domain: str, difficulty: Difficulty) -> _Asked:
    u = draw.number()
    if u < 0.1:
        (noun, price), *_ = draw.prices(n=1, domain=domain)
        return _Asked(cost(noun, price=price), Sentence("q_cost", (("o", noun),)), "x")
    if u < 0.25:
        person, city, organisation = draw.person(), draw.city(), draw.organisation()
        if u < 0.17:
            return _Asked(lives(person, city=city), Sentence("q_city", (("p", person),)), "c")
        said = works(person, organisation=organisation, city=city)
        return _Asked(said, Sentence("q_org", (("p", person),)), "g")
    fact = draw.fact(domain=domain)
    spoken = synonym(draw, fact) if draw.number() < _REWORDED[difficulty] else fact
    pattern, slot, patterns = draw.pick(
        (
            ("q_who", "p", ("act", "act_pl", "top", "top_pl", "act_dp")),
            ("q_what", "o", ("act", "act_pl", "act_dp", "act_day")),
            ("q_where", "l", ("act_pl", "act_dp", "top_pl")),
            ("q_when", "t", ("act_day", "act_dp")),
        )
    )
    return _Asked(fact.say(draw.pick(patterns)), spoken.say(pattern), slot)


def _around(draw: Draw, asked: _Asked, *, domain: str, difficulty: Difficulty) -> list[Sentence]:
    """Other facts; in medium and hard passages one shares the verb of the question and one its person."""
    slots = dict(asked.statement.fillers)
    about = Fact(
        domain,
        slots.get("p", draw.person()),
        slots.get("v", Ref("verb", "")),
        slots.get("o", Ref("noun", "")),
        draw.place(domain),
        draw.day(),
    )
    facts = [about]
    while len(facts) < _FACTS[difficulty]:
        same_verb = difficulty != "easy" and len(facts) == 1
        facts.append(draw.fact(but=facts, verb=about.verb.key if same_verb else ""))
    said = [fact.say(draw.pick(("act_pl", "act_dp", "top_pl", "act_day"))) for fact in facts[1:]]
    if difficulty != "easy":
        city = draw.city(but=[slots["c"]] if "c" in slots else ())
        said.append(lives(facts[1].person, city=city))
    if difficulty == "hard":
        person = draw.person(but=[fact.person for fact in facts])
        but = [slots["g"]] if "g" in slots else ()
        said.append(works(person, organisation=draw.organisation(but=but), city=draw.city(but=[city])))
    return said


def _instead(draw: Draw, asked: _Asked, *, domain: str) -> Sentence:
    """A sentence that shares the question's words but does not answer it."""
    slots = dict(asked.statement.fillers)
    if "v" not in slots:
        return draw.fact(domain=domain).say("act_pl")
    fact = Fact(domain, slots["p"], slots["v"], slots["o"], slots["l"], slots["t"])
    if asked.slot in {"l", "t"}:
        return fact.say("act" if asked.slot == "l" else "act_pl")
    if asked.slot == "p":
        return fact.say("neg")
    return draw.fact(but=[fact])._replace(person=draw.person(but=[fact.person])).say("act_dp")


def write_question(language: Language, *, asked: Question) -> Written:
    """The passage and the question as text; an empty answer at -1 when there is none."""
    context, answer, start = "", "", -1
    for i, sentence in enumerate(asked.passage):
        tokens = realise(language.code, pattern=sentence.pattern, fillers=sentence.fillers)
        if context and language.spaces:
            context += " "
        if i == asked.at:
            span = locate(language, tokens=tokens, slot=asked.slot)
            answer, start = span.text, len(context) + span.start
        context += write(language, tokens=tokens)
    spoken = realise(language.code, pattern=asked.question.pattern, fillers=asked.question.fillers)
    return Written(context, write(language, tokens=spoken), answer, start)
