"""Inference: premise and hypothesis, labelled by construction.

Conventions, as in SNLI: a sentence is about one event, so another place or day for the same deed contradicts;
somebody else doing the same is neutral; what is said or possible is neutral. To add a way: one more function
`(draw) -> Item` in one of the tables at the end. Every function keeps to words of its own part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from core.sample.realise import Ref
from core.sample.scenes import Draw, Fact, Sentence, compared, cost

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.sample.spec import Difficulty

Label = Literal["entailment", "neutral", "contradiction"]
LABELS: Final[tuple[Label, ...]] = ("entailment", "neutral", "contradiction")
_HARD_DISTRACTORS: Final = 2


class Item(NamedTuple):
    """A premise of one or more sentences and a hypothesis."""

    premise: tuple[Sentence, ...]
    hypothesis: Sentence


def item(draw: Draw, *, label: Label, difficulty: Difficulty) -> Item:
    """An inference pair of a label; hard ones have distracting sentences around the premise."""
    found = draw.pick(_WAYS[difficulty, label])(draw)
    if difficulty != "hard" or len(found.premise) > 1:
        return found
    return Item(tuple(draw.shuffled([*found.premise, *_distractors(draw, found)])), found.hypothesis)


def _distractors(draw: Draw, found: Item) -> list[Sentence]:
    """Sentences about other persons and other things of the same domain."""
    # In the order of the text: a set's order of texts changes from process to process.
    slots = dict.fromkeys(ref for sentence in (*found.premise, found.hypothesis) for _, ref in sentence.fillers)
    names = [ref for ref in slots if ref.kind == "person"]
    nouns = {ref.key for ref in slots if ref.kind == "noun"}
    domain = next(d for d, keys in draw.concepts.nouns.items() if nouns & set(keys))
    person = names[0] if names else draw.person()
    other = names[-1] if names else person
    dummy = draw.place(domain)
    verb = Ref("verb", "")
    seen = [Fact(domain, person, verb, Ref("noun", n), dummy, dummy) for n in sorted(nouns)]
    seen.append(Fact(domain, other, verb, Ref("noun", ""), dummy, dummy))
    facts: list[Fact] = []
    for _ in range(1 + int(draw.number() * _HARD_DISTRACTORS)):
        facts.append(draw.fact(but=[*seen, *facts]))
    return [fact.say(draw.pick(("act", "act_pl", "neg", "act_day"))) for fact in facts]


def synonym(draw: Draw, fact: Fact) -> Fact:
    """The fact with a verb of the same meaning, or the fact itself."""
    return fact._replace(verb=Ref("verb", draw.concepts.synonyms.get(fact.verb.key, fact.verb.key)))


def fact_with_synonym(draw: Draw, *, but: tuple[Fact, ...] = ()) -> Fact:
    """A fact whose verb has a synonym."""
    return draw.fact(but=but, verbs=tuple(draw.concepts.synonyms))


def _e_drop_detail(draw: Draw) -> Item:
    fact = draw.fact()
    return Item((fact.say(draw.pick(("act_pl", "act_day", "act_dp"))),), fact.say())


def _e_first_of_two(draw: Draw) -> Item:
    fact = draw.fact()
    other = draw.fact(but=[fact])
    pair = (fact, other) if draw.number() < 1 / 2 else (other, fact)
    return Item((pair[0].and_(pair[1]),), fact.say())


def _e_passive(draw: Draw) -> Item:
    fact = draw.fact()
    return Item((fact.say(draw.pick(("act", "act_pl", "act_dp"))),), fact.say("top"))


def _e_synonym(draw: Draw) -> Item:
    fact = fact_with_synonym(draw)
    pattern = draw.pick(("act", "top"))
    if synonym(draw, fact) == fact and pattern == "act":
        return _e_passive(draw)
    return Item((fact.say(draw.pick(("act", "act_pl"))),), synonym(draw, fact).say(pattern))


def _e_general(draw: Draw) -> Item:
    fact = draw.fact()
    return Item((fact.say(draw.pick(("act", "act_pl", "top", "only"))),), fact.say(draw.pick(("some", "thing"))))


def _e_only(draw: Draw) -> Item:
    fact = draw.fact()
    other = draw.person(but=[fact.person])
    if draw.number() < 1 / 2:
        return Item((fact.say("only"),), fact.say(draw.pick(("act", "top"))))
    return Item((fact.say("only"),), fact.say("neg", p=other))


def _e_not_opposite(draw: Draw) -> Item:
    quality = draw.quality()
    opposite = Ref("adjective", draw.opposite(quality.adjective.key))
    return Item((quality.say(),), quality.say("adjneg", a=opposite))


def _e_second_of_but(draw: Draw) -> Item:
    fact = draw.fact()
    other = draw.fact(but=[fact], verb=fact.verb.key)
    if draw.number() < 1 / 2:
        return Item((other.and_(fact, pattern="but"),), fact.say(draw.pick(("act", "top", "some"))))
    return Item((other.and_(fact, pattern="but"),), other.say("neg"))


def _priced(draw: Draw, *, true: bool) -> Item:
    (cheap, low), (dear, high) = sorted(draw.prices(n=2), key=lambda found: found[1])
    said = draw.shuffled([cost(cheap, price=low), cost(dear, price=high)])
    dearer = draw.number() < 1 / 2
    return Item(tuple(said), compared(dear if dearer == true else cheap, dearer=dearer))


def _c_negated(draw: Draw) -> Item:
    fact = draw.fact()
    first, second = draw.shuffled(["neg", draw.pick(("act", "act_pl", "act_day"))])
    if first == "neg":
        second = "act"
    return Item((fact.say(first),), fact.say(second))


def _c_quality_negated(draw: Draw) -> Item:
    quality = draw.quality()
    first, second = draw.shuffled(["adj", "adjneg"])
    return Item((quality.say(first),), quality.say(second))


def _c_nobody(draw: Draw) -> Item:
    fact = draw.fact()
    if draw.number() < 1 / 2:
        return Item((fact.say("nobody"),), fact.say(draw.pick(("act", "top"))))
    return Item((fact.say(draw.pick(("act", "top", "act_pl"))),), fact.say("nobody"))


def _c_opposite(draw: Draw) -> Item:
    quality = draw.quality()
    return Item((quality.say(),), quality.say(a=Ref("adjective", draw.opposite(quality.adjective.key))))


def _c_elsewhere(draw: Draw) -> Item:
    fact = draw.fact()
    if draw.number() < 1 / 2:
        return Item((fact.say("act_pl"),), fact.say("act_pl", l=draw.place(fact.domain, but=[fact.place])))
    return Item((fact.say("act_day"),), fact.say("act_day", t=draw.day(but=[fact.day])))


def _c_opposite_verb(draw: Draw) -> Item:
    fact = draw.fact(verbs=tuple(draw.concepts.opposite_verbs))
    opposite = draw.concepts.opposite_verbs.get(fact.verb.key)
    if opposite is None:
        return _c_negated(draw)
    return Item((fact.say(draw.pick(("act", "act_pl", "top"))),), fact.say("act", v=Ref("verb", opposite)))


def _c_first_of_but(draw: Draw) -> Item:
    fact = draw.fact()
    other = draw.fact(but=[fact], verb=fact.verb.key)
    if draw.number() < 1 / 2:
        return Item((fact.and_(other, pattern="but"),), fact.say(draw.pick(("act", "top"))))
    return Item((other.and_(fact, pattern="but"),), fact.say(draw.pick(("neg", "nobody"))))


def _c_only(draw: Draw) -> Item:
    fact = draw.fact()
    return Item((fact.say("only"),), fact.say(draw.pick(("act", "top")), p=draw.person(but=[fact.person])))


def _n_other_deed(draw: Draw) -> Item:
    fact = draw.fact()
    other = draw.fact(but=[fact])
    return Item((fact.say(draw.pick(("act", "act_pl", "act_day"))),), other.say("act", p=fact.person))


def _n_quality(draw: Draw) -> Item:
    fact = draw.fact()
    for _ in range(20):
        quality = draw.quality(domain=fact.domain)
        if quality.noun == fact.noun:
            break
    return Item((fact.say(draw.pick(("act", "act_pl"))),), quality.say(draw.pick(("adj", "adjneg"))))


def _n_more_detail(draw: Draw) -> Item:
    fact = draw.fact()
    return Item((fact.say(draw.pick(("act", "top"))),), fact.say(draw.pick(("act_pl", "act_day", "top_pl"))))


def _n_somebody(draw: Draw) -> Item:
    fact = draw.fact()
    return Item((fact.say(draw.pick(("some", "thing"))),), fact.say(draw.pick(("act", "top", "act_pl"))))


def _n_perhaps(draw: Draw) -> Item:
    fact = draw.fact()
    return Item((fact.say("maybe"),), fact.say(draw.pick(("act", "neg", "top"))))


def _n_says(draw: Draw) -> Item:
    fact = draw.fact()
    speaker = draw.person(but=[fact.person])
    said = fact.say("says", p=speaker, q=fact.person)
    return Item((said,), fact.say(draw.pick(("act", "neg", "top"))))


def _n_says_quality(draw: Draw) -> Item:
    quality = draw.quality()
    return Item((quality.say("adjsay", p=draw.person()),), quality.say(draw.pick(("adj", "adjneg"))))


def _n_crossed(draw: Draw) -> Item:
    """Who did which of two things is exchanged: all the words are there, but nothing follows."""
    fact = draw.fact(verbs=tuple(sorted(draw.concepts.repeatable)))
    other = draw.fact(but=[fact], verbs=tuple(sorted(draw.concepts.repeatable)))
    crossed = fact if draw.number() < 1 / 2 else other
    person = other.person if crossed is fact else fact.person
    return Item((fact.and_(other),), crossed.say(draw.pick(("act", "top")), p=person))


def _e_priced(draw: Draw) -> Item:
    return _priced(draw, true=True)


def _c_priced(draw: Draw) -> Item:
    return _priced(draw, true=False)


_WAYS: Final[dict[tuple[Difficulty, Label], tuple[Callable[[Draw], Item], ...]]] = {
    ("easy", "entailment"): (_e_drop_detail, _e_first_of_two),
    ("easy", "neutral"): (_n_other_deed, _n_quality),
    ("easy", "contradiction"): (_c_negated, _c_quality_negated),
    ("medium", "entailment"): (_e_drop_detail, _e_passive, _e_synonym, _e_general, _e_not_opposite),
    ("medium", "neutral"): (_n_other_deed, _n_quality, _n_more_detail, _n_somebody),
    ("medium", "contradiction"): (_c_negated, _c_nobody, _c_opposite, _c_elsewhere, _c_opposite_verb),
    ("hard", "entailment"): (_e_passive, _e_synonym, _e_only, _e_not_opposite, _e_second_of_but, _e_priced),
    ("hard", "neutral"): (_n_perhaps, _n_says, _n_says_quality, _n_crossed, _n_more_detail),
    ("hard", "contradiction"): (_c_first_of_but, _c_only, _c_opposite_verb, _c_elsewhere, _c_opposite, _c_priced),
}
