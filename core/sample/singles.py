"""Single texts: acceptability, sentiment, topic. English ones may use English words beyond the lexicon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from core.sample.realise import Token, realise, write
from core.sample.scenes import Draw, Sentence, cost, lives, works

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.sample.lexicon import Language
    from core.sample.realise import Tokens
    from core.sample.spec import Difficulty

_HALF: Final = 0.5
_NEGATED: Final[dict[Difficulty, float]] = {"easy": 0.0, "medium": 0.25, "hard": 0.6}
_PATTERNS: Final = ("act", "act_pl", "act_day", "act_dp", "neg", "top", "top_pl", "only", "maybe")
_SIZES: Final[dict[Difficulty, int]] = {"easy": 2, "medium": 3, "hard": 5}


class Review(NamedTuple):
    """Sentences and whether what they tell is good (1), bad (-1) or neither (0)."""

    sentences: tuple[Sentence, ...]
    mood: int


def plain(draw: Draw) -> Sentence:
    """Any statement about a deed."""
    return draw.fact().say(draw.pick(_PATTERNS))


def any_statement(draw: Draw) -> Sentence:
    """Any statement at all, for tagging and retrieval."""
    u = draw.number()
    if u < 0.2:
        return _whereabouts(draw)
    if u < 0.3:
        return draw.quality().say(draw.pick(("adj", "adjneg", "adjsay")), p=draw.person())
    if u < 0.42:
        fact = draw.fact()
        return fact.and_(draw.fact(but=[fact]), pattern=draw.pick(("both", "but")))
    if u < 0.5:
        fact = draw.fact()
        return fact.say("says", p=draw.person(but=[fact.person]), q=fact.person)
    if u < 0.53:
        return priced(draw)
    return plain(draw)


def _whereabouts(draw: Draw) -> Sentence:
    """Where somebody works or lives."""
    if draw.number() < _HALF:
        return works(draw.person(), organisation=draw.organisation(), city=draw.city())
    return lives(draw.person(), city=draw.city())


def priced(draw: Draw) -> Sentence:
    """What something costs."""
    ((noun, price),) = draw.prices(n=1)
    return cost(noun, price=price)


def sentiment(draw: Draw, *, mood: int, difficulty: Difficulty) -> Review:
    """One sentence that praises (1), blames (-1) or only tells (0).

    Easy: the adjective tells. Medium: a quarter is negated. Hard: three in five are.
    """
    if mood == 0:
        return Review((plain(draw),), 0)
    negated = draw.number() < _NEGATED[difficulty]
    words = draw.concepts.positive if (mood > 0) != negated else draw.concepts.negative
    quality = draw.quality(words=words)
    pattern = "adjneg" if negated else "adj"
    return Review((_signed(draw, quality.say(pattern)),), mood)


def _signed(draw: Draw, sentence: Sentence) -> Sentence:
    return Sentence(sentence.pattern, tuple(sorted((*sentence.fillers, ("p", draw.person())))))


def opinion(draw: Draw, *, mood: int, difficulty: Difficulty) -> Review:
    """A person and a verdict: praise, blame, or a deed with neither; used where sentences need a person."""
    first = sentiment(draw, mood=mood, difficulty=difficulty)
    return Review((*first.sentences, plain(draw)), mood) if mood else Review((plain(draw), plain(draw)), 0)


def review(draw: Draw, *, mood: int, difficulty: Difficulty) -> Review:
    """Several sentences: deeds that say nothing, more verdicts of one mood than of the other (in hard ones)."""
    size = _SIZES[difficulty]
    moods = [mood, mood, -mood] if difficulty == "hard" else [mood]
    domain = draw.domain()
    said = [s for m in moods for s in sentiment(draw, mood=m, difficulty="easy" if size < 3 else "medium").sentences]
    said += [draw.fact(domain=domain).say(draw.pick(("act_pl", "act_day", "act_dp"))) for _ in range(size - 1)]
    return Review(tuple(draw.shuffled(said)), mood)


def news(draw: Draw, *, topics: Sequence[str], topic: str, difficulty: Difficulty) -> tuple[Sentence, ...]:
    """A short report on the domain in which something happened.

    Easy: nothing else is told. Medium: something of another topic did not happen. Hard: as much did not as did. Beyond
    easy ones, something of the draw's own domain did not happen either.

    Args:
        draw: Its domains give what did not happen, besides the other topics.
        topics: The domains that are topics.
        topic: The domain of the report.
        difficulty: How much else is told.
    """
    told, denied = {"easy": (1, 0), "medium": (2, 1), "hard": (2, 2)}[difficulty]
    other = draw.pick([d for d in topics if d != topic])
    around = draw.pick(draw.domains)
    said = [draw.fact(domain=topic).say(draw.pick(("act", "act_day", "top"))) for _ in range(told)]
    denials = [other] * denied + ([around] if denied and around not in {topic, other} else [])
    said += [draw.fact(domain=d).say(draw.pick(("neg", "neg", "nobody"))) for d in denials]
    return tuple(draw.shuffled(said))


def acceptability(language: Language, *, draw: Draw, acceptable: bool, difficulty: Difficulty) -> str:
    """An English sentence, right or with one slip.

    Easy: a word is doubled or missing. Medium: the order is wrong. Hard: a verb form does not go with its auxiliary,
    while right sentences have all forms, so that no form tells.
    """
    fact = draw.fact()
    slip = draw.pick(_SLIPS[difficulty])
    pattern = draw.pick(_PATTERNS if acceptable and difficulty != "hard" else _SLIP_PATTERNS[slip])
    tokens = realise(language.code, pattern=pattern, fillers=fact.say(pattern).fillers)
    if not acceptable:
        forms = language.entries["verb"][fact.verb.key]
        tokens = _slipped(tokens, draw=draw, slip=slip, forms=forms)
    return write(language, tokens=tokens)


_SLIPS: Final[dict[Difficulty, tuple[str, ...]]] = {
    "easy": ("doubled", "no_verb", "no_object"),
    "medium": ("order", "article"),
    "hard": ("did_past", "base", "was_base"),
}
_SLIP_PATTERNS: Final[dict[str, tuple[str, ...]]] = {
    "order": ("act", "act_pl", "act_day", "top", "maybe"),
    "doubled": ("act", "act_pl", "neg", "top"),
    "no_verb": ("act", "act_pl", "act_dp", "maybe"),
    "article": ("act", "act_pl", "act_day", "neg", "only"),
    "no_object": ("act_pl", "act_dp"),
    "did_past": ("neg",),
    "base": ("act", "act_pl", "act_day", "only", "maybe"),
    "was_base": ("top", "top_pl"),
}


def _slipped(tokens: Tokens, *, draw: Draw, slip: str, forms: dict[str, str]) -> Tokens:
    """The words with one slip. `forms`: past, base and part of the verb."""
    verb = max(i for i, token in enumerate(tokens) if token.slot == "v")
    noun = [i for i, token in enumerate(tokens) if token.slot == "o"]
    words = list(tokens)
    if slip == "order":
        words[verb], words[verb + 1] = words[verb + 1], words[verb]
    elif slip == "doubled":
        words.insert(verb, words[verb])
    elif slip == "no_verb":
        del words[verb]
    elif slip == "article":
        article = words.pop(noun[0])
        words.insert(noun[-1], article)
    elif slip == "no_object":
        words = [token for token in words if token.slot != "o"]
        words.insert(verb + 1, Token("the", "DET", "O", "o"))
    else:
        base = forms["base"] if slip != "did_past" else forms["past"]
        base = base if base != words[verb].text else forms["base"] + "s"
        words[verb] = words[verb]._replace(text=base)
    return tuple(words)
