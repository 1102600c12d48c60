"""Concepts and languages, read from `data/sample`: every inflected form is listed there, none is computed here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import yaml

from core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

SECTIONS: Final = {"noun": "nouns", "verb": "verbs", "adjective": "adjectives", "place": "places", "day": "days"}
Entry = dict[str, str]
FRAGMENTS: Final = {
    "frag_per_loc": "{p.bare} ( {c} )",
    "frag_org_loc": "{g} , {c}",
    "frag_per_org": "{p.bare} - {g}",
    "frag_people": "{p.bare} , {q.bare} , {g}",
    "frag_places": "{c} , {d} - {g}",
    "frag_org": "{g} ( {c} , {p.bare} )",
}
"""Patterns without words, like the titles and lists of PAN-X, names without an article; a language may have its own."""


@dataclass(frozen=True)
class Concepts:
    """What is talked about, without any language."""

    nouns: dict[str, tuple[str, ...]]
    """Nouns by domain."""
    verbs: dict[str, tuple[tuple[str, str], ...]]
    """(verb, noun) pairs that make sense, by domain."""
    adjectives: dict[str, tuple[tuple[str, str], ...]]
    """(adjective, noun) pairs that make sense, by domain."""
    places: dict[str, tuple[str, ...]]
    """Places by domain."""
    words: dict[str, tuple[str, ...]]
    """Every content concept of a domain, general ones left out."""
    synonyms: dict[str, str]
    opposite_verbs: dict[str, str]
    opposite_adjectives: dict[str, str]
    repeatable: frozenset[str]
    positive: frozenset[str]
    negative: frozenset[str]
    priced: dict[str, tuple[str, ...]]
    """Nouns with a price, by domain."""
    entities: dict[str, dict[str, tuple[str, ...]]]
    """Names by part (train, test) and kind (men, women, surnames, cities, organisations)."""
    days: tuple[str, ...]
    organisation_kinds: tuple[str, ...]


@dataclass(frozen=True)
class Language:
    """The words and sentence patterns of one language."""

    code: str
    tatoeba: str
    """Name of the language in Tatoeba's configs, for example `deu`."""
    udpos: str
    """Name of the language in the udpos configs, for example `German`."""
    spaces: bool
    """Whether words are separated by spaces."""
    spaced_marks: frozenset[str]
    """Punctuation that has a space before it."""
    closed: dict[str, str]
    """Part of speech of function words and punctuation."""
    entries: dict[str, dict[str, Entry]]
    """kind → concept → form name → text."""
    forms: dict[str, dict[str, str | dict[str, str]]]
    """kind → form → template, or templates by agreement class."""
    patterns: dict[str, str]
    organisation_kinds: dict[str, str]
    capitals: dict[str, str]
    """First letters whose upper case is not Unicode's default one (Turkish i)."""


def _words(text: object) -> tuple[str, ...]:
    return tuple(str(text or "").split())


class _Domains:
    """Resolves the class names of concepts.yaml to nouns; lives while the file is read."""

    def __init__(self, raw: dict[str, Any]) -> None:  # Any: parsed YAML
        self.classes = {
            name: {key: _words(nouns) for key, nouns in domain["nouns"].items()}
            for name, domain in raw["domains"].items()
        }

    def nouns(self, domain: str, *, names: str) -> list[str]:
        classes = self.classes[domain]
        return [noun for name in _words(names) for noun in classes.get(name, (name,))]

    def general(self, names: str) -> list[tuple[str, str]]:
        pairs = [name.split(".") for name in _words(names)]
        return [(domain, noun) for domain, name in pairs for noun in self.nouns(domain, names=name)]


def _pairs(raw: dict[str, Any], *, section: str, domains: _Domains) -> dict[str, tuple[tuple[str, str], ...]]:
    pairs: dict[str, list[tuple[str, str]]] = {name: [] for name in raw["domains"]}
    for domain, content in raw["domains"].items():
        for word, names in content[section].items():
            pairs[domain] += [(word, noun) for noun in domains.nouns(domain, names=names)]
    for word, names in raw["general"][section].items():
        for domain, noun in domains.general(names):
            pairs[domain].append((word, noun))
    return {domain: tuple(dict.fromkeys(found)) for domain, found in pairs.items()}


def _both_ways(pairs: list[list[str]]) -> dict[str, str]:
    return {a: b for first, second in pairs for a, b in ((first, second), (second, first))}


@cache
def load_concepts(folder: Path) -> Concepts:
    """The concepts of `folder/concepts.yaml`."""
    raw = yaml.load((folder / "concepts.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    domains = _Domains(raw)
    nouns = {name: tuple(n for group in groups.values() for n in group) for name, groups in domains.classes.items()}
    adjectives = _pairs(raw, section="adjectives", domains=domains)
    return Concepts(
        nouns=nouns,
        verbs=_pairs(raw, section="verbs", domains=domains),
        adjectives=adjectives,
        places={name: _words(content["places"]) for name, content in raw["domains"].items()},
        words={
            name: (*nouns[name], *content["verbs"], *content["adjectives"], *_words(content["places"]))
            for name, content in raw["domains"].items()
        },
        synonyms=_both_ways(raw["synonyms"]),
        opposite_verbs=_both_ways(raw["opposite_verbs"]),
        opposite_adjectives=_both_ways(raw["opposite_adjectives"]),
        repeatable=frozenset(_words(raw["repeatable"])),
        positive=frozenset(_words(raw["positive"])),
        negative=frozenset(_words(raw["negative"])),
        priced={name: tuple(n for a, n in found if a == "expensive") for name, found in adjectives.items()},
        entities={
            part: {kind: _words(names) for kind, names in kinds.items()} for part, kinds in raw["entities"].items()
        },
        days=_words(raw["days"]),
        organisation_kinds=_words(raw["organisation_kinds"]),
    )


def _entry(text: str, *, columns: list[str], defaults: dict[str, str], where: str) -> Entry:
    """Forms by column name; a form left out at the end of a line is the one that `defaults` names for its column."""
    cells = [cell.strip() for cell in str(text).split("|")]
    entry = dict(zip(columns, cells, strict=False))
    for column in columns[len(cells) :]:
        if column not in defaults:
            raise DataError(f"{where}: {text!r} has {len(cells)} forms, expected {', '.join(columns)}.")
        entry[column] = entry.get(defaults[column], "")
    if len(cells) > len(columns):
        raise DataError(f"{where}: {text!r} has {len(cells)} forms, expected {', '.join(columns)}.")
    return entry


def _names(raw: dict[str, Any], concepts: Concepts) -> dict[str, dict[str, Entry]]:
    """Entries of persons, surnames, cities and organisations; a missing name is spelt as in concepts.yaml."""
    found: dict[str, dict[str, Entry]] = {"person": {}, "surname": {}, "city": {}, "organisation": {}}
    for kinds in concepts.entities.values():
        for gender, sex in (("men", "m"), ("women", "f")):
            found["person"] |= {n: _person(raw, name=n) | {"g": sex} for n in kinds[gender]}
        found["surname"] |= {n: {"n": raw["surnames"].get(n, n)} for n in kinds["surnames"]}
        found["organisation"] |= {n: {"n": raw["organisations"].get(n, n)} for n in kinds["organisations"]}
        for city in kinds["cities"]:
            cells = [cell.strip() for cell in str(raw["cities"].get(city, city)).split("|")]
            inside = cells[1] if len(cells) > 1 else raw["city_in"].replace("{n}", f"[{cells[0]}]")
            found["city"][city] = {"n": f"[{cells[0]}]", "in": inside}
    return found


def _person(raw: dict[str, Any], *, name: str) -> Entry:
    """Forms of a first name: `n`, `bare`, and what else `columns` asks of persons, spelt like `n` where left out."""
    columns = [str(column) for column in raw["columns"].get("person", ["n"])]
    defaults = dict.fromkeys(columns[1:], "n")
    entry = _entry(raw["persons"].get(name, name), columns=columns, defaults=defaults, where=f"persons.{name}")
    return entry | {"bare": entry["n"]}


@cache
def load_language(folder: Path, *, code: str) -> Language:
    """The language of `folder/lexicon/<code>.yaml`.

    Raises:
        DataError: a concept has no entry, or an entry has the wrong number of forms.
    """
    path = folder / "lexicon" / f"{code}.yaml"
    raw = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    entries = _names(raw, load_concepts(folder))
    for kind, section in SECTIONS.items():
        columns = [str(column) for column in raw["columns"].get(kind, ["s"])]
        defaults = {str(k): str(v) for k, v in raw.get("defaults", {}).get(kind, {}).items()}
        entries[kind] = {
            str(key): _entry(text, columns=columns, defaults=defaults, where=f"{path.name} {section}.{key}")
            for key, text in raw[section].items()
        }
    language = Language(
        code=code,
        tatoeba=raw["tatoeba"],
        udpos=raw["udpos"],
        spaces=raw["spaces"],
        spaced_marks=frozenset(_words(raw.get("spaced_marks"))),
        closed={word.replace("_", " "): tag for tag, words in raw["closed"].items() for word in _words(words)},
        entries=entries,
        forms={
            kind: {name: _templates(value) for name, value in forms.items()} for kind, forms in raw["forms"].items()
        },
        patterns=FRAGMENTS | raw["patterns"],
        organisation_kinds=raw["organisation_kinds"],
        capitals=raw.get("capitals", {}),
    )
    _require_all(language, concepts=load_concepts(folder))
    return language


def _templates(value: object) -> str | dict[str, str]:
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else str(value)


def _require_all(language: Language, *, concepts: Concepts) -> None:
    wanted = {
        "noun": {n for nouns in concepts.nouns.values() for n in nouns},
        "verb": {v for pairs in concepts.verbs.values() for v, _ in pairs},
        "adjective": {a for pairs in concepts.adjectives.values() for a, _ in pairs},
        "place": {p for places in concepts.places.values() for p in places},
        "day": set(concepts.days),
    }
    for kind, keys in wanted.items():
        if missing := sorted(keys - set(language.entries[kind])):
            raise DataError(f"lexicon/{language.code}.yaml: no {kind} for {', '.join(missing)}.")
        if unknown := sorted(set(language.entries[kind]) - keys):
            raise DataError(f"lexicon/{language.code}.yaml: {kind} {', '.join(unknown)} is not in concepts.yaml.")
