"""The campaigns: they see what they look for, and a short one finds nothing."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from core.errors import SpecError
from core.paths import AtlasPaths
from tools.faults.garbage import garbled
from tools.faults.kills import campaign
from tools.faults.readers import feed


def test_the_same_seed_makes_the_same_garbage_and_seldom_the_original() -> None:
    good = b'{"a": [1, {"b": "text"}], "c": null}\n'
    first, second = ([garbled(good, rng) for _ in range(200)] for rng in (Random(1), Random(1)))
    assert first == second
    assert sum(content == good for content in first) < 20


def test_a_traceback_and_a_hang_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.faults.readers.LIMIT_S", 0.05)

    def read(content: bytes, rng: Random) -> None:
        del rng
        if content[:1] == b"{":
            raise SpecError("refused")
        if content[:1] == b"[":
            sum(range(10_000_000))
        else:
            raise KeyError("a bug")

    found = feed("reader", b'{"a": 1}', read, n=60, rng=Random(1))
    assert found.refused and found.tracebacks and found.slow
    assert found.n == found.taken + found.refused + len(found.tracebacks) == 60
    assert "KeyError: 'a bug' for " in found.tracebacks[0]


@pytest.mark.slow
def test_a_short_campaign_loses_nothing_and_does_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = campaign(AtlasPaths(home=tmp_path), faults=20, seeds=2, rng=Random(1), most_s=240)
    assert (found.done, found.twice, found.wrong, found.second_workers) == (found.runs, 0, 0, 0)
    assert found.faults >= 20
