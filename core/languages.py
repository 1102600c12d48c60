"""Languages by XTREME's two-letter codes: name, family, script, direction, size of Wikipedia, distance from English.

The table below holds the 40 languages of XTREME (Hu et al. 2020, Table 5, with the four slips of its script column
corrected) and those of MultiEURLEX and XCOPA. Its last column comes from URIEL (Littell et al. 2017, in lang2vec 1.1.2,
CC BY-SA 4.0), by `tools/uriel.py`. Any other valid BCP 47 code works too: `language` derives its name and script
from CLDR and says that the family is not known. To give a language a family, add a line here.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import langcodes

from core.errors import UnknownName


class Language(NamedTuple):
    """One language as pages and figures need it."""

    code: str
    """XTREME's two-letter code, or a BCP 47 tag."""
    name: str
    """English name."""
    family: str
    """Family, with the branch for Indo-European; "unknown" outside the table."""
    script: str
    """ISO 15924 code, such as `Cyrl`."""
    wikipedia_millions: float | None
    """Wikipedia articles in millions (Hu et al. 2020, Table 5); None where the paper has none."""
    syntax_distance: float | None
    """Distance from English: 1 - cosine of URIEL's `syntax_knn` vectors, in [0, 1]; None where not known."""


_TABLE = """
af|Afrikaans|IE: Germanic|Latn|0.09|0.151
ar|Arabic|Afro-Asiatic|Arab|1.02|0.349
bg|Bulgarian|IE: Slavic|Cyrl|0.26|0.142
bn|Bengali|IE: Indo-Aryan|Beng|0.08|0.417
cs|Czech|IE: Slavic|Latn||0.260
da|Danish|IE: Germanic|Latn||0.120
de|German|IE: Germanic|Latn|2.37|0.097
el|Greek|IE: Greek|Grek|0.17|0.217
en|English|IE: Germanic|Latn|5.98|0.000
es|Spanish|IE: Romance|Latn|1.56|0.178
et|Estonian|Uralic|Latn|0.20|0.227
eu|Basque|Basque|Latn|0.34|0.377
fa|Persian|IE: Iranian|Arab|0.70|0.500
fi|Finnish|Uralic|Latn|0.47|0.289
fr|French|IE: Romance|Latn|2.16|0.188
he|Hebrew|Afro-Asiatic|Hebr|0.25|0.249
hi|Hindi|IE: Indo-Aryan|Deva|0.13|0.384
hr|Croatian|IE: Slavic|Latn||0.168
ht|Haitian Creole|Creole|Latn||0.270
hu|Hungarian|Uralic|Latn|0.46|0.306
id|Indonesian|Austronesian|Latn|0.51|0.273
it|Italian|IE: Romance|Latn|1.57|0.142
ja|Japanese|Japonic|Jpan|1.18|0.500
jv|Javanese|Austronesian|Latn|0.06|0.399
ka|Georgian|Kartvelian|Geor|0.13|0.315
kk|Kazakh|Turkic|Cyrl|0.23|0.552
ko|Korean|Koreanic|Kore|0.47|0.447
lt|Lithuanian|IE: Baltic|Latn||0.307
lv|Latvian|IE: Baltic|Latn||0.246
ml|Malayalam|Dravidian|Mlym|0.07|0.464
mr|Marathi|IE: Indo-Aryan|Deva|0.06|0.435
ms|Malay|Austronesian|Latn|0.33|0.295
mt|Maltese|Afro-Asiatic|Latn||0.306
my|Burmese|Sino-Tibetan|Mymr|0.05|0.605
nl|Dutch|IE: Germanic|Latn|1.99|0.076
pl|Polish|IE: Slavic|Latn||0.214
pt|Portuguese|IE: Romance|Latn|1.02|0.158
qu|Quechua|Quechuan|Latn||0.487
ro|Romanian|IE: Romance|Latn||0.204
ru|Russian|IE: Slavic|Cyrl|1.58|0.188
sk|Slovak|IE: Slavic|Latn||0.178
sl|Slovenian|IE: Slavic|Latn||0.194
sv|Swedish|IE: Germanic|Latn||0.067
sw|Swahili|Niger-Congo|Latn|0.05|0.541
ta|Tamil|Dravidian|Taml|0.12|0.486
te|Telugu|Dravidian|Telu|0.07|0.479
th|Thai|Kra-Dai|Thai|0.13|0.361
tl|Tagalog|Austronesian|Latn|0.08|0.391
tr|Turkish|Turkic|Latn|0.34|0.493
ur|Urdu|IE: Indo-Aryan|Arab|0.15|0.384
vi|Vietnamese|Austro-Asiatic|Latn|1.24|0.340
yo|Yoruba|Niger-Congo|Latn|0.03|0.400
zh|Mandarin|Sino-Tibetan|Hans|1.09|0.289
"""


def _parse_line(line: str) -> Language:
    code, name, family, script, millions, distance = line.split("|")
    return Language(
        code, name, family, script, float(millions) if millions else None, float(distance) if distance else None
    )


LANGUAGES: dict[str, Language] = {entry.code: entry for entry in map(_parse_line, _TABLE.strip().splitlines())}
"""The languages of the table, by code, in alphabetical order of the code."""

XTREME_LANGUAGES: tuple[str, ...] = tuple(c for c, entry in LANGUAGES.items() if entry.wikipedia_millions is not None)
"""Codes of the 40 languages of XTREME."""


@cache
def language(code: str) -> Language:
    """The language of a code.

    Args:
        code: XTREME's two-letter code, or any valid BCP 47 tag.

    Raises:
        UnknownName: The code is neither in the table nor a valid tag.
    """
    if code in LANGUAGES:
        return LANGUAGES[code]
    if not langcodes.tag_is_valid(code):
        raise UnknownName("language", code, known=LANGUAGES)
    tag = langcodes.Language.get(code)
    return Language(code, tag.display_name(), "unknown", tag.maximize().script or "Zyyy", None, None)


_SCRIPTS = {"Hans": "Chinese, simplified", "Hant": "Chinese, traditional", "Zyyy": "unknown"}
"""Where CLDR's name of a script needs the language beside it."""


@cache
def script_name(code: str) -> str:
    """English name of a script: `Cyrl` is Cyrillic.

    Args:
        code: ISO 15924; what is no such code stands for itself.
    """
    if code in _SCRIPTS:
        return _SCRIPTS[code]
    name = langcodes.Language.make(script=code).script_name()
    return code if name.startswith("Unknown") else name


def family_name(family: str) -> str:
    """A family of the table as people read it: "IE: Germanic" is "Indo-European: Germanic".

    Args:
        family: As a language names it.
    """
    return family.replace("IE:", "Indo-European:")


def check_language(code: str) -> str:
    """The code itself, if it names a language.

    Args:
        code: What was typed.

    Raises:
        UnknownName: It does not.
    """
    return language(code).code


@cache
def code_of_name(name: str) -> str | None:
    """The code of a language of the table by its English name (`German`) or three letters (`deu`); None for others.

    Args:
        name: In any case.
    """
    word = name.casefold()
    if len(word) == len("deu") and word.isascii() and langcodes.tag_is_valid(word):
        code = langcodes.standardize_tag(word, macro=True)
        return "tl" if code == "fil" else code if code in LANGUAGES else None
    return _BY_NAME.get(word)


_BY_NAME: dict[str, str] = {entry.name.casefold(): code for code, entry in LANGUAGES.items()} | {"chinese": "zh"}
