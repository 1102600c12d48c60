"""Variables of the environment: nonsense is one sentence with the name, what was found and what was expected."""

from __future__ import annotations

import pytest

from core.errors import SpecError
from core.variables import (
    ALL,
    CPU_SLOTS,
    KEEP_FREE,
    OF_JOBS,
    SAVE_EVERY,
    WARM,
    check_for_jobs,
    number,
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
    assert word(WARM, {WARM: "0"}, usual="1") == "0" and word(WARM, {}, usual="1") == "1"
    assert wrong({CPU_SLOTS: "256", WARM: "1", "PATH": "x"}) == []
    with pytest.raises(SpecError, match=r"^ATLAS_CPU_SLOTS is '257', expected a whole number from 1 to 256: jobs at a"):
        check_for_jobs({CPU_SLOTS: "257", KEEP_FREE: "much"})
