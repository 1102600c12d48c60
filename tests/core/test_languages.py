"""The table of languages, and codes outside it."""

from __future__ import annotations

import csv

import pytest

from core.errors import UnknownName
from core.languages import LANGUAGES, XTREME_LANGUAGES, check_language, family_name, language, script_name
from core.paths import REPO

TABLE_5 = REPO.parent / "shared" / "published" / "hu2020_xtreme_table5_languages.csv"


def test_forty_languages_of_xtreme_in_order() -> None:
    assert len(XTREME_LANGUAGES) == 40
    assert list(LANGUAGES) == sorted(LANGUAGES)
    assert all(entry.code == code and len(entry.script) == 4 for code, entry in LANGUAGES.items())


@pytest.mark.skipif(not TABLE_5.is_file(), reason="needs the transcriptions in ../shared/published")
def test_the_codes_are_those_of_table_5() -> None:
    with TABLE_5.open(encoding="utf-8") as stream:
        codes = {row["language"] for row in csv.DictReader(stream) if row["language"]}
    assert set(XTREME_LANGUAGES) == codes


@pytest.mark.parametrize(
    ("code", "name", "script"), [("gl", "Galician", "Latn"), ("am", "Amharic", "Ethi"), ("uk", "Ukrainian", "Cyrl")]
)
def test_codes_outside_the_table_come_from_cldr(code: str, name: str, script: str) -> None:
    found = language(code)
    assert (found.name, found.script, found.family) == (name, script, "unknown")
    assert found.wikipedia_millions is None
    assert found.syntax_distance is None
    assert check_language(code) == code


def test_people_read_the_names_of_scripts_and_families() -> None:
    assert [script_name(code) for code in ("Cyrl", "Latn", "Hans", "odd")] == [
        "Cyrillic", "Latin", "Chinese, simplified", "odd",
    ]  # fmt: skip
    assert all(" [" not in script_name(entry.script) for entry in LANGUAGES.values()), "a code that CLDR lacks"
    assert (family_name("IE: Slavic"), family_name("Uralic")) == ("Indo-European: Slavic", "Uralic")


def test_a_name_is_not_a_code() -> None:
    with pytest.raises(UnknownName, match=r"No language named 'English_'.* Known: af, ar, bg"):
        check_language("English_")


def test_distances_from_english_are_known_for_the_whole_table() -> None:
    distances = {code: entry.syntax_distance for code, entry in LANGUAGES.items()}
    assert None not in distances.values()
    assert [code for code, distance in distances.items() if distance == 0] == ["en"]
    # Germanic before Romance before what orders words the other way round.
    assert distances["sv"] < distances["fr"] < distances["hi"] < distances["ja"] < 1
