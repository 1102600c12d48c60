"""Languages by XTREME's two-letter codes: name, family, script, direction.

The table below holds the 40 languages of XTREME (Hu et al. 2020, Table 5, with the four slips of its script column
corrected) and those of MultiEURLEX. Any other valid BCP 47 code works too: `language` derives its name and script
from CLDR and says that the family is not known. To give a language a family, add a line here.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import langcodes

from core.errors import UnknownName

_RTL_SCRIPTS = frozenset({"Arab", "Hebr", "Syrc", "Thaa", "Nkoo", "Adlm"})
_UNSPACED_SCRIPTS = frozenset({"Hans", "Hant", "Jpan", "Thai", "Mymr", "Laoo", "Khmr"})


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

    @property
    def is_rtl(self) -> bool:
        """Whether it is written from right to left."""
        return self.script in _RTL_SCRIPTS

    @property
    def has_spaces(self) -> bool:
        """Whether words are separated by spaces."""
        return self.script not in _UNSPACED_SCRIPTS


_TABLE = """
af|Afrikaans|IE: Germanic|Latn|0.09
ar|Arabic|Afro-Asiatic|Arab|1.02
bg|Bulgarian|IE: Slavic|Cyrl|0.26
bn|Bengali|IE: Indo-Aryan|Beng|0.08
cs|Czech|IE: Slavic|Latn|
da|Danish|IE: Germanic|Latn|
de|German|IE: Germanic|Latn|2.37
el|Greek|IE: Greek|Grek|0.17
en|English|IE: Germanic|Latn|5.98
es|Spanish|IE: Romance|Latn|1.56
et|Estonian|Uralic|Latn|0.20
eu|Basque|Basque|Latn|0.34
fa|Persian|IE: Iranian|Arab|0.70
fi|Finnish|Uralic|Latn|0.47
fr|French|IE: Romance|Latn|2.16
he|Hebrew|Afro-Asiatic|Hebr|0.25
hi|Hindi|IE: Indo-Aryan|Deva|0.13
hr|Croatian|IE: Slavic|Latn|
hu|Hungarian|Uralic|Latn|0.46
id|Indonesian|Austronesian|Latn|0.51
it|Italian|IE: Romance|Latn|1.57
ja|Japanese|Japonic|Jpan|1.18
jv|Javanese|Austronesian|Latn|0.06
ka|Georgian|Kartvelian|Geor|0.13
kk|Kazakh|Turkic|Cyrl|0.23
ko|Korean|Koreanic|Kore|0.47
lt|Lithuanian|IE: Baltic|Latn|
lv|Latvian|IE: Baltic|Latn|
ml|Malayalam|Dravidian|Mlym|0.07
mr|Marathi|IE: Indo-Aryan|Deva|0.06
ms|Malay|Austronesian|Latn|0.33
mt|Maltese|Afro-Asiatic|Latn|
my|Burmese|Sino-Tibetan|Mymr|0.05
nl|Dutch|IE: Germanic|Latn|1.99
pl|Polish|IE: Slavic|Latn|
pt|Portuguese|IE: Romance|Latn|1.02
ro|Romanian|IE: Romance|Latn|
ru|Russian|IE: Slavic|Cyrl|1.58
sk|Slovak|IE: Slavic|Latn|
sl|Slovenian|IE: Slavic|Latn|
sv|Swedish|IE: Germanic|Latn|
sw|Swahili|Niger-Congo|Latn|0.05
ta|Tamil|Dravidian|Taml|0.12
te|Telugu|Dravidian|Telu|0.07
th|Thai|Kra-Dai|Thai|0.13
tl|Tagalog|Austronesian|Latn|0.08
tr|Turkish|Turkic|Latn|0.34
ur|Urdu|IE: Indo-Aryan|Arab|0.15
vi|Vietnamese|Austro-Asiatic|Latn|1.24
yo|Yoruba|Niger-Congo|Latn|0.03
zh|Mandarin|Sino-Tibetan|Hans|1.09
"""


def _parse_line(line: str) -> Language:
    code, name, family, script, millions = line.split("|")
    return Language(code, name, family, script, float(millions) if millions else None)


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
    return Language(code, tag.display_name(), "unknown", tag.maximize().script or "Zyyy", None)


def check_language(code: str) -> str:
    """The code itself, if it names a language.

    Args:
        code: What was typed.

    Raises:
        UnknownName: It does not.
    """
    return language(code).code
