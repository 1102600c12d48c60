"""Variables of the environment: nonsense is one sentence with the name, what was found and what was expected."""

from __future__ import annotations

import pytest

from core.errors import SpecError
from core.variables import (
    ALL,
    CPU_SLOTS,
    KEEP_FREE,
    OF_JOBS,
    PRECISION,
    READ_ONLY,
    SAVE_EVERY,
    WARM,
    check_for_jobs,
    number,
    switch,
    word,
    wrong,
)

NONSENSE = ("", " ", "banana", "-3", "9" * 5000, "inf", "nan", "/etc/passwd", "x\udcff", "١٢", "1_0_", "0x10")


@pytest.mark.parametrize("name", ALL)
def test_nonsense_is_one_sentence(name: str) -> None:
    for found in NONSENSE:
        (text,) = wrong({name: found})
        assert text.startswith(f"{name} is '") and ", expected " in text and len(text) < 250
        assert (wrong({name: found}, names=OF_JOBS) == [text]) == (name in OF_JOBS)


def test_what_is_right_is_read_and_what_is_not_set_is_usual() -> None:
    assert number(CPU_SLOTS, {CPU_SLOTS: " 4 "}, usual=None) == 4
    assert number(SAVE_EVERY, {SAVE_EVERY: "0.5"}, usual=30.0) == 0.5
    assert number(KEEP_FREE, {}, usual=5.0) == 5.0 and number(KEEP_FREE, {KEEP_FREE: "1e9"}, usual=5.0) == 1e9
    assert word(PRECISION, {PRECISION: "bf16"}, usual="auto") == "bf16" and word(PRECISION, {}, usual="auto") == "auto"
    assert wrong({CPU_SLOTS: "256", WARM: "1", "PATH": "x"}) == []
    with pytest.raises(SpecError, match=r"^ATLAS_CPU_SLOTS is '257', expected a whole number from 1 to 256: jobs at a"):
        check_for_jobs({CPU_SLOTS: "257", KEEP_FREE: "much"})


def test_yes_and_no_in_the_words_that_people_use() -> None:
    for said in ("1", "true", "Yes", " ON "):
        assert switch(READ_ONLY, {READ_ONLY: said}, usual=False)
    for said in ("0", "false", "No", " OFF "):
        assert not switch(READ_ONLY, {READ_ONLY: said}, usual=True)
    assert switch(READ_ONLY, {}, usual=True) and not switch(READ_ONLY, {}, usual=False)
    with pytest.raises(SpecError, match=r"^ATLAS_READ_ONLY is '2', expected 1, true, yes, on or 0, false, no, off\.$"):
        switch(READ_ONLY, {READ_ONLY: "2"}, usual=False)
