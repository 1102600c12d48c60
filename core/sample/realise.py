"""From a meaning to words: patterns of a language filled with the listed forms, every word tagged."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from core.errors import DataError

if TYPE_CHECKING:
    from core.sample.lexicon import Language

POS_TAGS: Final = tuple(
    [
        "ADJ",
        "ADP",
        "ADV",
        "AUX",
        "CCONJ",
        "DET",
        "INTJ",
        "NOUN",
        "NUM",
        "PART",
        "PRON",
        "PROPN",
        "PUNCT",
        "SCONJ",
        "SYM",
        "VERB",
        "X",
    ]
)
NER_TAGS: Final = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
_DEFAULT_POS: Final = {"noun": "NOUN", "verb": "VERB", "adjective": "ADJ", "place": "NOUN", "day": "NOUN"}
_ENTITY: Final = {"person": "PER", "surname": "PER", "organisation": "ORG", "city": "LOC"}
_NO_SPACE_BEFORE: Final = frozenset([".", ",", "?", "!", ":", ";", ")", "।", "。", "，", "？", "）", "؟", "،"])
_NO_SPACE_AFTER: Final = frozenset(["(", "（"])
OWN: Final = "own"
"""Instead of another slot's agreement class: the word's own."""
_SLOT: Final = re.compile(r"\{(\w+)(?:\.(\w+))?(?:@(\w+))?\}")
_LATIN: Final = re.compile(r"[0-9A-Za-z]")


class Token(NamedTuple):
    """One word of a sentence."""

    text: str
    pos: str
    """Universal part of speech."""
    entity: str
    """B-PER, I-ORG and so on, or O."""
    slot: str
    """Slot of the pattern that the word comes from, or empty."""
    glued: bool = False
    """Whether the next word follows without a space."""


class Ref(NamedTuple):
    """What fills a slot: a concept, a name or a number."""

    kind: str
    """noun, verb, adjective, place, day, person, city, organisation or number."""
    key: str
    surname: str = ""
    """For a person: the second name, or empty."""


Tokens = tuple[Token, ...]
Fillers = tuple[tuple[str, Ref], ...]


class Span(NamedTuple):
    """Where words stand in a text, in characters."""

    start: int
    text: str


def _tag(language: Language, *, text: str, default: str, slot: str, entity: str) -> list[Token]:
    """Tokens of a listed form.

    `word/TAG` gives the part of speech, otherwise the language's closed list does, otherwise `default`; `_` is a space
    inside one word; `+` glues the next word on.
    With brackets only the words inside them belong to the entity, for example `στην [Πράγα]`.
    """
    tokens: list[Token] = []
    inside = "[" not in text
    begun = False
    for piece in text.split():
        inside = inside or piece.startswith("[")
        word, _, tag = piece.strip("[]").partition("/")
        glued = word.endswith("+")
        word = word.removesuffix("+").replace("_", " ")
        label = ("I-" if begun else "B-") + entity if entity and inside else "O"
        pos = tag or ("PROPN" if label != "O" else language.closed.get(word, default))
        tokens.append(Token(word, pos, label, slot, glued))
        begun = begun or label != "O"
        inside = inside and not piece.endswith("]")
    return tokens


def _template(language: Language, ref: Ref, *, form: str, agreement: str) -> str:
    """The template of a form, its braces naming columns of the entry."""
    entry = language.entries[ref.kind][ref.key]
    found = language.forms.get(ref.kind, {}).get(form)
    if isinstance(found, dict):
        key = entry.get("g", "") if agreement == OWN else agreement
        if key not in found:
            raise DataError(f"{language.code}: {ref.kind} {ref.key} has no form {form!r} for class {key!r}.")
        return found[key]
    if found is None and form not in entry:
        raise DataError(f"{language.code}: {ref.kind} {ref.key} has no form {form!r}.")
    return found if found is not None else "{" + form + "}"


@lru_cache(maxsize=200_000)
def _phrase(code: str, ref: Ref, slot: str, form: str, agreement: str) -> Tokens:  # noqa: PLR0917
    language = _LANGUAGES[code]
    if ref.kind == "number":
        return (Token(ref.key, "NUM", "O", slot),)
    if ref.kind == "organisation" and ":" in ref.key:
        return tuple(_kind_of_organisation(language, key=ref.key, slot=slot))
    entry = language.entries[ref.kind][ref.key]
    template = _template(language, ref, form=form or ("n" if ref.kind in _ENTITY else "s"), agreement=agreement)
    tokens: list[Token] = []
    for piece in template.split():
        if "{" not in piece:
            tokens += _tag(language, text=piece, default="PART", slot=slot, entity="")
            continue
        tag = piece.partition("/")[2]
        text = re.sub(r"\{(\w+)\}", lambda match: entry[match[1]], piece.partition("/")[0])
        default = tag or _DEFAULT_POS.get(ref.kind, "PROPN")
        tokens += _tag(language, text=text, default=default, slot=slot, entity=_ENTITY.get(ref.kind, ""))
    named = [i for i, token in enumerate(tokens) if token.entity != "O"]
    if ref.surname and named:
        at = named[-1] + 1
        name = language.entries["surname"][ref.surname]["n"]
        tokens[at:at] = [Token(word, "PROPN", "I-PER", slot) for word in name.split()]
        if not language.spaces:
            tokens[at - 1] = tokens[at - 1]._replace(text=tokens[at - 1].text + "·")
    return tuple(tokens)


def _kind_of_organisation(language: Language, *, key: str, slot: str) -> list[Token]:
    """An organisation named after a person, a city or a coined name: `bank:Weber`."""
    kind, _, base = key.partition(":")
    names = [language.entries[k][base]["n"] for k in ("organisation", "surname", "city") if base in language.entries[k]]
    text = language.organisation_kinds[kind].replace("{n}", names[0].strip("[]"))
    words = [word.replace("_", " ") for word in text.split()]
    return [Token(word, "PROPN", "I-ORG" if i else "B-ORG", slot) for i, word in enumerate(words)]


_LANGUAGES: dict[str, Language] = {}


def register(language: Language) -> None:
    """Makes a language's words available to `realise`; the cache of phrases is emptied when its words changed."""
    if _LANGUAGES.get(language.code) is not language:
        _LANGUAGES[language.code] = language
        _phrase.cache_clear()
        _compiled.cache_clear()


@lru_cache(maxsize=10_000)
def _compiled(code: str, pattern: str) -> tuple[tuple[Token | None, str, str, str], ...]:
    """The pieces of a pattern: a word, or slot, form and the slot that it agrees with."""
    language = _LANGUAGES[code]
    if pattern not in language.patterns:
        raise DataError(f"{code}: no pattern named {pattern!r}. Patterns: {', '.join(sorted(language.patterns))}.")
    items: list[tuple[Token | None, str, str, str]] = []
    for piece in language.patterns[pattern].split():
        if match := _SLOT.fullmatch(piece):
            items.append((None, match[1], match[2] or "", match[3] or ""))
        else:
            words = _tag(language, text=piece, default=_guess(language, word=piece), slot="", entity="")
            items += [(word, "", "", "") for word in words]
    return tuple(items)


def _guess(language: Language, *, word: str) -> str:
    """Part of speech of a pattern's own word, also when it opens the sentence."""
    low = word.strip("+").replace("_", " ")
    mark = "PUNCT" if not any(letter.isalnum() for letter in low) else "X"
    return language.closed.get(low, language.closed.get(low.lower(), mark))


def realise(code: str, *, pattern: str, fillers: Fillers) -> Tokens:
    """The sentence of a pattern, its first letter upper case where the script has one."""
    slots = dict(fillers)
    tokens: list[Token] = []
    for token, slot, form, agree in _compiled(code, pattern):
        if token is not None:
            tokens.append(token)
            continue
        agreement = _class_of(code, slots[agree]) if agree else OWN
        tokens += _phrase(code, slots[slot], slot, form, agreement)
    at = 1 if tokens[0].text == "¿" else 0
    first = tokens[at].text
    if first[:1].islower():
        capital = _LANGUAGES[code].capitals.get(first[:1], first[:1].upper())
        tokens[at] = tokens[at]._replace(text=capital + first[1:])
    return tuple(tokens)


def _class_of(code: str, ref: Ref) -> str:
    return _LANGUAGES[code].entries[ref.kind][ref.key].get("g", "")


def write(language: Language, *, tokens: Tokens) -> str:
    """The words as running text, with the language's spacing."""
    return "".join(_pieces(language, tokens=tokens))


def _pieces(language: Language, *, tokens: Tokens) -> list[str]:
    """The words, each with the space before it."""
    pieces: list[str] = []
    tight = True
    before = ""
    for text, _, _, _, glued in tokens:
        spaced = not (tight or text in _NO_SPACE_BEFORE) or text in language.spaced_marks
        if spaced and not language.spaces:
            spaced = bool(_LATIN.match(before[-1]) and _LATIN.match(text[0]))
        pieces.append(" " + text if spaced else text)
        tight = glued or text in _NO_SPACE_AFTER
        before = text
    return pieces


def locate(language: Language, *, tokens: Tokens, slot: str) -> Span:
    """Where the filler of a slot stands in the written text, articles and adpositions at its edges left out.

    Raises:
        DataError: the pattern has no such slot.
    """
    wanted = [i for i, token in enumerate(tokens) if token.slot == slot]
    edge = ("ADP", "DET", "PART", "PRON")
    while len(wanted) > 1 and tokens[wanted[0]].pos in edge:
        wanted = wanted[1:]
    while len(wanted) > 1 and tokens[wanted[-1]].pos in edge:
        wanted = wanted[:-1]
    if not wanted:
        raise DataError(f"{language.code}: no words of slot {slot!r} in {write(language, tokens=tokens)!r}.")
    pieces = _pieces(language, tokens=tokens)
    start = sum(map(len, pieces[: wanted[0]]))
    text = "".join(pieces[wanted[0] : wanted[-1] + 1])
    return Span(start + len(text) - len(text.lstrip()), text.strip())
