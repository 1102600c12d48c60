"""Meanings without a language: who did what to which thing, drawn so that training and test never share a sentence.

A sentence with a person or a city differs between training and test by its names. A sentence without one differs by
its pair of words: every pair of a verb (or an adjective, or a price) and a noun belongs to exactly one part.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeVar

from core.sample.realise import Ref

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from core.sample.lexicon import Concepts
    from core.sample.realise import Fillers
    from core.sample.spec import Difficulty

Part = Literal["train", "dev", "test"]
T = TypeVar("T")
_TEST_SHARE: Final = 0.25
_DEV_SHARE: Final = 0.15
_SURNAME_SHARE: Final = 0.3
_MIX: Final[tuple[tuple[float, Difficulty], ...]] = ((0.3, "easy"), (0.7, "medium"), (1.0, "hard"))
_PRICE_STEPS: Final = 120
_POOL: Final = 8192


class Sentence(NamedTuple):
    """A pattern and what fills its slots; the same in every language."""

    pattern: str
    fillers: Fillers


class Fact(NamedTuple):
    """Somebody did something, at a place and on a day."""

    domain: str
    person: Ref
    verb: Ref
    noun: Ref
    place: Ref
    day: Ref

    def say(self, pattern: str = "act", **changes: Ref) -> Sentence:
        """The fact in a pattern, some of its slots changed."""
        slots = {"p": self.person, "v": self.verb, "o": self.noun, "l": self.place, "t": self.day} | changes
        return Sentence(pattern, tuple(sorted(slots.items())))

    def and_(self, other: Fact, *, pattern: str = "both") -> Sentence:
        """Two facts in one sentence."""
        return self.say(pattern, q=other.person, w=other.verb, u=other.noun)


class Quality(NamedTuple):
    """A thing is so."""

    domain: str
    noun: Ref
    adjective: Ref

    def say(self, pattern: str = "adj", **changes: Ref) -> Sentence:
        """The quality in a pattern, some of its slots changed."""
        return Sentence(pattern, tuple(sorted(({"o": self.noun, "a": self.adjective} | changes).items())))


def divided(words: Sequence[str], *, salt: str) -> dict[str, Part]:
    """The part of each word: about 60 % train, 15 % dev and 25 % test, each with at least one of three or more."""
    mixed = sorted(dict.fromkeys(words), key=lambda word: (zlib.crc32(f"{salt}:{word}".encode()), word))
    n_test, n_dev = max(1, round(_TEST_SHARE * len(mixed))), max(1, round(_DEV_SHARE * len(mixed)))
    sizes: tuple[tuple[Part, int], ...] = (("test", n_test), ("dev", n_dev), ("train", len(mixed)))
    parts = [part for part, n in sizes for _ in range(n)]
    return dict(zip(mixed, parts, strict=False))


class Draw:
    """Draws meanings for one part; holds the random generator and the words of that part."""

    def __init__(
        self,
        concepts: Concepts,
        *,
        rng: np.random.Generator,
        part: Part,
        domain: str | None = None,
        difficulty: Difficulty | None = None,
    ) -> None:
        self.concepts = concepts
        self.part = part
        self.domains: tuple[str, ...] = (domain,) if domain else tuple(concepts.nouns)
        self.difficulty = difficulty
        self._rng = rng
        self._pool: list[float] = []
        self._people = concepts.entities[part]
        people = self._people
        self._bare = _refs("person", people["men"] + people["women"])
        self._full = {
            ref.key: [Ref("person", ref.key, surname) for surname in people["surnames"]] for ref in self._bare
        }
        self._cities = _refs("city", people["cities"])
        self._organisations = _refs("organisation", people["organisations"])
        self._days = _refs("day", concepts.days)
        self._places = {d: _refs("place", places) for d, places in concepts.places.items()}
        kin = [concepts.synonyms, concepts.opposite_verbs]
        self._verbs = {d: _kept(concepts.verbs[d], part=part, kin=kin) for d in concepts.nouns}
        self._adjectives = {
            d: _kept(concepts.adjectives[d], part=part, kin=[concepts.opposite_adjectives]) for d in concepts.nouns
        }
        self._by_verb = {d: _grouped(pairs) for d, pairs in self._verbs.items()}
        self._priced = {
            d: [n for n, found in divided(concepts.priced[d], salt="price").items() if found == part]
            for d in concepts.nouns
        }

    def number(self) -> float:
        """A uniform draw from [0, 1)."""
        return self._pool.pop() if self._pool else self._refilled()

    def _refilled(self) -> float:
        self._pool = self._rng.random(_POOL).tolist()
        return self._pool.pop()

    def pick(self, items: Sequence[T], *, but: Sequence[T] = ()) -> T:
        """One of the items, none of `but`; there must be one."""
        while True:
            item = items[int(self.number() * len(items))]
            if not but or item not in but:
                return item

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in a random order."""
        left, found = list(items), []
        while left:
            found.append(left.pop(int(self.number() * len(left))))
        return found

    def level(self) -> Difficulty:
        """The difficulty of the next example: the one asked for, or one of the mixture."""
        if self.difficulty:
            return self.difficulty
        u = self.number()
        return next(name for bound, name in _MIX if u < bound)

    def domain(self) -> str:
        """One of the domains in play."""
        return self.pick(self.domains)

    def person(self, *, but: Sequence[Ref] = ()) -> Ref:
        """A person with a first name that nobody of `but` has."""
        used = [ref.key for ref in but]
        bare = self.pick(self._bare)
        while bare.key in used:
            bare = self.pick(self._bare)
        return self.pick(self._full[bare.key]) if self.number() < _SURNAME_SHARE else bare

    def city(self, *, but: Sequence[Ref] = ()) -> Ref:
        """A city."""
        return self.pick(self._cities, but=but)

    def organisation(self, *, but: Sequence[Ref] = ()) -> Ref:
        """A company with a coined name."""
        return self.pick(self._organisations, but=but)

    def day(self, *, but: Sequence[Ref] = ()) -> Ref:
        """A day of the week."""
        return self.pick(self._days, but=but)

    def place(self, domain: str, *, but: Sequence[Ref] = ()) -> Ref:
        """A place of a domain."""
        return self.pick(self._places[domain], but=but)

    def fact(self, *, but: Sequence[Fact] = (), domain: str = "", verb: str = "", verbs: Sequence[str] = ()) -> Fact:
        """A fact with another person and another thing than the facts of `but`.

        Args:
            but: Facts that it shares no person and no thing with.
            domain: Its domain; any in play if empty.
            verb: Its verb, if possible.
            verbs: Verbs to choose from, if possible.
        """
        where = domain or (but[0].domain if but else self.domain())
        used = {fact.noun.key for fact in but}
        wanted = tuple(word for word in verbs if word in self._by_verb[where]) if not verb else (verb,)
        found = self._by_verb[where].get(self.pick(wanted), ()) if wanted else self._verbs[where]
        left = [pair for pair in found if pair[1] not in used] if used else found
        v, n = self.pick(left) if left else self._unused(where, used=used)
        person = self.person(but=[fact.person for fact in but])
        return Fact(where, person, Ref("verb", v), Ref("noun", n), self.place(where), self.day())

    def _unused(self, domain: str, *, used: set[str]) -> tuple[str, str]:
        return self.pick([pair for pair in self._verbs[domain] if pair[1] not in used])

    def verbs_for(self, fact: Fact) -> list[str]:
        """Other verbs of this part that go with the thing of a fact."""
        return [v for v, n in self._verbs[fact.domain] if n == fact.noun.key and v != fact.verb.key]

    def quality(self, *, domain: str = "", words: frozenset[str] = frozenset()) -> Quality:
        """A quality whose adjective is one of `words`, if any are given."""
        where = domain or self.domain()
        a, n = self.pick([(a, n) for a, n in self._adjectives[where] if not words or a in words])
        return Quality(where, Ref("noun", n), Ref("adjective", a))

    def opposite(self, adjective: str) -> str:
        """The opposite adjective."""
        return self.concepts.opposite_adjectives[adjective]

    def prices(self, *, n: int, domain: str = "") -> list[tuple[Ref, int]]:
        """Up to n things of one domain with different prices in euros."""
        wanted = [d for d in ((domain,) if domain else self.domains) if len(self._priced[d]) >= n]
        things = self._priced[self.pick(wanted or [d for d, found in self._priced.items() if len(found) >= n])]
        nouns = self.shuffled(things)[:n]
        found: list[tuple[Ref, int]] = []
        for noun in nouns:
            price = self.price(but=[p for _, p in found])
            found.append((Ref("noun", noun), price))
        return found

    def price(self, *, but: Sequence[int] = ()) -> int:
        """A price in euros."""
        return self.pick([5 * i for i in range(3, _PRICE_STEPS)], but=but)

    def trade_name(self) -> Ref:
        """An organisation whose name says its kind: the Weber Bank, the Oslo Museum, Norvik."""
        if self.number() < _SURNAME_SHARE:
            return self.organisation()
        bases = self._people["surnames"] + self._people["cities"] + self._people["organisations"]
        return Ref("organisation", f"{self.pick(self.concepts.organisation_kinds)}:{self.pick(bases)}")


def _kept(pairs: Sequence[tuple[str, str]], *, part: Part, kin: Sequence[dict[str, str]]) -> list[tuple[str, str]]:
    """The pairs of a part; synonyms and opposites of one noun stay together, so that either can answer the other."""
    groups: dict[str, list[str]] = {}
    first = {word: min(word, *(words.get(word, word) for words in kin)) for word, _ in pairs}
    for word, noun in pairs:
        groups.setdefault(first[word], []).append(noun)
    parts = {group: divided(nouns, salt=group) for group, nouns in groups.items()}
    return [(word, noun) for word, noun in pairs if parts[first[word]][noun] == part]


def _refs(kind: str, keys: Sequence[str]) -> list[Ref]:
    return [Ref(kind, key) for key in keys]


def _grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, list[tuple[str, str]]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for pair in pairs:
        groups.setdefault(pair[0], []).append(pair)
    return groups


def cost(noun: Ref, *, price: int) -> Sentence:
    """The thing costs so many euros."""
    return Sentence("cost", (("o", noun), ("x", Ref("number", str(price)))))


def compared(noun: Ref, *, dearer: bool) -> Sentence:
    """The thing is more expensive, or cheaper."""
    adjective = Ref("adjective", "expensive" if dearer else "cheap")
    return Sentence("dear" if dearer else "cheaper", (("a", adjective), ("o", noun)))


def lives(person: Ref, *, city: Ref) -> Sentence:
    """The person lives in the city."""
    return Sentence("live", (("c", city), ("p", person)))


def works(person: Ref, *, organisation: Ref, city: Ref) -> Sentence:
    """The person works for the company in the city."""
    return Sentence("work", (("c", city), ("g", organisation), ("p", person)))
